//! House rules as a check: who may depend on whom, what every file must say, what may not come in.
//!
//! Needs nothing installed and reads only files that are tracked or could be. Run as a test too, so that it cannot be forgotten.

mod layers;
mod sources;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Runs every check and names every violation.
pub(crate) fn run() -> Result<()> {
    let root = workspace_root();
    let mut problems = Vec::new();
    layers::check(&root, &mut problems)?;
    sources::check(&root, &mut problems)?;
    if problems.is_empty() {
        println!("tidy: nothing to complain of");
        return Ok(());
    }
    for problem in &problems {
        println!("{problem}");
    }
    bail!("tidy: {} problems", problems.len())
}

pub(crate) fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        super::run().expect("see the list above");
    }
}
