//! Head, WAL, checkpoints, retention and the local querier.
