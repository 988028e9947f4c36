//! An HTTP server that takes whatever is posted to it, remembers it, and answers as it is told.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    pub body: String,
}

type Answer = Box<dyn Fn(&Received, usize) -> u16 + Send + Sync>;

/// The server. It ends with the test's process.
pub struct Sink {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    requests: Mutex<Vec<Received>>,
    came: Condvar,
    answer: Answer,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Sink {
    /// Answers every request with the status that `answer` gives for it and its number on that path, from 0.
    ///
    /// # Panics
    /// When no port of loopback is free.
    pub fn start(answer: impl Fn(&Received, usize) -> u16 + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let answer: Answer = Box::new(answer);
        let shared = Arc::new(Shared { requests: Mutex::default(), came: Condvar::new(), answer });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&own);
                std::thread::spawn(move || {
                    let _ = serve(stream, &shared);
                });
            }
        });
        Self { address, shared }
    }

    /// All requests so far.
    pub fn received(&self) -> Vec<Received> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `enough` says so, at most `limit`; gives what has come by then.
    pub fn wait(&self, limit: Duration, enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let requests = self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let (requests, _) = self
            .shared
            .came
            .wait_timeout_while(requests, limit, |requests| !enough(requests))
            .unwrap_or_else(PoisonError::into_inner);
        requests.clone()
    }
}

fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let received = Received { path, headers, body };
        let status = {
            let mut requests = shared.requests.lock().unwrap_or_else(PoisonError::into_inner);
            let number = requests.iter().filter(|r| r.path == received.path).count();
            let status = (shared.answer)(&received, number);
            requests.push(received);
            status
        };
        shared.came.notify_all();
        write!(writer, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n")?;
    }
}
