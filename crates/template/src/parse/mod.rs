//! From text to trees. Every definition in a text becomes a tree of its own.
//!
//! Refuses what Go refuses, in its words: `template: NAME:LINE: MESSAGE`. Nesting is bounded by [`MAX_NESTING`].

mod lex;
pub(crate) mod node;
mod number;

use std::sync::Arc;

use bytes::Bytes;

use lex::{Item, Kind, Lexer};
use node::{Arg, Branch, Command, Node, Pipe, Pos, Source, Tree};

/// Blocks and parentheses within each other. Go has no limit of its own; a hostile text must not exhaust the stack.
pub const MAX_NESTING: usize = 100;

/// Longest text that is parsed: positions are 32 bits wide.
pub const MAX_TEXT_BYTES: usize = 64 << 20;

/// Parses `text`. The trees are in the order they ended; the last one is the text's own.
pub(crate) fn parse(
    name: &str,
    text: &[u8],
    is_function: &dyn Fn(&str) -> bool,
) -> Result<Vec<Tree>, String> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(format!("template: {name}: text of {} bytes is too long", text.len()));
    }
    let source = Arc::new(Source { name: name.into(), text: Bytes::copy_from_slice(text) });
    let text = source.text.clone();
    let mut parser = Parser {
        lexer: Lexer::new(&text, is_function("break"), is_function("continue")),
        source: source.clone(),
        tokens: std::array::from_fn(|_| Item {
            kind: Kind::Eof,
            pos: 0,
            line: 1,
            text: Vec::new(),
        }),
        ahead: 0,
        scope: Scope::new(),
        nesting: 0,
        action_line: 0,
        is_function,
        trees: Vec::new(),
    };
    parser.main(name)?;
    Ok(parser.trees)
}

/// What a definition starts afresh.
struct Scope {
    vars: Vec<Box<str>>,
    ranges: usize,
}

impl Scope {
    fn new() -> Self {
        Self { vars: vec!["$".into()], ranges: 0 }
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    source: Arc<Source>,
    /// Up to three words of look-ahead; `tokens[ahead - 1]` comes next.
    tokens: [Item; 3],
    ahead: usize,
    scope: Scope,
    nesting: usize,
    /// Line of the action that is being read, 0 outside; errors within another line name it.
    action_line: u32,
    is_function: &'a dyn Fn(&str) -> bool,
    trees: Vec<Tree>,
}

type Parsed<T> = Result<T, String>;

/// How a list of nodes ended.
enum Stop {
    End,
    Else,
}

enum Step {
    Node(Node),
    Stop(Stop),
}

impl Parser<'_> {
    fn main(&mut self, name: &str) -> Parsed<()> {
        let mut root = Vec::new();
        loop {
            let kind = self.peek().kind;
            if kind == Kind::Eof {
                break;
            }
            if kind == Kind::LeftDelim {
                let delim = self.next();
                if self.next_non_space().kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                self.backup2(delim);
            }
            match self.text_or_action()? {
                Step::Node(node) => root.push(node),
                Step::Stop(stop) => return self.fail(format!("unexpected {}", stop.text())),
            }
        }
        self.add(name, root)
    }

    fn definition(&mut self) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let token = self.next_non_space();
        let name = match token.kind {
            Kind::String | Kind::RawString => self.unquote(&token)?,
            _ => return self.unexpected(&token, CONTEXT),
        };
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return self.unexpected(&token, CONTEXT);
        }
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let (root, stop) = self.item_list()?;
        if let Stop::Else = stop {
            return self.fail(format!("unexpected {} in {CONTEXT}", stop.text()));
        }
        self.scope = outer;
        self.add(&name, root)
    }

    /// Adds a tree; of two with the same name one may be empty.
    fn add(&mut self, name: &str, root: Vec<Node>) -> Parsed<()> {
        let tree = Tree { name: name.into(), source: self.source.clone(), root };
        match self.trees.iter().position(|t| *t.name == *name) {
            None => self.trees.push(tree),
            Some(at) if self.trees[at].is_empty() => self.trees[at] = tree,
            Some(_) if tree.is_empty() => {}
            Some(_) => {
                let name = crate::fmt::quoted(name.as_bytes());
                return self.fail(format!("template: multiple definition of template {name}"));
            }
        }
        Ok(())
    }

    fn item_list(&mut self) -> Parsed<(Vec<Node>, Stop)> {
        self.enter()?;
        let mut list = Vec::new();
        while self.peek_non_space().kind != Kind::Eof {
            match self.text_or_action()? {
                Step::Node(node) => list.push(node),
                Step::Stop(stop) => {
                    self.nesting -= 1;
                    return Ok((list, stop));
                }
            }
        }
        self.fail("unexpected EOF")
    }

    fn enter(&mut self) -> Parsed<()> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return self.fail(format!("nested more than {MAX_NESTING} deep"));
        }
        Ok(())
    }

    fn text_or_action(&mut self) -> Parsed<Step> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => {
                let text = self
                    .source
                    .text
                    .slice(token.pos as usize..token.pos as usize + token.text.len());
                Ok(Step::Node(Node::Text { pos: token.pos, text }))
            }
            Kind::LeftDelim => {
                self.action_line = token.line;
                let step = self.action();
                if step.is_ok() {
                    self.action_line = 0;
                }
                step
            }
            _ => self.unexpected(&token, "input"),
        }
    }

    fn action(&mut self) -> Parsed<Step> {
        let token = self.next_non_space();
        let pos = token.pos;
        let node = match token.kind {
            Kind::Block => self.block()?,
            Kind::Break | Kind::Continue => {
                let (word, node) = if token.kind == Kind::Break {
                    ("{{break}}", Node::Break { pos })
                } else {
                    ("{{continue}}", Node::Continue { pos })
                };
                let token = self.next_non_space();
                if token.kind != Kind::RightDelim {
                    return self.unexpected(&token, word);
                }
                if self.scope.ranges == 0 {
                    return self.fail(format!("{word} outside {{{{range}}}}"));
                }
                node
            }
            Kind::Else => {
                if !matches!(self.peek_non_space().kind, Kind::If | Kind::With) {
                    self.expect(Kind::RightDelim, "else")?;
                }
                return Ok(Step::Stop(Stop::Else));
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Step::Stop(Stop::End));
            }
            Kind::If => self.control("if", pos)?,
            Kind::Range => self.control("range", pos)?,
            Kind::With => self.control("with", pos)?,
            Kind::Template => self.template()?,
            _ => {
                self.backup();
                let pos = self.peek().pos;
                Node::Action { pos, pipe: self.pipeline("command", Kind::RightDelim)? }
            }
        };
        Ok(Step::Node(node))
    }

    fn control(&mut self, word: &'static str, _keyword: Pos) -> Parsed<Node> {
        let outer_vars = self.scope.vars.len();
        let pipe = self.pipeline(word, Kind::RightDelim)?;
        let is_range = word == "range";
        self.scope.ranges += usize::from(is_range);
        let (list, stop) = self.item_list()?;
        self.scope.ranges -= usize::from(is_range);
        let mut otherwise = None;
        if let Stop::Else = stop {
            let next = self.peek().kind;
            if word == "if" && next == Kind::If || word == "with" && next == Kind::With {
                let keyword = self.next();
                // The inner one takes the only `{{end}}`; it nests as deep as the chain is long.
                self.enter()?;
                otherwise = Some(vec![self.control(word, keyword.pos)?]);
                self.nesting -= 1;
            } else {
                let (list, stop) = self.item_list()?;
                if let Stop::Else = stop {
                    return self.fail(format!("expected end; found {}", stop.text()));
                }
                otherwise = Some(list);
            }
        }
        self.scope.vars.truncate(outer_vars);
        let branch = Branch { pos: pipe.pos, pipe, list, otherwise };
        Ok(match word {
            "if" => Node::If(branch),
            "with" => Node::With(branch),
            _ => Node::Range(branch),
        })
    }

    fn template(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let mut pipe = None;
        if self.next_non_space().kind != Kind::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(CONTEXT, Kind::RightDelim)?);
        }
        Ok(Node::Template { pos: token.pos, name: name.into(), pipe })
    }

    fn block(&mut self) -> Parsed<Node> {
        const CONTEXT: &str = "block clause";
        let token = self.next_non_space();
        let name = self.template_name(&token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let (root, stop) = self.item_list()?;
        if let Stop::Else = stop {
            return self.fail(format!("unexpected {} in {CONTEXT}", stop.text()));
        }
        self.scope = outer;
        self.add(&name, root)?;
        Ok(Node::Template { pos: token.pos, name: name.into(), pipe: Some(pipe) })
    }

    fn template_name(&mut self, token: &Item, context: &str) -> Parsed<String> {
        match token.kind {
            Kind::String | Kind::RawString => self.unquote(token),
            _ => self.unexpected(token, context),
        }
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        let pos = self.peek_non_space().pos;
        let mut pipe = Pipe { pos, vars: Vec::new(), assigns: false, commands: Vec::new() };
        while self.peek_non_space().kind == Kind::Variable {
            if !self.declaration(context, &mut pipe)? {
                break;
            }
        }
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        if pipe.commands.is_empty() {
            return self.fail(format!("missing value for {context}"));
        }
        for (i, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(
                command.args[0],
                Arg::Bool { .. }
                    | Arg::Dot { .. }
                    | Arg::Nil { .. }
                    | Arg::Number { .. }
                    | Arg::Str { .. }
            ) {
                return self.fail(format!("non executable command in pipeline stage {}", i + 1));
            }
        }
        Ok(pipe)
    }

    /// Reads `$x :=`, `$x =` or `$x,`; `true` if another variable may follow. A variable that is an operand is left.
    fn declaration(&mut self, context: &str, pipe: &mut Pipe) -> Parsed<bool> {
        let variable = self.next();
        // Spaces are words: in `$x foo` three words of look-ahead are needed to see that nothing is declared.
        let after = self.peek().clone();
        let next = self.peek_non_space().clone();
        match next.kind {
            Kind::Assign | Kind::Declare => {
                pipe.assigns = next.kind == Kind::Assign;
                self.next_non_space();
                self.declare(&variable, pipe);
                Ok(false)
            }
            Kind::Char if next.text == b"," => {
                self.next_non_space();
                self.declare(&variable, pipe);
                if context == "range" && pipe.vars.len() < 2 {
                    return match self.peek_non_space().kind {
                        Kind::Variable | Kind::RightDelim | Kind::RightParen => Ok(true),
                        _ => self.fail("range can only initialize variables"),
                    };
                }
                self.fail(format!("too many declarations in {context}"))
            }
            _ if after.kind == Kind::Space => {
                self.tokens[1] = after;
                self.tokens[2] = variable;
                self.ahead = 3;
                Ok(false)
            }
            _ => {
                self.backup2(variable);
                Ok(false)
            }
        }
    }

    fn declare(&mut self, variable: &Item, pipe: &mut Pipe) {
        let name: Box<str> = String::from_utf8_lossy(&variable.text).into();
        pipe.vars.push(name.clone());
        self.scope.vars.push(name);
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut command = Command { pos: self.peek_non_space().pos, args: Vec::new() };
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                command.args.push(operand);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.backup(),
                Kind::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if command.args.is_empty() {
            return self.fail("empty command");
        }
        Ok(command)
    }

    /// A term and the fields after it.
    fn operand(&mut self) -> Parsed<Option<Arg>> {
        let Some(term) = self.term()? else { return Ok(None) };
        let pos = match self.peek() {
            item if item.kind == Kind::Field => item.pos,
            _ => return Ok(Some(term)),
        };
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(field_name(&self.next().text));
        }
        Ok(Some(match term {
            Arg::Field { mut path, .. } => {
                path.extend(fields);
                Arg::Field { pos, path }
            }
            Arg::Variable { mut path, .. } => {
                path.extend(fields);
                Arg::Variable { pos, path }
            }
            Arg::Bool { .. }
            | Arg::Str { .. }
            | Arg::Number { .. }
            | Arg::Nil { .. }
            | Arg::Dot { .. } => {
                let shown = crate::fmt::quoted(term.to_string().as_bytes());
                return self.fail(format!("unexpected . after term {shown}"));
            }
            operand => Arg::Chain { pos, operand: Box::new(operand), path: fields },
        }))
    }

    fn term(&mut self) -> Parsed<Option<Arg>> {
        let token = self.next_non_space();
        let pos = token.pos;
        let text = || String::from_utf8_lossy(&token.text).into_owned();
        let arg = match token.kind {
            Kind::Identifier => {
                let name = text();
                if !(self.is_function)(&name) {
                    let name = crate::fmt::quoted(name.as_bytes());
                    return self.fail(format!("function {name} not defined"));
                }
                Arg::Ident { pos, name: name.into() }
            }
            Kind::Dot => Arg::Dot { pos },
            Kind::Nil => Arg::Nil { pos },
            Kind::Variable => {
                let name: Box<str> = text().into();
                if !self.scope.vars.contains(&name) {
                    let name = crate::fmt::quoted(name.as_bytes());
                    return self.fail(format!("undefined variable {name}"));
                }
                Arg::Variable { pos, path: vec![name] }
            }
            Kind::Field => Arg::Field { pos, path: vec![field_name(&token.text)] },
            Kind::Bool => Arg::Bool { pos, value: token.text == b"true" },
            Kind::CharConstant => match number::char_constant(&token.text) {
                Ok(number) => Arg::Number { pos, number },
                Err(error) => return self.fail(error),
            },
            Kind::Complex | Kind::Number => {
                let parsed = if token.kind == Kind::Complex {
                    number::complex(&text())
                } else {
                    number::number(&text())
                };
                match parsed {
                    Ok(number) => Arg::Number { pos, number },
                    Err(error) => return self.fail(error),
                }
            }
            Kind::LeftParen => {
                self.enter()?;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.nesting -= 1;
                Arg::Pipe(Box::new(pipe))
            }
            Kind::String | Kind::RawString => match crate::unquote::string(&token.text) {
                Some(text) => {
                    Arg::Str { pos, quoted: Bytes::from(token.text), text: Bytes::from(text) }
                }
                None => return self.fail("invalid syntax"),
            },
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        Ok(Some(arg))
    }

    fn unquote(&mut self, token: &Item) -> Parsed<String> {
        match crate::unquote::string(&token.text) {
            Some(text) => Ok(String::from_utf8_lossy(&text).into_owned()),
            None => self.fail("invalid syntax"),
        }
    }

    fn next(&mut self) -> Item {
        if self.ahead > 0 {
            self.ahead -= 1;
        } else {
            self.tokens[0] = self.lexer.next();
        }
        self.tokens[self.ahead].clone()
    }

    fn backup(&mut self) {
        self.ahead += 1;
    }

    /// Puts `token` back before the one read last.
    fn backup2(&mut self, token: Item) {
        self.tokens[1] = token;
        self.ahead = 2;
    }

    fn peek(&mut self) -> &Item {
        if self.ahead == 0 {
            self.tokens[0] = self.lexer.next();
            self.ahead = 1;
        }
        &self.tokens[self.ahead - 1]
    }

    fn next_non_space(&mut self) -> Item {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> &Item {
        self.next_non_space();
        self.backup();
        self.peek()
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Item> {
        let token = self.next_non_space();
        if token.kind != kind {
            return self.unexpected(&token, context);
        }
        Ok(token)
    }

    fn fail<T>(&self, message: impl AsRef<str>) -> Parsed<T> {
        let (name, line) = (&self.source.name, self.tokens[0].line);
        Err(format!("template: {name}:{line}: {}", message.as_ref()))
    }

    fn unexpected<T>(&self, token: &Item, context: &str) -> Parsed<T> {
        let shown = token.describe();
        if token.kind != Kind::Error {
            return self.fail(format!("unexpected {shown} in {context}"));
        }
        let mut extra = String::new();
        if self.action_line != 0 && self.action_line != token.line {
            let word = if shown.ends_with(" action") { "" } else { " in action" };
            extra = format!("{word} started at {}:{}", self.source.name, self.action_line);
        }
        self.fail(format!("{shown}{extra}"))
    }
}

impl Stop {
    fn text(&self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

/// `.name` without its dot.
fn field_name(text: &[u8]) -> Box<str> {
    String::from_utf8_lossy(&text[1..]).into()
}
