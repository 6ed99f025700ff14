//! What PostgreSQL says went wrong, in plain words, sorted by whether trying again can help.
//!
//! Refuses to repeat a server's details, which hold values of rows.

use super::super::{ForwardError, ForwardErrorKind};
use crate::feed::error_chain;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// What was said, for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// Sorts an error: only what is said about the values themselves is final. A server that is away, stands by, is full or hangs will
/// be mended.
pub(super) fn sql(doing: impl Into<String>) -> impl FnOnce(Error) -> ForwardError {
    move |error| {
        let kind = error.as_db_error().map_or(ForwardErrorKind::Unavailable, |said| kind(said.code()));
        ForwardError::new(kind, doing).caused_by(Said(in_words(&error)))
    }
}

/// What a connection's end says of why, where it says anything.
pub(super) fn in_words(error: &Error) -> String {
    match error.as_db_error() {
        Some(said) => {
            let words = meaning(said.code());
            let gap = if words.is_empty() { "" } else { ": " };
            format!("{words}{gap}{} ({}{})", said.message(), said.code().code(), about(said))
        }
        None if error.is_closed() => "the connection is gone".to_owned(),
        None => error_chain(error),
    }
}

fn about(said: &DbError) -> String {
    let named = [("table", said.table()), ("column", said.column()), ("constraint", said.constraint())];
    named.into_iter().filter_map(|(what, name)| Some(format!(", {what} {}", name?))).collect()
}

/// Classes 22 and 23 are about values: out of range, against a constraint.
fn kind(code: &SqlState) -> ForwardErrorKind {
    if code.code().starts_with("22") || code.code().starts_with("23") { ForwardErrorKind::Refused } else { ForwardErrorKind::Unavailable }
}

fn meaning(code: &SqlState) -> &'static str {
    let rows = [
        (SqlState::INVALID_PASSWORD, "the server does not accept the user or the password"),
        (SqlState::INVALID_AUTHORIZATION_SPECIFICATION, "the server does not let this user in from here"),
        (SqlState::INVALID_CATALOG_NAME, "the server has no such database"),
        (SqlState::CANNOT_CONNECT_NOW, "the server is starting or stopping"),
        (SqlState::ADMIN_SHUTDOWN, "the server was stopped, or the connection was ended there"),
        (SqlState::CRASH_SHUTDOWN, "the server stops at once"),
        (SqlState::TOO_MANY_CONNECTIONS, "the server has no connection left"),
        (SqlState::READ_ONLY_SQL_TRANSACTION, "the server is a standby, or was set to reading only"),
        (SqlState::LOCK_NOT_AVAILABLE, "somebody else holds a lock for too long"),
        (SqlState::QUERY_CANCELED, "it took too long, or was cancelled on the server"),
        (SqlState::T_R_DEADLOCK_DETECTED, "it and somebody else waited for each other"),
        (SqlState::DISK_FULL, "the server's disk is full"),
        (SqlState::OUT_OF_MEMORY, "the server is out of memory"),
        (SqlState::INSUFFICIENT_PRIVILEGE, "the user may not do this"),
        (SqlState::UNDEFINED_TABLE, "the tables or views are not there"),
        (SqlState::UNDEFINED_FUNCTION, "the tables or views are not there"),
        (SqlState::DEPENDENT_OBJECTS_STILL_EXIST, "somebody's own views rest on ours, and have to be dropped first"),
        (SqlState::IO_ERROR, "the server cannot read or write its disk"),
        (SqlState::INTERNAL_ERROR, "the server failed in itself, as it may when its disk is full"),
        (SqlState::DATA_CORRUPTED, "the server finds its own data damaged"),
    ];
    rows.into_iter().find(|(known, _)| known == code).map_or("", |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_about_values_is_refused() {
        let rows = [
            ("23505", ForwardErrorKind::Refused, ""),
            ("22003", ForwardErrorKind::Refused, ""),
            ("28P01", ForwardErrorKind::Unavailable, "password"),
            ("57P01", ForwardErrorKind::Unavailable, "stopped"),
            ("57P03", ForwardErrorKind::Unavailable, "starting"),
            ("25006", ForwardErrorKind::Unavailable, "standby"),
            ("55P03", ForwardErrorKind::Unavailable, "lock"),
            ("53100", ForwardErrorKind::Unavailable, "disk is full"),
            ("42501", ForwardErrorKind::Unavailable, "may not"),
            ("XX000", ForwardErrorKind::Unavailable, "disk"),
            ("40001", ForwardErrorKind::Unavailable, ""),
        ];
        for (code, expected, words) in rows {
            let code = SqlState::from_code(code);
            assert_eq!(kind(&code), expected, "{code:?}");
            assert!(meaning(&code).contains(words) && meaning(&code).is_empty() == words.is_empty(), "{code:?}");
        }
    }
}
