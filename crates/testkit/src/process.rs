//! A real process under test: started, its log read, waited for, killed when the test ends.
#![expect(clippy::disallowed_methods, reason = "real processes live in the machine's time")]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::http::{self, HttpAnswer};

/// Longest wait for a process to do what a test waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process whose standard error is read line by line. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    /// Every line so far, for messages when a test fails.
    pub log: Vec<String>,
}

impl Process {
    /// Starts `program` under the name `called` (what it sees as its own name).
    pub fn start(program: &Path, called: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .arg0(called)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|err| panic!("starting {}: {err}", program.display()));
        let stderr = child.stderr.take().expect("BUG: stderr is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { break };
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines, log: Vec::new() }
    }

    /// Waits for a log line for which `found` gives something.
    pub fn wait_for<T>(&mut self, what: &str, found: impl Fn(&str) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.log.push(line);
                    if let Some(value) = self.log.last().and_then(|line| found(line)) {
                        return value;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{what}: not within {PATIENCE:?}; log:\n{}", self.log.join("\n"))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("{what}: the process ended; log:\n{}", self.log.join("\n"))
                }
            }
        }
    }

    /// The address in the log line with `message` (its field `address=`).
    pub fn wait_for_address(&mut self, message: &str) -> SocketAddr {
        self.wait_for(message, |line| {
            if !line.contains(message) {
                return None;
            }
            let rest = &line[line.find("address=")? + "address=".len()..];
            rest.trim_matches('"').split([' ', '"']).next()?.parse().ok()
        })
    }

    /// Sends SIGTERM and waits for the end.
    pub fn terminate(mut self) -> ExitStatus {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("BUG: own child") {
                return status;
            }
            assert!(Instant::now() < until, "did not end within {PATIENCE:?} of SIGTERM");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal by name, `HUP` say.
    pub fn signal(&self, name: &str) {
        let _ =
            Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
    }

    /// Kills at once, as a crash would.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks again and again until `good` gives something; panics with the last answer when patience ends.
pub fn ask_until<T>(address: SocketAddr, path: &str, good: impl Fn(&HttpAnswer) -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = http::get(address, path);
        if let Ok(answer) = &answer
            && let Some(value) = good(answer)
        {
            return value;
        }
        if Instant::now() > until {
            let last = answer.map(|a| format!("{} {}", a.status, a.text()));
            panic!("{path}: not as wanted within {PATIENCE:?}; last answer: {last:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
