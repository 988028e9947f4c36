//! The traits that producers and readers of samples meet at; merging, replica dedup and fan-out.
