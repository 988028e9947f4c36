//! The walk over a template: contexts through text and branches, escapers into pipelines.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::context::{Ctx, Delim, JsCtx, Shared, State, UrlPart};
use super::escaper::Escaper;
use super::js::escape_script_tags;
use super::transition::{after_text, index_any};
use crate::fmt::quoted;
use crate::parse::node::{Arg, Branch, Command, Node, Pipe, Pos, Tree};
use crate::set::Trees;

/// Nodes and pieces of text looked at before the walk gives up: loops within loops are walked twice each, so the work
/// doubles with every level.
const MAX_WORK: u32 = 500_000;

/// The templates of a set, `name` and all it calls with their values escaped.
pub(crate) fn escape(trees: &Trees, name: &str) -> Result<Trees, String> {
    if !trees.contains_key(name) {
        return Err(format!("html/template: {} is undefined", quoted(name.as_bytes())));
    }
    let mut walk = Walk {
        name,
        trees,
        work: 0,
        outputs: HashMap::new(),
        called: HashMap::new(),
        made: HashMap::new(),
        loops: Vec::new(),
    };
    let end = walk.tree(Ctx::default(), name, None)?.0;
    if let Some(Shared(trouble)) = &end.trouble {
        return Err(trouble.borrow().message(name));
    }
    if end.state != State::Text {
        return Err(format!("html/template:{name}: ends in a non-text context: {end}"));
    }
    let mut all = trees.clone();
    all.extend(walk.made);
    Ok(all)
}

/// The walk itself only fails when it gives up; other trouble is a context.
type Walked<T> = Result<T, String>;

/// A node and the template it stands in.
#[derive(Clone, Copy)]
struct At<'t> {
    tree: &'t Tree,
    pos: Pos,
}

impl At<'_> {
    fn place(self) -> Option<String> {
        Some(self.tree.source.place(self.pos))
    }

    fn line(self) -> usize {
        self.tree.source.line(self.pos)
    }
}

/// Contexts at the breaks and continues of a loop, with the place of each.
#[derive(Default)]
struct Loop {
    breaks: Vec<(Ctx, Pos)>,
    continues: Vec<(Ctx, Pos)>,
}

struct Walk<'a> {
    name: &'a str,
    trees: &'a Trees,
    work: u32,
    /// The context after each template as it was made; assumed while it is being made.
    outputs: HashMap<String, Ctx>,
    /// Templates called, counted.
    called: HashMap<String, u32>,
    made: Trees,
    loops: Vec<Loop>,
}

impl Walk<'_> {
    fn spend(&mut self, work: usize) -> Walked<()> {
        self.work = self.work.saturating_add(1 + (work / 64) as u32);
        if self.work > MAX_WORK {
            let text = "template is too large or too deeply nested to escape";
            return Err(format!("html/template:{}: {text}", self.name));
        }
        Ok(())
    }

    /// A template in a context: the context after it, and the name it is made under.
    fn tree(&mut self, c: Ctx, name: &str, caller: Option<At<'_>>) -> Walked<(Ctx, Arc<str>)> {
        let derived: Arc<str> = c.mangle(name).into();
        *self.called.entry(derived.to_string()).or_default() += 1;
        if let Some(out) = self.outputs.get(&*derived) {
            return Ok((out.clone(), derived));
        }
        let Some(tree) = self.trees.get(name).cloned() else {
            let text = format!("no such template {}", quoted(name.as_bytes()));
            return Ok((Ctx::failed(caller.and_then(At::place), text), derived));
        };
        let (mut end, mut good) = self.body(&c, &tree, &derived)?;
        if !good {
            // It calls itself and does not end as it began; perhaps it does when it starts where it ended.
            let (again, again_good) = self.body(&end, &tree, &derived)?;
            if again_good {
                (end, good) = (again, true);
            }
        }
        if !good && end.state != State::Error {
            let place = tree.root.first().map(|n| tree.source.place(n.pos()));
            let text = format!("cannot compute output context for template {derived}");
            return Ok((Ctx::failed(place, text), derived));
        }
        Ok((end, derived))
    }

    /// Makes a template's body, assuming that it ends as it begins; whether that was so, or did not matter.
    fn body(&mut self, c: &Ctx, tree: &Arc<Tree>, derived: &Arc<str>) -> Walked<(Ctx, bool)> {
        self.outputs.insert(derived.to_string(), c.clone());
        let (outputs, made) = (self.outputs.clone(), self.made.clone());
        let before = self.called.get(&**derived).copied().unwrap_or(0);
        let (end, root) = self.list(c.clone(), tree, &tree.root)?;
        let calls_itself = self.called.get(&**derived).copied().unwrap_or(0) > before;
        let good = end.state != State::Error && (!calls_itself || *c == end);
        if good {
            self.outputs.insert(derived.to_string(), end.clone());
            let made = Tree { name: derived.clone(), source: tree.source.clone(), root };
            self.made.insert(derived.clone(), Arc::new(made));
        } else {
            (self.outputs, self.made) = (outputs, made);
        }
        Ok((end, good))
    }

    fn list(&mut self, mut c: Ctx, tree: &Tree, list: &[Node]) -> Walked<(Ctx, Vec<Node>)> {
        let mut out = Vec::with_capacity(list.len());
        for (i, node) in list.iter().enumerate() {
            let (next, made) = self.node(c, tree, node)?;
            out.push(made);
            c = next;
            if c.state == State::Dead {
                // Never reached.
                out.extend_from_slice(&list[i + 1..]);
                break;
            }
        }
        Ok((c, out))
    }

    fn node(&mut self, c: Ctx, tree: &Tree, node: &Node) -> Walked<(Ctx, Node)> {
        self.spend(0)?;
        match node {
            Node::Text { pos, text } => {
                let (c, text) = self.text(c, text)?;
                Ok((c, Node::Text { pos: *pos, text }))
            }
            Node::Action { pos, pipe } => {
                let (c, pipe) = action(c, tree, node, pipe);
                Ok((c, Node::Action { pos: *pos, pipe }))
            }
            Node::If(branch) => {
                let (c, branch) = self.branch(c, tree, branch, "if")?;
                Ok((c, Node::If(branch)))
            }
            Node::With(branch) => {
                let (c, branch) = self.branch(c, tree, branch, "with")?;
                Ok((c, Node::With(branch)))
            }
            Node::Range(branch) => {
                let (c, branch) = self.range(c, tree, branch)?;
                Ok((c, Node::Range(branch)))
            }
            Node::Template { pos, name, pipe } => {
                let (c, name) = self.tree(c, name, Some(At { tree, pos: *pos }))?;
                Ok((c, Node::Template { pos: *pos, name, pipe: pipe.clone() }))
            }
            Node::Break { .. } | Node::Continue { .. } => {
                if let Some(innermost) = self.loops.last_mut() {
                    match node {
                        Node::Break { pos } => innermost.breaks.push((c, *pos)),
                        _ => innermost.continues.push((c, node.pos())),
                    }
                }
                Ok((Ctx { state: State::Dead, ..Ctx::default() }, node.clone()))
            }
        }
    }

    fn branch(
        &mut self,
        c: Ctx,
        tree: &Tree,
        branch: &Branch,
        word: &str,
    ) -> Walked<(Ctx, Branch)> {
        let (then, list) = self.list(c.clone(), tree, &branch.list)?;
        self.otherwise(c, then, list, tree, branch, word)
    }

    fn otherwise(
        &mut self,
        c: Ctx,
        then: Ctx,
        list: Vec<Node>,
        tree: &Tree,
        branch: &Branch,
        word: &str,
    ) -> Walked<(Ctx, Branch)> {
        let (other, otherwise) = match &branch.otherwise {
            Some(otherwise) => {
                let (other, otherwise) = self.list(c, tree, otherwise)?;
                (other, Some(otherwise))
            }
            None => (c, None),
        };
        let end = join(then, other, word, At { tree, pos: branch.pos });
        let made = Branch { pos: branch.pos, pipe: branch.pipe.clone(), list, otherwise };
        Ok((end, made))
    }

    fn range(&mut self, c: Ctx, tree: &Tree, branch: &Branch) -> Walked<(Ctx, Branch)> {
        let (end, list, innermost) = self.round(c.clone(), tree, &branch.list)?;
        let once = if end.state == State::Error { end } else { join_loop(end, innermost, tree) };
        if once.state == State::Error {
            return Ok((once, branch.clone()));
        }
        // A second round starts where the first one ended, and must end there too.
        let (outputs, made) = (self.outputs.clone(), self.made.clone());
        let (twice, _, innermost) = self.round(once.clone(), tree, &branch.list)?;
        (self.outputs, self.made) = (outputs, made);
        let at = At { tree, pos: branch.pos };
        let both = join(once, twice, "range", at);
        if both.state == State::Error {
            both.blame(at.line(), "on range loop re-entry: ");
            return Ok((both, branch.clone()));
        }
        let then = join_loop(both, innermost, tree);
        if then.state == State::Error {
            return Ok((then, branch.clone()));
        }
        self.otherwise(c, then, list, tree, branch, "range")
    }

    /// One round of a loop, with the contexts at its breaks and continues.
    fn round(&mut self, c: Ctx, tree: &Tree, list: &[Node]) -> Walked<(Ctx, Vec<Node>, Loop)> {
        self.loops.push(Loop::default());
        let (end, list) = self.list(c, tree, list)?;
        let innermost = self.loops.pop().unwrap_or_default();
        Ok((end, list, innermost))
    }

    fn text(&mut self, mut c: Ctx, text: &Bytes) -> Walked<(Ctx, Bytes)> {
        let mut out = Vec::new();
        let (mut written, mut at) = (0, 0);
        while at != text.len() {
            let (next, read) = match after_text(&c, &text[at..]) {
                Ok(step) => step,
                Err(why) => (Ctx::failed(None, why), text.len() - at),
            };
            self.spend(read)?;
            let end = at + read;
            if matches!(c.state, State::Text | State::Rcdata) {
                let piece = &text[at..end];
                let mut upto = piece.len();
                if next.state != c.state
                    && let Some(tag) = piece.iter().rposition(|b| *b == b'<')
                {
                    upto = tag;
                }
                for (i, _) in piece[..upto].iter().enumerate().filter(|(_, b)| **b == b'<') {
                    if !is_doctype(&text[at + i..]) {
                        out.extend_from_slice(&text[written..at + i]);
                        out.extend_from_slice(b"&lt;");
                        written = at + i + 1;
                    }
                }
            } else if c.state.is_comment() && c.delim == Delim::None {
                match c.state {
                    State::JsBlockComment => {
                        let dropped = &text[written..end];
                        let breaks = index_any(dropped, b"\n\r").is_some()
                            || dropped.windows(3).any(|w| matches!(w, [0xe2, 0x80, 0xa8 | 0xa9]));
                        out.push(if breaks { b'\n' } else { b' ' });
                    }
                    State::CssBlockComment => out.push(b' '),
                    _ => {}
                }
                written = end;
            }
            if c.state != next.state && next.state.is_comment() && next.delim == Delim::None {
                let opening = match next.state {
                    State::HtmlComment | State::JsHtmlOpenComment => 4,
                    State::JsHtmlCloseComment => 3,
                    _ => 2,
                };
                out.extend_from_slice(&text[written..end.saturating_sub(opening).max(written)]);
                written = end;
            }
            if c.state.is_in_script_literal() {
                let escaped = escape_script_tags(&text[at..end]);
                if escaped != text[at..end] {
                    out.extend_from_slice(&text[written..at]);
                    out.extend_from_slice(&escaped);
                    written = end;
                }
            }
            if read == 0 && c.state == next.state {
                return Ok((Ctx::failed(None, "text cannot be read further"), text.clone()));
            }
            (c, at) = (next, end);
        }
        if written == 0 || c.state == State::Error {
            return Ok((c, text.clone()));
        }
        if !c.state.is_comment() || c.delim != Delim::None {
            out.extend_from_slice(&text[written..]);
        }
        Ok((c, out.into()))
    }
}

fn is_doctype(text: &[u8]) -> bool {
    text.len() >= 9 && text[..9].eq_ignore_ascii_case(b"<!DOCTYPE")
}

fn join_loop(mut c: Ctx, innermost: Loop, tree: &Tree) -> Ctx {
    let breaks = innermost.breaks.into_iter().map(|b| (b, "at range loop break: "));
    let continues = innermost.continues.into_iter().map(|c| (c, "at range loop continue: "));
    for ((there, pos), what) in breaks.chain(continues) {
        let at = At { tree, pos };
        c = join(c, there, "range", at);
        if c.state == State::Error {
            c.blame(at.line(), what);
            return c;
        }
    }
    c
}

/// The context after two branches; they must agree, but for what later text can bear not to know.
fn join(a: Ctx, b: Ctx, word: &str, at: At<'_>) -> Ctx {
    if a.state == State::Error || b.state == State::Dead && b.state != a.state {
        return a;
    }
    if b.state == State::Error || a.state == State::Dead || a == b {
        return b;
    }
    let mut c = a.clone();
    c.url_part = b.url_part;
    if c == b {
        c.url_part = UrlPart::Unknown;
        return c;
    }
    let mut c = a.clone();
    c.js_ctx = b.js_ctx;
    if c == b {
        c.js_ctx = JsCtx::Unknown;
        return c;
    }
    // `<p title={{if .C}}{{.}}{{end}}` ends within an unquoted value either way.
    let (nudged_a, nudged_b) = (a.clone().nudged(), b.clone().nudged());
    if nudged_a != a || nudged_b != b {
        let joined = join(nudged_a, nudged_b, word, at);
        if joined.state != State::Error {
            return joined;
        }
    }
    let text = format!("{{{{{word}}}}} branches end in different contexts: {a}, {b}");
    Ctx::failed(at.place(), text)
}

/// An action's pipeline with the escapers of its context.
fn action(c: Ctx, tree: &Tree, node: &Node, pipe: &Pipe) -> (Ctx, Pipe) {
    if !pipe.vars.is_empty() {
        return (c, pipe.clone());
    }
    let mut c = c.nudged();
    let fail =
        |text: String| (Ctx::failed(At { tree, pos: node.pos() }.place(), text), pipe.clone());
    for (i, command) in pipe.commands.iter().enumerate() {
        let Some(name) = predefined_name(command) else { continue };
        let unquoted = c.state == State::Attr && c.delim == Delim::SpaceOrTagEnd;
        if i + 1 < pipe.commands.len() || unquoted && name == "html" {
            let name = quoted(name.as_bytes());
            return fail(format!("predefined escaper {name} disallowed in template"));
        }
    }
    if c.state == State::Error {
        return (c, pipe.clone());
    }
    let mut escapers = Vec::with_capacity(3);
    match c.state {
        State::Url
        | State::CssDoubleQuoted
        | State::CssSingleQuoted
        | State::CssDoubleQuotedUrl
        | State::CssSingleQuotedUrl
        | State::CssUrl => {
            let in_string = matches!(c.state, State::CssDoubleQuoted | State::CssSingleQuoted);
            match c.url_part {
                UrlPart::None | UrlPart::PreQuery => {
                    if c.url_part == UrlPart::None {
                        escapers.push(Escaper::UrlFilter);
                    }
                    escapers.push(if in_string { Escaper::Css } else { Escaper::UrlNormal });
                }
                UrlPart::QueryOrFragment => escapers.push(Escaper::Url),
                UrlPart::Unknown => {
                    return fail(format!("{node} appears in an ambiguous context within a URL"));
                }
            }
        }
        State::MetaContentUrl => escapers.push(Escaper::UrlFilter),
        State::Js => {
            escapers.push(Escaper::JsValue);
            c.js_ctx = JsCtx::DivOp;
        }
        State::JsDoubleQuoted | State::JsSingleQuoted => escapers.push(Escaper::JsString),
        State::JsTemplate => escapers.push(Escaper::JsTemplate),
        State::JsRegexp => escapers.push(Escaper::JsRegexp),
        State::Css => escapers.push(Escaper::CssValue),
        State::Text => escapers.push(Escaper::Html),
        State::Rcdata => escapers.push(Escaper::Rcdata),
        State::AttrName | State::Tag => {
            c.state = State::AttrName;
            escapers.push(Escaper::HtmlName);
        }
        State::Srcset => escapers.push(Escaper::Srcset),
        state if state.is_comment() => escapers.push(Escaper::Comment),
        // Escaped by the delimiter alone.
        _ => {}
    }
    match c.delim {
        Delim::None => {}
        Delim::SpaceOrTagEnd => escapers.push(Escaper::NoSpace),
        Delim::DoubleQuote | Delim::SingleQuote => escapers.push(Escaper::Attr),
    }
    let pipe = with_escapers(pipe, &escapers);
    (c, pipe)
}

/// The name if the command calls `html` or `urlquery`.
fn predefined_name(command: &Command) -> Option<&str> {
    match &command.args[0] {
        Arg::Ident { name, .. } if matches!(&**name, "html" | "urlquery") => Some(name),
        _ => None,
    }
}

fn with_escapers(pipe: &Pipe, escapers: &[Escaper]) -> Pipe {
    let mut out = pipe.clone();
    let mut names: Vec<&str> = escapers.iter().map(|e| e.name()).collect();
    let ident = |name: &str| Command {
        pos: pipe.pos,
        args: vec![Arg::Ident { pos: pipe.pos, name: name.into() }],
    };
    if let Some(predefined) = out.commands.last().and_then(predefined_name).map(str::to_owned) {
        let alone = out.commands.len() == 1;
        let last = out.commands.len() - 1;
        let with_args = out.commands[last].args.len() > 1;
        if alone && with_args {
            // `html a b` becomes `_eval_args_ a b | html`, so that the escaper can take the place of one of ours.
            let pos = out.commands[last].args[0].pos();
            out.commands[last].args[0] = Arg::Ident { pos, name: Escaper::EvalArgs.name().into() };
            out.commands.push(ident(&predefined));
        }
        let mut stands_in = false;
        for (name, escaper) in names.iter_mut().zip(escapers) {
            if escaper.predefined() == Some(&*predefined) {
                *name = if predefined == "html" { "html" } else { "urlquery" };
                stands_in = true;
            }
        }
        if stands_in {
            out.commands.pop();
        }
    }
    for name in names {
        let redundant = match out.commands.last().map(|c| &c.args[0]) {
            Some(Arg::Ident { name: last, .. }) => Escaper::find(last)
                .zip(Escaper::find(name))
                .is_some_and(|(last, next)| last.makes_redundant(next)),
            _ => false,
        };
        if !redundant {
            out.commands.push(ident(name));
        }
    }
    out
}
