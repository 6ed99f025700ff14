//! Column names: those that say that people's identities stand below them (IGV-01), and what others say of days and numbers.
//!
//! Owns how a name is cut into words, and what they say together. Refuses to look at values.

mod lists;
mod shown;

pub use shown::may_be_shown;

use super::births::DaysOf;
use lists::{
    BARE, BARE_BESIDE, BEHIND_WAYS, BESIDE_NAMES, CLASSES, COUNTS, DAYS_OF_STAYS, DAYS_OF_THINGS, NUMBERED, NUMBERS, PERSONS, POSTCODES,
    SORTED, TELLING, TELLING_ALONE, TELLING_ENDS, TELLING_STARTS, THINGS, THINGS_WITH_ADDRESSES, WAYS, WHICH, WHICH_OF_THINGS,
};

/// The shortest word that is looked for within a longer one.
const FEWEST_LETTERS_WITHIN: usize = 4;

/// Whether a column name, as it is written, says that the column holds people's identities.
#[must_use]
pub fn names_a_person(name: &str) -> bool {
    let words = words(name);
    let plain = words.concat();
    let asked = name.trim_end().ends_with('?');
    if is_a_class(&words) {
        return false;
    }
    TELLING.iter().any(|text| plain.contains(text))
        || TELLING_ENDS.iter().any(|text| plain.ends_with(text))
        || TELLING_STARTS.iter().any(|text| plain.starts_with(text))
        || TELLING_ALONE.contains(&plain.as_str())
        || TELLING_ALONE.contains(&without_persons(&words).as_str())
        || is_a_persons_address(&words, &plain)
        || is_a_persons_name(&words)
        || is_a_persons_number(&words)
        || (is_a_way_to_reach_a_person(&words) && !asked)
        || (stands_for_a_person(&words) && !asked)
}

/// Whether a name is that of a home's address, postcode or telephone: of a care home where the table is about homes.
#[must_use]
pub fn names_a_home(name: &str) -> bool {
    let words = words(name);
    let Some((first, rest)) = words.split_first() else { return false };
    let plain = rest.concat();
    first == "home"
        && (plain.starts_with("address")
            || plain.starts_with("addr")
            || POSTCODES.contains(&plain.as_str())
            || rest.iter().all(|word| is_a_way(word)))
}

/// What a column name says of the days that may stand below it.
#[must_use]
pub(super) fn days_of(name: &str) -> DaysOf {
    let words = words(name);
    let all: Vec<&str> = words.iter().map(String::as_str).collect();
    let of_a_person = all.iter().any(|word| is_one_of(BARE, word));
    match (speaks_of(DAYS_OF_THINGS, &all), speaks_of(DAYS_OF_STAYS, &all)) {
        _ if names_a_person(name) || all.iter().any(|word| word.contains("birth")) => DaysOf::Anything,
        (true, _) if !of_a_person => DaysOf::AThing,
        (false, false) => DaysOf::Anything,
        _ => DaysOf::AStay,
    }
}

/// Whether a column name says that numbers stand below it which are no days.
#[must_use]
pub(super) fn names_a_number(name: &str) -> bool {
    let words = words(name);
    let Some(last) = words.last() else { return false };
    let lists = || NUMBERS.iter().chain(COUNTS);
    lists().any(|word| last == word) || (words.len() == 1 && lists().any(|word| last.ends_with(word)))
}

/// The words of a name in small letters: cut at everything that is no letter or digit, between letters and digits, and where
/// capitals show where a word begins. Numbers at its end say which of several columns it is, and are left out.
fn words(name: &str) -> Vec<String> {
    let letters: Vec<char> = name.chars().collect();
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for (at, letter) in letters.iter().copied().enumerate() {
        let next = letters.get(at + 1).copied().unwrap_or(' ');
        let begins = !before.is_alphanumeric()
            || before.is_numeric() != letter.is_numeric()
            || (letter.is_uppercase() && (before.is_lowercase() || next.is_lowercase()));
        before = letter;
        if !letter.is_alphanumeric() {
            continue;
        }
        match words.last_mut() {
            Some(word) if !begins => word.extend(letter.to_lowercase()),
            _ => words.push(letter.to_lowercase().collect()),
        }
    }
    while words.last().is_some_and(|word| word.chars().all(char::is_numeric)) {
        words.pop();
    }
    joined_words(words)
}

/// "Service" alone is a thing, and "user" alone may be anybody; "e-mail", "RiO" and "N.O.K." are one word, and "nm" is short for a
/// name.
fn joined_words(words: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    let mut of_letters = false;
    for word in words {
        let letter = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
        let goes_on = std::mem::replace(&mut of_letters, letter) && letter;
        match joined.last_mut() {
            Some(last) if goes_on => last.push_str(&word),
            Some(last)
                if (last == "service" && word.starts_with("user")) || (last == "e" && word == "mail") || (last == "ri" && word == "o") =>
            {
                last.push_str(&word);
            }
            _ if word == "nm" || word == "nme" => joined.push("name".to_owned()),
            _ => joined.push(word),
        }
    }
    joined
}

/// "Ward manager name" is a manager's and "patient ward name" a ward's: the word before decides. Where neither is known, a
/// name is taken for a person's unless a place is spoken of.
fn is_a_persons_name(words: &[String]) -> bool {
    let first = words.iter().find(|word| !is_one_of(WHICH, word));
    if first.is_some_and(|word| is_one_of(&["name"], word)) && words.last().is_some_and(|word| is_person(word)) {
        return true;
    }
    // "Name/Age", "Name (full)".
    if let [name, rest @ ..] = words
        && name == "name"
        && rest.iter().all(|word| BESIDE_NAMES.contains(&word.as_str()))
    {
        return true;
    }
    let Some((last, before)) = words.split_last() else { return false };
    let Some(stem) = last.strip_suffix("names").or_else(|| last.strip_suffix("name")) else { return false };
    let owner: Vec<&str> = before.iter().map(String::as_str).chain([stem]).filter(|word| !word.is_empty()).collect();
    match owner.iter().rev().find(|word| !is_one_of(WHICH, word)) {
        Some(word) if is_person(word) => true,
        Some(word) if is_thing(word) => false,
        _ if owner.iter().any(|word| is_person(word)) => true,
        _ => !speaks_of(THINGS, &owner) && !owner.iter().any(|word| WHICH_OF_THINGS.contains(word)),
    }
}

/// What sorts people or remarks into classes, or is a remark on a bed, is about nobody: "DOB band", "Comment code", "Address type",
/// "Bed note".
fn is_a_class(words: &[String]) -> bool {
    match words {
        [.., before, last] if CLASSES.contains(&last.as_str()) => SORTED.contains(&before.as_str()),
        [place, note] => place == "bed" && note == "note",
        _ => false,
    }
}

/// An address or a postcode, unless it is a place's.
fn is_a_persons_address(words: &[String], plain: &str) -> bool {
    let there = plain.ends_with("address")
        || plain.starts_with("address")
        || plain.contains("addressline")
        || words.iter().any(|word| word.starts_with("addr") || (word.len() > 4 && word.ends_with("addr")))
        || POSTCODES.iter().any(|text| plain.contains(text));
    let all: Vec<&str> = words.iter().map(String::as_str).collect();
    there && (all.iter().any(|word| BARE.contains(word)) || !speaks_of(THINGS_WITH_ADDRESSES, &all))
}

/// "Patient number" is a person's and "ward number" a ward's: the word before decides. "Spell ID patient" is as good.
fn is_a_persons_number(words: &[String]) -> bool {
    if let [before @ .., number, person] = words
        && NUMBERS.contains(&number.as_str())
        && BARE.contains(&person.as_str())
        && before.last().is_some_and(|owner| NUMBERED.contains(&owner.as_str()))
    {
        return true;
    }
    let owned = |owner: &str| BARE.contains(&owner) || NUMBERED.contains(&owner);
    let Some((last, before)) = words.split_last() else { return false };
    let owner = before.iter().rev().find(|word| !is_one_of(WHICH, word) && !NUMBERS.contains(&word.as_str()));
    let divided = NUMBERS.contains(&last.as_str()) && owner.is_some_and(|owner| owned(owner));
    divided || NUMBERS.iter().any(|number| last.strip_suffix(number).is_some_and(owned))
}

/// A telephone, an e-mail address: a person's unless the word before says that it is a place's. "Contact" alone may be one of an
/// infection, and "mobile unit" is none.
fn is_a_way_to_reach_a_person(words: &[String]) -> bool {
    let Some(at) = words.iter().position(|word| is_a_way(word)) else { return false };
    let (before, from) = words.split_at_checked(at).unwrap_or_default();
    let behind = from.get(1..).unwrap_or_default();
    let alone = from.first().is_some_and(|word| word == "contact") && behind.is_empty();
    if alone || !behind.iter().all(|word| is_a_way(word) || BEHIND_WAYS.contains(&word.as_str())) {
        return false;
    }
    let owner = before.iter().rev().find(|word| !is_one_of(WHICH, word));
    // A name that does not show its words may have the place in the same one.
    let all: Vec<&str> = before.iter().chain(from.first()).map(String::as_str).collect();
    owner.is_some_and(|owner| is_person(owner)) || !speaks_of(THINGS_WITH_ADDRESSES, &all)
}

fn is_a_way(word: &str) -> bool {
    let without_number = NUMBERS.iter().find_map(|number| word.strip_suffix(number)).unwrap_or(word);
    let of_the_list = |word: &str| WAYS.contains(&word) || word.ends_with("phone") || word.ends_with("email");
    of_the_list(word) || of_the_list(without_number)
}

/// A column called "Patient" or "Patient in bed" holds who lies in the bed; "Patients" counts them, and "Patient type" or "Patient
/// on leave" is something about one.
fn stands_for_a_person(words: &[String]) -> bool {
    let words = match words {
        [before @ .., within, place] if within == "in" && place == "bed" => before,
        all => all,
    };
    let persons = words.iter().filter(|word| BARE.contains(&word.as_str())).count();
    let counted = words.iter().any(|word| word == "beds");
    persons == 1 && !counted && words.iter().all(|word| BARE.contains(&word.as_str()) || is_one_of(BARE_BESIDE, word))
}

/// What is left of "Patient CHI" or "Pt first" without the word for the person.
fn without_persons(words: &[String]) -> String {
    words.iter().map(String::as_str).filter(|word| !BARE.contains(word)).collect()
}

fn is_person(word: &str) -> bool {
    is_one_of(PERSONS, word) || ends_as(PERSONS, word)
}

fn is_thing(word: &str) -> bool {
    is_one_of(THINGS, word) || ends_as(THINGS, word)
}

/// Whether one of a list stands among words. Within a word it is looked for only where the name does not show its words.
fn speaks_of(list: &[&str], words: &[&str]) -> bool {
    let undivided = words.concat();
    let within = |text: &&str| text.len() >= FEWEST_LETTERS_WITHIN && undivided.contains(*text);
    words.iter().any(|word| is_one_of(list, word)) || is_one_of(list, &undivided) || (words.len() <= 1 && list.iter().any(within))
}

fn is_one_of(list: &[&str], word: &str) -> bool {
    list.contains(&word) || word.strip_suffix('s').is_some_and(|one| list.contains(&one))
}

/// Whether a word that is written as one ends with a word of a list, as "treatmentfunction" does.
fn ends_as(list: &[&str], word: &str) -> bool {
    let one = word.strip_suffix('s').unwrap_or(word);
    list.iter().any(|text| text.len() >= FEWEST_LETTERS_WITHIN && (word.ends_with(text) || one.ends_with(text)))
}

#[cfg(test)]
mod tests;
