//! Labels: wards whose code or name tells why people are there (IGV-04).
//!
//! Owns the matching of whole words. Refuses to know the words: an installation keeps its own list of them.

use super::lines::at_field;
use super::quoted_place;
use super::register::Wards;
use crate::feed::{Findings, Rule};
use crate::normalise::mapping::Mapping;
use crate::normalise::reference::{TellingWord, Ward};

/// Says once for each ward of the snapshot, at its first line, that its label needs an alias. A ward of the register that has an alias is shown
/// by that, so its own name tells nobody anything.
#[must_use]
pub fn check(wards: &Wards<'_>, mapping: &Mapping, telling: &[TellingWord]) -> Findings {
    let mut findings = Findings::default();
    for (first, registered) in wards.firsts.iter().filter(|_| !telling.is_empty()) {
        let said = judge(first.line.ward_code.as_deref().unwrap_or_default(), *registered, telling);
        findings.extend(said.map(|said| at_field(first, Rule::Igv04, said, mapping, &["ward_code"])));
    }
    findings
}

fn judge(code: &str, registered: Option<&Ward>, telling: &[TellingWord]) -> Option<String> {
    if registered.is_some_and(|ward| ward.alias.is_some()) {
        return None;
    }
    let texts = [Some(("code", code)), registered.map(|ward| ("registered name", ward.name.as_str()))];
    let told = |(what, text): (&'static str, &str)| Some((what, telling.iter().find(|word| stands_in(word, text))?));
    let (what, word) = texts.into_iter().flatten().find_map(told)?;
    Some(format!("Ward {}: its {what} tells of {}; it needs an alias.", quoted_place(code), word.tells_of))
}

/// Whether the words stand in a text, one after the other, whole, whatever their case.
fn stands_in(word: &TellingWord, text: &str) -> bool {
    let (wanted, given) = (words(&word.word), words(text));
    !wanted.is_empty() && given.windows(wanted.len()).any(|window| window == wanted)
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bedstate::{Line, LineType};
    use crate::feed::{Finding, ProviderCode};
    use crate::verify::PlacedLine;
    use crate::verify::register::Register;
    use crate::verify::testing::{beds_feed, reference};

    #[test]
    fn igv_04_whole_words_of_code_and_name_are_looked_for_once_a_ward() {
        let telling = |word: &str, tells_of: &str| TellingWord { word: word.into(), tells_of: tells_of.into() };
        let list = vec![telling("HIV", "an infection"), telling("sexual health", "why people come")];
        // The code, the name in the register (empty: not there), its alias, and whether it is told.
        let rows = [
            ("W1", "Ward 1", None, false),
            ("HIV", "", None, true),
            ("HIV-2", "", None, true),
            ("hiv", "", None, true),
            ("HIVES", "", None, false),
            ("W1", "Ward 1 (HIV)", None, true),
            ("W1", "Sexual Health, short stay", None, true),
            ("W1", "Health, sexual", None, false),
            ("W1", "Men's health", None, false),
            ("W1", "Ward 1 (HIV)", Some("Ward 1"), false),
        ];
        let provider: ProviderCode = "RM1".parse().unwrap();
        let day = "2018-12-03".parse().unwrap();
        for (code, name, alias, expected) in rows {
            let mut register = reference();
            register.wards.truncate(1);
            for ward in &mut register.wards {
                ward.ward_code = if name.is_empty() { "OTHER".to_owned() } else { code.to_owned() };
                (ward.name, ward.alias) = (name.to_owned(), alias.map(str::to_owned));
            }
            let site = register.wards[0].site_code.clone();
            let placed = |((site, ward), row): ((&str, &str), u64)| {
                let mut line = Line::new(site, LineType::Empty);
                line.ward_code = Some(ward.into());
                PlacedLine { part: "beds".into(), row, line }
            };
            let lines: Vec<PlacedLine> =
                [("X", "W9"), (site.as_str(), code), (site.as_str(), code)].into_iter().zip(2..).map(placed).collect();
            let mapping = &beds_feed().mappings[0];
            let registered = Register::new(&register, &provider, day);
            let wards = Wards::of(&lines, &registered);
            let findings = check(&wards, mapping, &list);
            assert_eq!(findings.count_of(Rule::Igv04), u64::from(expected), "{code} {name}");
            let at = |finding: &Finding| (finding.place.line, finding.place.column.clone());
            assert!(findings.iter().all(|finding| at(finding) == (Some(3), Some("WARD".to_owned()))), "{findings:?}");
            assert!(check(&wards, mapping, &[]).is_empty());
        }
    }
}
