#![no_main]

#[path = "../../tests/it/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|text: &str| bodies::policy::read(text));
