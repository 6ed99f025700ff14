//! Packets as they come off a channel: see `src/intake/sftp/fuzzing.rs`.
#![no_main]

mod asan;

libfuzzer_sys::fuzz_target!(|input: &[u8]| bedfeed::intake::fuzzing::packets(input));
