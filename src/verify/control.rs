//! Control files: what travels beside the data and vouches for it (TRN-04).
//!
//! Owns checksum files in the forms that common tools write, and control records. Refuses to judge rows: the counts it
//! reads are compared where rows are known.

use super::text;
use crate::bedstate::DATASET;
use crate::feed::{Digest, Finding, Findings, Rule};
use crate::normalise::mapping::Encoding;
use std::collections::BTreeMap;

/// Largest control file in bytes: a hundred times a real one.
const MAX_CONTROL_BYTES: usize = 64 * 1024;

/// What a control record says. Each is `None` where the record does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ControlRecord {
    /// `provider_code`.
    pub provider: Option<String>,
    /// `snapshot_at`, as written.
    pub snapshot_at: Option<String>,
    /// `sequence_no`.
    pub sequence: Option<u32>,
    /// `row_count`.
    pub rows: Option<u64>,
    /// `sha256`.
    pub sha256: Option<Digest>,
    /// `kind` is `TEST`: judged and receipted, never loaded.
    pub test: bool,
    /// `kind`.
    pub kind: Option<Kind>,
}

/// What a control record says its delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `FULL`: the snapshot of its slot, for the first time.
    Full,
    /// `RESEND`: sent again on purpose, so that an old number or a name used before is no mistake.
    Resend,
    /// `TEST`: judged and receipted, never loaded.
    Test,
}

/// One hash of a checksum file, and the file it is for where it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// The file's name, without folders.
    pub name: Option<String>,
    /// Its hash.
    pub sha256: Digest,
}

/// Reads `HASH  NAME`, `HASH *NAME`, `SHA256 (NAME) = HASH`, or a hash alone, one on each line. Other lines are ignored.
///
/// # Errors
/// The finding that rejects the set where no hash can be read (TRN-04).
pub fn checksums(bytes: &[u8]) -> Result<Vec<Checksum>, Finding> {
    let text = readable(bytes, "checksum file")?;
    let found: Vec<Checksum> = text.lines().filter_map(checksum).collect();
    if found.is_empty() {
        return Err(Finding::new(
            Rule::Trn04,
            "The checksum file holds no SHA-256: it must say 64 hexadecimal digits, two spaces and the file's name.",
        ));
    }
    Ok(found)
}

fn checksum(line: &str) -> Option<Checksum> {
    let line = line.trim();
    if let Some((before, hash)) = line.rsplit_once('=').filter(|(before, _)| before.to_ascii_uppercase().starts_with("SHA")) {
        let name = before.split_once('(').and_then(|(_, name)| name.rsplit_once(')')).map(|(name, _)| name);
        return Some(Checksum { name: name.map(base_name), sha256: hash.trim().parse().ok()? });
    }
    let (hash, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let name = name.trim_start();
    let name = name.strip_prefix('*').unwrap_or(name);
    // GNU tools mark a line with an escaped name by a backslash.
    let hash = hash.strip_prefix('\\').unwrap_or(hash);
    Some(Checksum { name: (!name.is_empty()).then(|| base_name(name)), sha256: hash.parse().ok()? })
}

fn base_name(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}

/// Compares every hash with the data files of the set, given by name and hash.
#[must_use]
pub fn compare(checksums: &[Checksum], files: &[(&str, Digest)]) -> Option<Finding> {
    let differs = checksums.iter().find(|checksum| !files.iter().any(|(_, digest)| *digest == checksum.sha256))?;
    let of_another = differs.name.as_ref().is_some_and(|name| !files.iter().any(|(file, _)| file.eq_ignore_ascii_case(name)));
    Some(Finding::new(
        Rule::Trn04,
        // The other name is not repeated: nobody agreed what may stand there.
        if of_another {
            "Checksum differs: it was made for a file of another name than the one sent."
        } else {
            "Checksum differs: the file was cut short or damaged on the way, or replaced after the checksum was made."
        },
    ))
}

/// Reads a control record: one `key=value` on each line, `#` starts a remark, letter case of keys is ignored.
#[must_use]
pub fn record(bytes: &[u8]) -> (ControlRecord, Findings) {
    let mut findings = Findings::default();
    let text = match readable(bytes, "control file") {
        Ok(text) => text,
        Err(finding) => {
            findings.push(finding);
            return (ControlRecord::default(), findings);
        }
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for line in lines {
        match line.split_once('=') {
            Some((key, value)) => {
                let twice = values.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
                if twice.is_some_and(|before| before != value.trim()) {
                    findings.push(unreadable("it says one thing twice, and differently"));
                }
            }
            None => findings.push(unreadable("every line must be key=value")),
        }
    }
    (meant(&values, &mut findings), findings)
}

fn meant(values: &BTreeMap<String, String>, findings: &mut Findings) -> ControlRecord {
    let mut get = |key: &str, mandatory: bool| {
        let value = values.get(key).filter(|value| !value.is_empty());
        if value.is_none() && mandatory {
            findings.push(unreadable(&format!("{key} is missing")));
        }
        value
    };
    let dataset = get("dataset", true);
    let provider = get("provider_code", true).cloned();
    let snapshot_at = get("snapshot_at", true).cloned();
    let rows = get("row_count", true);
    let [sequence, sha256, kind] = ["sequence_no", "sha256", "kind"].map(|key| get(key, false));
    // A later minor version only adds to what an earlier one says.
    let supported = |text: &String| text.split_once('.').map_or(text.as_str(), |(major, _)| major).eq_ignore_ascii_case(DATASET);
    if dataset.is_some_and(|dataset| !supported(dataset)) {
        findings.push(unreadable(&format!("its dataset is not supported, {DATASET} is")));
    }
    let mut number = |text: Option<&String>, key: &str, most: u64| {
        let read = text.and_then(|text| super::structure::announced_number(text)).filter(|number| *number <= most);
        if text.is_some() && read.is_none() {
            findings.push(unreadable(&format!("{key} is not a whole number")));
        }
        read
    };
    let rows = number(rows, "row_count", u64::MAX);
    let sequence = number(sequence, "sequence_no", 9_999_999).and_then(|number| u32::try_from(number).ok());
    let digest = sha256.and_then(|text| text.parse().ok());
    if sha256.is_some() && digest.is_none() {
        findings.push(unreadable("sha256 is not 64 hexadecimal digits"));
    }
    let kind = kind.map(|kind| kind.to_ascii_uppercase());
    if kind.as_deref().is_some_and(|kind| !["FULL", "RESEND", "TEST"].contains(&kind)) {
        findings.push(unreadable("its kind is none of FULL, RESEND and TEST"));
    }
    let meant = match kind.as_deref() {
        Some("FULL") => Some(Kind::Full),
        Some("RESEND") => Some(Kind::Resend),
        Some("TEST") => Some(Kind::Test),
        _ => None,
    };
    ControlRecord { provider, snapshot_at, sequence, rows, sha256: digest, test: meant == Some(Kind::Test), kind: meant }
}

fn readable(bytes: &[u8], what: &str) -> Result<String, Finding> {
    if bytes.is_empty() {
        return Err(Finding::new(Rule::Trn04, format!("The {what} is empty.")));
    }
    if bytes.len() > MAX_CONTROL_BYTES {
        return Err(Finding::new(Rule::Trn04, format!("The {what} is longer than {MAX_CONTROL_BYTES} bytes: it is not a {what}.")));
    }
    match text::decode(bytes, Encoding::Utf8) {
        Ok(text) => Ok(text.text.into_owned()),
        Err(_) => Err(Finding::new(Rule::Trn04, format!("The {what} is not text."))),
    }
}

fn unreadable(why: &str) -> Finding {
    Finding::new(Rule::Trn04, format!("The control file cannot be used: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn trn_04_checksum_files_of_common_tools_are_read() {
        let digest = Digest::of(b"abc");
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(ABC.bytes().flat_map(|b| [b, 0])).collect();
        let rows: [(Vec<u8>, Option<&str>); 8] = [
            (format!("{ABC}  beds.csv\n").into(), Some("beds.csv")),
            (format!("{ABC} *beds.csv\r\n").into(), Some("beds.csv")),
            (format!("{ABC}  ./out/beds 1.csv\n").into(), Some("beds 1.csv")),
            (format!("SHA256 (beds.csv) = {ABC}\n").into(), Some("beds.csv")),
            (format!("SHA2-256(beds.csv)= {ABC}\n").into(), Some("beds.csv")),
            (ABC.to_uppercase().into(), None),
            (format!("SHA256 hash of beds.csv:\r\n{ABC}\r\nCertUtil: done\r\n").into(), None),
            (utf16, None),
        ];
        for (bytes, name) in rows {
            let expected = vec![Checksum { name: name.map(str::to_owned), sha256: digest }];
            assert_eq!(checksums(&bytes), Ok(expected), "{}", String::from_utf8_lossy(&bytes));
        }
        for bytes in [b"".as_slice(), b"no hash", b"\0\0", &[b'x'; MAX_CONTROL_BYTES + 1]] {
            assert_eq!(checksums(bytes).unwrap_err().rule, Rule::Trn04);
        }
    }

    #[test]
    fn trn_04_a_hash_of_other_bytes_is_found() {
        let listed = |name: Option<&str>| [Checksum { name: name.map(str::to_owned), sha256: Digest::of(b"abc") }];
        assert_eq!(compare(&listed(Some("a.csv")), &[("a.csv", Digest::of(b"abc"))]), None);
        assert_eq!(compare(&listed(None), &[("x.csv", Digest::of(b"x")), ("a.csv", Digest::of(b"abc"))]), None);
        assert!(compare(&listed(Some("a.csv")), &[("a.csv", Digest::of(b"x"))]).unwrap().message.contains("damaged"));
        assert!(compare(&listed(Some("b.csv")), &[("a.csv", Digest::of(b"x"))]).unwrap().message.contains("another name"));
    }

    #[test]
    fn a_control_record_is_read_or_says_what_is_wrong() {
        let good = "dataset=BEDSTATE/1\nprovider_code=RMY\nsnapshot_at=2018-12-03T10:15:02\nrow_count=3\n";
        let rows = [
            (good.to_owned(), ""),
            (format!("# made by the job\r\n{good}kind=RESEND\nSequence_No = 12\ntotal_occ=2\n"), ""),
            (format!("{good}kind=test"), ""),
            (good.replace("BEDSTATE/1", "BEDSTATE/1.2"), ""),
            (good.replace("BEDSTATE/1", "BEDSTATE/2"), "its dataset is not supported"),
            (good.replace("row_count=3", "row_count=three"), "row_count is not a whole number"),
            (good.replace("row_count=3", ""), "row_count is missing"),
            (format!("{good}sha256=12"), "sha256 is not 64"),
            (format!("{good}sequence_no=10000000"), "sequence_no is not"),
            (format!("{good}kind=DELTA"), "its kind is none of"),
            (format!("{good}rubbish"), "key=value"),
            (format!("{good}row_count=4"), "twice"),
            (format!("{good}Smith John=1\nSmith John=2"), "it says one thing twice"),
        ];
        for (text, expected) in rows {
            let (record, findings) = record(text.as_bytes());
            let said: Vec<&str> = findings.iter().map(|f| f.message.as_str()).collect();
            assert_eq!(said.is_empty(), expected.is_empty(), "{text}: {said:?}");
            assert!(said.join(" ").contains(expected), "{text}: {said:?}");
            assert_eq!(record.provider.as_deref(), Some("RMY"));
            assert_eq!(record.test, text.contains("kind=test"));
        }
    }
}
