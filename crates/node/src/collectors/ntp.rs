//! The local time server's view of its clock, asked with one SNTP packet. Format: RFC 5905.

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use crate::collector::{Collector, CollectorInfo};
use crate::config::Settings;
use crate::env::Env;
use crate::error::{ConfigError, Failure, Malformed};
use crate::exposition::Exposition;

pub(super) const INFO: CollectorInfo = CollectorInfo {
    name: "ntp",
    default_on: false,
    reads: "an NTP server",
    families: "node_ntp_*",
    make: |settings| Ok(Box::new(Ntp::new(settings)?)),
};

struct Ntp {
    server: String,
    port: u16,
    version: u8,
    ttl: u32,
    max_distance: f64,
    tolerance: f64,
    /// Midnight (UTC seconds) of an announced leap second.
    leap_midnight: f64,
}

const TIMEOUT: Duration = Duration::from_secs(1);
const DAY: f64 = 86_400.0;

impl Ntp {
    fn new(settings: &Settings) -> Result<Ntp, ConfigError> {
        let refuse =
            |reason: &str| ConfigError::Collector { collector: "ntp", reason: reason.to_owned() };
        let server = settings.text("collector.ntp.server").to_owned();
        let loopback = server.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !loopback && !settings.switch("collector.ntp.server-is-local") {
            return Err(refuse(
                "only IP address of local NTP server is valid for --collector.ntp.server",
            ));
        }
        let version = settings.int("collector.ntp.protocol-version");
        if !(2..=4).contains(&version) {
            return Err(refuse(&format!(
                "invalid NTP protocol version {version}; must be 2, 3, or 4"
            )));
        }
        let port = settings.int("collector.ntp.server-port");
        let valid = u16::try_from(port).ok().filter(|p| *p > 0);
        let port = valid.ok_or_else(|| {
            refuse(&format!(
                "invalid NTP port number {port}; must be between 1 and 65535 inclusive"
            ))
        })?;
        Ok(Ntp {
            server,
            port,
            version: version as u8,
            ttl: settings.int("collector.ntp.ip-ttl").clamp(1, 255) as u32,
            max_distance: settings.duration("collector.ntp.max-distance").as_secs_f64(),
            tolerance: settings.duration("collector.ntp.local-offset-tolerance").as_secs_f64(),
            leap_midnight: f64::NEG_INFINITY,
        })
    }

    fn query(&self) -> Result<Answer, Failure> {
        let io = |e| Failure::io("NTP server", e);
        let any = if self.server.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any).map_err(io)?;
        socket.set_read_timeout(Some(TIMEOUT)).map_err(io)?;
        if any.starts_with('0') {
            socket.set_ttl(self.ttl).map_err(io)?;
        }
        socket.connect((self.server.as_str(), self.port)).map_err(io)?;
        let mut request = [0u8; 48];
        request[0] = self.version << 3 | 3; // client
        let sent = now();
        request[40..48].copy_from_slice(&to_ntp(sent).to_be_bytes());
        socket.send(&request).map_err(io)?;
        let mut reply = [0u8; 128];
        let size = socket.recv(&mut reply).map_err(io)?;
        let received = now();
        parse(&reply[..size], to_ntp(sent), sent, received).map_err(|e| e.at("NTP server"))
    }
}

impl Collector for Ntp {
    fn update(&mut self, _: &mut Env, out: &mut Exposition) -> Result<(), Failure> {
        let a = self.query()?;
        let rows = [
            ("stratum", "NTPD stratum.", f64::from(a.stratum)),
            ("leap", "NTPD leap second indicator, 2 bits.", f64::from(a.leap)),
            ("rtt_seconds", "RTT to NTPD.", a.rtt),
            ("offset_seconds", "ClockOffset between NTP and local clock.", a.offset),
            (
                "reference_timestamp_seconds",
                "NTPD ReferenceTime, UNIX timestamp.",
                a.reference.max(0.0),
            ),
            ("root_delay_seconds", "NTPD RootDelay.", a.root_delay),
            ("root_dispersion_seconds", "NTPD RootDispersion.", a.root_dispersion),
        ];
        for (suffix, help, value) in rows {
            out.gauge(&format!("node_ntp_{suffix}"), help, &[], value);
        }
        if matches!(a.leap, 1 | 2) {
            self.leap_midnight = (a.time / DAY).floor() * DAY + DAY;
        }
        let near_leap = (a.time - self.leap_midnight).abs() < DAY;
        let tolerance = self.tolerance + if near_leap { 1.0 } else { 0.0 };
        let distance = (a.rtt + a.root_delay) / 2.0 + a.root_dispersion;
        let sane = a.is_valid() && distance <= self.max_distance && a.min_error <= tolerance;
        let help = "NTPD sanity according to RFC5905 heuristics and configured limits.";
        out.gauge("node_ntp_sanity", help, &[], f64::from(u8::from(sane)));
        Ok(())
    }
}

/// Times in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Answer {
    stratum: u8,
    leap: u8,
    time: f64,
    rtt: f64,
    offset: f64,
    reference: f64,
    root_delay: f64,
    root_dispersion: f64,
    /// The error that the clocks must at least have.
    min_error: f64,
}

/// A server that has not heard from its own for longer (2^17 s) is not fresh.
const MAX_AGE: f64 = 131_072.0;
const MAX_DISPERSION: f64 = 16.0;

impl Answer {
    fn is_valid(&self) -> bool {
        let age = self.time - self.reference;
        (1..16).contains(&self.stratum)
            && self.leap != 3
            && (0.0..=MAX_AGE).contains(&age)
            && self.root_delay / 2.0 + self.root_dispersion <= MAX_DISPERSION
    }
}

/// `origin` is what the request carried; an answer to another request is refused.
fn parse(reply: &[u8], origin: u64, sent: f64, received: f64) -> Result<Answer, Malformed> {
    let bytes: &[u8; 48] =
        reply.first_chunk().ok_or_else(|| Malformed::new("answer is shorter than 48 bytes"))?;
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_be_bytes(word)
    };
    let short = |at: usize| (word(at) >> 32) as f64 / 65536.0;
    if bytes[0] & 7 != 4 {
        return Err(Malformed::new("answer is not from a server"));
    }
    if word(24) != origin {
        return Err(Malformed::new("answer to another question"));
    }
    let (server_received, server_sent) = (from_ntp(word(32)), from_ntp(word(40)));
    let rtt = ((received - sent) - (server_sent - server_received)).max(0.0);
    Ok(Answer {
        stratum: bytes[1],
        leap: bytes[0] >> 6,
        time: server_sent,
        rtt,
        offset: ((server_received - sent) + (server_sent - received)) / 2.0,
        reference: from_ntp(word(16)),
        root_delay: short(4),
        root_dispersion: short(8),
        min_error: (sent - server_received).max(server_sent - received).max(0.0),
    })
}

/// Seconds from 1900 to 1970.
const EPOCH: f64 = 2_208_988_800.0;

fn to_ntp(unix: f64) -> u64 {
    ((unix + EPOCH) * 4_294_967_296.0) as u64
}

fn from_ntp(stamp: u64) -> f64 {
    stamp as f64 / 4_294_967_296.0 - EPOCH
}

fn now() -> f64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Any bytes as an answer, for fuzzing.
pub(crate) fn check(reply: &[u8]) {
    let _ = parse(reply, 0, 0.0, 1.0).map(|a| a.is_valid());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_gives_offset_and_round_trip() {
        let mut reply = [0u8; 48];
        reply[0] = 4 << 3 | 4;
        reply[1] = 2;
        let origin = to_ntp(1000.0);
        reply[24..32].copy_from_slice(&origin.to_be_bytes());
        reply[16..24].copy_from_slice(&to_ntp(990.0).to_be_bytes());
        reply[32..40].copy_from_slice(&to_ntp(1005.5).to_be_bytes());
        reply[40..48].copy_from_slice(&to_ntp(1005.5).to_be_bytes());
        let a = parse(&reply, origin, 1000.0, 1001.0).unwrap();
        assert!((a.offset - 5.0).abs() < 1e-3 && (a.rtt - 1.0).abs() < 1e-3);
        assert!(a.is_valid());
        assert!(parse(&reply, origin + 1, 0.0, 0.0).is_err());
        assert!(parse(&reply[..47], origin, 0.0, 0.0).is_err());
    }
}
