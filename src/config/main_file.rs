//! The main file: `bedfeed.toml`.
//!
//! Owns its keys and their defaults. Refuses what this build cannot do, and pages that the network could read.

use super::document::{Item, Section, Source};
use super::problem::Problem;
use super::{access, alerting, alerts, forward, health, intake, warehouse};
use crate::feed::ProviderCode;
use crate::quarantine::{Governance, Recipient, Retention};
use jiff::SignedDuration;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// What `rekey_bytes` may be: below a megabyte a client would do little else; above a gigabyte the SSH library refuses, and
/// RFC 4253, section 9, advises against it.
const REKEY_BYTES: RangeInclusive<u64> = 1 << 20..=1 << 30;

/// What the main file says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Main {
    pub(super) state_dir: Option<PathBuf>,
    pub(super) providers_dir: PathBuf,
    /// `None`: the default folder, which may be missing.
    pub(super) reference_dir: Option<PathBuf>,
    pub(super) sftp: intake::Settings,
    pub(super) trust: intake::Trust,
    pub(super) warehouse: forward::Settings,
    pub(super) further_warehouses: Vec<(String, forward::Settings)>,
    pub(super) web: health::Settings,
    pub(super) alerts: alerts::Settings,
    /// Providers that routes name, and where.
    pub(super) routed: Vec<(ProviderCode, Problem)>,
    pub(super) retention: Retention,
    pub(super) governance: Governance,
}

impl Main {
    /// What holds where the file says nothing. Paths in the file are relative to its own folder, `beside`.
    pub(super) fn defaults(beside: &Path) -> Self {
        Self {
            state_dir: None,
            providers_dir: beside.join("providers"),
            reference_dir: None,
            sftp: intake::Settings::default(),
            trust: intake::Trust::default(),
            warehouse: warehouse::embedded(),
            further_warehouses: Vec::new(),
            web: health::Settings::default(),
            alerts: alerts::Settings::default(),
            routed: Vec::new(),
            retention: Retention::default(),
            governance: Governance::default(),
        }
    }
}

/// Reads the main file. What is wrong with it is noted at its source.
pub(super) fn read(source: &Source, beside: &Path) -> Main {
    let default = Main::defaults(beside);
    let Some(document) = source.parse() else { return default };
    let root = source.root(document.get_ref());
    let mut routed = Vec::new();
    let folder = |item: Option<Item<'_>>| item.and_then(|item| item.filled().map(|path| beside.join(path)));
    let (sftp, trust) = root.section("sftp").map_or((default.sftp, default.trust), sftp);
    let web = root.section("web").and_then(web).unwrap_or(default.web);
    let page = web.public_url.clone();
    let mut alerts = root.section("alerts").map_or(default.alerts, |section| alerting::read(section, beside, page, &mut routed));
    if let Some(section) = root.section("audit") {
        alerting::audit(section, &mut alerts);
    }
    let warehouses = root.section("warehouse").map(|section| warehouse::read(section, beside)).unwrap_or_default();
    let main = Main {
        state_dir: folder(root.need("state_dir")),
        providers_dir: folder(root.get("providers_dir")).unwrap_or(default.providers_dir),
        reference_dir: folder(root.get("reference_dir")),
        sftp,
        trust,
        warehouse: warehouses.first.unwrap_or(default.warehouse),
        further_warehouses: warehouses.further,
        web,
        alerts,
        routed,
        retention: root.section("retention").map_or(default.retention, retention),
        governance: root.section("governance").map_or(default.governance, governance),
    };
    root.finish();
    main
}

fn sftp(section: Section<'_>) -> (intake::Settings, intake::Trust) {
    let default = intake::Settings::default();
    let duration = |key, least, most| {
        let range = SignedDuration::from_secs(least)..=SignedDuration::from_secs(most);
        section.get(key).and_then(|item| item.duration(range)).map(SignedDuration::unsigned_abs)
    };
    let count = |key, most| section.get(key).and_then(|item| item.whole(1..=most));
    let flag = |key| section.get(key).and_then(|item| item.flag().map(|on| (item, on)));
    let compatibility = flag("compatibility").is_some_and(|(_, on)| on);
    let post_quantum_only = flag("post_quantum_only");
    if let Some((item, true)) = &post_quantum_only
        && compatibility
    {
        item.problem("cannot be on together with compatibility: one takes away what the other adds");
    }
    let listen = section.get("listen").map_or(default.listen, |item| addresses(&item));
    let next_listen = section.get("next_listen").map_or(default.next_listen, |item| distinct_addresses(&item, &listen));
    let host_keys = section.get("host_keys").and_then(|item| item.filled().map(PathBuf::from)).unwrap_or(default.host_keys);
    let next_host_keys = section.get("next_host_keys").and_then(|item| item.filled().map(|path| (item.clone(), PathBuf::from(path))));
    if let Some((item, _)) = next_host_keys.as_ref().filter(|(_, path)| *path == host_keys) {
        item.problem("is the folder of host_keys: the next keys need a folder of their own");
    }
    let settings = intake::Settings {
        listen,
        host_keys,
        login_grace: duration("login_grace", 1, 600).unwrap_or(default.login_grace),
        idle_timeout: duration("idle_timeout", 10, 86_400).unwrap_or(default.idle_timeout),
        max_connections: count("max_connections", 10_000).unwrap_or(default.max_connections),
        max_connections_per_source: count("max_connections_per_source", 10_000).unwrap_or(default.max_connections_per_source),
        max_connections_per_account: count("max_connections_per_account", 10_000).unwrap_or(default.max_connections_per_account),
        max_unauthenticated: count("max_unauthenticated", 10_000).unwrap_or(default.max_unauthenticated),
        max_unauthenticated_per_source: count("max_unauthenticated_per_source", 1_000).unwrap_or(default.max_unauthenticated_per_source),
        connection_rate: section.get("connection_rate").and_then(|item| item.whole(1..=10_000)).unwrap_or(default.connection_rate),
        penalties: section.get("penalties").and_then(|item| item.flag()).unwrap_or(default.penalties),
        max_open_files: count("max_open_files", 1_000).unwrap_or(default.max_open_files),
        reserve_bytes: section.get("reserve_bytes").and_then(|item| item.size(0..=1 << 40)).unwrap_or(default.reserve_bytes),
        compatibility,
        post_quantum_only: post_quantum_only.is_some_and(|(_, on)| on),
        rekey_bytes: section.get("rekey_bytes").and_then(|item| item.size(REKEY_BYTES)).unwrap_or(default.rekey_bytes),
        rekey_time: duration("rekey_time", 60, 86_400).unwrap_or(default.rekey_time),
        next_listen,
        next_host_keys: next_host_keys.map_or(default.next_host_keys, |(_, path)| path),
    };
    if settings.max_unauthenticated >= settings.max_connections {
        section.problem("max_unauthenticated must be less than max_connections: strangers must not be able to take every place");
    }
    let trust = access::trust(&section);
    section.finish();
    (settings, trust)
}

/// A list of addresses, perhaps empty; none may stand twice, or be taken by another key.
fn distinct_addresses(item: &Item<'_>, taken: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut addresses = Vec::new();
    for element in item.elements() {
        let Some(address) = address(&element) else { continue };
        if address.port() != 0 && (addresses.contains(&address) || taken.contains(&address)) {
            element.problem(format!("{address} stands twice"));
        }
        addresses.push(address);
    }
    addresses
}

fn addresses(item: &Item<'_>) -> Vec<SocketAddr> {
    let addresses = distinct_addresses(item, &[]);
    if item.elements().is_empty() {
        item.problem("must name at least one address: without one nobody can deliver");
    }
    addresses
}

fn address(item: &Item<'_>) -> Option<SocketAddr> {
    let text = item.filled()?;
    let address = text.parse().ok();
    if address.is_none() {
        item.problem(format!("\"{text}\" is not an address and port such as \"[::]:2222\" or \"192.0.2.1:2222\""));
    }
    address
}

fn web(section: Section<'_>) -> Option<health::Settings> {
    let default = health::Settings::default();
    let public_url = section.get("public_url").and_then(|item| alerting::web_address(&item));
    let item = section.get("listen");
    section.finish();
    let Some(item) = item else { return Some(health::Settings { public_url, ..default }) };
    let listen = address(&item)?;
    if !listen.ip().to_canonical().is_loopback() {
        item.problem(format!(
            "{} can be reached from the network, and the pages ask for no password: use 127.0.0.1 and let a proxy with a login pass it on",
            listen.ip()
        ));
        return None;
    }
    Some(health::Settings { listen, public_url })
}

fn retention(section: Section<'_>) -> Retention {
    let default = Retention::default();
    let days = |key, least, most| section.get(key).and_then(|item| item.whole(least..=most));
    let retention = Retention {
        raw_days: days("raw_days", 1, 366).unwrap_or(default.raw_days),
        quarantine_days: days("quarantine_days", 1, 366).unwrap_or(default.quarantine_days),
        checks_days: days("checks_days", 2, 366).unwrap_or(default.checks_days),
        row_days: days("row_days", 1, 3660).unwrap_or(default.row_days),
        sum_days: days("sum_days", 28, 36_600).unwrap_or(default.sum_days),
        audit_years: section.get("audit_years").and_then(|item| item.whole(6..=100)).unwrap_or(default.audit_years),
    };
    if retention.sum_days < retention.row_days {
        section.problem("sum_days must not be less than row_days: sums are what is left when the lines are gone");
    }
    section.finish();
    retention
}

fn governance(section: Section<'_>) -> Governance {
    let mut recipients: Vec<Recipient> = Vec::new();
    for element in section.get("recipients").map(|item| item.elements()).unwrap_or_default() {
        match element.filled().map(str::parse::<Recipient>) {
            Some(Ok(recipient)) if recipients.contains(&recipient) => element.problem("stands twice"),
            Some(Ok(recipient)) => recipients.push(recipient),
            // The text is not repeated: it may be the private half.
            Some(Err(error)) => element.problem(error.to_string()),
            None => {}
        }
    }
    section.finish();
    Governance { recipients }
}
