//! The files of a mapping: which parts make a snapshot, and the patterns of their names.
//!
//! Owns the `{named}` pieces of a pattern and their checks. Refuses patterns that could read one name in two ways.

use super::super::document::{Item, Section};
use super::super::problem::did_you_mean;
use crate::feed::FileName;
use crate::normalise::mapping::{FilePart, NamePattern, NamePiece, PartRole};

/// The named pieces, as written between braces.
const PIECES: &[(&str, NamePiece)] = &[
    ("org", NamePiece::Org),
    ("yyyy", NamePiece::Year),
    ("mm", NamePiece::Month),
    ("dd", NamePiece::Day),
    ("HH", NamePiece::Hour),
    ("MM", NamePiece::Minute),
    ("SS", NamePiece::Second),
    ("seq", NamePiece::Sequence),
];

/// The files of a mapping.
pub(super) struct Parts {
    /// Those that can be read.
    pub(super) parts: Vec<FilePart>,
    /// The names of parts that are wrong (empty where even that is missing): what refers to them is no second mistake.
    pub(super) spoilt: Vec<String>,
}

/// Reads `[[mapping.file]]`.
pub(super) fn parts(mapping: &Section<'_>, provider: &str) -> Parts {
    let mut parts: Vec<FilePart> = Vec::new();
    let mut spoilt = Vec::new();
    for section in mapping.sections("file") {
        let label = section.need("part").and_then(|item| item.filled().map(|text| (item.clone(), text.to_owned())));
        let roles = [("data", PartRole::Data), ("sha256", PartRole::Sha256), ("control", PartRole::Control)];
        let role = section.get("role").map_or(Some(PartRole::Data), |item| item.choice(&roles));
        let name = section.need("name").and_then(|item| pattern(&item).map(|pattern| (item, pattern)));
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
        parts.push(FilePart { part, name, role });
    }
    if spoilt.is_empty() && !parts.iter().any(|part| part.role == PartRole::Data) {
        mapping.problem("needs a [[mapping.file]] that holds data");
    }
    Parts { parts, spoilt }
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
    match parse(text) {
        Ok(pieces) => Some(NamePattern { text: text.to_owned(), pieces }),
        Err(why) => {
            item.problem(why);
            None
        }
    }
}

fn parse(text: &str) -> Result<Vec<NamePiece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        let (literal, from) = rest.split_at_checked(brace).unwrap_or((rest, ""));
        if !literal.is_empty() {
            pieces.push(NamePiece::Literal(literal.to_owned()));
        }
        let Some(inside) = from.strip_prefix('{') else { return Err(format!("\"{text}\" has a }} without its {{")) };
        let Some((name, after)) = inside.split_once('}') else { return Err(format!("\"{text}\" has a {{ without its }}")) };
        let known = || PIECES.iter().map(|(name, _)| *name);
        let Some((_, piece)) = PIECES.iter().find(|(known, _)| *known == name) else {
            let list = known().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(" ");
            return Err(format!("{{{name}}} is not a piece of a name{}; the pieces are {list}", did_you_mean(name, known())));
        };
        if pieces.contains(piece) {
            return Err(format!("{{{name}}} stands twice in the name"));
        }
        // A piece of varying length must end somewhere.
        if pieces.last().is_some_and(|last| matches!(last, NamePiece::Org | NamePiece::Sequence)) {
            return Err(format!("{{org}} and {{seq}} vary in length: put a character between them and {{{name}}}"));
        }
        pieces.push(piece.clone());
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(NamePiece::Literal(rest.to_owned()));
    }
    FileName::parse(text.as_bytes()).map_err(|why| format!("\"{text}\" could not be a file's name: {why}"))?;
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_cut_into_pieces() {
        let pieces = parse("{org}_BEDS {dd}-{mm}.csv").unwrap();
        let literal = |text: &str| NamePiece::Literal(text.to_owned());
        assert_eq!(pieces, [NamePiece::Org, literal("_BEDS "), NamePiece::Day, literal("-"), NamePiece::Month, literal(".csv")]);
    }

    #[test]
    fn a_pattern_that_cannot_work_is_refused() {
        let rows = [
            ("a{yyyy.csv", "a { without its }"),
            ("a}yyyy.csv", "a } without its {"),
            ("a{yyy}.csv", "did you mean \"yyyy\"?"),
            ("a{dd}{dd}.csv", "{dd} stands twice"),
            ("{org}{yyyy}.csv", "put a character between"),
            ("in/{yyyy}.csv", "could not be a file's name"),
        ];
        for (text, expected) in rows {
            let why = parse(text).unwrap_err();
            assert!(why.contains(expected), "{text}: {why}");
        }
    }
}
