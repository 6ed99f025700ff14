//! Findings: what one rule says about a delivery.

use super::{Rule, Severity, printed};

/// How many findings of one rule are kept word for word; the rest are only counted.
pub const MAX_FINDINGS_PER_RULE: usize = 20;

/// Where in a file: a line, a column, or both. Never a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// The file's part or archive member, where a snapshot has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Line number, counted from 1 in the file as sent, header and all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The column's name in the provider's own extract.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

/// One rule's verdict on a delivery. The message never holds a value from a column about a person, and what it repeats of a file
/// has no character that cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// The rule that spoke.
    pub rule: Rule,
    /// How bad it is here: usually the rule's own severity, higher where a count passed a limit.
    pub severity: Severity,
    /// Where, if it is about a place.
    pub place: Place,
    /// What is wrong, in words for the trust's analyst.
    pub message: String,
}

impl Finding {
    /// A finding about the delivery as a whole, with the rule's own severity.
    #[must_use]
    pub fn new(rule: Rule, message: impl Into<String>) -> Self {
        Self { rule, severity: rule.severity(), place: Place::default(), message: as_printed(message.into()) }
    }

    /// The same, at a line of the file (counted from 1).
    #[must_use]
    pub fn at_line(mut self, line: u64) -> Self {
        self.place.line = Some(line);
        self
    }

    /// The same, in a column, by the name the provider gave it.
    #[must_use]
    pub fn in_column(mut self, column: &str) -> Self {
        self.place.column = Some(printed(column).into_owned());
        self
    }

    /// The same, in one part of a delivery of several.
    #[must_use]
    pub fn in_part(mut self, part: &str) -> Self {
        self.place.part = Some(printed(part).into_owned());
        self
    }

    /// The same, with another severity.
    #[must_use]
    pub fn with_severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }
}

/// All findings of one delivery, bounded: the first [`MAX_FINDINGS_PER_RULE`] of each rule and severity, and a count of the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Findings {
    kept: Vec<Finding>,
    /// How often each rule spoke at each severity.
    counts: Vec<(Rule, Severity, u64)>,
    /// Rules that rejected the file until a person took responsibility.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    overridden: Vec<Rule>,
}

impl Findings {
    /// Adds one finding, or only counts it where enough of its kind are kept.
    pub fn push(&mut self, finding: Finding) {
        let count = match self.counts.iter_mut().find(|(rule, severity, _)| *rule == finding.rule && *severity == finding.severity) {
            Some((_, _, count)) => count,
            None => {
                self.counts.push((finding.rule, finding.severity, 0));
                match self.counts.last_mut() {
                    Some((_, _, count)) => count,
                    None => return,
                }
            }
        };
        *count += 1;
        if usize::try_from(*count).is_ok_and(|count| count <= MAX_FINDINGS_PER_RULE) {
            self.kept.push(finding);
        }
    }

    /// Adds one finding, unless the same was said before of whatever place: one cause is told once.
    pub fn push_once(&mut self, finding: Finding) {
        let same = |kept: &Finding| (kept.rule, kept.severity, &kept.message) == (finding.rule, finding.severity, &finding.message);
        if !self.kept.iter().any(same) {
            self.push(finding);
        }
    }

    /// Adds all of another's, counts included.
    pub fn append(&mut self, other: Self) {
        self.overridden.extend(other.overridden);
        for (rule, severity, count) in other.counts {
            let kept: Vec<Finding> = other.kept.iter().filter(|f| f.rule == rule && f.severity == severity).cloned().collect();
            let uncounted = count.saturating_sub(u64::try_from(kept.len()).unwrap_or(count));
            kept.into_iter().for_each(|finding| self.push(finding));
            if let Some((_, _, total)) = self.counts.iter_mut().find(|(r, s, _)| *r == rule && *s == severity) {
                *total += uncounted;
            }
        }
    }

    /// The same, all in one part of a delivery of several.
    #[must_use]
    pub fn in_part(mut self, part: &str) -> Self {
        self.kept.iter_mut().for_each(|finding| finding.place.part = Some(printed(part).into_owned()));
        self
    }

    /// The same for a delivery that has one part only, so that naming it would say nothing.
    #[must_use]
    pub fn without_parts(mut self) -> Self {
        self.kept.iter_mut().for_each(|finding| finding.place.part = None);
        self
    }

    /// The same after a person took responsibility: rejections that may be released become warnings.
    #[must_use]
    pub fn released(self) -> Self {
        let lowered = |rule: Rule, severity| if rule.may_be_released() { Severity::Warning } else { severity };
        let mut released = Self::default();
        for mut finding in self.kept {
            if finding.severity == Severity::RejectFile {
                finding.severity = lowered(finding.rule, finding.severity);
            }
            released.kept.push(finding);
        }
        for (rule, severity, count) in self.counts {
            let lowered_to = if severity == Severity::RejectFile { lowered(rule, severity) } else { severity };
            if lowered_to != severity {
                released.overridden.push(rule);
            }
            let severity = lowered_to;
            match released.counts.iter_mut().find(|(r, s, _)| *r == rule && *s == severity) {
                Some((_, _, sum)) => *sum += count,
                None => released.counts.push((rule, severity, count)),
            }
        }
        released
    }

    /// Only what seals the file, and how often: nothing else of a sealed file is told, for what else was found may repeat words
    /// of the file.
    #[must_use]
    pub fn only_what_seals(mut self) -> Self {
        let seals = |rule: Rule, severity| rule.seals() && severity == Severity::RejectFile;
        self.kept.retain(|finding| seals(finding.rule, finding.severity));
        self.counts.retain(|(rule, severity, _)| seals(*rule, *severity));
        self.overridden.clear();
        self
    }

    /// The rules that would have rejected the file, had not a person released it in spite of them.
    #[must_use]
    pub fn overridden(&self) -> &[Rule] {
        &self.overridden
    }

    /// The findings kept word for word, in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.kept.iter()
    }

    /// How often each rule spoke at each severity, in the order of first appearance.
    pub fn counts(&self) -> impl Iterator<Item = (Rule, Severity, u64)> + '_ {
        self.counts.iter().copied()
    }

    /// How often one rule spoke, at any severity.
    #[must_use]
    pub fn count_of(&self, rule: Rule) -> u64 {
        self.counts.iter().filter(|(r, _, _)| *r == rule).map(|(_, _, count)| count).sum()
    }

    /// How many findings there are of one severity, counted ones included.
    #[must_use]
    pub fn count_at(&self, severity: Severity) -> u64 {
        self.counts.iter().filter(|(_, s, _)| *s == severity).map(|(_, _, count)| count).sum()
    }

    /// Whether any finding rejects the file.
    #[must_use]
    pub fn reject_file(&self) -> bool {
        self.count_at(Severity::RejectFile) > 0
    }

    /// Whether an identifier leaked, so that the file is sealed.
    #[must_use]
    pub fn seal_file(&self) -> bool {
        self.counts.iter().any(|(rule, severity, _)| rule.seals() && *severity == Severity::RejectFile)
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

impl Extend<Finding> for Findings {
    fn extend<I: IntoIterator<Item = Finding>>(&mut self, findings: I) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

/// A text as it is printed; one that is so already, as nearly all are, is not copied.
fn as_printed(text: String) -> String {
    match printed(&text) {
        std::borrow::Cow::Borrowed(_) => text,
        std::borrow::Cow::Owned(shown) => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_lowers_only_what_a_person_may_take_responsibility_for() {
        let mut findings = Findings::default();
        findings.push(Finding::new(Rule::Row99, "5 of 10 rows failed"));
        findings.push(Finding::new(Rule::Row01, "ward_code missing"));
        assert!(!findings.clone().released().reject_file());
        assert_eq!(findings.clone().released().count_at(Severity::RejectRow), 1);
        findings.push(Finding::new(Rule::Igv01, "NHS number column"));
        assert!(findings.released().reject_file());
    }

    #[test]
    fn a_finding_holds_nothing_that_cannot_be_seen() {
        let finding =
            Finding::new(Rule::Str04, "Column a\u{202e}b was not agreed; it was dropped.").in_column("a\u{202e}b").in_part("c\u{200b}.csv");
        let mut findings = Findings::default();
        findings.push(finding.clone());
        let kept = findings.in_part("d\n.csv");
        for finding in [&finding].into_iter().chain(kept.iter()) {
            let all = format!("{} {:?}", finding.message, serde_json::to_string(finding).unwrap());
            assert!(!all.chars().any(super::super::is_hidden), "{all}");
            assert_eq!(finding.place.column.as_deref(), Some("a\\u{202E}b"));
        }
    }

    #[test]
    fn only_the_first_twenty_of_a_rule_are_kept_and_all_are_counted() {
        let mut findings = Findings::default();
        findings.extend((1..=50).map(|line| Finding::new(Rule::Row01, "ward_code missing").at_line(line)));
        let mut sum = Findings::default();
        sum.push(Finding::new(Rule::Str08, "1 total row skipped"));
        sum.append(findings);
        assert_eq!(sum.iter().count(), MAX_FINDINGS_PER_RULE + 1);
        assert_eq!(sum.count_of(Rule::Row01), 50);
        assert_eq!(sum.count_at(Severity::RejectRow), 50);
        assert!(!sum.reject_file());
    }
}
