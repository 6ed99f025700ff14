//! Conversations of two accounts on one state folder: see `src/intake/sftp/fuzzing.rs`.
#![no_main]

mod asan;

use bedfeed::intake::fuzzing::Yard;
use std::sync::LazyLock;

/// Below `TMPDIR`, which should be in memory; `tests/fuzz` makes it and takes it away.
static YARD: LazyLock<Yard> = LazyLock::new(|| {
    let dir = std::env::temp_dir().join(format!("bedfeed-fuzz-{}", std::process::id()));
    std::fs::create_dir(&dir).expect("a new folder");
    Yard::new(&dir)
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    YARD.run(input);
});
