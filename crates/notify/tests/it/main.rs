//! Configurations as the peer judges and echoes them.

mod config;
