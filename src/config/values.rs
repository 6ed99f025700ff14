//! Values: texts, numbers, durations, sizes and dates, each with its unit.
//!
//! Owns what a single value may look like and how a wrong one is explained. Refuses a duration without a unit.

use super::document::Item;
use super::problem::did_you_mean;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use std::ops::RangeInclusive;
use toml::de::DeValue;

/// Longest text of a settings value, in characters; public keys are the longest that make sense.
const MAX_TEXT: usize = 4096;

impl<'d> Item<'d> {
    /// A text, which may be empty.
    pub(super) fn text(&self) -> Option<&'d str> {
        let DeValue::String(text) = self.value() else {
            self.wrong_type("a text in quotes");
            return None;
        };
        if text.chars().count() > MAX_TEXT {
            self.problem(format!("is longer than {MAX_TEXT} characters"));
            return None;
        }
        Some(text)
    }

    /// A text with something in it.
    pub(super) fn filled(&self) -> Option<&'d str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.problem("must not be empty");
            return None;
        }
        Some(text)
    }

    /// One text or a list of texts.
    pub(super) fn texts(&self) -> Vec<String> {
        self.elements().iter().filter_map(|element| element.text().map(str::to_owned)).collect()
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        if let DeValue::Boolean(flag) = self.value() {
            return Some(*flag);
        }
        self.wrong_type("true or false");
        None
    }

    /// A whole number within a range.
    pub(super) fn whole<T: TryFrom<u64>>(&self, range: RangeInclusive<u64>) -> Option<T> {
        let DeValue::Integer(number) = self.value() else {
            self.wrong_type("a whole number");
            return None;
        };
        let number = u64::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| range.contains(number));
        if number.is_none() {
            self.problem(format!("must be {} to {}", range.start(), range.end()));
        }
        number.and_then(|number| T::try_from(number).ok())
    }

    /// A duration such as `"5m"`, within a range.
    pub(super) fn duration(&self, range: RangeInclusive<SignedDuration>) -> Option<SignedDuration> {
        let text = match self.value() {
            DeValue::String(text) => text.as_ref(),
            _ => {
                self.problem("a duration needs a unit and quotes: \"30s\", \"5m\", \"24h\" or \"7d\"");
                return None;
            }
        };
        let Some(duration) = parse_duration(text) else {
            self.problem(format!("\"{text}\" is not a duration; write a whole number and a unit: \"30s\", \"5m\", \"24h\" or \"7d\""));
            return None;
        };
        if !range.contains(&duration) {
            self.problem(format!("must be {} to {}", write_duration(*range.start()), write_duration(*range.end())));
            return None;
        }
        Some(duration)
    }

    /// A size such as `"20MiB"`, or plain bytes, within a range.
    pub(super) fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
        if matches!(self.value(), DeValue::Integer(_)) {
            return self.whole(range);
        }
        let text = self.text()?;
        let Some(bytes) = parse_size(text) else {
            self.problem(format!("\"{text}\" is not a size; write \"20MiB\", \"500KiB\" or a number of bytes"));
            return None;
        };
        if !range.contains(&bytes) {
            self.problem(format!("must be {} to {} bytes", range.start(), range.end()));
            return None;
        }
        Some(bytes)
    }

    /// A date such as `2018-04-01`, with or without quotes.
    pub(super) fn date(&self) -> Option<Date> {
        let text = match self.value() {
            DeValue::String(text) => text.to_string(),
            DeValue::Datetime(date) if date.time.is_none() => date.to_string(),
            _ => {
                self.wrong_type("a date such as 2018-04-01");
                return None;
            }
        };
        let date = (text.len() == "2018-04-01".len()).then(|| text.parse().ok()).flatten();
        if date.is_none() {
            self.problem(format!("\"{text}\" is not a date; write year, month and day as in 2018-04-01"));
        }
        date
    }

    /// An instant such as `2018-12-03T10:18:00Z`, with or without quotes.
    pub(super) fn instant(&self) -> Option<Timestamp> {
        let text = match self.value() {
            DeValue::Datetime(at) => at.to_string(),
            _ => self.text()?.to_owned(),
        };
        let at = text.parse().ok();
        if at.is_none() {
            self.problem(format!("\"{text}\" is not an instant; write date, time and offset as in 2018-12-03T10:18:00Z"));
        }
        at
    }

    /// One of a few words.
    pub(super) fn choice<T: Clone>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| choice.clone());
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let near = did_you_mean(text, choices.iter().map(|(word, _)| *word));
            self.problem(format!("\"{text}\" is not one of {}{near}", words.join(", ")));
        }
        found
    }
}

fn parse_duration(text: &str) -> Option<SignedDuration> {
    let (number, unit) = split_unit(text)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    i64::try_from(number.checked_mul(seconds)?).ok().map(SignedDuration::from_secs)
}

fn write_duration(duration: SignedDuration) -> String {
    match duration.as_secs() {
        seconds if seconds != 0 && seconds % 3600 == 0 => format!("{}h", seconds / 3600),
        seconds if seconds != 0 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let bytes = match unit.trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    number.checked_mul(bytes)
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_unit() {
        let rows = [("30s", Some(30)), ("5m", Some(300)), ("24h", Some(86_400)), ("7d", Some(604_800)), ("0s", Some(0))];
        for (text, seconds) in rows {
            assert_eq!(parse_duration(text).map(|it| it.as_secs()), seconds, "{text}");
        }
        for text in ["5", "m", "", "5 m", "5min", "-5m", "1.5h", "99999999999999999999s", "9999999999999999999d"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_size_is_bytes_or_has_a_unit() {
        let rows = [("20MiB", Some(20 << 20)), ("500 KiB", Some(500 << 10)), ("1GB", Some(1_000_000_000)), ("7B", Some(7))];
        for (text, bytes) in rows {
            assert_eq!(parse_size(text), bytes, "{text}");
        }
        for text in ["20", "MiB", "20 Mib", "-1B", "18446744073709551615GiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
