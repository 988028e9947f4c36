//! How a kind is described: its fields in the order upstream prints them, and its check.

use super::fields::Fields;

/// A kind of discovery, or a section inside one.
#[derive(Debug)]
pub struct Schema {
    /// `consul`
    pub name: &'static str,
    /// `consul_sd_configs`
    pub key: &'static str,
    /// Name of the type in errors about fields.
    pub go_type: &'static str,
    pub(super) fields: &'static [Field],
    /// What must hold between the fields; the HTTP client block is checked before.
    pub(super) check: fn(&Fields) -> Result<(), String>,
}

impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.go_type == other.go_type
    }
}

/// One field.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) kind: FieldKind,
    /// Left out of the echo while zero.
    pub(super) omit: bool,
}

/// What a field holds, with its default.
#[derive(Debug)]
pub(super) enum FieldKind {
    Str(&'static str),
    /// Text that, if not written, follows from the other fields.
    Derived(fn(&Fields) -> String),
    /// A field of upstream's struct that nothing reads; printed as null.
    Unused,
    /// A file's name, relative to the configuration.
    Path,
    /// Files' names.
    Paths,
    /// One of a few words; else the words' error with the value quoted at `{}`.
    Word {
        default: &'static str,
        words: &'static [&'static str],
        unknown: &'static str,
    },
    Secret,
    Int(i64),
    Bool(bool),
    /// Seconds.
    Duration(i64),
    Strings,
    Map,
    Url,
    Tls,
    /// The HTTP client block, inlined.
    Http,
    Section(&'static Schema),
    /// A list of sections.
    Sections(&'static Schema),
}

impl Field {
    pub(super) const fn new(key: &'static str, kind: FieldKind) -> Self {
        Self { key, kind, omit: false }
    }

    pub(super) const fn str(key: &'static str, default: &'static str) -> Self {
        Self::new(key, FieldKind::Str(default))
    }

    pub(super) const fn secret(key: &'static str) -> Self {
        Self::new(key, FieldKind::Secret)
    }

    pub(super) const fn int(key: &'static str, default: i64) -> Self {
        Self::new(key, FieldKind::Int(default))
    }

    pub(super) const fn bool(key: &'static str, default: bool) -> Self {
        Self::new(key, FieldKind::Bool(default))
    }

    pub(super) const fn secs(key: &'static str, default: i64) -> Self {
        Self::new(key, FieldKind::Duration(default))
    }

    pub(super) const fn strings(key: &'static str) -> Self {
        Self::new(key, FieldKind::Strings)
    }

    pub(super) const fn path(key: &'static str) -> Self {
        Self::new(key, FieldKind::Path)
    }

    pub(super) const fn http() -> Self {
        Self::new("", FieldKind::Http)
    }

    pub(super) const fn omit(self) -> Self {
        Self { key: self.key, kind: self.kind, omit: true }
    }
}
