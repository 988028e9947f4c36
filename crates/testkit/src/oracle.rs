//! Where the oracles lie: answers and files made by the real peers, kept beside the workspace.

use std::path::{Path, PathBuf};

/// The folder with `golden/` and `conformance/`: the environment's `CONFORMANCE_DIR`, else `../shared` beside the workspace.
///
/// `None`, after a loud word, where there is none: the test then has nothing to check. With `CI=true` that is a failure.
pub fn conformance_dir() -> Option<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let dir = match std::env::var_os("CONFORMANCE_DIR") {
        Some(dir) => workspace.join(dir),
        None => workspace.join("../shared"),
    };
    if dir.join("golden").is_dir() {
        return Some(dir);
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "no oracles in {} and CI=true; set CONFORMANCE_DIR",
        dir.display()
    );
    #[expect(clippy::print_stdout, reason = "a skipped check must be seen")]
    {
        println!("SKIPPED: no oracles in {}; set CONFORMANCE_DIR", dir.display());
    }
    None
}
