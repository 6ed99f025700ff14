//! The warehouse from outside: another program's lock on it, and whether all is in it once.

use super::extract::BEDS;
use super::{Service, id};
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

/// Another program's lock on the warehouse.
pub(crate) struct Locked(Child);

impl Locked {
    pub(crate) fn new(service: &Service) -> Self {
        let path = service.state().join("warehouse.db");
        let mut command = Command::new("sqlite3");
        let mut child = command.arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let pipe = child.stdin.as_mut().unwrap();
        pipe.write_all(b".timeout 20000\nBEGIN EXCLUSIVE;\nSELECT 'locked';\n").unwrap();
        pipe.flush().unwrap();
        let mut said = [0_u8; 6];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        assert_eq!(&said, b"locked");
        Self(child)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Every loaded delivery is in the warehouse once, and nothing else is.
pub(crate) fn loaded_once(service: &Service) {
    let mut expected: Vec<String> =
        service.deliveries().iter().filter(|row| row["outcome"] == "loaded").map(|row| id(row).to_owned()).collect();
    expected.sort();
    let found = service.query("SELECT snapshot_id AS id, count(*) AS times FROM ingest_snapshot GROUP BY 1 ORDER BY 1");
    assert_eq!(found.iter().map(|row| row["id"].as_str().unwrap()).collect::<Vec<_>>(), expected);
    assert!(found.iter().all(|row| row["times"] == 1), "{found:?}");
    let lines = service.query("SELECT count(*) AS lines FROM fact_bed_line GROUP BY snapshot_key");
    assert!(lines.iter().all(|row| row["lines"] == BEDS), "{lines:?}");
    // However often loading was tried, the warehouse says what was decided at first.
    for issue in service.query("SELECT delivery_id AS id, message FROM ingest_issue WHERE message IS NOT NULL") {
        let decided = service.ledger(&format!("SELECT report FROM delivery WHERE id = '{}'", issue["id"].as_str().unwrap()));
        assert!(decided[0]["report"].as_str().unwrap().contains(issue["message"].as_str().unwrap()), "{issue} {decided:?}");
    }
}
