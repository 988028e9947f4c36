//! Go's own vectors, and properties of the whole.

mod alertmanager;
mod golden;
mod html;
mod item;
mod limits;
mod prometheus;
mod text;
