//! Entries: everything that can be recorded, as one list of events.

use super::people::{Account, Disposal, Hold};
use crate::feed::{ClientSeen, Delivery, DeliveryId, Digest, ProviderCode, Report, Slot, SnapshotRef, Stage};
use jiff::Timestamp;

/// One fact to be recorded. Facts appended together are committed together.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The daemon started.
    Started {
        /// bedfeed's version.
        version: String,
        /// Fingerprint of the settings in force.
        settings: String,
    },
    /// The daemon stopped in good order.
    Stopped,
    /// The settings in force are not those of the last start.
    SettingsChanged {
        /// Fingerprint of the settings that this follows; `None` where none was ever recorded.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        from: Option<String>,
        /// Fingerprint of the settings in force.
        to: String,
        /// The files that differ.
        files: Vec<FileChange>,
    },
    /// A person wrote something into the trail: who changed the settings and why, for example.
    Noted {
        /// Who.
        by: String,
        /// What.
        note: String,
    },
    /// A feed is expected from this slot on.
    FeedExpected {
        /// Whose.
        provider: ProviderCode,
        /// The first slot.
        first_slot: Slot,
    },
    /// A delivery was acknowledged. It stands at [`Stage::Landed`].
    Accepted {
        /// What, from whom, when.
        #[serde(serialize_with = "Delivery::record")]
        delivery: Box<Delivery>,
    },
    /// A delivery moved to another stage.
    Moved {
        /// Which.
        delivery: DeliveryId,
        /// Where it stands now.
        stage: Stage,
        /// What the assessment concluded, where one was made.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        report: Option<Box<Report>>,
        /// Why, where the stage does not say it: the warehouse's error, for example.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        note: Option<String>,
    },
    /// A person did something to a delivery.
    Acted {
        /// Which.
        delivery: DeliveryId,
        /// What.
        act: Act,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// The system's account that asked, as the machine tells it; absent in old entries.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<Account>,
    },
    /// A person asked for a release that needs a second person.
    ReleaseRequested {
        /// Of which delivery.
        delivery: DeliveryId,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// The system's account that asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<Account>,
        /// When the request lapses.
        until: Timestamp,
    },
    /// A person was given the stored bytes of a delivery.
    ViewedRaw {
        /// Which.
        delivery: DeliveryId,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// The system's account that asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<Account>,
    },
    /// Somebody ordered that things are kept, whatever their age: a legal hold.
    HoldPlaced {
        /// What and why.
        hold: Box<Hold>,
    },
    /// A legal hold was lifted.
    HoldEnded {
        /// Its number.
        hold: u32,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// The system's account that asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<Account>,
    },
    /// Deliveries that this ledger does not know are about to be dropped from the warehouse: a person says that the ledger is right.
    Settled {
        /// Which.
        dropped: Vec<DeliveryId>,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// The system's account that asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<Account>,
    },
    /// Retention is about to delete things. They go after this is recorded, and again at the next start if a crash comes between.
    Disposing {
        /// What goes, and by which rule.
        disposal: Box<Disposal>,
        /// Of these, what an earlier disposal took already, and what came back since.
        #[serde(skip_serializing_if = "Vec::is_empty", default)]
        again: Vec<DeliveryId>,
    },
    /// A legal hold came before a disposal was done: what it covers and was still there stays after all.
    Spared {
        /// The disposal's number.
        disposal: u32,
        /// The deliveries whose things stay.
        ids: Vec<DeliveryId>,
        /// How much of what the disposal counted they are: files, or rows of tables.
        items: u64,
        /// Their bytes, where they are files.
        bytes: u64,
    },
    /// They are gone.
    Disposed {
        /// The disposal's number.
        disposal: u32,
    },
    /// Tables that are derived from the entries let go of what is older.
    Trimmed {
        /// Than this.
        before: Timestamp,
    },
    /// A snapshot is not its slot's current one: another one took its place, or was better from the start.
    Superseded {
        /// The delivery that leads it.
        delivery: DeliveryId,
        /// The delivery that leads the current one.
        by: DeliveryId,
    },
    /// Its sender fetched the receipt of a delivery, for the first time since it stands like this.
    ReceiptRead {
        /// Which.
        delivery: DeliveryId,
        /// What the receipt told: the stage's name.
        stage: String,
    },
    /// The chain's head is sent to where somebody who changes the ledger cannot reach.
    CheckpointSent {
        /// What tells it apart, for ever.
        key: String,
        /// The head's place.
        seq: u64,
        /// The head's hash.
        hash: Digest,
        /// What to send.
        alerts: Vec<AlertToSend>,
    },
    /// The state folder was made from a backup: what was recorded after it is not in this chain.
    Restored {
        /// When the backup was taken.
        taken_at: Timestamp,
        /// SHA-256 of the backup's list of files.
        backup: Digest,
    },
    /// A person asked for the originals of some slots to be read again, by the mapping of today.
    ReplayAsked {
        /// What tells it apart, for ever.
        key: String,
        /// Whose.
        provider: ProviderCode,
        /// The first slot.
        from: Slot,
        /// The last slot.
        to: Slot,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// The system's account that asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<Account>,
    },
    /// A loaded delivery was read again and says something else: it gets another version of its slot.
    Replayed {
        /// The replay's key.
        replay: String,
        /// The delivery that leads it.
        delivery: DeliveryId,
        /// Whose.
        provider: ProviderCode,
        /// What it becomes. Until that is loaded, the delivery stays what it is.
        snapshot: SnapshotRef,
        /// What was concluded.
        report: Box<Report>,
    },
    /// A loaded delivery was read again and is not accepted as it is now: it keeps the version that it has.
    ReplayKept {
        /// The replay's key.
        replay: String,
        /// The delivery that leads it.
        delivery: DeliveryId,
        /// Why, without a value from the file.
        why: String,
    },
    /// All was read again; what says something else is loaded or waits for the warehouse.
    ReplayEnded {
        /// The replay's key.
        key: String,
        /// Snapshots that say the same as before.
        unchanged: u64,
    },
    /// A problem of a feed began.
    EpisodeOpened {
        /// The episode's stable key.
        key: String,
        /// Whose feed.
        provider: ProviderCode,
        /// The episode as `alerts` describes it.
        episode: serde_json::Value,
        /// What to send about it.
        alerts: Vec<AlertToSend>,
    },
    /// It ended.
    EpisodeClosed {
        /// The episode's stable key.
        key: String,
        /// What to send about it.
        alerts: Vec<AlertToSend>,
    },
    /// A problem on our own side began.
    HouseEpisodeOpened {
        /// The episode's stable key.
        key: String,
        /// The episode as `alerts` describes it.
        episode: serde_json::Value,
        /// What to send about it.
        alerts: Vec<AlertToSend>,
    },
    /// It ended.
    HouseEpisodeClosed {
        /// The episode's stable key.
        key: String,
        /// What to send about it.
        alerts: Vec<AlertToSend>,
    },
    /// Somebody is told of something that is no episode of a feed, such as a key that ends soon.
    Warned {
        /// What tells it apart, for ever.
        key: String,
        /// Whose feed.
        provider: ProviderCode,
        /// What to send about it.
        alerts: Vec<AlertToSend>,
    },
    /// What goes on is told again.
    ToldAgain {
        /// The episode's stable key.
        key: String,
        /// What to send about it.
        alerts: Vec<AlertToSend>,
    },
    /// The feeds are being watched, and nothing else was recorded for a while: so a start can tell since when nobody watched.
    Watched,
    /// Nobody watched: bedfeed was not running.
    Away {
        /// When it last was.
        from: Timestamp,
        /// When it started again.
        until: Timestamp,
    },
    /// A provider's downtime was announced: no file is expected from it for a while.
    DowntimePlanned {
        /// Its number.
        id: u32,
        /// Whose feed.
        provider: ProviderCode,
        /// Its first instant.
        from: Timestamp,
        /// The first instant after it.
        until: Timestamp,
        /// Why.
        reason: String,
        /// Who says so.
        by: String,
        /// The system's account that asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<Account>,
    },
    /// It was ended before its time, or cancelled before it began.
    DowntimeEnded {
        /// Its number.
        id: u32,
        /// Whose feed.
        provider: ProviderCode,
        /// Why.
        reason: String,
        /// Who says so.
        by: String,
        /// The system's account that asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<Account>,
    },
    /// Support paused a feed from now on.
    FeedPaused {
        /// The pause's number, of one row with those of downtime.
        id: u32,
        /// Whose feed.
        provider: ProviderCode,
        /// Until when; `None`: until somebody resumes it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        until: Option<Timestamp>,
        /// Why.
        reason: String,
        /// Who says so.
        by: String,
        /// The system's account that asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<Account>,
    },
    /// Support resumed it.
    FeedResumed {
        /// The pause's number.
        id: u32,
        /// Whose feed.
        provider: ProviderCode,
        /// Why.
        reason: String,
        /// Who says so.
        by: String,
        /// The system's account that asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<Account>,
    },
    /// Somebody knows of an episode and sees to it.
    EpisodeAcknowledged {
        /// The episode's key.
        key: String,
        /// Whose feed; `None` for an episode of our own side.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        provider: Option<ProviderCode>,
        /// What is done about it, or why nothing.
        reason: String,
        /// Who says so.
        by: String,
        /// When it lapses; `None`: it holds until the episode ends.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        until: Option<Timestamp>,
        /// The system's account that asked.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<Account>,
    },
    /// A client logged in that was new, had changed, or was not noted for a day.
    ClientSeen {
        /// What it showed of itself.
        client: Box<ClientSeen>,
    },
    /// A channel took an alert.
    AlertDelivered {
        /// The alert's key.
        key: String,
        /// The channel's name.
        channel: String,
    },
    /// A channel did not take an alert.
    AlertFailed {
        /// The alert's key.
        key: String,
        /// The channel's name.
        channel: String,
        /// When it is tried next.
        next_at: Timestamp,
        /// Why it failed.
        error: String,
    },
    /// An alert that waited for quiet hours to end is not sent any more: what it tells of was over before.
    AlertDropped {
        /// The alert's key.
        key: String,
        /// The channel's name.
        channel: String,
    },
}

/// A file of the settings that was added, changed or taken away.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FileChange {
    /// Its path below the main file's folder.
    pub name: String,
    /// SHA-256 of what it held; `None` for a file that was added.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub was: Option<Digest>,
    /// SHA-256 of what it holds; `None` for a file that was taken away.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub is: Option<Digest>,
    /// When it was last written, as the file system says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub written_at: Option<Timestamp>,
    /// The number of the user who owns it, as the file system says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub owner: Option<u32>,
}

/// What a person can do to a quarantined delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Load it in spite of rules that allow that.
    Release,
    /// Judge it again, with the settings of today.
    Reprocess,
    /// Decide that it will never be loaded.
    Discard,
    /// Give it back to its sender, to be mended and sent again.
    HandBack,
}

impl Act {
    /// The word used on the command line and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Reprocess => "reprocess",
            Self::Discard => "discard",
            Self::HandBack => "hand-back",
        }
    }
}

/// One message for one channel.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct AlertToSend {
    /// Stable key: receivers can drop repeats by it.
    pub key: String,
    /// The channel's name.
    pub channel: String,
    /// The message as `alerts` describes it.
    pub message: serde_json::Value,
    /// When it may be sent at the earliest; `None`: at once.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_before: Option<Timestamp>,
}

impl AlertToSend {
    /// A message that may be sent at once.
    #[must_use]
    pub fn now(key: String, channel: String, message: serde_json::Value) -> Self {
        Self { key, channel, message, not_before: None }
    }
}

/// One recorded entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its place in the chain, from 1, without gaps.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What was recorded.
    pub event: Event,
}

impl Event {
    /// The delivery it is about, if any.
    #[must_use]
    pub fn delivery(&self) -> Option<DeliveryId> {
        match self {
            Self::Accepted { delivery } => Some(delivery.id),
            Self::Moved { delivery, .. }
            | Self::Acted { delivery, .. }
            | Self::Superseded { delivery, .. }
            | Self::ReceiptRead { delivery, .. }
            | Self::ReleaseRequested { delivery, .. }
            | Self::ViewedRaw { delivery, .. }
            | Self::Replayed { delivery, .. }
            | Self::ReplayKept { delivery, .. } => Some(*delivery),
            Self::Started { .. }
            | Self::Stopped
            | Self::SettingsChanged { .. }
            | Self::Noted { .. }
            | Self::CheckpointSent { .. }
            | Self::Restored { .. }
            | Self::FeedExpected { .. }
            | Self::HoldPlaced { .. }
            | Self::HoldEnded { .. }
            | Self::Settled { .. }
            | Self::Disposing { .. }
            | Self::Spared { .. }
            | Self::Disposed { .. }
            | Self::Trimmed { .. }
            | Self::ReplayAsked { .. }
            | Self::ReplayEnded { .. }
            | Self::EpisodeOpened { .. }
            | Self::EpisodeClosed { .. }
            | Self::HouseEpisodeOpened { .. }
            | Self::HouseEpisodeClosed { .. }
            | Self::Warned { .. }
            | Self::ToldAgain { .. }
            | Self::Watched
            | Self::Away { .. }
            | Self::DowntimePlanned { .. }
            | Self::DowntimeEnded { .. }
            | Self::FeedPaused { .. }
            | Self::FeedResumed { .. }
            | Self::EpisodeAcknowledged { .. }
            | Self::ClientSeen { .. }
            | Self::AlertDelivered { .. }
            | Self::AlertFailed { .. }
            | Self::AlertDropped { .. } => None,
        }
    }
}
