//! Kernel parameters that the flags name: `fs.file-nr` (one value or an index label) or `fs.file-nr:total,current,max` (a family per
//! column), as numbers or as an info metric.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::Failure;
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "sysctl",
    default_on: false,
    reads: "/proc/sys",
    families: "node_sysctl_*",
    make: |settings| {
        let numbers = settings.all("collector.sysctl.include").into_iter().map(|s| wanted(s, true));
        let infos =
            settings.all("collector.sysctl.include-info").into_iter().map(|s| wanted(s, false));
        Ok(Box::new(Sysctl { wanted: numbers.chain(infos).collect() }))
    },
};

struct Sysctl {
    wanted: Vec<Wanted>,
}

struct Wanted {
    name: String,
    columns: Vec<String>,
    numeric: bool,
}

fn wanted(text: &str, numeric: bool) -> Wanted {
    let (name, columns) = text.split_once(':').unwrap_or((text, ""));
    let columns = columns.split(',').filter(|c| !c.is_empty()).map(str::to_owned).collect();
    Wanted { name: name.to_owned(), columns, numeric }
}

impl Collector for Sysctl {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        for wanted in &self.wanted {
            let path = env.proc(&format!("sys/{}", wanted.name.replace('.', "/")));
            let bytes = match env.read_one(&path) {
                Ok(bytes) => bytes,
                Err(e) => {
                    out.problem(Failure::io(path, e));
                    continue;
                }
            };
            let text = scan::text(bytes);
            let values: Vec<&str> = text.split_ascii_whitespace().collect();
            let part = wanted.show(out, &values);
            out.note(part);
        }
        Ok(())
    }
}

impl Wanted {
    fn show(&self, out: &mut Exposition, values: &[&str]) -> Result<(), Failure> {
        let name = &self.name;
        let expected = self.columns.len();
        if values.is_empty() {
            return Err(Failure::Other(format!("sysctl {name} has no values")));
        }
        if expected > 0 && values.len() != expected {
            let found = values.len();
            return Err(Failure::Other(format!(
                "sysctl {name} has {found} values, {expected} are named"
            )));
        }
        let family = format!("node_sysctl_{}", scan::metric_name(name));
        for (index, value) in values.iter().enumerate() {
            if !self.numeric {
                if expected > 0 {
                    return Err(Failure::Other("mapped sysctl string values not supported".into()));
                }
                let index = index.to_string();
                let labels = [("index", index.as_str()), ("name", name), ("value", value)];
                out.gauge("node_sysctl_info", "sysctl info", &labels, 1.0);
                continue;
            }
            let number = scan::i64(value).map_err(|e| e.at(name.as_str()))? as f64;
            let help = format!("sysctl {name}");
            if let Some(column) = self.columns.get(index) {
                let help = format!("sysctl {name}, field {index}");
                out.untyped(&format!("{family}_{column}"), &help, &[], number);
            } else if values.len() == 1 {
                out.untyped(&family, &help, &[], number);
            } else {
                out.untyped(&family, &help, &[("index", &index.to_string())], number);
            }
        }
        Ok(())
    }
}
