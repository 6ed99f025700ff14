//! One delivery of one of the six providers: see `src/cli/fuzzing.rs`.
#![no_main]

mod asan;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bedfeed::cli::fuzzing::assess(input));
