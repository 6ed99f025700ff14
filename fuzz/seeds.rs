//! The seeds of a fuzz target, as plain tests replay them. Owns reading the folder. Refuses one that has lost its seeds.

use std::path::Path;

/// The seeds of a target with their names, by name; there are at least `fewest`.
pub(super) fn seeds(target: &str, fewest: usize) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut seeds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect();
    seeds.sort();
    assert!(seeds.len() >= fewest, "{target} has only {} seeds", seeds.len());
    seeds
}
