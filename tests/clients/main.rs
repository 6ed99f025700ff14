//! Real client programs against the real daemon: what a trust's analyst does with each, and what bedfeed says it received.
//! The outcome is the table in `docs/clients.md`, which is written again with `BEDFEED_BLESS=1`.
//!
//! The programs are those that `tests/run` installs. One that is not there fails its test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod cases;
#[path = "../common/mod.rs"]
mod common;
mod desk;
mod handbook;
#[path = "../intake/house.rs"]
#[allow(dead_code, reason = "only its conversation in packets is used here")]
mod house;
mod line;
mod page;
mod programs;
mod replays;

use cases::{Cell, try_out};
use programs::{ASYNCSSH, CURL, Client, PARAMIKO, PSFTP, RCLONE, SCP, SFTP, SSH_NET, WINSCP, WINSCP_SMALL};
use std::sync::OnceLock;

/// A row of the table: a client, and what came out once it was put through the cases.
struct Row {
    client: Client,
    cells: OnceLock<Vec<Cell>>,
}

impl Row {
    const fn of(client: Client) -> Self {
        Self { client, cells: OnceLock::new() }
    }

    /// What came out; the first who asks puts the client through the cases, others wait for it.
    fn cells(&self) -> &[Cell] {
        self.cells.get_or_init(|| try_out(&self.client))
    }

    #[track_caller]
    fn holds(&self) {
        let wrong: Vec<&String> = self.cells().iter().filter_map(|cell| cell.as_ref().err()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", (self.client.label)());
    }
}

/// The table's rows, in its order.
static ROWS: [Row; 10] = [
    Row::of(SFTP),
    Row::of(SCP),
    Row::of(PSFTP),
    Row::of(WINSCP_SMALL),
    Row::of(WINSCP),
    Row::of(SSH_NET),
    Row::of(CURL),
    Row::of(PARAMIKO),
    Row::of(ASYNCSSH),
    Row::of(RCLONE),
];

#[test]
fn openssh_sftp() {
    ROWS[0].holds();
}

#[test]
fn openssh_scp() {
    ROWS[1].holds();
}

#[test]
fn putty_psftp() {
    ROWS[2].holds();
}

#[test]
fn winscp_with_small_files() {
    ROWS[3].holds();
}

#[test]
fn winscp_with_larger_files() {
    ROWS[4].holds();
}

#[test]
fn ssh_net() {
    ROWS[5].holds();
}

#[test]
fn curl() {
    ROWS[6].holds();
}

#[test]
fn paramiko() {
    ROWS[7].holds();
}

#[test]
fn asyncssh() {
    ROWS[8].holds();
}

#[test]
fn rclone() {
    ROWS[9].holds();
}

#[test]
fn the_table_of_clients_is_what_they_did() {
    page::is_current(&ROWS);
}
