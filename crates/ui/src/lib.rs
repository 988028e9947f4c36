//! The embedded web app.
