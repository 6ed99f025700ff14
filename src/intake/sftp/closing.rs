//! How connections end: one closed list of reasons for logs, metrics and `bedfeed status`. Pure.
//!
//! Owns the reasons and how the library's errors are sorted into them. Refuses to count and to log.

use super::connection::ConnectionError;
use super::penalties::Offence;
use russh::Error;
use std::io::ErrorKind;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The client was done and left.
    Left,
    /// The client left without having tried to log in: port checks, scanners, `ssh-keyscan`.
    NoLogin,
    /// The client left, or was sent away, after its logins were refused.
    LoginRefused,
    /// The client did not log in in time (`login_grace`).
    LoginGrace,
    /// The client had not logged in when all places for such connections were taken, and a newer one got its place.
    CrowdedOut,
    /// The client logged in and then did nothing for too long (`idle_timeout`).
    Idle,
    /// The login is no longer allowed: its account, key or certificate was taken out, has expired or was revoked.
    AccountClosed,
    /// The account has as many connections as it may, and a newer one needed the place (`max_connections_per_account`).
    Replaced,
    /// The client and bedfeed have no algorithm in common.
    NoCommonAlgorithm,
    /// What the client sent is not SSH as the standards have it.
    SshProtocol,
    /// What the client sent on its SFTP channel is not SFTP.
    SftpProtocol,
    /// The client did not read its replies.
    NotReading,
    /// The client offered too many keys.
    TooManyKeys,
    /// The client tried too many passwords.
    TooManyPasswords,
    /// The line broke, or the client vanished, with a session open.
    Cut,
    /// bedfeed was stopped.
    Stopped,
}

impl Closing {
    /// Every reason, in the order counters use.
    pub const ALL: [Self; 16] = [
        Self::Left,
        Self::NoLogin,
        Self::LoginRefused,
        Self::LoginGrace,
        Self::CrowdedOut,
        Self::Idle,
        Self::AccountClosed,
        Self::Replaced,
        Self::NoCommonAlgorithm,
        Self::SshProtocol,
        Self::SftpProtocol,
        Self::NotReading,
        Self::TooManyKeys,
        Self::TooManyPasswords,
        Self::Cut,
        Self::Stopped,
    ];

    /// The word used in metrics, logs and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::NoLogin => "no_login",
            Self::LoginRefused => "login_refused",
            Self::LoginGrace => "login_grace",
            Self::CrowdedOut => "crowded_out",
            Self::Idle => "idle",
            Self::AccountClosed => "account_closed",
            Self::Replaced => "replaced",
            Self::NoCommonAlgorithm => "no_common_algorithm",
            Self::SshProtocol => "ssh_protocol_error",
            Self::SftpProtocol => "sftp_protocol_error",
            Self::NotReading => "not_reading",
            Self::TooManyKeys => "too_many_keys",
            Self::TooManyPasswords => "too_many_passwords",
            Self::Cut => "cut",
            Self::Stopped => "stopped",
        }
    }

    /// What the client is told, where we end the connection and can still say why.
    pub(super) fn goodbye(self) -> &'static str {
        match self {
            Self::LoginGrace => "login took too long",
            Self::CrowdedOut => "too many connections do not log in: connect again",
            Self::Idle => "the session was idle for too long",
            Self::SftpProtocol => "what came was not SFTP: connect again",
            Self::Replaced => "this account has too many connections: its oldest one ends",
            Self::Stopped => "bedfeed is being restarted: connect again in a minute",
            _ => "the connection is ended",
        }
    }

    /// What it counts against the address where nobody had logged in. A refused login was counted when it was refused.
    pub(super) fn offence(self) -> Option<Offence> {
        match self {
            // A client that is too old is no attack: its job tries again each quarter of an hour.
            Self::NoLogin | Self::CrowdedOut | Self::NoCommonAlgorithm | Self::Cut => Some(Offence::NoLogin),
            Self::LoginGrace => Some(Offence::Overstayed),
            Self::SshProtocol => Some(Offence::Garbage),
            Self::Left
            | Self::LoginRefused
            | Self::Idle
            | Self::AccountClosed
            | Self::Replaced
            | Self::SftpProtocol
            | Self::NotReading
            | Self::TooManyKeys
            | Self::TooManyPasswords
            | Self::Stopped => None,
        }
    }

    /// Whether an operator should see it at once: it is a fault or an attempt, not everyday life.
    pub(super) fn is_remarkable(self) -> bool {
        !matches!(self, Self::Left | Self::NoLogin | Self::Stopped)
    }
}

/// What is known of a connection when it is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    /// It had logged in.
    pub(super) logged_in: bool,
    /// A login of it was refused.
    pub(super) refused: bool,
    /// A channel of it was still open.
    pub(super) in_session: bool,
    /// What was wrong before the end came, such as an SFTP packet that could not be read.
    pub(super) fault: Option<Closing>,
}

/// Sorts an end that we did not bring about ourselves.
pub(super) fn closing(ended: &Result<(), ConnectionError>, facts: Facts) -> Closing {
    if let Some(fault) = facts.fault {
        return fault;
    }
    let gone = match (facts.logged_in, facts.refused) {
        (true, _) => Closing::Left,
        (false, true) => Closing::LoginRefused,
        (false, false) => Closing::NoLogin,
    };
    match ended {
        Ok(()) => gone,
        Err(ConnectionError::TooManyOffers) => Closing::TooManyKeys,
        Err(ConnectionError::TooManyPasswords) => Closing::TooManyPasswords,
        Err(ConnectionError::NotReading) => Closing::NotReading,
        Err(ConnectionError::Ssh(error)) => match error {
            Error::NoCommonAlgo { .. } => Closing::NoCommonAlgorithm,
            Error::InactivityTimeout | Error::Elapsed(_) if facts.logged_in => Closing::Idle,
            Error::InactivityTimeout | Error::Elapsed(_) => Closing::LoginGrace,
            // Many clients close the connection without the parting message.
            Error::Disconnect | Error::HUP | Error::KeepaliveTimeout if !facts.in_session => gone,
            Error::IO(error) if error.kind() == ErrorKind::InvalidData => Closing::SshProtocol,
            Error::IO(_) if !facts.in_session => gone,
            Error::Disconnect | Error::HUP | Error::KeepaliveTimeout | Error::IO(_) | Error::SendError => Closing::Cut,
            _ => Closing::SshProtocol,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_end_is_sorted_by_what_was_known_of_the_connection() {
        let io = |kind: ErrorKind| Err(ConnectionError::Ssh(Error::IO(kind.into())));
        let ssh = |error| Err(ConnectionError::Ssh(error));
        let rows = [
            ("a tidy end", Ok(()), (true, false, false), Closing::Left),
            ("a port check", Ok(()), (false, false, false), Closing::NoLogin),
            ("a wrong key", Ok(()), (false, true, false), Closing::LoginRefused),
            ("closed without a word", io(ErrorKind::UnexpectedEof), (true, false, false), Closing::Left),
            ("closed in the middle", io(ErrorKind::UnexpectedEof), (true, false, true), Closing::Cut),
            ("reset in the middle", io(ErrorKind::ConnectionReset), (true, true, true), Closing::Cut),
            ("reset before login", io(ErrorKind::ConnectionReset), (false, false, false), Closing::NoLogin),
            ("silent for too long", ssh(Error::InactivityTimeout), (true, false, true), Closing::Idle),
            ("silent before login", ssh(Error::InactivityTimeout), (false, false, false), Closing::LoginGrace),
            ("no identification", ssh(Error::Version), (false, false, false), Closing::SshProtocol),
            ("a damaged packet", ssh(Error::PacketAuth), (true, false, true), Closing::SshProtocol),
            ("an impossible length", ssh(Error::PacketSize(1 << 30)), (false, false, false), Closing::SshProtocol),
            ("many keys", Err(ConnectionError::TooManyOffers), (false, true, false), Closing::TooManyKeys),
            ("a client that never reads", Err(ConnectionError::NotReading), (true, false, true), Closing::NotReading),
        ];
        for (what, ended, (logged_in, refused, in_session), expected) in rows {
            let facts = Facts { logged_in, refused, in_session, fault: None };
            assert_eq!(closing(&ended, facts), expected, "{what}");
            let facts = Facts { fault: Some(Closing::SftpProtocol), ..facts };
            assert_eq!(closing(&ended, facts), Closing::SftpProtocol, "{what}, after a fault");
        }
    }

    #[test]
    fn every_reason_has_a_word_of_its_own() {
        let words: BTreeSet<&str> = Closing::ALL.iter().map(|closing| closing.as_str()).collect();
        assert_eq!(words.len(), Closing::ALL.len());
    }
}
