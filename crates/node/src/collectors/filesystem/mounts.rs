//! The mount table. Format: proc_pid_mountinfo(5).

use crate::config::Paths;
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::scan;

/// One mount, as the host sees it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) device: String,
    pub(crate) point: String,
    pub(crate) fs_type: String,
    pub(crate) major: String,
    pub(crate) minor: String,
    pub(crate) read_only: bool,
}

/// The first process' mounts; where that cannot be read, those of this process.
pub(crate) fn read(env: &mut Env) -> Result<Vec<Mount>, Failure> {
    let paths = env.paths.clone();
    let path = env.proc("1/mountinfo");
    if let Ok(bytes) = env.read(&path) {
        return parse(bytes, &paths).map_err(|e| e.at(path));
    }
    let path = env.proc("self/mountinfo");
    let bytes = env.read(&path).map_err(|e| Failure::io(&path, e))?;
    parse(bytes, &paths).map_err(|e| e.at(path))
}

/// All mounts in order. Mount points lose the rootfs prefix and have blanks and tabs unescaped.
pub(crate) fn parse(input: &[u8], paths: &Paths) -> Result<Vec<Mount>, Malformed> {
    let text = scan::text(input);
    text.lines().filter(|line| !line.is_empty()).map(|line| parse_line(line, paths)).collect()
}

fn parse_line(line: &str, paths: &Paths) -> Result<Mount, Malformed> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [_, _, numbers, _, point, options, .., dash, fs_type, device, super_options] = fields[..]
    else {
        return Err(scan::bad("a mount with ten fields", line));
    };
    let (Some((major, minor)), "-") = (numbers.split_once(':'), dash) else {
        return Err(scan::bad("a mount with device numbers and a separator", line));
    };
    scan::u64(major)?;
    scan::u64(minor)?;
    let point = point.replace("\\040", " ").replace("\\011", "\t");
    let has = |list: &str, word: &str| list.split(',').any(|o| o == word);
    Ok(Mount {
        device: device.to_owned(),
        point: paths.strip_rootfs(&point).to_owned(),
        fs_type: fs_type.to_owned(),
        major: major.to_owned(),
        minor: minor.to_owned(),
        read_only: has(options, "ro")
            || has(super_options, "ro")
            || has(super_options, "emergency_ro"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_with_and_without_optional_fields() {
        let paths = Paths {
            procfs: String::new(),
            sysfs: String::new(),
            rootfs: "/host".to_owned(),
            udev_data: String::new(),
        };
        let text = b"31 23 0:24 / /host/a\\040b rw,noatime shared:9 - cgroup cgroup rw,cpu\n\
            32 23 8:1 / /host ro - ext4 /dev/sda1 rw\n";
        let mounts = parse(text, &paths).unwrap();
        assert_eq!((mounts[0].point.as_str(), mounts[0].read_only), ("/a b", false));
        assert_eq!(
            (mounts[1].point.as_str(), mounts[1].major.as_str(), mounts[1].read_only),
            ("/", "8", true)
        );
        assert!(parse(b"31 23 0:24 / /x rw\n", &paths).is_err());
        assert!(parse(b"31 23 x / /x rw - a b c\n", &paths).is_err());
    }
}
