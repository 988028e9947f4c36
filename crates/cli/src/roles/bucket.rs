//! The bucket that flags name: `--objstore.config-file` or `--objstore.config`.

use std::sync::Arc;

use gauntlet_objstore::config::BucketConfig;
use gauntlet_objstore::{Bucket, RetryPolicy};

use crate::flags::values::Values;
use crate::roles::Failure;

/// The bucket, or `None` where neither flag is given.
pub(crate) fn from_flags(values: &Values) -> Result<Option<Arc<dyn Bucket>>, Failure> {
    let file = values.text("objstore.config-file");
    let text = values.text("objstore.config");
    let text = match (file.as_str(), text.as_str()) {
        ("", "") => return Ok(None),
        ("", text) => text.as_bytes().to_vec(),
        (path, "") => std::fs::read(path).map_err(|err| {
            let reason = match err.kind() {
                std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
                _ => err.to_string(),
            };
            Failure::new(format!(
                "open {path}: {reason}\nloading file {path} for objstore.config-file"
            ))
        })?,
        _ => {
            return Err(Failure::new("both objstore.config-file and objstore.config flags set."));
        }
    };
    let config = BucketConfig::parse(&text)?;
    Ok(Some(config.build(RetryPolicy::default())?))
}
