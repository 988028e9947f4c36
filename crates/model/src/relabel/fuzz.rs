//! What the fuzz target and the corpus test do with any bytes.

use gauntlet_yaml::{Context, Dialect, Document, Mapping};

use super::{NameScheme, Rule, Scratch, process};
use crate::labels::Labels;

/// Reads rules from YAML (`{r: [...]}`) and applies what is valid to a label set.
pub fn check(bytes: &[u8]) {
    let Ok(document) = Document::parse(bytes, Dialect::V2) else { return };
    let Some(root) = document.root() else { return };
    for scheme in [NameScheme::Utf8, NameScheme::Legacy] {
        let mut cx = Context::new();
        let Some(mut map) = Mapping::read(root, "fuzz", &mut cx) else { return };
        let rules = Rule::read_list(&mut map, &mut cx, "r", scheme, "empty or null rule");
        let mut labels =
            Labels::from_pairs([("__name__", "up"), ("a", "x"), ("b", "é;y")]).to_builder();
        let _ = process(&mut labels, &rules, &mut Scratch::default());
        let _ = labels.build();
    }
}
