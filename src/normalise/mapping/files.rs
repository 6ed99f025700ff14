//! Files: what is sent, under which names, and how it is packed.
//!
//! Owns what a mapping says of files as wholes. Refuses what stands in them: that is the tables'.

/// One of the files that make a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePart {
    /// Its name within the mapping, such as `beds`.
    pub part: String,
    /// The names it may have.
    pub name: NamePattern,
    /// What it is.
    pub role: PartRole,
    /// How it is packed.
    pub compression: Compression,
    /// The part that a signature is for; `None` for every other role.
    pub signs: Option<String>,
    /// Keys that a control record must have, beside those that every one must; empty for every other role.
    pub always: Vec<String>,
}

/// How a file of rows is packed. Archives with members (zip) are said by the tables that name a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    Plain,
    /// One gzip stream, or several one after the other.
    Gzip,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartRole {
    /// Holds rows; tables name it.
    Data,
    /// A checksum file: `HASH  NAME` as `sha256sum` writes, or the hash alone.
    Sha256,
    /// A control record: `key=value` lines.
    Control,
    /// A detached OpenSSH signature, as `ssh-keygen -Y sign` writes.
    Signature,
}

/// A file name with named parts, such as `{org}_BEDSTATE_{yyyy}{mm}{dd}_{HH}{MM}.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    /// As written in the settings; shown to senders.
    pub text: String,
    /// In order.
    pub pieces: Vec<NamePiece>,
}

/// One piece of a name pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamePiece {
    /// Exactly this text, letter case ignored.
    Literal(String),
    /// `{org}`: three to six letters or digits; must be the account's provider (TRN-02).
    Org,
    /// `{yyyy}`: four digits.
    Year,
    /// `{mm}`: two digits.
    Month,
    /// `{dd}`: two digits.
    Day,
    /// `{HH}`: two digits, 00 to 24.
    Hour,
    /// `{MM}`: two digits.
    Minute,
    /// `{SS}`: two digits.
    Second,
    /// `{seq}`: one to seven digits.
    Sequence,
}

/// Where a table's row counts are announced inside an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The member that lists the others.
    pub member: String,
    /// Its column of member names.
    pub name_column: String,
    /// Its column of row counts (header excluded).
    pub rows_column: String,
}
