//! The model: what handles and names may hold, told from requests and the answers to them alone.
//!
//! Where the endpoint has a choice (is this a resume?) the model keeps every file that an honest endpoint could mean;
//! what lands has to be one of them, byte for byte. A lost write or a hole is never acknowledged.

use super::super::folder::{Spot, is_temporary, resolve};
use super::super::limits::MAX_READ_BYTES;
use super::super::packet::{Attributes, Request, one_string, two_paths};
use super::replies::Reply;
use crate::feed::FileName;
use crate::intake::Shelf;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

const OK: Reply = Reply::Status(0);

/// Bytes of a file, and which of them were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Image {
    bytes: Vec<u8>,
    written: Vec<bool>,
    /// Bytes below this are an earlier try's: they are added to, and never changed.
    settled: usize,
}

/// What may be waiting under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    image: Image,
    /// Its client ended it by CLOSE: it can be renamed to a final name.
    closed: bool,
}

/// A file open for upload.
#[derive(Debug)]
struct File {
    /// Folder and name, as in `inbox/a.csv`.
    spot: String,
    images: Vec<Image>,
    untouched: bool,
    /// A request on it was refused: it must never be acknowledged.
    failed: bool,
    announced: Option<u64>,
    /// Everything about it is known: where it is whole, it has to land.
    sure: bool,
}

/// What a handle stands for.
#[derive(Debug)]
enum Open {
    File(File),
    Listing,
    Receipt(Arc<Vec<u8>>),
}

/// One account's names.
#[derive(Debug, Default)]
struct Names {
    /// Everything that was ever opened for upload.
    known: BTreeSet<String>,
    /// What may be waiting under a name to be resumed or renamed.
    kept: BTreeMap<String, Vec<Kept>>,
    /// Size of the newest accepted file.
    accepted: BTreeMap<String, usize>,
    /// Names whose newest upload may have been refused or cut off: what was accepted before need not be shown.
    refused: BTreeSet<String>,
}

/// What the gate took in, in order: folder and name, and the bytes on the disk.
pub(super) type Landings = VecDeque<(String, Vec<u8>)>;

/// What the model cannot know from the conversation.
pub(super) struct Circumstances {
    /// The gate accepts what lands.
    pub(super) accepting: bool,
    /// The account's receipts.
    pub(super) receipts: Vec<(String, Arc<Vec<u8>>)>,
}

/// All seats' handles, and both accounts' names.
#[derive(Debug, Default)]
pub(super) struct Model {
    handles: [BTreeMap<u32, Open>; 4],
    /// Names and sizes that a seat was told of: only who knows of an earlier try may go on with it.
    told: [BTreeSet<(String, usize)>; 4],
    names: [Names; 2],
}

/// Which account a seat belongs to.
pub(super) fn account_of(seat: usize) -> usize {
    seat / 2
}

impl Model {
    /// Takes note of a request and its answer. Fails where the answer cannot be right.
    pub(super) fn heed(&mut self, seat: usize, request: &Request<'_>, reply: &Reply, around: &Circumstances, landings: &mut Landings) {
        match (request, reply) {
            (Request::Open { path, flags, attributes }, Reply::Handle(handle)) => {
                let open = if flags & 2 != 0 { self.opened(seat, path, *flags, *attributes) } else { receipt(path, around) };
                assert!(self.handles[seat].insert(*handle, open).is_none(), "a handle is given twice");
            }
            (Request::Open { path, flags, .. }, _) if flags & 2 != 0 => self.refused(seat, path),
            (Request::Opendir { .. }, Reply::Handle(handle)) => {
                assert!(self.handles[seat].insert(*handle, Open::Listing).is_none(), "a handle is given twice");
            }
            (Request::Write { handle, offset, data }, reply) => {
                self.change(seat, handle, reply, |file, told| file.write(*offset, data, told));
            }
            (Request::Fsetstat { handle, attributes }, reply) => self.change(seat, handle, reply, |file, _| file.set(*attributes)),
            (Request::Extended { name: b"fsync@openssh.com", data }, reply) => {
                if let Some(handle) = one_string(data) {
                    self.change(seat, handle, reply, |_, _| {});
                }
            }
            (Request::Close { handle }, reply) => self.closed(seat, handle, reply, around, landings),
            (Request::Read { handle, offset, length }, Reply::Data(data)) => {
                let Some(Open::Receipt(bytes)) = self.handle(seat, handle) else { panic!("something else than a receipt was read") };
                let rest = bytes.get(usize::try_from(*offset).expect("64 bits")..).unwrap_or_default();
                assert!(rest.starts_with(data), "the receipt says something else");
                assert!(!data.is_empty() && data.len() <= MAX_READ_BYTES.min(usize::try_from(*length).expect("32 bits")));
            }
            (Request::Fstat { handle }, Reply::Facts(_, size)) => {
                let open = self.handle(seat, handle).expect("facts of a handle that is there");
                if let Open::File(file) = open {
                    let size = usize::try_from(*size).expect("64 bits");
                    assert!(file.images.iter().any(|image| image.bytes.len() == size), "an open file cannot have {size} bytes");
                    let spot = file.spot.clone();
                    self.told[seat].insert((spot, size));
                }
            }
            (Request::Readdir { handle }, Reply::Names(names)) => {
                assert!(matches!(self.handle(seat, handle), Some(Open::Listing)), "a listing of no folder");
                names.iter().for_each(|(name, size)| self.shown(seat, name, *size, around));
            }
            (Request::Stat { path } | Request::Lstat { path }, reply) => self.told(seat, path, reply, around),
            (Request::Remove { path }, reply) if *reply == OK => self.removed(seat, path),
            (Request::Rename { from, to }, reply) if *reply == OK => self.renamed(seat, from, to, landings),
            (Request::Extended { name: b"posix-rename@openssh.com", data }, reply) if *reply == OK => {
                let (from, to) = two_paths(data).expect("two paths");
                self.renamed(seat, from, to, landings);
            }
            (Request::Rename { to, .. }, _) => self.refused(seat, to),
            (Request::Extended { name: b"posix-rename@openssh.com", data }, _) => {
                if let Some((_, to)) = two_paths(data) {
                    self.refused(seat, to);
                }
            }
            _ => {}
        }
    }

    fn refused(&mut self, seat: usize, path: &[u8]) {
        self.names[account_of(seat)].refused.extend(spot(path));
    }

    /// The connection was cut off: open files may be kept to be resumed.
    pub(super) fn cut(&mut self, seat: usize) {
        for (_, open) in std::mem::take(&mut self.handles[seat]) {
            let Open::File(file) = open else { continue };
            self.names[account_of(seat)].refused.insert(file.spot.clone());
            if !file.failed {
                let temporary = is_temporary(name_of(&file.spot));
                let kept = self.names[account_of(seat)].kept.entry(file.spot).or_default();
                for mut image in file.images.into_iter().filter(Image::is_whole) {
                    // Under a final name the last byte is dropped, so that nobody takes it for the whole file.
                    image.cut(image.bytes.len() - usize::from(!temporary && !image.bytes.is_empty()));
                    add(kept, Kept { image, closed: false });
                }
            }
        }
        self.told[seat].clear();
    }

    /// How many handles a seat has.
    pub(super) fn handles(&self, seat: usize) -> usize {
        self.handles[seat].len()
    }

    fn handle(&mut self, seat: usize, raw: &[u8]) -> Option<&mut Open> {
        let number = u32::from_be_bytes(raw.try_into().ok()?);
        self.handles[seat].get_mut(&number)
    }

    fn opened(&mut self, seat: usize, path: &[u8], flags: u32, about: Attributes) -> Open {
        let spot = spot(path).expect("only a good name in a folder for uploads is opened");
        let names = &mut self.names[account_of(seat)];
        names.known.insert(spot.clone());
        let mut images = vec![Image::default()];
        if flags & 0x30 == 0 {
            for Kept { image, .. } in names.kept.get(&spot).into_iter().flatten() {
                add(&mut images, Image { settled: image.bytes.len(), ..image.clone() });
            }
        }
        Open::File(File { spot, images, untouched: true, failed: false, announced: about.size, sure: true })
    }

    fn change(&mut self, seat: usize, handle: &[u8], reply: &Reply, act: impl FnOnce(&mut File, &BTreeSet<(String, usize)>)) {
        let told = self.told[seat].clone();
        match self.handle(seat, handle) {
            Some(Open::File(file)) if *reply == OK => {
                assert!(!file.failed, "a file that failed is written to again");
                act(file, &told);
                assert!(!file.images.is_empty(), "what was written fits to no file that this can be");
            }
            Some(Open::File(file)) => {
                file.failed = true;
                let spot = file.spot.clone();
                self.names[account_of(seat)].refused.insert(spot);
            }
            _ => assert_ne!(*reply, OK, "a handle that is not there was used"),
        }
    }

    fn closed(&mut self, seat: usize, handle: &[u8], reply: &Reply, around: &Circumstances, landings: &mut Landings) {
        let number = <[u8; 4]>::try_from(handle).ok().map(u32::from_be_bytes);
        let Some(open) = number.and_then(|number| self.handles[seat].remove(&number)) else {
            assert_ne!(*reply, OK, "a handle that is not there was closed");
            return;
        };
        let Open::File(file) = open else {
            assert_eq!(*reply, OK, "a folder or receipt can be closed");
            return;
        };
        let mut file = file;
        file.known_only(&self.told[seat]);
        let names = &mut self.names[account_of(seat)];
        if *reply != OK {
            names.refused.insert(file.spot.clone());
            let whole =
                matches!(file.images.as_slice(), [image] if image.is_whole() && file.announced.is_none_or(|size| size <= image.length()));
            let must = file.sure && !file.failed && around.accepting && whole && !is_temporary(name_of(&file.spot));
            assert!(!must, "a whole file was refused: {reply:?}");
            return;
        }
        assert!(!file.failed, "a file that failed was acknowledged");
        if is_temporary(name_of(&file.spot)) {
            let closed = file.images.into_iter().filter(Image::is_whole).map(|image| Kept { image, closed: true });
            names.kept.insert(file.spot, closed.collect());
            return;
        }
        if let ([image], Some(announced)) = (file.images.as_slice(), file.announced) {
            assert!(announced <= image.length(), "a file shorter than announced was acknowledged");
        }
        names.land(&file.spot, &file.images, landings);
    }

    /// A rename to a final name lands what may be under the first one; what was accepted before may keep its name.
    fn renamed(&mut self, seat: usize, from: &[u8], to: &[u8], landings: &mut Landings) {
        let names = &mut self.names[account_of(seat)];
        let (from, to) = (spot(from).expect("a name to rename"), spot(to).expect("a name to rename to"));
        assert!(names.known.contains(&from), "what was never sent was renamed");
        names.known.insert(to.clone());
        let Some(kept) = names.kept.remove(&from) else { return };
        if is_temporary(name_of(&to)) {
            names.kept.insert(to, kept);
        } else {
            let closed: Vec<Image> = kept.into_iter().filter(|kept| kept.closed).map(|kept| kept.image).collect();
            names.land(&to, &closed, landings);
        }
    }

    fn removed(&mut self, seat: usize, path: &[u8]) {
        let Some(spot) = spot(path) else { return };
        self.names[account_of(seat)].kept.remove(&spot);
        for open in self.handles[seat].values_mut() {
            if let Open::File(file) = open
                && file.spot == spot
            {
                file.sure = false;
            }
        }
    }

    /// Facts about a path: only of what is the account's own, with a size that it can have.
    fn told(&mut self, seat: usize, path: &[u8], reply: &Reply, around: &Circumstances) {
        let names = &self.names[account_of(seat)];
        let accepted = spot(path).and_then(|spot| names.accepted.get(&spot)).copied();
        let Reply::Facts(mode, size) = reply else {
            let hidden = spot(path).is_some_and(|spot| names.refused.contains(&spot));
            assert!(accepted.is_none() || hidden, "an accepted file is not found");
            return;
        };
        match resolve(path) {
            Ok(Spot::Folder(_)) => assert_eq!(mode & 0o170_000, 0o040_000),
            Ok(Spot::File { shelf: Shelf::Receipts, .. }) => {
                let Open::Receipt(bytes) = receipt(path, around) else { return };
                assert_eq!(usize::try_from(*size).expect("64 bits"), bytes.len());
            }
            _ => {
                let spot = spot(path).expect("facts of a name in a folder for uploads");
                let names = &self.names[account_of(seat)];
                let kept = names.kept.get(&spot).into_iter().flatten().map(|kept| &kept.image);
                let open = (0..4).filter(|other| account_of(*other) == account_of(seat)).flat_map(|seat| self.handles[seat].values());
                let open = open.filter_map(|open| if let Open::File(file) = open { Some(file) } else { None });
                let open = open.filter(|file| file.spot == spot).flat_map(|file| &file.images);
                let mut lengths = kept.chain(open).map(|image| image.bytes.len()).chain(accepted);
                let size = usize::try_from(*size).expect("64 bits");
                assert!(lengths.any(|length| length == size), "{spot} cannot have {size} bytes");
                self.told[seat].insert((spot, size));
            }
        }
    }

    fn shown(&mut self, seat: usize, name: &[u8], size: Option<u64>, around: &Circumstances) {
        let name = std::str::from_utf8(name).expect("names are text");
        let sent = self.names[account_of(seat)].known.iter().filter(|spot| name_of(spot) == name);
        let size = usize::try_from(size.unwrap_or_default()).expect("64 bits");
        let told: Vec<_> = sent.map(|spot| (spot.clone(), size)).collect();
        let receipt = around.receipts.iter().any(|(receipt, _)| receipt == name);
        assert!(!told.is_empty() || receipt || ["inbox", "receipts", "test"].contains(&name), "{name} is shown to somebody else");
        self.told[seat].extend(told);
    }
}

impl Names {
    fn land(&mut self, spot: &str, images: &[Image], landings: &mut Landings) {
        let (name, bytes) = landings.pop_front().expect("what is acknowledged was accepted by the gate");
        assert_eq!(name, spot);
        assert!(images.iter().any(|image| image.is_whole() && image.bytes == bytes), "{spot} landed with bytes that nobody sent like this");
        self.accepted.insert(spot.to_owned(), bytes.len());
        self.refused.remove(spot);
        self.kept.remove(spot);
    }
}

impl File {
    fn write(&mut self, offset: u64, data: &[u8], told: &BTreeSet<(String, usize)>) {
        let offset = usize::try_from(offset).expect("64 bits");
        self.known_only(told);
        if std::mem::take(&mut self.untouched) {
            self.images.retain(|image| image.settled == 0 || image.settled == offset);
        }
        self.images.retain(|image| image.settled <= offset);
        self.images.iter_mut().for_each(|image| image.write(offset, data));
    }

    /// Before the first write: earlier tries that the client does not know of are not gone on with.
    fn known_only(&mut self, told: &BTreeSet<(String, usize)>) {
        if self.untouched {
            self.images.retain(|image| image.settled == 0 || told.contains(&(self.spot.clone(), image.settled)));
        }
    }

    fn set(&mut self, about: Attributes) {
        let Some(size) = about.size else { return };
        self.announced = Some(size);
        let size = usize::try_from(size).expect("64 bits");
        if self.untouched {
            self.images.retain(|image| image.settled <= size);
        } else {
            self.images.iter_mut().for_each(|image| image.cut(size));
        }
    }
}

impl Image {
    fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        let length = self.bytes.len().max(end);
        self.bytes.resize(length, 0);
        self.written.resize(length, false);
        self.bytes[offset..end].copy_from_slice(data);
        self.written[offset..end].fill(true);
    }

    fn cut(&mut self, size: usize) {
        self.bytes.truncate(size);
        self.written.truncate(size);
    }

    fn is_whole(&self) -> bool {
        self.written.iter().all(|written| *written)
    }

    fn length(&self) -> u64 {
        u64::try_from(self.bytes.len()).expect("short")
    }
}

fn add<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// Folder and name of a path to upload to, as in `inbox/a.csv`.
fn spot(path: &[u8]) -> Option<String> {
    match resolve(path) {
        Ok(Spot::File { shelf: Shelf::Accepted(folder), name }) => {
            FileName::parse(&name).ok().map(|name| format!("{}/{name}", folder.as_str()))
        }
        _ => None,
    }
}

fn name_of(spot: &str) -> &str {
    spot.split_once('/').map_or(spot, |(_, name)| name)
}

/// The receipt at a path, which has to be one of the account's own.
fn receipt(path: &[u8], around: &Circumstances) -> Open {
    let Ok(Spot::File { shelf: Shelf::Receipts, name }) = resolve(path) else { panic!("something else than a receipt was opened") };
    let found = around.receipts.iter().find(|(receipt, _)| receipt.as_bytes() == name);
    Open::Receipt(found.expect("the account's own receipt").1.clone())
}
