//! Suite `alerts`: what an Alertmanager costs whose alerts are known and sent again and again, as Prometheus does while they
//! fire; and how long a new one takes from the request to its receiver. 1,000 silences and 100 inhibition rules are in force.
#![expect(clippy::disallowed_methods, reason = "measures real processes by the machine's clock")]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use gauntlet_testkit::sink::Sink;
use serde_json::json;

use super::Bench;
use super::process::{Server, get_ok};
use super::report::{Report, Side, Verdict};

const ALERTS: usize = 50_000;
/// Alerts a request, as Prometheus sends them.
const BATCH: usize = 256;
const RULES: usize = 100;
const SILENCES: usize = 1000;
/// How often all alerts are sent again.
const RESENDS: usize = 5;
/// New alerts whose way is timed, in a round.
const URGENT: usize = 20;
const START: Duration = Duration::from_secs(30);
const SETTLE: Duration = Duration::from_secs(120);
const NOTIFY: Duration = Duration::from_secs(10);

pub(super) fn run(bench: &Bench) -> Result<()> {
    let mut report = Report::new("alerts");
    let dir = bench.root.join("target/versus/alerts");
    let sides = bench.sides("alertmanager")?;
    for round in 0..bench.rounds {
        let mut shown = Vec::new();
        for (side, program) in &sides {
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir)?;
            shown.push(measure(&mut report, *side, program, &dir)?);
        }
        if let (0, [ours, theirs]) = (round, &shown[..]) {
            for ((what, mine), (_, peers)) in ours.iter().zip(theirs) {
                let verdict = match (mine, peers) {
                    (0, 0) => Verdict::Empty,
                    (a, b) if a == b => Verdict::Equal,
                    (a, b) => Verdict::Differs(format!("{a} and {b}")),
                };
                report.compare(&format!("{what} alerts"), verdict);
            }
        }
    }
    let _ = std::fs::remove_dir_all(&dir);
    report.finish(&bench.root)
}

/// One process from its start to its end; returns how many alerts it shows by state.
fn measure(
    report: &mut Report,
    side: Side,
    program: &Path,
    dir: &Path,
) -> Result<Vec<(&'static str, usize)>> {
    let bulk = Sink::start(|_, _| 200);
    let (came, urgent_came) = mpsc::channel();
    let came = Mutex::new(came);
    let urgent = Sink::start(move |_, _| {
        let _ = came.lock().unwrap_or_else(PoisonError::into_inner).send(Instant::now());
        200
    });
    let config = dir.join("alertmanager.yml");
    std::fs::write(&config, configuration(&bulk, &urgent))?;
    let mut server = Server::start(program, |port| {
        vec![
            format!("--config.file={}", config.display()),
            format!("--storage.path={}", dir.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=".to_owned(),
            "--log.level=error".to_owned(),
        ]
    })?;
    server.wait_ready(START)?;
    let mut client = Client::connect(server.port)?;
    let now = unix_secs()?;
    for n in 0..SILENCES {
        client.post("/api/v2/silences", silence(n, now).as_bytes())?;
    }

    let cpu = server.cpu_seconds()?;
    for batch in batches(now) {
        client.post("/api/v2/alerts", batch.as_bytes())?;
    }
    wait_idle(&server)?;
    report.add(side, "first sent and told of: cpu", "s", server.cpu_seconds()? - cpu);

    let (mut cpu, mut wall) = (0.0, 0.0);
    for again in 1..=RESENDS {
        // Made before the clock runs: what is measured is the receiving side.
        let batches = batches(now + again as u64);
        let (cpu_before, begin) = (server.cpu_seconds()?, Instant::now());
        for batch in &batches {
            client.post("/api/v2/alerts", batch.as_bytes())?;
        }
        wall += begin.elapsed().as_secs_f64();
        // Work that follows the answer belongs to it.
        wait_idle(&server)?;
        cpu += server.cpu_seconds()? - cpu_before;
    }
    let sent = (RESENDS * ALERTS) as f64;
    report.add(side, "a known alert sent again: cpu", "µs", cpu / sent * 1e6);
    report.add(side, "a known alert sent again: wall", "µs", wall / sent * 1e6);
    report.add(side, "resident", "MB", server.resident_bytes()? as f64 / 1e6);
    report.add(side, "resident, memory of its own", "MB", server.anonymous_bytes()? as f64 / 1e6);
    report.add(side, "resident, most", "MB", server.peak_bytes()? as f64 / 1e6);

    for n in 0..URGENT {
        let body = json!([{
            "labels": { "alertname": "Burns", "page": "now", "severity": "critical", "instance": format!("new-{n}") },
            "annotations": { "summary": "a new alert" },
        }]);
        let begin = Instant::now();
        client.post("/api/v2/alerts", body.to_string().as_bytes())?;
        let told = urgent_came.recv_timeout(NOTIFY).context("a new alert was not told of")?;
        report.add(side, "a new alert: request to webhook", "ms", {
            told.saturating_duration_since(begin).as_secs_f64() * 1000.0
        });
    }
    let count = |query: &str| -> Result<usize> {
        let body = get_ok(server.port, &format!("/api/v2/alerts?{query}"))?;
        Ok(String::from_utf8_lossy(&body).matches("\"fingerprint\":").count())
    };
    Ok(vec![
        ("all", count("")?),
        ("active", count("silenced=false&inhibited=false")?),
        ("silenced, not inhibited", count("active=false&inhibited=false")?),
        ("inhibited, not silenced", count("active=false&silenced=false")?),
        ("notifications of known", bulk.received().len()),
    ])
}

/// Waits until no more processor time is taken, idle ticks aside.
fn wait_idle(server: &Server) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(500);
    const IDLE_SECONDS: f64 = 0.02;
    let begin = Instant::now();
    let mut last = server.cpu_seconds()?;
    let mut quiet = 0;
    // Groups wait a second before they tell: two looks would end within it.
    while quiet < 4 {
        if begin.elapsed() > SETTLE {
            bail!("not idle within {SETTLE:?}");
        }
        sleep(LOOK);
        let seconds = server.cpu_seconds()?;
        quiet = if seconds - last <= IDLE_SECONDS { quiet + 1 } else { 0 };
        last = seconds;
    }
    Ok(())
}

fn configuration(bulk: &Sink, urgent: &Sink) -> String {
    let mut text = format!(
        "route:
  receiver: bulk
  group_by: [alertname, cluster]
  group_wait: 1s
  group_interval: 1h
  repeat_interval: 12h
  routes:
  - matchers: [page=\"now\"]
    receiver: urgent
    group_by: ['...']
    group_wait: 0s
  - matchers: [severity=\"critical\"]
    routes:
    - matchers: [namespace=~\"ns-0.\"]
  - matchers: ['namespace=~\"ns-1[0-4]\"', 'severity!=\"info\"']
    group_by: [alertname, namespace]
  - matchers: ['service=~\"svc-.[05]\"']
    continue: true
  - matchers: [severity=\"info\"]
receivers:
- name: bulk
  webhook_configs: [{{ url: 'http://{}/bulk', max_alerts: 100 }}]
- name: urgent
  webhook_configs: [{{ url: 'http://{}/urgent' }}]
inhibit_rules:
",
        bulk.address, urgent.address
    );
    for n in 0..RULES {
        let _ = writeln!(
            text,
            "- source_matchers: [severity=\"critical\", service=\"svc-{n:02}\"]
  target_matchers: [severity=~\"warning|info\", service=\"svc-{n:02}\"]
  equal: [cluster, namespace]"
        );
    }
    text
}

/// One in ten by a regular expression; one in two matches an alert.
fn silence(n: usize, now: u64) -> String {
    let regex = n.is_multiple_of(10);
    let value = match (regex, n.is_multiple_of(2)) {
        (true, _) => format!("app-{:04}[0-4]", n * 4),
        (_, true) => format!("app-{:05}", n * 41 % ALERTS),
        (_, false) => format!("gone-{n:05}"),
    };
    json!({
        "matchers": [
            { "name": "pod", "value": value, "isRegex": regex, "isEqual": true },
            { "name": "job", "value": "bench", "isRegex": false, "isEqual": true },
        ],
        "startsAt": rfc3339(now), "endsAt": rfc3339(now + 7200), "createdBy": "bench", "comment": "maintenance",
    })
    .to_string()
}

/// All alerts with eight labels each, as they are sent at a time; they end a while after it.
fn batches(now: u64) -> Vec<String> {
    let starts = rfc3339(now / 3600 * 3600 - 3600);
    let ends = rfc3339(now + 240 * 15);
    let numbers: Vec<usize> = (0..ALERTS).collect();
    numbers
        .chunks(BATCH)
        .map(|batch| {
            let mut body = String::from("[");
            for &n in batch {
                let comma = if body.len() > 1 { "," } else { "" };
                let severity = match n % 50 {
                    0 => "critical",
                    1..=30 => "warning",
                    _ => "info",
                };
                let _ = write!(
                    body,
                    r#"{comma}{{"annotations":{{"description":"instance {n} of the service has been in trouble for more than ten minutes","summary":"trouble on {n}"}},"endsAt":"{ends}","startsAt":"{starts}","generatorURL":"http://prometheus.example:9090/graph?g0.expr=up+%3D%3D+{name}&g0.tab=1","labels":{{"alertname":"Trouble{name:02}","cluster":"eu-{cluster}","instance":"10.{a}.{b}.{c}:9100","job":"bench","namespace":"ns-{namespace:02}","pod":"app-{n:05}","service":"svc-{service:02}","severity":"{severity}"}}}}"#,
                    name = n % 47,
                    cluster = n / 50 % 4,
                    a = n / 40_000,
                    b = n / 200 % 200,
                    c = n % 200,
                    namespace = n / 200 % 20,
                    service = n / 7 % 100,
                );
            }
            body.push(']');
            body
        })
        .collect()
}

/// A connection that is kept, as Prometheus keeps its own.
struct Client {
    reader: BufReader<TcpStream>,
    port: u16,
}

impl Client {
    fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { reader: BufReader::new(stream), port })
    }

    /// Posts JSON; any answer but 200 is an error.
    fn post(&mut self, path: &str, body: &[u8]) -> Result<()> {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nUser-Agent: Prometheus/3.14.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.port,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.reader.get_mut().write_all(&request)?;
        let mut status = String::new();
        self.reader.read_line(&mut status)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        let mut answer = vec![0; length];
        self.reader.read_exact(&mut answer)?;
        if status.split(' ').nth(1) != Some("200") {
            bail!("{path}: {} {}", status.trim_end(), String::from_utf8_lossy(&answer));
        }
        Ok(())
    }
}

fn unix_secs() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// Seconds since 1970 in UTC.
fn rfc3339(secs: u64) -> String {
    // Days counted from 1 March of the year 0, in eras of 400 years.
    let (days, rest) = (secs / 86_400 + 719_468, secs % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let (date, month) = (day - (153 * shifted + 2) / 5 + 1, (shifted + 2) % 12 + 1);
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_826_453), "2000-02-29T12:14:13.000Z");
        assert_eq!(rfc3339(1_795_528_800), "2026-11-24T14:00:00.000Z");
    }
}
