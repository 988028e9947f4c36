//! Protobuf and gRPC types and their conversion to and from `model`.
