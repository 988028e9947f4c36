//! The walk over a template: contexts through text and branches, escapers into pipelines.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::context::{Ctx, Delim, State, UrlPart};
use super::escaper::Escaper;
use super::js::escape_script_tags;
use super::transition::{after_text, index_any};
use crate::fmt::quoted;
use crate::parse::node::{Arg, Branch, Command, Node, Pipe, Tree};
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
        trees,
        work: 0,
        outputs: HashMap::new(),
        called: HashMap::new(),
        made: HashMap::new(),
        loops: Vec::new(),
    };
    let end = walk.tree(Ctx::default(), name, None, None).map_err(|e| e.text(name))?.0;
    if end.state != State::Text {
        return Err(format!("html/template:{name}: ends in a non-text context: {end}"));
    }
    let mut all = trees.clone();
    all.extend(walk.made);
    Ok(all)
}

/// What is wrong, and where if that is known (`NAME:LINE:COLUMN`).
#[derive(Clone, Debug)]
struct Trouble {
    place: Option<String>,
    text: String,
}

impl Trouble {
    fn text(&self, name: &str) -> String {
        let place = self.place.as_deref().unwrap_or(name);
        format!("html/template:{place}: {}", self.text)
    }
}

type Walked<T> = Result<T, Box<Trouble>>;

/// Contexts at the breaks and continues of a loop, with the place of each.
#[derive(Default)]
struct Loop {
    breaks: Vec<(Ctx, String)>,
    continues: Vec<(Ctx, String)>,
}

struct Walk<'a> {
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
            return Err(trouble(None, "template is too large or too deeply nested to escape"));
        }
        Ok(())
    }

    /// A template in a context: the context after it, and the name it is made under.
    fn tree(
        &mut self,
        c: Ctx,
        name: &str,
        caller: Option<&Tree>,
        node: Option<&Node>,
    ) -> Walked<(Ctx, Arc<str>)> {
        let made_name = c.mangle(name);
        *self.called.entry(made_name.clone()).or_default() += 1;
        if let Some(out) = self.outputs.get(&made_name) {
            return Ok((out.clone(), made_name.into()));
        }
        let Some(tree) = self.trees.get(name).cloned() else {
            let place = caller.zip(node).map(|(t, n)| t.source.place(n.pos()));
            let text = format!("no such template {}", quoted(name.as_bytes()));
            return Err(trouble(place, &text));
        };
        let derived: Arc<str> = made_name.as_str().into();
        let (mut end, mut good) = self.body(&c, &tree, &derived)?;
        if !good {
            // It calls itself and does not end as it began; perhaps it does when it starts where it ended.
            let (again, again_good) = self.body(&end, &tree, &derived)?;
            if again_good {
                (end, good) = (again, true);
            }
        }
        if !good {
            let place = tree.root.first().map(|n| tree.source.place(n.pos()));
            let text = format!("cannot compute output context for template {made_name}");
            return Err(trouble(place, &text));
        }
        Ok((end, derived))
    }

    /// Makes a template's body, assuming that it ends as it begins; whether that was so, or did not matter.
    fn body(&mut self, c: &Ctx, tree: &Arc<Tree>, derived: &Arc<str>) -> Walked<(Ctx, bool)> {
        self.outputs.insert(derived.to_string(), c.clone());
        let before = self.called.get(&**derived).copied().unwrap_or(0);
        let (end, root) = self.list(c.clone(), tree, &tree.root)?;
        let calls_itself = self.called.get(&**derived).copied().unwrap_or(0) > before;
        let good = !calls_itself || *c == end;
        if good {
            self.outputs.insert(derived.to_string(), end.clone());
            let made = Tree { name: derived.clone(), source: tree.source.clone(), root };
            self.made.insert(derived.clone(), Arc::new(made));
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
                let (c, pipe) = action(c, tree, node, pipe)?;
                Ok((c, Node::Action { pos: *pos, pipe }))
            }
            Node::If(branch) => {
                let (c, branch) = self.branch(c, tree, node, branch, "if")?;
                Ok((c, Node::If(branch)))
            }
            Node::With(branch) => {
                let (c, branch) = self.branch(c, tree, node, branch, "with")?;
                Ok((c, Node::With(branch)))
            }
            Node::Range(branch) => {
                let (c, branch) = self.range(c, tree, node, branch)?;
                Ok((c, Node::Range(branch)))
            }
            Node::Template { pos, name, pipe } => {
                let (c, name) = self.tree(c, name, Some(tree), Some(node))?;
                Ok((c, Node::Template { pos: *pos, name, pipe: pipe.clone() }))
            }
            Node::Break { .. } | Node::Continue { .. } => {
                let place = tree.source.place(node.pos());
                if let Some(innermost) = self.loops.last_mut() {
                    match node {
                        Node::Break { .. } => innermost.breaks.push((c, place)),
                        _ => innermost.continues.push((c, place)),
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
        node: &Node,
        branch: &Branch,
        word: &str,
    ) -> Walked<(Ctx, Branch)> {
        let (then, list) = self.list(c.clone(), tree, &branch.list)?;
        self.otherwise(c, then, list, tree, node, branch, word)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a branch")]
    fn otherwise(
        &mut self,
        c: Ctx,
        then: Ctx,
        list: Vec<Node>,
        tree: &Tree,
        node: &Node,
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
        let end = join(then, other, word)
            .map_err(|text| trouble(Some(tree.source.place(node.pos())), &text))?;
        let made = Branch { pos: branch.pos, pipe: branch.pipe.clone(), list, otherwise };
        Ok((end, made))
    }

    fn range(
        &mut self,
        c: Ctx,
        tree: &Tree,
        node: &Node,
        branch: &Branch,
    ) -> Walked<(Ctx, Branch)> {
        let (once, list) = self.round(c.clone(), tree, &branch.list)?;
        // A second round starts where the first one ended, and must end there too.
        self.loops.push(Loop::default());
        let outputs = self.outputs.clone();
        let made = self.made.clone();
        let again = self.list(once.clone(), tree, &branch.list);
        let innermost = self.loops.pop().unwrap_or_default();
        (self.outputs, self.made) = (outputs, made);
        let (twice, _) = again?;
        let both = join(once, twice, "range").map_err(|text| {
            let text = format!("on range loop re-entry: {text}");
            trouble(Some(tree.source.place(node.pos())), &text)
        })?;
        let then = join_loop(both, innermost)?;
        self.otherwise(c, then, list, tree, node, branch, "range")
    }

    /// One round of a loop, its breaks and continues joined in.
    fn round(&mut self, c: Ctx, tree: &Tree, list: &[Node]) -> Walked<(Ctx, Vec<Node>)> {
        self.loops.push(Loop::default());
        let walked = self.list(c, tree, list);
        let innermost = self.loops.pop().unwrap_or_default();
        let (end, list) = walked?;
        Ok((join_loop(end, innermost)?, list))
    }

    fn text(&mut self, mut c: Ctx, text: &Bytes) -> Walked<(Ctx, Bytes)> {
        let mut out = Vec::new();
        let (mut written, mut at) = (0, 0);
        while at != text.len() {
            let (next, read) = after_text(&c, &text[at..]).map_err(|text| trouble(None, &text))?;
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
                return Err(trouble(None, "text cannot be read further"));
            }
            (c, at) = (next, end);
        }
        if written == 0 {
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

fn trouble(place: Option<String>, text: &str) -> Box<Trouble> {
    Box::new(Trouble { place, text: text.to_owned() })
}

fn join_loop(mut c: Ctx, innermost: Loop) -> Walked<Ctx> {
    let breaks = innermost.breaks.into_iter().map(|b| (b, "break"));
    for ((at, place), word) in
        breaks.chain(innermost.continues.into_iter().map(|c| (c, "continue")))
    {
        c = join(c, at, "range")
            .map_err(|text| trouble(Some(place), &format!("at range loop {word}: {text}")))?;
    }
    Ok(c)
}

/// The context after two branches; they must agree, but for what later text can bear not to know.
fn join(a: Ctx, b: Ctx, word: &str) -> Result<Ctx, String> {
    if a.state == State::Dead || a == b {
        return Ok(b);
    }
    if b.state == State::Dead {
        return Ok(a);
    }
    let mut c = a.clone();
    c.url_part = b.url_part;
    if c == b {
        c.url_part = UrlPart::Unknown;
        return Ok(c);
    }
    let mut c = a.clone();
    c.js_ctx = b.js_ctx;
    if c == b {
        c.js_ctx = super::context::JsCtx::Unknown;
        return Ok(c);
    }
    // `<p title={{if .C}}{{.}}{{end}}` ends within an unquoted value either way.
    let (nudged_a, nudged_b) = (a.clone().nudged(), b.clone().nudged());
    if (nudged_a != a || nudged_b != b)
        && let Ok(joined) = join(nudged_a, nudged_b, word)
    {
        return Ok(joined);
    }
    Err(format!("{{{{{word}}}}} branches end in different contexts: {a}, {b}"))
}

/// An action's pipeline with the escapers of its context.
fn action(c: Ctx, tree: &Tree, node: &Node, pipe: &Pipe) -> Walked<(Ctx, Pipe)> {
    if !pipe.vars.is_empty() {
        return Ok((c, pipe.clone()));
    }
    let mut c = c.nudged();
    let fail = |text: String| Err(trouble(Some(tree.source.place(node.pos())), &text));
    for (i, command) in pipe.commands.iter().enumerate() {
        let Some(name) = predefined_name(command) else { continue };
        let unquoted = c.state == State::Attr && c.delim == Delim::SpaceOrTagEnd;
        if i + 1 < pipe.commands.len() || unquoted && name == "html" {
            let name = quoted(name.as_bytes());
            return fail(format!("predefined escaper {name} disallowed in template"));
        }
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
            c.js_ctx = super::context::JsCtx::DivOp;
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
    Ok((c, with_escapers(pipe, &escapers)))
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
