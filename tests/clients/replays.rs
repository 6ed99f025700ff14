//! Requests as WinSCP and SSH.NET send them, where the programs themselves do not run here: the same packets, in the same
//! order, as far ahead of the answers as the programs send them.

use crate::common::Ran;
use crate::desk::{Door, attributes, outcome, subsystem_command};
use crate::house::{Raw, string};
use crate::programs::{Act, subsystem_as};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// Bytes of one WRITE.
const BLOCK: usize = 32 * 1024;
/// Bits of OPEN's flags.
const READ: u32 = 0x1;
const WRITE_CREATE: u32 = 0xa;
const TRUNCATE: u32 = 0x10;
/// Bits of attributes.
const SIZE: u32 = 0x1;
const TIMES: u32 = 0x8;

/// What SSH.NET calls itself; bedfeed ends its session where older versions would wait for ever.
const SSH_NET: &str = "SSH-2.0-Renci.SshNet.SshClient.0.0.1";

/// What a replay says where bedfeed ended its session.
pub(crate) const SESSION_ENDED: &str = "its session was ended";

/// A conversation in which every answer is looked at.
struct Talk {
    raw: Raw,
    next: u32,
}

/// Why a client gave up, in the words it would show.
type Step<T> = Result<T, String>;

/// An open file.
struct Open {
    handle: Vec<u8>,
}

fn lost(error: io::Error) -> String {
    format!("the connection was lost: {error}")
}

impl Talk {
    fn begin(carrier: Command) -> Step<Self> {
        let mut talk = Self { raw: Raw::over(carrier), next: 0 };
        talk.raw.try_write(&[0, 0, 0, 5, 1, 0, 0, 0, 6]).map_err(lost)?;
        talk.raw.try_read().map_err(lost)?;
        Ok(talk)
    }

    /// Sends a request and does not wait.
    fn send(&mut self, kind: u8, parts: &[&[u8]]) -> Step<u32> {
        self.next += 1;
        self.raw.try_write(&Raw::packet(kind, self.next, parts)).map_err(lost)?;
        Ok(self.next)
    }

    /// The answer to a request; answers come in the order of the requests.
    fn answer(&mut self, id: u32) -> Step<Vec<u8>> {
        let reply = self.raw.try_read().map_err(lost)?;
        assert_eq!(reply[1..5], id.to_be_bytes(), "the answer's id");
        Ok(reply)
    }

    fn ask(&mut self, kind: u8, parts: &[&[u8]]) -> Step<Vec<u8>> {
        let id = self.send(kind, parts)?;
        self.answer(id)
    }

    /// A request that is answered with OK or a text.
    fn order(&mut self, kind: u8, parts: &[&[u8]]) -> Step<()> {
        let id = self.send(kind, parts)?;
        self.done(id)
    }

    fn done(&mut self, id: u32) -> Step<()> {
        let reply = self.answer(id)?;
        if reply[0] == 101 && reply[5..9] == [0; 4] { Ok(()) } else { Err(told(&reply)) }
    }

    fn real_path(&mut self, path: &str) -> Step<()> {
        let reply = self.ask(16, &[&string(path.as_bytes())])?;
        if reply[0] == 104 { Ok(()) } else { Err(told(&reply)) }
    }

    /// The size of a file, where it is there.
    fn lstat(&mut self, path: &str) -> Step<Option<u64>> {
        Ok(attributes(&self.ask(7, &[&string(path.as_bytes())])?).map(|facts| facts.bytes))
    }

    fn open(&mut self, path: &str, flags: u32, size: Option<u64>) -> Step<Open> {
        let attributes = match size {
            Some(size) => [SIZE.to_be_bytes().as_slice(), &size.to_be_bytes()].concat(),
            None => vec![0; 4],
        };
        let reply = self.ask(3, &[&string(path.as_bytes()), &flags.to_be_bytes(), &attributes])?;
        if reply[0] == 102 { Ok(Open { handle: reply[5..].to_vec() }) } else { Err(told(&reply)) }
    }

    /// Writes ahead of the answers, then reads them all.
    fn write(&mut self, upload: &Open, from: u64, bytes: &[u8]) -> Step<()> {
        let mut waiting = Vec::new();
        let mut offset = from;
        for block in bytes.chunks(BLOCK) {
            waiting.push(self.send(6, &[&upload.handle, &offset.to_be_bytes(), &string(block)])?);
            offset += u64::try_from(block.len()).unwrap();
        }
        waiting.into_iter().try_for_each(|id| self.done(id))
    }

    fn close(&mut self, upload: &Open) -> Step<()> {
        self.order(4, &[&upload.handle])
    }

    /// What becomes of a program that does not understand a refusal and waits for more: the end of its session, or nothing.
    fn wait_for_ever(&mut self, upload: &Open) -> &'static str {
        let Ok(last) = self.send(4, &[&upload.handle]) else { return SESSION_ENDED };
        loop {
            match self.raw.try_read() {
                Err(_) => return SESSION_ENDED,
                Ok(reply) if reply[1..5] == last.to_be_bytes() => return "it waits for ever",
                Ok(_) => {}
            }
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Step<()> {
        self.order(18, &[&string(from.as_bytes()), &string(to.as_bytes())])
    }

    fn remove(&mut self, path: &str) -> Step<()> {
        self.order(13, &[&string(path.as_bytes())])
    }

    fn set_time(&mut self, file: &str, path: &str) -> Step<u32> {
        let at = u32::try_from(fs::metadata(file).unwrap().mtime()).unwrap().to_be_bytes();
        self.send(9, &[&string(path.as_bytes()), &TIMES.to_be_bytes(), &at, &at])
    }

    fn list(&mut self, folder: &str) -> Step<String> {
        let reply = self.ask(11, &[&string(folder.as_bytes())])?;
        if reply[0] != 102 {
            return Err(told(&reply));
        }
        let handle = reply[5..].to_vec();
        let mut lines = String::new();
        loop {
            let reply = self.ask(12, &[&handle])?;
            if reply[0] != 104 {
                break;
            }
            // The lines as for `ls -l` stand between lengths and attributes: enough to find a name and a size in.
            writeln!(lines, "{}", String::from_utf8_lossy(&reply)).unwrap();
        }
        self.order(4, &[&handle])?;
        Ok(lines)
    }

    fn get(&mut self, from: &str, file: &str) -> Step<()> {
        let size = self.lstat(from)?.ok_or("no such file")?;
        let open = self.open(from, READ, None)?;
        let (mut bytes, block) = (Vec::new(), u64::try_from(BLOCK).unwrap());
        while u64::try_from(bytes.len()).unwrap() < size {
            let offset = u64::try_from(bytes.len()).unwrap();
            let reply = self.ask(5, &[&open.handle, &offset.to_be_bytes(), &u32::try_from(block).unwrap().to_be_bytes()])?;
            if reply[0] != 103 {
                return Err(told(&reply));
            }
            bytes.extend(&reply[9..]);
        }
        self.close(&open)?;
        fs::write(file, bytes).unwrap();
        Ok(())
    }
}

/// The text of a refusal.
fn told(reply: &[u8]) -> String {
    let text = reply.get(13..).unwrap_or_default();
    let text: String = String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).collect();
    format!("refused: {text}")
}

fn read(file: &str) -> Vec<u8> {
    fs::read(file).unwrap()
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap()
}

/// WinSCP after it connected: where am I, and what is here.
fn winscp(door: &Door) -> Step<Talk> {
    let mut talk = Talk::begin(subsystem_command(door))?;
    talk.real_path(".")?;
    talk.list("/")?;
    Ok(talk)
}

/// WinSCP with a file below its threshold for resuming: the size is announced in OPEN, and the time is set before the
/// answer to CLOSE is read.
pub(crate) fn winscp_small(door: &Door, act: Act) -> Option<Ran> {
    if matches!(act, Act::Resume { .. } | Act::PutIfChanged { .. } | Act::Compare { .. }) {
        return None;
    }
    Some(outcome(winscp(door).and_then(|mut talk| match act {
        Act::Put { file, to } | Act::PutAgain { file, to } | Act::PutWithTime { file, to } => {
            let bytes = read(file);
            let upload = talk.open(to, WRITE_CREATE | TRUNCATE, Some(length(&bytes)))?;
            talk.write(&upload, 0, &bytes)?;
            let closing = talk.send(4, &[&upload.handle])?;
            let setting = talk.set_time(file, to)?;
            let closed = talk.done(closing);
            let set = talk.done(setting);
            closed.and(set).map(|()| String::new())
        }
        Act::BreakOff { file, to } => {
            let bytes = read(file);
            let upload = talk.open(to, WRITE_CREATE | TRUNCATE, Some(length(&bytes)))?;
            talk.write(&upload, 0, &bytes[..bytes.len() / 2])?;
            drop(talk.close(&upload));
            drop(talk.remove(to));
            Err("broken off by its user".to_owned())
        }
        other => common_act(&mut talk, other),
    })))
}

/// WinSCP with larger files: under a temporary name, resumed where it is there, an old file removed first.
pub(crate) fn winscp_filepart(door: &Door, act: Act) -> Option<Ran> {
    if matches!(act, Act::PutIfChanged { .. } | Act::Compare { .. }) {
        return None;
    }
    Some(outcome(winscp(door).and_then(|mut talk| match act {
        Act::Put { file, to } | Act::PutAgain { file, to } | Act::PutWithTime { file, to } | Act::Resume { file, to } => {
            let (bytes, part) = (read(file), format!("{to}.filepart"));
            let replaces = talk.lstat(to)?.is_some();
            let there = talk.lstat(&part)?;
            let from = if matches!(act, Act::Resume { .. }) { there.ok_or("nothing to resume")? } else { 0 };
            let flags = if from > 0 { WRITE_CREATE } else { WRITE_CREATE | TRUNCATE };
            let upload = talk.open(&part, flags, None)?;
            talk.write(&upload, from, &bytes[usize::try_from(from).unwrap()..])?;
            talk.close(&upload)?;
            if replaces {
                talk.remove(to)?;
            }
            talk.rename(&part, to)?;
            let setting = talk.set_time(file, to)?;
            talk.done(setting).map(|()| String::new())
        }
        Act::BreakOff { file, to } => {
            let (bytes, part) = (read(file), format!("{to}.filepart"));
            let upload = talk.open(&part, WRITE_CREATE | TRUNCATE, None)?;
            talk.write(&upload, 0, &bytes[..bytes.len() / 2])?;
            talk.close(&upload)?;
            Err("broken off by its user".to_owned())
        }
        other => common_act(&mut talk, other),
    })))
}

/// SSH.NET's `UploadFile`: the path made real, OPEN with truncation, writes far ahead of the answers, CLOSE.
pub(crate) fn ssh_net(door: &Door, act: Act) -> Option<Ran> {
    if matches!(act, Act::Resume { .. } | Act::PutIfChanged { .. } | Act::Compare { .. }) {
        return None;
    }
    Some(outcome(Talk::begin(subsystem_as(door, SSH_NET)).and_then(|mut talk| {
        talk.real_path(".")?;
        match act {
            Act::Put { file, to } | Act::PutAgain { file, to } | Act::PutWithTime { file, to } => {
                talk.real_path(to)?;
                let upload = talk.open(to, WRITE_CREATE | TRUNCATE, None)?;
                talk.write(&upload, 0, &read(file)).map_err(|refused| format!("{refused}; {}", talk.wait_for_ever(&upload)))?;
                talk.close(&upload)?;
                if matches!(act, Act::PutWithTime { .. }) {
                    talk.lstat(to)?.ok_or("no such file")?;
                    let setting = talk.set_time(file, to)?;
                    talk.done(setting)?;
                }
                Ok(String::new())
            }
            Act::BreakOff { file, to } => {
                let bytes = read(file);
                let upload = talk.open(to, WRITE_CREATE | TRUNCATE, None)?;
                talk.write(&upload, 0, &bytes[..bytes.len() / 2])?;
                Err("broken off by its user".to_owned())
            }
            other => common_act(&mut talk, other),
        }
    })))
}

/// What the libraries do alike.
fn common_act(talk: &mut Talk, act: Act) -> Step<String> {
    match act {
        Act::PutAndRename { file, temporary, to } => {
            let upload = talk.open(temporary, WRITE_CREATE | TRUNCATE, None)?;
            talk.write(&upload, 0, &read(file))?;
            talk.close(&upload)?;
            talk.rename(temporary, to).map(|()| String::new())
        }
        Act::List { folder } => talk.list(folder),
        Act::Get { from, file } => talk.get(from, file).map(|()| String::new()),
        other => Err(format!("not offered: {other:?}")),
    }
}
