//! Protocol counters from `/proc/net/{netstat,snmp,snmp6}`, chosen by a pattern over `Protocol_Name`.

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::pattern::{Pattern, Verdicts};
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "netstat",
    default_on: true,
    reads: "/proc/net/{netstat,snmp,snmp6}",
    families: "node_netstat_*",
    make: |settings| {
        let flag = "collector.netstat.fields";
        let wanted = || -> Result<Verdicts, crate::error::ConfigError> {
            Ok(Verdicts::new(Pattern::new(flag, settings.text(flag))?))
        };
        Ok(Box::new(Netstat { wanted: [wanted()?, wanted()?, wanted()?], key: String::new() }))
    },
};

struct Netstat {
    /// One per file: the rows of each are numbered for themselves.
    wanted: [Verdicts; 3],
    key: String,
}

impl Collector for Netstat {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        for (which, file) in ["netstat", "snmp", "snmp6"].iter().enumerate() {
            let path = env.proc(&format!("net/{file}"));
            let bytes = match env.read(&path) {
                Ok(bytes) => bytes,
                Err(e) if *file == "snmp6" && e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => {
                    out.problem(Failure::io(path, e));
                    continue;
                }
            };
            let (wanted, key) = (&mut self.wanted[which], &mut self.key);
            let mut row = 0;
            let mut bad = None;
            let each = |protocol: &str, name: &str, value: &str| {
                key.clear();
                key.push_str(protocol);
                key.push('_');
                key.push_str(name);
                row += 1;
                if !wanted.matches_at(row - 1, key) {
                    return;
                }
                match scan::f64(value) {
                    Ok(value) => {
                        let metric = format!("node_netstat_{key}");
                        let help = format!("Statistic {protocol}{name}.");
                        out.untyped(&metric, &help, &[], value);
                    }
                    Err(e) => bad = Some(e),
                }
            };
            let parsed =
                if *file == "snmp6" { parse_snmp6(bytes, each) } else { parse(bytes, each) };
            if let Some(e) = parsed.err().or(bad) {
                out.problem(e.at(path));
            }
        }
        Ok(())
    }
}

/// Pairs of lines: names, then values, both behind `Protocol:`. Calls back with protocol, name, value.
pub(crate) fn parse(input: &[u8], mut each: impl FnMut(&str, &str, &str)) -> Result<(), Malformed> {
    let text = scan::text(input);
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let mut names = names.split(' ');
        let mut values = values.split(' ');
        let protocol = names.next().unwrap_or("").trim_end_matches(':');
        values.next();
        loop {
            match (names.next(), values.next()) {
                (Some(name), Some(value)) => each(protocol, name, value),
                (None, None) => break,
                _ => return Err(scan::bad("as many values as names", protocol)),
            }
        }
    }
    Ok(())
}

/// Lines of a name and a value; the protocol is the name up to its first `6`.
pub(crate) fn parse_snmp6(
    input: &[u8],
    mut each: impl FnMut(&str, &str, &str),
) -> Result<(), Malformed> {
    for line in scan::text(input).lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(name), Some(value)) = (words.next(), words.next()) else { continue };
        if let Some(six) = name.find('6') {
            each(&name[..=six], &name[six + 1..], value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_paired() {
        let mut seen = Vec::new();
        parse(b"Tcp: A B\nTcp: 1 -2\n", |p, n, v| seen.push(format!("{p}.{n}={v}"))).unwrap();
        parse_snmp6(b"Ip6InReceives 7\nUdp6X\n", |p, n, v| seen.push(format!("{p}.{n}={v}")))
            .unwrap();
        assert_eq!(seen, ["Tcp.A=1", "Tcp.B=-2", "Ip6.InReceives=7"]);
        assert!(parse(b"Tcp: A B\nTcp: 1\n", |_, _, _| ()).is_err());
    }
}
