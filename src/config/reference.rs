//! Reference data: `reference/*.csv`.
//!
//! Owns the columns of each file and what must hold within and between them. A file that is missing is empty; a provider
//! that is not known yet is no problem, because wards are registered before the first file comes.

use super::mapping::MAX_CODE;
use super::problem::{Problem, did_you_mean};
use super::sheet::{Days, Row, Sheet, start_of};
use crate::feed::ProviderCode;
use crate::normalise::reference::{Reference, Site, TellingWord, Ward, WardAlias};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Longest ward type, ward class or bed group. Source: the dataset's data dictionary.
const MAX_LIST_CODE: usize = 8;

/// Oldest age a ward can be for, in years.
const MAX_AGE: u16 = 130;

/// The files, in the order they are read.
pub(super) const FILES: &[&str] = &[
    "ward_types.csv",
    "ward_classes.csv",
    "bed_groups.csv",
    "sites.csv",
    "wards.csv",
    "ward_aliases.csv",
    "ward_telling_words.csv",
    "bank_holidays.csv",
];

const SITE_COLUMNS: &[&str] = &["provider_code", "site_code", "site_name", "valid_from", "valid_to"];
const WARD_COLUMNS: &[&str] = &[
    "provider_code",
    "site_code",
    "ward_code",
    "ward_name",
    "ward_type",
    "ward_class",
    "bed_group",
    "bed_sex",
    "min_age",
    "max_age",
    "treatment_function",
    "registered_beds",
    "bed_base",
    "alias",
    "valid_from",
    "valid_to",
];
/// May be left out: a register from before it was known still loads.
const WARD_OPTIONAL: &[&str] = &["may_be_absent"];
const ALIAS_COLUMNS: &[&str] = &["provider_code", "source_site", "source_ward", "site_code", "ward_code", "valid_from", "valid_to"];

/// Reads the files that are there: name, path and bytes of each.
pub(super) fn read(files: &BTreeMap<&'static str, (PathBuf, Vec<u8>)>) -> (Reference, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut sheet = |name: &str, columns: &[&'static str], optional: &[&'static str], take: &mut dyn FnMut(&Sheet)| {
        if let Some((path, bytes)) = files.get(name) {
            let sheet = Sheet::read(path, bytes, columns, optional);
            take(&sheet);
            problems.extend(sheet.into_problems());
        }
    };
    let mut reference = Reference::default();
    sheet("ward_types.csv", &["code", "meaning"], &[], &mut |it| reference.ward_types = list(it));
    sheet("ward_classes.csv", &["code", "meaning"], &[], &mut |it| reference.ward_classes = list(it));
    sheet("bed_groups.csv", &["code", "meaning"], &[], &mut |it| reference.bed_groups = list(it));
    sheet("sites.csv", SITE_COLUMNS, &[], &mut |it| reference.sites = sites(it));
    sheet("wards.csv", WARD_COLUMNS, WARD_OPTIONAL, &mut |it| reference.wards = wards(it, &reference));
    sheet("ward_aliases.csv", ALIAS_COLUMNS, &[], &mut |it| reference.aliases = aliases(it, &reference));
    sheet("ward_telling_words.csv", &["word", "tells_of"], &[], &mut |it| reference.telling_words = telling_words(it));
    sheet("bank_holidays.csv", &["date", "name"], &[], &mut |it| reference.bank_holidays = bank_holidays(it));
    (reference, problems)
}

fn bank_holidays(sheet: &Sheet) -> BTreeSet<Date> {
    let mut dates = BTreeSet::new();
    for row in sheet.rows() {
        let (date, name) = (row.day("date"), row.filled("name"));
        let (Some(date), Some(_)) = (date, name) else { continue };
        if !dates.insert(date) {
            row.problem("date", &format!("{date} stands twice"));
        }
    }
    dates
}

fn telling_words(sheet: &Sheet) -> Vec<TellingWord> {
    let mut seen = BTreeSet::new();
    let mut words = Vec::new();
    for row in sheet.rows() {
        let (Some(word), Some(tells_of)) = (row.filled("word"), row.filled("tells_of")) else { continue };
        if !word.chars().any(char::is_alphanumeric) {
            row.problem("word", "has neither a letter nor a digit");
        }
        if !seen.insert(word.to_lowercase()) {
            row.problem("word", &format!("\"{}\" stands twice", start_of(word)));
        }
        words.push(TellingWord { word: word.to_owned(), tells_of: tells_of.to_owned() });
    }
    words
}

fn list(sheet: &Sheet) -> Vec<(String, String)> {
    let mut seen = BTreeSet::new();
    let mut list = Vec::new();
    for row in sheet.rows() {
        let (code, meaning) = (row.code("code", MAX_LIST_CODE), row.filled("meaning"));
        let (Some(code), Some(meaning)) = (code, meaning) else { continue };
        if !code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) {
            row.problem("code", &format!("\"{}\" may have capital letters and digits only", start_of(code)));
        }
        if !seen.insert(code) {
            row.problem("code", &format!("\"{}\" stands twice", start_of(code)));
        }
        list.push((code.to_owned(), meaning.to_owned()));
    }
    list
}

fn sites(sheet: &Sheet) -> Vec<Site> {
    let mut once = Once::default();
    let mut sites = Vec::new();
    for row in sheet.rows() {
        let provider = provider(&row);
        let (site_code, name, days) = (row.code("site_code", MAX_CODE), row.filled("site_name"), row.days());
        let (Some(provider), Some(site_code), Some(name)) = (provider, site_code, name) else { continue };
        once.check(&row, "site_code", &[provider.as_str(), site_code], days);
        sites.push(Site { provider, site_code: site_code.to_owned(), name: name.to_owned(), valid_from: days.from, valid_to: days.to });
    }
    sites
}

fn wards(sheet: &Sheet, reference: &Reference) -> Vec<Ward> {
    let mut once = Once::default();
    let mut wards = Vec::new();
    for row in sheet.rows() {
        let Some(ward) = ward(&row, reference) else { continue };
        let days = Days { from: ward.valid_from, to: ward.valid_to };
        once.check(&row, "ward_code", &[ward.provider.as_str(), &ward.site_code, &ward.ward_code], days);
        let known = |site: &Site| site.provider == ward.provider && site.site_code == ward.site_code;
        if !reference.sites.is_empty() && !reference.sites.iter().any(known) {
            row.problem("site_code", &format!("sites.csv has no site \"{}\" of {}", start_of(&ward.site_code), ward.provider));
        }
        wards.push(ward);
    }
    wards
}

fn ward(row: &Row<'_>, reference: &Reference) -> Option<Ward> {
    let days = row.days();
    let provider = provider(row);
    let site_code = row.code("site_code", MAX_CODE);
    let ward_code = row.code("ward_code", MAX_CODE);
    let name = row.filled("ward_name");
    let ward_type = listed(row, "ward_type", &reference.ward_types);
    let ward_class = listed(row, "ward_class", &reference.ward_classes);
    let bed_group = listed(row, "bed_group", &reference.bed_groups);
    let bed_sex = row.parsed("bed_sex", "a code of bed_sex (1 male, 2 female, 8 not specified)");
    let (min_age, max_age) = (age(row, "min_age"), age(row, "max_age"));
    if let (Some(min), Some(max)) = (min_age, max_age)
        && min > max
    {
        row.problem("max_age", "must not be less than min_age");
    }
    let treatment_function = treatment_function(row);
    let registered_beds = row.parsed("registered_beds", "a whole number of beds");
    let may_be_absent = row.flag("may_be_absent");
    let bed_base = row.parsed("bed_base", "a code of bed_base (COR, ESC, DAY, TMP)");
    let alias = Some(row.text("alias")).filter(|alias| !alias.is_empty()).map(str::to_owned);
    Some(Ward {
        provider: provider?,
        site_code: site_code?.to_owned(),
        ward_code: ward_code?.to_owned(),
        name: name?.to_owned(),
        ward_type: ward_type?.to_owned(),
        ward_class: ward_class?.to_owned(),
        bed_group: bed_group?.to_owned(),
        bed_sex: bed_sex?,
        min_age,
        max_age,
        treatment_function,
        registered_beds: registered_beds?,
        may_be_absent,
        bed_base: bed_base?,
        alias,
        valid_from: days.from,
        valid_to: days.to,
    })
}

fn aliases(sheet: &Sheet, reference: &Reference) -> Vec<WardAlias> {
    let mut once = Once::default();
    let mut aliases = Vec::new();
    for row in sheet.rows() {
        let days = row.days();
        let (source_site, source_ward) = (row.text("source_site"), row.text("source_ward"));
        // A row without a ward only says what a site is called.
        let ward_code = if source_ward.is_empty() { Some(row.text("ward_code")) } else { row.code("ward_code", MAX_CODE) };
        if source_site.is_empty() && source_ward.is_empty() {
            row.problem("source_ward", "names neither a site nor a ward: fill source_site or source_ward");
        }
        let (Some(provider), Some(site_code), Some(ward_code)) = (provider(&row), row.code("site_code", MAX_CODE), ward_code) else {
            continue;
        };
        if source_ward.is_empty() && !ward_code.is_empty() {
            row.problem("ward_code", "must be empty where source_ward is empty: the row names a site only");
        }
        once.check(&row, "source_ward", &[provider.as_str(), source_site, source_ward], days);
        let known = |ward: &Ward| ward.provider == provider && ward.site_code == site_code && ward.ward_code == ward_code;
        if !ward_code.is_empty() && !reference.wards.is_empty() && !reference.wards.iter().any(known) {
            let (ward, site) = (start_of(ward_code), start_of(site_code));
            row.problem("ward_code", &format!("wards.csv has no ward \"{ward}\" at site \"{site}\" of {provider}"));
        }
        aliases.push(WardAlias {
            provider,
            source_site: Some(source_site).filter(|site| !site.is_empty()).map(str::to_owned),
            source_ward: source_ward.to_owned(),
            site_code: site_code.to_owned(),
            ward_code: ward_code.to_owned(),
            valid_from: days.from,
            valid_to: days.to,
        });
    }
    aliases
}

fn provider(row: &Row<'_>) -> Option<ProviderCode> {
    row.parsed("provider_code", "a provider code: 3 to 6 capital letters or digits")
}

/// A code of one of the lists; where the list is missing, any code.
fn listed<'a>(row: &Row<'a>, column: &'static str, list: &[(String, String)]) -> Option<&'a str> {
    let code = row.code(column, MAX_LIST_CODE)?;
    if !list.is_empty() && !list.iter().any(|(known, _)| known == code) {
        let near = did_you_mean(code, list.iter().map(|(known, _)| known.as_str()));
        row.problem(column, &format!("\"{}\" is not in {column}'s list{near}; write UNKNOWN if it is not known", start_of(code)));
    }
    Some(code)
}

fn age(row: &Row<'_>, column: &'static str) -> Option<u16> {
    let age = row.optional::<u16>(column, "an age in whole years");
    if age.is_some_and(|age| age > MAX_AGE) {
        row.problem(column, &format!("must be 0 to {MAX_AGE} years"));
    }
    age
}

fn treatment_function(row: &Row<'_>) -> Option<String> {
    let code = Some(row.text("treatment_function")).filter(|code| !code.is_empty())?;
    if code.len() != 3 || !code.bytes().all(|b| b.is_ascii_digit()) {
        row.problem("treatment_function", &format!("\"{}\" is not three digits", start_of(code)));
    }
    Some(code.to_owned())
}

/// Keeps watch that a key stands once on any day. Letter case does not make a difference.
#[derive(Default)]
struct Once {
    seen: BTreeMap<Vec<String>, Vec<(Days, usize)>>,
}

impl Once {
    fn check(&mut self, row: &Row<'_>, column: &'static str, key: &[&str], days: Days) {
        let others = self.seen.entry(key.iter().map(|part| part.to_lowercase()).collect()).or_default();
        if let Some((_, line)) = others.iter().find(|(other, _)| other.meet(days)) {
            row.problem(column, &format!("line {line} says the same key for some of the same days: end one with valid_to"));
        }
        others.push((days, row.line()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITES: &str = "provider_code,site_code,site_name,valid_from,valid_to\nRM1,RM102,Norwich,,\n";
    const WARDS: &str = "provider_code,site_code,ward_code,ward_name,ward_type,ward_class,bed_group,bed_sex,min_age,max_age,\
        treatment_function,registered_beds,bed_base,alias,valid_from,valid_to\n";
    const GOOD_WARD: &str = "RM1,RM102,W21,Ward 21,GENMED,GA,MED,8,16,,300,28,COR,,01/04/2018,\n";
    const ALIASES: &str = "provider_code,source_site,source_ward,site_code,ward_code,valid_from,valid_to\n";

    fn read_texts(texts: &[(&'static str, &[u8])]) -> (Reference, Vec<String>) {
        let lists: [(&'static str, &[u8]); 3] = [
            ("ward_types.csv", b"code,meaning\nGENMED,General medicine\nUNKNOWN,Not known\n"),
            ("ward_classes.csv", b"code,meaning\nGA,General and acute\n"),
            ("bed_groups.csv", b"code,meaning\nMED,Medical\n"),
        ];
        let files = lists.iter().chain(texts).map(|(name, bytes)| (*name, (PathBuf::from(*name), bytes.to_vec()))).collect();
        let (reference, problems) = read(&files);
        (reference, problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn bank_holidays_are_days_each_once() {
        let (reference, problems) = read_texts(&[("bank_holidays.csv", b"date,name\n2018-12-25,Christmas Day\n26/12/2018,Boxing Day\n")]);
        assert_eq!((reference.bank_holidays.len(), problems.len()), (2, 0), "{problems:?}");
        let (_, problems) = read_texts(&[("bank_holidays.csv", b"date,name\n2018-12-25,a\n25/12/2018,b\n2018-02-30,c\n2018-12-26,\n")]);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn what_spreadsheets_do_to_a_file_is_tolerated() {
        let wards = format!("\u{feff}{WARDS}{GOOD_WARD},,,,,,,,,,,,,,,\n").replace('\n', "\r\n");
        let aliases = format!("{ALIASES}RM1,Unit East,,RM102,,,\nRM1,,\"Ward 21, East\",RM102,W21,2018-04-01,\n");
        let texts: [(&'static str, &[u8]); 3] =
            [("sites.csv", SITES.as_bytes()), ("wards.csv", wards.as_bytes()), ("ward_aliases.csv", aliases.as_bytes())];
        let (reference, problems) = read_texts(&texts);
        assert_eq!(problems, [""; 0]);
        let ward = &reference.wards[0];
        assert_eq!((ward.registered_beds, ward.min_age, ward.max_age), (28, Some(16), None));
        assert_eq!(ward.valid_from.unwrap().to_string(), "2018-04-01");
        let alias = &reference.aliases[0];
        assert_eq!((alias.source_site.as_deref(), alias.source_ward.as_str(), alias.ward_code.as_str()), (Some("Unit East"), "", ""));
        assert_eq!(reference.aliases[1].source_ward, "Ward 21, East");
    }

    #[test]
    fn a_bad_ward_is_reported_by_line_and_column() {
        let rows = [
            ("RM1,", "rm1,", "2: provider_code: \"rm1\" is not a provider code"),
            ("GENMED", "GENMD", "2: ward_type: \"GENMD\" is not in ward_type's list; did you mean \"GENMED\"?"),
            ("GA,", ",", "2: ward_class: must not be empty"),
            (",8,", ",3,", "2: bed_sex: \"3\" is not a code of bed_sex"),
            (",16,,", ",16,12,", "2: max_age: must not be less than min_age"),
            (",16,,", ",16+,,", "2: min_age: \"16+\" is not an age"),
            (",300,", ",30,", "2: treatment_function: \"30\" is not three digits"),
            (",28,", ",28 beds,", "2: registered_beds: \"28 beds\" is not a whole number"),
            ("01/04/2018", "1 April", "2: valid_from: \"1 April\" is not a date"),
            ("01/04/2018,", "01/04/2018,2018-04-01", "2: valid_to: must be after valid_from"),
            ("RM102", "RM999", "2: site_code: sites.csv has no site \"RM999\" of RM1"),
            ("W21", "WARD-TWENTY-ONE", "2: ward_code: \"WARD-TWENTY-ONE\" is longer than 12"),
            ("Ward 21,", "Ward 21,,", "2: has 17 fields, the header has 16"),
        ];
        for (find, replace, expected) in rows {
            let wards = format!("{WARDS}{}", GOOD_WARD.replacen(find, replace, 1));
            let (_, problems) = read_texts(&[("sites.csv", SITES.as_bytes()), ("wards.csv", wards.as_bytes())]);
            assert!(problems.len() == 1 && problems[0].starts_with(&format!("wards.csv:{expected}")), "{replace}: {problems:?}");
        }
    }

    #[test]
    fn a_ward_may_be_absent_where_an_optional_column_says_so() {
        let header = WARDS.replace("valid_to\n", "valid_to,may_be_absent\n");
        let rows =
            [("", Ok(false)), ("Y", Ok(true)), ("n", Ok(false)), ("maybe", Err("2: may_be_absent: \"maybe\" is neither Y nor empty"))];
        for (text, expected) in rows {
            let wards = format!("{header}{}", GOOD_WARD.replace("2018,\n", &format!("2018,,{text}\n")));
            let (reference, problems) = read_texts(&[("wards.csv", wards.as_bytes())]);
            let said = problems.first().map(|problem| problem.trim_start_matches("wards.csv:"));
            assert_eq!(said.map_or_else(|| Ok(reference.wards[0].may_be_absent), Err), expected, "{text}");
        }
    }

    #[test]
    fn a_telling_word_stands_once() {
        let (reference, problems) = read_texts(&[("ward_telling_words.csv", b"word,tells_of\nHIV,HIV\nsexual health,sexual health\n")]);
        assert_eq!((reference.telling_words.len(), problems), (2, Vec::new()));
        let (_, problems) = read_texts(&[("ward_telling_words.csv", b"word,tells_of\nHIV,HIV\nhiv,HIV\n-,x\nGUM,\n")]);
        let expected = ["3: word: \"hiv\" stands twice", "4: word: has neither a letter nor a digit", "5: tells_of: must not be empty"];
        assert_eq!(problems, expected.map(|problem| format!("ward_telling_words.csv:{problem}")));
    }

    #[test]
    fn a_key_stands_once_on_any_day() {
        let ended = GOOD_WARD.replace("2018,\n", "2018,01/04/2020\n");
        let next = GOOD_WARD.replace("01/04/2018", "01/04/2020").replace("W21", "w21");
        let check = |wards: String, expected: &[&str]| {
            let (_, problems) = read_texts(&[("wards.csv", format!("{WARDS}{wards}").as_bytes())]);
            assert_eq!(problems, expected);
        };
        check(format!("{ended}{next}"), &[]);
        let message = "wards.csv:3: ward_code: line 2 says the same key for some of the same days: end one with valid_to";
        check(format!("{GOOD_WARD}{next}"), &[message]);
    }

    #[test]
    fn an_alias_that_leads_nowhere_is_refused() {
        let wards = format!("{WARDS}{GOOD_WARD}");
        let rows = [
            ("RM1,,,RM102,,,", "2: source_ward: names neither a site nor a ward"),
            ("RM1,East,,RM102,W21,,", "2: ward_code: must be empty where source_ward is empty"),
            ("RM1,,East,RM102,,,", "2: ward_code: must not be empty"),
            ("RM1,,East,RM102,W22,,", "2: ward_code: wards.csv has no ward \"W22\" at site \"RM102\" of RM1"),
            ("RM1,,East,RM102,W21,,\nRM1,,EAST,RM102,W21,,", "3: source_ward: line 2 says the same key"),
        ];
        for (row, expected) in rows {
            let aliases = format!("{ALIASES}{row}\n");
            let (_, problems) = read_texts(&[("wards.csv", wards.as_bytes()), ("ward_aliases.csv", aliases.as_bytes())]);
            assert!(problems.len() == 1 && problems[0].starts_with(&format!("ward_aliases.csv:{expected}")), "{row}: {problems:?}");
        }
    }

    #[test]
    fn a_file_that_is_no_sheet_of_ours_is_refused() {
        let rows: [(&[u8], &[&str]); 4] = [
            (
                b"provider_code,site_code,site_nam,valid_from,valid_to\n",
                &["sites.csv:1: site_nam: unknown column; did you mean \"site_name\"?", "sites.csv:1: site_name: the column is missing"],
            ),
            (b"Provider Code,SITE CODE,site-name,valid from,valid to\n", &[]),
            (
                b"provider_code,site_code,site_name,valid_from,valid_to\nRM1,RM102,St Example\x92s,,\n",
                &["sites.csv:2: is not UTF-8 text; in a spreadsheet save as \"CSV UTF-8 (comma delimited)\""],
            ),
            (
                b"provider_code,site_code,site_name,valid_from,valid_to\nRM1,RM102,\"a\nb\",,\n",
                &[
                    "sites.csv:2: site_name: is longer than 200 characters or has line breaks in it",
                    "sites.csv:2: site_name: must not be empty",
                ],
            ),
        ];
        for (bytes, expected) in rows {
            let (_, problems) = read_texts(&[("sites.csv", bytes)]);
            assert_eq!(problems, expected);
        }
    }
}
