//! The virtual folder: what a client's path means. Nothing here touches the disk, and no name ever becomes a path there.

use super::limits::MAX_PATH_BYTES;
use crate::feed::Folder;
use crate::intake::Shelf;

/// What a path stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// The top folder, or one of the three below it.
    Folder(Place),
    /// A name in a folder. In the top folder it means the inbox.
    File { shelf: Shelf, name: Vec<u8> },
    /// Inside a folder that is not there.
    Nowhere,
}

/// The folders a client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Top,
    Shelf(Shelf),
}

/// The folders below the top, by name.
pub(super) const FOLDERS: [(&str, Shelf); 3] =
    [("inbox", Shelf::Accepted(Folder::Inbox)), ("receipts", Shelf::Receipts), ("test", Shelf::Accepted(Folder::Test))];

/// What a path is longer than.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// A path made absolute, without `.`, `..` and double slashes. Never fails for what it names.
pub(super) fn real_path(path: &[u8]) -> Result<Vec<u8>, TooLong> {
    let mut real = Vec::new();
    for part in parts(path)? {
        real.push(b'/');
        real.extend(part);
    }
    Ok(if real.is_empty() { b"/".to_vec() } else { real })
}

/// What a path stands for.
pub(super) fn resolve(path: &[u8]) -> Result<Spot, TooLong> {
    let folder = |part: &[u8]| FOLDERS.iter().find(|(name, _)| name.as_bytes() == part).map(|(_, shelf)| *shelf);
    Ok(match parts(path)?.as_slice() {
        [] => Spot::Folder(Place::Top),
        [one] => match folder(one) {
            Some(shelf) => Spot::Folder(Place::Shelf(shelf)),
            None => Spot::File { shelf: Shelf::Accepted(Folder::Inbox), name: one.to_vec() },
        },
        [one, name] => match folder(one) {
            Some(shelf) => Spot::File { shelf, name: name.to_vec() },
            None => Spot::Nowhere,
        },
        _ => Spot::Nowhere,
    })
}

/// Whether clients use a name only while they upload, and rename it when they are done: WinSCP `.filepart`, rclone
/// `NAME.HASH.partial`, lftp and others `.in.NAME`, jobs `.part`, `.tmp` and `.temp`.
pub(super) fn is_temporary(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    lower.starts_with(".in.") || [".filepart", ".partial", ".part", ".tmp", ".temp"].iter().any(|suffix| lower.ends_with(suffix))
}

fn parts(path: &[u8]) -> Result<Vec<&[u8]>, TooLong> {
    if path.len() > MAX_PATH_BYTES {
        return Err(TooLong);
    }
    let mut parts = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_a_virtual_folder_or_a_name_in_one() {
        let file = |shelf, name: &[u8]| Spot::File { shelf, name: name.to_vec() };
        let inbox = Shelf::Accepted(Folder::Inbox);
        let test = Shelf::Accepted(Folder::Test);
        let rows: [(&[u8], &[u8], Spot); 12] = [
            (b"", b"/", Spot::Folder(Place::Top)),
            (b".", b"/", Spot::Folder(Place::Top)),
            (b"/inbox/../../..", b"/", Spot::Folder(Place::Top)),
            (b"inbox", b"/inbox", Spot::Folder(Place::Shelf(inbox))),
            (b"//inbox/./", b"/inbox", Spot::Folder(Place::Shelf(inbox))),
            (b"/a.csv", b"/a.csv", file(inbox, b"a.csv")),
            (b"/inbox/a.csv", b"/inbox/a.csv", file(inbox, b"a.csv")),
            (b"/test/../test/a.csv", b"/test/a.csv", file(test, b"a.csv")),
            (b"receipts/r.txt", b"/receipts/r.txt", file(Shelf::Receipts, b"r.txt")),
            (b"/inbox/../../etc/passwd", b"/etc/passwd", Spot::Nowhere),
            (b"/inbox/a/b", b"/inbox/a/b", Spot::Nowhere),
            (b"/inbox/\xff", b"/inbox/\xff", file(inbox, b"\xff")),
        ];
        for (path, real, spot) in rows {
            let shown = String::from_utf8_lossy(path).into_owned();
            assert_eq!(real_path(path), Ok(real.to_vec()), "{shown}");
            assert_eq!(resolve(path), Ok(spot), "{shown}");
        }
        assert_eq!(resolve(&[b'a'; 4097]), Err(TooLong));
    }

    #[test]
    fn temporary_names_are_known() {
        let rows = [
            ("a.csv.filepart", true),
            ("a.csv.1f2e3d4c.partial", true),
            ("a.csv.part", true),
            ("A.CSV.TMP", true),
            ("a.temp", true),
            (".in.a.csv.", true),
            ("a.csv", false),
            ("partial.csv", false),
            ("a.tmp.csv", false),
            ("a.in.b", false),
        ];
        for (name, temporary) in rows {
            assert_eq!(is_temporary(name), temporary, "{name}");
        }
    }
}
