//! The pci.ids database: names of vendors, devices, subsystems and classes by their hexadecimal ids. Indentation by tabs gives the
//! level; lines with `C ` start the classes.

use std::collections::BTreeMap;
use std::fs;

/// Keys are ids joined without separators: `8086`, `80861533`, `80861533` + `15d91533`, and for classes `C01`, `C0108`, `C010802`.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

const PLACES: [&str; 2] = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"];

impl Names {
    /// Reads the given file, or the usual ones; without any, ids stand for names.
    pub(super) fn load(file: &str) -> Names {
        let given = [file];
        let places: &[&str] = if file.is_empty() { &PLACES } else { &given };
        match places.iter().find_map(|path| fs::read(path).ok()) {
            Some(bytes) => parse(&bytes),
            None => {
                tracing::warn!(?places, "no pci.ids file");
                Names::default()
            }
        }
    }

    pub(super) fn vendor(&self, vendor: &str) -> String {
        let vendor = plain(vendor);
        self.0.get(vendor).cloned().unwrap_or_else(|| vendor.to_owned())
    }

    pub(super) fn device(&self, vendor: &str, device: &str) -> String {
        let key = format!("{}{}", plain(vendor), plain(device));
        self.0.get(&key).cloned().unwrap_or_else(|| plain(device).to_owned())
    }

    pub(super) fn subsystem(
        &self,
        vendor: &str,
        device: &str,
        sub_vendor: &str,
        sub_device: &str,
    ) -> String {
        let parts = [vendor, device, sub_vendor, sub_device].map(plain);
        self.0.get(&parts.concat()).cloned().unwrap_or_else(|| parts[3].to_owned())
    }

    /// The most exact name there is: programming interface, subclass, class.
    pub(super) fn class(&self, class: &str) -> String {
        let class = plain(class);
        let name = [6, 4, 2].into_iter().find_map(|size| {
            let key = format!("C{}", class.get(..size)?);
            self.0.get(&key).cloned()
        });
        name.unwrap_or_else(|| format!("Unknown class ({class})"))
    }
}

fn plain(id: &str) -> &str {
    id.strip_prefix("0x").unwrap_or(id)
}

pub(crate) fn parse(input: &[u8]) -> Names {
    let mut names = BTreeMap::new();
    let (mut first, mut second) = (String::new(), String::new());
    for line in crate::scan::text(input).lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let level = line.len() - line.trim_start_matches('\t').len();
        let Some((id, name)) = line[level..].split_once("  ") else { continue };
        let id: String = id.split_ascii_whitespace().collect();
        let name = name.trim().to_owned();
        let key = match level {
            0 => {
                first = id; // `C 01` has become `C01`
                second.clear();
                first.clone()
            }
            1 => {
                second = format!("{first}{id}");
                second.clone()
            }
            2 if !second.is_empty() => format!("{second}{id}"),
            _ => continue,
        };
        names.insert(key, name);
    }
    Names(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_found() {
        let text = b"# x\n8086  Intel\n\t1533  I210\n\t\t15d9 1533  Board\nC 01  Storage\n\t08  NVM\n\t\t02  NVMe\n";
        let names = parse(text);
        assert_eq!(names.vendor("0x8086"), "Intel");
        assert_eq!(names.device("0x8086", "0x1533"), "I210");
        assert_eq!(names.subsystem("0x8086", "0x1533", "0x15d9", "0x1533"), "Board");
        assert_eq!(names.subsystem("0x8086", "0x1533", "0x0", "0x1"), "1");
        assert_eq!(names.class("0x010802"), "NVMe");
        assert_eq!(names.class("0x0108ff"), "NVM");
        assert_eq!(names.class("0xff0000"), "Unknown class (ff0000)");
    }
}
