//! `match` and `reReplaceAll`: patterns are compiled once per table of functions and kept, a few of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gauntlet_model::regex::Regex;

use super::{string, text};
use crate::func::{CallError, Funcs, Signature};
use crate::value::{Type, Value};

/// Patterns kept; when there are more the cache starts anew. Honest templates have a handful.
const KEPT: usize = 64;

/// Steps a compilation counts for: it costs as much as walking this many nodes.
const COMPILE_STEPS: u64 = 1000;

#[derive(Debug, Default)]
struct Patterns(Mutex<HashMap<String, Arc<Regex>>>);

impl Patterns {
    fn get(&self, pattern: &str) -> Option<Arc<Regex>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(pattern).cloned()
    }

    fn compile(&self, pattern: &str) -> Result<Arc<Regex>, String> {
        let regex = Arc::new(Regex::new(pattern).map_err(|e| e.to_string())?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(pattern.to_owned(), regex.clone());
        Ok(regex)
    }
}

pub(super) fn add(funcs: &mut Funcs) {
    const TWO: Signature = Signature::of(&[Type::STRING, Type::STRING]);
    const THREE: Signature = Signature::of(&[Type::STRING, Type::STRING, Type::STRING]);
    let patterns = Arc::new(Patterns::default());
    let kept = patterns.clone();
    funcs.add("match", TWO, move |args, cx| {
        let pattern = string(args, 0);
        let regex = match kept.get(&pattern) {
            Some(regex) => regex,
            None => {
                cx.spend(COMPILE_STEPS + pattern.len() as u64)?;
                kept.compile(&pattern)?
            }
        };
        cx.spend(1 + text(args, 1).len() as u64 / 64)?;
        Ok(Value::Bool(regex.captures_bytes(&text(args, 1)).is_some()))
    });
    funcs.add("reReplaceAll", THREE, move |args, cx| {
        let pattern = string(args, 0);
        let regex = match patterns.get(&pattern) {
            Some(regex) => regex,
            None => {
                cx.spend(COMPILE_STEPS + pattern.len() as u64)?;
                patterns.compile(&pattern).map_err(|error| {
                    let shown = crate::fmt::backquoted(pattern.as_bytes());
                    CallError::Failed(format!("regexp: Compile({shown}): {error}"))
                })?
            }
        };
        let (replacement, subject) = (text(args, 1), text(args, 2));
        // Every match may grow the text by the replacement and, by references in it, by itself.
        cx.spend(1 + subject.len() as u64 / 64)?;
        let worst = (subject.len() as u64 + 1).saturating_mul(replacement.len() as u64 + 1);
        cx.spend(worst / 4096)?;
        Ok(Value::string(regex.replace_all_bytes(&subject, &replacement)))
    });
}
