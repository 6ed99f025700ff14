//! The page about the limits of the checks: it has every limit, and each default that it shows is the one in force.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may fail loudly"
)]

use bedfeed::config;
use bedfeed::feed::{ProviderKind, Rule};
use bedfeed::verify::Limits;
use std::collections::BTreeSet;
use std::path::Path;

/// The rows of the page: key, default for a kind, rules.
fn rows(kind: usize) -> Vec<(String, String, Vec<String>)> {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rule-limits.md")).unwrap();
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows = page.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|cells| {
        let defaults: Vec<&str> = cells[2].split(" / ").collect();
        let default = defaults.get(kind).unwrap_or(&defaults[0]);
        (cells[0].trim_matches('`').to_owned(), (*default).to_owned(), cells[3].split(", ").map(str::to_owned).collect())
    })
    .collect()
}

/// The limits of a provider whose file says something in `[limits]`.
fn loaded(kind: &str, limits: &str) -> Result<Limits, String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("providers")).unwrap();
    let shipped = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/providers/RM1.toml")).unwrap();
    // Its example stands in files that are not beside it here.
    let plain: String = shipped.lines().filter(|line| !line.starts_with("example = ")).map(|line| format!("{line}\n")).collect();
    let text = plain.replace("kind = \"acute\"", &format!("kind = \"{kind}\""));
    let text = text.replacen("[[mapping]]", &format!("[limits]\n{limits}\n[[mapping]]"), 1);
    std::fs::write(dir.path().join("providers/RM1.toml"), text).unwrap();
    let main = dir.path().join("bedfeed.toml");
    std::fs::write(&main, format!("state_dir = \"s\"\nreference_dir = \"{}/config/reference\"\n", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let settings = config::load(&main).map_err(|problems| problems.to_string())?;
    Ok(settings.providers[0].feed.limits.clone())
}

#[test]
fn every_limit_is_on_the_page_with_the_default_in_force() {
    let debug = format!("{:?}", Limits::default());
    let known: BTreeSet<&str> = debug.split(['{', ',']).filter_map(|part| part.split_once(": ").map(|(key, _)| key.trim())).collect();
    let shown = rows(0);
    assert_eq!(shown.iter().map(|(key, ..)| key.as_str()).collect::<BTreeSet<_>>(), known);
    let kinds = [
        ("acute", ProviderKind::Acute, 0),
        ("mental_health", ProviderKind::MentalHealth, 1),
        ("community", ProviderKind::Community, 1),
        ("care_homes", ProviderKind::CareHomes, 2),
    ];
    for (word, kind, column) in kinds {
        let setting = |(key, default, _): &(String, String, Vec<String>)| {
            let plain = default.parse::<u64>().is_ok() || default == "true" || default == "false";
            let value = if plain { default.clone() } else { format!("\"{default}\"") };
            (!default.is_empty()).then(|| format!("{key} = {value}\n"))
        };
        let text: String = rows(column).iter().filter_map(setting).collect();
        assert_eq!(loaded(word, &text).unwrap(), Limits::of(kind), "{word}");
        assert_eq!(loaded(word, "").unwrap(), Limits::of(kind), "{word}");
    }
    for (key, _, rules) in &shown {
        assert!(rules.iter().all(|rule| rule.parse::<Rule>().is_ok()), "{key}");
    }
}

#[test]
fn limits_that_contradict_each_other_are_refused() {
    let rows = [
        ("wait_long = \"61d\"", "wait_longest must not be less than wait_long"),
        ("update_old = \"32d\"", "update_stale must not be less than update_old"),
        ("open_change_percent = 31", "open_change_reject_percent must not be less than open_change_percent"),
        ("name_reuse = \"maybe\"", "name_reuse"),
        ("frozen_after = -1", "frozen_after"),
        ("frozen_after = 193", "frozen_after"),
        ("no_demand_after = \"49h\"", "no_demand_after"),
    ];
    for (text, expected) in rows {
        let problems = loaded("acute", text).unwrap_err();
        assert!(problems.contains(expected), "{text}: {problems}");
    }
    // Each setting is read: one that is changed makes other limits.
    for (key, default, _) in self::rows(0) {
        let other = match default.as_str() {
            "" => "\"warn\"".to_owned(),
            "false" => "true".to_owned(),
            number if number.parse::<u64>().is_ok() => format!("{}", number.parse::<u64>().unwrap() + 1),
            "20MiB" => "\"21MiB\"".to_owned(),
            _ => "\"59d\"".to_owned(),
        };
        let other = if key == "update_old" { "\"8d\"".to_owned() } else { other };
        let other = if key == "wait_longest" { "\"61d\"".to_owned() } else { other };
        let other = if key == "no_demand_after" { "\"48h\"".to_owned() } else { other };
        let other = if key == "hold_after" { "\"2d\"".to_owned() } else { other };
        let other = if key == "clock_drift" { "\"11m\"".to_owned() } else { other };
        let other = if key == "early_tolerance" { "\"3m\"".to_owned() } else { other };
        let other = if key == "name_tolerance" { "\"16m\"".to_owned() } else { other };
        let other = if key == "future_tolerance" { "\"6m\"".to_owned() } else { other };
        match loaded("acute", &format!("{key} = {other}")) {
            Ok(limits) => assert_ne!(limits, Limits::of(ProviderKind::Acute), "{key} = {other}"),
            Err(problems) => panic!("{key} = {other}: {problems}"),
        }
    }
}
