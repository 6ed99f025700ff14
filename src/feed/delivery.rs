//! Deliveries: one accepted upload, and what is known of who sent it.

use super::nhs_number::masked;
use super::{ProviderCode, printed};
use jiff::Timestamp;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// Longest file name a sender may use, in bytes: what common file systems and clients stop at.
pub const MAX_NAME_BYTES: usize = 255;

/// The mode of a stored original that the ledger does not have yet: the sticky bit, which means nothing to the system, says so.
/// It is taken off after the ledger's commit and before OK is told. So an original without it may have been acknowledged,
/// whatever a ledger that was put in place later knows of it.
pub const NOT_RECORDED: u32 = 0o1600;

/// A delivery's identity: a UUID version 7, so ids sort by time of arrival. Also the name of its stored object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(uuid::Uuid);

/// Why a text is not a delivery id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a delivery id looks like 0190a6c2-7a3b-7c4d-8e5f-0123456789ab")]
pub struct InvalidId;

impl DeliveryId {
    /// Makes the id of a delivery that arrived at `at`; `random` makes ids of one millisecond differ.
    #[must_use]
    pub fn new(at: Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(at.as_millisecond()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
    }

    /// The last twelve characters: enough to tell deliveries apart in a table.
    #[must_use]
    pub fn short(&self) -> String {
        let text = self.0.to_string();
        text.rsplit('-').next().unwrap_or_default().to_owned()
    }
}

impl FromStr for DeliveryId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        uuid::Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

/// A SHA-256 hash, shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Hashes bytes that are all in memory.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads 64 hexadecimal digits of either case.
impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "a SHA-256 is 64 hexadecimal digits".to_owned();
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut bytes = [0_u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The name a sender gave a file. Shown to people and matched against patterns; never a path on our disk.
///
/// A name may hold an NHS number. What shows it (`Display`, `Debug`, `Serialize`) masks ten digits that pass for one; what
/// needs the true name, to match it, to record it or to tell its own sender, asks for it by [`FileName::as_str`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileName(String);

/// Why a name is refused. The text is what the sender is told.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidName {
    /// Nothing was given, or `.` or `..`.
    #[error("a file needs a name")]
    Empty,
    /// More bytes than [`MAX_NAME_BYTES`].
    #[error("the file name is longer than {MAX_NAME_BYTES} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("the file name is not UTF-8")]
    NotUtf8,
    /// A slash, a backslash or a control character.
    #[error("the file name has a slash, a backslash or a control character")]
    BadCharacter,
}

impl FileName {
    /// Reads one name as sent: no folders in it.
    ///
    /// # Errors
    /// Names the first thing that is wrong, in words for the sender.
    pub fn parse(raw: &[u8]) -> Result<Self, InvalidName> {
        if raw.len() > MAX_NAME_BYTES {
            return Err(InvalidName::TooLong);
        }
        let text = std::str::from_utf8(raw).map_err(|_| InvalidName::NotUtf8)?;
        if text.is_empty() || text == "." || text == ".." {
            return Err(InvalidName::Empty);
        }
        // Bidirectional overrides would let a name show as another one on a page.
        let deceiving = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if text.chars().any(|c| c == '/' || c == '\\' || c.is_control() || deceiving(c)) {
            return Err(InvalidName::BadCharacter);
        }
        Ok(Self(text.to_owned()))
    }

    /// The true name, as sent: for matching, for the ledger, and for its own sender. Everybody else sees what `Display` shows.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as people other than its sender may see it: ten digits that pass for an NHS number are stars, and characters that
    /// cannot be seen are written by their numbers.
    #[must_use]
    pub fn shown(&self) -> String {
        printed(&masked(&self.0)).into_owned()
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.shown())
    }
}

impl fmt::Debug for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.shown(), f)
    }
}

impl serde::Serialize for FileName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for FileName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::parse(text.as_bytes()).map_err(serde::de::Error::custom)
    }
}

/// Which of a provider's folders a file was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Folder {
    /// `inbox/`, or the top folder: for real.
    Inbox,
    /// `test/`: the same checks and receipts, nothing loaded.
    Test,
}

impl Folder {
    /// The folder's name as a sender sees it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Test => "test",
        }
    }
}

/// Who sent a delivery and how: what support asks first.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sender {
    /// The address the connection came from.
    pub address: SocketAddr,
    /// The client's own identification, as in `SSH-2.0-OpenSSH_9.2p1`, cut to 255 characters, as [`printed`] writes it.
    pub software: String,
    /// Fingerprint of the key that logged in, as in `SHA256:…`.
    pub key: String,
    /// The owner of that key in the provider's settings.
    pub key_owner: String,
    /// When the connection was accepted.
    pub connected_at: Timestamp,
    /// A number for the connection, the same in every log line about it.
    pub connection: u64,
}

/// One accepted upload: bytes, name, who, when and hash. Immutable.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Delivery {
    /// Its identity, and the name of the stored object.
    pub id: DeliveryId,
    /// The provider whose account sent it.
    pub provider: ProviderCode,
    /// The folder it was put in.
    pub folder: Folder,
    /// The name the sender gave it.
    pub name: FileName,
    /// Its exact length in bytes.
    pub bytes: u64,
    /// The hash of those bytes.
    pub sha256: Digest,
    /// When the upload was opened.
    pub opened_at: Timestamp,
    /// When it was complete: just before it was made durable and acknowledged.
    pub received_at: Timestamp,
    /// The modification time the client set, if any: recorded, never trusted.
    pub modified_at: Option<Timestamp>,
    /// Who sent it.
    pub sender: Sender,
}

impl Delivery {
    /// Serialises a delivery as the ledger keeps it: with its true name, which must match again. Everywhere else a delivery's
    /// JSON has the name as it is shown.
    ///
    /// # Errors
    /// The serializer's.
    pub fn record<S: serde::Serializer>(delivery: &Self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::Serialize as _;
        let mut value = serde_json::to_value(delivery).map_err(serde::ser::Error::custom)?;
        if let Some(object) = value.as_object_mut() {
            object.insert("name".to_owned(), delivery.name.as_str().into());
        }
        value.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_path_or_a_control_character_is_refused() {
        let long = "x".repeat(4000);
        let rows: [(&[u8], Result<(), InvalidName>); 9] = [
            (b"RM1_BEDSTATE_20181203_1015.csv", Ok(())),
            (b"JPUH beds 03-12-2018 1015.csv", Ok(())),
            (b"../escape.csv", Err(InvalidName::BadCharacter)),
            (b"..\\escape.csv", Err(InvalidName::BadCharacter)),
            (b"..", Err(InvalidName::Empty)),
            (b"a\nb", Err(InvalidName::BadCharacter)),
            (b"\xff\xfe", Err(InvalidName::NotUtf8)),
            (b"", Err(InvalidName::Empty)),
            (long.as_bytes(), Err(InvalidName::TooLong)),
        ];
        for (raw, expected) in rows {
            assert_eq!(FileName::parse(raw).map(|_| ()), expected, "{:?}", String::from_utf8_lossy(raw));
        }
    }

    #[test]
    fn a_number_in_a_name_is_recorded_and_never_shown() {
        let name = FileName::parse(b"beds_9434765919.csv").unwrap();
        assert_eq!(format!("{name} {name:?} {}", serde_json::to_string(&name).unwrap()).matches("943").count(), 0);
        let delivery = Delivery { name, ..crate::feed::testing::delivery(1) };
        let recorded = Delivery::record(&delivery, serde_json::value::Serializer).unwrap();
        assert_eq!(recorded["name"], "beds_9434765919.csv");
        assert_eq!(serde_json::from_value::<Delivery>(recorded).unwrap(), delivery);
        assert!(!format!("{delivery:?} {}", serde_json::to_string(&delivery).unwrap()).contains("943"));
    }

    #[test]
    fn what_cannot_be_seen_in_a_name_is_shown_by_its_number() {
        let name = FileName::parse("beds\u{200b}_\u{200f}943\u{2060}476\u{2060}5919.csv".as_bytes()).unwrap();
        let shown = "beds\\u{200B}_\\u{200F}***\\u{2060}***\\u{2060}****.csv";
        assert_eq!(name.to_string(), shown);
        assert_eq!(serde_json::to_value(&name).unwrap(), shown);
        assert!(!format!("{name:?}").chars().any(crate::feed::is_hidden));
    }

    #[test]
    fn ids_sort_by_arrival_and_read_back() {
        let early = DeliveryId::new("2018-12-03T10:15:00Z".parse().unwrap(), [9; 10]);
        let late = DeliveryId::new("2018-12-03T10:15:01Z".parse().unwrap(), [0; 10]);
        assert!(early < late);
        assert_eq!(early.to_string().parse::<DeliveryId>().unwrap(), early);
        assert!("../etc".parse::<DeliveryId>().is_err());
    }

    #[test]
    fn a_hash_reads_back() {
        let digest = Digest::of(b"abc");
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest.to_string().to_uppercase().parse::<Digest>().unwrap(), digest);
        assert!("zz".parse::<Digest>().is_err());
    }
}
