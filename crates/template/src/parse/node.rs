//! The tree of a template, and how its nodes print: errors quote the node they stopped at.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;

/// A byte offset into the source.
pub(crate) type Pos = u32;

/// The text a tree was made from, with the name errors give it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: Box<str>,
    pub(crate) text: Bytes,
}

impl Source {
    /// From 1.
    pub(crate) fn line(&self, pos: Pos) -> usize {
        let before = &self.text[..(pos as usize).min(self.text.len())];
        1 + before.iter().filter(|b| **b == b'\n').count()
    }

    /// `NAME:LINE:COLUMN`; columns count bytes from 0.
    pub(crate) fn place(&self, pos: Pos) -> String {
        let before = &self.text[..(pos as usize).min(self.text.len())];
        let line = self.line(pos);
        let column = before.iter().rev().take_while(|b| **b != b'\n').count();
        format!("{}:{line}:{column}", self.name)
    }
}

#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) name: Arc<str>,
    pub(crate) source: Arc<Source>,
    pub(crate) root: Vec<Node>,
}

impl Tree {
    /// Nothing but white space (and definitions): such a tree never replaces another.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.iter().all(
            |n| matches!(n, Node::Text { text, .. } if text.iter().all(|b| is_unicode_space(*b))),
        )
    }
}

/// The ASCII part of Go's `bytes.TrimSpace`.
fn is_unicode_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text { pos: Pos, text: Bytes },
    Action { pos: Pos, pipe: Pipe },
    If(Branch),
    With(Branch),
    Range(Branch),
    Template { pos: Pos, name: Arc<str>, pipe: Option<Pipe> },
    Break { pos: Pos },
    Continue { pos: Pos },
}

#[derive(Clone, Debug)]
pub(crate) struct Branch {
    pub(crate) pos: Pos,
    pub(crate) pipe: Pipe,
    pub(crate) list: Vec<Node>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    pub(crate) pos: Pos,
    /// Declared or, with `assigns`, assigned variables, `$` included.
    pub(crate) vars: Vec<Box<str>>,
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command>,
}

#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) pos: Pos,
    pub(crate) args: Vec<Arg>,
}

#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Dot {
        pos: Pos,
    },
    Nil {
        pos: Pos,
    },
    Bool {
        pos: Pos,
        value: bool,
    },
    Number {
        pos: Pos,
        number: Number,
    },
    Str {
        pos: Pos,
        quoted: Bytes,
        text: Bytes,
    },
    /// A function's name.
    Ident {
        pos: Pos,
        name: Box<str>,
    },
    /// `.a.b`
    Field {
        pos: Pos,
        path: Vec<Box<str>>,
    },
    /// `$x.a.b`; the first is the variable.
    Variable {
        pos: Pos,
        path: Vec<Box<str>>,
    },
    /// `(pipeline)`
    Pipe(Box<Pipe>),
    /// `operand.a.b`
    Chain {
        pos: Pos,
        operand: Box<Arg>,
        path: Vec<Box<str>>,
    },
}

/// A constant: all the types it can take on.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) text: Box<str>,
    pub(crate) int: Option<i64>,
    pub(crate) uint: Option<u64>,
    pub(crate) float: Option<f64>,
    pub(crate) complex: Option<(f64, f64)>,
}

impl Node {
    pub(crate) fn pos(&self) -> Pos {
        match self {
            Self::Text { pos, .. }
            | Self::Action { pos, .. }
            | Self::Template { pos, .. }
            | Self::Break { pos }
            | Self::Continue { pos } => *pos,
            Self::If(b) | Self::With(b) | Self::Range(b) => b.pos,
        }
    }
}

impl Arg {
    /// Whether its type depends on where it stands.
    pub(crate) fn is_constant(&self) -> bool {
        matches!(
            self,
            Self::Bool { .. } | Self::Number { .. } | Self::Str { .. } | Self::Nil { .. }
        )
    }

    pub(crate) fn pos(&self) -> Pos {
        match self {
            Self::Dot { pos }
            | Self::Nil { pos }
            | Self::Bool { pos, .. }
            | Self::Number { pos, .. }
            | Self::Str { pos, .. }
            | Self::Ident { pos, .. }
            | Self::Field { pos, .. }
            | Self::Variable { pos, .. }
            | Self::Chain { pos, .. } => *pos,
            Self::Pipe(pipe) => pipe.pos,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { text, .. } => f.write_str(&String::from_utf8_lossy(text)),
            Self::Action { pipe, .. } => write!(f, "{{{{{pipe}}}}}"),
            Self::If(branch) => write_branch(f, "if", branch),
            Self::With(branch) => write_branch(f, "with", branch),
            Self::Range(branch) => write_branch(f, "range", branch),
            Self::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", crate::fmt::quoted(name.as_bytes()))?;
                if let Some(pipe) = pipe {
                    write!(f, " {pipe}")?;
                }
                f.write_str("}}")
            }
            Self::Break { .. } => f.write_str("{{break}}"),
            Self::Continue { .. } => f.write_str("{{continue}}"),
        }
    }
}

fn write_branch(f: &mut fmt::Formatter<'_>, word: &str, branch: &Branch) -> fmt::Result {
    write!(f, "{{{{{word} {}}}}}", branch.pipe)?;
    branch.list.iter().try_for_each(|n| write!(f, "{n}"))?;
    if let Some(otherwise) = &branch.otherwise {
        f.write_str("{{else}}")?;
        otherwise.iter().try_for_each(|n| write!(f, "{n}"))?;
    }
    f.write_str("{{end}}")
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.vars.is_empty() {
            f.write_str(&self.vars.join(", "))?;
            f.write_str(if self.assigns { " = " } else { " := " })?;
        }
        for (i, command) in self.commands.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            write!(f, "{command}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_char(' ')?;
            }
            write_operand(f, arg)?;
        }
        Ok(())
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dot { .. } => f.write_char('.'),
            Self::Nil { .. } => f.write_str("nil"),
            Self::Bool { value, .. } => write!(f, "{value}"),
            Self::Number { number, .. } => f.write_str(&number.text),
            Self::Str { quoted, .. } => f.write_str(&String::from_utf8_lossy(quoted)),
            Self::Ident { name, .. } => f.write_str(name),
            Self::Field { path, .. } => write_path(f, path),
            Self::Variable { path, .. } => f.write_str(&path.join(".")),
            Self::Pipe(pipe) => write!(f, "{pipe}"),
            Self::Chain { operand, path, .. } => {
                write_operand(f, operand)?;
                write_path(f, path)
            }
        }
    }
}

/// A pipeline has parentheses only where it stands within something.
fn write_operand(f: &mut fmt::Formatter<'_>, arg: &Arg) -> fmt::Result {
    match arg {
        Arg::Pipe(pipe) => write!(f, "({pipe})"),
        other => write!(f, "{other}"),
    }
}

fn write_path(f: &mut fmt::Formatter<'_>, path: &[Box<str>]) -> fmt::Result {
    path.iter().try_for_each(|name| write!(f, ".{name}"))
}
