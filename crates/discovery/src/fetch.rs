//! HTTP requests of discoverers: a seam for tests over the shared client.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use gauntlet_net::client::{BodyReader, ClientError, ClientOptions, HttpClient};
use gauntlet_net::config::HttpClientConfig;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

/// Most bytes of an answer, unpacked.
pub const MAX_BODY_BYTES: u64 = 64 << 20;
/// Longest line of a streamed answer: some ten times what an API server stores as one object.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// Why an answer could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("bad URL {url:?}: {reason}")]
    Url { url: String, reason: String },
    #[error("reading the answer: {0}")]
    Stream(String),
    #[error("line of the answer is longer than {MAX_LINE_BYTES} bytes")]
    LongLine,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of a name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// A request. The timeout bounds the head and the body each.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub timeout: Duration,
    /// Most bytes of the answer, unpacked.
    pub max_body_bytes: u64,
}

impl Ask {
    pub fn get(url: impl Into<String>, timeout: Duration) -> Self {
        Self {
            method: Method::GET,
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout,
            max_body_bytes: MAX_BODY_BYTES,
        }
    }

    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>, timeout: Duration) -> Self {
        Self { method: Method::POST, body: body.into(), ..Self::get(url, timeout) }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn into_request(self) -> Result<Request<Bytes>, FetchError> {
        let bad = |err: &dyn std::fmt::Display| FetchError::Url {
            url: self.url.clone(),
            reason: err.to_string(),
        };
        let uri: Uri = self.url.parse().map_err(|err| bad(&err))?;
        let mut request = Request::builder().method(self.method.clone()).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(self.body.clone().into()).map_err(|err| bad(&err))
    }
}

/// Sends requests over HTTP.
pub trait Fetch: Debug + Send + Sync {
    fn send(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, FetchError>>;

    /// As [`Self::send`], with the body to be read line by line as it comes. `timeout` bounds the head.
    fn open(&self, ask: Ask) -> BoxFuture<'_, Result<Lines, FetchError>>;

    /// `timeout` bounds the head and the body each.
    fn get<'a>(
        &'a self,
        url: &'a str,
        headers: &'a [(&'static str, String)],
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Answer, FetchError>> {
        self.send(Ask { headers: headers.to_vec(), ..Ask::get(url, timeout) })
    }
}

/// Over the network.
#[derive(Clone, Debug)]
pub struct NetworkFetch {
    client: HttpClient,
}

impl NetworkFetch {
    pub fn new(config: &HttpClientConfig, options: ClientOptions) -> Result<Self, FetchError> {
        Ok(Self { client: HttpClient::new(config, options)? })
    }
}

impl Fetch for NetworkFetch {
    fn send(&self, ask: Ask) -> BoxFuture<'_, Result<Answer, FetchError>> {
        Box::pin(async move {
            let (timeout, limit) = (ask.timeout, ask.max_body_bytes);
            let mut response = self.client.send(ask.into_request()?, timeout).await?;
            let status = response.status().as_u16();
            let headers = response
                .headers()
                .iter()
                .filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned())))
                .collect();
            // The reader takes bodies of good answers alone; here all are wanted, if only for their messages.
            *response.status_mut() = StatusCode::OK;
            let mut reader = BodyReader::default();
            let body = reader.read(response, limit, timeout).await?.bytes.to_vec();
            Ok(Answer { status, headers, body })
        })
    }

    fn open(&self, ask: Ask) -> BoxFuture<'_, Result<Lines, FetchError>> {
        Box::pin(async move {
            let timeout = ask.timeout;
            let response = self.client.send(ask.into_request()?, timeout).await?;
            let status = response.status().as_u16();
            Ok(Lines::new(status, Some(response.into_body()), Vec::new()))
        })
    }
}

/// A body that is read line by line.
#[derive(Debug)]
pub struct Lines {
    pub status: u16,
    body: Option<Incoming>,
    buffer: Vec<u8>,
    /// Where in the buffer the next line begins.
    start: usize,
    /// How far the buffer was searched for a line's end.
    searched: usize,
}

impl Lines {
    fn new(status: u16, body: Option<Incoming>, buffer: Vec<u8>) -> Self {
        Self { status, body, buffer, start: 0, searched: 0 }
    }

    /// The lines of a body that is there already.
    pub fn of_answer(answer: Answer) -> Self {
        Self::new(answer.status, None, answer.body)
    }

    /// The next line without its end; `None` at the body's. Errs for lines longer than [`MAX_LINE_BYTES`].
    pub async fn next(&mut self) -> Result<Option<&[u8]>, FetchError> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|b| *b == b'\n') {
                let (start, end) = (self.start, self.searched + at);
                self.start = end + 1;
                self.searched = end + 1;
                return Ok(Some(&self.buffer[start..end]));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            self.searched = self.buffer.len();
            if self.buffer.len() > MAX_LINE_BYTES {
                return Err(FetchError::LongLine);
            }
            let frame = match &mut self.body {
                Some(body) => body.frame().await,
                None => None,
            };
            match frame {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
                Some(Err(err)) => return Err(FetchError::Stream(err.to_string())),
                None if self.buffer.is_empty() => return Ok(None),
                None => {
                    self.start = self.buffer.len();
                    return Ok(Some(&self.buffer));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use gauntlet_net::config::{BasicAuth, Secret};

    use super::*;

    /// Answers one request and gives its text.
    async fn serve(listener: tokio::net::TcpListener, answer: &'static str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut chunk = [0; 512];
            let len = stream.read(&mut chunk).await.unwrap();
            assert!(len > 0, "request cut short");
            request.extend_from_slice(&chunk[..len]);
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(request).unwrap().to_ascii_lowercase()
    }

    fn ask(answer: &'static str) -> (Result<Answer, FetchError>, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/x?y=z", listener.local_addr().unwrap());
            let auth = BasicAuth {
                username: "u".to_owned(),
                password: Secret::new("p"),
                ..BasicAuth::default()
            };
            let config = HttpClientConfig { basic_auth: Some(auth), ..HttpClientConfig::default() };
            let fetch = NetworkFetch::new(&config, ClientOptions::default()).unwrap();
            let headers = [("accept", "application/json".to_owned())];
            let get = fetch.get(&url, &headers, Duration::from_secs(5));
            futures::future::join(get, serve(listener, answer)).await
        })
    }

    #[test]
    fn requests_carry_credentials_and_answers_their_headers() {
        let (answer, request) =
            ask("HTTP/1.1 200 OK\r\nX-Consul-Index: 7\r\nContent-Length: 2\r\n\r\n[]");
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.header("x-consul-index")), (200, Some("7")));
        assert_eq!(answer.body, b"[]");
        assert!(request.starts_with("get /x?y=z http/1.1\r\n"), "{request}");
        assert!(request.contains("authorization: basic dtpw\r\n"), "{request}");
        assert!(request.contains("accept: application/json\r\n"), "{request}");
    }

    #[test]
    fn other_statuses_are_answers_too() {
        let (answer, _) = ask("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy");
        let answer = answer.unwrap();
        assert_eq!((answer.status, &answer.body[..]), (503, &b"busy"[..]));
    }

    #[test]
    fn lines_come_one_by_one() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let lines = |body: &[u8]| {
            let answer = Answer { status: 200, headers: Vec::new(), body: body.to_vec() };
            let mut lines = Lines::of_answer(answer);
            runtime.block_on(async {
                let mut out = Vec::new();
                while let Some(line) = lines.next().await.unwrap() {
                    out.push(String::from_utf8(line.to_vec()).unwrap());
                }
                out
            })
        };
        assert_eq!(lines(b"a\nbc\n\nd"), ["a", "bc", "", "d"]);
        assert!(lines(b"").is_empty());
    }
}
