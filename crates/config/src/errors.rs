//! All that is wrong with a configuration.

use std::fmt;

use gauntlet_yaml::{Problem, ProblemKind, Problems};

/// One thing that is wrong, and in which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    pub file: String,
    /// Where; `None` if the file could not be read at all.
    pub problem: Option<Problem>,
    pub reason: String,
}

impl fmt::Display for ConfigError {
    /// `file:line:column: reason`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(problem) = &self.problem
            && problem.position.line > 0
        {
            write!(f, ":{}:{}", problem.position.line, problem.position.column)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Everything found wrong, in the order of the text; never empty. Prints one a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    pub(crate) fn of_file(file: &str, problems: Problems) -> Self {
        let errors = problems.0.into_iter().map(|problem| ConfigError {
            file: file.to_owned(),
            reason: problem.reason.clone(),
            problem: Some(problem),
        });
        Self(errors.collect())
    }

    pub(crate) fn io(file: &str, err: &std::io::Error) -> Self {
        let reason = match err.kind() {
            std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            _ => err.to_string(),
        };
        Self(vec![ConfigError { file: file.to_owned(), problem: None, reason }])
    }

    /// The one line upstream would log: the error that stops it first, or the list of type errors.
    pub fn upstream_text(&self) -> String {
        let Some(first) = self.0.first() else { return String::new() };
        if first.problem.is_none() {
            return format!("open {}: {}", first.file, first.reason);
        }
        let problems =
            self.0.iter().filter(|e| e.file == first.file).filter_map(|e| e.problem.clone());
        format!("parsing YAML file {}: {}", first.file, Problems(problems.collect()).go_text())
    }

    /// Whether all of it is about types and unknown fields alone.
    pub fn is_types_only(&self) -> bool {
        self.0.iter().all(|e| e.problem.as_ref().is_some_and(|p| p.kind == ProblemKind::Type))
    }
}
