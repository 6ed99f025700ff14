//! A lake in a bucket of a server that speaks S3: Amazon's own, or one of those that do as it does.
//!
//! Owns the four requests that are made of it, and what its answers mean. Refuses to follow it elsewhere, and to ask twice: the
//! pipeline tries again.

use super::super::secret;
use super::LakeBucket;
use super::sign::{Request, Signer, encoded, signed};
use super::store::{Put, Store, StoreError, Until};
use crate::feed::error_chain;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// How long a server may take to be reached.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(10);
/// Longest object that is read back, in bytes.
const MAX_OBJECT: u64 = 256 << 20;
/// Longest answer that is read for what went wrong, in bytes.
const MAX_TROUBLE: u64 = 16 << 10;
/// Deletions at a time.
const AT_ONCE: usize = 8;

/// The bucket.
pub(super) struct Bucket {
    settings: LakeBucket,
    /// Made when it is first needed, and kept with its connections.
    agent: Mutex<Option<ureq::Agent>>,
}

/// What a server answered.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Bucket {
    pub(super) fn new(settings: LakeBucket) -> Self {
        Self { settings, agent: Mutex::new(None) }
    }

    fn endpoint(&self) -> String {
        self.settings.endpoint.clone().unwrap_or_else(|| format!("https://s3.{}.amazonaws.com", self.settings.region))
    }

    fn path(&self, name: &str) -> String {
        let address = &self.settings.address;
        let prefix = if address.prefix.is_empty() { String::new() } else { format!("{}/", address.prefix) };
        encoded(&format!("/{}/{prefix}{name}", address.bucket))
    }

    fn agent(&self) -> Result<ureq::Agent, StoreError> {
        let mut held = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = &*held {
            return Ok(agent.clone());
        }
        let mut tls = TlsConfig::builder();
        if let Some(path) = &self.settings.ca_file {
            let doing = format!("{}: reading the authorities in {}", self.place(), path.display());
            let failed = |error: &dyn std::error::Error| StoreError::away(format!("{doing}: {}", error_chain(error)));
            let bytes = secret::read_file(path, &doing, false).map_err(|error| failed(&error))?;
            let mut roots = Vec::new();
            for item in parse_pem(&bytes) {
                if let PemItem::Certificate(certificate) = item.map_err(|error| failed(&error))? {
                    roots.push(certificate);
                }
            }
            tls = tls.root_certs(RootCerts::from(roots));
        }
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_connect(Some(CONNECT))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(tls.build())
            .user_agent(concat!("bedfeed/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok(held.insert(agent).clone())
    }

    fn ask(&self, method: &str, name: &str, body: &[u8], only_new: bool, until: Until) -> Result<Answer, StoreError> {
        let patience = until.left()?.min(REQUEST);
        let failed = |words: String| StoreError::away(format!("{}: {words}", self.place()));
        let secret = secret::read(&self.settings.secret, "signing").map_err(|error| failed(error_chain(&error)))?.unwrap_or_default();
        let (endpoint, path) = (self.endpoint(), self.path(name));
        let host = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, host)| host).to_owned();
        let mut headers = BTreeMap::from([("host", host)]);
        if only_new {
            headers.insert("if-none-match", "*".to_owned());
        }
        let signer = Signer { access_key_id: &self.settings.access_key_id, secret: &secret, region: &self.settings.region };
        let headers = signed(Request { method, path: &path, headers, body }, &signer, now());
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{endpoint}{path}"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let agent = self.agent()?;
        let asked = |error: &dyn std::error::Error| failed(error_chain(error));
        let answer = if method == "PUT" {
            let request = request.body(body).map_err(|error| asked(&error))?;
            agent.run(agent.configure_request(request).timeout_global(Some(patience)).build())
        } else {
            let request = request.body(()).map_err(|error| asked(&error))?;
            agent.run(agent.configure_request(request).timeout_global(Some(patience)).build())
        };
        let mut answer = answer.map_err(|error| asked(&error))?;
        let status = answer.status().as_u16();
        let most = if status == 200 { MAX_OBJECT } else { MAX_TROUBLE };
        let body = answer.body_mut().with_config().limit(most).read_to_vec().map_err(|error| asked(&error))?;
        Ok(Answer { status, body })
    }

    fn trouble(&self, answer: &Answer) -> StoreError {
        let text = String::from_utf8_lossy(&answer.body);
        let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code);
        let said = if code.is_empty() { answer.status.to_string() } else { format!("{} {code}", answer.status) };
        StoreError::away(format!("{}: {} ({said})", self.place(), meaning(answer.status, code)))
    }

    fn delete_one(&self, name: &str, until: Until) -> Result<(), StoreError> {
        let answer = self.ask("DELETE", name, b"", false, until)?;
        // No such object is what was asked for; no such bucket is not.
        let gone = matches!(answer.status, 200 | 204) || answer.status == 404 && !no_such_bucket(&answer);
        if gone { Ok(()) } else { Err(self.trouble(&answer)) }
    }
}

impl Store for Bucket {
    fn place(&self) -> String {
        let address = &self.settings.address;
        let prefix = if address.prefix.is_empty() { String::new() } else { format!("/{}", address.prefix) };
        format!("{}/{}{prefix}", self.endpoint(), address.bucket)
    }

    fn get(&self, name: &str, until: Until) -> Result<Option<Vec<u8>>, StoreError> {
        let answer = self.ask("GET", name, b"", false, until)?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 if !no_such_bucket(&answer) => Ok(None),
            _ => Err(self.trouble(&answer)),
        }
    }

    fn put_new(&self, name: &str, bytes: &[u8], until: Until) -> Result<Put, StoreError> {
        let answer = self.ask("PUT", name, bytes, true, until)?;
        match answer.status {
            200 | 201 => Ok(Put::Made),
            412 => {
                let there = self.ask("GET", name, b"", false, until)?;
                if there.status == 200 { Ok(Put::There(there.body)) } else { Err(self.trouble(&there)) }
            }
            _ => Err(self.trouble(&answer)),
        }
    }

    fn replace(&self, name: &str, bytes: &[u8], until: Until) -> Result<(), StoreError> {
        let answer = self.ask("PUT", name, bytes, false, until)?;
        if matches!(answer.status, 200 | 201) { Ok(()) } else { Err(self.trouble(&answer)) }
    }

    fn delete(&self, names: &[String], until: Until) -> Result<(), StoreError> {
        for some in names.chunks(AT_ONCE) {
            std::thread::scope(|threads| {
                let each = some.iter().map(|name| std::thread::Builder::new().spawn_scoped(threads, move || self.delete_one(name, until)));
                let each = each.collect::<Vec<_>>();
                let stopped = |_| Err(StoreError::away("a thread that deletes has stopped"));
                let not_begun = |error| StoreError::away(format!("no thread can be begun that deletes: {error}"));
                each.into_iter().try_for_each(|one| one.map_err(not_begun)?.join().unwrap_or_else(stopped))
            })?;
        }
        Ok(())
    }
}

fn no_such_bucket(answer: &Answer) -> bool {
    answer.body.windows(12).any(|at| at == b"NoSuchBucket")
}

/// The machine's time.
#[expect(clippy::disallowed_methods, reason = "a request is signed with the time at which it is sent; nothing else comes of it")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// What a server means, for people.
fn meaning(status: u16, code: &str) -> &'static str {
    let rows = [
        ("SignatureDoesNotMatch", "the server does not accept the secret"),
        ("InvalidAccessKeyId", "the server does not know the access key"),
        ("AccessDenied", "the access key may not do this there"),
        ("RequestTimeTooSkewed", "the clocks of this machine and of the server differ too much"),
        ("ExpiredToken", "the access key has expired"),
        ("NoSuchBucket", "the server has no such bucket"),
        ("AuthorizationHeaderMalformed", "the server is in another region than the settings say"),
        ("PermanentRedirect", "the bucket is in another region than the settings say"),
        ("SlowDown", "the server asks for fewer requests"),
        ("QuotaExceeded", "the bucket is full"),
        ("XMinioStorageFull", "the server's disk is full"),
        ("NotImplemented", "the server does not know what it is asked; it has to know If-None-Match"),
    ];
    let by_status = match status {
        301 | 307 | 308 => "the bucket is in another region than the settings say",
        403 => "the access key may not do this there",
        404 => "there is no such thing",
        409 => "somebody else is writing there just now",
        501 => "the server does not know what it is asked; it has to know If-None-Match",
        507 => "the server's disk is full",
        500..=599 => "the server is in trouble",
        _ => "the server does not do it",
    };
    rows.into_iter().find(|(known, _)| *known == code).map_or(by_status, |(_, words)| words)
}
