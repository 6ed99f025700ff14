//! A Prometheus Alertmanager, by version 2 of its API: it is told of what is firing, again and again, and of what ended for a while.
//!
//! Owns the labels, which are the identity of an alert and so never change while it lasts, and when an alert ends by itself. Refuses to
//! know what is open: whoever asks reads the ledger.

use super::SendError;
use super::http::{self, Address};
use crate::alerts::{AlertKind, AlertMessage, Concern};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// How often it is told of what goes on: it forgets what it is not told of, and all of it when it is killed.
pub(in crate::alerts) const RESEND: Duration = Duration::from_secs(60);

/// For how long it is told that something ended.
pub(in crate::alerts) const RESOLVED_FOR: SignedDuration = SignedDuration::from_mins(5);

/// When an alert that it is not told of again counts as over there. Long enough for a restart of ours, which must not seem to be a
/// recovery.
const LASTS: SignedDuration = SignedDuration::from_mins(15);

/// The same for what is told once and has no end of its own, such as a key that expires.
const LASTS_ALONE: SignedDuration = SignedDuration::from_hours(24);

/// Most alerts in one request.
const MOST: usize = 500;

/// One Alertmanager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alertmanager {
    /// Its name in status and logs.
    pub name: String,
    /// Where it is; `/api/v2/alerts` is put after it.
    pub address: Address,
    /// Where people can see how all feeds stand; `None` where they cannot.
    pub page: Option<String>,
}

/// One alert as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::alerts) struct Firing {
    /// The first message of the episode: what never changes comes from it.
    pub(in crate::alerts) first: AlertMessage,
    /// The newest one.
    pub(in crate::alerts) newest: AlertMessage,
}

/// Tells it of alerts. Blocks for 10 s at most for each 500.
pub(in crate::alerts) fn send_all(manager: &Alertmanager, alerts: &[Firing], now: Timestamp) -> Result<(), SendError> {
    let channel = format!("Alertmanager {}", manager.name);
    for some in alerts.chunks(MOST) {
        let key = some.first().map_or("", |alert| alert.newest.key.as_str());
        let body = Value::Array(some.iter().map(|alert| alert.to_value(manager.page.as_deref(), now)).collect());
        http::post(&manager.address, "/api/v2/alerts", &body.to_string(), key, &channel)?;
    }
    Ok(())
}

impl Firing {
    fn to_value(&self, page: Option<&str>, now: Timestamp) -> Value {
        let Self { first, newest } = self;
        let mut labels = Map::new();
        let mut label = |name: &str, value: &str| labels.insert(name.to_owned(), json!(value));
        label("alertname", &alert_name(first.problem));
        label("problem", first.problem.as_str());
        label("severity", first.severity.as_str());
        label("episode", &first.episode);
        if let Some(provider) = &first.provider {
            label("provider", provider.as_str());
        }
        let mut annotations = Map::new();
        let texts = [
            ("summary", &newest.title),
            ("description", &newest.text),
            ("cause", &newest.cause),
            ("what_to_do", &newest.what_to_do),
            ("runbook", &newest.runbook),
            ("key", &newest.key),
        ];
        for (name, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
            annotations.insert(name.to_owned(), json!(text));
        }
        let over = newest.ended.filter(|_| newest.kind == AlertKind::End);
        let lasts = if matches!(first.problem, Concern::Term(_)) { LASTS_ALONE } else { LASTS };
        let until = now.saturating_add(lasts).unwrap_or(now);
        // An end before the beginning would be refused.
        let ends = over.map_or(until, |over| over.max(first.since));
        let mut alert = json!({
            "labels": labels,
            "annotations": annotations,
            "startsAt": first.since.to_string(),
            "endsAt": ends.to_string(),
        });
        if let (Some(page), Some(alert)) = (page, alert.as_object_mut()) {
            alert.insert("generatorURL".to_owned(), json!(page));
        }
        alert
    }
}

/// The name that rules and routes of an Alertmanager go by, as in `BedfeedLate`.
fn alert_name(problem: Concern) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    std::iter::once("Bedfeed".to_owned()).chain(problem.as_str().split('_').map(capital)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::channels::testing::{at, golden, missed, over, server};

    fn value(first: AlertMessage, newest: AlertMessage, now: &str) -> Value {
        Firing { first, newest }.to_value(Some("https://beds.example/"), at(now))
    }

    #[test]
    fn labels_stay_the_same_until_the_end_and_a_silence_of_ours_is_no_recovery() {
        let begin = value(missed(), missed(), "2018-12-03T10:20:01Z");
        let later = value(missed(), missed(), "2018-12-03T10:50:01Z");
        let end = value(missed(), over(), "2018-12-03T11:02:01Z");
        assert_eq!((&begin["labels"], &begin["labels"]), (&later["labels"], &end["labels"]));
        assert_eq!((&begin["startsAt"], &begin["startsAt"]), (&later["startsAt"], &end["startsAt"]));
        let ends: Vec<&str> = [&begin, &later, &end].map(|alert| alert["endsAt"].as_str().unwrap()).to_vec();
        assert_eq!(ends, ["2018-12-03T10:35:01Z", "2018-12-03T11:05:01Z", "2018-12-03T11:02:00Z"]);
        golden("alertmanager-begin.json", &format!("{begin:#}\n"));
        golden("alertmanager-end.json", &format!("{end:#}\n"));
    }

    #[test]
    fn an_alert_of_our_own_side_has_no_provider() {
        let ours = AlertMessage { provider: None, provider_name: None, ..missed() };
        let alert = Firing { first: ours.clone(), newest: ours }.to_value(None, at("2018-12-03T10:20:01Z"));
        assert_eq!((&alert["labels"]["provider"], &alert["generatorURL"]), (&Value::Null, &Value::Null));
        assert_eq!(alert["labels"]["alertname"], "BedfeedMissed");
    }

    #[test]
    fn many_are_told_in_several_requests_to_the_second_version_of_its_interface() {
        let (address, asked) = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let manager = Alertmanager { name: "main".into(), address: Address::Url(format!("{address}/am/")), page: None };
        let alert = Firing { first: missed(), newest: missed() };
        // The server answers once: the second request finds nobody.
        let sent = send_all(&manager, &vec![alert; MOST + 1], at("2018-12-03T10:20:01Z"));
        assert!(matches!(sent.unwrap_err(), SendError::Away { .. }));
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("POST /am/api/v2/alerts HTTP/1.1\r\n"), "{asked}");
        assert_eq!(asked.matches("\"startsAt\"").count(), MOST);
    }
}
