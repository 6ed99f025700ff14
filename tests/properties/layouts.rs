//! Beds written in each of the six layouts, and the lines they mean, both by hand: nothing of bedfeed's own is used.

use crate::judging::{Files, words, zip_of};
use bedfeed::feed::Digest;
use bedfeed::simulator::Layout;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) male: bool,
    pub(crate) age: u16,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    Occupied(Person),
    Ready,
    Cleaning,
    Infection,
    Staffing,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bed {
    /// One of three wards.
    pub(crate) ward: usize,
    pub(crate) state: State,
}

/// Files, and the lines that they mean, as `compact` shows them.
pub(crate) fn written(layout: Layout, beds: &[Bed]) -> (Files, Vec<Vec<String>>) {
    match layout {
        Layout::Rm1 => rm1(beds),
        Layout::Rgp => rgp(beds),
        Layout::Rcx => rcx(beds),
        Layout::Rmy => rmy(beds),
        Layout::Ry3 => ry3(beds),
        Layout::Ncc => ncc(beds),
    }
}

/// An extract with so many rows, each of a bed, ward or home of its own; good or not, every row is read to its end.
pub(crate) fn long(layout: Layout, rows: usize) -> Files {
    let person = Person { male: true, age: 83 };
    let beds = |state| (0..rows).map(|n| Bed { ward: n % 3, state: if n % 2 == 0 { state } else { State::Staffing } }).collect::<Vec<_>>();
    let repeated = |(mut files, _): (Files, Vec<Vec<String>>), row: &dyn Fn(usize) -> String| {
        let rows: String = (0..rows).map(row).collect();
        files[0].1.extend_from_slice(rows.as_bytes());
        files
    };
    match layout {
        // Rows of counts: one for each ward or home, however many beds it has.
        Layout::Rgp => repeated(rgp(&[]), &|n| format!("{n},\"Ward {n}\",28,9,17,2,Staffing,N/A,,,\r\n")),
        Layout::Ncc => repeated(ncc(&[]), &|n| format!("1-1{n:08},A home,Norwich,General Residential,42,39,1,2,N,01/12/2018 09:14\r\n")),
        Layout::Rm1 | Layout::Rcx | Layout::Rmy | Layout::Ry3 => written(layout, &beds(State::Occupied(person))).0,
    }
}

fn band(age: u16) -> String {
    if age >= 90 { "A90".to_owned() } else { format!("A{:02}", age / 5 * 5) }
}

fn code(person: Person) -> u8 {
    if person.male { 1 } else { 2 }
}

/// What a bed of its own is, in the dataset's words.
fn meaning(state: State, cleaning: &str) -> String {
    match state {
        State::Occupied(person) => {
            format!("line_type=OCC bed_status=O gender={} age_band={}", code(person), band(person.age))
        }
        State::Ready => "line_type=EMP bed_status=U empty_state=RDY".to_owned(),
        State::Cleaning => cleaning.to_owned(),
        State::Infection => "line_type=CLO bed_status=C closed_reason=IPC".to_owned(),
        State::Staffing => "line_type=CLO bed_status=C closed_reason=STF".to_owned(),
    }
}

const CLEANED: &str = "line_type=EMP bed_status=H empty_state=CLN";

fn rm1(beds: &[Bed]) -> (Files, Vec<Vec<String>>) {
    let mut text = "\"EXTRACT_DTTM\",\"SITE\",\"WARD_CODE\",\"WARD_DESC\",\"BAY\",\"BED\",\"STATUS\",\"SEX\",\"AGE\",\"SPEC\",\"LOC\",\"DTA_DTTM\"\r\n".to_owned();
    let mut expected = Vec::new();
    for (number, bed) in beds.iter().enumerate() {
        let ward = ["W21", "W22", "W23"][bed.ward];
        let (status, sex, age) = match bed.state {
            State::Occupied(person) => ("OCC", if person.male { "M" } else { "F" }, person.age.to_string()),
            State::Ready => ("VAC", "", String::new()),
            State::Cleaning => ("VAC-DIRTY", "", String::new()),
            State::Infection => ("CLS-INF", "", String::new()),
            State::Staffing => ("CLS-STF", "", String::new()),
        };
        text += &format!(
            "\"03/12/2018 10:15\",\"RM102\",\"{ward}\",\"Ward, \"\"so-called\"\"\",\"B2\",\"{number:02}\",\"{status}\",\"{sex}\",\"{age}\",\"300\",\"IP\",\"\"\r\n"
        );
        let means = meaning(bed.state, CLEANED);
        expected.push(words(&format!(
            "site_code=RM102 ward_code={ward} bay_code=B2 bed_ref=B2-{number:02} bed_base=COR treatment_function=300 {means}"
        )));
    }
    text += &format!("\"TOTAL\",\"\",\"\",\"\",\"\",\"\",\"{}\",\"\",\"\",\"\",\"\",\"\"\r\n", beds.len());
    let name = "RM1_BEDSTATE_20181203_1015.csv".to_owned();
    let sum = format!("{}  {name}\n", Digest::of(text.as_bytes()));
    (vec![(name.clone(), text.into_bytes()), (format!("{name}.sha256"), sum.into_bytes())], expected)
}

/// Counts of one ward: male, female, ready, cleaning, infection, staffing.
fn counted(beds: &[Bed]) -> BTreeMap<usize, [usize; 6]> {
    let mut wards: BTreeMap<usize, [usize; 6]> = BTreeMap::new();
    for bed in beds {
        let kind = match bed.state {
            State::Occupied(person) => usize::from(!person.male),
            State::Ready => 2,
            State::Cleaning => 3,
            State::Infection => 4,
            State::Staffing => 5,
        };
        wards.entry(bed.ward).or_default()[kind] += 1;
    }
    wards
}

/// A line that counts, where there is something to count.
fn counting(expected: &mut Vec<Vec<String>>, quantity: usize, line: &str) {
    match quantity {
        0 => {}
        1 => expected.push(words(line)),
        many => expected.push(words(&format!("quantity={many} {line}"))),
    }
}

fn rgp(beds: &[Bed]) -> (Files, Vec<Vec<String>>) {
    let mut text = "\u{feff}Ward No ,Ward name,Open Beds,Occ Male,Occ Female,Closed,Closed reason,Esc beds open,,,\r\n".to_owned();
    let mut expected = Vec::new();
    for (ward, [male, female, ready, cleaning, infection, staffing]) in counted(beds) {
        let (typed, ward) = [("7", "07"), ("5.00E+01", "5E1"), ("12", "12")][ward];
        let (closed, reason) = (infection + staffing, if infection > 0 { ("Infection", "IPC") } else { ("Staffing", "STF") });
        let (empty, said) = (ready + cleaning, if closed > 0 { reason.0 } else { "-" });
        let open = male + female + empty + closed;
        text += &format!("{typed},\"Ward, {ward}\",{open},{male}.0,{female},{closed},{said},N/A,,,\r\n");
        let place = format!("site_code=RGP75 ward_code={ward} bed_base=COR");
        counting(&mut expected, male, &format!("{place} line_type=OCC bed_status=O gender=1 age_band=AXX"));
        counting(&mut expected, female, &format!("{place} line_type=OCC bed_status=O gender=2 age_band=AXX"));
        counting(&mut expected, closed, &format!("{place} line_type=CLO bed_status=C closed_reason={}", reason.1));
        counting(&mut expected, empty, &format!("{place} line_type=EMP bed_status=U empty_state=RDY"));
    }
    let waiting = "Patient location,Sex,Age,Specialty,Decision to admit\r\n";
    let files = [("JPUH beds 03-12-2018 1015.csv", text), ("JPUH waiting 03-12-2018 1015.csv", waiting.to_owned())];
    (files.map(|(name, text)| (name.to_owned(), text.into_bytes())).to_vec(), expected)
}

fn rcx(beds: &[Bed]) -> (Files, Vec<Vec<String>>) {
    let mut text = "H|RCX|0001234|20181203101500|BEDSTATE\n".to_owned();
    let mut expected = Vec::new();
    for (number, bed) in beds.iter().enumerate() {
        let ward = ["NORTH1", "NORTH2", "CCU"][bed.ward];
        let (letter, person) = match bed.state {
            // Born on the first of December: the birthday has just been.
            State::Occupied(person) => ("O", format!("{}|{}1201", code(person), 2018 - person.age)),
            State::Ready => ("U", "|".to_owned()),
            State::Cleaning => ("K", "|".to_owned()),
            State::Infection | State::Staffing => ("C", "|".to_owned()),
        };
        text += &format!("D|RCX70|{ward}|A|{number:02}|{letter}|{person}|430|E\n");
        let means = match bed.state {
            State::Infection | State::Staffing => "line_type=CLO bed_status=C closed_reason=OTH".to_owned(),
            state => meaning(state, "line_type=EMP bed_status=K empty_state=CLN"),
        };
        expected.push(words(&format!(
            "site_code=RCX70 ward_code={ward} bay_code=A bed_ref=A-{number:02} bed_base=ESC treatment_function=430 {means}"
        )));
    }
    text += &format!("T|{}\n", beds.len());
    (vec![("rcx_bs_0001234.txt".to_owned(), text.into_bytes())], expected)
}

fn rmy(beds: &[Bed]) -> (Files, Vec<Vec<String>>) {
    let mut text = "SnapshotTime,Unit,Ward,WardSex,Security,Bed,TYPE,State,Gender,AgeGroup,Reason,RequestedAt\n".to_owned();
    let mut expected = Vec::new();
    for (number, bed) in beds.iter().enumerate() {
        let (ward, sex, sex_code) = [("WARD-ALPHA", "Female", 2), ("WARD-BRAVO", "Male", 1), ("WARD-CHARLIE", "Mixed", 8)][bed.ward];
        let (state, person, reason, means) = match bed.state {
            State::Occupied(person) => {
                let from = person.age / 5 * 5;
                let (group, band) = match person.age {
                    85.. => ("Over 85".to_owned(), "AXX".to_owned()),
                    age => (format!("{from} to {}", from + 4), band(age)),
                };
                let gender = if person.male { "Male" } else { "Female" };
                let means = format!("line_type=OCC bed_status=O gender={} age_band={band} ready=D", code(person));
                ("Occupied", format!("{gender},{group}"), "Delayed", means)
            }
            State::Ready => ("Vacant", ",".to_owned(), "", meaning(bed.state, "")),
            State::Cleaning => ("On leave - bed held", ",".to_owned(), "", "line_type=EMP bed_status=U empty_state=LVE".to_owned()),
            State::Infection => ("Closed", ",".to_owned(), "Infection", meaning(bed.state, "")),
            State::Staffing => ("Closed", ",".to_owned(), "Staffing", meaning(bed.state, "")),
        };
        text += &format!("2018-12-03T10:15:02,RMY-SITE-A,{ward},{sex},Low,F{number:02},BED,{state},{person},{reason},\n");
        expected
            .push(words(&format!("site_code=RMY-SITE-A ward_code={ward} bed_ref=F{number:02} bed_base=COR bed_sex={sex_code} {means}")));
    }
    let control = format!("dataset=BEDSTATE/1\nprovider_code=RMY\nsnapshot_at=2018-12-03T10:15:02Z\nrow_count={}\nkind=FULL\n", beds.len());
    let files = [("RMY-bedstate-2018-12-03T1015.csv", text), ("RMY-bedstate-2018-12-03T1015.ctl", control)];
    (files.map(|(name, text)| (name.to_owned(), text.into_bytes())).to_vec(), expected)
}

fn ry3(beds: &[Bed]) -> (Files, Vec<Vec<String>>) {
    let columns = [
        "RowIdentifier",
        "IDOrganisation",
        "DateExtract",
        "UnitName",
        "WardName",
        "BedName",
        "Occupied",
        "Gender",
        "AgeYears",
        "DischargeReady",
    ];
    let mut list = format!("\"{}\"\r\n", columns.join("\",\""));
    let mut closures = "\"UnitName\",\"WardName\",\"BedName\",\"DateClosed\",\"Reason\"\r\n".to_owned();
    let (mut expected, mut closed) = (Vec::new(), 0);
    for (number, bed) in beds.iter().enumerate() {
        let (unit, ward, site, code) = [
            ("Unit East", "Ward East", "RY3SA", "EAST"),
            ("Unit East", "Harrier's Rest", "RY3SA", "EASTREHAB"),
            ("Unit West", "Marsh View, Upper", "RY3SB", "WESTPALL"),
        ][bed.ward];
        let (occupied, gender, age) = match bed.state {
            State::Occupied(person) => ("TRUE", if person.male { "Male" } else { "Female" }, person.age.to_string()),
            _ => ("FALSE", "", String::new()),
        };
        let row = format!(
            "\"{number}\",\"RY3\",\"03 Dec 2018 10:15:00\",\"{unit}\",\"{ward}\",\"E-{number:02}\",\"{occupied}\",\"{gender}\",\"{age}\",\"{occupied}\"\r\n"
        );
        // Copies of rows are real in this one.
        list += &row.repeat(1 + usize::from(number % 7 == 3));
        let reason = match bed.state {
            State::Infection => Some("Infection control"),
            State::Staffing => Some("Staffing"),
            _ => None,
        };
        if let Some(reason) = reason {
            closures += &format!("\"{unit}\",\"{ward}\",\"E-{number:02}\",\"03 Dec 2018 00:00:00\",\"{reason}\"\r\n");
            closed += 1;
        }
        let ready = if occupied == "TRUE" { " ready=R" } else { "" };
        // This system does not tell of cleaning.
        let means = meaning(bed.state, "line_type=EMP bed_status=U empty_state=RDY");
        expected.push(words(&format!("site_code={site} ward_code={code} bed_ref=E-{number:02} bed_base=COR {means}{ready}")));
    }
    let rows = list.lines().count() - 1;
    let manifest = format!("FileName,RowCount\r\nBedList.csv,{rows}\r\nBedClosure.csv,{closed}\r\nStepDown.csv,0\r\n");
    let step_down = "RowIdentifier,UnitName,Gender,AgeYears,DateAccepted\r\n";
    let members =
        [("SRManifest.csv", manifest.as_str()), ("BedList.csv", &list), ("BedClosure.csv", &closures), ("StepDown.csv", step_down)];
    let members = members.map(|(name, text)| (name, text.as_bytes()));
    (vec![("RY3_20181203_101500.zip".to_owned(), zip_of(&members))], expected)
}

fn ncc(beds: &[Bed]) -> (Files, Vec<Vec<String>>) {
    let mut text =
        "CQC Location ID,Home Name,District,Bed Type,Max Capacity,Occupied,Vacant (reserved),Vacant (accepting),Closed,Last Updated\r\n"
            .to_owned();
    let mut expected = Vec::new();
    for (home, [male, female, ready, reserved, infection, staffing]) in counted(beds) {
        let (bed_type, ward) =
            [("General Residential", "CHRES"), ("Dementia Nursing", "CHNURDEM"), ("Transitional/Short stay", "CHSHORT")][home];
        let site = home + 2;
        let (occupied, shut) = (male + female, infection + staffing > 0);
        let accepting = ready + infection + staffing;
        let closed = if shut { "Y (D&V)" } else { "N" };
        let capacity = occupied + reserved + accepting;
        text += &format!(
            "1-100000000{site},\"St Example's, The\",Norwich,{bed_type},{capacity}.0,{occupied}.0,{reserved},{accepting},{closed},03/12/2018 09:14\r\n"
        );
        let place = format!("site_code=1-100000000{site} ward_code={ward} bed_base=COR source_updated_at=2018-12-03T09:14:00Z");
        counting(&mut expected, occupied, &format!("{place} line_type=OCC bed_status=O gender=X age_band=AXX"));
        if shut {
            counting(&mut expected, reserved + accepting, &format!("{place} line_type=CLO bed_status=C closed_reason=IPC"));
        } else {
            counting(&mut expected, reserved, &format!("{place} line_type=EMP bed_status=U empty_state=RSV"));
            counting(&mut expected, accepting, &format!("{place} line_type=EMP bed_status=U empty_state=RDY"));
        }
    }
    text += "\r\n\r\n";
    (vec![("NCC_CAREHOME_CAPACITY_201812031015.csv".to_owned(), text.into_bytes())], expected)
}
