//! Walking a tree over data.

mod builtin;
mod compare;
mod pipeline;

use std::fmt::Display;
use std::time::Duration;

use bytes::Bytes;

use crate::Error;
use crate::func::{CallError, Funcs};
use crate::limits::{Limit, Limits};
use crate::parse::node::{Arg, Branch, Command, Node, Pipe, Tree};
use crate::set::{Program, Set, Trees};
use crate::value::{IntType, Type, Value};

pub(crate) use builtin::{is_builtin, to_text, too_large};

/// What is left of the limits.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    steps_left: u64,
    output_left: usize,
    depth: u32,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            steps_left: limits.steps,
            output_left: limits.output_bytes,
            depth: 0,
            limits: limits.clone(),
        }
    }

    pub(crate) fn spend(&mut self, steps: u64) -> Result<(), Limit> {
        let left = self.steps_left;
        self.steps_left = left.checked_sub(steps).ok_or(Limit::Steps(self.limits.steps))?;
        if left >> 8 != self.steps_left >> 8
            && let Some((clock, end)) = &self.limits.deadline
            && clock.monotonic() > Duration::min(*end, Duration::MAX)
        {
            return Err(Limit::Time);
        }
        Ok(())
    }

    pub(crate) fn enter(&mut self) -> Result<(), Limit> {
        if self.depth >= self.limits.depth {
            return Err(Limit::Depth(self.limits.depth));
        }
        self.depth += 1;
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// The largest string a function may give.
    pub(crate) fn output_bytes(&self) -> usize {
        self.limits.output_bytes
    }

    fn write(&mut self, bytes: usize) -> Result<(), Limit> {
        self.output_left =
            self.output_left.checked_sub(bytes).ok_or(Limit::Output(self.limits.output_bytes))?;
        Ok(())
    }
}

/// What functions are called within.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) set: &'a Set,
    pub(crate) funcs: &'a Funcs,
}

pub(crate) fn run(
    program: &Program,
    data: Value,
    funcs: &Funcs,
    budget: &mut Budget,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let tree = &*program.root;
    let dot = Slot::of(data);
    let mut state = State {
        trees: &program.trees,
        scope: Scope { set: &program.set, funcs },
        budget,
        out,
        tree,
        at: At::Nothing,
        vars: vec![("$", dot.clone())],
    };
    state.list(&dot, &tree.root).map(drop).map_err(|e| *e)
}

/// A value with what its static type adds: whether it was reached through an interface.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    value: Value,
    any: bool,
}

impl Slot {
    const MISSING: Self = Self { value: Value::Missing, any: false };

    fn of(value: Value) -> Self {
        let any = matches!(value, Value::Nil);
        Self { value, any }
    }

    /// An element or field whose static type is an interface.
    fn within(value: Value, elem: Type) -> Self {
        let any = elem == Type::Any || matches!(value, Value::Nil);
        Self { value, any }
    }

    /// What comes out of a pipeline: the interface is taken off.
    fn unwrapped(self) -> Self {
        match self.value {
            Value::Nil => Self::MISSING,
            value => Self { value, any: false },
        }
    }

    fn type_name(&self) -> String {
        if self.any { "interface {}".to_owned() } else { self.value.type_name().into_owned() }
    }
}

/// The node an error would name.
#[derive(Clone, Copy)]
enum At<'t> {
    Nothing,
    Node(&'t Node),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Arg(&'t Arg),
}

enum Flow {
    On,
    Break,
    Continue,
}

type Done<T> = Result<T, Box<Error>>;

struct State<'t, 'r> {
    trees: &'t Trees,
    scope: Scope<'t>,
    budget: &'r mut Budget,
    out: &'r mut Vec<u8>,
    tree: &'t Tree,
    at: At<'t>,
    vars: Vec<(&'t str, Slot)>,
}

impl<'t> State<'t, '_> {
    fn list(&mut self, dot: &Slot, list: &'t [Node]) -> Done<Flow> {
        self.budget.enter().map_err(|limit| self.over(limit))?;
        let mut flow = Flow::On;
        for node in list {
            flow = self.node(dot, node)?;
            if !matches!(flow, Flow::On) {
                break;
            }
        }
        self.budget.leave();
        Ok(flow)
    }

    fn node(&mut self, dot: &Slot, node: &'t Node) -> Done<Flow> {
        self.at = At::Node(node);
        self.spend(1)?;
        match node {
            Node::Text { text, .. } => self.write(text)?,
            Node::Action { pipe, .. } => {
                let value = self.pipeline(dot, pipe)?;
                if pipe.vars.is_empty() {
                    self.at = At::Node(node);
                    self.print(node, &value.value)?;
                }
            }
            Node::If(branch) => return self.if_or_with(dot, branch, false),
            Node::With(branch) => return self.if_or_with(dot, branch, true),
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template { name, pipe, .. } => self.template(dot, node, name, pipe.as_ref())?,
            Node::Break { .. } => return Ok(Flow::Break),
            Node::Continue { .. } => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    fn if_or_with(&mut self, dot: &Slot, branch: &'t Branch, with: bool) -> Done<Flow> {
        let mark = self.vars.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let flow = if value.value.is_true() {
            self.list(if with { &value } else { dot }, &branch.list)?
        } else if let Some(otherwise) = &branch.otherwise {
            self.list(dot, otherwise)?
        } else {
            Flow::On
        };
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, dot: &Slot, branch: &'t Branch) -> Done<Flow> {
        let mark = self.vars.len();
        let over = self.pipeline(dot, &branch.pipe)?;
        let mut ran = false;
        let plain = over.value.plain();
        match plain.as_ref() {
            Value::List(list) => {
                for (i, item) in list.items.iter().enumerate() {
                    ran = true;
                    let item = Slot::within(item.clone(), list.elem);
                    if self.iteration(branch, Slot::of(Value::int(i as i64)), item)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, item) in map.entries() {
                    ran = true;
                    let item = Slot::within(item.clone(), map.elem);
                    if self.iteration(branch, Slot::within(key.clone(), map.key), item)? {
                        break;
                    }
                }
            }
            Value::Int(end, ty) => {
                if branch.pipe.vars.len() > 1 {
                    let shown = crate::fmt::show(&over.value);
                    return self
                        .fail(format!("can't use {shown} to iterate over more than one variable"));
                }
                ran = self.count(branch, *end, *ty)?;
            }
            Value::Missing | Value::Nil => {}
            _ => {
                let shown = crate::fmt::show(&over.value);
                return self.fail(format!("range can't iterate over {shown}"));
            }
        }
        let mut flow = Flow::On;
        if !ran && let Some(otherwise) = &branch.otherwise {
            flow = self.list(dot, otherwise)?;
        }
        self.vars.truncate(mark);
        Ok(flow)
    }

    fn count(&mut self, branch: &'t Branch, end: i64, ty: IntType) -> Done<bool> {
        let end = if ty.is_unsigned() { end as u64 } else { end.max(0) as u64 };
        for i in 0..end {
            if self.iteration(branch, Slot::MISSING, Slot::of(Value::Int(i as i64, ty)))? {
                break;
            }
        }
        Ok(end > 0)
    }

    /// One round; `true` if it broke off.
    fn iteration(&mut self, branch: &'t Branch, index: Slot, item: Slot) -> Done<bool> {
        self.spend(1)?;
        let pipe = &branch.pipe;
        let top = self.vars.len();
        match pipe.vars.len() {
            0 => {}
            1 if pipe.assigns => self.assign(&pipe.vars[0], item.clone())?,
            1 => self.vars[top - 1].1 = item.clone(),
            _ if pipe.assigns => {
                self.assign(&pipe.vars[0], index)?;
                self.assign(&pipe.vars[1], item.clone())?;
            }
            _ => {
                self.vars[top - 1].1 = item.clone();
                self.vars[top - 2].1 = index;
            }
        }
        let flow = self.list(&item, &branch.list)?;
        self.vars.truncate(top);
        Ok(matches!(flow, Flow::Break))
    }

    fn template(
        &mut self,
        dot: &Slot,
        node: &'t Node,
        name: &'t str,
        pipe: Option<&'t Pipe>,
    ) -> Done<()> {
        let Some(tree) = self.trees.get(name) else {
            let name = crate::fmt::quoted(name.as_bytes());
            return self.fail(format!("template {name} not defined"));
        };
        let dot = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Slot::MISSING,
        };
        self.at = At::Node(node);
        let outer = std::mem::replace(&mut self.vars, vec![("$", dot.clone())]);
        let caller = std::mem::replace(&mut self.tree, tree);
        self.list(&dot, &tree.root)?;
        self.vars = outer;
        self.tree = caller;
        Ok(())
    }

    fn print(&mut self, node: &'t Node, value: &Value) -> Done<()> {
        match value {
            Value::Str(text, _) => return self.write(text),
            Value::Missing | Value::Nil => return self.write(b"<no value>"),
            Value::Func(func) => {
                let shown = match node {
                    Node::Action { pipe, .. } => format!("{{{{{pipe}}}}}"),
                    other => other.to_string(),
                };
                return self.fail(format!("can't print {shown} of type {}", func.type_name()));
            }
            _ => {}
        }
        match to_text(value, self.budget.output_left) {
            Ok(text) => self.write(&text),
            Err(_) => Err(self.over(Limit::Output(self.budget.output_bytes()))),
        }
    }

    fn write(&mut self, text: &[u8]) -> Done<()> {
        self.budget.write(text.len()).map_err(|limit| self.over(limit))?;
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn spend(&mut self, steps: u64) -> Done<()> {
        self.budget.spend(steps).map_err(|limit| self.over(limit))
    }

    fn assign(&mut self, name: &str, value: Slot) -> Done<()> {
        match self.vars.iter_mut().rev().find(|(n, _)| *n == name) {
            Some(var) => {
                var.1 = value;
                Ok(())
            }
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    fn place(&self, message: impl Display) -> String {
        let (pos, node): (_, Box<dyn Display>) = match self.at {
            At::Nothing => return format!("template: {}: {message}", self.tree.name),
            At::Node(node) => (node.pos(), Box::new(node)),
            At::Pipe(pipe) => (pipe.pos, Box::new(pipe)),
            At::Command(command) => (command.pos, Box::new(command)),
            At::Arg(arg) => (arg.pos(), Box::new(arg)),
        };
        let name = crate::fmt::quoted(self.tree.name.as_bytes());
        let place = self.tree.source.place(pos);
        format!("template: {place}: executing {name} at <{node}>: {message}")
    }

    fn fail<T>(&self, message: impl Display) -> Done<T> {
        Err(Box::new(Error::Exec(self.place(message))))
    }

    fn over(&self, limit: Limit) -> Box<Error> {
        Box::new(Error::Limit(limit, self.place(limit)))
    }

    fn call_failed<T>(&self, name: &str, error: CallError) -> Done<T> {
        match error {
            CallError::Failed(text) => self.fail(format!("error calling {name}: {text}")),
            CallError::Refused(text) => self.fail(text),
            CallError::Limit(limit, text) => Err(Box::new(Error::Limit(
                limit,
                self.place(format!("error calling {name}: {text}")),
            ))),
        }
    }
}

/// Bytes of a string, shared.
fn shared(text: Vec<u8>) -> Value {
    Value::string(Bytes::from(text))
}
