//! From matchers to series: the semantics of upstream's selection, over any index (a block's, the head's, an index header).
//!
//! A matcher that the empty string passes also selects series without the label: it removes the series of the values that fail.
//! Every other matcher keeps the series of the values that pass. Equalities and sets of literals are looked up, the rest is a scan
//! of the label's values, from the regex's literal prefix on.

use gauntlet_model::{MatchOp, Matcher};

use super::postings::{intersect, without};

/// An index that can be selected from. References ascend in every answer.
pub trait IndexSource {
    type Error;

    fn all_postings(&self) -> Result<Vec<u32>, Self::Error>;

    /// Series with one of `values` (ascending) for the label.
    fn postings(&self, name: &str, values: &[&str]) -> Result<Vec<u32>, Self::Error>;

    /// Series whose value begins with `prefix` and passes.
    fn postings_matching(
        &self,
        name: &str,
        prefix: &str,
        passes: &mut dyn FnMut(&str) -> bool,
    ) -> Result<Vec<u32>, Self::Error>;
}

/// Series that pass all matchers, ascending. Without matchers: all.
pub fn postings_for_matchers<S: IndexSource + ?Sized>(
    source: &S,
    matchers: &[Matcher],
) -> Result<Vec<u32>, S::Error> {
    // Cheap and narrow ones first: an empty set ends the work.
    let mut keeping: Vec<&Matcher> = matchers.iter().filter(|m| !m.matches_empty()).collect();
    keeping.sort_by_key(|m| match m.op {
        MatchOp::Equal => 0,
        MatchOp::Regex if m.regex().is_some_and(|r| r.set_matches().is_some()) => 1,
        MatchOp::Regex => 2,
        MatchOp::NotEqual | MatchOp::NotRegex => 3,
    });
    let mut selected: Option<Vec<u32>> = None;
    for matcher in keeping {
        let found = passing(source, matcher)?;
        let narrowed = match selected {
            Some(set) => intersect(&set, &found),
            None => found,
        };
        if narrowed.is_empty() {
            return Ok(narrowed);
        }
        selected = Some(narrowed);
    }
    for matcher in matchers.iter().filter(|m| m.matches_empty()) {
        // No series has a label without name, so its being empty is true of all.
        if matches_everything(matcher) || matcher.name.is_empty() {
            continue;
        }
        let set = match selected {
            Some(set) => set,
            None => source.all_postings()?,
        };
        let narrowed = without(&set, &failing(source, matcher)?);
        if narrowed.is_empty() {
            return Ok(narrowed);
        }
        selected = Some(narrowed);
    }
    match selected {
        Some(set) => Ok(set),
        None => source.all_postings(),
    }
}

/// Series with a value of the label that passes; the empty string does not.
fn passing<S: IndexSource + ?Sized>(source: &S, matcher: &Matcher) -> Result<Vec<u32>, S::Error> {
    match (matcher.op, matcher.regex()) {
        (MatchOp::Equal, _) => source.postings(&matcher.name, &[&matcher.value]),
        (MatchOp::Regex, Some(regex)) => match regex.set_matches() {
            Some(values) => source.postings(&matcher.name, &sorted(values)),
            None => {
                source.postings_matching(&matcher.name, regex.prefix(), &mut |v| matcher.matches(v))
            }
        },
        _ => source.postings_matching(&matcher.name, "", &mut |v| matcher.matches(v)),
    }
}

/// Series with a value of the label that fails; the empty string passes.
fn failing<S: IndexSource + ?Sized>(source: &S, matcher: &Matcher) -> Result<Vec<u32>, S::Error> {
    match (matcher.op, matcher.regex()) {
        (MatchOp::NotEqual, _) => source.postings(&matcher.name, &[&matcher.value]),
        (MatchOp::NotRegex, Some(regex)) => match regex.set_matches() {
            Some(values) => source.postings(&matcher.name, &sorted(values)),
            None => source
                .postings_matching(&matcher.name, regex.prefix(), &mut |v| !matcher.matches(v)),
        },
        (MatchOp::Equal, _) => source.postings_matching(&matcher.name, "", &mut |_| true),
        _ => source.postings_matching(&matcher.name, "", &mut |v| !matcher.matches(v)),
    }
}

fn matches_everything(matcher: &Matcher) -> bool {
    matcher.op == MatchOp::Regex && matcher.regex().is_some_and(|r| r.matches_everything())
}

fn sorted(values: &[String]) -> Vec<&str> {
    let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
    values.sort_unstable();
    values.dedup();
    values
}
