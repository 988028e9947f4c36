//! Entry point of the fuzz target `template`.

use crate::{Funcs, Limits, MissingKey, Mode, Set, Value};

/// Parses and executes any text, in both modes: it may fail, but not panic or run away.
pub fn check(text: &[u8]) {
    let limits = Limits { output_bytes: 1 << 16, steps: 20_000, depth: 100, deadline: None };
    for mode in [Mode::Text, Mode::Html] {
        let mut set = Set::new(mode, MissingKey::Zero);
        let funcs = Funcs::new();
        if set.parse("fuzz", text, &funcs).is_ok()
            && let Ok(program) = set.program("fuzz")
        {
            let _ = program.execute(Value::str("<data>"), &funcs, &limits);
        }
    }
}
