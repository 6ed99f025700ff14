//! What the warehouse is given: a snapshot to load, control facts from the ledger, and reference rows.
//!
//! Plain values, filled by the caller; the same for every kind of warehouse.

use crate::bedstate::{Site, Ward};
use crate::feed::{Delivery, DeliveryId, Digest, Findings, ProviderCode, ProviderKind, Report, Slot, SnapshotRef, Stage};
use crate::verify::Verified;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

/// One snapshot to load, with all that is recorded beside it.
#[derive(Clone, Debug)]
pub struct Load {
    /// The checked snapshot (P3).
    pub verified: Verified,
    /// Which version of which slot it becomes.
    pub reference: SnapshotRef,
    /// Whether its deliveries are in the warehouse already, with an older version, and were read again.
    pub replay: bool,
    /// Every delivery that it was made from; the lead among them.
    pub files: Vec<FileFact>,
    /// What the checks concluded. Its findings are kept with the lead.
    pub report: Report,
}

/// A snapshot's identity in the warehouse: the delivery that leads it; where that was read again, with the version it got.
pub(super) fn snapshot_id(reference: SnapshotRef, replay: bool) -> String {
    if replay { format!("{}/{}", reference.lead, reference.version) } else { reference.lead.to_string() }
}

/// What became of a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadOutcome {
    /// It was in the warehouse before; nothing was changed.
    AlreadyLoaded,
    /// Another snapshot of its slot has its version's number; nothing was changed. The ledger beside the warehouse is an older one than
    /// the one by which that was loaded.
    NumberTaken {
        /// The highest number that the slot has.
        newest: u32,
    },
    /// It is in the warehouse now.
    Loaded {
        /// Whether it is its slot's current version; otherwise a better one was there.
        current: bool,
        /// The wards it names that the reference data does not know: site and ward code.
        unknown_wards: Vec<(String, String)>,
    },
}

/// Facts about deliveries, feeds and slots for the control tables. Publishing the same fact again changes nothing.
///
/// Facts are taken as the latest: publish them in the order in which they came true.
#[derive(Clone, Debug, Default)]
pub struct Control {
    /// What is expected of feeds.
    pub feeds: Vec<FeedFact>,
    /// Deliveries, whatever became of them.
    pub files: Vec<FileFact>,
    /// How slots were filled.
    pub slots: Vec<SlotFact>,
}

/// One delivery, as support sees it in the warehouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFact {
    /// Its identity.
    pub id: DeliveryId,
    /// Whose.
    pub provider: ProviderCode,
    /// The name the sender gave it.
    pub name: String,
    /// The hash of its bytes.
    pub sha256: Digest,
    /// Its length.
    pub bytes: u64,
    /// The owner of the key that sent it.
    pub key_owner: String,
    /// When it was complete.
    pub received_at: Timestamp,
    /// Its stage's name, as in the ledger: `loaded`, `quarantined`, `duplicate` and so on.
    pub state: String,
    /// The mapping's version, once known.
    pub mapping: Option<String>,
    /// The snapshot it became part of.
    pub snapshot: Option<DeliveryId>,
    /// Rows read and rejected, once judged.
    pub rows: Option<(u64, u64)>,
    /// What the rules found; `None` leaves what is recorded as it is.
    pub findings: Option<Findings>,
}

/// Figures that are old enough for retention to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldFigures {
    /// The delivery that leads the snapshot; for findings alone, the delivery.
    pub lead: DeliveryId,
    /// Whose.
    pub provider: ProviderCode,
    /// The slot's start; for findings alone, when the delivery arrived.
    pub about: Timestamp,
    /// Whether these are the newest figures of their provider, which pages and views show as "now".
    pub shown: bool,
}

impl Control {
    /// The same facts in the same order, so many deliveries or slots at a time: recorded all at once, those of a long outage would take
    /// longer than anybody waits for an answer, again and again.
    pub(super) fn pieces(self, most: usize) -> Vec<Self> {
        let Self { feeds, files, slots } = self;
        let mut pieces = vec![Self { feeds, ..Self::default() }];
        pieces.extend(files.chunks(most).map(|files| Self { files: files.to_vec(), ..Self::default() }));
        pieces.extend(slots.chunks(most).map(|slots| Self { slots: slots.to_vec(), ..Self::default() }));
        pieces
    }
}

impl FileFact {
    /// A delivery in a stage, with what its assessment concluded.
    #[must_use]
    pub fn new(delivery: &Delivery, stage: &Stage, report: Option<&Report>) -> Self {
        Self {
            id: delivery.id,
            provider: delivery.provider.clone(),
            name: delivery.name.to_string(),
            sha256: delivery.sha256,
            bytes: delivery.bytes,
            key_owner: delivery.sender.key_owner.clone(),
            received_at: delivery.received_at,
            state: stage.as_str().to_owned(),
            mapping: report.and_then(|report| report.mapping.clone()),
            snapshot: stage.snapshot().map(|snapshot| snapshot.lead),
            rows: report.map(|report| (report.rows.read, report.rows.rejected)),
            findings: report.map(|report| report.findings.clone()),
        }
    }
}

/// What is expected of one feed. Publishing it registers the provider: it counts in "n of m providers" from then on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedFact {
    /// Whose.
    pub provider: ProviderCode,
    /// The provider's name.
    pub name: String,
    /// What sort of service it runs.
    pub kind: ProviderKind,
    /// The first slot expected.
    pub first_slot: Option<Slot>,
    /// How long after a slot's start its file is due.
    pub due_after: SignedDuration,
    /// Age of the newest snapshot above which its figures are labelled stale.
    pub stale_after: SignedDuration,
    /// Age above which its figures are no longer shown.
    pub no_data_after: SignedDuration,
}

/// How one slot of one feed was filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotFact {
    /// Whose.
    pub provider: ProviderCode,
    /// Which quarter of an hour.
    pub slot: Slot,
    /// How it was filled, as the schedule names it: expected, on_time, late, missed, rejected, superseded, planned or
    /// paused. The table takes no other word.
    pub state: &'static str,
}

/// All reference data in force. Rows of the warehouse that are not among these are kept for history and no longer used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceRows {
    /// The providers that are expected to send.
    pub providers: Vec<ProviderRow>,
    /// Sites.
    pub sites: Vec<Site>,
    /// Wards.
    pub wards: Vec<Ward>,
    /// Ward types: code and meaning.
    pub ward_types: Vec<(String, String)>,
    /// Ward classifications.
    pub ward_classes: Vec<(String, String)>,
    /// Bed groups.
    pub bed_groups: Vec<(String, String)>,
    /// Mapping versions.
    pub mappings: Vec<MappingRow>,
    /// Sharing agreements.
    pub agreements: Vec<AgreementRow>,
}

impl ReferenceRows {
    /// Every provider that the rows name beside those expected. Reference data may name some whose feed is not set up yet: known,
    /// not expected.
    pub(super) fn mentioned(&self) -> impl Iterator<Item = &ProviderCode> {
        let places = self.sites.iter().map(|row| &row.provider).chain(self.wards.iter().map(|row| &row.provider));
        places.chain(self.mappings.iter().map(|row| &row.provider)).chain(self.agreements.iter().map(|row| &row.provider))
    }
}

/// A provider that is expected to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRow {
    /// Its code.
    pub provider: ProviderCode,
    /// Its name.
    pub name: String,
    /// What sort of service it runs.
    pub kind: ProviderKind,
}

/// A version of a provider's mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingRow {
    /// Whose.
    pub provider: ProviderCode,
    /// Its version.
    pub version: String,
    /// The hash of its text.
    pub hash: Digest,
    /// Who wrote it.
    pub author: String,
    /// First local day.
    pub valid_from: Date,
    /// First local day it no longer is; `None`: open-ended.
    pub valid_to: Option<Date>,
}

/// A sharing agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementRow {
    /// With whom.
    pub provider: ProviderCode,
    /// Its reference.
    pub reference: String,
    /// First day.
    pub starts: Date,
    /// Last day; `None`: open-ended.
    pub ends: Option<Date>,
}
