//! A provider's file, and a file that is judged by it: see `src/cli/fuzzing.rs`.
#![no_main]

mod asan;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bedfeed::cli::fuzzing::mapping(input));
