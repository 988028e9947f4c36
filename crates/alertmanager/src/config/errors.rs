//! All that is wrong with a configuration.

use std::fmt;

use gauntlet_yaml::{Problem, Problems};

/// Everything found wrong; never empty. Prints one problem a line as `line:column: reason`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    /// The file could not be read at all.
    pub(super) io: Option<String>,
    /// In the order of the text.
    pub(super) within: Vec<Problem>,
    /// What sections are to each other, in the order upstream looks at it: only once each is good for itself.
    pub(super) between: Vec<Problem>,
}

impl ConfigErrors {
    /// All problems, those within sections first.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.within.iter().chain(&self.between)
    }

    /// The one text upstream would give.
    pub fn upstream_text(&self) -> String {
        if let Some(io) = &self.io {
            return io.clone();
        }
        match self.between.first() {
            Some(first) if self.within.is_empty() => first.reason.clone(),
            _ => Problems(self.within.clone()).go_text(),
        }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(io) = &self.io {
            f.write_str(io)?;
        }
        for (i, problem) in self.problems().enumerate() {
            let line = if i > 0 { "\n" } else { "" };
            if problem.position.line > 0 {
                write!(f, "{line}{problem}")?;
            } else {
                write!(f, "{line}{}", problem.reason)?;
            }
        }
        Ok(())
    }
}
