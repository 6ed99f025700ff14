//! Originals that are not what was received: found by their hash, said, set aside, and never loaded.

use super::{house, nothing_pending, send};
use crate::common::books::Sent;
use crate::common::extract::good;
use crate::common::{id, names, now, rules, wait_until};
use std::path::Path;

/// What is done to the stored bytes.
type Harm = (&'static str, fn(&Path));

#[test]
fn p2_p3_a_torn_original_is_found_by_its_hash_set_aside_and_never_loaded() {
    let harms: [Harm; 4] = [
        ("one other byte", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }),
        ("cut short", |path| {
            let bytes = std::fs::read(path).unwrap();
            std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("nothing in it", |path| std::fs::write(path, b"").unwrap()),
        ("gone", |path| std::fs::remove_file(path).unwrap()),
    ];
    let (mut service, _desk) = house("[sftp]", "[sftp]");
    let mut sent = Sent::default();
    let mut pattern = 0;
    // Ended before it was judged, and after it was judged and before it was loaded.
    for fault in ["stage_record.before", "warehouse_commit.before"] {
        for (harm, tear) in harms {
            service.start_with(&[], &[("BEDFEED_FAULT", fault)]);
            service.await_ready();
            pattern += 1;
            let (name, text) = good("RZZ", now(), pattern);
            send(&service, &mut sent, (&name, &text), "quarantined");
            assert_eq!(service.await_end(), None, "it was killed");
            let delivery = names(&service.state().join("deliveries")).last().unwrap().clone();
            tear(&service.state().join("deliveries").join(&delivery));
            service.start();
            wait_until("nothing is pending", || nothing_pending(&service));
            let rows = service.deliveries();
            let row = rows.iter().find(|row| id(row) == delivery).unwrap();
            let what = format!("{harm}, {fault}: {row}");
            assert_eq!(row["outcome"], "quarantined", "{what}");
            assert!(rules(row).contains(&"TRN-04"), "{what}");
            assert!(service.log().contains("a stored original differs from what was received"), "{what}");
            let (_, words) = service.receipt("RZZ", &name);
            let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains("this is our fault. Please send the file again"), "{what}: {words}");
            assert!(service.query("SELECT 1 FROM ingest_snapshot").is_empty(), "{what}");
            service.kill();
        }
    }
}
