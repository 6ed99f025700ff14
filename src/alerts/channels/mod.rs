//! Channels: where alerts go, and one attempt to deliver one message. The only part of this room that does I/O.
//!
//! Owns what a channel is called and how each kind is spoken to. Refuses to retry or to remember: the outbox does. Delivery is at
//! least once; every kind gives its receiver something stable to fold repeats by.

mod alertmanager;
mod email;
mod http;
mod log;
mod webhook;

pub use alertmanager::Alertmanager;
pub use email::{Email, MailTls, To, is_mail_address};
pub use http::{Address, is_web_address};
pub use webhook::{Form, Webhook};

pub(super) use alertmanager::{Firing, RESEND, RESOLVED_FOR, send_all};
pub(super) use http::ping;

use super::{AlertMessage, Settings};
use crate::feed::ProviderCode;
use crate::secret::SecretError;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Channel {
    /// The daemon's own log.
    Log,
    /// An HTTP endpoint.
    Webhook(Webhook),
    /// A mail server, and who gets mails by it.
    Email(Email),
    /// A Prometheus Alertmanager.
    Alertmanager(Alertmanager),
}

/// What one attempt sends.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The message.
    pub message: AlertMessage,
    /// The first one that this channel was sent of the same episode, where that matters to it.
    pub first: Option<AlertMessage>,
    /// The time.
    pub at: Timestamp,
}

/// Why a message was not delivered. No text holds an address of the web or a password: such addresses are often secrets.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The message could not be written in the channel's form.
    #[error("cannot write alert {key} for {channel}")]
    Encode {
        /// The message's key.
        key: String,
        /// The channel.
        channel: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its address, password or certificates could not be read.
    #[error("cannot read what {channel} needs")]
    Secret {
        /// The channel.
        channel: String,
        /// Why.
        #[source]
        source: SecretError,
    },
    /// What its file holds is no web address.
    #[error("what is kept as the address of {channel} does not start with https:// or http://")]
    Address {
        /// The channel.
        channel: String,
    },
    /// The receiver was not reached, or did not answer in time: it may be another time.
    #[error("cannot post alert {key} to {channel}")]
    Away {
        /// The message's key.
        key: String,
        /// The channel.
        channel: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The receiver answered that it cannot take it just now.
    #[error("{channel} answered {answer} to alert {key}")]
    Busy {
        /// The message's key.
        key: String,
        /// The channel.
        channel: String,
        /// The status of HTTP or SMTP.
        answer: String,
    },
    /// The receiver answered that it does not take it, and is not likely to. A redirect is one of these: to follow it would carry the
    /// alert to an address that nobody agreed to.
    #[error("{channel} refuses alert {key} with {answer}: its address, its form or our rights there are wrong, and waiting will not help")]
    Refused {
        /// The message's key.
        key: String,
        /// The channel.
        channel: String,
        /// The status of HTTP or SMTP.
        answer: String,
    },
}

/// Delivers one message through one channel. Blocks for 10 s at most, with a mail server for 10 s at each step of its protocol.
///
/// # Errors
/// Says why the channel did not take the message; another attempt may succeed.
pub fn send(channel: &Channel, outgoing: &Outgoing) -> Result<(), SendError> {
    let message = &outgoing.message;
    match channel {
        Channel::Log => {
            log::log(message);
            Ok(())
        }
        Channel::Webhook(webhook) => webhook::post(webhook, message),
        Channel::Email(email) => email::mail(email, message),
        Channel::Alertmanager(manager) => {
            let first = outgoing.first.as_ref().unwrap_or(message);
            send_all(manager, &[Firing { first: first.clone(), newest: message.clone() }], outgoing.at)
        }
    }
}

impl Channel {
    /// The channels that the settings ask for; the log first, always. `contacts`: the providers' own addresses for mail; each e-mail
    /// channel that a route tells contacts by stands a second time, for these.
    #[must_use]
    pub fn all(settings: &Settings, contacts: &BTreeMap<ProviderCode, String>) -> Vec<Self> {
        let told_by = |name: &str| settings.routes.iter().any(|route| route.contact_by.as_deref() == Some(name));
        let to_contacts = settings.channels.iter().filter_map(|channel| match channel {
            Self::Email(email) if told_by(&email.name) => Some(Self::Email(Email { to: To::Contacts(contacts.clone()), ..email.clone() })),
            _ => None,
        });
        std::iter::once(Self::Log).chain(settings.channels.iter().cloned()).chain(to_contacts).collect()
    }

    /// The name that settings have for it.
    #[must_use]
    pub fn setting(&self) -> &str {
        match self {
            Self::Log => "log",
            Self::Webhook(webhook) => &webhook.name,
            Self::Email(email) => &email.name,
            Self::Alertmanager(manager) => &manager.name,
        }
    }

    /// The name under which the outbox keeps a channel's messages: `log`, or its kind and its own name, as in `webhook:desk`.
    #[must_use]
    pub fn name(&self) -> String {
        let kind = match self {
            Self::Log => return "log".to_owned(),
            Self::Webhook(_) => "webhook",
            Self::Email(Email { to: To::These(_), .. }) => "email",
            Self::Email(Email { to: To::Contacts(_), .. }) => "contact",
            Self::Alertmanager(_) => "alertmanager",
        };
        format!("{kind}:{}", self.setting())
    }

    /// Whether it tells providers' own contacts.
    #[must_use]
    pub fn tells_contacts(&self) -> bool {
        matches!(self, Self::Email(Email { to: To::Contacts(_), .. }))
    }

    /// Whether it is told of states and not of changes, so that it must be told again and again.
    #[must_use]
    pub fn keeps_states(&self) -> bool {
        matches!(self, Self::Alertmanager(_))
    }
}

/// What people are shown in pairs of words, beside the text.
fn facts(message: &AlertMessage) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Since", message.since_local.clone())];
    facts.extend(message.slots.map(|slots| ("Slots affected", slots.to_string())));
    facts.push(("Reference", message.key.clone()));
    facts
}

#[cfg(test)]
pub(super) mod testing;

#[cfg(test)]
mod tests {
    use super::testing::webhook;
    use super::*;

    #[test]
    fn the_log_is_always_a_channel() {
        let names = |settings: &Settings| Channel::all(settings, &BTreeMap::new()).iter().map(Channel::name).collect::<Vec<_>>();
        assert_eq!(names(&Settings::default()), ["log"]);
        let channels = vec![Channel::Webhook(webhook("teams", "https://example.org/hook"))];
        assert_eq!(names(&Settings { channels, ..Settings::default() }), ["log", "webhook:teams"]);
    }
}
