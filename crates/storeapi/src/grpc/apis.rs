//! The APIs beside Store that components offer each other: Rules, Targets, Metadata, Exemplars, Status. All are server streams of
//! messages that are either a part of the answer or a warning. Merging the parts of several peers is the caller's business.

use std::convert::Infallible;
use std::fmt::Debug;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use futures::stream::{self, BoxStream, StreamExt as _};
use gauntlet_wire::apis::{
    ExemplarsRequest, ExemplarsResponse, MetricMetadataRequest, MetricMetadataResponse,
    RulesRequest, RulesResponse, TargetsRequest, TargetsResponse, TsdbStatisticsRequest,
    TsdbStatisticsResponse, path,
};
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::codegen::Service;
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::StoreError;
use crate::grpc::snappy::MAX_MESSAGE_BYTES;

/// An answer's messages, in order.
pub type Answered<'a, T> = BoxFuture<'a, Result<Vec<T>, StoreError>>;

fn not_served<'a, T: Send + 'a>() -> Answered<'a, T> {
    let (code, message) = (tonic::Code::Unimplemented, "not served here".to_owned());
    ready(Err(StoreError::Rpc { code, message })).boxed()
}

/// What a component offers; what it does not implement is answered as upstream's servers answer for a service they lack.
pub trait ApiSource: Debug + Send + Sync {
    fn rules(&self, _: RulesRequest) -> Answered<'_, RulesResponse> {
        not_served()
    }

    fn targets(&self, _: TargetsRequest) -> Answered<'_, TargetsResponse> {
        not_served()
    }

    fn metric_metadata(&self, _: MetricMetadataRequest) -> Answered<'_, MetricMetadataResponse> {
        not_served()
    }

    fn exemplars(&self, _: ExemplarsRequest) -> Answered<'_, ExemplarsResponse> {
        not_served()
    }

    fn tsdb_statistics(&self, _: TsdbStatisticsRequest) -> Answered<'_, TsdbStatisticsResponse> {
        not_served()
    }
}

/// Adds the services of `source` to a server's routes.
pub fn add_routes(routes: Routes, source: &Arc<dyn ApiSource>) -> Routes {
    routes
        .add_service(Rules(Arc::clone(source)))
        .add_service(Targets(Arc::clone(source)))
        .add_service(Metadata(Arc::clone(source)))
        .add_service(Exemplars(Arc::clone(source)))
        .add_service(StatusApi(Arc::clone(source)))
}

type HttpAnswer = BoxFuture<'static, Result<http::Response<Body>, Infallible>>;
type Messages<T> = BoxStream<'static, Result<T, Status>>;

struct Stream<M, R> {
    call: Box<dyn FnMut(M) -> Answered<'static, R> + Send>,
}

impl<M, R: Send + 'static> ServerStreamingService<M> for Stream<M, R> {
    type Response = R;
    type ResponseStream = Messages<R>;
    type Future = BoxFuture<'static, Result<Response<Messages<R>>, Status>>;

    fn call(&mut self, request: Request<M>) -> Self::Future {
        let answer = (self.call)(request.into_inner());
        async move {
            let messages = answer.await.map_err(|err| err.to_status())?;
            Ok(Response::new(stream::iter(messages.into_iter().map(Ok)).boxed()))
        }
        .boxed()
    }
}

fn serve<M, R>(
    request: http::Request<Body>,
    path: &str,
    call: impl FnMut(M) -> Answered<'static, R> + Send + 'static,
) -> HttpAnswer
where
    M: prost::Message + Default + Send + 'static,
    R: prost::Message + Default + Send + 'static,
{
    if request.uri().path() != path {
        let text = format!("unknown method {}", request.uri().path());
        return ready(Ok(Status::unimplemented(text).into_http())).boxed();
    }
    async move {
        let mut grpc = Grpc::new(ProstCodec::<R, M>::default())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip);
        Ok(grpc.server_streaming(Stream { call: Box::new(call) }, request).await)
    }
    .boxed()
}

macro_rules! api_service {
    ($(#[$doc:meta])* $service:ident, $name:literal, $path:expr, $request:ty, $method:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $service(Arc<dyn ApiSource>);

        impl NamedService for $service {
            const NAME: &'static str = $name;
        }

        impl Service<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = HttpAnswer;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: http::Request<Body>) -> HttpAnswer {
                let source = Arc::clone(&self.0);
                serve(request, $path, move |message: $request| {
                    let source = Arc::clone(&source);
                    async move { source.$method(message).await }.boxed()
                })
            }
        }
    };
}

api_service!(
    /// `thanos.Rules`.
    Rules, "thanos.Rules", path::RULES, RulesRequest, rules
);
api_service!(
    /// `thanos.Targets`.
    Targets, "thanos.Targets", path::TARGETS, TargetsRequest, targets
);
api_service!(
    /// `thanos.Metadata`.
    Metadata, "thanos.Metadata", path::METRIC_METADATA, MetricMetadataRequest, metric_metadata
);
api_service!(
    /// `thanos.Exemplars`.
    Exemplars, "thanos.Exemplars", path::EXEMPLARS, ExemplarsRequest, exemplars
);
api_service!(
    /// `thanos.Status`.
    StatusApi, "thanos.Status", path::TSDB_STATISTICS, TsdbStatisticsRequest, tsdb_statistics
);
