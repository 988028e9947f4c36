//! Format of `/proc/PID/mountstats`: a line per mount; those of NFS are followed by indented lines up to an empty one.

use crate::error::Malformed;
use crate::scan;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Mount {
    pub(super) device: String,
    pub(super) point: String,
    pub(super) nfs: Option<Nfs>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Nfs {
    pub(super) age_seconds: f64,
    pub(super) bytes: [u64; 8],
    pub(super) events: [u64; 27],
    pub(super) transports: Vec<Transport>,
    /// Name and the first eight columns.
    pub(super) operations: Vec<(String, [u64; 8])>,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Transport {
    pub(super) protocol: String,
    /// Port, bind, connect, connect idle, idle, sends, receives, bad ids, active, backlog, slots, sending, pending.
    pub(super) values: [u64; 13],
}

pub(crate) fn parse(input: &[u8]) -> Result<Vec<Mount>, Malformed> {
    let text = scan::text(input);
    let mut lines = text.lines();
    let mut mounts = Vec::new();
    while let Some(line) = lines.next() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if words.first() != Some(&"device") {
            continue;
        }
        let ["device", device, "mounted", "on", point, "with", "fstype", kind, ref rest @ ..] =
            words[..]
        else {
            return Err(scan::bad("a mount", line));
        };
        let mut mount = Mount { device: device.to_owned(), point: point.to_owned(), nfs: None };
        if !rest.is_empty() {
            if kind != "nfs" && kind != "nfs4" {
                return Err(scan::bad("statistics of NFS only", line));
            }
            mount.nfs = Some(nfs(&mut lines)?);
        }
        mounts.push(mount);
    }
    Ok(mounts)
}

fn nfs(lines: &mut std::str::Lines<'_>) -> Result<Nfs, Malformed> {
    let mut nfs = Nfs::default();
    let mut operations = false;
    for line in lines {
        let mut words = line.split_ascii_whitespace();
        let Some(key) = words.next() else { break };
        if operations {
            let values = numbers(words.take(8))?;
            let values =
                values.try_into().map_err(|_| scan::bad("an operation of eight columns", line))?;
            nfs.operations.push((key.trim_end_matches(':').to_owned(), values));
            continue;
        }
        let exact = |what: &str| scan::bad(what, line);
        match key {
            "age:" => nfs.age_seconds = scan::f64(words.next().unwrap_or(""))?,
            "bytes:" => {
                nfs.bytes = numbers(words)?.try_into().map_err(|_| exact("eight byte counts"))?;
            }
            "events:" => {
                nfs.events = numbers(words)?.try_into().map_err(|_| exact("27 event counts"))?;
            }
            "xprt:" => nfs.transports.push(transport(words, line)?),
            "per-op" => operations = true,
            _ => {}
        }
    }
    Ok(nfs)
}

/// UDP has no connections and RDMA no slots: their places stay zero.
fn transport<'a>(
    mut words: impl Iterator<Item = &'a str>,
    line: &str,
) -> Result<Transport, Malformed> {
    let protocol = words.next().unwrap_or("").to_owned();
    let values = numbers(words)?;
    let mut places = [0; 13];
    match (protocol.as_str(), values.len()) {
        ("tcp", 10 | 13) => places[..values.len()].copy_from_slice(&values),
        ("udp", 7 | 10) => {
            places[..2].copy_from_slice(&values[..2]);
            places[5..values.len() + 3].copy_from_slice(&values[2..]);
        }
        ("rdma", 10..) => places[..10].copy_from_slice(&values[..10]),
        _ => return Err(scan::bad("a transport", line)),
    }
    Ok(Transport { protocol, values: places })
}

fn numbers<'a>(words: impl Iterator<Item = &'a str>) -> Result<Vec<u64>, Malformed> {
    words.map(scan::u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn udp_and_broken_mounts() {
        let text = b"device a mounted on /b with fstype nfs statvers=1.1\n age: 5\n xprt: udp 1 2 3 4 5 6 7 8 9 10\n per-op statistics\n  READ: 1 2 3 4 5 6 7 8 9\n\ndevice c mounted on /d with fstype ext4\n";
        let mounts = parse(text).unwrap();
        let nfs = mounts[0].nfs.as_ref().unwrap();
        assert_eq!(nfs.transports[0].values, [1, 2, 0, 0, 0, 3, 4, 5, 6, 7, 8, 9, 10]);
        assert_eq!(nfs.operations[0].1[7], 8);
        assert!(mounts[1].nfs.is_none());
        assert!(parse(b"device a on b\n").is_err());
        assert!(
            parse(b"device a mounted on /b with fstype nfs statvers=1.1\n xprt: tcp 1\n").is_err()
        );
    }
}
