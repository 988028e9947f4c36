//! The problems found while decoding, each with its place and path.

use std::fmt;

use crate::document::{Position, SyntaxError};

/// How Go would have reported a problem; matters for texts that must equal Go's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Wrong type, unknown or double field: Go collects these under `yaml: unmarshal errors:`.
    Type,
    /// Broken YAML met while decoding: Go stops with `yaml: ...`.
    Yaml,
    /// A check of the meaning: Go stops with the bare text.
    Meaning,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub position: Position,
    /// Where in the tree, as `scrape_configs[0].job_name`; empty at the top.
    pub path: String,
    pub reason: String,
    pub kind: ProblemKind,
}

impl fmt::Display for Problem {
    /// `line:column: reason`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.position.line, self.position.column, self.reason)
    }
}

/// Collects problems while a document is decoded, and knows the path that is being read.
#[derive(Debug, Default)]
pub struct Context {
    problems: Vec<Problem>,
    path: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

impl Context {
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a problem of meaning at a place.
    pub fn problem(&mut self, position: Position, reason: impl Into<String>) {
        self.push(position, reason.into(), ProblemKind::Meaning);
    }

    /// Notes a wrong type or field.
    pub fn type_problem(&mut self, position: Position, reason: impl Into<String>) {
        self.push(position, reason.into(), ProblemKind::Type);
    }

    /// Notes YAML that cannot be decoded at all.
    pub fn yaml_problem(&mut self, position: Position, reason: impl Into<String>) {
        self.push(position, reason.into(), ProblemKind::Yaml);
    }

    /// Number of problems so far; a rise tells whether what was read in between is whole.
    pub fn len(&self) -> usize {
        self.problems.len()
    }

    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Runs `read` with `key` added to the path.
    pub fn in_key<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(Step::Key(key.to_owned()));
        let out = read(self);
        self.path.pop();
        out
    }

    /// Runs `read` with an index added to the path.
    pub fn in_index<T>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(Step::Index(index));
        let out = read(self);
        self.path.pop();
        out
    }

    /// The value if nothing was found wrong, else all problems in the order of the text.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Problems> {
        let mut problems = self.problems;
        problems.sort_by_key(|p| p.position);
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            _ if problems.is_empty() => panic!("BUG: no value and no problem"),
            _ => Err(Problems(problems)),
        }
    }

    fn push(&mut self, position: Position, reason: String, kind: ProblemKind) {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(key);
                }
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        self.problems.push(Problem { position, path, reason, kind });
    }
}

/// All problems of a document, in the order of the text; never empty. Prints one a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// The error text Go would give: the first that stops it, else the list of type errors.
    pub fn go_text(&self) -> String {
        if let Some(stop) = self.0.iter().find(|p| p.kind != ProblemKind::Type) {
            return match stop.kind {
                ProblemKind::Yaml => format!("yaml: {}", stop.reason),
                _ => stop.reason.clone(),
            };
        }
        let mut text = "yaml: unmarshal errors:".to_owned();
        for problem in &self.0 {
            text.push_str(&format!("\n  line {}: {}", problem.position.line, problem.reason));
        }
        text
    }
}

impl From<SyntaxError> for Problems {
    fn from(err: SyntaxError) -> Self {
        let kind = ProblemKind::Yaml;
        let text = err.to_string();
        let reason = text.strip_prefix("yaml: ").unwrap_or(&text).to_owned();
        Self(vec![Problem { position: err.position, path: String::new(), reason, kind }])
    }
}
