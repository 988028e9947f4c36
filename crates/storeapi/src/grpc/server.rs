//! Serving a store to peers: `thanos.Store`, `thanos.info.Info` and the health service over tonic.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use futures::stream::{self, BoxStream, StreamExt as _};
use gauntlet_runtime::{Budget, Cancel, Clock, SystemClock};
use gauntlet_wire::frame::{
    StoreSet, put_batch_frame, put_hints_frame, put_series_frame, put_warning_frame,
};
use gauntlet_wire::{info, store};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::service::Routes;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::StoreError;
use crate::grpc::apis::{ApiSource, add_routes};
use crate::grpc::codec::FramesOut;
use crate::grpc::health::{CheckRequest, Readiness};
use crate::grpc::snappy::{MAX_MESSAGE_BYTES, SnappyService};
use crate::grpc::tls::ServerTls;
use crate::query::for_the_wire;
use crate::request::{LabelQuery, SeriesQuery};
use crate::source::{Answer, StoreSource};

/// Settings of the services.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// What requests are charged to.
    pub budget: Arc<Budget>,
    pub clock: Arc<dyn Clock>,
    /// Limit of one request where the peer gives none.
    pub timeout: Duration,
    /// `--store.limits.request-series`; 0 is none.
    pub max_series: usize,
    /// `--store.limits.request-samples`, counted as 120 a chunk; 0 is none.
    pub max_samples: usize,
    pub ready: Readiness,
    /// The APIs beside Store, served at the same address.
    pub apis: Option<Arc<dyn ApiSource>>,
    /// Plain text without.
    pub tls: Option<ServerTls>,
    /// `--grpc-server-max-connection-age`; zero is none.
    pub max_connection_age: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            budget: Budget::unlimited(),
            clock: Arc::new(SystemClock),
            timeout: Duration::from_secs(600),
            max_series: 0,
            max_samples: 0,
            ready: Readiness::default(),
            apis: None,
            tls: None,
            max_connection_age: Duration::from_secs(3600),
        }
    }
}

/// All services of a store, to be mounted on a listener.
pub fn routes(source: Arc<dyn StoreSource>, options: ServerOptions) -> Routes {
    let health = HealthService { ready: options.ready.clone() };
    let info = InfoService { source: Arc::clone(&source) };
    let apis = options.apis.clone();
    let routes =
        Routes::new(StoreService { source, options }).add_service(info).add_service(health);
    match apis {
        Some(apis) => add_routes(routes, &apis),
        None => routes,
    }
}

/// Serves a store until `stop` completes; answers under way are finished.
pub async fn serve(
    listener: TcpListener,
    source: Arc<dyn StoreSource>,
    options: ServerOptions,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let mut builder = tonic::transport::Server::builder()
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(8 << 20);
    if !options.max_connection_age.is_zero() {
        builder = builder.max_connection_age(options.max_connection_age);
    }
    if let Some(tls) = &options.tls {
        builder = builder.tls_config(tls.config())?;
    }
    builder
        .serve_with_incoming_shutdown(
            SnappyService(routes(source, options).prepare()),
            TcpListenerStream::new(listener),
            stop,
        )
        .await
}

/// `thanos.Store`.
#[derive(Clone, Debug)]
pub struct StoreService {
    source: Arc<dyn StoreSource>,
    options: ServerOptions,
}

/// `thanos.info.Info`.
#[derive(Clone, Debug)]
pub struct InfoService {
    source: Arc<dyn StoreSource>,
}

/// `grpc.health.v1.Health`.
#[derive(Clone, Debug)]
pub struct HealthService {
    ready: Readiness,
}

impl NamedService for StoreService {
    const NAME: &'static str = store::path::SERVICE;
}

impl NamedService for InfoService {
    const NAME: &'static str = info::path::SERVICE;
}

impl NamedService for HealthService {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl StoreService {
    fn cancel(&self, metadata: &tonic::metadata::MetadataMap) -> Cancel {
        let asked = metadata.get("grpc-timeout").and_then(|v| parse_timeout(v.to_str().ok()?));
        let timeout = asked.unwrap_or(self.options.timeout).min(self.options.timeout);
        Cancel::with_timeout(Arc::clone(&self.options.clock), timeout)
    }

    async fn run_series(
        self,
        request: Request<store::SeriesRequest>,
    ) -> Result<Response<Frames>, Status> {
        let cancel = self.cancel(request.metadata());
        let _canceler = CancelOnDrop(cancel.clone());
        let request = request.into_inner();
        let batch = usize::try_from(request.response_batch_size).unwrap_or(0);
        let query = SeriesQuery::from_proto(request, Arc::clone(&self.options.budget), cancel);
        let query = query.map_err(|err| err.to_status())?;
        let Answer { set, charges } =
            self.source.series(&query).await.map_err(|err| err.to_status())?;
        self.check_limits(&set)?;
        let set = for_the_wire(set).map_err(|err| StoreError::from(err).to_status())?;
        let answer = Answer { set, charges };
        Ok(Response::new(frames(answer, batch)))
    }

    fn check_limits(&self, set: &StoreSet) -> Result<(), Status> {
        let exceeded = |limit: usize, got: usize| {
            let text = format!("failed to send series: limit {limit} violated (got {got})");
            Err(Status::new(Code::ResourceExhausted, text))
        };
        let limits = &self.options;
        if limits.max_series > 0 && set.len() > limits.max_series {
            return exceeded(limits.max_series, set.len());
        }
        let samples = set.iter().map(|(_, chunks)| chunks.len() * 120).sum();
        if limits.max_samples > 0 && samples > limits.max_samples {
            return exceeded(limits.max_samples, samples);
        }
        Ok(())
    }

    async fn label_names(
        self,
        request: Request<store::LabelNamesRequest>,
    ) -> Result<Response<store::LabelNamesResponse>, Status> {
        let cancel = self.cancel(request.metadata());
        let query = LabelQuery::from_names(request.into_inner(), cancel);
        let query = query.map_err(|err| self.label_error(err))?;
        let list = self.source.label_names(&query).await.map_err(|err| err.to_status())?;
        Ok(Response::new(store::LabelNamesResponse {
            names: list.labels.values,
            warnings: list.labels.warnings,
            hints: list.hints,
        }))
    }

    async fn label_values(
        self,
        request: Request<store::LabelValuesRequest>,
    ) -> Result<Response<store::LabelValuesResponse>, Status> {
        let cancel = self.cancel(request.metadata());
        let query = LabelQuery::from_values(request.into_inner(), cancel);
        let (label, query) = query.map_err(|err| self.label_error(err))?;
        let list = self.source.label_values(&label, &query).await.map_err(|err| err.to_status())?;
        Ok(Response::new(store::LabelValuesResponse {
            values: list.labels.values,
            warnings: list.labels.warnings,
            hints: list.hints,
        }))
    }

    /// Upstream's bucket store says where the matcher stood; the others do not.
    fn label_error(&self, err: StoreError) -> Status {
        let bucket = self.source.info().is_ok_and(|info| info.component == "store");
        match err {
            StoreError::InvalidArgument(text) if bucket => {
                Status::invalid_argument(format!("translate request labels matchers: {text}"))
            }
            err => err.to_status(),
        }
    }
}

/// A request whose caller hangs up is dropped by the server: what works for it stops.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

type Frames = BoxStream<'static, Result<Bytes, Status>>;

/// An answer as frames, made one by one as the peer takes them.
fn frames(answer: Answer, batch: usize) -> Frames {
    let step = batch.max(1);
    let series = answer.set.len();
    let answer = Arc::new(answer);
    let tail = Arc::clone(&answer);
    let body = stream::iter((0..series).step_by(step)).map(move |from| {
        let mut out = Vec::new();
        let set = &answer.set;
        if batch > 1 {
            let to = (from + step).min(set.len());
            let series: Vec<_> = (from..to).map(|i| (set.labels(i), set.chunks(i))).collect();
            put_batch_frame(&mut out, &series);
        } else {
            put_series_frame(&mut out, set.labels(from), set.chunks(from));
        }
        Ok(Bytes::from(out))
    });
    let mut rest = Vec::new();
    for warning in &tail.set.warnings {
        let mut out = Vec::new();
        put_warning_frame(&mut out, warning);
        rest.push(Ok(Bytes::from(out)));
    }
    for hints in &tail.set.hints {
        let mut out = Vec::new();
        put_hints_frame(&mut out, hints);
        rest.push(Ok(Bytes::from(out)));
    }
    body.chain(stream::iter(rest)).boxed()
}

/// A gRPC timeout: up to eight digits and a unit.
fn parse_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount.checked_mul(3600)?),
        "M" => Duration::from_secs(amount.checked_mul(60)?),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// A method's answer, made when tonic has read the request.
type Reply<R> = BoxFuture<'static, Result<Response<R>, Status>>;

/// A method as tonic's traits want it.
struct Method<M, R> {
    call: Box<dyn FnMut(Request<M>) -> Reply<R> + Send>,
}

impl<M, R> UnaryService<M> for Method<M, R> {
    type Response = R;
    type Future = Reply<R>;

    fn call(&mut self, request: Request<M>) -> Self::Future {
        (self.call)(request)
    }
}

impl ServerStreamingService<store::SeriesRequest> for StoreService {
    type Response = Bytes;
    type ResponseStream = Frames;
    type Future = Reply<Frames>;

    fn call(&mut self, request: Request<store::SeriesRequest>) -> Self::Future {
        self.clone().run_series(request).boxed()
    }
}

type HttpAnswer = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;

fn unary<M, R>(
    request: http::Request<Body>,
    call: impl FnMut(Request<M>) -> Reply<R> + Send + 'static,
) -> HttpAnswer
where
    M: prost::Message + Default + Send + 'static,
    R: prost::Message + Default + Send + 'static,
{
    async move {
        let mut grpc = Grpc::new(ProstCodec::<R, M>::default())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        Ok(grpc.unary(Method { call: Box::new(call) }, request).await)
    }
    .boxed()
}

fn unimplemented(path: &str) -> HttpAnswer {
    let response = Status::unimplemented(format!("unknown method {path}")).into_http();
    futures::future::ready(Ok(response)).boxed()
}

impl Service<http::Request<Body>> for StoreService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = HttpAnswer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> HttpAnswer {
        let this = self.clone();
        match request.uri().path() {
            store::path::SERIES => async move {
                let codec = FramesOut::<store::SeriesRequest>::default();
                let mut grpc = Grpc::new(codec)
                    .max_decoding_message_size(MAX_MESSAGE_BYTES)
                    .accept_compressed(CompressionEncoding::Gzip)
                    .send_compressed(CompressionEncoding::Gzip);
                Ok(grpc.server_streaming(this, request).await)
            }
            .boxed(),
            store::path::LABEL_NAMES => {
                unary(request, move |request| this.clone().label_names(request).boxed())
            }
            store::path::LABEL_VALUES => {
                unary(request, move |request| this.clone().label_values(request).boxed())
            }
            path => unimplemented(path),
        }
    }
}

impl Service<http::Request<Body>> for InfoService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = HttpAnswer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> HttpAnswer {
        if request.uri().path() != info::path::INFO {
            return unimplemented(request.uri().path());
        }
        let source = Arc::clone(&self.source);
        unary(request, move |_: Request<info::InfoRequest>| {
            let info = source.info().map(|info| Response::new(info.to_proto()));
            // Upstream answers for a store that is not ready with a plain error.
            ready(info.map_err(|err| Status::unknown(err.to_string()))).boxed()
        })
    }
}

impl Service<http::Request<Body>> for HealthService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = HttpAnswer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> HttpAnswer {
        if request.uri().path() != "/grpc.health.v1.Health/Check" {
            return unimplemented(request.uri().path());
        }
        let readiness = self.ready.clone();
        unary(request, move |request: Request<CheckRequest>| {
            let known = request.get_ref().service.is_empty();
            let answer = known.then(|| Response::new(readiness.response()));
            ready(answer.ok_or_else(|| Status::not_found("unknown service"))).boxed()
        })
    }
}
