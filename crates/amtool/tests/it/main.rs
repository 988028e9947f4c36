//! The recorded calls of the real amtool, made here.

mod golden;
