//! Webhooks: a message as plain JSON, or in the form of a chat.
//!
//! Owns the forms. Plain JSON is [`AlertMessage`] itself. Slack and Teams show text alone, so what they get cannot be answered by a
//! program; neither can change what was posted, so an end is a message of its own.

use super::http::{self, Address};
use super::{SendError, facts};
use crate::alerts::{AlertKind, AlertMessage, AlertSeverity};
use serde_json::{Value, json};

/// Longest heading that Slack takes, in characters.
const SLACK_HEADING: usize = 150;
/// Longest text of a block that Slack takes, in characters.
const SLACK_TEXT: usize = 3000;

/// The form of a webhook's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The message, for programs.
    Json,
    /// An incoming webhook of Slack: text and blocks.
    Slack,
    /// A workflow of Microsoft Teams: an Adaptive Card 1.2.
    Teams,
}

/// One webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its name in status and logs.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// What it gets.
    pub form: Form,
    /// Where people can see how all feeds stand; `None` where they cannot.
    pub page: Option<String>,
}

pub(super) fn post(webhook: &Webhook, message: &AlertMessage) -> Result<(), SendError> {
    let channel = format!("webhook {}", webhook.name);
    let body = body(webhook.form, message, webhook.page.as_deref());
    let body = body.map_err(|source| SendError::Encode { key: message.key.clone(), channel: channel.clone(), source: Box::new(source) })?;
    http::post(&webhook.address, "", &body, &message.key, &channel)
}

fn body(form: Form, message: &AlertMessage, page: Option<&str>) -> Result<String, serde_json::Error> {
    match form {
        Form::Json => message.to_json(),
        Form::Slack => serde_json::to_string(&slack(message, page)),
        Form::Teams => serde_json::to_string(&teams(message, page)),
    }
}

/// A word in front of the title, for eyes that see no colour.
fn state(message: &AlertMessage) -> &'static str {
    match (message.kind, message.severity) {
        (AlertKind::End, _) => "Over",
        (_, AlertSeverity::Error) => "Error",
        (_, AlertSeverity::Warning) => "Warning",
        (_, AlertSeverity::Info) => "Note",
    }
}

fn slack(message: &AlertMessage, page: Option<&str>) -> Value {
    let plain = |text: &str, most: usize| json!({ "type": "plain_text", "text": cut(text, most), "emoji": false });
    let heading = format!("{}: {}", state(message), message.title);
    let mut blocks = vec![
        json!({ "type": "header", "text": plain(&heading, SLACK_HEADING) }),
        json!({ "type": "section", "text": plain(&message.text, SLACK_TEXT) }),
    ];
    for (heading, said) in message.advice() {
        blocks.push(json!({ "type": "section", "text": plain(&format!("{heading}: {said}"), SLACK_TEXT) }));
    }
    let told: Vec<String> = facts(message).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
    blocks.push(json!({ "type": "context", "elements": [plain(&told.join(" · "), SLACK_TEXT)] }));
    if let Some(page) = page {
        let button = json!({ "type": "button", "text": plain("All feeds", 75), "url": page });
        blocks.push(json!({ "type": "actions", "elements": [button] }));
    }
    // What notifications show. Slack reads it as its markup, in which these three signs mean something.
    let text = format!("{heading}. {}", message.text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "text": cut(&text, SLACK_TEXT), "blocks": blocks })
}

fn teams(message: &AlertMessage, page: Option<&str>) -> Value {
    let colour = match (message.kind, message.severity) {
        (AlertKind::End, _) => "Good",
        (_, AlertSeverity::Error) => "Attention",
        (_, AlertSeverity::Warning) => "Warning",
        (_, AlertSeverity::Info) => "Default",
    };
    let heading = format!("{}: {}", state(message), message.title);
    let line = |text: &str| json!({ "type": "TextBlock", "text": unlinked(text), "wrap": true });
    let mut body = vec![
        json!({ "type": "TextBlock", "text": unlinked(&heading), "wrap": true, "size": "Large", "weight": "Bolder", "color": colour }),
        line(&message.text),
    ];
    for (heading, said) in message.advice() {
        body.push(line(&format!("{heading}: {said}")));
    }
    let facts: Vec<Value> = facts(message).into_iter().map(|(title, value)| json!({ "title": title, "value": unlinked(&value) })).collect();
    body.push(json!({ "type": "FactSet", "facts": facts }));
    let mut card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.2",
        "fallbackText": format!("{heading}. {}", message.text),
        "body": body,
    });
    if let (Some(page), Some(card)) = (page, card.as_object_mut()) {
        card.insert("actions".to_owned(), json!([{ "type": "Action.OpenUrl", "title": "All feeds", "url": page }]));
    }
    json!({
        "type": "message",
        "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card }],
    })
}

/// A card's text is read as Markdown, in which this would be a link.
fn unlinked(text: &str) -> String {
    text.replace("](", "] (")
}

/// At most so many characters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(std::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::channels::testing::{golden, missed, over};

    const PAGE: &str = "https://beds.example/";

    fn payload(form: Form, message: &AlertMessage, page: Option<&str>) -> Value {
        serde_json::from_str(&body(form, message, page).unwrap()).unwrap()
    }

    /// The keys of an object, each of which must be one of these; those before the stroke must be there.
    fn keys(value: &Value, needed: &[&str], allowed: &[&str]) {
        let object = value.as_object().unwrap_or_else(|| panic!("{value} is no object"));
        for key in needed {
            assert!(object.contains_key(*key), "{key} is missing in {value}");
        }
        for key in object.keys() {
            assert!(needed.contains(&key.as_str()) || allowed.contains(&key.as_str()), "{key} is not known in {value}");
        }
    }

    fn text(value: &Value, most: usize) -> &str {
        let text = value.as_str().unwrap_or_else(|| panic!("{value} is no text"));
        assert!(!text.is_empty() && text.chars().count() <= most, "{} characters", text.chars().count());
        text
    }

    /// What Slack's reference asks of `text` and `blocks` of an incoming webhook.
    fn check_slack(payload: &Value) {
        let plain = |value: &Value, most: usize| {
            keys(value, &["type", "text"], &["emoji"]);
            assert_eq!(value["type"], "plain_text");
            text(&value["text"], most);
        };
        keys(payload, &["text", "blocks"], &[]);
        text(&payload["text"], 40_000);
        let blocks = payload["blocks"].as_array().unwrap();
        assert!((1..=50).contains(&blocks.len()));
        for block in blocks {
            match block["type"].as_str().unwrap() {
                "header" => {
                    keys(block, &["type", "text"], &["block_id"]);
                    plain(&block["text"], 150);
                }
                "section" => {
                    keys(block, &["type", "text"], &["block_id"]);
                    plain(&block["text"], 3000);
                }
                "context" => {
                    keys(block, &["type", "elements"], &["block_id"]);
                    let elements = block["elements"].as_array().unwrap();
                    assert!((1..=10).contains(&elements.len()));
                    elements.iter().for_each(|element| plain(element, 3000));
                }
                "actions" => {
                    keys(block, &["type", "elements"], &["block_id"]);
                    for button in block["elements"].as_array().unwrap() {
                        keys(button, &["type", "text", "url"], &["action_id"]);
                        assert_eq!(button["type"], "button");
                        plain(&button["text"], 75);
                        assert!(text(&button["url"], 3000).starts_with("https://"));
                    }
                }
                other => panic!("{other} is not known"),
            }
        }
    }

    /// What a workflow takes: one card, of version 1.2, with elements of that version.
    fn check_teams(payload: &Value) {
        keys(payload, &["type", "attachments"], &[]);
        assert_eq!(payload["type"], "message");
        let attachments = payload["attachments"].as_array().unwrap();
        assert_eq!(attachments.len(), 1);
        keys(&attachments[0], &["contentType", "content"], &["contentUrl"]);
        assert_eq!(attachments[0]["contentType"], "application/vnd.microsoft.card.adaptive");
        let card = &attachments[0]["content"];
        keys(card, &["type", "version", "body"], &["$schema", "fallbackText", "actions"]);
        assert_eq!((&card["type"], &card["version"]), (&json!("AdaptiveCard"), &json!("1.2")));
        for element in card["body"].as_array().unwrap() {
            match element["type"].as_str().unwrap() {
                "TextBlock" => {
                    keys(element, &["type", "text"], &["wrap", "size", "weight", "color"]);
                    assert!(!text(&element["text"], 28_000).contains("]("));
                    assert!(element["wrap"].is_boolean());
                }
                "FactSet" => {
                    keys(element, &["type", "facts"], &[]);
                    for fact in element["facts"].as_array().unwrap() {
                        keys(fact, &["title", "value"], &[]);
                        assert!(!text(&fact["title"], 100).is_empty() && !text(&fact["value"], 1000).is_empty());
                    }
                }
                other => panic!("{other} is not known"),
            }
        }
        for action in card["actions"].as_array().into_iter().flatten() {
            keys(action, &["type", "title", "url"], &[]);
            assert_eq!(action["type"], "Action.OpenUrl");
        }
        // A workflow refuses more than 28 KB.
        assert!(payload.to_string().len() < 28 * 1024);
    }

    #[test]
    fn chats_get_what_their_makers_ask_for() {
        let begin = missed();
        let end = over();
        let odd = AlertMessage {
            title: "a <b> & [here](https://evil.example) ".repeat(9),
            text: "x".repeat(9000),
            what_to_do: String::new(),
            ..missed()
        };
        for (name, message, page) in [("begin", &begin, Some(PAGE)), ("end", &end, None), ("odd", &odd, Some(PAGE))] {
            let (slack, teams) = (payload(Form::Slack, message, page), payload(Form::Teams, message, page));
            check_slack(&slack);
            check_teams(&teams);
            if name != "odd" {
                golden(&format!("slack-{name}.json"), &format!("{slack:#}\n"));
                golden(&format!("teams-{name}.json"), &format!("{teams:#}\n"));
            }
        }
        assert!(payload(Form::Slack, &odd, None)["text"].as_str().unwrap().starts_with("Error: a &lt;b&gt; &amp; [here]"));
    }

    #[test]
    fn programs_get_the_message_itself() {
        assert_eq!(serde_json::from_value::<AlertMessage>(payload(Form::Json, &over(), Some(PAGE))).unwrap(), over());
    }
}
