//! Every seed of the fuzz targets, and a few thousand inputs of a fixed sequence, under plain `cargo test`.

use super::{Yard, packets};
use crate::fuzz_seeds::seeds;

/// Inputs that are the same in every run: a linear congruential generator (Knuth's MMIX constants).
fn sequence(count: usize, longest: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 20_181_203_u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    (0..count).map(move |_| (0..next() % longest).map(|_| u8::try_from(next() & 0xff).unwrap()).collect())
}

fn yard() -> (tempfile::TempDir, Yard) {
    let dir = tempfile::tempdir().unwrap();
    let yard = Yard::new(dir.path());
    (dir, yard)
}

#[test]
fn p9_every_seed_of_the_packet_target_holds() {
    for (name, bytes) in seeds("sftp_packets", 20) {
        println!("{name}");
        packets(&bytes);
    }
}

#[test]
fn p9_every_seed_of_the_session_target_holds() {
    let (_dir, yard) = yard();
    let mut landed = 0;
    for (name, bytes) in seeds("sftp_session", 20) {
        println!("{name}");
        landed += yard.run(&bytes);
    }
    assert!(landed >= 30, "only {landed} files were acknowledged: the seeds do not get far");
}

#[test]
fn p9_packets_of_a_fixed_sequence_hold() {
    for bytes in sequence(3000, 200) {
        packets(&bytes);
    }
}

#[test]
fn p9_conversations_of_a_fixed_sequence_hold() {
    let (_dir, yard) = yard();
    for bytes in sequence(400, 400) {
        yard.run(&bytes);
    }
}
