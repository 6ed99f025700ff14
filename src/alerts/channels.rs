//! Channels: one attempt to deliver one message. The only part of this room that does I/O.
//!
//! Owns how a message is put into the log or posted to a webhook. Refuses to retry or to remember: the outbox does.
//! Delivery is at least once; `Idempotency-Key` lets a receiver fold what comes twice.

use super::{AlertKind, AlertMessage, Channel, Webhook};
use std::time::Duration;

/// How long one attempt may take in all, names looked up included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Largest response head that is read. The body of a response is never read.
const MAX_RESPONSE_HEAD_BYTES: usize = 16 * 1024;

/// Why a message was not delivered. No text holds the webhook's address: such addresses are often secrets.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The message could not be written as JSON.
    #[error("cannot write alert {key} as JSON")]
    Encode {
        /// The message's key.
        key: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The receiver was not reached, or did not answer in time.
    #[error("cannot post alert {key} to webhook {webhook}")]
    Post {
        /// The message's key.
        key: String,
        /// The webhook's name.
        webhook: String,
        /// Why.
        #[source]
        source: Box<ureq::Error>,
    },
    /// The receiver answered something other than 2xx. A redirect is not followed: it would carry the alert to an address
    /// that nobody agreed to.
    #[error("webhook {webhook} answered {status} to alert {key}")]
    Refused {
        /// The message's key.
        key: String,
        /// The webhook's name.
        webhook: String,
        /// The HTTP status.
        status: u16,
    },
}

/// Delivers one message through one channel. Blocks for 10 s at most.
///
/// # Errors
/// Says why the channel did not take the message; another attempt may succeed.
pub fn send(channel: &Channel, message: &AlertMessage) -> Result<(), SendError> {
    match channel {
        Channel::Log => {
            log(message);
            Ok(())
        }
        Channel::Webhook(webhook) => post(webhook, message),
    }
}

fn log(message: &AlertMessage) {
    let provider = message.provider.as_ref().map_or("", |provider| provider.as_str());
    let (problem, key) = (message.problem.as_str(), message.key.as_str());
    match message.kind {
        AlertKind::Begin | AlertKind::Reminder | AlertKind::Escalation => {
            tracing::warn!(provider, problem, key, "{}. {}", message.title, message.text)
        }
        AlertKind::End => tracing::info!(provider, problem, key, "{}. {}", message.title, message.text),
    }
}

fn post(webhook: &Webhook, message: &AlertMessage) -> Result<(), SendError> {
    let key = || message.key.clone();
    let body = message.to_json().map_err(|source| SendError::Encode { key: key(), source })?;
    let failed = |source| SendError::Post { key: key(), webhook: webhook.name.clone(), source: Box::new(source) };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(MAX_RESPONSE_HEAD_BYTES)
        .user_agent(concat!("bedfeed/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let request = agent.post(&webhook.url).content_type("application/json").header("Idempotency-Key", &message.key);
    let status = request.send(body.as_str()).map_err(failed)?.status();
    if status.is_success() {
        return Ok(());
    }
    Err(SendError::Refused { key: key(), webhook: webhook.name.clone(), status: status.as_u16() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::{About, Change, Episode, Evidence, Problem};
    use jiff::tz::TimeZone;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};
    use std::thread::JoinHandle;

    fn message() -> AlertMessage {
        let episode = Episode {
            provider: "RM1".parse().unwrap(),
            problem: Problem::Late,
            since_slot: "2018-12-03T10:15Z".parse().unwrap(),
            opened_at: "2018-12-03T10:20:00Z".parse().unwrap(),
            again: 0,
        };
        let evidence = Evidence::default();
        let about = About {
            provider_name: "Norfolk and Norwich",
            last_good: None,
            never_sent: true,
            evidence,
            contact: "",
            zone: &TimeZone::UTC,
            silence: None,
        };
        AlertMessage::of(&Change::Opened(episode), &about)
    }

    /// Answers one request with `response` and gives back what was asked.
    fn server(response: &'static str) -> (Channel, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook?token=secret", listener.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = Vec::new();
            let mut chunk = [0_u8; 4096];
            loop {
                let count = stream.read(&mut chunk).unwrap();
                bytes.extend_from_slice(&chunk[..count]);
                let text = String::from_utf8_lossy(&bytes).to_string();
                let complete = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length =
                        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
                    length.is_some_and(|length| length.trim().parse() == Ok(body.len()))
                });
                if complete || count == 0 {
                    stream.write_all(response.as_bytes()).unwrap();
                    return text;
                }
            }
        });
        (Channel::Webhook(Webhook { name: "desk".into(), url }), asked)
    }

    #[test]
    fn a_webhook_gets_the_json_and_the_key_to_fold_by() {
        let (channel, asked) = server("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        send(&channel, &message()).unwrap();
        let asked = asked.join().unwrap();
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("post /hook?token=secret http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nidempotency-key: rm1/late/2018-12-03t10:15z/begin"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/json"), "{head}");
        assert_eq!(serde_json::from_str::<AlertMessage>(body).unwrap(), message());
    }

    #[test]
    fn anything_but_2xx_is_a_refusal_and_a_redirect_is_not_followed() {
        let rows = [
            ("HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 500),
            ("HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 404),
            ("HTTP/1.1 302 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 302),
        ];
        for (response, expected) in rows {
            let (channel, asked) = server(response);
            let error = send(&channel, &message()).unwrap_err();
            asked.join().unwrap();
            assert!(matches!(&error, SendError::Refused { status, .. } if *status == expected), "{error:?}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_receiver_that_is_away_is_an_error_without_its_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook?token=secret", listener.local_addr().unwrap());
        drop(listener);
        let error = send(&Channel::Webhook(Webhook { name: "desk".into(), url }), &message()).unwrap_err();
        assert_eq!(error.to_string(), "cannot post alert RM1/late/2018-12-03T10:15Z/begin to webhook desk");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    /// A log that a test can read.
    #[derive(Clone, Default)]
    struct Shown(Arc<Mutex<Vec<u8>>>);

    impl Write for Shown {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_log_warns_of_a_beginning_and_informs_of_an_end_with_fields_to_search_by() {
        let begin = message();
        let end = AlertMessage { kind: AlertKind::End, key: "RM1/late/2018-12-03T10:15Z/end".into(), ..message() };
        for (message, level) in [(begin, "WARN"), (end, "INFO")] {
            let shown = Shown::default();
            let writer = shown.clone();
            let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
            tracing::subscriber::with_default(subscriber, || send(&Channel::Log, &message)).unwrap();
            let line: serde_json::Value = serde_json::from_slice(&shown.0.lock().unwrap()).unwrap();
            assert_eq!(line["level"], level);
            let fields = &line["fields"];
            assert_eq!((&fields["provider"], &fields["problem"], &fields["key"]), (&"RM1".into(), &"late".into(), &message.key.into()));
            assert!(fields["message"].as_str().unwrap().starts_with("RM1 Norfolk and Norwich: a file is late. No file"));
        }
    }
}
