//! A delivery to test with.

use super::{Delivery, DeliveryId, Digest, FileName, Folder, Sender};
use jiff::{SignedDuration, Timestamp};

/// A file of RM1 that came `number` seconds after 2018-12-03T10:16Z, and differs by that number in everything.
pub(crate) fn delivery(number: u8) -> Delivery {
    let start: Timestamp = "2018-12-03T10:16:00Z".parse().unwrap();
    let received_at = start + SignedDuration::from_secs(i64::from(number));
    Delivery {
        id: DeliveryId::new(received_at, [number; 10]),
        provider: "RM1".parse().unwrap(),
        folder: Folder::Inbox,
        name: FileName::parse(format!("file {number}.csv").as_bytes()).unwrap(),
        bytes: 3,
        sha256: Digest::of(&[number]),
        opened_at: received_at,
        received_at,
        modified_at: None,
        sender: Sender {
            address: "127.0.0.1:4000".parse().unwrap(),
            software: "SSH-2.0-OpenSSH_9.2p1".to_owned(),
            key: "SHA256:abc".to_owned(),
            key_owner: "PAS team".to_owned(),
            connected_at: received_at,
            connection: 1,
        },
    }
}

/// Looks into an open database as an analyst would, by Debian's own `sqlite3`, and says whether its write-ahead log is still
/// there. A program that finds nobody else's locks takes the log away when it leaves.
pub(crate) fn keeps_its_log(database: &std::path::Path) -> bool {
    let looked = std::process::Command::new("sqlite3").arg(database).arg("SELECT count(*) FROM sqlite_master").output().unwrap();
    assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stderr));
    let log = format!("{}-wal", database.display());
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}
