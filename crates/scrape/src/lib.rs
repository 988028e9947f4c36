//! Scraping targets.

pub mod config;
