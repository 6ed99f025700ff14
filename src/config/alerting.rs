//! `[alerts]`: channels, routes and the heartbeat, and `[audit]`, which sends by the same channels.
//!
//! Owns their keys and defaults. Refuses two channels of one name, a route to a channel that is not there, and a mail server that would be
//! spoken to over the network in the clear. An address of the web may be a secret, so none is repeated.

use super::alerts::AlertSeverity;
use super::alerts::{
    Address, Alertmanager, Cadence, Channel, Concern, Email, Form, Heartbeat, MailTls, Quiet, Route, Settings, To, Webhook,
    is_mail_address, is_web_address,
};
use super::document::{Item, Section};
use super::problem::Problem;
use super::warehouse::{path, secret};
use crate::feed::ProviderCode;
use crate::secret::Secret;
use jiff::SignedDuration;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// Longest name of a channel.
const LONGEST_NAME: usize = 64;
/// Most channels, and most routes: each channel has a task of its own.
const MOST: usize = 64;
/// Most people who get one mail.
const MOST_TO: usize = 50;
/// What may be waited before people are told again: below a minute nobody could have looked; a month is never.
const SHORTEST_WAIT: SignedDuration = SignedDuration::from_mins(1);
/// See [`SHORTEST_WAIT`].
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(31 * 24);
/// How often the heartbeat is where nothing is said.
const BEAT: Duration = Duration::from_secs(60);

/// Reads the section. Paths in it are relative to `beside`; `page`: where people see how all feeds stand. Providers that routes name are
/// added to `routed`, with their places.
pub(super) fn read(section: Section<'_>, beside: &Path, page: Option<String>, routed: &mut Vec<(ProviderCode, Problem)>) -> Settings {
    let mut channels = Channels { found: Vec::new(), page };
    for hook in section.sections("webhook") {
        channels.webhook(hook, beside);
    }
    for mail in section.sections("email") {
        channels.email(mail, beside);
    }
    for manager in section.sections("alertmanager") {
        channels.alertmanager(manager, beside);
    }
    let channels = channels.found;
    let mut routes = Vec::new();
    for section in section.sections("route") {
        if routes.len() >= MOST {
            section.problem(format!("is one too many: at most {MOST} routes"));
        }
        routes.push(route(section, &channels, routed));
    }
    let escalate_to = section.get("escalate_to").map(|item| names(&item, &channels)).unwrap_or_default();
    let cadence = cadence(&section);
    let heartbeat = section.section("heartbeat").and_then(|section| heartbeat(section, beside));
    section.finish();
    Settings { channels, routes, cadence, escalate_to, heartbeat, ..Settings::default() }
}

/// When what goes on is told again.
fn cadence(section: &Section<'_>) -> Cadence {
    let default = Cadence::default();
    let wait = |item: &Item<'_>| item.duration(SHORTEST_WAIT..=LONGEST_WAIT);
    let reminders = section.get("reminders").map(|item| {
        let waits: Vec<SignedDuration> = item.elements().iter().filter_map(wait).collect();
        if !waits.is_sorted() {
            item.problem("must be in ascending order: each is counted from the beginning");
        }
        waits
    });
    let then_every = match section.get("remind_every") {
        Some(item) if item.filled() == Some("never") => None,
        Some(item) => wait(&item),
        None => default.then_every,
    };
    let escalate_after = section.get("escalate_after").and_then(|item| wait(&item)).unwrap_or(default.escalate_after);
    Cadence { reminders: reminders.unwrap_or(default.reminders), then_every, escalate_after }
}

/// `[audit]`: the channels are those of `[alerts]`.
pub(super) fn audit(section: Section<'_>, alerts: &mut Settings) {
    if let Some(item) = section.get("checkpoint_to") {
        alerts.checkpoint_to = Vec::new();
        for element in item.elements() {
            let Some(name) = element.filled() else { continue };
            let found = alerts.channels.iter().find(|channel| channel.setting() == name);
            if name != "log" && found.is_none() {
                element.problem(format!("\"{name}\" is neither \"log\" nor the name of a channel in [alerts]"));
            }
            if found.is_some_and(Channel::keeps_states) {
                element.problem(format!("\"{name}\" is an Alertmanager, which keeps no messages"));
            }
            alerts.checkpoint_to.push(name.to_owned());
        }
    }
    section.finish();
}

/// A web address. It may hold a secret, so it is never repeated.
pub(super) fn web_address(item: &Item<'_>) -> Option<String> {
    let text = item.filled()?;
    let fine = is_web_address(text);
    if !fine {
        item.problem("must be a web address that starts with https:// or http://");
    }
    fine.then(|| text.to_owned())
}

struct Channels {
    found: Vec<Channel>,
    page: Option<String>,
}

impl Channels {
    /// Adds one, unless its name is taken.
    fn add(&mut self, item: &Item<'_>, channel: Channel) {
        let name = channel.setting();
        let fits = name.chars().count() <= LONGEST_NAME && name.chars().all(|letter| letter.is_alphanumeric() || "-_. ".contains(letter));
        if !fits {
            item.problem(format!("must be letters, digits, spaces, dots, hyphens and underscores, {LONGEST_NAME} at most"));
        }
        if name == "log" || self.found.iter().any(|other| other.setting() == name) {
            item.problem(format!("another channel is called \"{name}\""));
        }
        if self.found.len() >= MOST {
            item.problem(format!("is one too many: at most {MOST} channels"));
        }
        self.found.push(channel);
    }

    fn webhook(&mut self, section: Section<'_>, beside: &Path) {
        let named = named(&section);
        let address = address(&section, beside);
        let forms = [("json", Form::Json), ("slack", Form::Slack), ("teams", Form::Teams)];
        let form = section.get("form").and_then(|item| item.choice(&forms)).unwrap_or(Form::Json);
        section.finish();
        let (Some((item, name)), Some(address)) = (named, address) else { return };
        self.add(&item, Channel::Webhook(Webhook { name, address, form, page: self.page.clone() }));
    }

    fn alertmanager(&mut self, section: Section<'_>, beside: &Path) {
        let named = named(&section);
        let address = address(&section, beside);
        section.finish();
        let (Some((item, name)), Some(address)) = (named, address) else { return };
        self.add(&item, Channel::Alertmanager(Alertmanager { name, address, page: self.page.clone() }));
    }

    fn email(&mut self, section: Section<'_>, beside: &Path) {
        let named = named(&section);
        let server = section.need("server").and_then(|item| server(&item));
        let modes = [("starttls", MailTls::StartTls), ("tls", MailTls::Tls), ("off", MailTls::Off)];
        let tls = section.get("tls").and_then(|item| item.choice(&modes).map(|tls| (item, tls)));
        let port = section.get("port").and_then(|item| item.whole(1..=65_535));
        let ca_file = path(&section, beside, "ca_file");
        let user = section.get("user").and_then(|item| item.filled().map(str::to_owned));
        let password = secret(&section, beside, "password_file", "password_credential");
        let from = section.need("from").and_then(|item| mail_address(&item));
        let to = section.need("to").map(|item| recipients(&item)).unwrap_or_default();
        if user.is_some() != password.is_some() {
            section.problem("user goes with password_file or password_credential: give both, or neither");
        }
        if let (Some((item, MailTls::Off)), Some(server)) = (&tls, &server)
            && !is_this_machine(server)
        {
            item.problem("may be \"off\" only for a server on this machine: mails and the password would cross the network in the clear");
        }
        let tls = tls.map_or(MailTls::StartTls, |(_, tls)| tls);
        if ca_file.is_some() && tls == MailTls::Off {
            section.problem("ca_file is of no use where the connection is not encrypted: leave it out");
        }
        section.finish();
        let (Some((item, name)), Some(server), Some(from)) = (named, server, from) else { return };
        let email = Email {
            name,
            server,
            port: port.unwrap_or(tls.port()),
            tls,
            ca_file,
            user,
            password: password.unwrap_or(Secret::None),
            from,
            to: To::These(to),
            page: self.page.clone(),
        };
        self.add(&item, Channel::Email(email));
    }
}

fn named<'d>(section: &Section<'d>) -> Option<(Item<'d>, String)> {
    section.need("name").and_then(|item| item.filled().map(|name| (item.clone(), name.to_owned())))
}

/// `url`, or where it is kept: some addresses let everybody in who knows them.
fn address(section: &Section<'_>, beside: &Path) -> Option<Address> {
    let kept = secret(section, beside, "url_file", "url_credential").map(Address::Kept);
    if kept.is_none() {
        return section.need("url").and_then(|item| web_address(&item)).map(Address::Url);
    }
    if let Some(item) = section.get("url") {
        item.problem("cannot be given together with url_file or url_credential: the address is in one place");
    }
    kept
}

fn server(item: &Item<'_>) -> Option<String> {
    let text = item.filled()?;
    let fine = text.len() <= 253 && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-.:".contains(letter));
    let fine = fine && (!text.contains(':') || text.parse::<IpAddr>().is_ok());
    if !fine {
        item.problem("must be the name or the address of a server, without a port");
    }
    fine.then(|| text.to_owned())
}

fn is_this_machine(server: &str) -> bool {
    server.eq_ignore_ascii_case("localhost") || server.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn mail_address(item: &Item<'_>) -> Option<String> {
    let text = item.filled()?;
    let fine = is_mail_address(text);
    if !fine {
        item.problem(format!("\"{text}\" is not an address of mail such as desk@icb.example"));
    }
    fine.then(|| text.to_owned())
}

fn recipients(item: &Item<'_>) -> Vec<String> {
    let elements = item.elements();
    if elements.is_empty() || elements.len() > MOST_TO {
        item.problem(format!("must name 1 to {MOST_TO} addresses"));
    }
    elements.iter().filter_map(mail_address).collect()
}

/// Names of channels that there are.
fn names(item: &Item<'_>, channels: &[Channel]) -> Vec<String> {
    let known = |element: Item<'_>| {
        let name = element.filled()?;
        if name != "log" && !channels.iter().any(|channel| channel.setting() == name) {
            element.problem(format!("\"{name}\" is not the name of a channel in [alerts]"));
        }
        Some(name.to_owned())
    };
    item.elements().into_iter().filter_map(known).collect()
}

fn route(section: Section<'_>, channels: &[Channel], routed: &mut Vec<(ProviderCode, Problem)>) -> Route {
    let list = |key| section.get(key).map(|item| item.elements()).unwrap_or_default();
    let severities = [AlertSeverity::Info, AlertSeverity::Warning, AlertSeverity::Error].map(|severity| (severity.as_str(), severity));
    let mut route = Route::everything();
    for element in list("providers") {
        match element.filled().map(str::parse::<ProviderCode>) {
            Some(Ok(code)) => {
                routed.push((code.clone(), element.place()));
                route.providers.push(code);
            }
            Some(Err(why)) => element.problem(why.to_string()),
            None => {}
        }
    }
    for element in list("problems") {
        let Some(word) = element.filled() else { continue };
        if serde_json::from_value::<Concern>(word.into()).is_err() {
            element.problem(format!("\"{word}\" is not a problem that is told; docs/alerts.md lists them"));
        }
        route.problems.push(word.to_owned());
    }
    if let Some(severity) = section.get("severity").and_then(|item| item.choice(&severities)) {
        route.severity = severity;
    }
    route.channels = section.need("channels").map(|item| names(&item, channels)).unwrap_or_default();
    route.contact_by = section.get("contact_by").and_then(|item| {
        let name = item.filled()?;
        let mails = channels.iter().any(|channel| channel.setting() == name && matches!(channel, Channel::Email(_)));
        if !mails {
            item.problem(format!("\"{name}\" is not the name of an e-mail channel in [alerts]"));
        }
        mails.then(|| name.to_owned())
    });
    route.quiet = section.get("quiet").and_then(|item| {
        let quiet = Quiet::parse(item.filled()?);
        if quiet.is_none() {
            item.problem("must be two times of the day such as \"22:00-07:00\"");
        }
        quiet
    });
    section.finish();
    route
}

fn heartbeat(section: Section<'_>, beside: &Path) -> Option<Heartbeat> {
    let address = address(&section, beside);
    let range = SignedDuration::from_secs(10)..=SignedDuration::from_hours(1);
    let every = section.get("every").and_then(|item| item.duration(range)).map_or(BEAT, SignedDuration::unsigned_abs);
    section.finish();
    Some(Heartbeat { address: address?, every })
}
