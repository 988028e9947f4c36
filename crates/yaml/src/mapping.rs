//! Reading a mapping field by field: what is taken is known, what is left over is refused.

use std::collections::HashMap;

use crate::context::Context;
use crate::decode::{FromYaml, is_null, mismatch};
use crate::document::{Dialect, Kind, Node, Position};

/// One key with its value, merge keys followed.
#[derive(Debug)]
pub(crate) struct Entry<'d> {
    pub(crate) key: String,
    pub(crate) position: Position,
    pub(crate) value: Node<'d>,
    taken: bool,
}

/// A mapping being read into a struct.
#[derive(Debug)]
pub struct Mapping<'d> {
    entries: Vec<Entry<'d>>,
    position: Position,
    go_type: &'static str,
    problems_before: usize,
}

impl<'d> Mapping<'d> {
    /// Opens a node that must be a mapping. `go_type` names the struct in errors, as Go has it (`config.plain`).
    pub fn read(node: Node<'d>, go_type: &'static str, cx: &mut Context) -> Option<Self> {
        if node.kind() != Kind::Mapping {
            mismatch(node, go_type, cx);
            return None;
        }
        let problems_before = cx.len();
        let entries = entries(node, Some(go_type), cx);
        Some(Self { entries, position: node.position(), go_type, problems_before })
    }

    /// Where the mapping begins.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Where `key` stands, or where the mapping begins if it has no such key.
    pub fn position_of(&self, key: &str) -> Position {
        self.entries.iter().find(|e| e.key == key).map_or(self.position, |e| e.position)
    }

    /// Whether `key` is there, be it with a null.
    pub fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key == key)
    }

    /// Whether `key` is there with a null.
    pub fn is_null(&self, key: &str) -> bool {
        self.entries.iter().any(|e| e.key == key && is_null(e.value))
    }

    /// The value of `key`, marked as known; `None` if it is absent or null.
    pub fn node(&mut self, key: &str) -> Option<Node<'d>> {
        let entry = self.entries.iter_mut().find(|e| e.key == key)?;
        entry.taken = true;
        (!is_null(entry.value)).then_some(entry.value)
    }

    /// Reads a field; `None` if it is absent, null or wrong (then the problem is noted). In dialect v2 a null sets plain
    /// values to their zero, as in Go.
    pub fn take<T: FromYaml>(&mut self, cx: &mut Context, key: &str) -> Option<T> {
        let entry = self.entries.iter_mut().find(|e| e.key == key)?;
        entry.taken = true;
        let node = entry.value;
        if is_null(node) {
            return (node.dialect() == Dialect::V2).then(T::zero)?;
        }
        cx.in_key(key, |cx| T::from_yaml(node, cx))
    }

    /// Reads a field, or leaves `default`.
    pub fn take_or<T: FromYaml>(&mut self, cx: &mut Context, key: &str, default: T) -> T {
        self.take(cx, key).unwrap_or(default)
    }

    /// Reads a field, or gives its zero.
    pub fn take_default<T: FromYaml + Default>(&mut self, cx: &mut Context, key: &str) -> T {
        self.take(cx, key).unwrap_or_default()
    }

    /// Reads a field into place, leaving it as it was if the key is absent.
    pub fn set<T: FromYaml>(&mut self, cx: &mut Context, key: &str, field: &mut T) {
        if let Some(value) = self.take(cx, key) {
            *field = value;
        }
    }

    /// Notes a problem at `key`.
    pub fn problem(&self, cx: &mut Context, key: &str, reason: impl Into<String>) {
        cx.problem(self.position_of(key), reason);
    }

    /// Keys not yet taken, in the order of the text.
    pub fn rest(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter(|e| !e.taken).map(|e| e.key.as_str())
    }

    /// Refuses what was not taken. Returns whether nothing inside the mapping was found wrong.
    pub fn finish(self, cx: &mut Context) -> bool {
        for entry in self.entries.iter().filter(|e| !e.taken) {
            cx.type_problem(
                entry.position,
                format!("field {} not found in type {}", entry.key, self.go_type),
            );
        }
        cx.len() == self.problems_before
    }
}

/// The pairs of a mapping with merge keys followed and double keys noted. `struct_type` is set where a struct is read.
pub(crate) fn entries<'d>(
    node: Node<'d>,
    struct_type: Option<&str>,
    cx: &mut Context,
) -> Vec<Entry<'d>> {
    let mut out = Vec::with_capacity(node.pairs().len());
    let mut index = HashMap::new();
    collect(node, struct_type, cx, &mut out, &mut index, 0);
    out
}

fn collect<'d>(
    node: Node<'d>,
    struct_type: Option<&str>,
    cx: &mut Context,
    out: &mut Vec<Entry<'d>>,
    index: &mut HashMap<String, usize>,
    depth: usize,
) {
    let v3 = node.dialect() == Dialect::V3;
    let mut own: HashMap<String, u32> = HashMap::new();
    let mut merges = Vec::new();
    for (key, value) in node.pairs() {
        if key.is_merge_key() {
            if v3 {
                merges.push(value);
            } else {
                merge(value, struct_type, cx, out, index, depth);
            }
            continue;
        }
        if is_null(key) && v3 {
            continue;
        }
        let name = if is_null(key) { Some(String::new()) } else { String::from_yaml(key, cx) };
        let Some(name) = name else { continue };
        let position = key.position();
        if let Some(first) = own.insert(name.clone(), position.line) {
            let reason = match struct_type {
                _ if v3 => format!("mapping key {name:?} already defined at line {first}"),
                Some(go_type) => format!("field {name} already set in type {go_type}"),
                None => format!("key {name:?} already set in map"),
            };
            // Go points at the value where the mapping is no struct.
            let at = if v3 || struct_type.is_some() { position } else { value.position() };
            cx.type_problem(at, reason);
            continue;
        }
        put(Entry { key: name, position, value, taken: false }, out, index, !v3 || depth == 0);
    }
    for value in merges {
        merge(value, struct_type, cx, out, index, depth);
    }
}

/// Adds an entry, or puts it in the place of the one with its key.
fn put<'d>(
    entry: Entry<'d>,
    out: &mut Vec<Entry<'d>>,
    index: &mut HashMap<String, usize>,
    replace: bool,
) {
    match index.get(&entry.key) {
        Some(&at) if replace => out[at] = entry,
        Some(_) => {}
        None => {
            index.insert(entry.key.clone(), out.len());
            out.push(entry);
        }
    }
}

/// Follows `<<`. In v2 what comes later in the text wins, in v3 what is there already.
fn merge<'d>(
    value: Node<'d>,
    struct_type: Option<&str>,
    cx: &mut Context,
    out: &mut Vec<Entry<'d>>,
    index: &mut HashMap<String, usize>,
    depth: usize,
) {
    let refuse = |node: Node<'_>, cx: &mut Context| {
        cx.yaml_problem(node.position(), "map merge requires map or sequence of maps as the value");
    };
    if depth > 100 {
        return refuse(value, cx);
    }
    match value.kind() {
        Kind::Mapping => collect(value, struct_type, cx, out, index, depth + 1),
        Kind::Sequence => {
            let mut items: Vec<_> = value.items().collect();
            if value.dialect() == Dialect::V2 {
                // Earlier items win: they are put in last.
                items.reverse();
            }
            for item in items {
                if item.kind() == Kind::Mapping {
                    collect(item, struct_type, cx, out, index, depth + 1);
                } else {
                    refuse(item, cx);
                }
            }
        }
        Kind::Scalar => refuse(value, cx),
    }
}
