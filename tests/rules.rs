//! Every rule of the catalogue: a delivery that trips it, one that just does not, and the page that lists them all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may fail loudly"
)]

mod judging;

use bedfeed::bedstate::Ward;
use bedfeed::feed::{DeliveryId, Digest, Findings, Persons, Rule, Severity, Slot, Totals};
use bedfeed::normalise::mapping::{Compression, Condition, FieldSource, FilePart, PartRole, Reading, Skip};
use bedfeed::normalise::names::parse_pattern;
use bedfeed::verify::signature::{NAMESPACE, Signer};
use bedfeed::verify::{Feed, History, NameReuse, PastSnapshot, SameHour};
use jiff::SignedDuration;
use judging::{Desk, Files, at, letter, path, zip_of};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding, PrivateKey, SshSig};
use std::collections::BTreeSet;
use std::fmt::Write;

/// A delivery that nothing is wrong with, in one provider's layout, and what a row of the table changes about it.
#[derive(Clone)]
struct Input {
    provider: &'static str,
    /// Part or member, name, text. A checksum, control record or archive is made of them when all changes are done.
    texts: Vec<(&'static str, String, String)>,
    received: &'static str,
    /// Slots filled before, and whether by this very content.
    past: Vec<(&'static str, bool)>,
    change: fn(&mut Feed),
    change_too: fn(&mut Feed),
    /// What is changed about the past, given the number that equal lines have in common.
    told: fn(&mut History, u64),
    /// Taken out of the set.
    without: &'static str,
    /// What stands in place of the right checksum.
    checksum: Option<String>,
    /// Bytes put in front of the data.
    prefix: &'static [u8],
    /// What is replaced in the control record.
    control: Vec<(&'static str, &'static str)>,
    /// The purpose of a signature that is sent too.
    signed_for: Option<&'static str>,
    /// What is changed about the register.
    registered: fn(&mut Vec<Ward>),
}

fn input(provider: &'static str, texts: &[(&'static str, &str, &str)]) -> Input {
    Input {
        provider,
        texts: texts.iter().map(|(part, name, text)| (*part, (*name).to_owned(), (*text).to_owned())).collect(),
        received: "2018-12-03T10:18:00Z",
        past: Vec::new(),
        change: |_| {},
        change_too: |_| {},
        told: |_, _| {},
        without: "",
        checksum: None,
        prefix: b"",
        control: Vec::new(),
        signed_for: None,
        registered: |_| {},
    }
}

/// A hundred beds on two wards, eighty of them occupied.
fn rm1() -> Input {
    let mut text = "EXTRACT_DTTM,SITE,WARD_CODE,WARD_DESC,BAY,BED,STATUS,SEX,AGE,SPEC,LOC,DTA_DTTM\n".to_owned();
    for bed in 1..=100 {
        let ward = if bed <= 50 { "W01" } else { "W02" };
        let status = if bed % 5 == 0 { "VAC,," } else { "OCC,F,83" };
        writeln!(text, "03/12/2018 10:15,RM102,{ward},Ward,B,{bed},{status},300,IP,").unwrap();
    }
    text.push_str("TOTAL,,,,,,100,,,,,\n");
    input("RM1", &[("beds", "RM1_BEDSTATE_20181203_1015.csv", &text)])
}

/// Two wards, one of them by the name that a spreadsheet made of it.
fn rgp() -> Input {
    let beds = "Ward No,Ward name,Open Beds,Occ Male,Occ Female,Closed,Closed reason,Esc beds open\n\
                1,Women's,40,20,20,0,,\n5.00E+01,Trauma,40,20,20,0,,\n";
    let waiting = "Patient location,Sex,Age,Specialty,Decision to admit\n";
    input("RGP", &[("beds", "JPUH beds 03-12-2018 1015.csv", beds), ("waiting", "JPUH waiting 03-12-2018 1015.csv", waiting)])
}

fn rcx() -> Input {
    let text = "H|RCX|0000007|20181203101500|BEDSTATE\nD|RCX70|NORTH1|A|01|O|1|19340116|430|C\nT|1\n";
    input("RCX", &[("beds", "rcx_bs_0000007.txt", text)])
}

fn rmy() -> Input {
    let text = "SnapshotTime,Unit,Ward,WardSex,Security,Bed,TYPE,State,Gender,AgeGroup,Reason,RequestedAt\n\
                2018-12-03T10:15:02,RMY-SITE-A,WARD-ALPHA,Female,Low,F01,BED,Occupied,Female,25 to 29,,\n\
                2018-12-03T10:15:02,RMY-SITE-A,WARD-ALPHA,Female,Low,F02,BED,Closed,,,Painting,\n";
    input("RMY", &[("beds", "RMY-bedstate-2018-12-03T1015.csv", text)])
}

fn ry3() -> Input {
    let beds = "RowIdentifier,IDOrganisation,DateExtract,UnitName,WardName,BedName,Occupied,Gender,AgeYears,DischargeReady\n\
                1,RY3,03 Dec 2018 10:15:00,Unit East,Ward East,E-01,TRUE,Female,78,TRUE\n\
                2,RY3,03 Dec 2018 10:15:00,Unit East,Ward East,E-02,FALSE,,,FALSE\n";
    let closures = "UnitName,WardName,BedName,DateClosed,Reason\nUnit East,Ward East,E-02,03 Dec 2018 00:00:00,Staffing\n";
    let stepdown = "RowIdentifier,UnitName,Gender,AgeYears,DateAccepted\n";
    let members = [("BedList.csv", "", beds), ("BedClosure.csv", "", closures), ("StepDown.csv", "", stepdown)];
    input("RY3", &members)
}

fn ncc() -> Input {
    let text = "CQC Location ID,Home Name,District,Bed Type,Max Capacity,Occupied,Vacant (reserved),Vacant (accepting),Closed,Last Updated\n\
                1-1000000002,X,Broadland,General Residential,10,9,0,1,N,03/12/2018 09:14\n\
                1-1000000002,X,Broadland,Transitional/Short stay,10,9,0,1,N,03/12/2018 09:14\n";
    input("NCC", &[("capacity", "NCC_CAREHOME_CAPACITY_201812031015.csv", text)])
}

impl Input {
    /// Replaces a text wherever it stands in the data; it must be there.
    fn edit(mut self, from: &str, to: &str) -> Self {
        assert!(self.texts.iter().any(|(_, _, text)| text.contains(from)), "{from}");
        self.texts.iter_mut().for_each(|(_, _, text)| *text = text.replace(from, to));
        self
    }

    /// Separates all fields by something else.
    fn separated(self, by: &str) -> Self {
        self.edit(",", by)
    }

    /// The data appended to itself.
    fn twice(mut self) -> Self {
        self.texts[0].2 = self.texts[0].2.repeat(2);
        self
    }

    /// Replaces the first so many of them.
    fn edit_some(mut self, from: &str, to: &str, count: usize) -> Self {
        assert!(self.texts[0].2.matches(from).count() >= count, "{from}");
        self.texts[0].2 = self.texts[0].2.replacen(from, to, count);
        self
    }

    /// Gives beds of ward W01 other numbers: each pair is a bed and the number it gets.
    fn renumbered(self, pairs: &[(u32, u32)]) -> Self {
        pairs.iter().fold(self, |input, (bed, number)| input.edit(&format!("W01,Ward,B,{bed},"), &format!("W01,Ward,B,{number},")))
    }

    fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.texts[0].1);
        self
    }

    fn received(mut self, at: &'static str) -> Self {
        self.received = at;
        self
    }

    fn after(mut self, slot: &'static str, same_content: bool) -> Self {
        self.past.push((slot, same_content));
        self
    }

    fn feed(mut self, change: fn(&mut Feed)) -> Self {
        self.change = change;
        self
    }

    /// Changes the feed after what is changed already.
    fn feed_too(mut self, change: fn(&mut Feed)) -> Self {
        self.change_too = change;
        self
    }

    fn told(mut self, told: fn(&mut History, u64)) -> Self {
        self.told = told;
        self
    }

    fn without(mut self, part: &'static str) -> Self {
        self.without = part;
        self
    }

    fn checksum(mut self, text: impl Into<String>) -> Self {
        self.checksum = Some(text.into());
        self
    }

    fn prefix(mut self, bytes: &'static [u8]) -> Self {
        self.prefix = bytes;
        self
    }

    /// Replaces a text in the control record.
    fn control(mut self, from: &'static str, to: &'static str) -> Self {
        self.control.push((from, to));
        self
    }

    /// Sends a signature with the data.
    fn signed_for(mut self, namespace: &'static str) -> Self {
        self.signed_for = Some(namespace);
        self.feed(must_sign)
    }

    /// The register allows that ward W02 is not there.
    fn w02_may_be_absent(mut self) -> Self {
        self.registered = |wards| wards.iter_mut().filter(|ward| ward.ward_code == "W02").for_each(|ward| ward.may_be_absent = true);
        self
    }

    fn files(&self) -> Files {
        let bytes = |text: &str| [self.prefix, text.as_bytes()].concat();
        let mut files: Files = self.texts.iter().map(|(_, name, text)| (name.clone(), bytes(text))).collect();
        match self.provider {
            "RM1" => {
                let sum = self.checksum.clone().unwrap_or_else(|| Digest::of(&files[0].1).to_string());
                files.push((format!("{}.sha256", files[0].0), sum.into_bytes()));
            }
            "RMY" => {
                let rows = self.texts[0].2.lines().count() - 1;
                let control = format!("dataset=BEDSTATE/1\nprovider_code=RMY\nsnapshot_at=2018-12-03T10:15:02\nrow_count={rows}\n");
                let control = self.control.iter().fold(control, |control, (from, to)| {
                    assert!(control.contains(from), "{from}");
                    control.replace(from, to)
                });
                files.push((files[0].0.replace(".csv", ".ctl"), control.into_bytes()));
            }
            "RY3" => {
                let rows = |text: &str| text.lines().count() - 1;
                let list = self
                    .texts
                    .iter()
                    .fold("FileName,RowCount\n".to_owned(), |list, (member, _, text)| format!("{list}{member},{}\n", rows(text)));
                let mut members: Vec<(&str, &[u8])> = vec![("SRManifest.csv", list.as_bytes())];
                members.extend(self.texts.iter().map(|(member, _, text)| (*member, text.as_bytes())));
                files = vec![("RY3_20181203_101500.zip".to_owned(), zip_of(&members))];
            }
            _ => {}
        }
        if let Some(namespace) = self.signed_for {
            let signature = SshSig::sign(&job_key(), namespace, HashAlg::Sha512, &files[0].1).unwrap();
            files.push((format!("{}.sig", files[0].0), signature.to_pem(LineEnding::LF).unwrap().into_bytes()));
        }
        let without = |name: &str| !self.without.is_empty() && name.contains(self.without);
        files.retain(|(name, _)| !without(name));
        files
    }

    /// Every rule that speaks of it, with the severity's letter.
    fn findings(&self, desk: &Desk) -> (BTreeSet<String>, String, Findings) {
        let mut desk = desk.clone();
        (self.registered)(&mut desk.settings.reference.wards);
        let files = self.files();
        let mut feed = desk.feed(self.provider).clone();
        (self.change)(&mut feed);
        (self.change_too)(&mut feed);
        let data: Vec<u8> = files.iter().take(1).flat_map(|(_, bytes)| Digest::of(bytes).0).collect();
        let fingerprint = desk.judge_by(&feed, &files, &History::default(), at(self.received)).report.fingerprint.unwrap_or_default();
        let past = |(slot, same): &(&str, bool)| PastSnapshot {
            lead: DeliveryId::new(at("2018-12-03T10:00:00Z"), [9; 10]),
            files: Vec::new(),
            slot: slot.parse().unwrap(),
            first: 1,
            version: 1,
            received_at: at("2018-12-03T10:02:00Z"),
            snapshot_at: at("2018-12-03T10:00:00Z"),
            sequence: None,
            content: if *same { Digest::of(&data) } else { Digest::of(b"other figures") },
            coverage: None,
            totals: Totals { occupied: 80, empty: 20, available_now: 20, ..Totals::default() },
            fingerprint: None,
        };
        let mut history = History { accepted: self.past.iter().map(past).collect(), same_hour: Vec::new() };
        (self.told)(&mut history, fingerprint);
        let assessment = desk.judge_by(&feed, &files, &history, at(self.received));
        let report = assessment.report;
        let said = report.findings.counts().map(|(rule, severity, _)| format!("{rule} {}", letter(severity))).collect();
        let messages = report.findings.iter().map(|finding| format!("{} {}\n", finding.rule, finding.message)).collect();
        (said, messages, report.findings)
    }
}

/// Numbers that pass the NHS number's check, from the range that is never issued.
fn nhs_numbers(count: usize) -> Vec<String> {
    let number = |serial: u32| {
        let digits = format!("999{serial:06}");
        let weighted: u32 = digits.bytes().zip((2..=10).rev()).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
        match 11 - weighted % 11 {
            10 => None,
            check => Some(format!("{digits}{}", check % 11)),
        }
    };
    (0..).filter_map(number).take(count).collect()
}

/// A hundred beds with so many NHS numbers in the wards' description.
fn leaking(count: usize) -> Input {
    nhs_numbers(count).iter().fold(rm1(), |input, number| input.edit_some(",Ward,", &format!(",{number},"), 1))
}

/// A hundred beds with a date in each ward's description, of the years from the first to the last.
fn dated(first: u32, last: u32) -> Input {
    let date = |n: u32| format!(",{:02}/{:02}/{},", n % 28 + 1, n % 12 + 1, first + n * (last - first) / 99);
    (0..100).fold(rm1(), |input, n| input.edit_some(",Ward,", &date(n), 1))
}

/// A vacant bed's row takes its status from the column of locations, or a gender from the column of sexes: what the
/// settings would not let a mapping say for certain, and what a column may say all the same.
fn column(name: &str) -> FieldSource {
    FieldSource::Column { column: name.to_owned(), reading: Reading::Text }
}

fn gender_of_the_vacant(feed: &mut Feed) {
    feed.mappings[0].tables[0].lines[1].set.insert("gender".to_owned(), column("SEX"));
}

fn status_of_the_vacant(feed: &mut Feed) {
    feed.mappings[0].tables[0].lines[1].set.insert("bed_status".to_owned(), column("LOC"));
}

/// Patients who wait at the James Paget: what they are called by, and since when.
fn waiting(patients: &[(&str, &str)]) -> Input {
    let rows: String = patients.iter().map(|(reference, since)| format!("A&E,Male,67,Medicine,{since},{reference}\n")).collect();
    let named = |feed: &mut Feed| {
        let waiting = &mut feed.mappings[0].tables[1];
        waiting.columns.push("Ref".to_owned());
        waiting.lines[0].set.insert("demand_ref".to_owned(), column("Ref"));
    };
    rgp().edit("Decision to admit\n", &format!("Decision to admit,Ref\n{rows}")).feed(named)
}

fn without_side_room(feed: &mut Feed) {
    feed.mappings[0].tables[0].lines[1].set.remove("side_room");
}

/// Rules on single lines: a row that trips each, and one that just does not.
fn of_lines() -> Vec<(Rule, &'static str, Input, Input)> {
    let since = |time: &str| waiting(&[("1", time)]);
    let isolated = || rcx().edit("|O|1|", "|I|1|");
    let numbers = nhs_numbers(1);
    let wrong = format!("{}{}", &numbers[0][..9], (numbers[0][9..].parse::<u32>().unwrap() + 1) % 10);
    let asked = "03/12/2018 09:00";
    vec![
        (Rule::Tim07, "R", since("03/12/2018 10:21"), since("03/12/2018 10:20")),
        (Rule::Tim07, "W", since("30/11/2018 10:14"), since("30/11/2018 10:15")),
        // Sixty days before, London was on summer time.
        (Rule::Tim07, "R", since("04/10/2018 11:14"), since("04/10/2018 11:15")),
        (
            Rule::Tim08,
            "W",
            ncc().edit_some("03/12/2018 09:14", "26/11/2018 10:14", 1),
            ncc().edit_some("03/12/2018 09:14", "26/11/2018 10:15", 1),
        ),
        (Rule::Ref07, "W", rm1().edit_some(",300,IP", ",999,IP", 1), rm1().edit_some(",300,IP", ",301,IP", 1)),
        (Rule::Row06, "W", isolated().feed(without_side_room), isolated()),
        (Rule::Xro08, "W", waiting(&[("R-1", asked), ("R-1", asked)]), waiting(&[("R-1", asked), ("R-2", asked)])),
        (Rule::Igv05, "F", waiting(&[(&numbers[0], asked)]), waiting(&[(&wrong, asked)])),
    ]
}

/// The rows of ward W02 are none of the dataset.
fn without_w02(feed: &mut Feed) {
    let when = [("WARD_CODE".to_owned(), Condition::OneOf(vec!["W02".to_owned()]))].into();
    feed.mappings[0].tables[0].skip.push(Skip { when, because: "no beds".to_owned() });
}

/// Rules on lines and the register.
fn of_the_register() -> Vec<(Rule, &'static str, Input, Input)> {
    // Eighty patients in fewer open beds.
    let crowded = |beds: u32| rgp().edit("1,Women's,40", &format!("1,Women's,{beds}"));
    vec![
        (Rule::Ref06, "W", rmy().edit(",Female,Low", ",Male,Low"), rmy()),
        (Rule::Xro03, "W", crowded(39), rgp()),
        (Rule::Xro03, "F", crowded(32), crowded(33)),
        (Rule::Xro03, "W", crowded(33), rgp()),
        // An empty bed elsewhere makes up for one.
        (Rule::Xro03, "F", crowded(32), crowded(32).edit("Trauma,40", "Trauma,41")),
        (Rule::Xro03, "F", crowded(33).feed(|feed| feed.limits.crowded_percent = 9), crowded(33)),
        (Rule::Xro03, "F", crowded(32), crowded(32).feed(|feed| feed.limits.crowded_beds = 8)),
        (Rule::Xro04, "F", rm1().edit(",W02,", ",W01,"), rm1().edit_some(",W02,", ",W01,", 49)),
        // The mapping leaves all rows of a ward out, and the register allows that there are none.
        (Rule::Xro04, "F", rm1().edit(",W02,", ",W01,"), rm1().feed(without_w02)),
        (Rule::Xro04, "F", rm1().edit(",W02,", ",W01,"), rm1().edit(",W02,", ",W01,").w02_may_be_absent()),
        (Rule::Xro04, "I", rm1().edit(",W02,", ",W01,").w02_may_be_absent(), rm1().w02_may_be_absent()),
        (Rule::Xro04, "W", ncc().edit(NCC_END, "General Nursing,10,9,0,1,N,03/12/2018 09:14\n"), ncc()),
        (Rule::Xro05, "W", rm1().edit_some(",W01,", ",W02,", 6), rm1().edit_some(",W01,", ",W02,", 5)),
        (Rule::Xro06, "W", rmy().edit("Occupied,Female", "Occupied,Male"), rmy()),
        (Rule::Xro07, "W", rmy().edit("25 to 29", "65 to 69"), rmy().edit("25 to 29", "60 to 64")),
    ]
}

/// The last accepted snapshot, of 10:00, with another number and other sums.
fn numbered<const NUMBER: u32>(history: &mut History, _: u64) {
    history.accepted[0].sequence = Some(NUMBER);
}

fn sums<const OCCUPIED: u64, const EMPTY: u64>(history: &mut History, _: u64) {
    history.accepted[0].totals = Totals { occupied: OCCUPIED, empty: EMPTY, ..Totals::default() };
}

/// Every file of the last accepted snapshot had this name, and other bytes.
fn called(history: &mut History, name: &str) {
    history.accepted[0].files = vec![(name.to_owned(), Digest::of(b"other figures"))];
}

/// The same hour on so many days before: demand, and how well persons were coded.
fn usually(history: &mut History, days: i64, demand: u64) {
    let persons = Persons { counted: 100, gender_unknown: 0, age_unknown: 0 };
    let day = |days: i64| at("2018-12-03T10:15:00Z") - SignedDuration::from_hours(24 * days);
    let past = |days| SameHour { slot: Slot::containing(day(days)), received_at: day(days), demand: Some(demand), persons: Some(persons) };
    history.same_hour = (1..=days).map(past).collect();
}

/// So many patients wait.
fn queue(patients: u32) -> Input {
    let refs: Vec<String> = (0..patients).map(|n| format!("R-{n}")).collect();
    waiting(&refs.iter().map(|reference| (reference.as_str(), "03/12/2018 09:00")).collect::<Vec<_>>())
}

/// Every slot before 10:15, from one on.
fn since(first: &'static str) -> Input {
    let first: Slot = first.parse().unwrap();
    let slots: Vec<&'static str> = first.until("2018-12-03T10:15Z".parse().unwrap()).map(|slot| &*slot.to_string().leak()).collect();
    slots.into_iter().fold(rm1(), |input, slot| input.after(slot, false))
}

/// Rules on what was accepted before.
fn of_the_past() -> Vec<(Rule, &'static str, Input, Input)> {
    let ten = "2018-12-03T10:00Z";
    let rcx = || rcx().after(ten, false);
    let first_of_a_round = || rcx().edit("|0000007|", "|0000001|").named("rcx_bs_0000001.txt");
    let rmy = || rmy().after(ten, false).control("row_count", "sequence_no=5\nrow_count");
    let again = || rmy().control("sequence_no=5", "sequence_no=5\nkind=RESEND");
    let rm1_after = || rm1().after(ten, false);
    let named = |history: &mut History, _: u64| called(history, "RMY-bedstate-2018-12-03T1015.csv");
    let rm1_named = |history: &mut History, _: u64| called(history, "RM1_BEDSTATE_20181203_1015.csv");
    let other_name = |history: &mut History, _: u64| called(history, "RM1_BEDSTATE_20181203_1000.csv");
    // A file of 10:30 came first, with the number after the one that is late.
    let overtaken = |history: &mut History, _: u64| {
        (history.accepted[0].sequence, history.accepted[1].sequence) = (Some(6), Some(8));
    };
    let alike = |history: &mut History, fingerprint: u64| history.accepted.iter_mut().for_each(|past| past.fingerprint = Some(fingerprint));
    let two_alike =
        |history: &mut History, fingerprint: u64| history.accepted[1..].iter_mut().for_each(|past| past.fingerprint = Some(fingerprint));
    let unknown = |persons| rm1().edit_some("OCC,F", "OCC,Q", persons).told(|history, _| usually(history, 1, 0));
    let overtaking = || rcx().after("2018-12-03T10:30Z", false);
    vec![
        (Rule::Trn06, "W", rcx().told(numbered::<5>), rcx().told(numbered::<6>)),
        (Rule::Trn06, "F", rcx().told(numbered::<7>), rcx().told(numbered::<6>)),
        (Rule::Trn06, "W", first_of_a_round().told(numbered::<9_999_998>), first_of_a_round().told(numbered::<9_999_999>)),
        (Rule::Trn06, "F", rcx().told(numbered::<9>), overtaking().told(overtaken)),
        (Rule::Trn06, "F", rmy().told(numbered::<5>), again().told(numbered::<5>)),
        (Rule::Trn07, "F", rmy().told(named), again().told(named)),
        (Rule::Trn07, "F", rmy().told(named), rmy().told(named).feed(|feed| feed.limits.name_reuse = Some(NameReuse::Warn))),
        (Rule::Trn07, "W", rm1_after().told(rm1_named), rm1_after().told(other_name)),
        (
            Rule::Trn07,
            "F",
            rm1_after().told(rm1_named).feed(|feed| feed.limits.name_reuse = Some(NameReuse::Reject)),
            rm1_after().told(rm1_named),
        ),
        (Rule::Pla01, "W", rm1_after().told(sums::<80, 14>), rm1_after().told(sums::<80, 15>)),
        (Rule::Pla01, "F", rm1_after().told(sums::<66, 10>), rm1_after().told(sums::<67, 10>)),
        // Four hours and a quarter later, twice the change is allowed.
        (Rule::Pla01, "F", rm1_after().told(sums::<66, 10>), rm1().after("2018-12-03T06:00Z", false).told(sums::<66, 10>)),
        // A later slot is no past.
        (Rule::Pla01, "F", rm1_after().told(sums::<66, 10>), rm1().after("2018-12-03T10:30Z", false).told(sums::<66, 10>)),
        (Rule::Pla02, "W", rm1_after().told(sums::<69, 31>), rm1_after().told(sums::<70, 30>)),
        (Rule::Pla03, "W", since("2018-12-03T09:30Z").told(alike), since("2018-12-03T09:30Z").told(two_alike)),
        (Rule::Pla04, "W", since("2018-12-03T04:15Z"), since("2018-12-03T04:30Z")),
        (Rule::Pla04, "W", queue(13).told(|history, _| usually(history, 7, 4)), queue(12).told(|history, _| usually(history, 7, 4))),
        (Rule::Pla04, "W", queue(13).told(|history, _| usually(history, 7, 4)), queue(13).told(|history, _| usually(history, 6, 4))),
        (
            Rule::Pla04,
            "W",
            queue(13).told(|history, _| usually(history, 7, 4)),
            queue(13).told(|history, _| usually(history, 7, 4)).feed_too(|feed| feed.limits.demand_small = 13),
        ),
        (
            Rule::Pla04,
            "W",
            queue(13).told(|history, _| usually(history, 6, 4)).feed_too(|feed| feed.limits.demand_days = 6),
            queue(13).told(|history, _| usually(history, 6, 4)),
        ),
        (Rule::Pla06, "W", unknown(9), unknown(8)),
        (Rule::Pla06, "W", unknown(9), unknown(9).feed(|feed| feed.limits.unknown_persons_fewest = 81)),
    ]
}

/// Warnings about rows: at least one finding says where.
const WARNS_OF_ROWS: [Rule; 11] = [
    Rule::Tim07,
    Rule::Tim08,
    Rule::Ref03,
    Rule::Ref05,
    Rule::Ref06,
    Rule::Ref07,
    Rule::Row06,
    Rule::Row07,
    Rule::Xro03,
    Rule::Xro08,
    Rule::Igv04,
];

/// Rules about rows that name no column, and why.
const NO_COLUMN: [(Rule, &str); 2] = [
    (Rule::Str05, "the row has another number of fields, so none of them is sure to be in its column"),
    (Rule::Row06, "the mapping says isolation by a constant, and nothing of a side room"),
];

/// How the last row of `ncc` ends.
const NCC_END: &str = "Transitional/Short stay,10,9,0,1,N,03/12/2018 09:14\n";

/// The key of a provider's job.
fn job_key() -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]))
}

/// A signature is agreed with a feed.
fn must_sign(feed: &mut Feed) {
    let key = job_key().public_key().clone();
    feed.signers = vec![Signer { owner: "Extract job".to_owned(), key, namespace: NAMESPACE.to_owned(), expires: None }];
    let data = feed.mappings[0].files[0].clone();
    feed.mappings[0].files.push(FilePart {
        part: "signature".to_owned(),
        name: parse_pattern(&format!("{}.sig", data.name.text)).unwrap(),
        role: PartRole::Signature,
        compression: Compression::Plain,
        signs: Some(data.part),
    });
}

fn always_ended(feed: &mut Feed) {
    feed.mappings[0].tables[0].final_newline = Some(true);
}

fn extra_rejects(feed: &mut Feed) {
    feed.mappings[0].tables[0].reject_extra = true;
}

fn never_ended(feed: &mut Feed) {
    feed.mappings[0].tables[0].final_newline = Some(false);
}

#[test]
fn every_rule_is_tripped_and_just_not_tripped() {
    // Each provider has the wards that its good delivery tells of.
    let bases = [rm1(), rgp(), rcx(), rmy(), ry3(), ncc()];
    let desk = bases.iter().fold(Desk::shipped(), |desk, base| desk.with_wards_of(base.provider, &base.files()));
    let march = |time: &str| {
        rm1()
            .edit("03/12/2018 10:15", &format!("31/03/2019 {time}"))
            .named("RM1_BEDSTATE_20190331_0100.csv")
            .received("2019-03-31T00:20:00Z")
    };
    let october = |time: &str| {
        rm1()
            .edit("03/12/2018 10:15", &format!("28/10/2018 {time}"))
            .named("RM1_BEDSTATE_20181028_0100.csv")
            .received("2018-10-28T00:03:00Z")
    };
    let upper = Digest::of(rm1().files()[0].1.as_slice()).to_string().to_uppercase();
    // The rule and its severity here, a delivery that trips it, and one that just does not.
    let mut rows: Vec<(Rule, &str, Input, Input)> = vec![
        (Rule::Trn02, "F", rcx().edit("|RCX|", "|RGP|"), rcx().edit("|RCX|", "| rcx |")),
        (Rule::Trn02, "F", ry3().edit("2,RY3,", "2,RGP,"), ry3().edit("2,RY3,", "2,ry3,")),
        (Rule::Trn03, "F", rm1().feed(|feed| feed.limits.max_rows = 99), rm1().feed(|feed| feed.limits.max_rows = 100)),
        (Rule::Trn04, "F", rm1().checksum(Digest::of(b"other bytes").to_string()), rm1().checksum(upper)),
        (Rule::Trn05, "I", rm1().after("2018-12-03T10:15Z", true), rm1().after("2018-12-03T10:00Z", true)),
        (Rule::Trn08, "F", rm1().named("RM1_BEDSTATE_20181203_1060.csv"), rm1().named("rm1_bedstate_20181203_1015.CSV")),
        (Rule::Trn01, "F", rm1().without("sha256"), rm1()),
        (Rule::Trn01, "F", rmy().without(".ctl"), rmy()),
        (Rule::Trn09, "F", rgp().without("waiting"), rgp()),
        (Rule::Trn10, "F", ncc().signed_for("file"), ncc().signed_for("bedfeed")),
        (Rule::Trn01, "F", ncc().signed_for("bedfeed").without(".sig"), ncc().signed_for("bedfeed")),
        (Rule::Str01, "F", rcx().edit("D|RCX70|NORTH1|A|01|O|1|19340116|430|C\nT|1", "T|0"), rcx()),
        // RM1's text was agreed to be Windows-1252, RGP's to be UTF-8.
        (
            Rule::Str02,
            "W",
            rm1().edit_some(",Ward,", ",Ward \u{2013} A,", 1),
            rgp().prefix(b"\xef\xbb\xbf").edit("Women's", "Women\u{2019}s"),
        ),
        (Rule::Str02, "F", rgp().edit("Women's", "Women\0s"), rgp().edit("Women's", "Women\u{2019}s")),
        (Rule::Str03, "F", rgp().edit("Occ Male", "Males"), rgp().edit("Occ Male", " OCC-MALE ")),
        (
            Rule::Str04,
            "W",
            rgp().edit("Esc beds open\n", "Esc beds open,Mood\n").edit("0,,\n", "0,,,\n"),
            rgp().edit("Esc beds open\n", "Esc beds open,\n").edit("0,,\n", "0,,,\n"),
        ),
        (
            Rule::Str04,
            "F",
            rgp().edit("Esc beds open\n", "Esc beds open,Mood\n").edit("0,,\n", "0,,,\n").feed(extra_rejects),
            rgp().edit("Esc beds open\n", "Esc beds open,\n").edit("0,,\n", "0,,,\n").feed(extra_rejects),
        ),
        (
            Rule::Str04,
            "F",
            rgp().edit("Esc beds open\n", "Esc beds open,Mood\n").edit("0,,\n", "0,,,\n").feed(extra_rejects),
            rgp().edit("Esc beds open\n", "Esc beds open,Mood\n").edit("0,,\n", "0,,,\n"),
        ),
        (Rule::Str05, "R", rcx().edit("|430|C", "|430|C|"), rcx()),
        (Rule::Str05, "F", rgp().edit("Women's", "\"Women's"), rgp().edit("Women's", "\"Women's\"")),
        (Rule::Str03, "F", ncc().separated(";"), ncc()),
        (Rule::Str05, "F", ncc().twice(), ncc()),
        (Rule::Str10, "F", ncc().edit(NCC_END, "Transitional/Short stay,10,9,0,1,N"), ncc()),
        (Rule::Str10, "F", rmy().edit("Painting,\n", "Painting,").feed(always_ended), rmy().feed(always_ended)),
        (Rule::Str10, "W", ncc().edit(NCC_END, NCC_END.trim_end()), rm1().edit(",100,,,,,\n", ",100,,,,,")),
        (Rule::Str10, "W", rmy().edit("Painting,\n", "Painting,"), rmy().edit("Painting,\n", "Painting,").feed(never_ended)),
        (Rule::Str06, "F", rm1().edit(",100,,,,,", ",101,,,,,"), rm1().edit(",100,,,,,", ",100.0,,,,,")),
        (Rule::Str07, "F", rmy().control("row_count", "total_occ=2\nrow_count"), rmy().control("row_count", "total_occ=1\nrow_count")),
        (Rule::Str09, "F", rmy().control("BEDSTATE/1", "BEDSTATE/2"), rmy().control("BEDSTATE/1", "bedstate/1.1")),
        (Rule::Str09, "F", rcx().edit("|BEDSTATE\n", "|BEDSTATE2\n"), rcx().edit("|BEDSTATE\n", "|bedstate\n")),
        (Rule::Str09, "F", rmy().control("row_count", "kind=DELTA\nrow_count"), rmy().control("row_count", "kind=full\nrow_count")),
        (
            Rule::Tim09,
            "W",
            rmy().control("row_count", "produced_at=2018-12-03T10:07:59Z\nrow_count"),
            rmy().control("row_count", "produced_at=2018-12-03T10:08:00Z\nrow_count"),
        ),
        (
            Rule::Str08,
            "I",
            ncc().edit(
                "Transitional/Short stay,10,9,0,1,N,03/12/2018 09:14\n",
                "Transitional/Short stay,10,9,0,1,N,03/12/2018 09:14\n,,,,,,,,,\n",
            ),
            ncc(),
        ),
        (
            Rule::Str08,
            "W",
            ry3().edit("Unit East,Ward East,E-02,03 Dec 2018 00:00:00", "Unit East,Ward East,E-03,03 Dec 2018 00:00:00"),
            ry3(),
        ),
        (Rule::Tim01, "F", rm1().edit("03/12/2018 10:15", "03/12/2018 09:59"), rm1().edit("03/12/2018 10:15", "03/12/2018 10:00")),
        (
            Rule::Tim01,
            "F",
            rm1().edit("03/12/2018 10:15", "03/12/2018 10:00").feed(|feed| feed.limits.name_tolerance = SignedDuration::from_mins(14)),
            rm1().edit("03/12/2018 10:15", "03/12/2018 10:00"),
        ),
        (Rule::Tim02, "F", rm1().received("2018-12-03T10:09:59Z"), rm1().received("2018-12-03T10:10:00Z")),
        (Rule::Tim03, "W", rm1().received("2018-12-03T10:20:01Z"), rm1().received("2018-12-03T10:20:00Z")),
        (Rule::Tim03, "F", rm1().received("2018-12-04T10:15:01Z"), rm1().received("2018-12-04T10:15:00Z")),
        (Rule::Tim04, "W", rm1().after("2018-12-03T10:15Z", false), rm1().after("2018-12-03T10:00Z", false)),
        (Rule::Tim04, "W", rm1().after("2018-12-03T10:30Z", false), rm1().after("2018-12-03T09:30Z", false)),
        (Rule::Tim05, "F", march("01:00"), march("00:59").named("RM1_BEDSTATE_20190331_0059.csv")),
        (Rule::Tim06, "W", october("01:00"), october("00:59").named("RM1_BEDSTATE_20181028_0059.csv").received("2018-10-28T00:02:00Z")),
        (
            Rule::Ref01,
            "F",
            rm1().feed(|feed| feed.agreement_ends = Some("2018-12-02".parse().unwrap())),
            rm1().feed(|feed| feed.agreement_ends = Some("2018-12-03".parse().unwrap())),
        ),
        (Rule::Ref02, "R", rcx().edit("RCX70", "RCX71"), rcx()),
        (Rule::Ref03, "W", rgp().edit("\n5.00E+01,", "\n99,"), rgp()),
        (
            Rule::Ref03,
            "F",
            (0..4).fold(rm1(), |input, n| input.edit_some("W01", &format!("N{n}"), 1)),
            (0..3).fold(rm1(), |input, n| input.edit_some("W01", &format!("N{n}"), 1)),
        ),
        (Rule::Ref03, "F", rm1().edit_some("W01", "N1", 11), rm1().edit_some("W01", "N1", 10)),
        (Rule::Ref04, "R", rm1().edit_some("VAC", "VACANT", 1), rm1().edit_some("VAC", "vac", 1)),
        (Rule::Ref05, "W", rm1().edit_some("OCC,F", "OCC,Q", 1), rm1().edit_some("OCC,F", "OCC,I", 1)),
        (Rule::Ref05, "F", rm1().edit_some("OCC,F", "OCC,", 17), rm1().edit_some("OCC,F", "OCC,", 16)),
        (
            Rule::Ref08,
            "F",
            rm1().feed(|feed| feed.mappings[0].to = Some("2018-12-03".parse().unwrap())),
            rm1().feed(|feed| feed.mappings[0].to = Some("2018-12-04".parse().unwrap())),
        ),
        (Rule::Row01, "R", ncc().edit_some("03/12/2018 09:14", "", 1), ncc().edit_some("03/12/2018 09:14", "03/12/2018 00:00", 1)),
        (Rule::Row02, "R", ncc().edit_some("10,9,", "10,9.5,", 1), ncc().edit_some("10,9,", "10,9.0,", 1)),
        (
            Rule::Row02,
            "R",
            rgp().edit("1,Women's,40,20,20,0", "1,Women's,1,0,0,2"),
            rgp().edit("1,Women's,40,20,20,0", "1,Women's,2,0,0,2"),
        ),
        (Rule::Row03, "R", rmy().edit("Painting", ""), rmy()),
        (Rule::Row04, "R", rm1().feed(gender_of_the_vacant).edit_some("VAC,,", "VAC,1,", 1), rm1().feed(gender_of_the_vacant)),
        (
            Rule::Row05,
            "R",
            rm1().feed(status_of_the_vacant).edit("VAC,,,300,IP", "VAC,,,300,U").edit_some("VAC,,,300,U", "VAC,,,300,O", 1),
            rm1().feed(status_of_the_vacant).edit("VAC,,,300,IP", "VAC,,,300,U").edit_some("VAC,,,300,U", "VAC,,,300,H", 1),
        ),
        (Rule::Row07, "W", rm1().edit_some("Ward,B,1,", "Ward,5-May,1,", 1), rm1().edit_some("Ward,B,1,", "Ward,5-Mai,1,", 1)),
        (Rule::Row07, "R", rgp().edit("5.00E+01", "5.00E+02"), rgp()),
        (Rule::Row08, "R", rm1().edit_some("Ward,B,1,", "Ward,B,ABCDEFGHIJK,", 1), rm1().edit_some("Ward,B,1,", "Ward,B,ABCDEFGHIJ,", 1)),
        (Rule::Row99, "F", rm1().edit_some("VAC", "?", 3), rm1().edit_some("VAC", "?", 2)),
        (Rule::Xro01, "R", rm1().renumbered(&[(1, 2)]), rm1().renumbered(&[(1, 52)])),
        (Rule::Xro01, "F", rm1().renumbered(&[(1, 2), (3, 4), (6, 7)]), rm1().renumbered(&[(1, 2), (3, 4)])),
        (Rule::Xro01, "F", rm1().renumbered(&[(1, 2)]).feed(|feed| feed.limits.repeated_beds = 0), rm1().renumbered(&[(1, 2)])),
        (Rule::Xro02, "R", ncc().edit("Transitional/Short stay", "General Residential"), ncc()),
        (
            Rule::Xro02,
            "W",
            ry3().edit("00:00:00,Staffing\n", "00:00:00,Staffing\nUnit East,Ward East,E-02,03 Dec 2018 00:00:00,Maintenance\n"),
            ry3().edit("00:00:00,Staffing\n", "00:00:00,Staffing\nUnit East,Ward East,E-02,03 Dec 2018 00:00:00,Staffing\n"),
        ),
        (Rule::Pla05, "F", rm1().edit("OCC,F,83", "VAC,,"), rm1().edit("OCC,F,83", "VAC,,").edit_some("VAC,,", "OCC,F,83", 1)),
        (
            Rule::Pla05,
            "F",
            rm1().edit("OCC,F,83", "VAC,,"),
            rm1().edit("OCC,F,83", "VAC,,").feed(|feed| feed.limits.large_provider_beds = 100),
        ),
        (
            Rule::Igv01,
            "F",
            ncc().edit("Last Updated\n", "Last Updated,Manager's name\n").edit("09:14\n", "09:14,\n"),
            ncc().edit("Last Updated\n", "Last Updated,Provider's name\n").edit("09:14\n", "09:14,\n"),
        ),
        (Rule::Igv02, "F", leaking(3), leaking(2)),
        // One number is enough where few values stand: a column's name, a total row, a first line, a name that nobody agreed.
        (
            Rule::Igv02,
            "F",
            ncc().edit("Last Updated\n", "Last Updated,943 476 5919\n").edit("09:14\n", "09:14,\n"),
            ncc().edit("Last Updated\n", "Last Updated,943 476 5918\n").edit("09:14\n", "09:14,\n"),
        ),
        (Rule::Igv02, "F", rm1().edit("TOTAL,,,,", "TOTAL,9434765919,,,"), rm1().edit("TOTAL,,,,", "TOTAL,9434765918,,,")),
        (Rule::Igv02, "F", rcx().edit("|BEDSTATE", "|9434765919"), rcx().edit("|BEDSTATE", "|0000000108")),
        (Rule::Igv02, "F", rcx().edit("T|1", "T|1|9434765919"), rcx().edit("T|1", "T|1|9434765918")),
        (Rule::Igv02, "F", rm1().named("beds_9434765919.csv"), rm1().named("beds_2018120310.csv")),
        (Rule::Igv03, "F", dated(1930, 2010), dated(1999, 2018)),
        (Rule::Igv04, "W", rm1().edit(",W02,", ",HIV,"), rm1().edit(",W02,", ",HIVES,")),
    ];
    rows.extend(of_lines());
    rows.extend(of_the_register());
    rows.extend(of_the_past());
    for base in bases {
        let (said, messages, _) = base.findings(&desk);
        assert!(!said.iter().any(|said| said.ends_with(" F") || said.ends_with(" R")), "{}: {said:?}\n{messages}", base.provider);
    }
    for (n, (rule, severity, trips, just_not)) in rows.iter().enumerate() {
        let wanted = format!("{rule} {severity}");
        let (said, messages, findings) = trips.findings(&desk);
        assert!(said.contains(&wanted), "row {n} must trip {wanted}: {said:?}\n{messages}");
        let own: Vec<_> = findings.iter().filter(|finding| finding.rule == *rule && letter(finding.severity) == *severity).collect();
        let placed = own.iter().filter(|finding| finding.place.line.is_some());
        let placed = placed
            .filter(|finding| finding.place.column.is_some() || NO_COLUMN.iter().any(|(of_no_column, _)| of_no_column == rule))
            .count();
        let (all, some) = (*severity == "R", *severity == "W" && WARNS_OF_ROWS.contains(rule));
        assert!(!(all && placed < own.len() || some && placed == 0), "row {n}, {wanted}: a finding about a row has no place: {own:#?}");
        let (said, messages, _) = just_not.findings(&desk);
        assert!(!said.contains(&wanted), "row {n} must just not trip {wanted}: {said:?}\n{messages}");
    }
    let tripped: BTreeSet<Rule> = rows.iter().map(|(rule, ..)| *rule).collect();
    let missing: Vec<&Rule> = Rule::ALL.iter().filter(|rule| !tripped.contains(rule)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}

/// The page about the rules, made from the catalogue.
fn page() -> String {
    let mut page = "# The rules\n\n\
        Every delivery is checked by these rules. Each has an id that never changes: receipts, the web pages and `bedfeed check`\n\
        quote it. This page is made from the catalogue in the program.\n\n\
        What a rule does, unless a count or a setting changes it for one delivery:\n\n\
        - **information**: good to know; nothing is wrong.\n\
        - **warning**: accepted, but somebody should look.\n\
        - **row rejected**: the row is left out and listed. Too many of them, and ROW-99 rejects the file.\n\
        - **file rejected**: the whole file is set aside, and its slot is not filled.\n\n\
        *May be released* says whether support may take responsibility for a file that the rule rejected, with\n\
        `bedfeed release`. A file that IGV-01, IGV-02, IGV-03 or IGV-05 rejects is sealed: only the governance role may read it.\n\n\
        | id | does | what must hold | what to do about it | may be released |\n|---|---|---|---|---|\n"
        .to_owned();
    for rule in Rule::ALL {
        let does = if rule.seals() { "file rejected and sealed" } else { rule.severity().as_str() };
        let release = match (rule.severity(), rule.may_be_released()) {
            (_, true) => "yes",
            (Severity::Information, false) => "",
            (_, false) => "no",
        };
        writeln!(page, "| {rule} | {does} | {} | {} | {release} |", rule.meaning(), rule.advice()).unwrap();
    }
    page.push_str("\n## What they say\n\nA finding says one of these, with a place, a count or a code where braces stand. Nothing else is ever said, and no value of a\ncolumn about a person.\n");
    for rule in Rule::ALL {
        write!(page, "\n**{rule}**\n\n").unwrap();
        rule.messages().iter().for_each(|message| writeln!(page, "- {message}").unwrap());
    }
    page
}

#[test]
fn the_page_about_the_rules_is_the_catalogue() {
    let file = path("docs/rules.md");
    if std::env::var_os("BEDFEED_BLESS").is_some_and(|bless| bless == "1") {
        std::fs::write(&file, page()).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(written == page(), "docs/rules.md differs from the catalogue: run this test with BEDFEED_BLESS=1 to write it again");
    assert!(Rule::ALL.iter().all(|rule| !rule.meaning().contains('|') && !rule.advice().contains('|')));
}
