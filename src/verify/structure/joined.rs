//! Joined files: what tells that a client appended one extract to another, or one to itself (STR-05).
//!
//! Owns the marks of it among the rows. Refuses to guess which half is the right one.

use super::super::columns::{self, plain_name};
use super::super::records::Record;
use super::{Reader, starts};
use crate::feed::{Finding, Rule, Severity};

impl Reader<'_> {
    /// What tells that a file was appended to itself or to another: then no count of its beds can be believed.
    pub(super) fn joined(&self, record: &Record<'_>) -> Option<Finding> {
        let line = record.line;
        let whole = |message: String| Some(Finding::new(Rule::Str05, message).with_severity(Severity::RejectFile));
        if let Some(after) = self.trailer_line {
            return whole(format!("Line {line}: a row after the last line (line {after}). Another file was appended to this one."));
        }
        let header_line = self.mapping.header_line.as_ref().is_some_and(|header| starts(record, &header.starts));
        let repeated = || record.fields.iter().map(|field| plain_name(field)).eq(self.header.iter().cloned());
        let glued_on = self.mapping.header && self.names_are_glued_on(record);
        let names = glued_on || (self.mapping.header && self.names_start_alike(record) && repeated());
        if self.data_rows == 1 && self.names_where_none_were_agreed(record) {
            return Some(Finding::new(Rule::Str05, format!("Line {line}: it names the columns, which was not agreed for this file.")));
        }
        if !header_line && !names {
            return None;
        }
        let message = format!("Line {line}: the first line is repeated among the rows.");
        // Without a row before it nothing can be there twice: the names were only written two times.
        if self.data_rows == 1 && !glued_on {
            return Some(Finding::new(Rule::Str05, message));
        }
        whole(format!("{message} The file was appended to itself, or two files were joined: send each extract as a file of its own."))
    }

    fn names_where_none_were_agreed(&self, record: &Record<'_>) -> bool {
        !self.mapping.header && self.mapping.columns.len() > 1 && columns::matched(record, self.mapping) == self.mapping.columns.len()
    }

    /// Whether the column names follow on the same line as a row: the first of two files had no line end.
    fn names_are_glued_on(&self, record: &Record<'_>) -> bool {
        let width = self.header.len();
        width > 1
            && record.count.saturating_add(1) == width.saturating_mul(2)
            && record.fields.iter().skip(width).map(|field| plain_name(field)).eq(self.header.iter().skip(1).cloned())
    }
}
