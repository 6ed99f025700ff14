//! Names of receipts: the file's own name and an ending, so that a program finds the answer to what it sent.

use crate::feed::{Digest, FileName, MAX_NAME_BYTES};

/// What is added to the name of a file that was not taken.
const REFUSAL_ENDING: &str = ".refused.txt";

/// What is added to the name of a file that was sent to `test/`, for the picture of what was found.
const PICTURE_ENDING: &str = ".check.txt";

/// Which of the two receipts of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReceiptFormat {
    /// `NAME.receipt.json`, for programs.
    Json,
    /// `NAME.receipt.txt`, for people.
    Text,
}

impl ReceiptFormat {
    /// What is added to the file's name.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Json => ".receipt.json",
            Self::Text => ".receipt.txt",
        }
    }
}

/// The names of both receipts of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptNames {
    /// `NAME.receipt.json`.
    pub json: FileName,
    /// `NAME.receipt.txt`.
    pub text: FileName,
}

/// The names of a file's receipts.
///
/// A name too long to have an ending added is cut, and gets the first eight digits of the whole name's hash after a `~`. To
/// find the file of such a receipt, compare names made by this function.
#[must_use]
pub fn receipt_names(file: &FileName) -> ReceiptNames {
    ReceiptNames { json: name(file, ReceiptFormat::Json), text: name(file, ReceiptFormat::Text) }
}

/// The file's name and the format, if `name` is that of a receipt.
#[must_use]
pub fn parse_receipt_name(name: &str) -> Option<(&str, ReceiptFormat)> {
    let formats = [ReceiptFormat::Json, ReceiptFormat::Text];
    let found = formats.into_iter().find_map(|format| Some((name.strip_suffix(format.ending())?, format)));
    found.filter(|(file, _)| !file.is_empty())
}

/// What the receipt of a file is called that was not taken: `NAME.refused.txt`.
#[must_use]
pub fn refusal_name(file: &FileName) -> FileName {
    with_ending(file, REFUSAL_ENDING)
}

/// What the picture of a tested file is called: `NAME.check.txt`.
#[must_use]
pub fn picture_name(file: &FileName) -> FileName {
    with_ending(file, PICTURE_ENDING)
}

/// Whether a name may be that of a picture.
#[must_use]
pub fn is_picture_name(name: &str) -> bool {
    name.ends_with(PICTURE_ENDING)
}

fn name(file: &FileName, format: ReceiptFormat) -> FileName {
    with_ending(file, format.ending())
}

fn with_ending(file: &FileName, ending: &str) -> FileName {
    let whole = file.as_str();
    // Both formats cut at the same place, so that the two names of one file differ in their endings only.
    let room = MAX_NAME_BYTES - ReceiptFormat::Json.ending().len();
    let stem = if whole.len() <= room {
        whole.to_owned()
    } else {
        let mark = format!("~{}", Digest::of(whole.as_bytes()).to_string().chars().take(8).collect::<String>());
        let cut = (0..=room - mark.len()).rev().find(|at| whole.is_char_boundary(*at));
        whole.get(..cut.unwrap_or(0)).unwrap_or_default().to_owned() + &mark
    };
    // A good name with a plain ending is a good name; the fallback is never reached.
    FileName::parse(format!("{stem}{ending}").as_bytes()).unwrap_or_else(|_| file.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipts_name_leads_back_to_its_file() {
        let rows = ["RM1_BEDSTATE_20181203_1015.csv", "JPUH beds 03-12-2018 1015.csv", "x.receipt.txt", "é"];
        for file in rows {
            let names = receipt_names(&FileName::parse(file.as_bytes()).unwrap());
            assert_eq!(names.json.as_str(), format!("{file}.receipt.json"));
            assert_eq!(parse_receipt_name(names.json.as_str()), Some((file, ReceiptFormat::Json)));
            assert_eq!(parse_receipt_name(names.text.as_str()), Some((file, ReceiptFormat::Text)));
        }
        for other in ["", "a.csv", ".receipt.json", "a.receipt", "a.receipt.json.bak"] {
            assert_eq!(parse_receipt_name(other), None, "{other}");
        }
    }

    #[test]
    fn long_names_are_cut_between_characters_and_stay_apart() {
        let long = |end: &str| FileName::parse(format!("{}{end}", "é".repeat(126)).as_bytes()).unwrap();
        let (one, two) = (receipt_names(&long("1")), receipt_names(&long("2")));
        assert!(one.json.as_str().len() <= MAX_NAME_BYTES && one.json.as_str().ends_with(".receipt.json"));
        assert_ne!(one.json, two.json);
    }
}
