//! The envelope: what can be said of a delivery from its name, its size and the agreement, before it is opened.
//!
//! Owns names (TRN-08, TRN-02), sets (TRN-09), sizes (TRN-03, STR-01) and the agreement's dates (REF-01). Refuses to read
//! contents.

use super::{Feed, quoted};
use crate::feed::{FileName, Finding, Findings, Rule};
use crate::normalise::mapping::{FilePart, Mapping, PartRole};
use crate::normalise::names::{NameParts, match_name};
use jiff::SignedDuration;
use jiff::civil::Date;

/// Patterns that a finding about a name lists at most.
const MAX_PATTERNS_LISTED: usize = 8;

/// What a file's name says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The mappings it may belong to, as positions in [`Feed::mappings`].
    pub candidates: Vec<usize>,
    /// Its part of a snapshot, by the first of them.
    pub part: String,
    /// What the part is for, by the first of them.
    pub role: PartRole,
    /// What the names of one snapshot's files have in common.
    pub set_key: String,
    /// What else the name says.
    pub name_parts: NameParts,
}

/// Finds out what a file is from its name.
///
/// # Errors
/// The findings that reject it: not an agreed name (TRN-08), or another provider's (TRN-02).
pub fn identify(feed: &Feed, name: &FileName) -> Result<Identity, Findings> {
    let mut identity: Option<Identity> = None;
    let mut other = None;
    for (index, mapping) in feed.mappings.iter().enumerate() {
        let Some((part, parts)) = part_of(mapping, name) else { continue };
        if let Some(finding) = parts.org.as_deref().and_then(|org| check_provider(org, feed)) {
            other.get_or_insert(finding);
            continue;
        }
        match &mut identity {
            Some(identity) => identity.candidates.push(index),
            None => {
                identity = Some(Identity {
                    candidates: vec![index],
                    part: part.part.clone(),
                    role: part.role,
                    set_key: parts.set_key(),
                    name_parts: parts,
                });
            }
        }
    }
    identity.ok_or_else(|| {
        let mut findings = Findings::default();
        findings.push(other.unwrap_or_else(|| not_recognised(feed, name)));
        findings
    })
}

/// The part of a mapping's snapshot that a name is, and what the name says.
#[must_use]
pub fn part_of<'a>(mapping: &'a Mapping, name: &FileName) -> Option<(&'a FilePart, NameParts)> {
    mapping.files.iter().find_map(|part| Some((part, match_name(&part.name, name.as_str())?)))
}

/// How long to wait for the other parts of a snapshot; `None` where the file is a snapshot by itself.
#[must_use]
pub fn needs_set(identity: &Identity, feed: &Feed) -> Option<SignedDuration> {
    let mappings = identity.candidates.iter().filter_map(|index| feed.mappings.get(*index));
    mappings.filter(|mapping| mapping.files.len() > 1 && in_force(mapping, identity)).map(|mapping| mapping.set_wait).max()
}

/// The parts of a snapshot that are not among the names; empty when the set is complete.
#[must_use]
pub fn missing_parts(feed: &Feed, names: &[&FileName]) -> Vec<String> {
    let missing = |mapping: &Mapping| -> Option<Vec<String>> {
        let found: Vec<&str> =
            names.iter().map(|name| part_of(mapping, name).map(|(part, _)| part.part.as_str())).collect::<Option<_>>()?;
        Some(mapping.files.iter().map(|part| part.part.clone()).filter(|part| !found.contains(&part.as_str())).collect())
    };
    feed.mappings.iter().filter_map(missing).min_by_key(Vec::len).unwrap_or_default()
}

/// Whether a mapping is in force by the day in the name; a name without a day rules nothing out.
fn in_force(mapping: &Mapping, identity: &Identity) -> bool {
    identity.name_parts.when.is_none_or(|when| covers(mapping, when.date()))
}

/// Whether a local day lies within a mapping's dates.
#[must_use]
pub fn covers(mapping: &Mapping, day: Date) -> bool {
    mapping.from <= day && mapping.to.is_none_or(|to| day < to)
}

/// Compares a provider's code, as a name or a file states it, with the account's (TRN-02).
#[must_use]
pub fn check_provider(stated: &str, feed: &Feed) -> Option<Finding> {
    let stated = stated.trim();
    if stated.eq_ignore_ascii_case(feed.provider.as_str()) {
        return None;
    }
    // Only what looks like a code is repeated: a shifted row could hold anything here, a name too. Trusts' codes are three
    // characters that start with R or T; others have a digit.
    let plain = (3..=6).contains(&stated.len()) && stated.bytes().all(|b| b.is_ascii_alphanumeric());
    let of_a_trust = stated.len() == 3 && stated.starts_with(['R', 'T', 'r', 't']);
    let code = plain && (of_a_trust || stated.bytes().any(|b| b.is_ascii_digit()));
    let whose = if code { quoted(stated) } else { "another organisation".to_owned() };
    Some(Finding::new(Rule::Trn02, format!("The file is for {whose} but arrived on {}'s account.", feed.provider)))
}

fn not_recognised(feed: &Feed, name: &FileName) -> Finding {
    let mut patterns: Vec<&str> = feed.mappings.iter().flat_map(|mapping| &mapping.files).map(|part| part.name.text.as_str()).collect();
    patterns.sort_unstable();
    patterns.dedup();
    patterns.truncate(MAX_PATTERNS_LISTED);
    let expected = patterns.join(" or ");
    Finding::new(Rule::Trn08, format!("File name {} not recognised. Expected: {expected}.", quoted(&name.shown())))
}

/// Checks a file's size: above nothing (STR-01), below the limit (TRN-03).
#[must_use]
pub fn check_size(bytes: &[u8], role: PartRole, feed: &Feed) -> Option<Finding> {
    if bytes.is_empty() && role == PartRole::Data {
        return Some(Finding::new(Rule::Str01, "The file is empty: it has no bytes."));
    }
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let limit = feed.limits.max_file_bytes;
    (size > limit).then(|| Finding::new(Rule::Trn03, format!("The file has {size} bytes; at most {limit} are taken.")))
}

/// Checks that the sharing agreement covers the given local days (REF-01).
#[must_use]
pub fn check_agreement(feed: &Feed, days: &[Date]) -> Option<Finding> {
    if let Some(day) = days.iter().find(|day| **day < feed.agreement_starts) {
        let message = format!("The sharing agreement starts on {}; the file is of {day}.", feed.agreement_starts);
        return Some(Finding::new(Rule::Ref01, message));
    }
    let ends = feed.agreement_ends?;
    let day = days.iter().find(|day| **day > ends)?;
    Some(Finding::new(Rule::Ref01, format!("The sharing agreement ended on {ends}; the file is of {day}.")))
}
