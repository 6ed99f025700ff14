//! Faults: the durable steps, at each of which a test can end the process or make the step fail.
//!
//! Owns the list of steps. Whatever bedfeed promises about a crash is a promise about these: a step that is not here is
//! not swept by `tests/faults.rs`. Refuses to do anything in a build without debug assertions, which a release is: there
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
            /// Every step, in the order in which a delivery meets them.
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
