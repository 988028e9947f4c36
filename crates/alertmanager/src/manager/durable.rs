//! Waiting for the disk without holding up the runtime.

use std::sync::Arc;

use crate::durable::AppendFile;

/// Returns once everything before `upto` is on disk; errs with a text.
pub(super) async fn synced(file: &Arc<AppendFile>, upto: u64) -> Result<(), String> {
    let file = Arc::clone(file);
    let done = tokio::task::spawn_blocking(move || {
        file.sync(upto).map_err(|err| format!("{}: {err}", file.path().display()))
    });
    done.await.map_err(|err| err.to_string())?
}
