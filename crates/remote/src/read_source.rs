//! One `remote_read` entry of a server's configuration as a storage: asked beside the local one, for what that does not have.
//!
//! Whoever cannot be read costs a warning, never the query: upstream counts remote reads as secondary storages. Matchers for the
//! external labels are added where the selector names none of that label, and those labels are taken off the answer.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_model::{Labels, Matcher, Timestamp};
use gauntlet_net::client::{ClientOptions, HttpClient};
use gauntlet_storage::{
    LabelAnswer, LabelRequest, QueryError, Queryable, SelectRequest, SeriesSet, SeriesSetBuilder,
};
use http::header::{HeaderName, HeaderValue};

use crate::config::RemoteReadConfig;
use crate::read::ReadError;
use crate::read_client::RemoteReadClient;

/// When the local storage begins, milliseconds; `None` where it has nothing.
pub type LocalStart = Arc<dyn Fn() -> Option<Timestamp> + Send + Sync>;

/// A configured endpoint.
#[derive(Clone)]
pub struct RemoteReadSource {
    client: RemoteReadClient,
    required: Vec<Matcher>,
    external: Labels,
    /// Absent where recent samples are to be read as well.
    local_start: Option<LocalStart>,
}

impl RemoteReadSource {
    /// Makes the client. Opens no connection.
    pub fn new(
        config: &RemoteReadConfig,
        external_labels: &Labels,
        local_start: LocalStart,
    ) -> Result<Self, ReadError> {
        let url = config.url.as_str();
        let name = if config.name.is_empty() { url } else { &config.name };
        let invalid =
            |reason: String| ReadError::BadRequest(format!("remote_read {name}: {reason}"));
        let uri = url.parse().map_err(|err| invalid(format!("{err}")))?;
        let http = HttpClient::new(&config.http, ClientOptions::default())
            .map_err(|err| invalid(err.to_string()))?;
        let mut headers = Vec::new();
        for (header, value) in &config.headers {
            let header = HeaderName::try_from(header).map_err(|err| invalid(err.to_string()))?;
            let value = HeaderValue::try_from(value).map_err(|err| invalid(err.to_string()))?;
            headers.push((header, value));
        }
        let limit = usize::try_from(config.chunked_read_limit).unwrap_or(usize::MAX);
        let client = RemoteReadClient::new(name, uri, http, config.remote_timeout.to_std())
            .with_headers(headers)
            .with_frame_limit(limit);
        let required = &config.required_matchers;
        Ok(Self {
            client,
            required: required.iter().map(|(n, v)| Matcher::equal(n, v)).collect(),
            external: if config.filter_external_labels {
                external_labels.clone()
            } else {
                Labels::empty()
            },
            local_start: (!config.read_recent).then_some(local_start),
        })
    }

    /// The question as it goes out, and the labels to take off the answer; `None` where there is nothing to ask.
    fn question(&self, request: &SelectRequest) -> Option<(SelectRequest, Vec<String>)> {
        let asks = |required: &Matcher| request.matchers.iter().any(|m| m == required);
        if !self.required.iter().all(asks) {
            return None;
        }
        let mut request = request.clone();
        if let Some(start) = self.local_start.as_ref().and_then(|start| start()) {
            if request.range.min > start {
                return None;
            }
            request.range.max = request.range.max.min(start);
        }
        let named = |name: &str| request.matchers.iter().any(|m| m.name == name);
        let added: Vec<(&str, &str)> = self.external.iter().filter(|(n, _)| !named(n)).collect();
        let mut matchers = request.matchers.to_vec();
        matchers.extend(added.iter().map(|(n, v)| Matcher::equal(n, v)));
        let names = added.iter().map(|(name, _)| (*name).to_owned()).collect();
        request.matchers = matchers.into();
        Some((request, names))
    }
}

impl fmt::Debug for RemoteReadSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteReadSource")
            .field("client", &self.client)
            .field("required", &self.required)
            .field("external", &self.external)
            .field("read_recent", &self.local_start.is_none())
            .finish()
    }
}

/// The set without some labels, sorted anew.
fn without(mut set: SeriesSet, names: &[String]) -> SeriesSet {
    if names.is_empty() {
        return set;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut builder = SeriesSetBuilder::with_capacity(set.len(), 0);
    for (labels, chunks) in set.iter() {
        builder.push_series(labels.without(&names));
        chunks.iter().for_each(|chunk| builder.push_chunk(chunk.clone()));
    }
    let mut out = builder.build_sorted();
    out.warnings = std::mem::take(&mut set.warnings);
    out.charges = std::mem::take(&mut set.charges);
    out
}

impl Queryable for RemoteReadSource {
    fn select<'a>(
        &'a self,
        request: &'a SelectRequest,
    ) -> BoxFuture<'a, Result<SeriesSet, QueryError>> {
        async move {
            let Some((request, added)) = self.question(request) else {
                return Ok(SeriesSet::default());
            };
            match self.client.select(&request).await {
                Ok(set) => Ok(without(set, &added)),
                // What concerns the query itself is an error wherever it comes from.
                Err(err @ (QueryError::Canceled(_) | QueryError::Budget(_))) => Err(err),
                Err(err) => {
                    let mut builder = SeriesSetBuilder::new();
                    builder.warn(format!("remote_read: {err}"));
                    Ok(builder.build())
                }
            }
        }
        .boxed()
    }

    fn label_names<'a>(
        &'a self,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        self.client.label_names(request)
    }

    fn label_values<'a>(
        &'a self,
        name: &'a str,
        request: &'a LabelRequest,
    ) -> BoxFuture<'a, Result<LabelAnswer, QueryError>> {
        self.client.label_values(name, request)
    }
}

#[cfg(test)]
mod tests {
    use gauntlet_storage::TimeRange;
    use gauntlet_yaml::{Context, Dialect, Document};

    use super::*;

    fn source(yaml: &str, start: Option<Timestamp>) -> RemoteReadSource {
        let document = Document::parse(yaml.as_bytes(), Dialect::V2).unwrap();
        let mut cx = Context::new();
        let config = RemoteReadConfig::read(document.root().unwrap(), &mut cx);
        let config = cx.finish(config).unwrap();
        let external = Labels::from_pairs([("cluster", "x"), ("replica", "a")]);
        RemoteReadSource::new(&config, &external, Arc::new(move || start)).unwrap()
    }

    fn request(matchers: &[(&str, &str)]) -> SelectRequest {
        let matchers: Vec<Matcher> = matchers.iter().map(|(n, v)| Matcher::equal(n, v)).collect();
        SelectRequest::new(matchers, TimeRange::new(100, 200))
    }

    #[test]
    fn external_labels_are_asked_for_and_taken_off() {
        let source = source("url: http://localhost:1/read", None);
        let (asked, added) = source.question(&request(&[("a", "1"), ("cluster", "y")])).unwrap();
        assert_eq!(added, ["replica"]);
        assert_eq!(asked.matchers.len(), 3);
        let plain =
            self::source("url: http://localhost:1/read\nfilter_external_labels: false", None);
        assert!(plain.question(&request(&[("a", "1")])).unwrap().1.is_empty());
    }

    #[test]
    fn only_what_the_local_storage_lacks_is_asked() {
        let of = |start| source("url: http://localhost:1/read", start);
        assert!(of(Some(99)).question(&request(&[("a", "1")])).is_none());
        let (asked, _) = of(Some(150)).question(&request(&[("a", "1")])).unwrap();
        assert_eq!(asked.range, TimeRange::new(100, 150));
        let (asked, _) = of(None).question(&request(&[("a", "1")])).unwrap();
        assert_eq!(asked.range, TimeRange::new(100, 200));
        let all = source("url: http://localhost:1/read\nread_recent: true", Some(99));
        assert_eq!(
            all.question(&request(&[("a", "1")])).unwrap().0.range,
            TimeRange::new(100, 200)
        );
    }

    #[test]
    fn required_matchers_must_be_in_the_selector() {
        let source = source("url: http://localhost:1/read\nrequired_matchers: {b: '2'}", None);
        assert!(source.question(&request(&[("a", "1")])).is_none());
        assert!(source.question(&request(&[("a", "1"), ("b", "2")])).is_some());
    }

    #[tokio::test]
    async fn a_remote_that_cannot_be_read_is_a_warning() {
        let source = source("url: http://127.0.0.1:1/read\nread_recent: true", None);
        let set = source.select(&request(&[("a", "1")])).await.unwrap();
        assert!(set.is_empty());
        assert!(set.warnings[0].starts_with("remote_read: "), "{:?}", set.warnings);
    }
}
