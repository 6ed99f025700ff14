//! Every seed of the two fuzz targets, and some thousand changed ones of a fixed sequence, under plain `cargo test`.

use super::{assess, mapping};
use crate::fuzz_seeds::seeds;

/// How many changed seeds: a few hundred, or as many as `BEDFEED_FUZZ_ROUNDS` says.
fn rounds(usual: usize) -> usize {
    std::env::var("BEDFEED_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

/// Seeds with some bytes changed: the same in every run (a linear congruential generator, Knuth's MMIX constants).
fn changed(seeds: &[(String, Vec<u8>)], count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut state = 20_181_203_u64;
    let mut below = move |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % end.max(1)
    };
    (0..count).map(move |_| {
        let mut bytes = seeds[below(seeds.len())].1.clone();
        for _ in 0..=below(4) {
            let at = below(bytes.len());
            match below(3) {
                0 => bytes[at] = u8::try_from(below(256)).unwrap(),
                1 => bytes.insert(at, b"\",|\n\r=0 "[below(8)]),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    })
}

#[test]
fn p9_every_seed_of_the_assessment_target_holds_and_so_do_changed_ones() {
    let seeds = seeds("assess", 12);
    for (name, bytes) in &seeds {
        println!("{name}");
        assess(bytes);
    }
    changed(&seeds, rounds(400)).for_each(|bytes| assess(&bytes));
}

#[test]
fn p9_every_seed_of_the_mapping_target_holds_and_so_do_changed_ones() {
    let seeds = seeds("mapping", 12);
    for (name, bytes) in &seeds {
        println!("{name}");
        mapping(bytes);
    }
    changed(&seeds, rounds(200)).for_each(|bytes| mapping(&bytes));
}
