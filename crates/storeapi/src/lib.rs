//! The StoreAPI: how components that hold series answer each other, in one process or over gRPC.
//!
//! A [`StoreSource`] is anything that answers Series, LabelNames, LabelValues and Info: a [`RemoteStore`] over gRPC, a
//! [`LocalSource`] over a `Queryable` of this process, the bucket store of crate `bucket`, and the [`Proxy`], which asks many and
//! merges. [`SourceQueryable`] turns any of them into a `storage::Queryable`; [`grpc::server`] serves any of them to peers.
//! [`EndpointSet`] keeps the list of remote stores and what they say of themselves.

pub mod average;
pub mod endpoints;
pub mod error;
pub mod external;
pub mod grpc;
pub mod local;
pub mod merge;
pub mod proxy;
pub mod query;
pub mod queryable;
pub mod remote;
pub mod request;
pub mod sd_config;
pub mod source;

pub use endpoints::{ClientSettings, EndpointOptions, EndpointSet, EndpointSpec, EndpointStatus};
pub use error::StoreError;
pub use local::LocalSource;
pub use proxy::{Proxy, ProxyOptions, SourceList};
pub use queryable::SourceQueryable;
pub use remote::RemoteStore;
pub use request::{LabelQuery, SeriesQuery};
pub use source::{Answer, SourceInfo, StoreSource, TsdbInfo};
