//! The StoreAPI's behaviour, case by case: the peer's acceptance table against a storage of this process, a proxy over two replicas and
//! a server over the wire, and the proxy's own cases. Source of cases: Thanos `pkg/store/{acceptance,proxy}_test.go`.
#![allow(clippy::unwrap_used, reason = "tests say where they fail")]

mod acceptance;
mod apis;
mod naive;
mod proxy;
mod tls;
