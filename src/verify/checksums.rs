//! Checksums: the hashes that travel beside the data and vouch for its bytes (TRN-04).
//!
//! Owns the layouts that common tools write, and which hash is for which file. Refuses every hash but SHA-256: lines of
//! others are passed over, and a file without one that can be used is a finding.

use super::control::readable;
use super::records;
use crate::feed::{Digest, Finding, Rule};

/// One hash of a checksum file, and the file it is for where it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// The file's name, without folders.
    pub name: Option<String>,
    /// Its hash.
    pub sha256: Digest,
}

/// A file of the set, as a checksum sees it.
#[derive(Clone, Copy, Debug)]
pub struct Hashed<'a> {
    /// Its name as sent.
    pub name: &'a str,
    /// Its hash.
    pub sha256: Digest,
    /// Whether it holds rows.
    pub data: bool,
}

/// Reads `HASH  NAME`, `HASH *NAME`, `SHA256 (NAME) = HASH`, a hash alone, in spaced pairs too, or what PowerShell's `Get-FileHash`
/// shows as a table or a list, one on each line. Other lines are ignored.
///
/// # Errors
/// The finding that rejects the set where no hash can be read (TRN-04).
pub fn checksums(bytes: &[u8]) -> Result<Vec<Checksum>, Finding> {
    let text = readable(bytes, "checksum file")?;
    let found: Vec<Checksum> = records::lines(&text).filter_map(checksum).collect();
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
    if let Some((before, hash)) = line.rsplit_once('=').filter(|(before, _)| starts_like_sha(before)) {
        let name = before.split_once('(').and_then(|(_, name)| name.rsplit_once(')')).map(|(name, _)| name);
        return Some(Checksum { name: name.map(base_name), sha256: hash.trim().parse().ok()? });
    }
    // certutil wrote pairs with blanks between them until Windows 10.
    if line.len() > HASH_CHARS && line.split(' ').all(|pair| pair.len() == 2) {
        return Some(Checksum { name: None, sha256: line.replace(' ', "").parse().ok()? });
    }
    let line = of_powershell(line);
    let (hash, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    // PowerShell cuts a path that does not fit its window.
    let name = name.trim_start();
    let name = if name.ends_with("...") || name.ends_with('\u{2026}') { "" } else { name };
    let name = name.strip_prefix('*').unwrap_or(name);
    // GNU tools mark a line whose name is written with escapes by a backslash.
    let (hash, name) = match hash.strip_prefix('\\') {
        Some(hash) => (hash, unescaped(name)),
        None => (hash, name.to_owned()),
    };
    Some(Checksum { name: (!name.is_empty()).then(|| base_name(&name)), sha256: hash.parse().ok()? })
}

/// Hexadecimal digits of a hash.
const HASH_CHARS: usize = 64;

/// A line without what `Get-FileHash` puts before a hash: the name of its algorithm in a table, `Hash :` in a list.
fn of_powershell(line: &str) -> &str {
    let after = |word: &str| line.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).and_then(|_| line.get(word.len()..));
    let in_table = after("SHA256").filter(|rest| rest.starts_with(char::is_whitespace));
    let in_list = || after("Hash").and_then(|rest| rest.trim_start().strip_prefix(':'));
    in_table.or_else(in_list).map_or(line, str::trim_start)
}

/// `SHA256 (`, `SHA2-256(`: what BSD tools and OpenSSL write in front of a name.
fn starts_like_sha(text: &str) -> bool {
    text.trim_start_matches('\\').get(..3).is_some_and(|start| start.eq_ignore_ascii_case("SHA"))
}

/// A name with the escapes of GNU tools undone: `\\` is a backslash, `\n` and `\r` are line ends.
fn unescaped(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut letters = name.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, true) => match letters.next() {
                Some('n') => plain.push('\n'),
                Some('r') => plain.push('\r'),
                Some(other) => plain.push(other),
                None => plain.push('\\'),
            },
            (letter, false) => plain.push(letter),
        }
    }
    plain
}

fn base_name(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned()
}

/// Compares the hashes of one checksum file with the files of the set it came with.
///
/// A hash with the name of a file of the set must be that file's; a hash without a name must be that of a file with rows.
/// Hashes of other files are passed over, as long as one of them is for a file of the set.
#[must_use]
pub fn compare(checksums: &[Checksum], files: &[Hashed<'_>]) -> Option<Finding> {
    let differs = |message: &str| Some(Finding::new(Rule::Trn04, message));
    let mut vouched = false;
    for checksum in checksums {
        let fits = match checksum.name.as_deref() {
            None => files.iter().any(|file| file.data && file.sha256 == checksum.sha256),
            Some(name) => match files.iter().find(|file| file.name.eq_ignore_ascii_case(name)) {
                Some(file) => file.sha256 == checksum.sha256,
                None => continue,
            },
        };
        if !fits {
            return differs("Checksum differs: the file was cut short or damaged on the way, or replaced after the checksum was made.");
        }
        vouched = true;
    }
    // The other name is not repeated: nobody agreed what may stand there.
    if vouched { None } else { differs("Checksum differs: it was made for a file of another name than the one sent.") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn trn_04_checksum_files_of_common_tools_are_read() {
        let digest = Digest::of(b"abc");
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(ABC.bytes().flat_map(|b| [b, 0])).collect();
        let pairs: Vec<&str> = (0..32).map(|at| &ABC[2 * at..2 * at + 2]).collect();
        let table = |path: &str| {
            let text = format!(
                "\u{feff}\r\nAlgorithm       Hash        Path\r\n---------       ----        ----\r\nSHA256          {}    {path}\r\n",
                ABC.to_uppercase()
            );
            text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()
        };
        let rows: [(Vec<u8>, Option<&str>); 22] = [
            (format!("SHA256 hash of file beds.csv:\r\n{}\r\nCertUtil: -hashfile command completed\r\n", pairs.join(" ")).into(), None),
            (table("D:\\export\\beds 1.csv"), Some("beds 1.csv")),
            (table("D:\\export\\be..."), None),
            (table(""), None),
            (format!("\r\nAlgorithm : SHA256\r\nHash      : {ABC}\r\nPath      : D:\\beds.csv\r\n").into(), None),
            (format!("# made by the export job\r{ABC}  beds.csv\r").into(), Some("beds.csv")),
            (format!("{ABC}  beds.csv\n").into(), Some("beds.csv")),
            (format!("{ABC} *beds.csv\r\n").into(), Some("beds.csv")),
            (format!("{ABC}  ./out/beds 1.csv\n").into(), Some("beds 1.csv")),
            (format!("{ABC} *D:\\export\\beds.csv\r\n").into(), Some("beds.csv")),
            (format!("\\{ABC}  odd\\\\beds\\nnow.csv\n").into(), Some("beds\nnow.csv")),
            (format!("SHA256 (beds.csv) = {ABC}\n").into(), Some("beds.csv")),
            (format!("sha256 (out/beds (2).csv) = {ABC}\n").into(), Some("beds (2).csv")),
            (format!("SHA2-256(beds.csv)= {ABC}\n").into(), Some("beds.csv")),
            (format!("SHA2-256(stdin)= {}\n", ABC.to_uppercase()).into(), Some("stdin")),
            (ABC.to_uppercase().into(), None),
            (format!("{}  BEDS.CSV", ABC.to_uppercase()).into(), Some("BEDS.CSV")),
            (format!("\u{feff}{ABC}  beds.csv\r\n").into(), Some("beds.csv")),
            (format!("# made by the export job\n; 3 December\n\n{ABC}  beds.csv\n").into(), Some("beds.csv")),
            (format!("MD5 (beds.csv) = 900150983cd24fb0d6963f7d28e17f72\nSHA256 (beds.csv) = {ABC}\n").into(), Some("beds.csv")),
            (format!("SHA256 hash of beds.csv:\r\n{ABC}\r\nCertUtil: done\r\n").into(), None),
            (utf16, None),
        ];
        for (bytes, name) in rows {
            let expected = vec![Checksum { name: name.map(str::to_owned), sha256: digest }];
            assert_eq!(checksums(&bytes), Ok(expected), "{}", String::from_utf8_lossy(&bytes));
        }
        for bytes in [b"".as_slice(), b"no hash", b"\0\0", &[b'x'; 70_000], b"900150983cd24fb0d6963f7d28e17f72  beds.csv"] {
            assert_eq!(checksums(bytes).unwrap_err().rule, Rule::Trn04);
        }
    }

    #[test]
    fn trn_04_every_hash_is_that_of_the_file_it_names() {
        let (abc, x) = (Digest::of(b"abc"), Digest::of(b"x"));
        let listed = |entries: &[(Option<&str>, Digest)]| -> Vec<Checksum> {
            entries.iter().map(|(name, sha256)| Checksum { name: name.map(str::to_owned), sha256: *sha256 }).collect()
        };
        let data = |name, sha256| Hashed { name, sha256, data: true };
        let files = [data("a.csv", abc), data("x.csv", x), Hashed { name: "a.ctl", sha256: Digest::of(b"control"), data: false }];
        let rows = [
            (listed(&[(Some("A.CSV"), abc)]), ""),
            (listed(&[(None, abc)]), ""),
            (listed(&[(Some("a.csv"), abc), (Some("x.csv"), x), (Some("a.ctl"), Digest::of(b"control"))]), ""),
            // A list of everything in the sender's folder.
            (listed(&[(Some("old.csv"), Digest::of(b"old")), (Some("a.csv"), abc)]), ""),
            (listed(&[(Some("a.csv"), x)]), "damaged"),
            // Right hashes beside wrong names.
            (listed(&[(Some("a.csv"), x), (Some("x.csv"), abc)]), "damaged"),
            (listed(&[(Some("a.csv"), abc), (Some("a.csv"), x)]), "damaged"),
            (listed(&[(None, Digest::of(b"control"))]), "damaged"),
            (listed(&[(Some("a.csv"), abc), (Some("a.ctl"), abc)]), "damaged"),
            (listed(&[(Some("b.csv"), abc)]), "another name"),
        ];
        for (checksums, expected) in rows {
            let said = compare(&checksums, &files).map(|finding| finding.message).unwrap_or_default();
            assert!(said.contains(expected) && said.is_empty() == expected.is_empty(), "{checksums:?}: {said}");
        }
    }
}
