//! Integration tests: recordings of real clusters, clusters in virtual time, a real peer.
