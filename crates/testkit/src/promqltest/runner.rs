//! Evaluates the queries of a script.

use std::sync::Arc;

use super::at_modifier::variants;
use super::compare::{check_annotations, check_sorted, compare};
use super::report::Failure;
use super::script::{Command, Eval, Script, Timing};
use super::{MemoryStore, SampleValue, TestEngine, Value};
use gauntlet_model::Timestamp;

/// Runs a script; gives the number of `eval` commands and those that failed. A failed `load` or a text that is no script
/// fails all that follows it, as one.
pub fn run_script(name: &str, text: &str, engine: &dyn TestEngine) -> (usize, Vec<Failure>) {
    let fail = |line: usize, query: &str, message: String| Failure {
        script: name.to_owned(),
        line,
        query: query.to_owned(),
        message,
    };
    let script = match Script::parse(text) {
        Ok(script) => script,
        Err(err) => return (1, vec![fail(err.line, "", err.message)]),
    };
    let mut store = Arc::new(MemoryStore::new());
    let mut total = 0;
    let mut failures = Vec::new();
    for command in &script.commands {
        match command {
            Command::Clear => store = Arc::new(MemoryStore::new()),
            Command::Load(load) => {
                if let Err(message) = Arc::make_mut(&mut store).load(load) {
                    failures.push(fail(load.line, "load", message));
                }
            }
            Command::Eval(eval) => {
                total += 1;
                if let Err(message) = run_eval(eval, &store, engine) {
                    failures.push(fail(eval.line, &eval.query, message));
                }
            }
        }
    }
    (total, failures)
}

fn run_eval(eval: &Eval, store: &Arc<MemoryStore>, engine: &dyn TestEngine) -> Result<(), String> {
    match eval.timing {
        Timing::Range { start, end, step_ms } => {
            let answer = engine.range(store, &eval.query, start, end, step_ms);
            let Some(answer) = check_failure(eval, answer)? else { return Ok(()) };
            check_annotations(eval, &eval.query, &answer.annotations)?;
            compare(eval, &answer.value)
        }
        Timing::Instant { at } => {
            run_instant(eval, &eval.query, at, store, engine)?;
            for (query, at) in variants(&eval.query, at) {
                run_instant(eval, &query, at, store, engine)
                    .map_err(|message| format!("as {query:?} at {at}: {message}"))?;
            }
            Ok(())
        }
    }
}

/// The answer if there should be one; `None` after an error that was expected.
fn check_failure<T>(eval: &Eval, answer: Result<T, String>) -> Result<Option<T>, String> {
    match answer {
        Ok(_) if eval.fail => Err("expected an error but got none".to_owned()),
        Ok(answer) => Ok(Some(answer)),
        Err(error) if !eval.fail => Err(format!("error: {error}")),
        Err(error) => {
            if eval.fail_texts.is_empty() || eval.fail_texts.iter().any(|t| t.matches(&error)) {
                return Ok(None);
            }
            Err(format!("expected error {:?}, got {error:?}", eval.fail_texts))
        }
    }
}

fn run_instant(
    eval: &Eval,
    query: &str,
    at: Timestamp,
    store: &Arc<MemoryStore>,
    engine: &dyn TestEngine,
) -> Result<(), String> {
    let Some(answer) = check_failure(eval, engine.instant(store, query, at))? else {
        return Ok(());
    };
    check_annotations(eval, query, &answer.annotations)?;
    compare(eval, &answer.value)?;
    let depends_on_range =
        ["start()", "end()", "range()", "step()"].iter().any(|call| query.contains(call));
    if eval.instant_only || depends_on_range {
        return Ok(());
    }
    let minute = 60_000;
    let ranged = engine
        .range(store, query, at - minute, at + minute, minute)
        .map_err(|e| format!("in range mode: error: {e}"))?;
    if eval.ordered {
        return Ok(());
    }
    let Value::Matrix(series) = ranged.value else {
        return Err("in range mode: no matrix".to_owned());
    };
    check_sorted(&series)?;
    let mut samples: Vec<(_, SampleValue)> = Vec::new();
    for (labels, points) in series {
        if let Some((_, value)) = points.into_iter().find(|(t, _)| *t == at) {
            samples.push((labels, value));
        }
    }
    let value = match (&answer.value, samples.first()) {
        (Value::Scalar(_), Some((_, SampleValue::Float(value)))) => Value::Scalar(*value),
        _ => Value::Vector(samples),
    };
    compare(eval, &value).map_err(|message| format!("in range mode: {message}"))
}
