//! Archives that are as agreed, and archives that are not.

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
    let findings = unpack(bytes, wanted, &[], max_bytes).findings;
    findings.iter().map(|f| format!("{} {}", f.rule, f.message)).collect::<Vec<_>>().join("|")
}

#[test]
fn the_agreed_members_are_unpacked_whatever_their_letter_case() {
    let zip = zip_of(&[("bedlist.CSV", b"a,b\n"), ("BedClosure.csv", b"c\n")]);
    let Unzipped { members, findings, .. } = unpack(&zip, &["BedList.csv", "BedClosure.csv"], &[], ROOM);
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
    let Unzipped { members, findings, .. } = unpack(&zip, &["a.csv"], &[], ROOM);
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
        let findings = unpack(&zip_of(&[("a.csv", b"x"), ("patients.csv", content.as_bytes())]), &["a.csv"], &[], ROOM).findings;
        assert_eq!(findings.seal_file(), !expected.is_empty(), "{content}");
        let said: Vec<&str> = findings.iter().map(|f| f.rule.id()).filter(|rule| rule.starts_with("IGV")).collect();
        assert_eq!(said, expected, "{content}");
        assert!(findings.iter().all(|f| !f.message.contains("Example") && !f.message.contains("943")), "{content}");
    }
}

/// A leak, in another member's name than any agreed one.
const LEAK: &[u8] = b"Surname,NHS Number,DOB\r\nEXAMPLE,9434765919,01/02/1934\r\n";

/// Members with what else a writer may put beside them.
fn zip_with(comment: &str, members: &[(&str, &[u8], &str)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer.set_comment(comment).unwrap();
    for (name, content, comment) in members {
        let options = zip::write::FullFileOptions::default().compression_method(method).with_file_comment(*comment);
        if name.ends_with('/') {
            writer.add_directory(*name, options).unwrap();
        } else {
            writer.start_file(*name, options).unwrap();
            writer.write_all(content).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

/// The same members, with other bytes in place of some: as long, wherever they stand.
fn patched(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places: Vec<usize> = (0..=bytes.len() - from.len()).filter(|at| &bytes[*at..*at + from.len()] == from).collect();
    assert!(!places.is_empty());
    places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to));
    bytes
}

#[test]
fn trn_03_two_members_of_one_name_are_refused_whichever_comes_first() {
    let twice = "The archive holds two members of the same name.";
    let exact = patched(zip_of(&[("a.csv", LEAK), ("b.csv", b"x")]), b"b.csv", b"a.csv");
    let rows = [zip_of(&[("a.csv", b"x"), ("A.CSV", LEAK)]), zip_of(&[("A.CSV", LEAK), ("a.csv", b"x")]), exact];
    for bytes in rows {
        let findings = unpack(&bytes, &["a.csv"], &[], ROOM).findings;
        assert!(findings.iter().any(|finding| finding.message == twice), "{findings:?}");
        assert!(findings.reject_file());
    }
    // The one that is not used is looked through.
    let findings = unpack(&zip_of(&[("a.csv", b"x"), ("A.CSV", LEAK)]), &["a.csv"], &[], ROOM).findings;
    assert!(findings.seal_file());
    assert_eq!(messages(&zip_of(&[("a.csv", b"x"), ("ab.csv", b"y")]), &["a.csv", "ab.csv"], ROOM), "");
}

#[test]
fn trn_03_every_byte_of_an_archive_is_accounted_for() {
    use zip::CompressionMethod::{Deflated, Stored};
    let long = b"some,text,that,is,long,enough\n1,2,3,4,5,6\n".repeat(40);
    let good = zip_with("", &[("a.csv", &long, "")], Deflated);
    let listed = good.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let joined = |method| [zip_with("", &[("other.csv", &LEAK.repeat(40), "")], method), good.clone()].concat();
    // Behind the end of the packed text, still within what the list claims of it.
    let behind = {
        let (packed, extra) = (listed - 35, 26);
        let mut bytes = [&good[..listed], &LEAK[..extra], &good[listed..]].concat();
        let claimed = u32::try_from(packed + extra).unwrap().to_le_bytes();
        let start = u32::try_from(listed + extra).unwrap().to_le_bytes();
        bytes[18..22].copy_from_slice(&claimed);
        let list = listed + extra;
        bytes[list + 20..list + 24].copy_from_slice(&claimed);
        let end = bytes.len() - 22;
        bytes[end + 16..end + 20].copy_from_slice(&start);
        bytes
    };
    let rows: [(Vec<u8>, bool); 7] = [
        (joined(Stored), true),
        (joined(Deflated), true),
        ([LEAK.to_vec(), good.clone()].concat(), true),
        ([good.clone(), LEAK.to_vec()].concat(), true),
        ([b"hello ".to_vec(), good.clone()].concat(), false),
        ([good.clone(), b"bye".to_vec()].concat(), false),
        (behind, true),
    ];
    for (at, (bytes, sealed)) in rows.into_iter().enumerate() {
        let out = unpack(&bytes, &["a.csv"], &[], ROOM);
        assert!(
            out.findings.iter().any(|f| f.rule == Rule::Trn03 && f.message.contains("in none of its members")),
            "{at}: {:?}",
            out.findings
        );
        assert_eq!(out.findings.seal_file(), sealed, "{at}: {:?}", out.findings);
        assert_eq!(out.members.get("a.csv"), Some(&long), "{at}");
    }
    // Noughts pad; and sizes may stand behind the content.
    let mut streamed = zip::ZipWriter::new_stream(Vec::new());
    streamed.start_file("a.csv", zip::write::SimpleFileOptions::default()).unwrap();
    streamed.write_all(&long).unwrap();
    let streamed = streamed.finish().unwrap().into_inner();
    let mut large = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    large.start_file("a.csv", zip::write::SimpleFileOptions::default().large_file(true)).unwrap();
    large.write_all(&long).unwrap();
    // What was to be split, and fitted into one piece.
    let marked = [&b"PK\x07\x08"[..], &good].concat();
    for bytes in [good.clone(), [good, vec![0; 512]].concat(), streamed, large.finish().unwrap().into_inner(), marked] {
        assert_eq!(messages(&bytes, &["a.csv"], ROOM), "");
    }
}

#[test]
fn igv_02_comments_and_names_beside_the_members_are_looked_at() {
    use zip::CompressionMethod::Deflated;
    let told = "STR-04 The archive has comments (1); they were not read.";
    let sealed = "IGV-02 What the archive says of its members holds a number that looks like an NHS number. The file is sealed.";
    let both = format!("{told}|{sealed}");
    let rows = [
        (zip_with("made by the export job", &[("a.csv", b"x", "")], Deflated), told),
        (zip_with("patient 9434765919", &[("a.csv", b"x", "")], Deflated), &both),
        (zip_with("", &[("a.csv", b"x", "patient 943 476 5919")], Deflated), &both),
        (zip_with("", &[("a.csv", b"x", "")], Deflated), ""),
    ];
    for (bytes, expected) in rows {
        assert_eq!(messages(&bytes, &["a.csv"], ROOM), expected);
    }
    // A member's own header may say another name than the list does.
    let two_names = {
        let mut bytes = zip_of(&[("1234567890.csv", b"x")]);
        bytes[30..40].copy_from_slice(b"9434765919");
        bytes
    };
    assert!(messages(&two_names, &["1234567890.csv"], ROOM).contains(sealed));
}

#[test]
fn folders_and_what_macos_adds_are_told_of_and_looked_through() {
    use zip::CompressionMethod::Stored;
    let told = |name: &str| format!("STR-04 The archive's member {name} was not agreed; it was not read.");
    let rows = [
        ("export/", b"".as_slice(), told("export/"), false),
        ("__MACOSX/._a.csv", b"\0\x05\x16\x07", told("__MACOSX/._a.csv"), false),
        ("__MACOSX/", b"", told("__MACOSX/"), false),
        ("__MACOSX/._a.csv", LEAK, told("__MACOSX/._a.csv"), true),
    ];
    for (name, content, expected, sealed) in rows {
        let bytes = zip_with("", &[(name, content, ""), ("a.csv", b"x", "")], Stored);
        let Unzipped { members, findings, .. } = unpack(&bytes, &["a.csv"], &[], ROOM);
        assert!(messages(&bytes, &["a.csv"], ROOM).contains(&expected), "{findings:?}");
        assert_eq!((findings.count_of(Rule::Trn03), findings.seal_file(), members.len()), (0, sealed, 1), "{findings:?}");
    }
    for name in ["__MACOSX/../a.csv", "export/b.csv", "../", "a//"] {
        let bytes = zip_of(&[("a.csv", b"x"), (&name.replace('/', "_"), b"")]);
        let bytes = patched(bytes, name.replace('/', "_").as_bytes(), name.as_bytes());
        assert!(messages(&bytes, &["a.csv"], ROOM).contains("TRN-03 Member 2 of the archive is in a folder"), "{name}");
    }
}

#[test]
fn trn_03_a_method_that_is_not_supported_is_said_to_be_that() {
    // The number of the method stands in the member's own header and in the list.
    for method in [12_u8, 14, 93] {
        let mut bytes = zip_of(&[("a.csv", b"x")]);
        let listed = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
        (bytes[8], bytes[listed + 10]) = (method, method);
        let expected = "TRN-03 Member 1 of the archive is packed by a method that is not supported: deflate is, and none at all.";
        assert_eq!(messages(&bytes, &["a.csv"], ROOM), expected);
    }
}
