//! Processes under supervisord, asked over its XML-RPC interface on a TCP or Unix socket.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::collector::{Collector, CollectorInfo};
use crate::env::Env;
use crate::error::{ConfigError, Failure, Malformed};
use crate::exposition::Exposition;
use crate::scan;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "supervisord",
    default_on: false,
    reads: "supervisord's XML-RPC",
    families: "node_supervisord_*",
    make: |settings| {
        let flag = "collector.supervisord.url";
        let url = settings.text(flag);
        let target = Target::parse(url).ok_or_else(|| ConfigError::Value {
            flag: flag.to_owned(),
            value: url.to_owned(),
            reason: "expected http://HOST[:PORT]/PATH or unix:///PATH".to_owned(),
        })?;
        Ok(Box::new(Supervisord { target }))
    },
};

struct Supervisord {
    target: Target,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Tcp { address: String, host: String, path: String },
    Unix(String),
}

impl Target {
    fn parse(url: &str) -> Option<Target> {
        if let Some(path) = url.strip_prefix("unix://") {
            return path.starts_with('/').then(|| Target::Unix(path.to_owned()));
        }
        let rest = url.strip_prefix("http://")?;
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() || host.contains('@') {
            return None;
        }
        let has_port = host.rsplit_once(':').is_some_and(|(_, p)| p.parse::<u16>().is_ok());
        let address = if has_port { host.to_owned() } else { format!("{host}:80") };
        Some(Target::Tcp { address, host: host.to_owned(), path: format!("/{path}") })
    }
}

const TIMEOUT: Duration = Duration::from_secs(4);
const MAX_ANSWER: u64 = 4 << 20;
const BODY: &str = "<?xml version=\"1.0\"?><methodCall><methodName>supervisor.getAllProcessInfo</methodName><params/></methodCall>";

impl Collector for Supervisord {
    fn update(&mut self, _: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let answer = ask(&self.target).map_err(|e| Failure::io("supervisord", e))?;
        let processes = parse(&answer).map_err(|e| e.at("supervisord"))?;
        for process in processes {
            let labels = [("group", process.group.as_str()), ("name", &process.name)];
            let state = process.state as f64;
            out.gauge("node_supervisord_state", "Process State", &labels, state);
            let exit = process.exit_status as f64;
            out.gauge("node_supervisord_exit_status", "Process Exit Status", &labels, exit);
            // starting, running, stopping
            let up = matches!(process.state, 10 | 20 | 40);
            out.gauge("node_supervisord_up", "Process Up", &labels, f64::from(u8::from(up)));
            if up {
                let name = "node_supervisord_start_time_seconds";
                out.counter(name, "Process start time", &labels, process.start as f64);
            }
        }
        Ok(())
    }
}

fn ask(target: &Target) -> io::Result<Vec<u8>> {
    match target {
        Target::Unix(path) => {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            talk(stream, "unix", "/RPC2")
        }
        Target::Tcp { address, host, path } => {
            let address = address.to_socket_addrs()?.next();
            let address = address.ok_or_else(|| io::Error::other("host has no address"))?;
            let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            talk(stream, host, path)
        }
    }
}

/// One request of HTTP/1.0, so that the answer ends with the connection and is not chunked.
fn talk(mut stream: impl Read + Write, host: &str, path: &str) -> io::Result<Vec<u8>> {
    let size = BODY.len();
    let request = format!(
        "POST {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: text/xml\r\nContent-Length: {size}\r\n\r\n{BODY}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n");
    let end = end.ok_or_else(|| io::Error::other("answer has no header"))?;
    let status = String::from_utf8_lossy(&answer[..end]).lines().next().unwrap_or("").to_owned();
    if status.split(' ').nth(1) != Some("200") {
        return Err(io::Error::other(format!("answer is {status:?}")));
    }
    Ok(answer.split_off(end + 4))
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    name: String,
    group: String,
    start: i64,
    state: i64,
    exit_status: i64,
}

/// Takes the members of every structure in the answer; other XML is passed over.
pub(crate) fn parse(input: &[u8]) -> Result<Vec<Process>, Malformed> {
    let text = scan::text(input);
    if text.contains("<fault>") {
        return Err(Malformed::new("supervisord answered with a fault"));
    }
    let mut processes = Vec::new();
    for structure in text.split("<struct>").skip(1) {
        let structure = structure.split("</struct>").next().unwrap_or("");
        let mut process = Process::default();
        for member in structure.split("<member>").skip(1) {
            let name = between(member, "<name>", "</name>");
            let value = between(member, "<value>", "</value>");
            let number = || scan::i64(strip_tags(value).trim());
            match name {
                "name" => process.name = unescape(strip_tags(value)),
                "group" => process.group = unescape(strip_tags(value)),
                "start" => process.start = number()?,
                "state" => process.state = number()?,
                "exitstatus" => process.exit_status = number()?,
                _ => {}
            }
        }
        processes.push(process);
    }
    Ok(processes)
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> &'a str {
    let after = text.split_once(open).map_or("", |(_, after)| after);
    after.split_once(close).map_or("", |(inside, _)| inside)
}

/// `<int>5</int>` to `5`.
fn strip_tags(value: &str) -> &str {
    let inner = value.trim();
    match inner.strip_prefix('<').and_then(|v| v.split_once('>')) {
        Some((_, rest)) => rest.rsplit_once("</").map_or(rest, |(inside, _)| inside),
        None => inner,
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_taken_from_the_answer() {
        let xml = b"<methodResponse><params><param><value><array><data><value><struct><member><name>name</name><value><string>a&amp;b</string></value></member><member><name>state</name><value><int>20</int></value></member></struct></value></data></array></value></param></params></methodResponse>";
        let processes = parse(xml).unwrap();
        assert_eq!((processes[0].name.as_str(), processes[0].state), ("a&b", 20));
        assert!(parse(b"<fault>").is_err());
    }

    #[test]
    fn urls_name_a_socket() {
        assert_eq!(Target::parse("unix:///run/s.sock"), Some(Target::Unix("/run/s.sock".into())));
        let tcp = Target::parse("http://localhost:9001/RPC2");
        let expect = ("localhost:9001".to_owned(), "localhost:9001".to_owned(), "/RPC2".to_owned());
        assert_eq!(tcp, Some(Target::Tcp { address: expect.0, host: expect.1, path: expect.2 }));
        assert_eq!(Target::parse("https://x/"), None);
    }
}
