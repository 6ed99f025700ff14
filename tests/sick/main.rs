//! Sick machines: a full disk, a disk that fails, a ledger that is locked, damaged or too new, torn originals, and a clock
//! that jumps. Whatever happens is said in words, nothing is lost, and recovery needs no hand.

#![cfg(debug_assertions)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may fail loudly"
)]

mod clock;
#[path = "../common/mod.rs"]
mod common;
mod disk;
mod io;
mod ledger;
mod torn;

use common::Service;
use common::books::Sent;
use common::wait_until;
use common::webhook::Webhook;

/// A cottage hospital with a desk, and one change in its settings.
fn house(from: &str, to: &str) -> (Service, Webhook) {
    let service = Service::cottage(&["RZZ"]);
    let desk = Webhook::open();
    service.append("bedfeed.toml", &format!("\n[[alerts.webhook]]\nname = \"desk\"\nurl = \"{}\"\n", desk.url()));
    service.edit("bedfeed.toml", from, to);
    (service, desk)
}

/// One try to send a file; whether it was acknowledged.
fn send(service: &Service, sent: &mut Sent, (name, text): (&str, &str), outcome: &'static str) -> bool {
    let file = service.file(name, text);
    let ran = service.sftp("RZZ", format!("put {file} inbox/{name}"));
    sent.note("RZZ", text.as_bytes(), outcome, ran.code == Some(0));
    ran.code == Some(0)
}

fn nothing_pending(service: &Service) -> bool {
    service.ledger("SELECT 1 FROM delivery WHERE outcome = 'pending' LIMIT 1").is_empty()
}

/// Waits until the daemon has done all that the last news asked of it.
fn quiet(service: &Service) {
    wait_until("nothing is pending", || nothing_pending(service));
    let published = "SELECT count(*) AS files FROM ingest_file";
    let known = service.ledger("SELECT count(*) AS files FROM delivery");
    wait_until("all is published", || service.query(published) == known);
    let untold = "SELECT 1 FROM outbox WHERE delivered_at IS NULL LIMIT 1";
    wait_until("all is told", || service.ledger(untold).is_empty());
}

/// Whether a program that not every machine has may be used here. Without it a test is left out only where a variable says so.
fn allowed(program: &str, arguments: &[&str], variable: &str) -> bool {
    let ran = std::process::Command::new(program).args(arguments).output();
    let works = ran.is_ok_and(|output| output.status.success());
    let without = std::env::var_os(variable).is_some();
    assert!(works || without, "{program} is not installed or not allowed here; {variable}=1 leaves this out");
    works
}
