//! A round: who sends what, how each file should end, and the sending itself.

use super::folder::{KEYS, SILENT};
use crate::cli::Failure;
use crate::feed::nhs_number::masked;
use crate::feed::{ProviderCode, Rule, Slot, Stage, Totals};
use crate::ledger::{DeliveryRow, Filter, Reader};
use crate::simulator::{Fault, HostKey, Layout, Options, Uploader, World, extract, load_key};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// How a file should end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Loaded as this version of its slot.
    Loaded(u32),
    /// Set aside by this rule.
    Quarantined(Rule),
    /// Sealed by this rule.
    Sealed(Rule),
    /// A repetition.
    Duplicate,
    /// Judged only.
    Tested,
}

/// One upload of one provider: the files of one snapshot, on one connection.
#[derive(Clone, Debug)]
pub(super) struct Upload {
    pub(super) provider: ProviderCode,
    pub(super) what: &'static str,
    pub(super) folder: &'static str,
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) end: End,
}

/// All uploads of a round, in order, and what should be true after it.
#[derive(Clone, Debug)]
pub(super) struct Round {
    pub(super) uploads: Vec<Upload>,
    /// What the warehouse should say of each provider that sent.
    pub(super) truth: Vec<(ProviderCode, Slot, Totals)>,
    /// Who stays silent.
    pub(super) silent: Option<ProviderCode>,
}

impl Round {
    /// The first round: most files good, and one of each thing that goes wrong.
    pub(super) fn plan(before: &World, current: Slot) -> Result<Self, Failure> {
        let earlier = current.previous();
        let mut now = before.clone();
        now.advance();
        let mut later = now.clone();
        later.advance();
        let good = Options::default();
        let fault = |fault| Options { fault: Some(fault), ..Options::default() };
        let (rm1, rgp, rcx, rmy, ry3) = (Layout::Rm1, Layout::Rgp, Layout::Rcx, Layout::Rmy, Layout::Ry3);
        let uploads = vec![
            upload(before, rm1, earlier, "the beds of a quarter of an hour ago", "inbox", &good, End::Loaded(1))?,
            upload(&now, rgp, current, "a trial run in test/", "test", &good, End::Tested)?,
            upload(&now, rgp, current, "beds and waiting patients, two files", "inbox", &good, End::Loaded(1))?,
            upload(&now, rcx, current, "a good file", "inbox", &good, End::Loaded(1))?,
            upload(before, rmy, earlier, "a good file with its control file", "inbox", &good, End::Loaded(1))?,
            upload(&now, ry3, current, "a good archive", "inbox", &good, End::Loaded(1))?,
            upload(&now, rm1, current, "a file damaged on the way", "inbox", &fault(Fault::WrongChecksum), End::Quarantined(Rule::Trn04))?,
            upload(&now, rmy, current, "a file with NHS numbers in it", "inbox", &fault(Fault::NhsNumbers), End::Sealed(Rule::Igv02))?,
            named_after_a_person(upload(&now, rm1, current, "a file named like an NHS number", "inbox", &good, End::Sealed(Rule::Igv02))?),
            upload(&now, rcx, current, "the same file once more", "inbox", &good, End::Duplicate)?,
            upload(&now, ry3, current, "newer figures for the same slot", "inbox", &fault(Fault::OtherContent), End::Loaded(2))?,
        ];
        let told = [(rm1, earlier, before), (rgp, current, &now), (rcx, current, &now), (rmy, earlier, before), (ry3, current, &later)];
        let truth = told.into_iter().map(|(layout, slot, world)| truth(world, layout, slot)).collect::<Result<_, _>>()?;
        Ok(Self { uploads, truth, silent: Some(code(SILENT)?) })
    }

    /// An ordinary quarter of an hour: everybody sends a good file.
    pub(super) fn ordinary(world: &World, slot: Slot) -> Result<Self, Failure> {
        let good = Options::default();
        let one = |layout| upload(world, layout, slot, "a good file", "inbox", &good, End::Loaded(1));
        Ok(Self { uploads: Layout::ALL.into_iter().map(one).collect::<Result<_, _>>()?, truth: Vec::new(), silent: None })
    }

    /// Whether every delivery of the round has ended and the silent provider was told of.
    pub(super) fn has_ended(&self, reader: &Reader) -> Result<bool, Failure> {
        let rows = deliveries(reader)?;
        let files: usize = self.uploads.iter().map(|upload| upload.files.len()).sum();
        let pending = rows.iter().any(|row| matches!(row.stage, Stage::Landed | Stage::Waiting { .. } | Stage::Ready { .. }));
        let told = match &self.silent {
            Some(provider) => !reader.open_episodes(provider)?.is_empty() && reader.undelivered_alerts(1)?.is_empty(),
            None => true,
        };
        Ok(rows.len() >= files && !pending && told)
    }
}

/// All deliveries so far, oldest first.
pub(super) fn deliveries(reader: &Reader) -> Result<Vec<DeliveryRow>, Failure> {
    let mut rows = reader.deliveries(&Filter::default())?;
    rows.reverse();
    Ok(rows)
}

/// Sends everything in order, each provider with its own key over its own connection; gives what failed.
pub(super) async fn upload_all(uploads: Vec<Upload>, address: SocketAddr, dir: PathBuf, said: mpsc::Sender<String>) -> Vec<String> {
    let mut failed = Vec::new();
    for upload in uploads {
        let files = upload.files.iter().map(|(name, _)| masked(name)).collect::<Vec<_>>().join(", ");
        let line = match send(&upload, address, &dir).await {
            Ok(()) => format!("   sent  {:<4} {} ({files})", upload.provider, upload.what),
            Err(error) => {
                let text = crate::feed::error_chain(&error);
                failed.push(format!("{} {}: {text}", upload.provider, upload.what));
                format!(" FAILED  {:<4} {}: {text}", upload.provider, upload.what)
            }
        };
        // Nobody listens any more only when the demo is ending.
        if said.send(line).await.is_err() {
            break;
        }
    }
    failed
}

async fn send(upload: &Upload, address: SocketAddr, dir: &Path) -> Result<(), crate::simulator::UploadError> {
    let key = load_key(&dir.join(KEYS).join(upload.provider.as_str()))?;
    let client = Uploader::connect(address, upload.provider.as_str(), key, &HostKey::AnyOnLoopback).await?;
    for (name, bytes) in &upload.files {
        client.put(upload.folder, name, bytes).await?;
    }
    client.close().await
}

fn upload(
    world: &World,
    layout: Layout,
    slot: Slot,
    what: &'static str,
    folder: &'static str,
    options: &Options,
    end: End,
) -> Result<Upload, Failure> {
    let provider = code(layout)?;
    let files = extract(world, &provider, slot.start(), options).map_err(Failure::broken)?;
    Ok(Upload { provider, what, folder, files: files.into_iter().map(|file| (file.name, file.bytes)).collect(), end })
}

/// The same with one file only, whose name is a number that is never issued.
fn named_after_a_person(mut upload: Upload) -> Upload {
    upload.files.truncate(1);
    upload.files.iter_mut().for_each(|(name, _)| *name = "beds 999 000 0018.csv".to_owned());
    upload
}

fn truth(world: &World, layout: Layout, slot: Slot) -> Result<(ProviderCode, Slot, Totals), Failure> {
    let provider = code(layout)?;
    let totals = world.truth(&provider).ok_or_else(|| Failure::Failed(format!("{provider} is not in the simulated world")))?;
    Ok((provider, slot, totals))
}

fn code(layout: Layout) -> Result<ProviderCode, Failure> {
    layout.code().parse().map_err(Failure::broken)
}
