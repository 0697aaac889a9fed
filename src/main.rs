//! The binary: reads arguments, runs a command, exits with its code.

fn main() {}
