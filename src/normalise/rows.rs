//! Rows: every row of an extract becomes lines, is left out for a stated reason, or is rejected with all its findings.
//!
//! Owns the account of rows (`read = used + skipped + rejected`). Refuses to judge lines against each other: that is
//! `verify`'s.

use super::columns::Row;
use super::counts::Count;
use super::draft::{self, Made};
use super::joining::{self, Partners};
use super::mapping::{LinesPerRow, Mapping, TableMapping};
use super::outcome::{Outcome, count};
use super::places::Places;
use super::plan::{Field, LinePlan, TablePlan, all_sources, columns_of};
use super::reference::Reference;
use super::references::{self, LikeNhsNumbers};
use super::requests::{References, Request};
use super::sources::Reader;
use super::table::RawTable;
use super::tally::Tally;
use super::tidy::{self, Unfit, Why};
use super::{times, values};
use crate::bedstate::{Line, LineType};
use crate::feed::{Finding, Findings, ProviderCode, RowCounts, Rule, Severity, Totals};
use jiff::Timestamp;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Fields that make beds what they are: ready, held, or closed.
const SETTLED: [&str; 3] = ["line_type", "empty_state", "closed_reason"];

/// What rows are read against.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Whose rows.
    pub provider: &'a ProviderCode,
    /// Sites, wards and their other names.
    pub reference: &'a Reference,
    /// When the figures were true in the source; it settles October's repeated hour too.
    pub snapshot_at: Timestamp,
}

/// A ward's site and code.
pub type WardKey = (String, String);

/// What came of an extract's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Normalised {
    /// The lines, in the order of the file.
    pub lines: Vec<PlacedLine>,
    /// REF-02 to REF-05, ROW-01, 02, 07 and 08, and what was skipped (STR-08).
    pub findings: Findings,
    /// What became of the rows.
    pub rows: RowCounts,
    /// Persons on the lines.
    pub persons: u64,
    /// Of those, the ones with something in gender or age that no code covers.
    pub persons_unknown: u64,
    /// Rejected rows by ward, where the row says one.
    pub rejected_wards: BTreeMap<WardKey, u64>,
    /// Beds that those rows may have told of, by ward; [`u64::MAX`] where a row may count any number. Requests for a bed are none.
    pub rejected_beds: BTreeMap<WardKey, u64>,
    /// Rejected rows by what they tell of, where a row says that; one that tells of several things counts for each.
    pub rejected_kinds: BTreeMap<LineType, u64>,
    /// Rejected rows that do not say what they tell of.
    pub rejected_of_no_kind: u64,
    /// Rejected rows of joined tables that settle what the rows are which they add to: those are not what they seem.
    pub rejected_settling: u64,
    /// Beds by ward that is not registered (0 where only demand names it).
    pub unknown_ward_beds: BTreeMap<WardKey, u64>,
    /// Wards of rows that rightly made no line, or that the mapping leaves out: they are told of, with no bed.
    pub named_wards: BTreeSet<WardKey>,
    /// Beds by which more are occupied on wards than the same rows say are open (XRO-03).
    pub beds_short: u64,
    /// Lines that ask for a bed under one reference: of each group, one counts (XRO-08).
    pub requests: Vec<Vec<Request>>,
    /// What copies of rows count, which are left out (`copies_by`): occupied, empty and closed beds, and demand.
    pub copies: Totals,
    /// Copies of rows that are rejected.
    pub copies_rejected: u64,
    /// References of requests that look like NHS numbers, of rows of any kind (IGV-05).
    pub references_like_nhs_numbers: LikeNhsNumbers,
}

/// A line, and the row it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedLine {
    /// The file's part, or the archive's member.
    pub part: Arc<str>,
    /// The row's line number in the file as sent, from 1.
    pub row: u64,
    /// The line.
    pub line: Line,
}

/// Turns the rows of all tables of a snapshot into lines.
#[must_use]
pub fn normalise(tables: &[RawTable], mapping: &Mapping, context: &Context<'_>) -> Normalised {
    let day = times::local_day(context.snapshot_at);
    let mut work = Work {
        reader: Reader { mapping, snapshot_at: context.snapshot_at, day },
        places: Places::new(context.reference, context.provider, day),
        out: Normalised::default(),
        tally: Tally::default(),
        references: References::default(),
        spare: Vec::new(),
        keyless: BTreeMap::new(),
    };
    let described = |table: &RawTable| mapping.tables.iter().find(|described| described.name == table.name);
    let makes_lines = |table: &RawTable| described(table).filter(|described| !described.lines.is_empty());
    for table in tables {
        if let Some(described) = makes_lines(table) {
            work.table(table, described, tables);
        }
    }
    // Rows that only serve a join were read there, and are accounted for now that those without a key are known.
    for table in tables.iter().filter(|table| makes_lines(table).is_none()) {
        work.skip(table, described(table));
    }
    let Work { mut out, tally, references, .. } = work;
    out.requests = references.shared();
    tally.finish(&mut out);
    out.rows.lines = u64::try_from(out.lines.len()).unwrap_or(u64::MAX);
    out
}

struct Work<'a> {
    reader: Reader<'a>,
    places: Places<'a>,
    out: Normalised,
    tally: Tally,
    references: References,
    /// Where a row's lines are made; kept for its memory.
    spare: Vec<Made>,
    /// Rows that only serve a join and do not say which row they add to, by table.
    keyless: BTreeMap<String, u64>,
}

impl Work<'_> {
    fn skip(&mut self, table: &RawTable, described: Option<&TableMapping>) {
        let rows = u64::try_from(table.len()).unwrap_or(u64::MAX);
        let keyless = self.keyless.get(&table.name).copied().unwrap_or(0);
        let part = described.map_or(&*table.name, part_of);
        let mut left_out: BTreeMap<&str, u64> = BTreeMap::new();
        let tidied = described.filter(|described| !described.skip.is_empty()).map(|described| (tidy::tidy(table, described), described));
        let reasons = tidied.as_ref().map_or_else(Vec::new, |(tidied, described)| joining::left_out(tidied.table.as_ref(), described));
        for because in reasons.into_iter().flatten() {
            *left_out.entry(because).or_default() += 1;
        }
        let adding = rows.saturating_sub(keyless).saturating_sub(left_out.values().sum());
        self.out.rows.read += rows;
        self.out.rows.rejected += keyless;
        self.out.rows.skipped += adding;
        if adding > 0 {
            let said = format!("rows of {} that only add to other rows: {adding}", table.name);
            self.out.findings.push(Finding::new(Rule::Str08, said).in_part(part));
        }
        self.say_left_out(left_out, part);
    }

    fn say_left_out(&mut self, left_out: BTreeMap<&str, u64>, part: &str) {
        for (because, rows) in left_out {
            self.out.rows.skipped += rows;
            self.out.findings.push(Finding::new(Rule::Str08, format!("rows left out, {because}: {rows}")).in_part(part));
        }
    }

    fn table(&mut self, table: &RawTable, described: &TableMapping, tables: &[RawTable]) {
        let part = &Arc::from(part_of(described));
        let joined = described.join.as_ref().and_then(|join| {
            let other = tables.iter().find(|other| other.name == join.table)?;
            let its = self.reader.mapping.tables.iter().find(|its| its.name == join.table)?;
            Some((tidy::tidy(other, its), its))
        });
        let joined = joined.as_ref().map(|(other, its)| (other.table.as_ref(), *its));
        let tidied = tidy::tidy(table, described);
        let table = tidied.table.as_ref();
        let plan = TablePlan::new(table, described, joined);
        let without = joined.map_or_else(Vec::new, |(other, its)| joining::left_out(other, its));
        let mut partners = Partners::new(described, table, joined.map(|(other, _)| (other, without.as_slice())), &plan);
        let deciding = plan.deciding_joined();
        if let Some((other, its)) = joined {
            self.judge_joined(described, other, its, &partners);
        }
        self.tell_of_broken(table, described);
        let mut seen: HashSet<&[u32]> = HashSet::new();
        let mut copies = 0_u64;
        // Most tables make a line a row.
        self.out.lines.reserve(table.len());
        let mut left_out: BTreeMap<&str, u64> = BTreeMap::new();
        for (place, raw) in table.rows().enumerate() {
            self.out.rows.read += 1;
            let partner = partners.of(raw, &plan.columns);
            let row = plan.columns.row(raw, partner.map(|partner| partner.row));
            let mut unfit = Cow::Borrowed(tidied.unfit(place));
            if let (Some(true), Some(join)) = (partner.map(|partner| partner.contradicted), &described.join) {
                unfit.to_mut().push(Unfit::contradicted(join, &deciding));
            }
            references::look(&plan, part, &row, &unfit, &self.reader, &mut self.out.references_like_nhs_numbers);
            let unknown = |column: &str| unfit.iter().any(|unfit| unfit.is_about(column));
            if let Some(because) = plan.skipped(&row, unknown) {
                *left_out.entry(because).or_default() += 1;
                self.tell_of_ward(&plan, &row, |_| true);
                continue;
            }
            if plan.copies_by.is_some_and(|column| !row.text(column).is_empty()) && !seen.insert(raw.numbers()) {
                copies += 1;
                self.count_copy(&plan, &row, &unfit);
                continue;
            }
            self.row(&plan, part, &row, &unfit);
        }
        self.out.rows.skipped += copies;
        if let (1.., Some(column)) = (copies, plan.copies_by) {
            let said = format!("copies of rows with the same {}, equal in every field and left out: {copies}", column.name);
            self.out.findings.push(Finding::new(Rule::Str08, said).in_part(part));
        }
        self.say_left_out(left_out, part);
        partners.say(part, &mut self.out.findings);
    }

    /// Rejects the rows of a joined table that name no row they add to, and notes those that could not be cut, where they settle
    /// what other rows are.
    fn judge_joined(&mut self, described: &TableMapping, other: &RawTable, its: &TableMapping, partners: &Partners<'_>) {
        let mut lost = other.broken().len();
        if its.lines.is_empty() {
            lost += partners.keyless().len();
            // Said once, however many tables join it.
            if !self.keyless.contains_key(&other.name) {
                for (line, column) in partners.keyless() {
                    let said = format!("{column} is blank: it says to which row this one belongs");
                    self.out.findings.push(Finding::new(Rule::Row01, said).in_column(column).at_line(*line).in_part(part_of(its)));
                }
                self.keyless.insert(other.name.clone(), u64::try_from(partners.keyless().len()).unwrap_or(u64::MAX));
            }
        }
        if settles(described, &format!("{}.", other.name)) {
            self.out.rejected_settling += u64::try_from(lost).unwrap_or(u64::MAX);
        }
    }

    /// Notes what rows may have told of that could not be cut: in a table of one kind it is that kind, whatever they say.
    fn tell_of_broken(&mut self, table: &RawTable, described: &TableMapping) {
        let broken = u64::try_from(table.broken().len()).unwrap_or(u64::MAX);
        let kinds = described.kinds();
        match kinds.first() {
            Some(kind) if kinds.len() == 1 && broken > 0 => *self.out.rejected_kinds.entry(*kind).or_default() += broken,
            _ => self.out.rejected_of_no_kind += broken,
        }
    }

    /// Counts what a row says that an earlier one said already: a sender's totals may count it again.
    fn count_copy(&mut self, plan: &TablePlan<'_>, row: &Row<'_>, unfit: &[Unfit]) {
        let outcome = self.lines_of(plan, row, Vec::new());
        let mut findings = outcome.findings.iter().chain(outcome.made.iter().flat_map(|made| &made.findings));
        if !unfit.is_empty() || findings.any(|finding| finding.severity >= Severity::RejectRow) {
            self.out.copies_rejected += 1;
            return;
        }
        for line in outcome.made.iter().map(|made| &made.line) {
            let copies = &mut self.out.copies;
            let sum = match line.line_type {
                LineType::Occupied => &mut copies.occupied,
                LineType::Empty => &mut copies.empty,
                LineType::Closed => &mut copies.closed,
                LineType::Demand => &mut copies.demand,
            };
            *sum = sum.saturating_add(u64::from(line.quantity));
        }
    }

    /// Notes the ward of a row that makes no line: the provider told of it, so it is not missing (XRO-04). A patient who waits
    /// may be on any ward, and that none waits says nothing of its beds either. `speaks` are the lines that the row is about.
    fn tell_of_ward(&mut self, plan: &TablePlan<'_>, row: &Row<'_>, speaks: impl Fn(&LinePlan<'_>) -> bool) {
        let mut of_beds = plan.lines.iter().filter(|line| speaks(line) && draft::may_be_bed(line, row, &self.reader));
        let place = of_beds.find_map(|line| draft::locate(line, row, &self.reader, &self.places));
        self.out.named_wards.extend(place.map(|located| (located.site.to_string(), located.ward.to_string())));
    }

    /// Makes a row's lines; all of them are used, or none.
    fn row(&mut self, plan: &TablePlan<'_>, part: &Arc<str>, row: &Row<'_>, unfit: &[Unfit]) {
        let number = row.own.line;
        self.inspect(plan, part, row);
        let spare = std::mem::take(&mut self.spare);
        let mut outcome = if unfit.is_empty() {
            self.lines_of(plan, row, spare)
        } else {
            Outcome::new(Vec::new(), unfit.iter().map(refuse_form).collect())
        };
        let of_kinds = self.kinds_of_unfit(plan, row, unfit);
        plan.sums.iter().for_each(|sum| outcome.hold(sum, row, || self.patients(plan, row)));
        let short = outcome.short();
        let Outcome { mut made, findings: own, .. } = outcome;
        // The lines of one row share columns, and so their problems: each is said once.
        let mut findings: Vec<&Finding> = Vec::new();
        for finding in own.iter().chain(made.iter().flat_map(|made| &made.findings)) {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        let rejected = findings.iter().any(|finding| finding.severity >= Severity::RejectRow);
        self.out.findings.extend(findings.into_iter().map(|finding| finding.clone().at_line(number).in_part(part)));
        if rejected {
            self.out.rows.rejected += 1;
            self.tell_of_kind(plan, row, &made, of_kinds, !unfit.is_empty());
            let place = made.iter().map(|made| &made.located).find(|located| !located.ward.is_empty());
            let beds = self.most_beds(plan, row);
            match place {
                Some(located) => self.tally.rejected(located, beds),
                None if made.is_empty() => {
                    let place = plan.lines.iter().find_map(|line| draft::locate(line, row, &self.reader, &self.places));
                    place.iter().for_each(|located| self.tally.rejected(located, beds));
                }
                None => {}
            }
            return;
        }
        self.out.rows.used += 1;
        self.out.beds_short += u64::from(short);
        if made.is_empty() {
            let silent = !plan.lines.iter().any(|line| line.applies(row));
            self.tell_of_ward(plan, row, |line| silent || line.applies(row));
        }
        let ward_column = || plan.lines.iter().find_map(|line| line.source(Field::WardCode)).map_or("", |source| source.label.as_str());
        for (nth, made) in made.drain(..).enumerate() {
            self.tally.used(part, number, &made, ward_column);
            if let Some(reference) = &made.demand_ref {
                let column = plan.lines.iter().find_map(|line| line.source(Field::DemandRef)).map_or("", |source| source.label.as_str());
                let request = Request { part: Arc::clone(part), row: number, nth, column: String::new(), unknown: made.is_unknown() };
                self.references.note(reference, request, column);
            }
            self.out.lines.push(PlacedLine { part: Arc::clone(part), row: number, line: made.line });
        }
        self.spare = made;
    }

    /// What a row tells of that is rejected for the form of some cells: known where no other cell than these decides it.
    fn kinds_of_unfit(&self, plan: &TablePlan<'_>, row: &Row<'_>, unfit: &[Unfit]) -> BTreeSet<LineType> {
        let decides = |column: &str| plan.lines.iter().any(|line| line.asks(column));
        // Of a text that could not be cut, the pieces are not known either.
        if unfit.is_empty() || unfit.iter().any(|unfit| unfit.columns().any(decides)) {
            return BTreeSet::new();
        }
        self.lines_of(plan, row, Vec::new()).made.iter().filter_map(|made| made.kind).collect()
    }

    /// Notes what a rejected row tells of, so that a kind of which all rows failed is not taken for none (ROW-99).
    fn tell_of_kind(&mut self, plan: &TablePlan<'_>, row: &Row<'_>, made: &[Made], mut kinds: BTreeSet<LineType>, unfit: bool) {
        kinds.extend(made.iter().filter_map(|made| made.kind));
        if kinds.is_empty() && plan.kinds.len() == 1 {
            kinds.extend(plan.kinds.iter().copied());
        }
        // A place that could not be read is no sign of a request.
        if kinds.is_empty() && !unfit && draft::can_only_be_request(plan, row, &self.reader) {
            kinds.insert(LineType::Demand);
        }
        self.out.rejected_of_no_kind += u64::from(kinds.is_empty());
        for kind in kinds {
            *self.out.rejected_kinds.entry(kind).or_default() += 1;
        }
    }

    /// The lines a row makes, and what is wrong with the row beside them. The lines go into a vector that is given empty.
    fn lines_of<'p>(&self, plan: &'p TablePlan<'_>, row: &Row<'_>, mut made: Vec<Made>) -> Outcome<'p> {
        let refuse = |(column, said): (&str, String)| Finding::new(Rule::Ref04, said).in_column(column);
        if let Some((line, blank)) = plan.left_open(row) {
            made.push(self.make(plan, line, row, 1));
            return Outcome::new(made, vec![refuse(blank)]);
        }
        let mut applying = plan.lines.iter().filter(|line| line.applies(row));
        match plan.per_row {
            LinesPerRow::One => match applying.next() {
                None => Outcome::new(made, plan.blame(row).into_iter().map(refuse).collect()),
                Some(line) => {
                    let counted = count(line, row);
                    let mut findings = counted.findings;
                    findings.extend(counted.short.map(|(_, finding)| finding));
                    if counted.quantity == 0 && findings.is_empty() {
                        let column = line.count.as_ref().map_or("", |count| count.column());
                        findings.push(Finding::new(Rule::Row02, format!("{column} is 0: a row counts at least 1")).in_column(column));
                    }
                    made.push(self.make(plan, line, row, counted.quantity));
                    Outcome::new(made, findings)
                }
            },
            LinesPerRow::Each => {
                let findings = plan.unspoken(row).into_iter().map(refuse).collect();
                let mut outcome = Outcome::new(made, findings);
                let mut short = Vec::new();
                for line in applying {
                    let counted = count(line, row);
                    outcome.findings.extend(counted.findings);
                    if counted.quantity > 0 || counted.short.is_some() {
                        let made = self.make(plan, line, row, counted.quantity.max(1));
                        match counted.short {
                            None => outcome.made.push(made),
                            Some(missing) => short.push((line, missing, made)),
                        }
                    }
                }
                // When all patients of the row are known.
                for (line, missing, made) in short {
                    outcome.take_short(line.count.as_ref(), missing, made, || self.patients(plan, row));
                }
                outcome
            }
        }
    }

    fn make(&self, plan: &TablePlan<'_>, line: &LinePlan<'_>, row: &Row<'_>, quantity: u32) -> Made {
        draft::make(plan, line, row, quantity, &self.reader, &self.places)
    }

    /// The most beds that a row which cannot be used may have told of; [`u64::MAX`] where it may count any number.
    fn most_beds(&self, plan: &TablePlan<'_>, row: &Row<'_>) -> u64 {
        let silent = !plan.lines.iter().any(|line| line.applies(row));
        let most = match plan.per_row {
            LinesPerRow::One => 1,
            LinesPerRow::Each => plan.lines.len(),
        };
        // Of lines of which one is made, the first that applies is; where none does, it might have been any.
        let speaking = plan.lines.iter().filter(|line| silent || line.applies(row)).take(if silent { plan.lines.len() } else { most });
        let of_beds = speaking.filter(|line| draft::may_be_bed(line, row, &self.reader));
        let beds_of = |line: &LinePlan<'_>| if line.count.is_some() || line.source(Field::Quantity).is_some() { u64::MAX } else { 1 };
        of_beds.take(most).map(beds_of).fold(0_u64, u64::saturating_add)
    }

    /// Columns that count patients on a ward: alone, or less some of those patients (`Occupied` less `Ready`).
    fn patients<'p>(&self, plan: &'p TablePlan<'_>, row: &Row<'_>) -> Vec<&'p str> {
        let of_patients = plan.lines.iter().filter(|line| line.applies(row) && draft::is_occupied(line, row, &self.reader));
        let counts: Vec<&Count<'_>> = of_patients.filter_map(|line| line.count.as_ref()).collect();
        let alone = counts.iter().filter(|count| count.parts().next().is_none()).flat_map(|count| count.whole());
        let mut columns: Vec<&str> = alone.collect();
        for count in counts {
            if count.parts().all(|part| columns.contains(&part)) {
                columns.extend(count.whole());
            }
        }
        columns
    }

    fn inspect(&mut self, plan: &TablePlan<'_>, part: &str, row: &Row<'_>) {
        for column in &plan.inspected {
            if let Some(damage) = values::damage(row.text(*column)) {
                self.tally.damaged(part, column.name, row.own.line, damage);
            }
        }
    }
}

/// Whether columns of another table, named with this in front, settle what a table's rows are, or whether they are left out.
fn settles(described: &TableMapping, of_other: &str) -> bool {
    let lines = described.lines.iter().flat_map(|line| line.when.keys());
    let skips = described.skip.iter().flat_map(|skip| skip.when.keys());
    let kinds = all_sources(described).filter(|(field, _)| SETTLED.contains(&field.as_str())).flat_map(|(_, source)| columns_of(source));
    lines.chain(skips).map(String::as_str).chain(kinds).any(|column| column.starts_with(of_other))
}

/// The text itself is not repeated: where columns have slipped it could be anything.
fn refuse_form(Unfit { column, why, .. }: &Unfit) -> Finding {
    let (rule, said) = match why {
        Why::Form(pattern) => (Rule::Ref04, format!("{column} is not of the form {pattern}, so its pieces cannot be told")),
        Why::Below => (Rule::Row01, format!("{column} is blank below a row that could not be read: what it repeats is not known")),
        Why::Contradiction(table) => (Rule::Xro02, format!("rows of {table} with this row's {column} contradict each other")),
    };
    Finding::new(rule, said).in_column(column)
}

fn part_of(table: &TableMapping) -> &str {
    table.member.as_deref().unwrap_or(&table.file)
}

#[cfg(test)]
mod tests;
