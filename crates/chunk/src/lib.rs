//! Chunk encodings and their batch decoders.
