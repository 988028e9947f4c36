//! An HTTP proxy on loopback that is slow, answers 503 or 429, or cuts connections before or after the request reached its target.
//!
//! What it does to which request follows from a seed. A request whose answer is lost has been carried out: a sender that counts on
//! answers alone sends it twice.

use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    Slow,
    Unavailable,
    TooMany,
    /// The connection ends before the request is passed on.
    CutBefore,
    /// The request is passed on, its answer is not.
    CutAfter,
}

const FAULTS: [Fault; 5] =
    [Fault::Slow, Fault::Unavailable, Fault::TooMany, Fault::CutBefore, Fault::CutAfter];

#[derive(Debug)]
struct State {
    target: Mutex<Option<SocketAddr>>,
    seed: AtomicU64,
    /// Of 16 requests, so many meet a fault.
    faulty: AtomicU64,
    counts: [AtomicU64; 6],
    ended: AtomicBool,
}

/// The proxy; ends with its owner.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<State>,
}

impl FaultProxy {
    /// Listens on a free port of loopback. Of 16 requests about `faulty` meet a fault.
    pub fn start(target: Option<SocketAddr>, seed: u64, faulty: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            target: Mutex::new(target),
            seed: AtomicU64::new(seed | 1),
            faulty: AtomicU64::new(faulty),
            counts: Default::default(),
            ended: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.ended.load(Ordering::Acquire) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || {
                    // A cut connection is the proxy's purpose, not its failure.
                    let _ = serve(&stream, &shared);
                });
            }
        });
        Ok(Self { address, state })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where requests go from now on; `None`: nowhere.
    pub fn set_target(&self, target: Option<SocketAddr>) {
        *self.state.target.lock().expect("BUG: poisoned") = target;
    }

    /// Sets how many of 16 requests meet a fault.
    pub fn set_faulty(&self, faulty: u64) {
        self.state.faulty.store(faulty, Ordering::Release);
    }

    /// Requests that met each fault.
    pub fn counts(&self) -> Vec<(Fault, u64)> {
        let all = std::iter::once(Fault::None).chain(FAULTS);
        all.map(|fault| (fault, self.state.counts[fault as usize].load(Ordering::Acquire)))
            .collect()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

impl State {
    fn next(&self) -> Fault {
        let step = |mut x: u64| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^ x << 17
        };
        let before = self.seed.fetch_update(Ordering::AcqRel, Ordering::Acquire, |x| Some(step(x)));
        let number = step(before.unwrap_or(1));
        let fault = if number % 16 < self.faulty.load(Ordering::Acquire) {
            FAULTS[(number >> 8) as usize % FAULTS.len()]
        } else {
            Fault::None
        };
        self.counts[fault as usize].fetch_add(1, Ordering::AcqRel);
        fault
    }
}

fn serve(stream: &TcpStream, state: &State) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_message(&mut reader)? {
        let fault = state.next();
        let mut out = stream;
        match fault {
            Fault::CutBefore => return Ok(()),
            Fault::Unavailable => out
                .write_all(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nlater")?,
            Fault::TooMany => out.write_all(
                b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
            )?,
            Fault::None | Fault::Slow | Fault::CutAfter => {
                if fault == Fault::Slow {
                    #[expect(clippy::disallowed_methods, reason = "a slow server is the purpose")]
                    std::thread::sleep(Duration::from_millis(80));
                }
                let target = *state.target.lock().expect("BUG: poisoned");
                let Some(target) = target else { return Ok(()) };
                let mut onward = TcpStream::connect(target)?;
                onward.write_all(&request)?;
                let answer = read_message(&mut BufReader::new(&onward))?;
                let Some(answer) = answer.filter(|_| fault != Fault::CutAfter) else {
                    return Ok(());
                };
                out.write_all(&answer)?;
            }
        }
    }
    Ok(())
}

/// A head with the body that its Content-Length names; `None` where the connection ended before.
fn read_message(reader: &mut impl io::BufRead) -> io::Result<Option<Vec<u8>>> {
    let (mut message, mut length) = (Vec::new(), 0usize);
    loop {
        let before = message.len();
        if reader.read_until(b'\n', &mut message)? == 0 {
            return Ok(None);
        }
        let line = String::from_utf8_lossy(&message[before..]).to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let head = message.len();
    message.resize(head + length, 0);
    reader.read_exact(&mut message[head..])?;
    Ok(Some(message))
}
