//! Archives: the agreed members of a zip, unpacked in memory within limits (TRN-03).
//!
//! Owns member names, sizes and damage. Refuses folders, paths, encryption, and members that nobody agreed: those are
//! never used, only looked through for people. Nothing is ever written to disk.

use super::identifiers::{self, Expects};
use crate::feed::{Finding, Findings, Rule};
use crate::normalise::mapping::Mapping;
use std::collections::BTreeMap;
use std::io::Read;

/// Most members of an archive: ten times what a bed-state extract needs.
pub const MAX_MEMBERS: usize = 32;

/// How many times its packed size an archive may unpack to: text packs to a twentieth at best, a zip bomb to a thousandth.
pub const MAX_RATIO: u64 = 200;

/// Unpacks the wanted members, by the name they were wanted by. Letter case of member names is ignored.
///
/// The findings say what was wrong with the archive; members that could be read are there nevertheless. `max_bytes` bounds
/// the sum of what is unpacked. What was not wanted is looked through for people; a column that one of the `mappings` has
/// agreed is no surprise there by its name.
#[must_use]
pub fn unpack(bytes: &[u8], wanted: &[&str], mappings: &[Mapping], max_bytes: u64) -> (BTreeMap<String, Vec<u8>>, Findings) {
    let mut findings = Findings::default();
    let mut members = BTreeMap::new();
    if let Err(finding) = read_members(bytes, wanted, mappings, max_bytes, &mut members, &mut findings) {
        findings.push(finding);
    }
    (members, findings)
}

fn read_members(
    bytes: &[u8],
    wanted: &[&str],
    mappings: &[Mapping],
    max_bytes: u64,
    members: &mut BTreeMap<String, Vec<u8>>,
    findings: &mut Findings,
) -> Result<(), Finding> {
    let refuse = |message: &str| Finding::new(Rule::Trn03, message);
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes))
        .map_err(|_| refuse("The file is not a zip archive, or is damaged or cut short."))?;
    if archive.len() > MAX_MEMBERS {
        return Err(refuse(&format!("The archive has {} members; at most {MAX_MEMBERS} are taken.", archive.len())));
    }
    if archive.has_duplicate_names() {
        return Err(refuse("The archive holds two members of the same name."));
    }
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let limit = max_bytes.min(packed.saturating_mul(MAX_RATIO));
    let found = list(&mut archive, limit, findings)?;
    let mut left = limit;
    for name in wanted {
        let Some((_, index)) = found.iter().find(|(member, _)| member.eq_ignore_ascii_case(name)) else {
            findings.push(refuse(&format!("The archive lacks {name}.")));
            continue;
        };
        let content = read_one(&mut archive, *index, left).map_err(|problem| problem.about(name, limit))?;
        left = left.saturating_sub(u64::try_from(content.len()).unwrap_or(u64::MAX));
        members.insert((*name).to_owned(), content);
    }
    // Where nothing is wanted the archive itself could not be read as agreed: any member may be an agreed one.
    let expects = if wanted.is_empty() { Expects::Something } else { Expects::Nothing };
    for (name, index) in found.iter().filter(|(member, _)| !wanted.iter().any(|name| member.eq_ignore_ascii_case(name))) {
        findings.extend(identifiers::check_text("The name of an archive's member", name));
        let shown = super::quoted(name);
        findings.push(Finding::new(Rule::Str04, format!("The archive's member {shown} was not agreed; it was not read.")));
        // It is kept with the rest, so it is looked through for people all the same, as far as the limit goes.
        if let Ok(content) = read_one(&mut archive, *index, left) {
            left = left.saturating_sub(u64::try_from(content.len()).unwrap_or(u64::MAX));
            findings.append(identifiers::scan_member(&content, mappings, expects).in_part(&shown));
        }
    }
    Ok(())
}

type Archive<'a> = zip::ZipArchive<std::io::Cursor<&'a [u8]>>;

/// Judges every member by what the archive says of it, before anything is unpacked.
fn list(archive: &mut Archive<'_>, limit: u64, findings: &mut Findings) -> Result<Vec<(String, usize)>, Finding> {
    let mut found = Vec::with_capacity(archive.len());
    let mut claimed = 0_u64;
    for index in 0..archive.len() {
        let damaged = || Finding::new(Rule::Trn03, format!("Member {} of the archive is damaged.", index + 1));
        let member = archive.by_index_data(index).map_err(|_| damaged())?;
        let name = member.name().map_err(|_| damaged())?.into_owned();
        if name.is_empty() || name.contains(['/', '\\', ':']) || name == ".." || name.chars().any(char::is_control) || !member.is_file() {
            findings.push(Finding::new(
                Rule::Trn03,
                format!("Member {} of the archive is in a folder, is a link, or has an unsafe name.", index + 1),
            ));
            continue;
        }
        if member.encrypted() {
            findings.push(Finding::new(Rule::Trn03, format!("Member {} of the archive is encrypted.", index + 1)));
            continue;
        }
        claimed = claimed.saturating_add(member.size());
        found.push((name, index));
    }
    if claimed > limit {
        return Err(Finding::new(Rule::Trn03, format!("The archive unpacks to {claimed} bytes; at most {limit} are taken.")));
    }
    Ok(found)
}

/// Why a member could not be unpacked.
enum Problem {
    Damaged,
    TooLarge,
}

impl Problem {
    fn about(&self, name: &str, limit: u64) -> Finding {
        let message = match self {
            Self::Damaged => format!("{name} in the archive is damaged."),
            Self::TooLarge => format!("The archive unpacks to more than {limit} bytes, whatever it says."),
        };
        Finding::new(Rule::Trn03, message)
    }
}

/// Unpacks one member. What a header claims is not believed: reading stops one byte past `left`.
fn read_one(archive: &mut Archive<'_>, index: usize, left: u64) -> Result<Vec<u8>, Problem> {
    let member = archive.by_index(index).map_err(|_| Problem::Damaged)?;
    let mut content = Vec::new();
    member.take(left.saturating_add(1)).read_to_end(&mut content).map_err(|_| Problem::Damaged)?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= left) { Ok(content) } else { Err(Problem::TooLarge) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const ROOM: u64 = 1 << 20;

    fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, content) in members {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn messages(bytes: &[u8], wanted: &[&str], max_bytes: u64) -> String {
        let (_, findings) = unpack(bytes, wanted, &[], max_bytes);
        findings.iter().map(|f| format!("{} {}", f.rule, f.message)).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn the_agreed_members_are_unpacked_whatever_their_letter_case() {
        let zip = zip_of(&[("bedlist.CSV", b"a,b\n"), ("BedClosure.csv", b"c\n")]);
        let (members, findings) = unpack(&zip, &["BedList.csv", "BedClosure.csv"], &[], ROOM);
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(members.get("BedList.csv").map(Vec::as_slice), Some(b"a,b\n".as_slice()));
        assert_eq!(members.len(), 2);
    }

    #[test]
    fn trn_03_an_unsafe_archive_is_refused() {
        let many: Vec<String> = (0..33).map(|n| format!("m{n}.csv")).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
        let bomb = vec![b'0'; 900_000];
        let good = zip_of(&[("a.csv", b"some,text,that,is,long,enough\n1,2,3,4,5,6\n")]);
        let mut damaged = good.clone();
        damaged[40] ^= 0x5a;
        let mut encrypted = good.clone();
        // The flag stands in the member's own header and in the list at the end.
        let listed = encrypted.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap();
        encrypted[6] |= 1;
        encrypted[listed + 8] |= 1;
        let two = zip_of(&[("a.csv", b"x"), ("b.csv", b"y")]);
        let same_name: Vec<u8> = {
            let places: Vec<usize> = (0..two.len() - 5).filter(|at| &two[*at..at + 5] == b"b.csv").collect();
            let mut bytes = two.clone();
            places.iter().for_each(|at| bytes[*at] = b'a');
            bytes
        };
        let rows: [(Vec<u8>, u64, &str); 13] = [
            (encrypted, ROOM, "is encrypted"),
            (same_name, ROOM, ""),
            (zip_of(&[("..\\a.csv", b"x")]), ROOM, "unsafe name"),
            (zip_of(&[("C:a.csv", b"x")]), ROOM, "unsafe name"),
            (b"not a zip".to_vec(), ROOM, "not a zip archive"),
            (good[..good.len() / 2].to_vec(), ROOM, "cut short"),
            (damaged, ROOM, "damaged"),
            (zip_of(&[("../a.csv", b"x")]), ROOM, "unsafe name"),
            (zip_of(&[("dir/a.csv", b"x")]), ROOM, "unsafe name"),
            (zip_of(&[("/a.csv", b"x")]), ROOM, "unsafe name"),
            (zip_of(&many), ROOM, "33 members"),
            (zip_of(&[("a.csv", &bomb)]), ROOM, "at most"),
            (zip_of(&[("b.csv", b"x")]), ROOM, "lacks a.csv"),
        ];
        for (bytes, room, expected) in rows {
            let said = messages(&bytes, &["a.csv"], room);
            assert!(said.contains("TRN-03") && said.contains(expected), "{expected}: {said}");
        }
        assert!(messages(&good, &["a.csv"], 20).contains("at most 20"));
        assert_eq!(messages(&good, &["a.csv"], ROOM), "");
    }

    #[test]
    fn str_04_a_member_that_was_not_agreed_is_not_read() {
        let zip = zip_of(&[("a.csv", b"x"), ("patients.csv", b"y")]);
        let (members, findings) = unpack(&zip, &["a.csv"], &[], ROOM);
        assert_eq!(members.len(), 1);
        assert_eq!(findings.count_of(Rule::Str04), 1);
        assert!(!findings.reject_file());
    }

    #[test]
    fn a_member_that_was_not_agreed_is_looked_through_for_people() {
        let names = format!("\"Surname\",\"Forename\",\"DOB\"\r\n{}", "\"Example\",\"Ann\",\"x\"\r\n".repeat(60));
        let births: String = (0..60).map(|n| format!("W1,{:02}/03/{}\n", n % 28 + 1, 1925 + n)).collect();
        let rows: [(String, &[&str]); 6] = [
            (names, &["IGV-01"; 3]),
            (births, &["IGV-03"]),
            (format!("ward,said\n{}W2,see 943 476 5919\n", "W1,none\n".repeat(30)), &["IGV-02"]),
            ("moved 943 476 5919 this morning\n".to_owned(), &["IGV-02"]),
            (format!("ward,ref\n{}", "W1,9434765918\n".repeat(3) + "W1,9434765919\n"), &[]),
            ("ward,free\nW1,3\n".to_owned(), &[]),
        ];
        for (content, expected) in rows {
            let (_, findings) = unpack(&zip_of(&[("a.csv", b"x"), ("patients.csv", content.as_bytes())]), &["a.csv"], &[], ROOM);
            assert_eq!(findings.seal_file(), !expected.is_empty(), "{content}");
            let said: Vec<&str> = findings.iter().map(|f| f.rule.id()).filter(|rule| rule.starts_with("IGV")).collect();
            assert_eq!(said, expected, "{content}");
            assert!(findings.iter().all(|f| !f.message.contains("Example") && !f.message.contains("943")), "{content}");
        }
    }
}
