//! Host metrics collectors.
