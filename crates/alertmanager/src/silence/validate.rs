//! Whether a silence makes sense, in upstream's words.

use gauntlet_model::MatchOp;
use gauntlet_model::regex::Regex;

use super::{Silence, SilenceMatcher};
use crate::matcher::{Matcher, Matchers, ParseMode};

/// Checks a silence that came from outside.
pub(super) fn validate(silence: &Silence, mode: ParseMode) -> Result<(), String> {
    if silence.matcher_sets.is_empty() {
        return Err("at least one matcher set required".to_owned());
    }
    for (set_index, set) in silence.matcher_sets.iter().enumerate() {
        if set.is_empty() {
            return Err(format!("matcher set {set_index} is empty"));
        }
        let mut all_match_empty = true;
        for (index, matcher) in set.iter().enumerate() {
            let empty = check(matcher, mode).map_err(|reason| {
                format!("invalid label matcher {index} in set {set_index}: {reason}")
            })?;
            all_match_empty &= empty;
        }
        if all_match_empty {
            return Err(format!(
                "matcher set {set_index}: at least one matcher must not match the empty string"
            ));
        }
    }
    if silence.starts_at.is_zero() {
        return Err("invalid zero start timestamp".to_owned());
    }
    if silence.ends_at.is_zero() {
        return Err("invalid zero end timestamp".to_owned());
    }
    if silence.ends_at < silence.starts_at {
        return Err("end time must not be before start time".to_owned());
    }
    Ok(())
}

/// Checks one matcher and tells whether it lets the empty text pass. Regexes are taken without anchors here, as upstream does.
fn check(matcher: &SilenceMatcher, mode: ParseMode) -> Result<bool, String> {
    if !mode.is_label_name(&matcher.name) {
        return Err(format!("invalid label name {:?}", matcher.name));
    }
    match matcher.op {
        MatchOp::Equal => Ok(matcher.pattern.is_empty()),
        MatchOp::NotEqual => Ok(false),
        MatchOp::Regex | MatchOp::NotRegex => {
            let regex = Regex::new(&matcher.pattern).map_err(|err| {
                format!("invalid regular expression {:?}: {err}", matcher.pattern)
            })?;
            Ok(matcher.op == MatchOp::Regex && regex.is_match(""))
        }
    }
}

/// The matchers ready for use, one list a set.
pub(super) fn compile(silence: &Silence) -> Result<Vec<Matchers>, String> {
    let set = |set: &Vec<SilenceMatcher>| {
        let matchers = set.iter().map(|m| Matcher::new(m.op, &m.name, &m.pattern));
        matchers.collect::<Result<Vec<_>, _>>().map(Matchers::new)
    };
    silence.matcher_sets.iter().map(set).collect::<Result<_, _>>().map_err(|err| err.to_string())
}
