//! E-mail: one mail by SMTP, as plain text and as HTML, readable on a phone.
//!
//! Owns what a mail looks like and how the server is spoken to. A repeat is the same mail: its id comes from the message's key, and a
//! thread's from the episode. Refuses to speak unencrypted to another machine (the settings see to it), and HTML that was not escaped.

use super::{SendError, facts};
use crate::alerts::{AlertKind, AlertMessage, AlertSeverity};
use crate::feed::{Digest, ProviderCode};
use crate::secret::{self, Secret};
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, MultiPartKind, SinglePart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message, SmtpTransport, Transport};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How long each step of the protocol may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How the connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// It begins in the clear, and nothing is said before it is encrypted; a server that cannot is refused.
    StartTls,
    /// Encrypted from the first byte.
    Tls,
    /// Not at all: only for a server on this machine.
    Off,
}

impl MailTls {
    /// The port that goes with it where none is set.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::Off => 25,
        }
    }
}

/// Who gets the mails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// These addresses.
    These(Vec<String>),
    /// The contact of the provider that a message is about.
    Contacts(BTreeMap<ProviderCode, String>),
}

/// A mail server, and who gets mails by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// Its name in status and logs.
    pub name: String,
    /// The server, by name or address.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// The authorities that may vouch for the server; `None`: those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Who we are there; `None`: it does not ask.
    pub user: Option<String>,
    /// The password that goes with it.
    pub password: Secret,
    /// The sender's address.
    pub from: String,
    /// Who gets the mails.
    pub to: To,
    /// Where people can see how all feeds stand; `None` where they cannot.
    pub page: Option<String>,
}

/// Whether a text is an address of mail, without a name.
#[must_use]
pub fn is_mail_address(text: &str) -> bool {
    text.parse::<Address>().is_ok()
}

pub(super) fn mail(email: &Email, message: &AlertMessage) -> Result<(), SendError> {
    let (key, channel) = (message.key.clone(), format!("e-mail channel {}", email.name));
    let encode = |source| SendError::Encode { key: key.clone(), channel: channel.clone(), source };
    let to: Vec<&str> = match &email.to {
        To::These(addresses) => addresses.iter().map(String::as_str).collect(),
        To::Contacts(contacts) => message.provider.iter().filter_map(|provider| contacts.get(provider)).map(String::as_str).collect(),
    };
    if to.is_empty() {
        // A contact that was taken out of the settings since: there is nobody left to tell.
        return Ok(());
    }
    let mail = compose(email, message, &to).map_err(encode)?;
    match transport(email, &channel)?.send(&mail) {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.status() {
            Some(code) if error.is_permanent() => SendError::Refused { key, channel, answer: format!("code {code}") },
            Some(code) => SendError::Busy { key, channel, answer: format!("code {code}") },
            None => SendError::Away { key, channel, source: Box::new(error) },
        }),
    }
}

fn transport(email: &Email, channel: &str) -> Result<SmtpTransport, SendError> {
    let secret = |source| SendError::Secret { channel: channel.to_owned(), source };
    let broken = |error: lettre::transport::smtp::Error| SendError::Away {
        key: String::new(),
        channel: channel.to_owned(),
        source: Box::new(error),
    };
    let tls = match email.tls {
        MailTls::Off => Tls::None,
        MailTls::StartTls | MailTls::Tls => {
            let mut parameters = TlsParameters::builder(email.server.clone());
            if let Some(path) = &email.ca_file {
                let pem = secret::read_file(path, false).map_err(secret)?;
                parameters = parameters.certificate_store(CertificateStore::None);
                parameters = parameters.add_root_certificate(Certificate::from_pem(&pem).map_err(broken)?);
            }
            let parameters = parameters.build().map_err(broken)?;
            if email.tls == MailTls::Tls { Tls::Wrapper(parameters) } else { Tls::Required(parameters) }
        }
    };
    let mut builder = SmtpTransport::builder_dangerous(&email.server).port(email.port).tls(tls).timeout(Some(TIMEOUT));
    if let Some((_, domain)) = email.from.rsplit_once('@') {
        builder = builder.hello_name(ClientId::Domain(domain.to_owned()));
    }
    if let Some(user) = &email.user {
        let password = secret::read(&email.password).map_err(secret)?.unwrap_or_default();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

fn compose(email: &Email, message: &AlertMessage, to: &[&str]) -> Result<Message, Broken> {
    let from: Address = email.from.parse()?;
    let domain = from.domain().to_owned();
    let mut builder = Message::builder().from(Mailbox::new(Some("bedfeed".to_owned()), from));
    for address in to {
        builder = builder.to(Mailbox::new(None, address.parse()?));
    }
    // The id of the first mail of a thread is that of the episode's beginning, which may have gone to others.
    let thread = id(email, &format!("{}/{}", message.episode, AlertKind::Begin.as_str()), &domain);
    let own = id(email, &message.key, &domain);
    if own != thread {
        builder = builder.in_reply_to(thread.clone()).references(thread);
    }
    let part = |kind: ContentType, text: String| SinglePart::builder().header(kind).body(text);
    // Not a random boundary: a repeat is the same to the last byte, but for its date.
    let boundary = Digest::of(message.key.as_bytes()).to_string();
    let parts = MultiPart::builder().kind(MultiPartKind::Alternative).boundary(boundary).build();
    let parts = parts
        .singlepart(part(ContentType::TEXT_PLAIN, plain(message, email.page.as_deref())))
        .singlepart(part(ContentType::TEXT_HTML, html(message, email.page.as_deref())));
    let builder = builder.subject(subject(message)).message_id(Some(own)).header(ByProgram);
    Ok(builder.multipart(parts)?)
}

/// A contact's mail has other people in its head than the desk's, so it is another mail.
fn id(email: &Email, key: &str, domain: &str) -> String {
    let whose = if matches!(email.to, To::Contacts(_)) { "contact " } else { "" };
    format!("<{}@{domain}>", Digest::of(format!("{whose}{key}").as_bytes()))
}

/// Says that no person wrote it, so that no absence note answers (RFC 3834).
#[derive(Clone)]
struct ByProgram;

impl Header for ByProgram {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Broken> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Begins with how bad it is and whose feed it is: a phone shows some thirty letters.
fn subject(message: &AlertMessage) -> String {
    let state = if message.kind == AlertKind::End { "OVER".to_owned() } else { message.severity.as_str().to_uppercase() };
    let subject = format!("{state} {}", message.title);
    subject.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn plain(message: &AlertMessage, page: Option<&str>) -> String {
    let page = page.map(|page| format!("All feeds: {page}\n")).unwrap_or_default();
    format!("{}{page}", message.plain_text())
}

fn html(message: &AlertMessage, page: Option<&str>) -> String {
    let colour = match (message.kind, message.severity) {
        (AlertKind::End, _) => "#00703c",
        (_, AlertSeverity::Error) => "#b10e1e",
        (_, AlertSeverity::Warning) => "#8a5a00",
        (_, AlertSeverity::Info) => "#1d4f91",
    };
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en-GB\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title></head>\n\
         <body style=\"margin:0;padding:16px;font:16px/1.5 Arial,sans-serif;color:#212b32;background:#ffffff\">\n\
         <div style=\"max-width:600px;margin:0 auto;border-left:6px solid {colour};padding-left:12px\">\n\
         <h1 style=\"font-size:20px;line-height:1.3;margin:0 0 12px\">{title}</h1>\n<p>{body}</p>\n",
        title = escaped(&message.title),
        body = escaped(&message.text),
    );
    for (heading, said) in message.advice() {
        text.push_str(&format!("<p><strong>{heading}:</strong> {}</p>\n", escaped(said)));
    }
    for (name, value) in facts(message) {
        text.push_str(&format!("<p style=\"margin:0;word-break:break-word\"><strong>{name}:</strong> {}</p>\n", escaped(&value)));
    }
    if let Some(page) = page {
        text.push_str(&format!("<p><a href=\"{}\">All feeds</a></p>\n", escaped(page)));
    }
    text.push_str("</div></body></html>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::channels::testing::{golden, missed, over};

    fn channel() -> Email {
        Email {
            name: "office".into(),
            server: "127.0.0.1".into(),
            port: 25,
            tls: MailTls::Off,
            ca_file: None,
            user: None,
            password: Secret::None,
            from: "bedfeed@icb.example".into(),
            to: To::These(vec!["desk@icb.example".into(), "night@icb.example".into()]),
            page: Some("https://beds.example/".into()),
        }
    }

    fn composed(message: &AlertMessage) -> String {
        let mail = compose(&channel(), message, &["desk@icb.example", "night@icb.example"]).unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        // The date is that of the sending.
        text.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\n")
    }

    fn header<'t>(mail: &'t str, name: &str) -> Option<&'t str> {
        mail.split("\n\n").next().unwrap().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    #[test]
    fn a_repeat_is_the_same_mail_and_an_end_answers_the_beginning() {
        let (begin, end) = (composed(&missed()), composed(&over()));
        assert_eq!(begin, composed(&missed()));
        let id = header(&begin, "Message-ID").unwrap();
        assert!(id.ends_with("@icb.example>") && header(&begin, "In-Reply-To").is_none(), "{begin}");
        assert_ne!(header(&end, "Message-ID").unwrap(), id);
        assert_eq!((header(&end, "In-Reply-To"), header(&end, "References")), (Some(id), Some(id)), "{end}");
        assert!(header(&begin, "Subject").unwrap().starts_with("ERROR RM1 Norfolk"), "{begin}");
        assert!(header(&end, "Subject").unwrap().starts_with("OVER RM1 Norfolk"), "{end}");
        assert_eq!(header(&begin, "Auto-Submitted"), Some("auto-generated"));
        golden("mail-begin.txt", &begin);
        golden("mail-end.txt", &end);
    }

    #[test]
    fn what_stands_in_a_message_is_no_html_and_no_header() {
        let odd = AlertMessage { title: "a <b> & \"c\"\r\nBcc: all@evil.example".into(), text: "<script>'x'</script>".into(), ..missed() };
        let shown = html(&odd, None);
        assert!(shown.contains("&lt;script&gt;&#39;x&#39;&lt;/script&gt;") && !shown.contains("<script"), "{shown}");
        let mail = composed(&odd);
        let (head, _) = mail.split_once("\n\n").unwrap();
        assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{mail}");
    }

    #[test]
    fn addresses_are_told_from_other_texts() {
        let rows =
            [("desk@icb.example", true), ("desk", false), ("Desk <desk@icb.example>", false), ("a@b\r\nBcc: c@d", false), ("", false)];
        for (text, expected) in rows {
            assert_eq!(is_mail_address(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_contact_that_is_not_there_any_more_is_nobody_to_wait_for() {
        let email = Email { to: To::Contacts(BTreeMap::new()), port: 1, ..channel() };
        mail(&email, &missed()).unwrap();
        let away = mail(&Email { port: 1, ..channel() }, &missed()).unwrap_err();
        assert!(matches!(away, SendError::Away { .. }), "{away:?}");
    }
}
