//! An exporter for suites: one page of known series in a number of versions, which follow one another as time goes on.
//!
//! A thread a connection, pages made beforehand: what it costs is not the scraper's. It serves all of loopback, so that targets can
//! differ by address, and notes when which of them was scraped.
#![expect(clippy::disallowed_methods, reason = "measures real processes by the machine's clock")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;

use super::load;

/// Stack of a connection's thread, in bytes.
const STACK_BYTES: usize = 128 << 10;

/// Which format the pages have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    OpenMetrics,
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

struct Page {
    plain: Vec<u8>,
    gzip: Vec<u8>,
}

struct Inner {
    format: Format,
    pages: Vec<Page>,
    began: Instant,
    /// A version lasts so long, in seconds.
    version_seconds: f64,
    /// When each target was scraped, in seconds since the beginning.
    scrapes: Mutex<BTreeMap<IpAddr, Vec<f64>>>,
    is_over: AtomicBool,
}

/// A running exporter; ends when dropped.
pub(crate) struct Exporter {
    pub(crate) port: u16,
    inner: Arc<Inner>,
}

impl Exporter {
    /// Serves `versions` pages of `series` series.
    pub(crate) fn start(
        format: Format,
        series: usize,
        versions: usize,
        version_seconds: f64,
    ) -> Result<Self> {
        let listener = TcpListener::bind("0.0.0.0:0")?;
        let port = listener.local_addr()?.port();
        let inner = Arc::new(Inner {
            format,
            pages: pages(format, series, versions)?,
            began: Instant::now(),
            version_seconds,
            scrapes: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let shared = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.is_over.load(Ordering::Acquire) {
                    return;
                }
                let inner = Arc::clone(&shared);
                // A connection that gets no thread is closed.
                let _ = std::thread::Builder::new()
                    .stack_size(STACK_BYTES)
                    .spawn(move || inner.serve(stream));
            }
        });
        Ok(Self { port, inner })
    }

    /// Bytes of a page, unpacked and packed.
    pub(crate) fn page_bytes(&self) -> (usize, usize) {
        self.inner.pages.first().map_or((0, 0), |page| (page.plain.len(), page.gzip.len()))
    }

    /// Seconds since the beginning, as scrapes are noted in.
    pub(crate) fn now(&self) -> f64 {
        self.inner.began.elapsed().as_secs_f64()
    }

    /// When targets were scraped so far, by target.
    pub(crate) fn scrapes(&self) -> Vec<Vec<f64>> {
        let scrapes = self.inner.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
        scrapes.values().cloned().collect()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.inner.is_over.store(true, Ordering::Release);
        // Wakes the listener; nobody is there when it has ended by itself.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Inner {
    fn serve(&self, mut stream: TcpStream) {
        let Ok(own) = stream.local_addr() else { return };
        if !own.ip().is_loopback() {
            return;
        }
        let _ = stream.set_nodelay(true);
        let mut head = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let Ok(read @ 1..) = stream.read(&mut buffer) else { return };
            head.extend_from_slice(&buffer[..read]);
            if !head.ends_with(b"\r\n\r\n") {
                continue;
            }
            let seconds = self.began.elapsed().as_secs_f64();
            let mut scrapes = self.scrapes.lock().unwrap_or_else(PoisonError::into_inner);
            scrapes.entry(own.ip()).or_default().push(seconds);
            drop(scrapes);
            let page = &self.pages[(seconds / self.version_seconds) as usize % self.pages.len()];
            let asked = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let gzip = asked.contains("accept-encoding: gzip");
            let (body, encoding) =
                if gzip { (&page.gzip, "Content-Encoding: gzip\r\n") } else { (&page.plain, "") };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {}\r\n{encoding}Content-Length: {}\r\n\r\n",
                self.format.content_type(),
                body.len()
            );
            let mut all = answer.into_bytes();
            all.extend_from_slice(body);
            if stream.write_all(&all).is_err() {
                return;
            }
            head.clear();
        }
    }
}

/// The load of the other suites, as one target would show it: without the labels that targets get.
fn pages(format: Format, series: usize, versions: usize) -> Result<Vec<Page>> {
    let mut lines: Vec<(String, String, usize)> = (0..series)
        .map(|n| {
            let labels = load::labels(n, series);
            let name = labels.value("__name__").to_owned();
            let mut text = format!("{name}{{");
            let own = |name: &str| ["container", "le", "namespace", "pod"].contains(&name);
            for (name, value) in labels.iter().filter(|(name, _)| own(name)) {
                let comma = if text.ends_with('{') { "" } else { "," };
                let _ = write!(text, "{comma}{name}=\"{value}\"");
            }
            text.push('}');
            (name, text, n)
        })
        .collect();
    // Families are whole; within one the order is as it was.
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    let (mut values, mut random) = (vec![0.0; series], 88_172_645_463_325_252u64);
    let mut out = Vec::with_capacity(versions);
    for version in 0..versions {
        for (n, value) in values.iter_mut().enumerate() {
            load::next(n, version, value, &mut random);
        }
        let (mut page, mut family) = (String::new(), "");
        for (name, line, n) in &lines {
            if family != name {
                // The buckets alone, without sum and count, are no histogram.
                let _ = writeln!(page, "# HELP {name} A load of known series.");
                let _ = writeln!(page, "# TYPE {name} gauge");
                family = name;
            }
            let _ = writeln!(page, "{line} {}", values[*n]);
        }
        if format == Format::OpenMetrics {
            page.push_str("# EOF\n");
        }
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        packer.write_all(page.as_bytes())?;
        out.push(Page { plain: page.into_bytes(), gzip: packer.finish()? });
    }
    Ok(out)
}
