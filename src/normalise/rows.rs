//! Rows: every row of an extract becomes lines, is left out for a stated reason, or is rejected with all its findings.
//!
//! Owns the account of rows (`read = used + skipped + rejected`). Refuses to judge lines against each other: that is
//! `verify`'s.

use super::draft::{self, Made};
use super::mapping::{LinesPerRow, Mapping, TableMapping};
use super::places::{Located, Places};
use super::plan::{Field, LinePlan, TablePlan, Together};
use super::reference::Reference;
use super::sources::{Count, CountProblem, Reader, Row};
use super::table::{RawRow, RawTable};
use super::tally::Tally;
use super::tidy::{self, Unfit};
use super::{times, values};
use crate::bedstate::{Code, Line, LineType};
use crate::feed::{Finding, Findings, ProviderCode, RowCounts, Rule, Severity};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

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
    /// Beds by ward that is not registered (0 where only demand names it).
    pub unknown_ward_beds: BTreeMap<WardKey, u64>,
    /// Wards of rows that rightly made no line, or that the mapping leaves out: they are told of, with no bed.
    pub named_wards: BTreeSet<WardKey>,
    /// Beds by which more are occupied on wards than the same rows say are open (XRO-03).
    pub beds_short: u64,
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
        references: HashMap::new(),
        spare: Vec::new(),
    };
    for table in tables {
        let described = mapping.tables.iter().find(|described| described.name == table.name);
        match described {
            Some(described) if !described.lines.is_empty() => work.table(table, described, tables),
            // Rows that only serve a join are accounted for here, and read there.
            _ => work.skip(table, described),
        }
    }
    let Work { mut out, tally, .. } = work;
    tally.finish(&mut out);
    out.rows.lines = u64::try_from(out.lines.len()).unwrap_or(u64::MAX);
    out
}

struct Work<'a> {
    reader: Reader<'a>,
    places: Places<'a>,
    out: Normalised,
    tally: Tally,
    /// References of requests, and the line that had each first. They go nowhere else.
    references: HashMap<Code, u64>,
    /// Where a row's lines are made; kept for its memory.
    spare: Vec<Made>,
}

impl Work<'_> {
    fn skip(&mut self, table: &RawTable, described: Option<&TableMapping>) {
        let rows = u64::try_from(table.len()).unwrap_or(u64::MAX);
        self.out.rows.read += rows;
        self.out.rows.skipped += rows;
        if rows > 0 {
            let said = format!("rows of {} that only add to other rows: {rows}", table.name);
            self.out.findings.push(Finding::new(Rule::Str08, said).in_part(described.map_or(&table.name, part_of)));
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
        let mut partners = Partners::new(described, table, joined.map(|(other, _)| other));
        let mut seen: HashSet<&[u32]> = HashSet::new();
        let mut copies = 0_u64;
        // Most tables make a line a row.
        self.out.lines.reserve(table.len());
        let mut left_out: BTreeMap<&str, u64> = BTreeMap::new();
        for (place, raw) in table.rows().enumerate() {
            self.out.rows.read += 1;
            let row = plan.columns.row(raw, partners.of(raw));
            if let Some(because) = plan.skipped(&row) {
                *left_out.entry(because).or_default() += 1;
                self.tell_of_ward(&plan, &row);
                continue;
            }
            if plan.copies_by.is_some_and(|column| !row.text(column).is_empty()) && !seen.insert(raw.numbers()) {
                copies += 1;
                continue;
            }
            self.row(&plan, part, &row, tidied.unfit(place));
        }
        self.out.rows.skipped += copies;
        if let (1.., Some(column)) = (copies, plan.copies_by) {
            let said = format!("copies of rows with the same {}, equal in every field and left out: {copies}", column.name);
            self.out.findings.push(Finding::new(Rule::Str08, said).in_part(part));
        }
        for (because, rows) in left_out {
            self.out.rows.skipped += rows;
            self.out.findings.push(Finding::new(Rule::Str08, format!("rows left out, {because}: {rows}")).in_part(part));
        }
        partners.say(part, &mut self.out.findings);
    }

    /// Notes the ward of a row that the mapping leaves out: the provider told of it, so it is not missing (XRO-04). A patient
    /// who waits may be on any ward, and says nothing of its beds.
    fn tell_of_ward(&mut self, plan: &TablePlan<'_>, row: &Row<'_>) {
        let mut of_beds = plan.lines.iter().filter(|line| draft::may_be_bed(line, row, &self.reader));
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
            Outcome { findings: unfit.iter().map(refuse_form).collect(), ..Outcome::default() }
        };
        plan.sums.iter().for_each(|sum| outcome.hold(sum, row));
        let Outcome { mut made, findings: own, short } = outcome;
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
            let place = made.iter().map(|made| &made.located).find(|located| !located.ward.is_empty());
            match place {
                Some(located) => self.tally.rejected(located),
                None if made.is_empty() => {
                    let place = plan.lines.iter().find_map(|line| draft::locate(line, row, &self.reader, &self.places));
                    place.iter().for_each(|located| self.tally.rejected(located));
                }
                None => {}
            }
            return;
        }
        if self.asked_before(plan, part, row, &made) {
            self.out.rows.skipped += 1;
            return;
        }
        self.out.rows.used += 1;
        self.out.beds_short += u64::from(short);
        if made.is_empty() {
            let place = plan.lines.iter().find_map(|line| draft::locate(line, row, &self.reader, &self.places));
            self.out.named_wards.extend(place.map(|located| (located.site.to_string(), located.ward.to_string())));
        }
        let ward_column = || plan.lines.iter().find_map(|line| line.source(Field::WardCode)).map_or("", |source| source.label.as_str());
        for made in made.drain(..) {
            self.tally.used(part, number, &made, ward_column);
            self.out.lines.push(PlacedLine { part: Arc::clone(part), row: number, line: made.line });
        }
        self.spare = made;
    }

    /// Whether a row asks for a bed under a reference that an earlier row has: each waiting patient counts once (XRO-08).
    fn asked_before(&mut self, plan: &TablePlan<'_>, part: &str, row: &Row<'_>, made: &[Made]) -> bool {
        let number = row.own.line;
        for reference in made.iter().filter_map(|made| made.demand_ref.as_ref()) {
            if let Some(first) = self.references.get(reference) {
                let said = format!("Demand counted once: the reference is that of the request on line {first}");
                let finding = Finding::new(Rule::Xro08, said).at_line(number).in_part(part);
                let column = plan.lines.iter().find_map(|line| line.source(Field::DemandRef)).map(|source| source.label.as_str());
                self.out.findings.push(column.map_or_else(|| finding.clone(), |column| finding.clone().in_column(column)));
                return true;
            }
        }
        self.references.extend(made.iter().filter_map(|made| Some((made.demand_ref.clone()?, number))));
        false
    }

    /// The lines a row makes, and what is wrong with the row beside them. The lines go into a vector that is given empty.
    fn lines_of(&self, plan: &TablePlan<'_>, row: &Row<'_>, mut made: Vec<Made>) -> Outcome {
        let refuse = |(column, said): (&str, String)| Finding::new(Rule::Ref04, said).in_column(column);
        let mut applying = plan.lines.iter().filter(|line| line.applies(row));
        match plan.per_row {
            LinesPerRow::One => match applying.next() {
                None => Outcome { findings: plan.blame(row).into_iter().map(refuse).collect(), ..Outcome::default() },
                Some(line) => {
                    let counted = count(line, row);
                    let mut findings = counted.findings;
                    findings.extend(counted.short.map(|(_, finding)| finding));
                    if counted.quantity == 0 && findings.is_empty() {
                        let column = line.count.as_ref().map_or("", |count| count.column());
                        findings.push(Finding::new(Rule::Row02, format!("{column} is 0: a row counts at least 1")).in_column(column));
                    }
                    made.push(self.make(plan, line, row, counted.quantity));
                    Outcome { made, findings, short: 0 }
                }
            },
            LinesPerRow::Each => {
                let mut outcome = Outcome { findings: plan.unspoken(row).into_iter().map(refuse).collect(), made, short: 0 };
                let mut short = None;
                for line in applying {
                    let counted = count(line, row);
                    outcome.findings.extend(counted.findings);
                    if counted.quantity > 0 || counted.short.is_some() {
                        let made = self.make(plan, line, row, counted.quantity.max(1));
                        match counted.short {
                            None => outcome.made.push(made),
                            Some(missing) => short = short.or(Some((missing, made))),
                        }
                    }
                }
                if let Some((missing, made)) = short {
                    outcome.take_short(missing, made);
                }
                outcome
            }
        }
    }

    fn make(&self, plan: &TablePlan<'_>, line: &LinePlan<'_>, row: &Row<'_>, quantity: u32) -> Made {
        draft::make(plan, line, row, quantity, &self.reader, &self.places)
    }

    fn inspect(&mut self, plan: &TablePlan<'_>, part: &str, row: &Row<'_>) {
        for column in &plan.inspected {
            if let Some(damage) = values::damage(row.text(*column)) {
                self.tally.damaged(part, column.name, row.own.line, damage);
            }
        }
    }
}

/// The text itself is not repeated: where columns have slipped it could be anything.
fn refuse_form(Unfit { column, pattern }: &Unfit) -> Finding {
    Finding::new(Rule::Ref04, format!("{column} is not of the form {pattern}, so its pieces cannot be told")).in_column(column)
}

/// What a row comes to.
#[derive(Default)]
struct Outcome {
    made: Vec<Made>,
    findings: Vec<Finding>,
    /// Beds by which the patients of the row are more than its open beds.
    short: u32,
}

impl Outcome {
    /// Takes a count of empty beds that came out below zero. Where the row's patients explain it, there are no empty beds and
    /// the ward is crowded (XRO-03); otherwise the counts contradict each other (ROW-02).
    fn take_short(&mut self, (short, finding): (u32, Finding), made: Made) {
        let occupied =
            self.made.iter().filter(|made| made.line.line_type == LineType::Occupied).map(|made| made.line.quantity).sum::<u32>();
        if made.line.line_type != LineType::Empty || short > occupied {
            self.findings.push(finding);
            self.made.push(made);
            return;
        }
        self.findings.push(crowded(&made.located, short, &finding.place.column.unwrap_or_default()));
        self.findings.extend(made.findings);
        self.short += short;
    }

    /// Holds counts against each other. Where all that a row makes is patients, a whole that is too small says that the ward is
    /// crowded (XRO-03). Beds without patients that the whole has no room for contradict it (ROW-02). A blank count is not known,
    /// so nothing can be held against it; whether it may be blank is for the lines to say.
    fn hold(&mut self, sum: &Together<'_>, row: &Row<'_>) {
        let Counted { quantity, findings, short } = counted(&sum.rest, row);
        let known = findings.is_empty();
        self.findings.extend(findings.into_iter().filter(|finding| finding.rule != Rule::Row01));
        match (short, self.made.first()) {
            (Some((short, finding)), Some(first)) if self.made.iter().all(|made| made.line.line_type == LineType::Occupied) => {
                self.findings.push(crowded(&first.located, short, &finding.place.column.unwrap_or_default()));
                self.short += short;
            }
            (Some((_, finding)), _) => self.findings.push(finding),
            (None, _) if sum.exact && known && quantity > 0 => {
                let column = sum.rest.column();
                let said = format!("{column} is more than its parts together ({})", sum.rest.parts());
                self.findings.push(Finding::new(Rule::Row02, said).in_column(column));
            }
            (None, _) => {}
        }
    }
}

/// More patients on a ward than it has room for.
fn crowded(located: &Located, short: u32, column: &str) -> Finding {
    let ward = draft::shown(&located.ward);
    let said = format!("Occupied exceeds open on ward {ward}, by {short}: counted as patients beyond its open beds");
    Finding::new(Rule::Xro03, said).in_column(column)
}

/// A count as read.
struct Counted {
    quantity: u32,
    findings: Vec<Finding>,
    /// By how many the count is below zero, and what that means where nothing explains it.
    short: Option<(u32, Finding)>,
}

/// The count of a line.
fn count(line: &LinePlan<'_>, row: &Row<'_>) -> Counted {
    let one = || Counted { quantity: 1, findings: Vec::new(), short: None };
    line.count.as_ref().map_or_else(one, |count| counted(count, row))
}

/// A count; where it cannot be read, 1, so that the rest of the row is checked all the same.
fn counted(count: &Count<'_>, row: &Row<'_>) -> Counted {
    let mut counted = Counted { quantity: 1, findings: Vec::new(), short: None };
    match count.read(row) {
        Ok(quantity) => counted.quantity = quantity,
        Err(problems) => {
            for problem in problems {
                match problem {
                    CountProblem::Blank(column) => counted
                        .findings
                        .push(Finding::new(Rule::Row01, format!("{column} is blank: write 0 where there are none")).in_column(column)),
                    CountProblem::Invalid(column, said) => counted.findings.push(Finding::new(Rule::Row02, said).in_column(column)),
                    CountProblem::Short(column, short, said) => {
                        counted.short = Some((short, Finding::new(Rule::Row02, said).in_column(column)));
                    }
                }
            }
        }
    }
    counted
}

fn part_of(table: &TableMapping) -> &str {
    table.member.as_deref().unwrap_or(&table.file)
}

/// The rows of a joined table, by their key.
struct Partners<'t> {
    /// Where the key's columns stand in the joining table.
    key: Vec<usize>,
    rows: HashMap<Vec<&'t str>, (RawRow<'t>, bool)>,
    repeated: u64,
    table: &'t str,
}

impl<'t> Partners<'t> {
    fn new(described: &TableMapping, table: &RawTable, other: Option<&'t RawTable>) -> Self {
        let mut partners = Self { key: Vec::new(), rows: HashMap::new(), repeated: 0, table: "" };
        let (Some(join), Some(other)) = (&described.join, other) else { return partners };
        let own: Option<Vec<usize>> = join.on.iter().map(|name| table.column(name)).collect();
        let its: Option<Vec<usize>> = join.on.iter().map(|name| other.column(name)).collect();
        let (Some(own), Some(its)) = (own, its) else { return partners };
        partners.key = own;
        partners.table = &other.name;
        for row in other.rows() {
            let Some(key) = key(row, &its) else { continue };
            match partners.rows.entry(key) {
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert((row, false));
                }
                // The same row twice says nothing new; another one does.
                std::collections::hash_map::Entry::Occupied(taken) if taken.get().0.numbers() == row.numbers() => {}
                std::collections::hash_map::Entry::Occupied(_) => partners.repeated += 1,
            }
        }
        partners
    }

    fn of(&mut self, row: RawRow<'t>) -> Option<RawRow<'t>> {
        let (partner, met) = self.rows.get_mut(&key(row, &self.key)?)?;
        *met = true;
        Some(*partner)
    }

    fn say(&self, part: &str, findings: &mut Findings) {
        if self.repeated > 0 {
            let said = format!("rows of {} that repeat the key of an earlier row, which is used: {}", self.table, self.repeated);
            findings.push(Finding::new(Rule::Xro02, said).with_severity(Severity::Warning).in_part(part));
        }
        let alone = self.rows.values().filter(|(_, met)| !met).count();
        if alone > 0 {
            let said = format!("rows of {} that fit no row here and are not used: {alone}", self.table);
            findings.push(Finding::new(Rule::Str08, said).with_severity(Severity::Warning).in_part(part));
        }
    }
}

/// A row's key; none where any column of it is blank.
fn key<'r>(row: RawRow<'r>, at: &[usize]) -> Option<Vec<&'r str>> {
    if at.is_empty() {
        return None;
    }
    at.iter().map(|at| Some(row.field(*at).trim()).filter(|text| !text.is_empty())).collect()
}

#[cfg(test)]
mod tests;
