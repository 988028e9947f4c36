//! A store in another process, over gRPC.

use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use gauntlet_runtime::Charge;
use gauntlet_storage::LabelAnswer;
use gauntlet_wire::apis::{
    self, ExemplarsRequest, ExemplarsResponse, MetricMetadataRequest, MetricMetadataResponse,
    RulesRequest, RulesResponse, TargetsRequest, TargetsResponse, TsdbStatisticsRequest,
    TsdbStatisticsResponse,
};
use gauntlet_wire::frame::StoreSet;
use gauntlet_wire::{info, store};
use http::uri::PathAndQuery;
use parking_lot::RwLock;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::StoreError;
use crate::grpc::apis::{Answered, ApiSource};
use crate::grpc::codec::FramesIn;
use crate::grpc::snappy::{MAX_MESSAGE_BYTES, SnappyClient};
use crate::grpc::tls::ClientTls;
use crate::request::{LabelQuery, SeriesQuery};
use crate::source::{Answer, LabelList, SourceInfo, StoreSource};

/// Pings on an idle connection, and the wait for their answer; upstream's figures.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How messages are compressed on the way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    #[default]
    None,
    Snappy,
}

/// A remote store. Connects when first asked, and again after a loss.
#[derive(Debug)]
pub struct RemoteStore {
    address: String,
    channel: SnappyClient<Channel>,
    info: RwLock<Option<SourceInfo>>,
}

impl RemoteStore {
    /// `address` is `host:port`. Plain text without `tls`.
    pub fn connect(
        address: &str,
        compression: Compression,
        tls: Option<&ClientTls>,
    ) -> Result<Self, StoreError> {
        let invalid = |err: tonic::transport::Error| {
            StoreError::InvalidArgument(format!("address {address}: {err}"))
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let mut endpoint =
            Endpoint::from_shared(format!("{scheme}://{address}")).map_err(invalid)?;
        if let Some(tls) = tls {
            endpoint = endpoint.tls_config(tls.config()?).map_err(invalid)?;
        }
        let endpoint = endpoint
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(8 << 20);
        Ok(Self::with_channel(address, endpoint.connect_lazy(), compression))
    }

    pub fn with_channel(address: &str, channel: Channel, compression: Compression) -> Self {
        let pack = compression == Compression::Snappy;
        Self {
            address: address.to_owned(),
            channel: SnappyClient { inner: channel, pack },
            info: RwLock::new(None),
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// The channel, for the other APIs at the same address.
    pub fn channel(&self) -> SnappyClient<Channel> {
        self.channel.clone()
    }

    /// Asks the store what it is, and remembers the answer.
    pub async fn refresh_info(&self, timeout: Duration) -> Result<SourceInfo, StoreError> {
        let ask = self.unary::<_, info::InfoResponse>(info::path::INFO, info::InfoRequest {});
        let message = tokio::time::timeout(timeout, ask).await.map_err(|_| StoreError::Rpc {
            code: Code::DeadlineExceeded,
            message: "context deadline exceeded".to_owned(),
        })??;
        let info = SourceInfo::from_proto(&message).ok_or_else(|| {
            let text = "cannot obtain metadata: neither info nor store client found";
            StoreError::Unavailable(text.to_owned())
        })?;
        *self.info.write() = Some(info.clone());
        Ok(info)
    }

    async fn client(&self) -> Result<Grpc<SnappyClient<Channel>>, StoreError> {
        let mut client = Grpc::new(self.channel.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        client.ready().await.map_err(|err| StoreError::Rpc {
            code: Code::Unavailable,
            message: format!("connection error: {err}"),
        })?;
        Ok(client)
    }

    async fn unary<M, R>(&self, path: &'static str, message: M) -> Result<R, StoreError>
    where
        M: prost::Message + Send + Sync + 'static,
        R: prost::Message + Default + Send + Sync + 'static,
    {
        let codec = ProstCodec::<M, R>::default();
        let path = PathAndQuery::from_static(path);
        let answer = self.client().await?.unary(Request::new(message), path, codec).await;
        answer.map(tonic::Response::into_inner).map_err(|status| StoreError::from_status(&status))
    }

    async fn stream<M, R>(&self, path: &'static str, message: M) -> Result<Vec<R>, StoreError>
    where
        M: prost::Message + Send + Sync + 'static,
        R: prost::Message + Default + Send + Sync + 'static,
    {
        let codec = ProstCodec::<M, R>::default();
        let path = PathAndQuery::from_static(path);
        let mut client = self.client().await?;
        let answer = client.server_streaming(Request::new(message), path, codec).await;
        let mut stream = answer.map_err(|status| StoreError::from_status(&status))?.into_inner();
        let mut out = Vec::new();
        while let Some(part) = stream.message().await.map_err(|s| StoreError::from_status(&s))? {
            out.push(part);
        }
        Ok(out)
    }

    async fn run_series(&self, query: &SeriesQuery) -> Result<Answer, StoreError> {
        let path = PathAndQuery::from_static(store::path::SERIES);
        let codec = FramesIn::<store::SeriesRequest>::default();
        let mut client = self.client().await?;
        let answer = client.server_streaming(Request::new(query.to_proto()), path, codec).await;
        let mut frames = answer.map_err(|status| StoreError::from_status(&status))?.into_inner();
        let charge = query.budget.charge(0)?;
        // A task of its own: streams of several stores are decoded in parallel.
        let mut task = AbortOnDrop(tokio::spawn(async move {
            let mut set = StoreSet::new();
            let mut charge = charge;
            while let Some(frame) =
                frames.message().await.map_err(|s| StoreError::from_status(&s))?
            {
                take_frame(&mut set, &mut charge, &frame)?;
            }
            Ok(Answer { set, charges: vec![charge] })
        }));
        (&mut task.0).await.map_err(|err| StoreError::Unavailable(err.to_string()))?
    }
}

/// A task that ends with whoever waits for it.
struct AbortOnDrop(tokio::task::JoinHandle<Result<Answer, StoreError>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn take_frame(set: &mut StoreSet, charge: &mut Charge, frame: &Bytes) -> Result<(), StoreError> {
    let added = set.read_frame(frame)?;
    Ok(charge.grow(added)?)
}

impl StoreSource for RemoteStore {
    fn name(&self) -> String {
        self.address.clone()
    }

    fn info(&self) -> Result<SourceInfo, StoreError> {
        let info = self.info.read().clone();
        info.ok_or_else(|| {
            StoreError::Unavailable(format!("{} has not answered yet", self.address))
        })
    }

    fn series<'a>(&'a self, query: &'a SeriesQuery) -> BoxFuture<'a, Result<Answer, StoreError>> {
        self.run_series(query).boxed()
    }

    fn label_names<'a>(
        &'a self,
        query: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>> {
        async move {
            let ask = self
                .unary::<_, store::LabelNamesResponse>(store::path::LABEL_NAMES, query.to_names());
            let answer = ask.await?;
            let labels = LabelAnswer { values: answer.names, warnings: answer.warnings };
            Ok(LabelList { labels, hints: answer.hints })
        }
        .boxed()
    }

    fn label_values<'a>(
        &'a self,
        label: &'a str,
        query: &'a LabelQuery,
    ) -> BoxFuture<'a, Result<LabelList, StoreError>> {
        async move {
            let ask = self.unary::<_, store::LabelValuesResponse>(
                store::path::LABEL_VALUES,
                query.to_values(label),
            );
            let answer = ask.await?;
            let labels = LabelAnswer { values: answer.values, warnings: answer.warnings };
            Ok(LabelList { labels, hints: answer.hints })
        }
        .boxed()
    }
}

impl ApiSource for RemoteStore {
    fn rules(&self, request: RulesRequest) -> Answered<'_, RulesResponse> {
        self.stream(apis::path::RULES, request).boxed()
    }

    fn targets(&self, request: TargetsRequest) -> Answered<'_, TargetsResponse> {
        self.stream(apis::path::TARGETS, request).boxed()
    }

    fn metric_metadata(
        &self,
        request: MetricMetadataRequest,
    ) -> Answered<'_, MetricMetadataResponse> {
        self.stream(apis::path::METRIC_METADATA, request).boxed()
    }

    fn exemplars(&self, request: ExemplarsRequest) -> Answered<'_, ExemplarsResponse> {
        self.stream(apis::path::EXEMPLARS, request).boxed()
    }

    fn tsdb_statistics(
        &self,
        request: TsdbStatisticsRequest,
    ) -> Answered<'_, TsdbStatisticsResponse> {
        self.stream(apis::path::TSDB_STATISTICS, request).boxed()
    }
}
