//! Getting a target's body.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gauntlet_net::{BodyReader, BufferPool, ClientError, HttpClient};
use http::{HeaderValue, Request, Uri, header};

use crate::config::{ScrapeConfig, ScrapeProtocol};
use crate::error::ScrapeError;
use crate::target::Target;

/// A body with what it says it is.
#[derive(Debug)]
pub(crate) struct Fetched<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) content_type: String,
}

/// Where bodies come from: the network, or a test.
pub(crate) trait Fetch: Send + 'static {
    fn fetch(&mut self) -> impl Future<Output = Result<Fetched<'_>, ScrapeError>> + Send;

    /// The body is done with.
    fn release(&mut self) {}
}

/// Asks a target over HTTP, one request at a time over a connection that is kept.
#[derive(Debug)]
pub(crate) struct HttpFetch {
    client: HttpClient,
    request: Result<Request<()>, ClientError>,
    timeout: Duration,
    body_limit: u64,
    reader: BodyReader,
}

impl HttpFetch {
    pub(crate) fn new(
        client: HttpClient,
        target: &Target,
        config: &ScrapeConfig,
        buffers: Arc<BufferPool>,
    ) -> Self {
        Self {
            client,
            request: request(target, config),
            timeout: target.timeout,
            body_limit: u64::try_from(config.limits.body_size_limit.0).unwrap_or(0),
            reader: BodyReader::with_pool(buffers),
        }
    }
}

impl Fetch for HttpFetch {
    async fn fetch(&mut self) -> Result<Fetched<'_>, ScrapeError> {
        let started = tokio::time::Instant::now();
        let template = self.request.as_ref().map_err(ClientError::clone)?;
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = template.uri().clone();
        *request.headers_mut() = template.headers().clone();
        let response = self.client.send(request, self.timeout).await?;
        let left = self.timeout.saturating_sub(started.elapsed());
        let read = self.reader.read(response, self.body_limit, left).await?;
        Ok(Fetched { body: read.bytes, content_type: read.content_type })
    }

    fn release(&mut self) {
        self.reader.release();
    }
}

/// The request that every scrape of the target sends.
fn request(target: &Target, config: &ScrapeConfig) -> Result<Request<()>, ClientError> {
    let uri: Uri = target.url().parse().map_err(|err| {
        let url = target.url();
        ClientError::new(gauntlet_net::Stage::Config, format!("parse {url:?}: {err}"))
    })?;
    let mut request = Request::new(());
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    let text = |value: String| {
        HeaderValue::try_from(value).map_err(|err| {
            ClientError::new(gauntlet_net::Stage::Config, format!("header value: {err}"))
        })
    };
    let accept =
        accept_header(&config.scrape_protocols, config.metric_name_escaping_scheme.as_str());
    headers.insert(header::ACCEPT, text(accept)?);
    let encoding = if config.enable_compression { "gzip" } else { "identity" };
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    let mut seconds = String::new();
    gauntlet_model::float::push_plain_float(&mut seconds, target.timeout.as_secs_f64());
    headers.insert("x-prometheus-scrape-timeout-seconds", text(seconds)?);
    Ok(request)
}

/// Exporters may look for the peer's name.
const USER_AGENT: &str = concat!("Prometheus/3.14.0 Gauntlet/", env!("CARGO_PKG_VERSION"));

/// Asks for `protocols` in falling order.
fn accept_header(protocols: &[ScrapeProtocol], escaping: &str) -> String {
    let mut out = String::new();
    // One more than there are protocols.
    let mut weight = 6u8;
    for protocol in protocols {
        out.push_str(protocol.media_type());
        if matches!(
            protocol,
            ScrapeProtocol::PrometheusText100 | ScrapeProtocol::OpenMetricsText100
        ) {
            out.push_str(";escaping=");
            out.push_str(escaping);
        }
        out.push_str(&format!(";q=0.{weight},"));
        weight = weight.saturating_sub(1);
    }
    out.push_str(&format!("*/*;q=0.{weight}"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DEFAULT_PROTOCOLS;

    #[test]
    fn accept_header_has_falling_weights() {
        assert_eq!(
            accept_header(&DEFAULT_PROTOCOLS, "allow-utf-8"),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        );
    }
}
