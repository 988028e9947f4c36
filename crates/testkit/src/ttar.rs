//! Reader of ttar, the text form of a file tree that node_exporter keeps its sysfs fixtures in. Entries are separated by a comment
//! line; `NULLBYTE` stands for a zero byte, a line's trailing `EOF` for "no newline at the end", both escaped by a backslash.
//! Modes are left out: everything is made readable by its owner.

use std::fs;
use std::io;
use std::path::{Component, Path};

/// Unpacks the archive below `into`, which must exist. Paths that leave it are refused.
pub fn unpack(archive: &str, into: &Path) -> io::Result<()> {
    let mut lines = archive.lines();
    while let Some(line) = lines.next() {
        if let Some(directory) = line.strip_prefix("Directory: ") {
            fs::create_dir_all(into.join(inside(directory)?))?;
        } else if let Some(path) = line.strip_prefix("Path: ") {
            let place = into.join(inside(path)?);
            if let Some(parent) = place.parent() {
                fs::create_dir_all(parent)?;
            }
            entry(&place, &mut lines)
                .map_err(|e| io::Error::new(e.kind(), format!("{path}: {e}")))?;
        }
    }
    Ok(())
}

fn entry(place: &Path, lines: &mut std::str::Lines<'_>) -> io::Result<()> {
    let kind = lines.next().unwrap_or("");
    if let Some(target) = kind.strip_prefix("SymlinkTo: ") {
        return std::os::unix::fs::symlink(target, place);
    }
    let count = kind.strip_prefix("Lines: ").and_then(|n| n.parse::<usize>().ok());
    let count = count.ok_or_else(|| bad(&format!("unexpected {kind:?} after a path")))?;
    let mut content = Vec::new();
    for _ in 0..count {
        let line = lines.next().ok_or_else(|| bad("the archive ends inside a file"))?;
        let (line, newline) = match line.strip_suffix("EOF") {
            Some(rest) if !rest.ends_with('\\') => (rest, false),
            _ => (line, true),
        };
        let line = line
            .replace("\\NULLBYTE", "\u{1}")
            .replace("NULLBYTE", "\0")
            .replace('\u{1}', "NULLBYTE")
            .replace("\\EOF", "EOF");
        content.extend_from_slice(line.as_bytes());
        if newline {
            content.push(b'\n');
        }
    }
    fs::write(place, content)
}

fn inside(path: &str) -> io::Result<&Path> {
    let path = Path::new(path);
    if path.components().all(|c| matches!(c, Component::Normal(_))) {
        Ok(path)
    } else {
        Err(bad("a path that leaves the tree"))
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
