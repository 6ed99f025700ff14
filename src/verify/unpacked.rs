//! Unpacked: the bytes of a part's tables, taken out of what it was packed in.
//!
//! Owns where a table's bytes are: the file itself, a gzip stream, a member of an archive. Refuses to read them.

use super::{Feed, archive, gzip};
use crate::feed::Findings;
use crate::normalise::mapping::{Compression, FilePart, Mapping, TableMapping};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One part with rows, as it was before it was packed.
#[derive(Debug)]
pub struct Unpacked<'a> {
    content: Content<'a>,
    /// The names of all members of an archive, agreed or not.
    pub names: Vec<String>,
    /// What is wrong with the packing; every one of them that rejects the file leaves the set without all its rows.
    pub findings: Findings,
}

#[derive(Debug)]
enum Content<'a> {
    /// Every table of the part is in the whole of it.
    Whole(Cow<'a, [u8]>),
    /// The agreed members that could be unpacked.
    Members(BTreeMap<String, Vec<u8>>),
    /// It could not be unpacked.
    Nothing,
}

impl<'a> Unpacked<'a> {
    /// Unpacks a part's file.
    #[must_use]
    pub fn of(part: &FilePart, bytes: &'a [u8], mapping: &Mapping, feed: &Feed) -> Self {
        let most = feed.limits.max_file_bytes;
        let wanted = mapping.members_of(&part.part);
        if !wanted.is_empty() {
            let archive::Unzipped { members, names, findings } = archive::unpack(bytes, &wanted, &feed.mappings, most);
            return Self { content: Content::Members(members), names, findings };
        }
        let mut findings = Findings::default();
        let content = match part.compression {
            Compression::Plain => Content::Whole(Cow::Borrowed(bytes)),
            Compression::Gzip => match gzip::unpack(bytes, most) {
                Ok(unpacked) => {
                    findings.append(unpacked.findings);
                    Content::Whole(Cow::Owned(unpacked.text))
                }
                Err(finding) => {
                    findings.push(finding);
                    Content::Nothing
                }
            },
        };
        let findings = findings.in_part(&part.part);
        Self { content, names: Vec::new(), findings }
    }

    /// The bytes of one of the part's tables; `None` where they are not there.
    #[must_use]
    pub fn table(&self, table: &TableMapping) -> Option<&[u8]> {
        match (&self.content, &table.member) {
            (Content::Whole(bytes), None) => Some(bytes),
            (Content::Members(_), Some(member)) => self.member(member),
            (Content::Whole(_), Some(_)) | (Content::Members(_), None) | (Content::Nothing, _) => None,
        }
    }

    /// A member of the archive by its agreed name; `None` where it is not there, or the part is no archive.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&[u8]> {
        match &self.content {
            Content::Members(members) => members.get(name).map(Vec::as_slice),
            Content::Whole(_) | Content::Nothing => None,
        }
    }
}
