//! `grpc.health.v1.Health`: whether the server is ready, for balancers and peers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `HealthCheckRequest`; the empty service is the server.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct CheckRequest {
    #[prost(string, tag = "1")]
    pub service: String,
}

/// `HealthCheckResponse`: 1 serving, 2 not serving.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct CheckResponse {
    #[prost(int32, tag = "1")]
    pub status: i32,
}

/// Readiness shared with whoever knows it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn response(&self) -> CheckResponse {
        CheckResponse { status: if self.is_ready() { 1 } else { 2 } }
    }
}
