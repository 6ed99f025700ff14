//! The community provider: closures in a second table, copies, step-down patients.

use super::{expect, run};
use crate::normalise::mapping::{FieldSource, Mapping, Reading, TableMapping};
use crate::normalise::reference::Reference;
use crate::normalise::testing::*;

pub(super) fn mapping_e() -> Mapping {
    let gender = || codes("Gender", &[("Male", "1"), ("Female", "2"), ("Indeterminate", "9")], Some("X"));
    let age = || read("AgeYears", Reading::AgeInYears);
    let member = |name: &'static str| {
        move |table: &mut TableMapping| {
            table.file = "extract".into();
            table.member = Some(name.into());
        }
    };
    let reasons: FieldSource =
        codes("closures.Reason", &[("Infection control", "IPC"), ("Staffing", "STF"), ("Maintenance", "EST")], Some("OTH"));
    let beds = table(
        "beds",
        &[
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
        ],
    )
    .with(member("BedList.csv"))
    .with(|table| table.copies_by = Some("RowIdentifier".into()))
    .join("closures", &["UnitName", "WardName", "BedName"])
    .field("site_code", column("UnitName"))
    .field("ward_code", column("WardName"))
    .field("bed_ref", column("BedName"))
    .field("bed_base", value("COR"))
    .line(line().when("closures.Reason", "*").set("line_type=CLO bed_status=C").from("closed_reason", reasons))
    .line(
        line()
            .when("Occupied", "TRUE")
            .set("line_type=OCC bed_status=O")
            .from("gender", gender())
            .from("age_band", age())
            .from("ready", codes("DischargeReady", &[("TRUE", "R"), ("FALSE", "N")], Some("X"))),
    )
    .line(line().when("Occupied", "FALSE").set("line_type=EMP bed_status=U empty_state=RDY"));
    let closures = table("closures", &["UnitName", "WardName", "BedName", "DateClosed", "Reason"]).with(member("BedClosure.csv"));
    let stepdown = table("stepdown", &["RowIdentifier", "UnitName", "Gender", "AgeYears", "DateAccepted"])
        .with(member("StepDown.csv"))
        .with(|table| table.copies_by = Some("RowIdentifier".into()))
        .field("site_code", column("UnitName"))
        .line(
            line()
                .set("line_type=DEM demand_source=STD in_bed_now=Y demand_for=COMM")
                .from("wait_from", accepted())
                .from("gender", gender())
                .from("age_band", age()),
        );
    mapping(vec![beds, closures, stepdown])
}

/// A time of which SystmOne may know the day alone.
fn accepted() -> FieldSource {
    let reading = Reading::Instant { formats: vec!["%d %b %Y %H:%M:%S".into()], unknown_time: Some("00:00:00".into()) };
    FieldSource::Column { column: "DateAccepted".into(), reading }
}

fn reference_e() -> Reference {
    Reference {
        sites: vec![site("RY3", "RY3SE")],
        wards: vec![ward("RY3", "RY3SE", "WEAST")],
        aliases: vec![alias("RY3", Some("Unit East"), "Ward East", "RY3SE", "WEAST"), alias("RY3", Some("Unit East"), "", "RY3SE", "")],
        ..Reference::default()
    }
}

#[test]
fn layout_e_ry3_closures_joined_copies_skipped_and_step_down_patients() {
    let reference = reference_e();
    let mapping = mapping_e();
    let beds = mapping.tables[0].raw(
        2,
        &[
            "9001|RY3|03 Dec 2018 10:15:00|Unit East|Ward East|E-01|TRUE|Female|91|TRUE",
            "9002|RY3|03 Dec 2018 10:15:00|Unit East|Ward East|E-02|FALSE|||FALSE",
            "9002|RY3|03 Dec 2018 10:15:00|Unit East|Ward East|E-02|FALSE|||FALSE",
            "9003|RY3|03 Dec 2018 10:15:00|Unit East|Ward East|E-03|FALSE|||FALSE",
            "9003|RY3|03 Dec 2018 10:15:00|Unit East|Ward East|E-04|TRUE|Male|70|FALSE",
            "9005|RY3|03 Dec 2018 10:15:00|Unit West|Ward West|W-01|FALSE|||FALSE",
        ],
    );
    let closures = mapping.tables[1].raw(
        2,
        &[
            "Unit East|Ward East|E-03|01 Dec 2018 09:00:00|Infection control",
            "Unit East|Ward East|E-99|01 Dec 2018 09:00:00|Staffing",
            "Unit East|Ward East|E-03|02 Dec 2018 09:00:00|Staffing",
        ],
    );
    let stepdown = mapping.tables[2].raw(
        2,
        &[
            "7001|Unit East|Male|78|02 Dec 2018 16:00:00",
            "7002|Unit East|Male|78|",
            // The day alone is known: no length of a wait is made up from it. A day that is none is still one.
            "7003|Unit East|Male|78|02 Dec 2018 00:00:00",
            "7004|Unit East|Male|78|02 Dec 2018 10:00:00",
            "7005|Unit East|Male|78|31 Nov 2018 00:00:00",
            // Such a day is judged where lines are.
            "7006|Unit East|Male|78|04 Dec 2018 00:00:00",
            "7007|Unit East|Male|78|03 Dec 1918 00:00:00",
        ],
    );
    let found = run("RY3", &reference, &mapping, &[beds, closures, stepdown]);
    expect(
        &found,
        &[
            (2, "RY3SE WEAST OCC 1 age_band=A90 bed_base=COR bed_ref=E-01 bed_status=O gender=2 ready=R"),
            (3, "RY3SE WEAST EMP 1 bed_base=COR bed_ref=E-02 bed_status=U empty_state=RDY"),
            (5, "RY3SE WEAST CLO 1 bed_base=COR bed_ref=E-03 bed_status=C closed_reason=IPC"),
            (6, "RY3SE WEAST OCC 1 age_band=A70 bed_base=COR bed_ref=E-04 bed_status=O gender=1 ready=N"),
            (2, "RY3SE - DEM 1 age_band=A75 demand_for=COMM demand_source=STD gender=1 in_bed_now=true wait_from=2018-12-02T16:00:00Z"),
            (3, "RY3SE - DEM 1 age_band=A75 demand_for=COMM demand_source=STD gender=1 in_bed_now=true"),
            (4, "RY3SE - DEM 1 age_band=A75 demand_for=COMM demand_source=STD gender=1 in_bed_now=true"),
            (5, "RY3SE - DEM 1 age_band=A75 demand_for=COMM demand_source=STD gender=1 in_bed_now=true wait_from=2018-12-02T10:00:00Z"),
            (7, "RY3SE - DEM 1 age_band=A75 demand_for=COMM demand_source=STD gender=1 in_bed_now=true wait_from=2018-12-04T00:00:00Z"),
            (8, "RY3SE - DEM 1 age_band=A75 demand_for=COMM demand_source=STD gender=1 in_bed_now=true wait_from=1918-12-03T00:00:00Z"),
        ],
        &[
            "REF-02 R 7 UnitName: site \"Unit West\" is not registered for this provider",
            "STR-08 I - -: copies of rows with the same RowIdentifier, equal in every field and left out: 1",
            "XRO-02 W - -: rows of closures that repeat the key of another row, which is used: 1",
            "STR-08 W - -: rows of closures that fit no row here and are not used: 1",
            "REF-04 R 6 DateAccepted: DateAccepted cannot be read as a time in the agreed format",
            "STR-08 I - -: rows of closures that only add to other rows: 3",
        ],
    );
    let rows = found.rows;
    assert_eq!((rows.read, rows.used, rows.skipped, rows.rejected, rows.lines), (16, 10, 4, 2, 10));
    assert_eq!(&*found.lines[4].part, "StepDown.csv");
}

#[test]
fn a_bed_on_the_list_of_closures_is_never_ready_whatever_the_list_leaves_blank() {
    let reference = reference_e();
    let mapping = mapping_e();
    let closed = [(2, "RY3SE WEAST CLO 1 bed_base=COR bed_ref=E-03 bed_status=C closed_reason=IPC")];
    let empty = [(2, "RY3SE WEAST EMP 1 bed_base=COR bed_ref=E-03 bed_status=U empty_state=RDY")];
    let unused = "STR-08 W - -: rows of closures that fit no row here and are not used: 1";
    let adding = "STR-08 I - -: rows of closures that only add to other rows: 1";
    let blank = "REF-04 R 2 closures.Reason: closures.Reason is blank: a code is needed";
    // The closure, what becomes of the bed, what is said of it, and rows that settle others and were rejected.
    type Expected<'e> = (&'e str, &'e [(u64, &'e str)], &'e [&'e str], u64);
    let repeated = "XRO-02 W - -: rows of closures that repeat the key of another row, which is used: 1";
    let rows: [Expected<'_>; 7] = [
        ("Unit East|Ward East|E-03|01 Dec 2018 09:00:00|Infection control", &closed, &[adding], 0),
        ("UNIT EAST|ward east|e-03|01 Dec 2018 09:00:00|Infection control", &closed, &[adding], 0),
        ("Unit East|Ward East|E-04|01 Dec 2018 09:00:00|Infection control", &empty, &[unused, adding], 0),
        ("Unit East|Ward East|E-03|01 Dec 2018 09:00:00|", &[], &[blank, adding], 0),
        // Told twice, and once without its reason: that one is not used, wherever it stands.
        (
            "Unit East|Ward East|E-03|01 Dec 2018 09:00:00|;Unit East|Ward East|E-03|01 Dec 2018 09:00:00|Infection control",
            &closed,
            &[repeated, &adding.replace(": 1", ": 2")],
            0,
        ),
        (
            "Unit East|Ward East|E-03||Infection control;Unit East|Ward East|E-03|01 Dec 2018 09:00:00|",
            &closed,
            &[repeated, &adding.replace(": 1", ": 2")],
            0,
        ),
        (
            "|Ward East|E-03|01 Dec 2018 09:00:00|Infection control",
            &empty,
            &["ROW-01 R 2 UnitName: UnitName is blank: it says to which row this one belongs"],
            1,
        ),
    ];
    for (closure, lines, said, settling) in rows {
        let beds = mapping.tables[0].raw(2, &["9003|RY3|03 Dec 2018 10:15:00|Unit East|Ward East|E-03|FALSE|||FALSE"]);
        let closures = mapping.tables[1].raw(2, &closure.split(';').collect::<Vec<_>>());
        let found = run("RY3", &reference, &mapping, &[beds, closures, mapping.tables[2].raw(2, &[])]);
        expect(&found, lines, said);
        assert_eq!(found.rejected_settling, settling, "{closure}");
    }
}
