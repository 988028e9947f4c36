//! How many may ask at once and how long an answer may take, and the metrics of that.

use std::time::Duration;

use axum::body::Body;
use gauntlet_telemetry::{Counter, Family, Gauge, Histogram, Registry};
use http::{Method, Response, StatusCode};
use tokio::sync::Semaphore;

use super::plain;

#[derive(Debug)]
pub(super) struct Limits {
    gets: Semaphore,
    most_gets: usize,
    timeout: Duration,
    in_flight: Family<Gauge>,
    exceeded: Family<Counter>,
    duration: Family<Histogram>,
}

/// Seconds.
const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

impl Limits {
    pub(super) fn new(most_gets: usize, timeout: Duration, registry: &Registry) -> Self {
        let in_flight = registry.gauge_vec(
            "alertmanager_http_requests_in_flight",
            "Current number of HTTP requests being processed.",
            &["method"],
        );
        in_flight.with(&["get"]);
        let exceeded = registry.counter_vec(
            "alertmanager_http_concurrency_limit_exceeded_total",
            "Total number of times an HTTP request failed because the concurrency limit was reached.",
            &["method"],
        );
        exceeded.with(&["get"]);
        let duration = registry.histogram_vec(
            "alertmanager_http_request_duration_seconds",
            "Histogram of latencies for HTTP requests.",
            &["code", "handler", "method"],
            &BOUNDS,
        );
        let gets = Semaphore::new(most_gets.min(Semaphore::MAX_PERMITS));
        Self { gets, most_gets, timeout, in_flight, exceeded, duration }
    }

    /// Runs a handler within the limits.
    pub(super) async fn run(
        &self,
        method: &Method,
        handler: &str,
        work: impl Future<Output = Response<Body>>,
    ) -> Response<Body> {
        let start = tokio::time::Instant::now();
        let response = self.bounded(method, work).await;
        let code = response.status().as_u16().to_string();
        // Paths are whatever somebody asks for: only those that are there get a series each.
        let handler = if response.status() == StatusCode::NOT_FOUND && !handler.contains('{') {
            "/api/v2/"
        } else {
            handler
        };
        let method = method.as_str().to_ascii_lowercase();
        let known = ["get", "post", "put", "delete", "head", "options", "patch"];
        let method = if known.contains(&method.as_str()) { &method } else { "unknown" };
        let seconds = start.elapsed().as_secs_f64();
        self.duration.with(&[&code, handler, method]).observe(seconds);
        response
    }

    async fn bounded(
        &self,
        method: &Method,
        work: impl Future<Output = Response<Body>>,
    ) -> Response<Body> {
        let _permit = if *method == Method::GET {
            let Ok(permit) = self.gets.try_acquire() else {
                self.exceeded.with(&["get"]).inc();
                let most = self.most_gets;
                let text = format!(
                    "Limit of concurrent GET requests reached ({most}), try again later.\n\n"
                );
                return plain(StatusCode::SERVICE_UNAVAILABLE, &text);
            };
            Some(permit)
        } else {
            None
        };
        let in_flight = (*method == Method::GET).then(|| self.in_flight.with(&["get"]));
        if let Some(gauge) = &in_flight {
            gauge.inc();
        }
        let response = if self.timeout.is_zero() {
            work.await
        } else {
            match tokio::time::timeout(self.timeout, work).await {
                Ok(response) => response,
                Err(_) => {
                    let text = format!("Exceeded configured timeout of {:?}.\n", self.timeout);
                    plain(StatusCode::SERVICE_UNAVAILABLE, &text)
                }
            }
        };
        if let Some(gauge) = &in_flight {
            gauge.dec();
        }
        response
    }
}
