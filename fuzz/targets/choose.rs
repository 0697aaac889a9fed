#![no_main]

#[path = "../../tests/it/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bodies::policy::choose(input));
