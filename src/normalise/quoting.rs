//! Quoting: when the code of a place may stand in a message, a receipt or a list of wards that wait for approval.
//!
//! Owns what tells a place's code from a date and from a person's name. Refuses to know whether the place is registered: a
//! column may have slipped, and then what stands there is somebody's.

use crate::feed::printed;

/// Most characters of a value that a message quotes.
const MAX_QUOTED: usize = 40;

/// Most digits of a place's code: a date without noughts and century has four to six, a record number more.
const MAX_DIGITS: usize = 5;

/// Longest run of letters beside digits that makes a code (`W21`, `RM102`); with more it is a word and a number.
const LETTERS_OF_A_CODE: usize = 3;

/// Words of which one makes several words a place's: nearly none of them is a surname.
const OF_PLACES: &str =
    "ward wards unit units bay suite room wing floor block hospital clinic centre center home site area annexe department dept theatre";

/// Words that places' names have, but people's have too: several words are a place's where all are of these and of those above.
const BESIDE: &str = "\
    east west north south central main upper lower old new one two three four five six seven eight nine ten \
    house lodge court hall cottage grange manor villa end \
    acute admissions antenatal assessment birthing cardiac cardiology care case children childrens coronary critical day \
    delivery discharge elderly emergency escalation gastro general gynae haematology high intensive intermediate lounge \
    maternity medical medicine men mens neonatal neuro observation oncology orthopaedic orthopaedics outpatients overflow \
    paediatric paediatrics palliative postnatal psychiatric recovery rehab renal respiratory short stay step down stroke \
    surgery surgical trauma urology vascular winter women womens and of the \
    amu cau ccu cdu eau edu hdu icu itu mau nicu picu sau scbu sdec ssu";

/// What a message says in place of a place's code that may not be shown.
pub const NOT_SHOWN: &str = "(not shown: it may be about a person)";

/// The code of a place in quotes for a message; `None` where it could be about a person. Whoever registers a new ward must be
/// told its code, so a single word is shown whatever it is, with or without a number; several words are only where they are a
/// place's. More than five digits are shown only as the Care Quality Commission's id of a location, such as `1-1000000001`.
#[must_use]
pub fn quoted_place(text: &str) -> Option<String> {
    let few = text.chars().filter(char::is_ascii_digit).count() <= MAX_DIGITS;
    (is_location_id(text) || (few && !like_a_date(text) && !like_a_name(text))).then(|| in_quotes(text))
}

/// The same without quotes, for lists; a hint where it must not be shown.
#[must_use]
pub fn shown_place(text: &str) -> String {
    match quoted_place(text) {
        Some(quoted) => quoted.trim_matches('"').to_owned(),
        None => NOT_SHOWN.to_owned(),
    }
}

/// Whether numbers stand together as in a date, whatever stands between them: day, month and year, or a month and a year. Few
/// codes have three numbers in a row, so no calendar is asked.
#[must_use]
pub fn like_a_date(text: &str) -> bool {
    let runs: Vec<&str> = runs(text).collect();
    let number = |run: &str| run.starts_with(|c: char| c.is_ascii_digit());
    let year = |run: &str| run.len() == 4 && (run.starts_with("18") || run.starts_with("19") || run.starts_with("20"));
    let month = |run: &str| is_a_month(run) || (number(run) && run.len() <= 2);
    let three = |runs: &[&str]| match runs {
        [first, second, third] => {
            let numbers = number(first) && number(second) && number(third);
            let named = (number(first) && is_a_month(second) || is_a_month(first) && number(second)) && number(third);
            named || (numbers && (third.len() > 1 || first.len() == 4))
        }
        _ => false,
    };
    let two = |runs: &[&str]| matches!(runs, [first, second] if (month(first) && year(second)) || (year(first) && month(second)));
    runs.windows(3).any(three) || runs.windows(2).any(two)
}

/// Whether a text is of several words, as a person's name is, and not of a place's.
fn like_a_name(text: &str) -> bool {
    // A name in another script is two words in one.
    let foreign = |c: char| c.is_alphabetic() && c > '\u{24f}';
    let words = words(text);
    let letters = |word: &str| word.chars().filter(|c| c.is_alphabetic()).count();
    let is_word = |word: &String| letters(word) > if word.contains(|c: char| c.is_ascii_digit()) { LETTERS_OF_A_CODE } else { 1 };
    let with_letters = words.iter().filter(|word| letters(word) > 0);
    let known = |list: &str, word: &str| {
        let bare: String = word.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
        list.split(' ').any(|known| known == bare)
    };
    let of_a_place =
        words.iter().any(|word| known(OF_PLACES, word)) || with_letters.clone().all(|word| !is_word(word) || known(BESIDE, word));
    text.contains(foreign) || (words.iter().any(is_word) && with_letters.count() > 1 && !of_a_place)
}

/// The words of a text: cut at everything that is no letter, digit or apostrophe, and where a capital follows a small letter.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in text.chars() {
        let part = |c: char| c.is_alphanumeric() || matches!(c, '\'' | '\u{2019}');
        if part(letter) {
            let begins = !part(before) || (before.is_lowercase() && letter.is_uppercase());
            match words.last_mut() {
                Some(word) if !begins => word.push(letter),
                _ => words.push(letter.to_string()),
            }
        }
        before = letter;
    }
    words
}

/// Runs of digits and runs of letters, without what stands between them, and without the endings of `1st` and `14th`.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    let all = std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| !c.is_ascii_digit() && !c.is_alphabetic());
        let digits = rest.chars().next()?.is_ascii_digit();
        let ends = |c: char| if digits { !c.is_ascii_digit() } else { !c.is_alphabetic() };
        let (run, after) = rest.split_at_checked(rest.find(ends).unwrap_or(rest.len()))?;
        rest = after;
        Some(run)
    });
    all.filter(|run| !["st", "nd", "rd", "th"].iter().any(|ending| run.eq_ignore_ascii_case(ending)))
}

/// A month by its name or the start of it, of three letters or more.
fn is_a_month(run: &str) -> bool {
    const MONTHS: [&str; 12] =
        ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];
    run.len() >= 3 && MONTHS.iter().any(|month| month.get(..run.len()).is_some_and(|start| start.eq_ignore_ascii_case(run)))
}

/// An id of a location as the Care Quality Commission gives them out. Shorter ones have ten digits, as NHS numbers have.
fn is_location_id(text: &str) -> bool {
    text.strip_prefix("1-").is_some_and(|rest| matches!(rest.len(), 10 | 11) && rest.bytes().all(|b| b.is_ascii_digit()))
}

fn in_quotes(text: &str) -> String {
    let short: String = text.chars().take(MAX_QUOTED).collect();
    let cut = if text.chars().nth(MAX_QUOTED).is_some() { "…" } else { "" };
    format!("\"{}{cut}\"", printed(&short))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p7_a_message_quotes_no_place_that_looks_like_a_persons_number_date_or_name() {
        let shown = [
            "1-1000000001",
            "RM102",
            "RMY-SITE-A",
            "W21",
            "5E1",
            "01",
            "A&E",
            "STROKE?",
            "NELSON",
            "NORTH1",
            "Nelson 2",
            "WARD-ALPHA",
            "Ward East",
            "Unit East",
            "North East",
            "EASTREHAB",
            "Foxglove Ward",
            "Stroke Rehab",
            "W21/B2",
            "W21/B2/04",
            "RM1-W21",
            "CHNURDEM",
            "5-9",
            "MAR1",
            "O'Neil",
        ];
        let hidden = [
            "943-476-5919",
            "9434765919",
            "1-119419827",
            "19350214",
            "14/02/1935",
            "14/02/35",
            "14/2/35",
            "1/2/35",
            "4.7.51",
            "1-2-35",
            "1 2 35",
            "140235",
            "14-Feb-35",
            "14Feb35",
            "14th Feb 35",
            "Feb 14 35",
            "02/1935",
            "1935-02",
            "Feb 1935",
            "W1 14/2/35",
            "193502140000",
            "19350214103000",
            "John Smith",
            "JohnSmith",
            "SMITH, John",
            "SMITH,J",
            "SMITH/JOHN",
            "SMITH_JOHN",
            "SMITH-JONES",
            "SMITH J83",
            "Mrs O'Neil",
            "J. Smith",
            "John West",
            "j.smith@example.org",
            "Smith (83) John",
            "\u{674e}\u{660e}",
        ];
        for (text, expected) in shown.map(|text| (text, true)).into_iter().chain(hidden.map(|text| (text, false))) {
            assert_eq!(quoted_place(text).is_some(), expected, "{text}");
            assert_eq!(shown_place(text).contains(text), expected, "{text}");
        }
        assert_eq!(shown_place("W\u{202e}21"), "W\\u{202E}21");
        assert_eq!(shown_place(&"x".repeat(50)), format!("{}…", "x".repeat(40)));
    }
}
