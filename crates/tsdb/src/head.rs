//! The head: the newest samples, in memory and in head chunk files.

mod index;
mod pairs;
mod postings;
mod select;
