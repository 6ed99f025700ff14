//! HTTP: one request to a receiver, and what its answer means.
//!
//! Owns the only requests that alerts make over HTTP. Refuses to follow a redirect, to read a body, and to name an address in an error:
//! addresses of receivers are often secrets.

use super::SendError;
use crate::secret::{self, Secret};
use std::fmt;
use std::time::Duration;

/// How long one attempt may take in all, names looked up included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Largest response head that is read.
const MAX_RESPONSE_HEAD_BYTES: usize = 16 * 1024;

/// Answers below 500 after which it makes sense to try again: the request took too long, came too early, or too often.
const TRY_AGAIN: [u16; 3] = [408, 425, 429];

/// An address of the web, which may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// As the settings have it.
    Url(String),
    /// In a file or a credential. It is read anew for each request.
    Kept(Secret),
}

/// Without the address: it may be a secret.
impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(_) => formatter.write_str("Url"),
            Self::Kept(secret) => secret.fmt(formatter),
        }
    }
}

/// Whether a text is an address of the web.
#[must_use]
pub fn is_web_address(text: &str) -> bool {
    text.parse::<ureq::http::Uri>().is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some())
}

/// Posts JSON. `what` is the alert's key, `channel` is named in errors, `path` is put after the address.
pub(super) fn post(address: &Address, path: &str, body: &str, what: &str, channel: &str) -> Result<(), SendError> {
    let url = url(address, path, channel)?;
    let request = agent().post(&url).content_type("application/json").header("Idempotency-Key", what);
    judged(request.send(body), what, channel)
}

/// Asks for an address, so that somebody sees that we are there. `path` is put after the address.
pub(in crate::alerts) fn ping(address: &Address, path: &str, channel: &str) -> Result<(), SendError> {
    let url = url(address, path, channel)?;
    judged(agent().get(&url).call(), "ping", channel)
}

fn url(address: &Address, path: &str, channel: &str) -> Result<String, SendError> {
    let url = match address {
        Address::Url(url) => url.clone(),
        Address::Kept(kept) => {
            let read = secret::read(kept).map_err(|source| SendError::Secret { channel: channel.to_owned(), source })?;
            read.unwrap_or_default().trim().to_owned()
        }
    };
    if !is_web_address(&url) {
        return Err(SendError::Address { channel: channel.to_owned() });
    }
    Ok(if path.is_empty() { url } else { format!("{}{path}", url.trim_end_matches('/')) })
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_response_header_size(MAX_RESPONSE_HEAD_BYTES)
        .user_agent(concat!("bedfeed/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

fn judged(answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>, what: &str, channel: &str) -> Result<(), SendError> {
    let (key, channel) = (what.to_owned(), channel.to_owned());
    let status = match answer {
        Ok(answer) => answer.status(),
        Err(error) => return Err(SendError::Away { key, channel, source: Box::new(error) }),
    };
    if status.is_success() {
        return Ok(());
    }
    let answer = format!("status {}", status.as_u16());
    if status.is_server_error() || TRY_AGAIN.contains(&status.as_u16()) {
        return Err(SendError::Busy { key, channel, answer });
    }
    Err(SendError::Refused { key, channel, answer })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::channels::testing::{late, outgoing, server, webhook};
    use crate::alerts::{AlertMessage, Channel, send};
    use std::net::TcpListener;

    #[test]
    fn a_webhook_gets_the_json_and_the_key_to_fold_by() {
        let (address, asked) = server("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        send(&Channel::Webhook(webhook("desk", &format!("{address}/hook?token=secret"))), &outgoing(&late())).unwrap();
        let asked = asked.join().unwrap();
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("post /hook?token=secret http/1.1\r\n"), "{head}");
        assert!(head.contains("\r\nidempotency-key: rm1/late/2018-12-03t10:15z/begin"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/json"), "{head}");
        assert_eq!(serde_json::from_str::<AlertMessage>(body).unwrap(), late());
    }

    #[test]
    fn a_refusal_is_told_from_a_receiver_that_is_busy_and_a_redirect_is_not_followed() {
        // What is answered, and whether it makes sense to try again.
        let rows = [
            ("500 No", true),
            ("503 No", true),
            ("408 No", true),
            ("429 No", true),
            ("404 No", false),
            ("401 No", false),
            ("302 Away", false),
        ];
        for (status, again) in rows {
            let (address, asked) =
                server(&format!("HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
            let error = send(&Channel::Webhook(webhook("desk", &format!("{address}/secret"))), &outgoing(&late())).unwrap_err();
            asked.join().unwrap();
            assert_eq!(matches!(error, SendError::Busy { .. }), again, "{status}: {error:?}");
            assert_eq!(matches!(error, SendError::Refused { .. }), !again, "{status}: {error:?}");
            let text = error.to_string();
            assert!(
                !text.contains("secret")
                    && text.contains(status.split(' ').next().unwrap())
                    && text.contains("waiting will not help") != again,
                "{text}"
            );
        }
    }

    #[test]
    fn a_receiver_that_is_away_is_an_error_without_its_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook?token=secret", listener.local_addr().unwrap());
        drop(listener);
        let channel = Channel::Webhook(webhook("desk", &url));
        let error = send(&channel, &outgoing(&late())).unwrap_err();
        assert_eq!(error.to_string(), "cannot post alert RM1/late/2018-12-03T10:15Z/begin to webhook desk");
        assert!(!format!("{error:?} {channel:?}").contains("secret"), "{error:?} {channel:?}");
    }

    #[test]
    fn an_address_may_be_kept_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("address");
        let kept = Address::Kept(Secret::File(file.clone()));
        std::fs::write(&file, "not an address\n").unwrap();
        // Nobody else's, whatever the umask is.
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let error = ping(&kept, "", "the heartbeat").unwrap_err();
        assert!(matches!(error, SendError::Address { .. }) && !error.to_string().contains("not an address"), "{error}");
        let (address, asked) = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        std::fs::write(&file, format!("{address}/ping/secret\n")).unwrap();
        ping(&kept, "/fail", "the heartbeat").unwrap();
        assert!(asked.join().unwrap().starts_with("GET /ping/secret/fail HTTP/1.1\r\n"));
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(ping(&kept, "", "the heartbeat").unwrap_err(), SendError::Secret { .. }));
    }
}
