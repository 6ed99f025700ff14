//! The files of a mapping: which parts make a snapshot, and the patterns of their names.
//!
//! Owns the `{named}` pieces of a pattern and their checks. Refuses patterns that could read one name in two ways.

use super::super::document::{Item, Section};
use super::super::problem::did_you_mean;
use crate::feed::FileName;
use crate::normalise::mapping::{Compression, FilePart, NamePattern, NamePiece, PartRole};
use crate::normalise::names::{PLACEHOLDERS, PatternError, parse_pattern};
use crate::verify::control::KEYS;

/// The files of a mapping.
pub(super) struct Parts {
    /// Those that can be read.
    pub(super) parts: Vec<FilePart>,
    /// The names of parts that are wrong (empty where even that is missing): what refers to them is no second mistake.
    pub(super) spoilt: Vec<String>,
}

/// Reads `[[mapping.file]]`. `signers`: whether the provider's file lists keys that may sign.
pub(super) fn parts(mapping: &Section<'_>, provider: &str, signers: bool) -> Parts {
    let mut parts: Vec<FilePart> = Vec::new();
    let mut signatures = Vec::new();
    let mut spoilt = Vec::new();
    for section in mapping.sections("file") {
        let label = section.need("part").and_then(|item| item.filled().map(|text| (item.clone(), text.to_owned())));
        let role = section.get("role").map_or(Some(PartRole::Data), |item| item.choice(ROLES));
        let name = section.need("name").and_then(|item| pattern(&item).map(|pattern| (item, pattern)));
        let compression = compression(&section, role, name.as_ref().map(|(_, name)| name));
        let signs = section.get("signs");
        let always = section.get("always").map(|item| always(&item, role)).unwrap_or_default();
        section.finish();
        let (label, part) = label.map_or((None, String::new()), |(item, part)| (Some(item), part));
        let (Some(label), Some(role), Some((item, name))) = (label, role, name) else {
            spoilt.push(part);
            continue;
        };
        if parts.iter().any(|other| other.part == part) {
            label.problem(format!("another part is called \"{part}\""));
        }
        if let Some(other) = parts.iter().find(|other| shape(&other.name, provider) == shape(&name, provider)) {
            item.problem(format!("a file could be this part or the part \"{}\": their names look the same", other.part));
        }
        if role == PartRole::Signature {
            signatures.push((parts.len(), label, signs));
        } else if let Some(signs) = signs {
            signs.problem("has no effect: only a part of the role \"signature\" is for another");
        }
        parts.push(FilePart { part, name, role, compression, signs: None, always });
    }
    if spoilt.is_empty() && !parts.iter().any(|part| part.role == PartRole::Data) {
        mapping.problem("needs a [[mapping.file]] that holds data");
    }
    for (at, label, signs) in signatures {
        if !signers {
            label.problem("there are no [[signers]] in this file whose signatures would be taken");
        }
        let signed = signed_part(&label, signs.as_ref(), &parts, &spoilt);
        if let Some(part) = parts.get_mut(at) {
            part.signs = signed;
        }
    }
    Parts { parts, spoilt }
}

/// What a file may be for, by the word in the settings.
const ROLES: &[(&str, PartRole)] =
    &[("data", PartRole::Data), ("sha256", PartRole::Sha256), ("control", PartRole::Control), ("signature", PartRole::Signature)];

/// How a file is packed: as it is said, or as its name's ending says.
fn compression(section: &Section<'_>, role: Option<PartRole>, name: Option<&NamePattern>) -> Compression {
    let packings = [("none", Compression::Plain), ("gzip", Compression::Gzip)];
    if let Some(item) = section.get("compression") {
        if role.is_some_and(|role| role != PartRole::Data) {
            item.problem("has no effect: only a file of rows is unpacked");
        }
        return item.choice(&packings).unwrap_or(Compression::Plain);
    }
    let ends_in_gz = |name: &NamePattern| name.text.to_ascii_lowercase().ends_with(".gz");
    if role == Some(PartRole::Data) && name.is_some_and(ends_in_gz) { Compression::Gzip } else { Compression::Plain }
}

/// The keys that the sender's control records always have.
fn always(item: &Item<'_>, role: Option<PartRole>) -> Vec<String> {
    if role.is_some_and(|role| role != PartRole::Control) {
        item.problem("has no effect: only a part of the role \"control\" has keys");
    }
    let mut keys = Vec::new();
    for element in item.elements() {
        match element.filled() {
            Some(key) if keys.iter().any(|other| other == key) => element.problem(format!("\"{key}\" is named twice")),
            Some(key) if KEYS.contains(&key) => keys.push(key.to_owned()),
            Some(key) => element.problem(format!("\"{key}\" is no key of a control record{}", did_you_mean(key, KEYS))),
            None => {}
        }
    }
    keys
}

/// The part that a signature is for: the one it names, or the only one with rows.
fn signed_part(label: &Item<'_>, signs: Option<&Item<'_>>, parts: &[FilePart], spoilt: &[String]) -> Option<String> {
    let Some(item) = signs else {
        let mut data = parts.iter().filter(|part| part.role == PartRole::Data);
        let only = data.next().map(|part| part.part.clone());
        if data.next().is_some() {
            label.problem("needs signs: there are several parts with rows, and it is for one of them");
            return None;
        }
        return only;
    };
    let name = item.filled()?;
    match parts.iter().find(|part| part.part == name) {
        Some(part) if part.role == PartRole::Signature => item.problem("a signature cannot be for a signature"),
        Some(_) => return Some(name.to_owned()),
        None if spoilt.iter().any(|part| part.is_empty() || part == name) => {}
        None => {
            let near = did_you_mean(name, parts.iter().map(|part| part.part.as_str()));
            item.problem(format!("no [[mapping.file]] is called \"{name}\"{near}"));
        }
    }
    None
}

/// Whether a pattern gives a whole date and a time of day.
pub(super) fn gives_time(pattern: &NamePattern) -> bool {
    use NamePiece::{Day, Hour, Minute, Month, Year};
    [Year, Month, Day, Hour, Minute].iter().all(|piece| pattern.pieces.contains(piece))
}

/// A pattern with every digit alike, so that two patterns that could read the same name compare equal.
pub(super) fn shape(pattern: &NamePattern, provider: &str) -> String {
    let piece = |piece: &NamePiece| match piece {
        NamePiece::Literal(text) => text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>().to_lowercase(),
        NamePiece::Org => provider.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>().to_lowercase(),
        NamePiece::Year => "0000".to_owned(),
        NamePiece::Sequence => "#".to_owned(),
        NamePiece::Month | NamePiece::Day | NamePiece::Hour | NamePiece::Minute | NamePiece::Second => "00".to_owned(),
    };
    pattern.pieces.iter().map(piece).collect()
}

fn pattern(item: &Item<'_>) -> Option<NamePattern> {
    let text = item.filled()?;
    checked(text).map_err(|why| item.problem(why)).ok()
}

/// A pattern that can work, or what is wrong with it.
fn checked(text: &str) -> Result<NamePattern, String> {
    let pattern = parse_pattern(text).map_err(|error| match &error {
        PatternError::UnknownPlaceholder(name) => {
            format!("{error}{}", did_you_mean(name, PLACEHOLDERS.iter().map(|(known, _)| *known)))
        }
        PatternError::Empty | PatternError::UnbalancedBraces | PatternError::NoSeparator(_) => error.to_string(),
    })?;
    for (name, piece) in PLACEHOLDERS {
        if pattern.pieces.iter().filter(|other| *other == piece).count() > 1 {
            return Err(format!("{{{name}}} stands twice in the name"));
        }
    }
    FileName::parse(text.as_bytes()).map_err(|why| format!("\"{text}\" could not be a file's name: {why}"))?;
    Ok(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_cannot_work_is_refused() {
        let rows = [
            ("a{yyyy.csv", "the braces do not pair up"),
            ("a}yyyy.csv", "the braces do not pair up"),
            ("a{yyy}.csv", "did you mean \"yyyy\"?"),
            ("a{dd}{dd}.csv", "{dd} stands twice"),
            ("{org}{yyyy}.csv", "needs a separator after it"),
            ("in/{yyyy}.csv", "could not be a file's name"),
        ];
        for (text, expected) in rows {
            let why = checked(text).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
