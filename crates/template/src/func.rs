//! Functions that templates may call: their signature, their body, and the table a caller supplies.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::Limit;
use crate::exec::{Budget, Scope};
use crate::value::{Type, Value};

/// Parameters of a function or method. The last one of a variadic function is the type of each further argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    pub params: &'static [Type],
    pub variadic: bool,
}

impl Signature {
    pub const NONE: Self = Self::of(&[]);

    pub const fn of(params: &'static [Type]) -> Self {
        Self { params, variadic: false }
    }

    pub const fn variadic(params: &'static [Type]) -> Self {
        Self { params, variadic: true }
    }
}

/// Why a function or method did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// Its own error; becomes `error calling NAME: TEXT`.
    Failed(String),
    /// It cannot be called at all; the text stands alone (Go's own check of signatures).
    Refused(String),
    /// A limit of the execution was hit within; the text says where.
    Limit(Limit, String),
}

impl From<String> for CallError {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

impl From<&str> for CallError {
    fn from(text: &str) -> Self {
        Self::Failed(text.to_owned())
    }
}

type Body = dyn Fn(&[Value], &mut Context<'_>) -> Result<Value, CallError> + Send + Sync;

/// A function value.
pub struct Func {
    type_name: &'static str,
    signature: Signature,
    body: Box<Body>,
}

impl Func {
    /// `type_name` is Go's spelling (`func(int) int`), which a few errors print.
    pub fn new(
        type_name: &'static str,
        signature: Signature,
        body: impl Fn(&[Value], &mut Context<'_>) -> Result<Value, CallError> + Send + Sync + 'static,
    ) -> Self {
        Self { type_name, signature, body: Box::new(body) }
    }

    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    pub fn signature(&self) -> Signature {
        self.signature
    }

    pub(crate) fn call(&self, args: &[Value], cx: &mut Context<'_>) -> Result<Value, CallError> {
        (self.body)(args, cx)
    }
}

impl fmt::Debug for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name)
    }
}

/// A table of functions by name. Cloning it shares the functions.
///
/// Go's own functions (`and or not len index slice print printf println html js urlquery call eq ne lt le gt ge`) need
/// not be in it; an entry of their name replaces them.
#[derive(Clone, Debug, Default)]
pub struct Funcs {
    table: HashMap<&'static str, Arc<Func>>,
}

impl Funcs {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a function.
    pub fn add(
        &mut self,
        name: &'static str,
        signature: Signature,
        body: impl Fn(&[Value], &mut Context<'_>) -> Result<Value, CallError> + Send + Sync + 'static,
    ) -> &mut Self {
        self.table.insert(name, Arc::new(Func::new("func", signature, body)));
        self
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Func>> {
        self.table.get(name)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.table.contains_key(name)
    }
}

/// What a function may use of the execution that called it.
pub struct Context<'a> {
    pub(crate) scope: Scope<'a>,
    pub(crate) budget: &'a mut Budget,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

impl Context<'_> {
    /// Executes the template `name` of the same set, within the limits of the caller.
    pub fn execute(&mut self, name: &str, data: Value) -> Result<Bytes, CallError> {
        self.scope.set.run_nested(name, data, self.scope.funcs, self.budget)
    }

    /// Parses `text` in a copy of the set and executes it, within the limits of the caller.
    pub fn execute_text(&mut self, text: &[u8], data: Value) -> Result<Bytes, CallError> {
        self.spend(1 + text.len() as u64)?;
        let mut set = self.scope.set.clone();
        set.parse("", text, self.scope.funcs).map_err(|e| CallError::Failed(e.to_string()))?;
        set.run_nested("", data, self.scope.funcs, self.budget)
    }

    /// Counts `steps` of work against the limits. For functions that loop over what a template gave them.
    pub fn spend(&mut self, steps: u64) -> Result<(), CallError> {
        self.budget.spend(steps).map_err(|limit| CallError::Limit(limit, limit.to_string()))
    }
}
