//! Defaults of flags out of amtool's own files: a flat YAML mapping of flag names to texts, in the first file that has a name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gauntlet_yaml::{Context, Dialect, Document, FromYaml as _};

use crate::args::io_text;

/// Names that flags had once.
const OLD_NAMES: [(&str, &str); 1] = [("comment_required", "require-comment")];

/// Flag names and their defaults.
#[derive(Clone, Debug, Default)]
pub(crate) struct Defaults(BTreeMap<String, String>);

impl Defaults {
    pub(crate) fn get(&self, flag: &str) -> Option<&str> {
        self.0.get(flag).map(String::as_str)
    }
}

/// Reads those of the files that are there.
pub(crate) fn read(files: &[PathBuf]) -> Result<Defaults, String> {
    let mut defaults = BTreeMap::new();
    for path in files {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => continue,
            Err(err) => return Err(io_text("open", path.display(), &err)),
        };
        let map = parse(&text).map_err(|reason| format!("{}: {reason}", path.display()))?;
        for (name, value) in &map {
            let name = match OLD_NAMES.iter().find(|(old, _)| old == name) {
                Some((_, new)) if map.contains_key(*new) => continue,
                Some((_, new)) => (*new).to_owned(),
                None => name.clone(),
            };
            defaults.entry(name).or_insert_with(|| value.clone());
        }
    }
    Ok(Defaults(defaults))
}

fn parse(text: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let document = Document::parse(text, Dialect::V2).map_err(|err| err.to_string())?;
    let mut cx = Context::new();
    let map = match document.root() {
        Some(root) => BTreeMap::from_yaml(root, &mut cx),
        None => Some(BTreeMap::new()),
    };
    cx.finish(map).map_err(|problems| problems.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_counts_and_old_names_are_known() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        std::fs::write(&one, "author: me\ncomment_required: false\n").unwrap();
        std::fs::write(&two, "author: you\noutput: json\n").unwrap();
        let defaults = read(&[one, dir.path().join("none"), two]).unwrap();
        assert_eq!(defaults.get("author"), Some("me"));
        assert_eq!(defaults.get("require-comment"), Some("false"));
        assert_eq!(defaults.get("output"), Some("json"));
    }
}
