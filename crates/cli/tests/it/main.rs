//! The real binary, started as users start it.

mod command_line;
