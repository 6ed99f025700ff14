//! Faults: the durable steps, at each of which a test can end the process or make the step fail.
//!
//! Owns the list of steps. Whatever bedfeed promises about a crash is a promise about these: a step that is not here is
//! not swept by `tests/faults/main.rs`. Not in the list, because nothing that is promised rests on them:
//!
//! - what is removed and not remembered: an upload that was broken off, the draft of a sealed copy or of a host key, the control
//!   socket, a file in a backup that has no name yet. A kill there is one before or after the step beside it;
//! - modes of files: each start sets them again; what must be nobody else's is made so;
//! - SQLite's write-ahead logs being folded in, where nothing was deleted: the next start does it;
//! - objects of a lake, which may be on another machine: its own tests stop it at each (`src/forward/lake/tests.rs`);
//! - files that a person asks a command for (`audit export`, `audit checkpoint`, `quarantine show`, `sample`, the demo's folder): the
//!   command says whether it ended, and is asked again.
//!
//! Refuses to do anything in a build without debug assertions, which a release is: there
//! [`around`] is its work alone, and neither the names nor the variable that switches them on are in the binary.

use std::fmt;
use std::io;

#[cfg(debug_assertions)]
mod armed;
#[cfg(debug_assertions)]
pub use armed::{Hook, watch};

macro_rules! steps {
    ($($(#[doc = $doc:literal])+ $step:ident = $name:literal,)+) => {
        /// A step whose effect outlasts the process.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Step {
            $($(#[doc = $doc])+ $step,)+
        }

        #[cfg(debug_assertions)]
        impl Step {
            /// Every step: first in the order in which a delivery meets them, up to `StopRecord`; then those of what is done once, each
            /// day or by hand.
            pub const ALL: &[Self] = &[$(Self::$step),+];

            /// The name that the variable knows it by.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$step => $name,)+
                }
            }
        }
    };
}

steps! {
    /// `Started` is recorded.
    StartRecord = "start_record",
    /// Sites, wards and code lists are put into the warehouse.
    WarehouseReference = "warehouse_reference",
    /// An upload that the last run left is removed at the start.
    UploadClear = "upload_clear",
    /// The first slot of a feed is recorded.
    ExpectRecord = "expect_record",
    /// What a client showed of itself is recorded.
    ClientRecord = "client_record",
    /// Bytes are written into a staged upload.
    UploadWrite = "upload_write",
    /// A staged upload is brought to stable storage.
    UploadSync = "upload_sync",
    /// It gets its place among the originals.
    UploadRename = "upload_rename",
    /// The folders of that rename are brought to stable storage.
    UploadFolders = "upload_folders",
    /// `Accepted` is recorded; then CLOSE is answered.
    AcceptRecord = "accept_record",
    /// An original that was never recorded is removed.
    OriginalForget = "original_forget",
    /// Any commit of the ledger.
    LedgerCommit = "ledger_commit",
    /// A stage, or what a person did, is recorded.
    StageRecord = "stage_record",
    /// The picture of a test is kept.
    PictureKeep = "picture_keep",
    /// A snapshot's transaction is committed.
    WarehouseCommit = "warehouse_commit",
    /// Facts for the control tables are committed.
    WarehousePublish = "warehouse_publish",
    /// A folder in quarantine is made, and its name brought to stable storage.
    QuarantineFolder = "quarantine_folder",
    /// An original, or its sealed copy, is moved.
    OriginalMove = "original_move",
    /// The folders of that move are brought to stable storage.
    OriginalFolders = "original_folders",
    /// The findings are written beside an original.
    FindingsWrite = "findings_write",
    /// The sealed copy is written.
    SealCopy = "seal_copy",
    /// The bytes of what was sealed are overwritten and removed.
    SealWipe = "seal_wipe",
    /// A sealed copy is removed.
    SealRemove = "seal_remove",
    /// A folder in quarantine is removed after its original went back.
    QuarantineClear = "quarantine_clear",
    /// An episode and its messages are recorded.
    EpisodeRecord = "episode_record",
    /// A warning and its messages are recorded.
    WarningRecord = "warning_record",
    /// A message is handed to its channel.
    AlertSend = "alert_send",
    /// What a channel answered is recorded.
    AlertRecord = "alert_record",
    /// `Stopped` is recorded.
    StopRecord = "stop_record",
    /// The ledger's tables are made, or brought up to date.
    LedgerPrepare = "ledger_prepare",
    /// The warehouse's tables and views are made, or brought up to date.
    WarehousePrepare = "warehouse_prepare",
    /// A host key is written, under no name yet.
    HostKeyWrite = "host_key_write",
    /// It gets its name.
    HostKeyRename = "host_key_rename",
    /// The folders of that name are brought to stable storage.
    HostKeyFolders = "host_key_folders",
    /// That a receipt was fetched is recorded.
    ReceiptRecord = "receipt_record",
    /// The day's head of the chain and its messages are recorded.
    CheckpointRecord = "checkpoint_record",
    /// `Disposing` is recorded: what retention is about to delete.
    DisposalRecord = "disposal_record",
    /// An accepted original is deleted.
    DisposalOriginal = "disposal_original",
    /// What was kept beside one that was set aside is deleted, and its folder.
    DisposalAside = "disposal_aside",
    /// The picture of a test is deleted.
    DisposalPicture = "disposal_picture",
    /// The folders of what was deleted are brought to stable storage.
    DisposalFolders = "disposal_folders",
    /// The deletion of old rows in the warehouse is committed.
    DisposalCommit = "disposal_commit",
    /// The warehouse's write-ahead log, which still has the rows, is emptied.
    DisposalLog = "disposal_log",
    /// `Disposed` is recorded.
    DisposedRecord = "disposed_record",
    /// `Trimmed` is recorded: derived tables let go of what is old.
    TrimRecord = "trim_record",
    /// What an earlier backup left unfinished is removed.
    BackupClear = "backup_clear",
    /// The folder of a backup is made, under a name that says that it is unfinished.
    BackupFolder = "backup_folder",
    /// A book is copied into a backup.
    BackupBook = "backup_book",
    /// A file is copied into a backup, and brought to stable storage.
    BackupCopy = "backup_copy",
    /// A file is shared with the backup before.
    BackupShare = "backup_share",
    /// The list of hashes is written.
    BackupList = "backup_list",
    /// The folders of a backup are brought to stable storage.
    BackupFolders = "backup_folders",
    /// A backup gets its name, for good.
    BackupRename = "backup_rename",
    /// A backup that is old loses its name, for good.
    BackupRetire = "backup_retire",
    /// And is removed.
    BackupRemove = "backup_remove",
    /// The mark is set that a restore has begun.
    RestoreMark = "restore_mark",
    /// A file is copied into the state folder, and brought to stable storage.
    RestoreCopy = "restore_copy",
    /// The folders of what was copied are brought to stable storage.
    RestoreFolders = "restore_folders",
    /// `Restored` is recorded.
    RestoreRecord = "restore_record",
    /// The mark is taken away: the restore has ended.
    RestoreEnd = "restore_end",
}

/// On which side of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of it was done.
    Before,
    /// All of it was done, and nobody knows yet.
    After,
}

/// A step that was made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injected(Step, Moment);

impl fmt::Display for Injected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a fault was injected ({:?} {:?})", self.1, self.0)
    }
}

impl std::error::Error for Injected {}

impl From<Injected> for io::Error {
    fn from(fault: Injected) -> Self {
        Self::other(fault)
    }
}

impl From<Injected> for String {
    fn from(fault: Injected) -> Self {
        fault.to_string()
    }
}

/// Does a durable step.
///
/// # Errors
/// What the work returns, or the fault that a test asked for. After [`Moment::After`] the work was done in spite of it.
pub fn around<T, E: From<Injected>>(step: Step, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    pass(step, Moment::Before)?;
    let done = work()?;
    pass(step, Moment::After)?;
    Ok(done)
}

/// The same for a step that others do meanwhile.
///
/// # Errors
/// As [`around`].
pub async fn during<T, E: From<Injected>>(step: Step, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    pass(step, Moment::Before)?;
    let done = work.await?;
    pass(step, Moment::After)?;
    Ok(done)
}

#[cfg(debug_assertions)]
fn pass(step: Step, moment: Moment) -> Result<(), Injected> {
    armed::pass(step, moment)
}

#[cfg(not(debug_assertions))]
#[expect(clippy::unnecessary_wraps, reason = "so that both builds read the same")]
fn pass(_: Step, _: Moment) -> Result<(), Injected> {
    Ok(())
}
