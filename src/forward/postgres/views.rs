//! The views in PostgreSQL's words.
//!
//! Owns the few phrases that it says otherwise than SQLite, in which the one text of the views is written. Views that nothing has
//! changed in are left alone: somebody's own views may rest on them.

use super::provider;
use crate::feed::Digest;

const VIEWS: &str = include_str!("../views.sql");

/// SQLite's phrases, and PostgreSQL's. The first that fits is taken, so longer ones come before what they hold.
const PHRASES: [(&str, &str); 7] = [
    ("strftime('%Y-%m-%dT%H:%M:%SZ', 'now')", "date_trunc('second', now())"),
    ("strftime('%Y-%m-%dT%H:%M:%SZ', v_clock.now_utc, '-28 days')", "v_clock.now_utc - INTERVAL '28 days'"),
    ("strftime('%Y-%m-%dT%H:%M:%SZ', v_clock.now_utc, '-1 day')", "v_clock.now_utc - INTERVAL '1 day'"),
    ("strftime('%Y-%m-%dT%H:%M:%SZ', now_utc, '-28 days')", "now_utc - INTERVAL '28 days'"),
    ("strftime('%Y-%m-%dT%H:%M:%SZ', slots.at, 'unixepoch')", "to_timestamp(slots.at)"),
    ("unixepoch(", "bedfeed_seconds("),
    ("CROSS JOIN ingest_issue AS r ON", "JOIN ingest_issue AS r ON"),
];

/// All views, in statements.
pub(super) fn statements() -> String {
    PHRASES.iter().fold(VIEWS.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
}

/// Tells these views from those of another version.
pub(super) fn fingerprint() -> String {
    let own = provider::made("{schema}", "{provider}");
    Digest::of(format!("{}{own}", statements()).as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_is_used_and_nothing_of_sqlite_is_left() {
        let mut text = VIEWS.to_owned();
        for (theirs, ours) in PHRASES {
            assert!(text.contains(theirs), "{theirs}");
            text = text.replace(theirs, ours);
        }
        for word in ["strftime", "unixepoch", "julianday", "datetime("] {
            assert!(!text.contains(word), "{word}");
        }
    }
}
