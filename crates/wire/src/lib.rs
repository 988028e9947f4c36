//! Protobuf messages of upstream's wire protocols and their conversion to and from `model`.
//!
//! The messages are prost structs written from the field tables in `docs/formats/`; one module per protocol, named as the
//! protocol's package. Label sets and chunks of a StoreAPI stream do not pass through them: [`frame`] reads and writes those
//! straight between [`gauntlet_model::Labels`] and the frame's own bytes. gRPC services live with their users (`storeapi`).

pub mod apis;
pub mod convert;
pub mod fields;
pub mod frame;
pub mod hints;
pub mod info;
pub mod otlp;
pub mod prompb;
pub mod snappy;
pub mod store;
pub mod write;
pub mod write_v2;

pub use convert::WireError;
pub use prost;
