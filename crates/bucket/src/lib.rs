//! Shipper, store gateway and what else works on blocks in a bucket.
