//! HTTP requests of discoverers: a seam for tests over the shared client.

use std::fmt::Debug;
use std::time::Duration;

use futures::future::BoxFuture;
use gauntlet_net::client::{BodyReader, ClientError, ClientOptions, HttpClient};
use gauntlet_net::config::HttpClientConfig;
use http::{Request, Uri};

/// Most bytes of an answer, unpacked.
pub const MAX_BODY_BYTES: u64 = 64 << 20;

/// Why an answer could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("bad URL {url:?}: {reason}")]
    Url { url: String, reason: String },
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Empty unless the status is 200.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of a name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// Gets things over HTTP.
pub trait Fetch: Debug + Send + Sync {
    /// `timeout` bounds the head and the body each.
    fn get<'a>(
        &'a self,
        url: &'a str,
        headers: &'a [(&'static str, String)],
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Answer, FetchError>>;
}

/// Over the network.
#[derive(Clone, Debug)]
pub struct NetworkFetch {
    client: HttpClient,
}

impl NetworkFetch {
    pub fn new(config: &HttpClientConfig) -> Result<Self, FetchError> {
        Ok(Self { client: HttpClient::new(config, ClientOptions::default())? })
    }
}

impl Fetch for NetworkFetch {
    fn get<'a>(
        &'a self,
        url: &'a str,
        headers: &'a [(&'static str, String)],
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Answer, FetchError>> {
        Box::pin(async move {
            let bad = |err: &dyn std::fmt::Display| FetchError::Url {
                url: url.to_owned(),
                reason: err.to_string(),
            };
            let uri: Uri = url.parse().map_err(|err| bad(&err))?;
            let mut request = Request::get(uri);
            for (name, value) in headers {
                request = request.header(*name, value);
            }
            let request = request.body(Vec::new().into()).map_err(|err| bad(&err))?;
            let response = self.client.send(request, timeout).await?;
            let status = response.status().as_u16();
            let headers = response
                .headers()
                .iter()
                .filter_map(|(n, v)| Some((n.as_str().to_owned(), v.to_str().ok()?.to_owned())))
                .collect();
            let mut body = Vec::new();
            if status == 200 {
                let mut reader = BodyReader::default();
                body = reader.read(response, MAX_BODY_BYTES, timeout).await?.bytes.to_vec();
            }
            Ok(Answer { status, headers, body })
        })
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
            let fetch = NetworkFetch::new(&config).unwrap();
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
        assert_eq!(answer.unwrap().status, 503);
    }
}
