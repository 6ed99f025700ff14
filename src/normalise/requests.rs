//! Requests: which rows ask for a bed under the same reference (XRO-08).
//!
//! Owns the references while rows are read. They go nowhere else: what leaves this room are the places of rows that share one.
//! Refuses to say which of those counts: a row may yet be rejected.

use crate::bedstate::Code;
use std::collections::HashMap;
use std::sync::Arc;

/// A line that asks for a bed, by its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The file's part, or the archive's member.
    pub part: Arc<str>,
    /// The row's line number in the file as sent, from 1.
    pub row: u64,
    /// Which of the row's lines, from 0.
    pub nth: usize,
    /// The column with the reference; empty for the first with it, of which nothing is said.
    pub column: String,
    /// Whether something stands in gender or age that no code covers, or nothing where it should.
    pub unknown: bool,
}

/// The references of a snapshot's requests.
#[derive(Default)]
pub(super) struct References {
    /// Where the first request with each is, and the group of those that share it.
    firsts: HashMap<Code, (Request, Option<usize>)>,
    groups: Vec<Vec<Request>>,
}

impl References {
    /// Notes a request; `column` has its reference.
    pub(super) fn note(&mut self, reference: &Code, request: Request, column: &str) {
        let Some((first, group)) = self.firsts.get_mut(reference) else {
            self.firsts.insert(reference.clone(), (request, None));
            return;
        };
        let at = *group.get_or_insert_with(|| {
            self.groups.push(vec![first.clone()]);
            self.groups.len() - 1
        });
        if let Some(group) = self.groups.get_mut(at) {
            group.push(Request { column: column.to_owned(), ..request });
        }
    }

    /// The requests that share a reference, each in the order of the file.
    pub(super) fn shared(self) -> Vec<Vec<Request>> {
        self.groups
    }
}
