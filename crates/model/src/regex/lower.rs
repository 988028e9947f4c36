//! Syntax tree -> `regex-syntax` HIR, which `regex-automata` compiles.

use regex_syntax::hir::{Capture, Class, ClassUnicode, Dot, Hir, Look, Repetition};

use super::class;
use super::parse::Node;

/// Translates a tree. Without `captures` groups vanish, which lets the compiler merge more.
pub(super) fn lower(node: &Node, captures: bool) -> Hir {
    match node {
        Node::Empty => Hir::empty(),
        Node::Literal { text, fold: false } => Hir::literal(text.as_bytes()),
        Node::Literal { text, fold: true } => Hir::concat(text.chars().map(folded).collect()),
        Node::Class(class) => Hir::class(Class::Unicode((**class).clone())),
        Node::AnyChar => Hir::dot(Dot::AnyChar),
        Node::AnyCharNotNewline => Hir::dot(Dot::AnyCharExceptLF),
        Node::BeginText => Hir::look(Look::Start),
        Node::EndText => Hir::look(Look::End),
        Node::BeginLine => Hir::look(Look::StartLF),
        Node::EndLine => Hir::look(Look::EndLF),
        Node::WordBoundary => Hir::look(Look::WordAscii),
        Node::NotWordBoundary => Hir::look(Look::WordAsciiNegate),
        Node::Capture { sub, .. } if !captures => lower(sub, captures),
        // Names stay with us: Go allows one name twice, the automaton does not.
        Node::Capture { index, sub } => {
            Hir::capture(Capture { index: *index, name: None, sub: Box::new(lower(sub, captures)) })
        }
        Node::Repeat { min, max, greedy, sub } => Hir::repetition(Repetition {
            min: *min,
            max: *max,
            greedy: *greedy,
            sub: Box::new(lower(sub, captures)),
        }),
        Node::Concat(subs) => Hir::concat(subs.iter().map(|s| lower(s, captures)).collect()),
        Node::Alternate(subs) => {
            Hir::alternation(subs.iter().map(|s| lower(s, captures)).collect())
        }
    }
}

fn folded(c: char) -> Hir {
    let mut set: ClassUnicode = class::of(&[(c, c)]);
    class::fold(&mut set);
    Hir::class(Class::Unicode(set))
}
