//! Go's own vectors, and properties of the whole.

mod golden;
mod item;
mod text;
