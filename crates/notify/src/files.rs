//! Secrets and URLs that stand in files. They are read when they are needed, so that a rotated secret needs no reload.

use std::io;

use gauntlet_net::config::Secret;

/// Upper bound of such a file, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The whole file as text; errs as Go: `open x: no such file or directory`.
pub(crate) async fn read(path: &str) -> Result<String, String> {
    let fail = |err: io::Error| format!("open {path}: {}", text_of(&err));
    let meta = tokio::fs::metadata(path).await.map_err(fail)?;
    if meta.len() > MAX_BYTES {
        return Err(format!("read {path}: larger than {MAX_BYTES} bytes"));
    }
    let bytes = tokio::fs::read(path).await.map_err(fail)?;
    String::from_utf8(bytes).map_err(|_| format!("read {path}: not UTF-8"))
}

/// Whether a file can be read now; for what is checked when a configuration is loaded.
pub(crate) fn check(path: &str) -> Result<(), String> {
    std::fs::File::open(path).map(drop).map_err(|err| format!("open {path}: {}", text_of(&err)))
}

/// The secret in place, or what the file holds, without blanks around it. `what` introduces an error.
pub(crate) async fn secret(text: &Secret, path: &str, what: &str) -> Result<String, String> {
    if !text.is_empty() || path.is_empty() {
        return Ok(text.expose().to_owned());
    }
    trimmed(path, what).await
}

/// What a file holds, without blanks around it.
pub(crate) async fn trimmed(path: &str, what: &str) -> Result<String, String> {
    let text = read(path).await.map_err(|err| match what {
        "" => err,
        what => format!("{what}: {err}"),
    })?;
    Ok(text.trim().to_owned())
}

/// The system's words in lower case, without the number.
pub(crate) fn text_of(err: &io::Error) -> String {
    let text = err.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
