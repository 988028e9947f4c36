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
