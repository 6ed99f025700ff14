//! Uploads by hand: what an SFTP session does with a file, without the session. For simulated histories and the simulated
//! year, which move time themselves.
//!
//! Owns nothing: staging, syncing and renaming are landing's. Refuses to answer: that is for whoever calls the gate.

use super::Landed;
use super::landing::{Label, LandingError, Upload};
use crate::feed::{DeliveryId, FileName, Folder, ProviderCode, Sender};
use jiff::Timestamp;
use std::path::Path;

/// Bytes that arrive in one packet.
const PACKET: usize = 512;

/// A file that somebody sends.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The id it is to get, which no other has: it must be of this instant.
    pub id: DeliveryId,
    /// Whose account.
    pub provider: ProviderCode,
    /// Into which folder.
    pub folder: Folder,
    /// Under which name.
    pub name: FileName,
    /// The bytes that come.
    pub bytes: Vec<u8>,
    /// Whether the connection ends before CLOSE.
    pub cut: bool,
}

/// Takes a file in as an SFTP session does; `None` where the connection ended before CLOSE. Blocks.
///
/// # Errors
/// What the sender is told.
pub fn land(state_dir: &Path, now: Timestamp, limit: u64, sent: Sent) -> Result<Option<Landed>, String> {
    stage(state_dir, now, limit, sent).map_err(|error| error.told())
}

fn stage(state_dir: &Path, now: Timestamp, limit: u64, sent: Sent) -> Result<Option<Landed>, LandingError> {
    let mut upload = Upload::begin_as(sent.id, state_dir, now, limit)?;
    let mut offset = 0;
    for packet in sent.bytes.chunks(PACKET) {
        upload.write(offset, packet)?;
        offset = upload.length();
    }
    if sent.cut {
        return Ok(None);
    }
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 22));
    let (software, key, key_owner) = ("SSH-2.0-by_hand".to_owned(), "SHA256:none".to_owned(), "by hand".to_owned());
    let sender = Sender { address, software, key, key_owner, connected_at: now, connection: 1 };
    let Sent { provider, folder, name, .. } = sent;
    upload.finish(state_dir, Label { provider, folder, name, received_at: now, modified_at: None, sender }).map(Some)
}
