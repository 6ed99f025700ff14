//! The table in `docs/clients.md`: made from what the clients did, held against what is written, or written again.

use crate::Row;
use crate::cases::{CASES, NEEDS};
use crate::common::repository;
use std::fmt::Write as _;

/// What stands around the table in the page.
const BEGIN: &str = "<!-- The table is written by tests/clients. -->\n";
const END: &str = "<!-- End of the table. -->\n";

/// The page shows the table, or is made to.
pub(crate) fn is_current(rows: &[Row]) {
    let file = repository().join("docs/clients.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("docs/clients.md has a place for the table");
    let (_, after) = rest.split_once(END).expect("docs/clients.md says where the table ends");
    let wanted = format!("{before}{BEGIN}\n{}\n{END}{after}", table(rows));
    if std::env::var_os("BEDFEED_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&file, &wanted).unwrap();
    } else {
        assert!(page == wanted, "docs/clients.md differs from what the clients did: run this test with BEDFEED_BLESS=1\n{wanted}");
    }
}

fn table(rows: &[Row]) -> String {
    let mut table = "| client |".to_owned();
    let headings: Vec<&str> = [NEEDS].into_iter().chain(CASES.iter().map(|case| case.heading)).collect();
    for heading in &headings {
        write!(table, " {heading} |").unwrap();
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(headings.len()));
    table.push('\n');
    for row in rows {
        write!(table, "| {} |", (row.client.label)()).unwrap();
        for cell in row.cells() {
            write!(table, " {} |", cell.as_ref().map_or("fails its test", |word| *word)).unwrap();
        }
        table.push('\n');
    }
    table
}
