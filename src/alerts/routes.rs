//! Routes: which message goes to which channel, and not before when. Pure.
//!
//! Owns quiet hours too: what is not urgent waits until they end, and what began and ended within them is never told. Refuses clocks and
//! the ledger. The log is told everything at once, whatever the routes say.

use super::{AlertKind, AlertMessage, AlertSeverity, Concern, HouseProblem};
use crate::feed::ProviderCode;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use std::collections::{BTreeMap, BTreeSet};

/// The log's name in the outbox.
const LOG: &str = "log";

/// Hours in which only what is urgent is told, by local time. They may go over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// When they begin.
    pub from: Time,
    /// When they end.
    pub to: Time,
}

impl Quiet {
    /// Reads `22:00-07:00`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let time = |text: &str| (text.len() == "22:00".len()).then(|| text.parse().ok()).flatten();
        let (from, to) = text.split_once('-')?;
        let quiet = Self { from: time(from)?, to: time(to)? };
        (quiet.from != quiet.to).then_some(quiet)
    }

    /// When they end that it is now; `None` where it is not quiet.
    fn end(self, now: DateTime) -> Option<DateTime> {
        let (time, today) = (now.time(), now.date());
        let tomorrow = today.checked_add(1.day()).unwrap_or(today);
        let over_midnight = self.to < self.from;
        let day = match (time >= self.from, time < self.to) {
            (true, true) => today,
            (true, false) if over_midnight => tomorrow,
            (false, true) if over_midnight => today,
            _ => return None,
        };
        Some(day.to_datetime(self.to))
    }
}

/// One route. A message takes every route that it matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Whose messages; none: everybody's, and those of our own side.
    pub providers: Vec<ProviderCode>,
    /// Of which problems, by the words of [`Concern::as_str`]; none: of all.
    pub problems: Vec<String>,
    /// How urgent they are at least.
    pub severity: AlertSeverity,
    /// The channels, by the names that settings have for them.
    pub channels: Vec<String>,
    /// The e-mail channel by which the provider's own contact is told of a problem of its feed, too.
    pub contact_by: Option<String>,
    /// When it is quiet there.
    pub quiet: Option<Quiet>,
}

impl Route {
    /// Everything to nobody: what a route begins with.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            providers: Vec::new(),
            problems: Vec::new(),
            severity: AlertSeverity::Info,
            channels: Vec::new(),
            contact_by: None,
            quiet: None,
        }
    }

    /// Whether a message is of the sort that takes this route. How urgent an end is says nothing: it follows its beginning.
    fn is_for(&self, message: &AlertMessage) -> bool {
        let provider = self.providers.is_empty() || message.provider.as_ref().is_some_and(|provider| self.providers.contains(provider));
        let problem = self.problems.is_empty() || self.problems.iter().any(|problem| problem == message.problem.as_str());
        provider && problem && (message.kind == AlertKind::End || message.severity >= self.severity)
    }

    /// Whether it names a channel, by the outbox's name for it.
    fn leads_to(&self, channel: &str) -> bool {
        let (kind, name) = channel.split_once(':').unwrap_or(("", channel));
        if kind == "contact" { self.contact_by.as_deref() == Some(name) } else { self.channels.iter().any(|named| named == name) }
    }
}

/// Channels and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// Every channel, by the outbox's names.
    pub channels: Vec<String>,
    /// The routes; none: every message to every channel at once.
    pub routes: Vec<Route>,
    /// Channels that are told when an episode is escalated, whatever the routes say, by the names that settings have for them.
    pub escalate_to: Vec<String>,
    /// Providers whose own contact can be told.
    pub contacts: BTreeSet<ProviderCode>,
}

/// What the outbox holds of an episode already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The message's key.
    pub key: String,
    /// The channel, by the outbox's name.
    pub channel: String,
    /// Whether it waits for quiet hours to end: nobody was told.
    pub held: bool,
}

/// What becomes of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The channels, by the outbox's names, and not before when.
    pub send: Vec<(String, Option<Timestamp>)>,
    /// Messages that waited and are not sent any more: keys and channels.
    pub drop: Vec<(String, String)>,
}

/// Where a message goes. `said`: what the outbox holds of its episode; `failing`: channels that take nothing.
///
/// An end goes to whom something was told, whatever the routes say today; where the beginning still waits for the morning, both are
/// dropped. A reminder is not queued behind a beginning that still waits.
#[must_use]
pub fn plan(routing: &Routing, message: &AlertMessage, said: &[Said], failing: &[String], now: Timestamp, zone: &TimeZone) -> Plan {
    let local = zone.to_datetime(now);
    let held = |channel: &str| said.iter().any(|said| said.held && said.channel == channel);
    let told = |channel: &str| said.iter().any(|said| !said.held && said.channel == channel);
    let about_channels = message.problem == Concern::House(HouseProblem::Channel);
    let mut plan = Plan::default();
    for channel in &routing.channels {
        let wanted = match message.kind {
            AlertKind::End if !said.is_empty() => told(channel),
            AlertKind::Reminder => !held(channel) && routing.leads(message, channel),
            AlertKind::Begin | AlertKind::Escalation | AlertKind::End => routing.leads(message, channel),
        };
        if wanted && !(about_channels && failing.contains(channel)) {
            plan.send.push((channel.clone(), routing.quiet_until(message, channel, local, zone)));
        }
    }
    if message.kind == AlertKind::End {
        let dropped = said.iter().filter(|said| said.held);
        plan.drop.extend(dropped.map(|said| (said.key.clone(), said.channel.clone())));
    }
    plan
}

impl Routing {
    /// Whether a message goes to a channel.
    fn leads(&self, message: &AlertMessage, channel: &str) -> bool {
        let to_contact = channel.starts_with("contact:");
        if to_contact && !self.may_tell_contact(message) {
            return false;
        }
        if message.kind == AlertKind::Escalation {
            return channel == LOG || self.named(&self.escalate_to).iter().any(|named| named == channel);
        }
        channel == LOG
            || (self.routes.is_empty() && !to_contact)
            || self.routes.iter().any(|route| route.is_for(message) && route.leads_to(channel))
    }

    /// A contact is told of problems of the own feed, and of nothing else.
    fn may_tell_contact(&self, message: &AlertMessage) -> bool {
        let known = message.provider.as_ref().is_some_and(|provider| self.contacts.contains(provider));
        known && matches!(message.problem, Concern::Feed(_))
    }

    /// When a channel may be told of a message; `None`: now. Of several routes to one channel the earliest counts.
    #[must_use]
    pub fn quiet_until(&self, message: &AlertMessage, channel: &str, now: DateTime, zone: &TimeZone) -> Option<Timestamp> {
        if message.severity == AlertSeverity::Error || message.kind == AlertKind::Escalation || channel == LOG {
            return None;
        }
        let routes = self.routes.iter().filter(|route| route.is_for(message) && route.leads_to(channel));
        let ends: Vec<Option<DateTime>> = routes.map(|route| route.quiet.and_then(|quiet| quiet.end(now))).collect();
        let end = ends.into_iter().min().flatten()?;
        end.to_zoned(zone.clone()).ok().map(|end| end.timestamp())
    }

    /// The outbox's names of channels, by the settings' names.
    #[must_use]
    pub fn named(&self, names: &[String]) -> Vec<String> {
        let wanted = |channel: &&String| {
            let (kind, name) = channel.split_once(':').unwrap_or(("", channel));
            kind != "contact" && names.iter().any(|wanted| wanted == name)
        };
        self.channels.iter().filter(wanted).cloned().collect()
    }
}

/// Providers and addresses that can be told by mail, of those that the settings have.
#[must_use]
pub fn reachable(contacts: impl Iterator<Item = (ProviderCode, String)>) -> BTreeMap<ProviderCode, String> {
    contacts.filter(|(_, address)| super::is_mail_address(address)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::channels::testing::{at, late, missed, over};
    use crate::alerts::trial;

    fn zone() -> TimeZone {
        TimeZone::get("Europe/London").unwrap()
    }

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn routing(routes: Vec<Route>) -> Routing {
        let contacts = BTreeSet::from(["RM1".parse().unwrap()]);
        let channels = names("log webhook:desk webhook:pager email:office contact:office alertmanager:main");
        Routing { channels, routes, contacts, escalate_to: names("office") }
    }

    fn route(channels: &str) -> Route {
        Route { channels: names(channels), ..Route::everything() }
    }

    /// Where it goes, in one line: a time where it waits.
    fn sent(routing: &Routing, message: &AlertMessage, said: &[Said], now: &str) -> String {
        let plan = plan(routing, message, said, &names("webhook:pager"), at(now), &zone());
        let shown = plan.send.iter().map(|(channel, until)| match until {
            Some(until) => format!("{channel}@{}", until.to_zoned(zone()).strftime("%d %H:%M")),
            None => channel.clone(),
        });
        let dropped = plan.drop.iter().map(|(key, channel)| format!("-{channel} {key}"));
        shown.chain(dropped).collect::<Vec<_>>().join(" ")
    }

    const NOON: &str = "2018-12-03T12:00:00Z";

    #[test]
    fn a_message_takes_every_route_that_it_matches() {
        let of = |provider: &str, route: Route| Route { providers: vec![provider.parse().unwrap()], ..route };
        let only = |problem: &str, route: Route| Route { problems: names(problem), ..route };
        let from = |severity, route: Route| Route { severity, ..route };
        let ours = AlertMessage { provider: None, problem: Concern::House(HouseProblem::Disk), ..missed() };
        let channel = AlertMessage { problem: Concern::House(HouseProblem::Channel), ..ours.clone() };
        let escalated = AlertMessage { kind: AlertKind::Escalation, ..missed() };
        let contact = Route { contact_by: Some("office".to_owned()), ..route("desk") };
        let all = "log webhook:desk webhook:pager email:office alertmanager:main";
        let rows: [(&str, Vec<Route>, AlertMessage, &str); 17] = [
            ("no route", vec![], late(), all),
            ("no route, our own side", vec![], ours.clone(), all),
            ("no route, a channel that fails is not told of itself", vec![], channel, "log webhook:desk email:office alertmanager:main"),
            ("no route, escalated", vec![], escalated.clone(), "log email:office"),
            ("one", vec![route("desk")], late(), "log webhook:desk"),
            ("two", vec![route("desk"), route("office pager")], late(), "log webhook:desk webhook:pager email:office"),
            ("of the provider", vec![of("RM1", route("desk"))], late(), "log webhook:desk"),
            ("of another", vec![of("RGP", route("desk"))], late(), "log"),
            ("of a provider, our own side", vec![of("RM1", route("desk"))], ours.clone(), "log"),
            ("of all, our own side", vec![route("desk")], ours.clone(), "log webhook:desk"),
            ("of the problem", vec![only("late frozen", route("desk"))], late(), "log webhook:desk"),
            ("of another problem", vec![only("frozen", route("desk"))], late(), "log"),
            ("too little", vec![from(AlertSeverity::Error, route("pager"))], late(), "log"),
            ("enough", vec![from(AlertSeverity::Error, route("pager"))], missed(), "log webhook:pager"),
            ("the contact too", vec![contact.clone()], late(), "log webhook:desk contact:office"),
            ("nobody's contact is told of our own side", vec![contact], ours, "log webhook:desk"),
            ("a route, escalated to others", vec![route("desk")], escalated, "log email:office"),
        ];
        for (what, routes, message, expected) in rows {
            assert_eq!(sent(&routing(routes), &message, &[], NOON), expected, "{what}");
        }
        let mut stranger = routing(vec![Route { contact_by: Some("office".to_owned()), ..route("desk") }]);
        stranger.contacts.clear();
        assert_eq!(sent(&stranger, &late(), &[], NOON), "log webhook:desk", "a contact without an address");
    }

    #[test]
    fn what_is_not_urgent_waits_until_quiet_hours_end_by_the_clock_on_the_wall() {
        let night = Quiet::parse("22:00-07:00").unwrap();
        let lunch = Quiet::parse("12:00-13:30").unwrap();
        let quiet = |quiet, route: Route| Route { quiet: Some(quiet), ..route };
        let one = vec![quiet(night, route("desk"))];
        let two = vec![quiet(night, route("desk")), quiet(Quiet::parse("21:00-06:00").unwrap(), route("desk"))];
        let open = vec![quiet(night, route("desk")), route("desk")];
        let rows = [
            ("before", &one, late(), "2018-12-03T21:59:59Z", "log webhook:desk"),
            ("in the evening", &one, late(), "2018-12-03T22:00:00Z", "log webhook:desk@04 07:00"),
            ("in the morning", &one, late(), "2018-12-04T06:59:59Z", "log webhook:desk@04 07:00"),
            ("after", &one, late(), "2018-12-04T07:00:00Z", "log webhook:desk"),
            ("urgent", &one, missed(), "2018-12-03T23:00:00Z", "log webhook:desk"),
            ("in summer", &one, late(), "2018-07-03T21:00:00Z", "log webhook:desk@04 07:00"),
            ("in the night when the clocks go back", &one, late(), "2018-10-27T21:30:00Z", "log webhook:desk@28 07:00"),
            ("within a day", &vec![quiet(lunch, route("desk"))], late(), "2018-12-03T12:00:00Z", "log webhook:desk@03 13:30"),
            ("within a day, after", &vec![quiet(lunch, route("desk"))], late(), "2018-12-03T13:30:00Z", "log webhook:desk"),
            ("the earliest of two", &two, late(), "2018-12-03T23:00:00Z", "log webhook:desk@04 06:00"),
            ("one of two is open", &open, late(), "2018-12-03T23:00:00Z", "log webhook:desk"),
        ];
        for (what, routes, message, now, expected) in rows {
            assert_eq!(sent(&routing(routes.clone()), &message, &[], now), expected, "{what}");
        }
        // The clocks went forward at one: half past one was not there, and what waits for it waits until half past two.
        let gap = vec![quiet(Quiet::parse("22:00-01:30").unwrap(), route("desk"))];
        assert_eq!(sent(&routing(gap), &late(), &[], "2018-03-25T00:30:00Z"), "log webhook:desk@25 02:30");
        for text in ["22:00-22:00", "22-07", "22:00", "25:00-07:00", "22:00-7:00", ""] {
            assert_eq!(Quiet::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_end_goes_to_whom_something_was_told_and_what_was_told_to_nobody_is_dropped() {
        let said = |channel: &str, held| Said { key: "RM1/missed/x/begin".into(), channel: channel.to_owned(), held };
        let night = Route { quiet: Quiet::parse("22:00-07:00"), ..route("desk") };
        let late_at_night = "2018-12-03T23:00:00Z";
        let rows = [
            ("routes of today do not matter", vec![said("log", false), said("email:office", false)], NOON, "log email:office"),
            ("told at night", vec![said("log", false), said("webhook:desk", false)], late_at_night, "log webhook:desk@04 07:00"),
            ("held", vec![said("log", false), said("webhook:desk", true)], late_at_night, "log -webhook:desk RM1/missed/x/begin"),
            ("nobody knows any more who was told", vec![], NOON, "log webhook:desk"),
        ];
        for (what, said, now, expected) in rows {
            assert_eq!(sent(&routing(vec![night.clone()]), &over(), &said, now), expected, "{what}");
        }
        let reminder = AlertMessage { kind: AlertKind::Reminder, ..late() };
        let held = [said("log", false), said("webhook:desk", true)];
        assert_eq!(sent(&routing(vec![night.clone()]), &reminder, &held, late_at_night), "log");
        assert_eq!(sent(&routing(vec![night]), &reminder, &[said("log", false)], late_at_night), "log webhook:desk@04 07:00");
        assert_eq!(
            sent(&routing(vec![]), &trial(at(NOON), &zone()), &[], NOON),
            "log webhook:desk webhook:pager email:office alertmanager:main"
        );
    }
}
