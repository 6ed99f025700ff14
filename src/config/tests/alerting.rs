//! Channels, routes and the heartbeat in the settings.

use super::super::*;
use super::{PROVIDER, folder, problems, repository};
use crate::secret::Secret;

#[test]
fn the_commented_main_file_shows_channels_that_would_be_taken() {
    let shown = std::fs::read_to_string(repository().join("config/bedfeed.toml")).unwrap();
    let keys: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix("#     ")).collect();
    let text = format!("state_dir = \"s\"\n[web]\n{}", keys.join("\n"));
    let dir = folder(&[("bedfeed.toml", &text), ("providers/RM1.toml", PROVIDER)]);
    let settings = load(&dir.path().join("bedfeed.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    let page = Some("https://beds.example/".to_owned());
    assert_eq!(settings.web.public_url, page);
    let address = |url: &str| alerts::Address::Url(url.to_owned());
    let webhook = alerts::Webhook {
        name: "on-call".into(),
        address: address("https://hooks.example/bedfeed"),
        form: alerts::Form::Json,
        page: page.clone(),
    };
    let email = alerts::Email {
        name: "office".into(),
        server: "mail.example".into(),
        port: 587,
        tls: alerts::MailTls::StartTls,
        ca_file: Some(dir.path().join("mail-ca.pem")),
        user: Some("bedfeed".into()),
        password: Secret::File(dir.path().join("mail.password")),
        from: "bedfeed@icb.example".into(),
        to: alerts::To::These(vec!["bed-desk@icb.example".into()]),
        page: page.clone(),
    };
    let manager = alerts::Alertmanager { name: "main".into(), address: address("http://127.0.0.1:9093"), page };
    let route = alerts::Route {
        providers: vec!["RM1".parse().unwrap()],
        problems: vec!["late".into(), "rejected".into()],
        severity: alerts::AlertSeverity::Warning,
        channels: vec!["office".into()],
        contact_by: Some("office".into()),
        quiet: alerts::Quiet::parse("22:00-07:00"),
    };
    let every = std::time::Duration::from_secs(60);
    let expected = alerts::Settings {
        channels: vec![alerts::Channel::Webhook(webhook), alerts::Channel::Email(email), alerts::Channel::Alertmanager(manager)],
        routes: vec![route],
        heartbeat: Some(alerts::Heartbeat { address: address("https://watch.example/ping/1c2f"), every }),
        ..alerts::Settings::default()
    };
    assert_eq!(settings.alerts, expected);
    assert_eq!(keys.len(), 28, "one of each, and their headings");
    // What is kept elsewhere is taken too, and what is left out has its default.
    let text = "state_dir = \"s\"\n[[alerts.webhook]]\nname = \"a\"\nurl_file = \"address\"\n[[alerts.email]]\nname = \"b\"\nserver = \"::1\"\n\
                tls = \"off\"\nfrom = \"a@b.example\"\nto = \"c@d.example\"\n[alerts.heartbeat]\nurl_credential = \"beat\"\n";
    let dir = folder(&[("bedfeed.toml", text), ("providers/RM1.toml", PROVIDER)]);
    let settings = load(&dir.path().join("bedfeed.toml")).unwrap_or_else(|problems| panic!("{problems}")).alerts;
    let [alerts::Channel::Webhook(webhook), alerts::Channel::Email(email)] = settings.channels.as_slice() else { panic!("{settings:?}") };
    assert_eq!(webhook.address, alerts::Address::Kept(Secret::File(dir.path().join("address"))));
    assert_eq!((email.port, email.tls, &email.password), (25, alerts::MailTls::Off, &Secret::None));
    let beat = alerts::Heartbeat { address: alerts::Address::Kept(Secret::Credential("beat".into())), every };
    assert_eq!(settings.heartbeat, Some(beat));
}

#[test]
fn a_bad_channel_or_route_is_reported_by_line_and_key() {
    let hook = "[[alerts.webhook]]\nname = \"desk\"\nurl = \"https://x.example/Geheim\"\n";
    let mail = "[[alerts.email]]\nname = \"office\"\nserver = \"mail.example\"\nfrom = \"a@b.example\"\nto = [\"c@d.example\"]\n";
    let route = format!("{hook}[[alerts.route]]\nchannels = [\"desk\"]\n");
    // What is put where, and what is said of it.
    let rows = [
        ("[[alerts.webhook]]\nname = \"a\"\nurl = \"ftp://Geheim\"".to_owned(), "4: alerts.webhook[0].url: must be a web address"),
        ("[[alerts.webhook]]\nname = \"a\"".to_owned(), "2: alerts.webhook[0].url: missing"),
        (format!("{hook}url_file = \"x\""), "4: alerts.webhook[0].url: cannot be given together with url_file"),
        (format!("{hook}form = \"irc\""), "5: alerts.webhook[0].form: \"irc\" is not one of"),
        (format!("{hook}{hook}"), "6: alerts.webhook[1].name: another channel is called \"desk\""),
        (hook.replace("desk", "log"), "3: alerts.webhook[0].name: another channel is called \"log\""),
        (hook.replace("desk", "a:b"), "3: alerts.webhook[0].name: must be letters, digits"),
        (format!("{hook}{}", mail.replace("office", "desk")), "6: alerts.email[0].name: another channel is called \"desk\""),
        (mail.replace("mail.example", "mail.example:25"), "4: alerts.email[0].server: must be the name or the address"),
        (mail.replace("a@b.example", "b.example"), "5: alerts.email[0].from: \"b.example\" is not an address of mail"),
        (mail.replace("c@d.example", "c@"), "6: alerts.email[0].to[0]: \"c@\" is not an address of mail"),
        (mail.replace("\"c@d.example\"", ""), "6: alerts.email[0].to: must name 1 to 50 addresses"),
        (format!("{mail}tls = \"off\""), "7: alerts.email[0].tls: may be \"off\" only for a server on this machine"),
        (format!("{mail}user = \"a\""), "2: alerts.email[0]: user goes with password_file"),
        (format!("{mail}password_file = \"a\""), "2: alerts.email[0]: user goes with password_file"),
        (format!("{mail}password = \"Geheim\""), "7: alerts.email[0].password: unknown key"),
        (format!("{route}providers = [\"RM1\", \"ZZZ\"]"), "7: alerts.route[0].providers[1]: no provider has the code ZZZ"),
        (format!("{route}problems = [\"lost in thought\"]"), "7: alerts.route[0].problems[0]: \"lost in thought\" is not a problem"),
        (format!("{route}severity = \"bad\""), "7: alerts.route[0].severity: \"bad\" is not one of"),
        ("[alerts]\nescalate_to = [\"pager\"]".to_owned(), "3: alerts.escalate_to[0]: \"pager\" is not the name of a channel"),
        (route.replace("[\"desk\"]", "[\"pager\"]"), "6: alerts.route[0].channels[0]: \"pager\" is not the name of a channel"),
        (format!("{route}contact_by = \"desk\""), "7: alerts.route[0].contact_by: \"desk\" is not the name of an e-mail channel"),
        (format!("{route}quiet = \"22-7\""), "7: alerts.route[0].quiet: must be two times of the day"),
        ("[[alerts.route]]\nseverity = \"error\"".to_owned(), "2: alerts.route[0].channels: missing"),
        ("[alerts.heartbeat]\nevery = \"60s\"".to_owned(), "2: alerts.heartbeat.url: missing"),
        ("[alerts.heartbeat]\nurl = \"https://x\"\nevery = \"1s\"".to_owned(), "4: alerts.heartbeat.every: must be 10s to 1h"),
        ("[audit]\ncheckpoint_to = [\"desk\"]".to_owned(), "3: audit.checkpoint_to[0]: \"desk\" is neither \"log\" nor the name"),
        ("[web]\npublic_url = \"beds.example\"".to_owned(), "3: web.public_url: must be a web address"),
    ];
    for (text, expected) in rows {
        let got = problems(&[("bedfeed.toml", &format!("state_dir = \"s\"\n{text}")), ("providers/RM1.toml", PROVIDER)]);
        assert_eq!(got.len(), 1, "{text}: {got:?}");
        assert!(got[0].starts_with(&format!("bedfeed.toml:{expected}")) && !got[0].contains("Geheim"), "{text}: {got:?}");
    }
}
