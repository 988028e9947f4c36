//! Checks of source files and pages: module docs, lengths, unsafe code, words that do not belong, links that lead nowhere.

use std::path::{Path, PathBuf};

use anyhow::Result;

/// Lines of a source file, tests in the file included, from which on it should be split.
const MAX_LINES: usize = 900;
/// Files that may be longer, with the reason. The list only shrinks.
const LONGER: &[(&str, &str)] = &[];

pub(super) fn check(root: &Path, problems: &mut Vec<String>) -> Result<()> {
    for dir in ["crates", "xtask", "fuzz"] {
        let mut files = Vec::new();
        walk(&root.join(dir), &mut files)?;
        for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "rs")) {
            check_source(root, file, problems)?;
        }
    }
    let mut pages = Vec::new();
    walk(&root.join("docs"), &mut pages)?;
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        pages.push(root.join(name));
    }
    for page in pages.iter().filter(|f| f.extension().is_some_and(|e| e == "md") && f.exists()) {
        check_links(root, page, problems)?;
    }
    Ok(())
}

fn check_source(root: &Path, file: &Path, problems: &mut Vec<String>) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let name = file.strip_prefix(root).unwrap_or(file).display().to_string();
    let generated = name.contains("/gen/");
    if !generated {
        let first = text.lines().find(|l| !l.is_empty() && !l.starts_with("#!")).unwrap_or("");
        if !first.starts_with("//!") {
            problems.push(format!("{name}: begins without a module doc"));
        }
        let lines = text.lines().count();
        let may = LONGER.iter().any(|(file, _)| *file == name) || name.contains("/tests");
        if lines > MAX_LINES && !may && !name.contains("/tables/") && !name.ends_with("table.rs") {
            problems.push(format!("{name}: {lines} lines; look for the second idea inside"));
        }
    }
    if !name.starts_with("crates/sys/") && !name.starts_with("xtask/") {
        for (i, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            if code.contains("unsafe {")
                || code.contains("unsafe fn")
                || code.contains("unsafe impl")
            {
                problems.push(format!("{name}:{}: unsafe code belongs into crates/sys", i + 1));
            }
        }
    }
    for word in ["todo!(", "unimplemented!(", "dbg!("] {
        if name.starts_with("xtask/") {
            break;
        }
        if text.contains(word) {
            problems.push(format!("{name}: {word}"));
        }
    }
    Ok(())
}

fn check_links(root: &Path, page: &Path, problems: &mut Vec<String>) -> Result<()> {
    let text = std::fs::read_to_string(page)?;
    let name = page.strip_prefix(root).unwrap_or(page).display();
    for part in text.split("](").skip(1) {
        let target = part.split([')', '#', ' ']).next().unwrap_or("");
        if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let base = page.parent().unwrap_or(root);
        if !base.join(target).exists() {
            problems.push(format!("{name}: the link to {target} leads nowhere"));
        }
    }
    Ok(())
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Ok(()) };
    for entry in entries {
        let path = entry?.path();
        let skipped = path.file_name().is_some_and(|n| n == "target" || n == "node_modules");
        if path.is_dir() && !skipped {
            walk(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}
