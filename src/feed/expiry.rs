//! What ends on a day: keys and agreements. Who should be told, and when. Pure; the day is an argument.
//!
//! Owns the days of warning and the sentences. Refuses clocks and sending.

use super::ProviderCode;
use jiff::civil::Date;

/// Days ahead at which somebody is told: time to have a key made, time to chase it, and the last call.
pub const WARN_DAYS: [i32; 3] = [30, 14, 3];

/// Something of a provider that works until a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Whose.
    pub provider: ProviderCode,
    /// What.
    pub what: TermOf,
    /// The first day, in London, on which it no longer works.
    pub ends: Date,
}

/// What ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TermOf {
    /// A key of the provider's account.
    Key {
        /// Whose it is.
        owner: String,
        /// Its fingerprint, `SHA256:…`.
        fingerprint: String,
    },
    /// The password of the provider's account.
    Password {
        /// Whose it is.
        owner: String,
    },
    /// The sharing agreement: no key of the provider works after it.
    Agreement,
}

/// A term that ends soon, or has ended.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Expiry {
    /// Whose.
    pub provider: ProviderCode,
    /// The key's owner; `None` for the agreement.
    pub owner: Option<String>,
    /// The key's fingerprint; `None` for the agreement.
    pub key: Option<String>,
    /// The first day on which it no longer works.
    pub ends: Date,
    /// Days on which it still works, today included; 0 once it has ended.
    pub days_left: i32,
    /// Which warning this is: one of [`WARN_DAYS`], or 0 once it has ended.
    pub warning: i32,
    /// One sentence, with what to do.
    pub text: String,
}

impl Expiry {
    /// Whether it no longer works.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.days_left == 0
    }

    /// What tells this warning apart from every other, for ever: a key that is given another end is warned of again.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.subject(), self.warning)
    }

    /// What all warnings of this end have in common.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{}/expires/{}/{}", self.provider, self.key.as_deref().unwrap_or("agreement"), self.ends)
    }
}

/// What ends within the longest of [`WARN_DAYS`], or has ended, soonest first.
#[must_use]
pub fn expiries(terms: &[Term], today: Date) -> Vec<Expiry> {
    let mut found: Vec<Expiry> = terms.iter().filter_map(|term| expiry(term, today)).collect();
    found.sort_by(|a, b| (a.ends, &a.provider, &a.key).cmp(&(b.ends, &b.provider, &b.key)));
    found
}

fn expiry(term: &Term, today: Date) -> Option<Expiry> {
    let days_left = today.until(term.ends).ok()?.get_days().max(0);
    let warning = if days_left == 0 { 0 } else { WARN_DAYS.into_iter().filter(|days| days_left <= *days).min()? };
    let (owner, key) = match &term.what {
        TermOf::Key { owner, fingerprint } => (Some(owner.clone()), Some(fingerprint.clone())),
        TermOf::Password { owner } => (Some(owner.clone()), None),
        TermOf::Agreement => (None, None),
    };
    let text = sentence(term, days_left);
    Some(Expiry { provider: term.provider.clone(), owner, key, ends: term.ends, days_left, warning, text })
}

fn sentence(term: &Term, days_left: i32) -> String {
    let day = term.ends.strftime("%-d %B %Y");
    let when = match days_left {
        0 => format!("has expired: it stopped working on {day}"),
        1 => format!("stops working tomorrow, on {day}"),
        _ => format!("stops working on {day}, in {days_left} days"),
    };
    match &term.what {
        TermOf::Key { owner, fingerprint } => format!(
            "{}: the key of {owner} ({fingerprint}) {when}. Ask for a new public key and put it beside this one before taking this one out.",
            term.provider
        ),
        TermOf::Password { owner } => {
            format!("{}: the password of {owner} {when}. Agree on a new one, or better on a key, before this one goes.", term.provider)
        }
        TermOf::Agreement => {
            format!("{}: the sharing agreement {when}. No file is taken in without one: renew it and its end date.", term.provider)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(ends: &str) -> Term {
        let what = TermOf::Key { owner: "night job".to_owned(), fingerprint: "SHA256:abc".to_owned() };
        Term { provider: "RM1".parse().unwrap(), what, ends: ends.parse().unwrap() }
    }

    #[test]
    fn a_key_is_warned_of_at_each_threshold_and_after_its_end() {
        let rows = [
            ("2018-11-30", None),
            ("2018-12-01", Some((30, 30))),
            ("2018-12-16", Some((15, 30))),
            ("2018-12-17", Some((14, 14))),
            ("2018-12-27", Some((4, 14))),
            ("2018-12-28", Some((3, 3))),
            ("2018-12-30", Some((1, 3))),
            ("2018-12-31", Some((0, 0))),
            ("2020-01-01", Some((0, 0))),
        ];
        for (today, expected) in rows {
            let found = expiries(&[term("2018-12-31")], today.parse().unwrap());
            assert_eq!(found.first().map(|expiry| (expiry.days_left, expiry.warning)), expected, "on {today}");
        }
    }

    #[test]
    fn a_warning_names_the_owner_the_day_and_what_to_do() {
        let on = |today: &str| expiries(&[term("2019-01-31")], today.parse().unwrap()).remove(0);
        let text = "RM1: the key of night job (SHA256:abc) stops working on 31 January 2019, in 14 days. \
                    Ask for a new public key and put it beside this one before taking this one out.";
        assert_eq!(on("2019-01-17").text, text);
        assert_eq!(on("2019-01-17").key(), "RM1/expires/SHA256:abc/2019-01-31/14");
        assert!(on("2019-01-30").text.contains("stops working tomorrow, on 31 January 2019"));
        assert!(on("2019-02-03").text.contains("has expired: it stopped working on 31 January 2019"));
        assert!(on("2019-02-03").has_ended());
        let agreement = Term { what: TermOf::Agreement, ..term("2019-01-31") };
        let found = expiries(&[agreement, term("2019-01-20")], "2019-01-17".parse().unwrap());
        assert_eq!(
            found.iter().map(Expiry::key).collect::<Vec<_>>(),
            ["RM1/expires/SHA256:abc/2019-01-20/3", "RM1/expires/agreement/2019-01-31/14"]
        );
    }
}
