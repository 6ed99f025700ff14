//! What the tests of channels share: messages, and a receiver for one request.

use super::{Address, Form, Outgoing, Webhook};
use crate::alerts::{About, AlertMessage, Change, Ending, Episode, Evidence, Problem};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

pub(crate) fn episode(problem: Problem) -> Episode {
    Episode {
        provider: "RM1".parse().unwrap(),
        problem,
        since_slot: "2018-12-03T10:15Z".parse().unwrap(),
        opened_at: at("2018-12-03T10:20:00Z"),
        again: 0,
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn of(change: &Change) -> AlertMessage {
    let zone = TimeZone::get("Europe/London").unwrap();
    let contact = "Night desk, 01603 000000";
    let about = About {
        provider_name: "Norfolk and Norwich",
        last_good: Some(at("2018-12-03T10:00:00Z")),
        never_sent: false,
        evidence: Evidence { looking_since: at("2018-12-01T06:00:00Z"), ..Evidence::default() },
        contact,
        zone: &zone,
        silence: None,
    };
    AlertMessage::of(change, &about)
}

/// The same with words of ours: what channels make of a message does not hang on how it is worded.
fn worded(message: AlertMessage, title: &str, text: &str, what_to_do: &str) -> AlertMessage {
    AlertMessage { title: format!("RM1 Norfolk and Norwich: {title}"), text: text.to_owned(), what_to_do: what_to_do.to_owned(), ..message }
}

/// RM1's file is late.
pub(crate) fn late() -> AlertMessage {
    worded(of(&Change::Opened(episode(Problem::Late))), "a file is late", "No file has come for 10:15.", "Watch the next slot.")
}

/// RM1's file was missed.
pub(crate) fn missed() -> AlertMessage {
    let text = "No file has come for 10:15, & the next one is due. The last good figures are <30 min old.";
    worded(of(&Change::Opened(episode(Problem::Missed))), "a file was missed", text, "Ring the provider: \"Night desk\", 01603 000000.")
}

/// It came again.
pub(crate) fn over() -> AlertMessage {
    let ending = Ending::Recovered;
    let change = Change::Closed { episode: episode(Problem::Missed), at: at("2018-12-03T11:02:00Z"), slots: 3, ending };
    worded(of(&change), "files come again", "A file was accepted at 11:02. 3 slots were affected.", "")
}

pub(crate) fn outgoing(message: &AlertMessage) -> Outgoing {
    Outgoing { message: message.clone(), first: None, at: at("2018-12-03T10:20:01Z") }
}

pub(crate) fn webhook(name: &str, url: &str) -> Webhook {
    Webhook { name: name.to_owned(), address: Address::Url(url.to_owned()), form: Form::Json, page: None }
}

/// What a payload should be, as a file that people can read; written anew where `BEDFEED_WRITE_GOLDEN` is set.
pub(crate) fn golden(file: &str, is: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/alerts").join(file);
    if std::env::var_os("BEDFEED_WRITE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, is).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), is, "{file}");
}

/// Answers one request with `response`; gives its address, and what was asked.
pub(crate) fn server(response: &str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let response = response.to_owned();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = Vec::new();
        let mut chunk = [0_u8; 4096];
        loop {
            let count = stream.read(&mut chunk).unwrap();
            bytes.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&bytes).to_string();
            let complete = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
                length.map_or(head.starts_with("GET "), |length| length.trim().parse() == Ok(body.len()))
            });
            if complete || count == 0 {
                stream.write_all(response.as_bytes()).unwrap();
                return text;
            }
        }
    });
    (address, asked)
}
