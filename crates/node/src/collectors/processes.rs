//! Processes and threads by state. Costs two files per process, more for threads: off unless asked for.

use std::collections::BTreeMap;
use std::io;

use crate::collector::{Collector, CollectorInfo, Kind};
use crate::env::Env;
use crate::error::{Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "processes",
    default_on: false,
    reads: "/proc/*/stat, /proc/*/task/*/stat",
    families: "node_processes_*",
    make: |_| Ok(Box::new(Processes)),
};

struct Processes;

impl Collector for Processes {
    fn update(&mut self, env: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let (mut pids, mut threads) = (0u64, 0u64);
        let (mut states, mut thread_states) = (BTreeMap::new(), BTreeMap::new());
        let root = env.proc("");
        for pid in numbers(env, &root).map_err(|e| Failure::io(&root, e))? {
            let Some((state, count)) = stat(env, &format!("{root}{pid}/stat"))? else { continue };
            pids += 1;
            threads += count;
            *states.entry(state).or_insert(0u64) += 1;
            let tasks = format!("{root}{pid}/task");
            for thread in numbers(env, &tasks).unwrap_or_default() {
                let of_thread = if thread == pid {
                    Some((state, 0))
                } else {
                    stat(env, &format!("{tasks}/{thread}/stat"))?
                };
                if let Some((state, _)) = of_thread {
                    *thread_states.entry(state).or_insert(0u64) += 1;
                }
            }
        }
        out.gauge("node_processes_threads", "Allocated threads in system", &[], threads as f64);
        let limit = env.need_u64(&env.proc("sys/kernel/threads-max"))?;
        let help = "Limit of threads in the system";
        out.gauge("node_processes_max_threads", help, &[], limit as f64);
        let rows = [
            ("node_processes_state", "Number of processes in each state.", "state", &states),
            (
                "node_processes_threads_state",
                "Number of threads in each state.",
                "thread_state",
                &thread_states,
            ),
        ];
        for (name, help, label, counts) in rows {
            let family = out.family(name, help, Kind::Gauge);
            for (state, count) in counts {
                out.put(family, &[(label, &state.to_string())], *count as f64);
            }
        }
        out.gauge("node_processes_pids", "Number of PIDs", &[], pids as f64);
        let limit = env.need_u64(&env.proc("sys/kernel/pid_max"))?;
        out.gauge("node_processes_max_processes", "Number of max PIDs limit", &[], limit as f64);
        Ok(())
    }
}

fn numbers(env: &Env, dir: &str) -> io::Result<Vec<String>> {
    let mut names = env.list(dir)?;
    names.retain(|n| n.bytes().all(|b| b.is_ascii_digit()));
    Ok(names)
}

/// State and number of threads; `None` for a process that has ended meanwhile.
fn stat(env: &mut Env, path: &str) -> Result<Option<(char, u64)>, Failure> {
    let gone = |e: &io::Error| {
        let ended = rustix::io::Errno::SRCH.raw_os_error();
        e.kind() == io::ErrorKind::NotFound || e.raw_os_error() == Some(ended)
    };
    match env.read_plain(path) {
        Ok(bytes) => parse(bytes).map(Some).map_err(|e| e.at(path)),
        Err(e) if gone(&e) => Ok(None),
        Err(e) => Err(Failure::io(path, e)),
    }
}

/// The command's name may hold anything, so fields are counted from its closing parenthesis.
pub(crate) fn parse(input: &[u8]) -> Result<(char, u64), Malformed> {
    let text = scan::text(input);
    let (_, rest) = text.rsplit_once(')').ok_or_else(|| scan::bad("a command's name", &text))?;
    let mut words = rest.split_ascii_whitespace();
    let state = words.next().and_then(|w| w.chars().next());
    let state = state.ok_or_else(|| scan::bad("a state", rest))?;
    Ok((state, scan::u64(words.nth(16).unwrap_or(""))?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_with_parentheses_do_not_confuse() {
        let line = b"5 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 7 18";
        assert_eq!(super::parse(line), Ok(('S', 7)));
        assert!(super::parse(b"5 (a) S 1").is_err());
    }
}
