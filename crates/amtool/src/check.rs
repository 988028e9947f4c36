//! `check-config`: whether configuration files and the templates that they name are good.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;
use std::sync::Arc;

use gauntlet_alertmanager::Config;
use gauntlet_notify::{TemplateFile, Templates};

use crate::{Failure, Run};

/// The largest configuration that is read from standard input, or template from a file.
pub(crate) const MAX_TEXT_BYTES: u64 = 16 << 20;

pub(crate) fn run(run: &mut Run<'_, '_>) -> Result<(), Failure> {
    let mut files = run.call.arguments.clone();
    if files.is_empty() {
        if std::io::stdin().is_terminal() {
            return Err(Failure::Terse("Failed to read from standard input".to_owned()));
        }
        files.push("/dev/stdin".to_owned());
    }
    let mut failed = 0;
    for file in &files {
        if !check(run, file)? {
            failed += 1;
        }
        run.print("");
    }
    if failed > 0 {
        return Err(Failure::new(format!("failed to validate {failed} file(s)")));
    }
    Ok(())
}

fn check(run: &mut Run<'_, '_>, file: &str) -> Result<bool, Failure> {
    let loaded = if file == "/dev/stdin" {
        let mut text = String::new();
        (&mut *run.world.stdin)
            .take(MAX_TEXT_BYTES)
            .read_to_string(&mut text)
            .map_err(|err| Failure::Message(err.to_string()))?;
        Config::parse(&text, run.mode)
    } else {
        Config::load(Path::new(file), run.mode)
    };
    let config = match loaded {
        Ok(loaded) => {
            run.tell(&loaded.notes, "config");
            run.print(&format!("Checking '{file}'  SUCCESS"));
            loaded.config
        }
        Err(errors) => {
            run.print(&format!("Checking '{file}'  FAILED: {}", errors.upstream_text()));
            return Ok(false);
        }
    };
    run.print("Found:");
    run.print(" - global config");
    run.print(" - route");
    run.print(&format!(" - {} inhibit rules", config.inhibit_rules.len()));
    run.print(&format!(" - {} receivers", config.receivers.len()));
    run.print(&format!(" - {} templates", config.templates.len()));
    if config.templates.is_empty() {
        return Ok(true);
    }
    match templates(run, &config.templates) {
        Ok(_) => {
            run.print("  SUCCESS");
            Ok(true)
        }
        Err(text) => {
            run.print(&format!("  FAILED: {text}"));
            Ok(false)
        }
    }
}

/// Parses the built-in templates and those of all files that the patterns name; names of none are passed over, as the peer does.
pub(crate) fn templates(run: &Run<'_, '_>, patterns: &[String]) -> Result<Templates, String> {
    let files = template_files(patterns)?;
    let clock = Arc::clone(&run.world.clock);
    Templates::new("", clock, &files).map_err(|err| err.to_string())
}

/// Reads all files that the patterns name, in the order of the patterns. Errs in Go's words.
pub fn template_files(patterns: &[String]) -> Result<Vec<TemplateFile>, String> {
    let mut files = Vec::new();
    for pattern in patterns {
        for path in gauntlet_discovery::glob::glob(pattern).map_err(|err| err.to_string())? {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut text = Vec::new();
            std::fs::File::open(&path)
                .and_then(|file| file.take(MAX_TEXT_BYTES).read_to_end(&mut text))
                .map_err(|err| crate::args::io_text("open", path.display(), &err))?;
            files.push(TemplateFile { name, text });
        }
    }
    Ok(files)
}
