//! What is known of a client that logged in: the evidence for rotating host keys and for dropping old algorithms.

use super::ProviderCode;
use jiff::{SignedDuration, Timestamp};

/// How long an unchanged sighting stands before it is noted again.
const FRESH_FOR: SignedDuration = SignedDuration::from_hours(24);

/// One client at one login: which key it used, which host key it accepted, and what it negotiated.
///
/// The host key is proved by the login: a client signs its login over a key exchange that the host key has signed, and goes
/// on only where it accepts that key. (Whether it compared the key with a pinned one, only its owner knows.)
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClientSeen {
    /// Whose account.
    pub provider: ProviderCode,
    /// The fingerprint of the key it logged in with, `SHA256:…`.
    pub key: String,
    /// Whose key that is.
    pub key_owner: String,
    /// What the client says it is, such as `SSH-2.0-OpenSSH_9.2p1`.
    pub software: String,
    /// Algorithm and fingerprint of the host key it accepted, such as `ssh-ed25519 SHA256:…`.
    pub host_key: String,
    /// What was negotiated.
    pub negotiated: Negotiated,
    /// Whether it would have found nothing without `compatibility`.
    pub needs_compatibility: bool,
    /// When.
    pub at: Timestamp,
}

/// The algorithms of one connection, by their names in the SSH standards.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Negotiated {
    /// Key exchange.
    pub kex: String,
    /// The host key's signature.
    pub host_key: String,
    /// The cipher from the client to us.
    pub cipher: String,
    /// The message authentication from the client to us; empty where the cipher brings its own.
    pub mac: String,
    /// Whether strict key exchange is on, which defeats prefix truncation (CVE-2023-48795).
    pub strict: bool,
}

impl Negotiated {
    /// What stands in a log where it could not be heard.
    #[must_use]
    pub fn unknown() -> Self {
        let none = String::new;
        Self { kex: none(), host_key: none(), cipher: none(), mac: none(), strict: false }
    }

    /// Whether the key exchange withstands a quantum computer.
    #[must_use]
    pub fn is_post_quantum(&self) -> bool {
        self.kex.starts_with("mlkem")
    }
}

impl ClientSeen {
    /// Whether this is the same client as `other`: the same key, program and host key.
    #[must_use]
    pub fn is_same_client(&self, other: &Self) -> bool {
        self.provider == other.provider && self.key == other.key && self.software == other.software && self.host_key == other.host_key
    }

    /// What an operator should know before taking an algorithm away, in words; empty for a client that has everything.
    #[must_use]
    pub fn notes(&self) -> Vec<&'static str> {
        let notes = [
            (self.needs_compatibility, "needs compatibility"),
            (!self.negotiated.is_post_quantum(), "not post-quantum"),
            (!self.negotiated.strict, "no strict key exchange"),
        ];
        notes.into_iter().filter_map(|(holds, words)| holds.then_some(words)).collect()
    }

    /// The program without the protocol's version before it, as people name it.
    #[must_use]
    pub fn program(&self) -> &str {
        self.software.strip_prefix("SSH-2.0-").unwrap_or(&self.software)
    }

    /// Whether it is worth recording beside what is recorded of this provider already: something is new, or the newest
    /// record is a day old. At most `most` records of one day are kept, so that a client that calls itself something else
    /// at each login cannot fill the ledger.
    #[must_use]
    pub fn is_news(&self, recorded: &[Self], most: usize) -> bool {
        let fresh = |other: &&Self| self.at.duration_since(other.at) < FRESH_FOR;
        let says_the_same = |other: &Self| {
            self.is_same_client(other)
                && self.key_owner == other.key_owner
                && self.negotiated == other.negotiated
                && self.needs_compatibility == other.needs_compatibility
        };
        let of_this_day: Vec<&Self> = recorded.iter().filter(fresh).collect();
        of_this_day.len() < most && !of_this_day.iter().any(|other| says_the_same(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at: &str) -> ClientSeen {
        ClientSeen {
            provider: "RM1".parse().unwrap(),
            key: "SHA256:key".to_owned(),
            key_owner: "night job".to_owned(),
            software: "SSH-2.0-OpenSSH_9.2".to_owned(),
            host_key: "ssh-ed25519 SHA256:old".to_owned(),
            negotiated: Negotiated {
                kex: "curve25519-sha256".to_owned(),
                host_key: "ssh-ed25519".to_owned(),
                cipher: "aes128-gcm@openssh.com".to_owned(),
                mac: String::new(),
                strict: true,
            },
            needs_compatibility: false,
            at: at.parse().unwrap(),
        }
    }

    #[test]
    fn a_sighting_is_news_when_it_is_new_changed_or_a_day_old() {
        let first = seen("2018-12-03T10:00:00Z");
        let next = seen("2018-12-03T10:15:00Z");
        assert!(next.is_news(&[], 8));
        assert!(!next.is_news(std::slice::from_ref(&first), 8));
        assert!(seen("2018-12-04T10:00:00Z").is_news(std::slice::from_ref(&first), 8), "a day later");
        let changes: [fn(&mut ClientSeen); 5] = [
            |it| it.key = "SHA256:other".to_owned(),
            |it| it.software = "SSH-2.0-WinSCP".to_owned(),
            |it| it.host_key = "ssh-ed25519 SHA256:new".to_owned(),
            |it| it.negotiated.kex = "ecdh-sha2-nistp256".to_owned(),
            |it| it.needs_compatibility = true,
        ];
        for change in changes {
            let mut changed = next.clone();
            change(&mut changed);
            assert!(changed.is_news(std::slice::from_ref(&first), 8), "{changed:?}");
        }
    }

    #[test]
    fn p9_a_client_that_changes_its_name_all_the_time_is_bounded() {
        let mut recorded = Vec::new();
        for number in 0..100 {
            let mut it = seen("2018-12-03T10:00:00Z");
            it.software = format!("SSH-2.0-{number}");
            if it.is_news(&recorded, 8) {
                recorded.push(it);
            }
        }
        assert_eq!(recorded.len(), 8);
    }
}
