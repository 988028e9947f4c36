//! The values of a described kind, read by its schema.

use std::collections::BTreeMap;

use gauntlet_model::duration::Duration;
use gauntlet_net::config::{HttpClientConfig, Secret, TlsConfig, Url, join_dir};
use gauntlet_yaml::{Context, Kind, MapBuilder, Mapping, Node, ToYaml, mismatch};

use super::schema::{Field, FieldKind, Schema};

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Str(String),
    Secret(Secret),
    Int(i64),
    Bool(bool),
    Duration(Duration),
    Strings(Vec<String>),
    Map(BTreeMap<String, String>),
    Url(Option<Url>),
    Tls(Box<TlsConfig>),
    Http(Box<HttpClientConfig>),
    Section(Fields),
    Sections(Vec<Fields>),
    Unused,
}

/// All fields of a kind, in the order of its schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields {
    schema: &'static Schema,
    values: Vec<Value>,
}

impl Fields {
    /// Reads a mapping by its schema and checks it.
    pub(super) fn read(schema: &'static Schema, node: Node<'_>, cx: &mut Context) -> Option<Self> {
        let mut map = Mapping::read(node, schema.go_type, cx)?;
        let before = cx.len();
        let values = schema.fields.iter().map(|field| read_value(field, &mut map, cx)).collect();
        let mut fields = Self { schema, values };
        fields.derive();
        let position = map.position();
        let known = map.finish(cx);
        if cx.len() == before
            && let Err(reason) = (schema.check)(&fields)
        {
            cx.problem(position, reason);
            return None;
        }
        known.then_some(fields)
    }

    /// Fills in the texts that follow from other fields.
    fn derive(&mut self) {
        for (at, field) in self.schema.fields.iter().enumerate() {
            if let FieldKind::Derived(derive) = &field.kind
                && matches!(&self.values[at], Value::Str(text) if text.is_empty())
            {
                self.values[at] = Value::Str(derive(self));
            }
        }
    }

    /// A section's value where nothing is written.
    fn defaults(schema: &'static Schema) -> Self {
        Self { schema, values: schema.fields.iter().map(default_value).collect() }
    }

    /// The value of a field of the schema.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = self.schema.fields.iter().position(|f| f.key == key)?;
        self.values.get(at)
    }

    /// A text field; empty if there is none.
    pub fn str(&self, key: &str) -> &str {
        match self.get(key) {
            Some(Value::Str(text)) => text,
            _ => "",
        }
    }

    /// A secret field.
    pub fn secret(&self, key: &str) -> Secret {
        match self.get(key) {
            Some(Value::Secret(secret)) => secret.clone(),
            _ => Secret::default(),
        }
    }

    pub fn int(&self, key: &str) -> i64 {
        match self.get(key) {
            Some(Value::Int(n)) => *n,
            _ => 0,
        }
    }

    pub fn bool(&self, key: &str) -> bool {
        matches!(self.get(key), Some(Value::Bool(true)))
    }

    pub fn duration(&self, key: &str) -> Duration {
        match self.get(key) {
            Some(Value::Duration(duration)) => *duration,
            _ => Duration::ZERO,
        }
    }

    pub fn strings(&self, key: &str) -> &[String] {
        match self.get(key) {
            Some(Value::Strings(list)) => list,
            _ => &[],
        }
    }

    /// Pairs of a map field.
    pub fn map(&self, key: &str) -> impl Iterator<Item = (&str, &str)> {
        let map = match self.get(key) {
            Some(Value::Map(map)) => Some(map),
            _ => None,
        };
        map.into_iter().flatten().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    pub fn url(&self, key: &str) -> Option<&Url> {
        match self.get(key) {
            Some(Value::Url(url)) => url.as_ref(),
            _ => None,
        }
    }

    pub fn section(&self, key: &str) -> Option<&Self> {
        match self.get(key) {
            Some(Value::Section(section)) => Some(section),
            _ => None,
        }
    }

    pub fn sections(&self, key: &str) -> &[Self] {
        match self.get(key) {
            Some(Value::Sections(sections)) => sections,
            _ => &[],
        }
    }

    /// The HTTP client block; the default if the kind has none.
    pub fn http(&self) -> HttpClientConfig {
        let found = self.values.iter().find_map(|v| match v {
            Value::Http(http) => Some((**http).clone()),
            _ => None,
        });
        found.unwrap_or_default()
    }

    pub(super) fn set_directory(&mut self, dir: &str) {
        for (field, value) in self.schema.fields.iter().zip(&mut self.values) {
            match (&field.kind, value) {
                (FieldKind::Path, Value::Str(path)) => join_dir(dir, path),
                (FieldKind::Paths, Value::Strings(paths)) => {
                    paths.iter_mut().for_each(|path| join_dir(dir, path));
                }
                (_, Value::Tls(tls)) => tls.set_directory(dir),
                (_, Value::Http(http)) => http.set_directory(dir),
                _ => {}
            }
        }
    }
}

fn read_value(field: &Field, map: &mut Mapping<'_>, cx: &mut Context) -> Value {
    let key = field.key;
    match &field.kind {
        FieldKind::Str(default) => Value::Str(map.take_or(cx, key, (*default).to_owned())),
        FieldKind::Path | FieldKind::Derived(_) => Value::Str(map.take_default(cx, key)),
        FieldKind::Unused => {
            let _ = map.node(key);
            Value::Unused
        }
        FieldKind::Word { default, words, unknown } => {
            let word: Option<String> = map.take(cx, key);
            if let Some(word) = &word
                && !words.contains(&word.as_str())
            {
                map.problem(cx, key, unknown.replace("{}", word));
            }
            Value::Str(word.unwrap_or_else(|| (*default).to_owned()))
        }
        FieldKind::Secret => Value::Secret(map.take_default(cx, key)),
        FieldKind::Int(default) => Value::Int(map.take_or(cx, key, *default)),
        FieldKind::Bool(default) => Value::Bool(map.take_or(cx, key, *default)),
        FieldKind::Duration(secs) => {
            Value::Duration(map.take_or(cx, key, Duration::from_secs(*secs)))
        }
        FieldKind::Strings | FieldKind::Paths => Value::Strings(map.take_default(cx, key)),
        FieldKind::Map => Value::Map(map.take_default(cx, key)),
        FieldKind::Url => Value::Url(map.take(cx, key)),
        FieldKind::Tls => Value::Tls(Box::new(map.take_default(cx, key))),
        FieldKind::Http => {
            Value::Http(Box::new(HttpClientConfig::read(map, cx, HttpClientConfig::default())))
        }
        FieldKind::Section(schema) => {
            let section =
                map.node(key).and_then(|node| cx.in_key(key, |cx| Fields::read(schema, node, cx)));
            Value::Section(section.unwrap_or_else(|| Fields::defaults(schema)))
        }
        FieldKind::Sections(schema) => Value::Sections(read_sections(schema, key, map, cx)),
    }
}

fn read_sections(
    schema: &'static Schema,
    key: &str,
    map: &mut Mapping<'_>,
    cx: &mut Context,
) -> Vec<Fields> {
    let Some(node) = map.node(key) else { return Vec::new() };
    if node.kind() != Kind::Sequence {
        mismatch(node, &format!("[]{}", schema.go_type), cx);
        return Vec::new();
    }
    let read = |cx: &mut Context| {
        let items = node.items().enumerate();
        items.filter_map(|(i, item)| cx.in_index(i, |cx| Fields::read(schema, item, cx))).collect()
    };
    cx.in_key(key, read)
}

fn default_value(field: &Field) -> Value {
    match &field.kind {
        FieldKind::Str(default) | FieldKind::Word { default, .. } => {
            Value::Str((*default).to_owned())
        }
        FieldKind::Path | FieldKind::Derived(_) => Value::Str(String::new()),
        FieldKind::Unused => Value::Unused,
        FieldKind::Secret => Value::Secret(Secret::default()),
        FieldKind::Int(default) => Value::Int(*default),
        FieldKind::Bool(default) => Value::Bool(*default),
        FieldKind::Duration(secs) => Value::Duration(Duration::from_secs(*secs)),
        FieldKind::Strings | FieldKind::Paths => Value::Strings(Vec::new()),
        FieldKind::Map => Value::Map(BTreeMap::new()),
        FieldKind::Url => Value::Url(None),
        FieldKind::Tls => Value::Tls(Box::default()),
        FieldKind::Http => Value::Http(Box::default()),
        FieldKind::Section(schema) => Value::Section(Fields::defaults(schema)),
        FieldKind::Sections(_) => Value::Sections(Vec::new()),
    }
}

impl ToYaml for Fields {
    fn to_yaml(&self) -> gauntlet_yaml::Value {
        let mut map = MapBuilder::new();
        for (field, value) in self.schema.fields.iter().zip(&self.values) {
            let zero = *value == zero_of(value);
            if matches!(value, Value::Http(_)) {
                if let Value::Http(http) = value {
                    map.inline(&**http);
                }
                continue;
            }
            if field.omit && zero {
                continue;
            }
            map.put(field.key, value);
        }
        map.build()
    }
}

/// The value that Go leaves out under `omitempty`.
fn zero_of(value: &Value) -> Value {
    match value {
        Value::Str(_) => Value::Str(String::new()),
        Value::Secret(_) => Value::Secret(Secret::default()),
        Value::Int(_) => Value::Int(0),
        Value::Bool(_) => Value::Bool(false),
        Value::Duration(_) => Value::Duration(Duration::ZERO),
        Value::Strings(_) => Value::Strings(Vec::new()),
        Value::Map(_) => Value::Map(BTreeMap::new()),
        Value::Url(_) => Value::Url(None),
        Value::Tls(_) => Value::Tls(Box::default()),
        Value::Http(_) => Value::Http(Box::default()),
        Value::Section(section) => Value::Section(Fields {
            schema: section.schema,
            values: section.values.iter().map(zero_of).collect(),
        }),
        Value::Sections(_) => Value::Sections(Vec::new()),
        Value::Unused => Value::Bool(false),
    }
}

impl ToYaml for Value {
    fn to_yaml(&self) -> gauntlet_yaml::Value {
        match self {
            Self::Str(text) => text.to_yaml(),
            Self::Secret(secret) => secret.to_yaml(),
            Self::Int(n) => n.to_yaml(),
            Self::Bool(b) => b.to_yaml(),
            Self::Duration(duration) => duration.to_yaml(),
            Self::Strings(list) => list.to_yaml(),
            Self::Map(map) => map.to_yaml(),
            Self::Url(url) => url.to_yaml(),
            Self::Tls(tls) => tls.to_yaml(),
            Self::Http(http) => http.to_yaml(),
            Self::Section(section) => section.to_yaml(),
            Self::Sections(sections) => sections.to_yaml(),
            Self::Unused => gauntlet_yaml::Value::Null,
        }
    }
}
