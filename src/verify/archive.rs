//! Archives: the agreed members of a zip, unpacked in memory within limits (TRN-03).
//!
//! Owns member names, sizes and damage, and that every byte of the file is accounted for. Refuses folders, paths, encryption, and
//! members that nobody agreed: those are never used, only looked through for people. Nothing is ever written to disk.

mod layout;

use super::identifiers::{self, Expects};
use crate::feed::{Finding, Findings, Rule};
use crate::normalise::mapping::Mapping;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use layout::{Claim, Layout};
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use zip::CompressionMethod;

/// Most members of an archive: ten times what a bed-state extract needs.
pub const MAX_MEMBERS: usize = 32;

/// How many times its packed size an archive may unpack to: text packs to a twentieth at best, a zip bomb to a thousandth.
pub const MAX_RATIO: u64 = 200;

/// The folder in which macOS keeps what its file system knows of each member.
const MACOS_FOLDER: &str = "__MACOSX/";

/// What findings call bytes that are in no member.
const STRAY: &str = "outside the members";

/// What came of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unzipped {
    /// The wanted members that could be read, by the name they were wanted by.
    pub members: BTreeMap<String, Vec<u8>>,
    /// The names of all its members, as they stand in it.
    pub names: Vec<String>,
    /// What was wrong with it.
    pub findings: Findings,
}

/// Unpacks the wanted members, by the name they were wanted by. Letter case of member names is ignored.
///
/// The findings say what was wrong with the archive; members that could be read are there nevertheless. `max_bytes` bounds
/// the sum of what is unpacked. What was not wanted is looked through for people, and so is what stands beside the members; a
/// column that one of the `mappings` has agreed is no surprise there by its name.
#[must_use]
pub fn unpack(bytes: &[u8], wanted: &[&str], mappings: &[Mapping], max_bytes: u64) -> Unzipped {
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let limit = max_bytes.min(packed.saturating_mul(MAX_RATIO));
    // Where nothing is wanted the archive itself could not be read as agreed: any member may be an agreed one.
    let expects = if wanted.is_empty() { Expects::Something } else { Expects::Nothing };
    let mut unzipping = Unzipping { bytes, mappings, expects, limit, left: limit, out: Unzipped::default() };
    unzipping.read(wanted);
    unzipping.out
}

fn refuse(message: impl Into<String>) -> Finding {
    Finding::new(Rule::Trn03, message)
}

/// A member, as the list at the archive's end has it.
struct Member {
    name: String,
    claim: Claim,
    method: CompressionMethod,
    size: u64,
    use_of: Use,
    encrypted: bool,
}

/// What a member is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// It may be used, if it was agreed.
    Usable,
    /// It stands beside the members that count, and harms nothing.
    Beside,
    /// It rejects the archive.
    Refused,
}

/// Why a member could not be unpacked.
enum Problem {
    Damaged,
    TooLarge,
}

impl Problem {
    fn about(&self, name: &str, limit: u64) -> Finding {
        match self {
            Self::Damaged => refuse(format!("{name} in the archive is damaged.")),
            Self::TooLarge => refuse(format!("The archive unpacks to more than {limit} bytes, whatever it says.")),
        }
    }
}

struct Unzipping<'a> {
    bytes: &'a [u8],
    mappings: &'a [Mapping],
    expects: Expects,
    limit: u64,
    /// What may still be unpacked.
    left: u64,
    out: Unzipped,
}

impl Unzipping<'_> {
    fn read(&mut self, wanted: &[&str]) {
        let Ok(archive) = zip::ZipArchive::new(std::io::Cursor::new(self.bytes)) else {
            self.out.findings.push(refuse("The file is not a zip archive, or is damaged or cut short."));
            self.look_at_strays(&[0..self.bytes.len()]);
            return;
        };
        if archive.len() > MAX_MEMBERS {
            self.out.findings.push(refuse(format!("The archive has {} members; at most {MAX_MEMBERS} are taken.", archive.len())));
            return;
        }
        let members = self.list(&archive);
        self.check_names(&members, archive.has_duplicate_names());
        let claimed = members.iter().fold(0_u64, |sum, member| sum.saturating_add(member.size));
        if claimed > self.limit {
            self.out.findings.push(refuse(format!("The archive unpacks to {claimed} bytes; at most {} are taken.", self.limit)));
            return;
        }
        let claims: Vec<Claim> = members.iter().map(|member| member.claim).collect();
        let layout = Layout::of(self.bytes, &claims, archive.central_directory_start());
        let mut strays = layout.strays.clone();
        for name in wanted {
            let Some(member) = members.iter().find(|member| member.name.eq_ignore_ascii_case(name)) else {
                self.out.findings.push(refuse(format!("The archive lacks {name}.")));
                continue;
            };
            // What is wrong with it has been said.
            if member.use_of == Use::Refused {
                continue;
            }
            match self.unpack_one(member, &mut strays) {
                Ok(content) => {
                    self.out.members.insert((*name).to_owned(), content);
                }
                Err(problem) => self.out.findings.push(problem.about(name, self.limit)),
            }
        }
        let mut used: Vec<&str> = wanted.to_vec();
        for member in &members {
            // A second member of an agreed name is none of the used ones.
            match used.iter().position(|name| member.use_of == Use::Usable && member.name.eq_ignore_ascii_case(name)) {
                Some(at) => {
                    used.swap_remove(at);
                }
                None => self.look_through(member, &mut strays),
            }
        }
        self.look_beside(&layout);
        if !strays.is_empty() {
            let count: usize = strays.iter().map(Range::len).sum();
            self.out.findings.push(refuse(format!(
                "{count} bytes of the archive are in none of its members: it was damaged or appended to, or two archives were joined. Send it as it was made."
            )));
            self.look_at_strays(&strays);
        }
    }

    /// Judges every member by what the archive says of it, before anything is unpacked.
    fn list(&mut self, archive: &zip::ZipArchive<std::io::Cursor<&[u8]>>) -> Vec<Member> {
        let mut found = Vec::with_capacity(archive.len());
        for index in 0..archive.len() {
            let number = index + 1;
            let damaged = || refuse(format!("Member {number} of the archive is damaged."));
            let Ok(member) = archive.by_index_data(index) else {
                self.out.findings.push(damaged());
                continue;
            };
            let Ok(name) = member.name().map(std::borrow::Cow::into_owned) else {
                self.out.findings.push(damaged());
                continue;
            };
            let claim = Claim {
                start: usize::try_from(member.header_start()).unwrap_or(usize::MAX),
                packed: member.compressed_size(),
                size: member.size(),
                crc: member.crc32(),
            };
            let (method, encrypted) = (member.compression(), member.encrypted());
            let beside = is_an_empty_folder(&name, member.size()) || is_of_macos(&name);
            let problem = if !beside && (is_unsafe(&name) || !member.is_file()) {
                Some("is in a folder, is a link, or has an unsafe name.")
            } else if encrypted {
                Some("is encrypted.")
            } else if !matches!(method, CompressionMethod::Stored | CompressionMethod::Deflated) {
                Some("is packed by a method that is not supported: deflate is, and none at all.")
            } else {
                None
            };
            self.out.findings.extend(problem.map(|problem| refuse(format!("Member {number} of the archive {problem}"))));
            let use_of = match problem {
                Some(_) => Use::Refused,
                None if beside => Use::Beside,
                None => Use::Usable,
            };
            self.out.names.push(name.clone());
            found.push(Member { name, claim, method, size: claim.size, use_of, encrypted });
        }
        found
    }

    /// Refuses two members of one name, whatever their letter case: which of them is meant is nobody's guess.
    fn check_names(&mut self, members: &[Member], twice: bool) {
        let again = |(at, member): (usize, &Member)| members.iter().skip(at + 1).any(|other| other.name.eq_ignore_ascii_case(&member.name));
        if twice || members.iter().enumerate().any(again) {
            self.out.findings.push(refuse("The archive holds two members of the same name."));
        }
    }

    /// Unpacks one member. What a header claims is not believed: unpacking stops one byte past what is left. Packed bytes behind
    /// the member's own end are strays.
    fn unpack_one(&mut self, member: &Member, strays: &mut Vec<Range<usize>>) -> Result<Vec<u8>, Problem> {
        let range = member.claim.content(self.bytes).ok_or(Problem::Damaged)?;
        let packed = self.bytes.get(range.clone()).ok_or(Problem::Damaged)?;
        let (content, used) = match member.method {
            CompressionMethod::Stored if u64::try_from(packed.len()).is_ok_and(|length| length > self.left) => {
                return Err(Problem::TooLarge);
            }
            CompressionMethod::Stored => (packed.to_vec(), packed.len()),
            CompressionMethod::Deflated => inflate(packed, self.left)?,
            _ => return Err(Problem::Damaged),
        };
        let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
        let mut crc = Crc::new();
        crc.update(&content);
        if length != member.size || crc.sum() != member.claim.crc {
            return Err(Problem::Damaged);
        }
        self.left = self.left.saturating_sub(length);
        if used < packed.len() {
            strays.push(range.start + used..range.end);
        }
        Ok(content)
    }

    /// What was not wanted is kept with the rest, so it is looked through for people all the same, as far as the limit goes.
    fn look_through(&mut self, member: &Member, strays: &mut Vec<Range<usize>>) {
        let shown = super::quoted(&member.name);
        self.out.findings.extend(identifiers::check_text("The name of an archive's member", &member.name));
        if member.use_of != Use::Refused {
            let message = format!("The archive's member {shown} was not agreed; it was not read.");
            self.out.findings.push(Finding::new(Rule::Str04, message));
        }
        if member.encrypted {
            return;
        }
        match self.unpack_one(member, strays) {
            Ok(content) => self.scan(&content, &shown),
            // What is damaged or packed in another way is looked at as it stands.
            Err(_) => {
                let range = member.claim.content(self.bytes).unwrap_or_default();
                self.scan(self.bytes.get(range).unwrap_or_default(), &shown);
            }
        }
    }

    fn scan(&mut self, content: &[u8], part: &str) {
        self.out.findings.append(identifiers::scan_member(content, self.mappings, self.expects).in_part(part));
    }

    /// Looks at what the archive says beside its members' contents: names as they stand before each, comments, extra fields.
    fn look_beside(&mut self, layout: &Layout) {
        if layout.comments > 0 {
            let message = format!("The archive has comments ({}); they were not read.", layout.comments);
            self.out.findings.push(Finding::new(Rule::Str04, message));
        }
        for said in layout.beside.iter().filter_map(|range| self.bytes.get(range.start..range.end.min(self.bytes.len()))) {
            if let Some(finding) = identifiers::check_beside("What the archive says of its members", said) {
                self.out.findings.push_once(finding);
            }
        }
    }

    /// Looks for people in bytes that are in no member: as they stand, and unpacked where they are a member of another archive.
    fn look_at_strays(&mut self, strays: &[Range<usize>]) {
        let mut unpacked = 0;
        for stray in strays {
            let bytes = self.bytes.get(stray.clone()).unwrap_or_default();
            self.scan(bytes, STRAY);
            for packed in layout::members_in(bytes) {
                if unpacked == MAX_MEMBERS {
                    return;
                }
                unpacked += 1;
                if let Ok((content, _)) = inflate(packed, self.left) {
                    self.left = self.left.saturating_sub(u64::try_from(content.len()).unwrap_or(u64::MAX));
                    self.scan(&content, STRAY);
                }
            }
        }
    }
}

/// A name that says a place rather than a name, or that holds what no name should.
fn is_unsafe(name: &str) -> bool {
    name.is_empty() || name.contains(['/', '\\', ':']) || name == ".." || name.chars().any(char::is_control)
}

/// Some packers list a folder by itself. Where it has no content nothing is in it: what is, is a member of its own.
fn is_an_empty_folder(name: &str, size: u64) -> bool {
    size == 0 && name.strip_suffix('/').is_some_and(|name| name.split('/').all(|step| !is_unsafe(step)))
}

/// What macOS adds for itself, beside each member.
fn is_of_macos(name: &str) -> bool {
    name.strip_prefix(MACOS_FOLDER).is_some_and(|name| name.split('/').all(|step| !is_unsafe(step)))
}

/// Unpacks deflated bytes, and says how many of them that took.
fn inflate(packed: &[u8], most: u64) -> Result<(Vec<u8>, usize), Problem> {
    let mut stream = DeflateDecoder::new(packed);
    let mut content = Vec::new();
    (&mut stream).take(most.saturating_add(1)).read_to_end(&mut content).map_err(|_| Problem::Damaged)?;
    if u64::try_from(content.len()).is_ok_and(|length| length <= most) {
        Ok((content, usize::try_from(stream.total_in()).unwrap_or(usize::MAX)))
    } else {
        Err(Problem::TooLarge)
    }
}

#[cfg(test)]
mod tests;
