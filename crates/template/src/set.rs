//! Named templates that may call each other.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::exec::{self, Budget};
use crate::func::{CallError, Funcs};
use crate::parse::node::Tree;
use crate::value::Value;
use crate::{Error, Limit, Limits, html, parse};

/// Whether values are escaped by where they stand in HTML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Text,
    Html,
}

/// What a missing map key is (Go's option `missingkey`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingKey {
    /// No value, which prints `<no value>`.
    Default,
    /// The zero value of the map's element type.
    Zero,
    /// An error.
    Error,
}

/// Steps for which finding the contexts of a template counts when an execution asks for it.
const ESCAPE_STEPS: u64 = 1000;

pub(crate) type Trees = HashMap<Arc<str>, Arc<Tree>>;

/// Templates by name. A clone shares the trees and may be parsed into on its own.
#[derive(Clone, Debug)]
pub struct Set {
    mode: Mode,
    missing_key: MissingKey,
    trees: Arc<Trees>,
    /// The own tree of the text parsed last. In text mode it is what its name runs, even when it is empty and so did
    /// not replace an earlier one.
    last: Option<Arc<Tree>>,
}

impl Set {
    pub fn new(mode: Mode, missing_key: MissingKey) -> Self {
        Self { mode, missing_key, trees: Arc::default(), last: None }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub(crate) fn missing_key(&self) -> MissingKey {
        self.missing_key
    }

    /// Parses a text; it becomes the template `name`, its definitions those of their names. Both replace earlier ones
    /// unless they are empty. Functions must be in `funcs` (by name; others may be handed over at execution) or Go's own.
    ///
    /// On an error the set is as before.
    pub fn parse(
        &mut self,
        name: &str,
        text: impl AsRef<[u8]>,
        funcs: &Funcs,
    ) -> Result<(), Error> {
        let is_function = |word: &str| funcs.contains(word) || exec::is_builtin(word);
        let trees = parse::parse(name, text.as_ref(), &is_function).map_err(Error::Parse)?;
        let all = Arc::make_mut(&mut self.trees);
        for tree in trees {
            let tree = Arc::new(tree);
            if &*tree.name == name {
                self.last = Some(tree.clone());
            }
            if !(tree.is_empty() && all.contains_key(&tree.name)) {
                all.insert(tree.name.clone(), tree);
            }
        }
        Ok(())
    }

    /// Names of all templates, sorted.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.trees.keys().map(|n| &**n).collect();
        names.sort_unstable();
        names
    }

    pub fn contains(&self, name: &str) -> bool {
        self.trees.contains_key(name)
    }

    /// Makes a template ready to run.
    pub fn program(&self, name: &str) -> Result<Program, Error> {
        let trees = match self.mode {
            Mode::Text => self.trees.clone(),
            Mode::Html => Arc::new(html::escape(&self.trees, name).map_err(Error::Escape)?),
        };
        let last = self.last.as_ref().filter(|t| self.mode == Mode::Text && &*t.name == name);
        let Some(root) = last.or_else(|| trees.get(name)).cloned() else {
            let name = crate::fmt::quoted(name.as_bytes());
            return Err(Error::Exec(format!("template: no template {name} in the set")));
        };
        Ok(Program { set: self.clone(), trees, root })
    }

    /// Executes a template from within another execution.
    pub(crate) fn run_nested(
        &self,
        name: &str,
        data: Value,
        funcs: &Funcs,
        budget: &mut Budget,
    ) -> Result<Bytes, CallError> {
        let convert = |error: Error| match error {
            Error::Limit(limit, text) => CallError::Limit(limit, text),
            other => CallError::Failed(other.to_string()),
        };
        let over = |limit: Limit| CallError::Limit(limit, limit.to_string());
        if self.mode == Mode::Html {
            budget.spend(ESCAPE_STEPS).map_err(over)?;
        }
        budget.enter().map_err(over)?;
        let program = self.program(name).map_err(convert)?;
        let mut out = Vec::new();
        let done = exec::run(&program, data, funcs, budget, &mut out).map_err(convert);
        budget.leave();
        done.map(|()| out.into())
    }
}

/// A template ready to run, with all those it may call.
#[derive(Clone, Debug)]
pub struct Program {
    pub(crate) set: Set,
    pub(crate) trees: Arc<Trees>,
    pub(crate) root: Arc<Tree>,
}

impl Program {
    /// Runs it over `data` ([`Value::Missing`] is Go's nil).
    pub fn execute(&self, data: Value, funcs: &Funcs, limits: &Limits) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.execute_into(&mut out, data, funcs, limits)?;
        Ok(out)
    }

    /// As [`Program::execute`]; on an error `out` has what was written before it.
    pub fn execute_into(
        &self,
        out: &mut Vec<u8>,
        data: Value,
        funcs: &Funcs,
        limits: &Limits,
    ) -> Result<(), Error> {
        exec::run(self, data, funcs, &mut Budget::new(limits), out)
    }
}
