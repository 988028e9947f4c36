//! Regular expressions of flags: unanchored like upstream's, and the include/exclude pairs made of them.

use gauntlet_model::regex::Regex;

use crate::config::Settings;
use crate::error::ConfigError;

/// A compiled pattern in Go's syntax. Matching costs about 100 ns.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Regex);

impl Pattern {
    pub(crate) fn new(flag: &str, pattern: &str) -> Result<Pattern, ConfigError> {
        Regex::new(pattern).map(Pattern).map_err(|e| ConfigError::Value {
            flag: flag.to_owned(),
            value: pattern.to_owned(),
            reason: e.to_string(),
        })
    }

    /// The pattern of a flag, or none when the flag is empty.
    pub(crate) fn of(settings: &Settings, flag: &str) -> Result<Option<Pattern>, ConfigError> {
        match settings.text(flag) {
            "" => Ok(None),
            pattern => Pattern::new(flag, pattern).map(Some),
        }
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// Chooses names by an include or an exclude pattern.
#[derive(Clone, Debug, Default)]
pub(crate) struct NameFilter {
    exclude: Option<Pattern>,
    include: Option<Pattern>,
}

impl NameFilter {
    /// A pair of flags that exclude each other; an include pattern replaces the exclude flag's default.
    pub(crate) fn pair(
        settings: &Settings,
        exclude: &str,
        include: &str,
    ) -> Result<NameFilter, ConfigError> {
        let (mut excluded, included) =
            (Pattern::of(settings, exclude)?, Pattern::of(settings, include)?);
        if excluded.is_some() && included.is_some() {
            if settings.given(exclude) {
                return Err(ConfigError::Exclusive {
                    first: exclude.to_owned(),
                    second: include.to_owned(),
                });
            }
            excluded = None; // only the default: including is what was asked for
        }
        Ok(NameFilter { exclude: excluded, include: included })
    }

    /// A pair of flags that may both be given: a name must pass both.
    pub(crate) fn both(
        settings: &Settings,
        exclude: &str,
        include: &str,
    ) -> Result<NameFilter, ConfigError> {
        let (exclude, include) = (Pattern::of(settings, exclude)?, Pattern::of(settings, include)?);
        Ok(NameFilter { exclude, include })
    }

    /// Like [`NameFilter::pair`], with the deprecated spellings of both flags standing in when given.
    pub(crate) fn pair_with_old(
        settings: &Settings,
        exclude: [&str; 2],
        include: [&str; 2],
    ) -> Result<NameFilter, ConfigError> {
        let choose = |[new, old]: [&str; 2]| -> Result<String, ConfigError> {
            if old.is_empty() || settings.text(old).is_empty() {
                return Ok(new.to_owned());
            }
            if settings.given(new) {
                return Err(ConfigError::Exclusive {
                    first: old.to_owned(),
                    second: new.to_owned(),
                });
            }
            tracing::warn!(flag = old, instead = new, "deprecated flag");
            Ok(old.to_owned())
        };
        NameFilter::pair(settings, &choose(exclude)?, &choose(include)?)
    }

    pub(crate) fn ignores(&self, name: &str) -> bool {
        self.exclude.as_ref().is_some_and(|p| p.matches(name))
            || self.include.as_ref().is_some_and(|p| !p.matches(name))
    }
}

/// A pattern over the names of a file whose rows hardly ever change: the answer for each row is remembered, so that a scrape
/// compares a name instead of running the pattern.
#[derive(Debug)]
pub(crate) struct Verdicts {
    pattern: Pattern,
    rows: Vec<(Box<str>, bool)>,
}

/// Rows beyond this number are not remembered.
const MAX_VERDICTS: usize = 4096;

impl Verdicts {
    pub(crate) fn new(pattern: Pattern) -> Verdicts {
        Verdicts { pattern, rows: Vec::new() }
    }

    pub(crate) fn matches_at(&mut self, row: usize, name: &str) -> bool {
        if let Some((known, verdict)) = self.rows.get(row)
            && **known == *name
        {
            return *verdict;
        }
        let verdict = self.pattern.matches(name);
        if row < self.rows.len() {
            self.rows[row] = (name.into(), verdict);
        } else if row == self.rows.len() && row < MAX_VERDICTS {
            self.rows.push((name.into(), verdict));
        }
        verdict
    }
}
