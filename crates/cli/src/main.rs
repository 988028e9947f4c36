//! The `gauntlet` binary: reads its name and arguments and starts a role.

fn main() {}
