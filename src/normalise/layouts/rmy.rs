//! The mental health trust: beds held for leave, age bands as text, requests for beds.

use super::{expect, run};
use crate::normalise::mapping::{Mapping, Reading};
use crate::normalise::reference::Reference;
use crate::normalise::testing::*;

pub(super) fn mapping_d() -> Mapping {
    let iso = "%Y-%m-%dT%H:%M:%S";
    let gender = || codes("Gender", &[("Male", "1"), ("Female", "2"), ("Indeterminate", "9"), ("Not Known", "X")], Some("X"));
    let age = || read("AgeGroup", Reading::AgeRange);
    let bed = |state: &str| {
        line()
            .when("TYPE", "BED")
            .when("State", state)
            .from("ward_code", column("Ward"))
            .from("bed_ref", column("Bed"))
            .set("bed_base=COR")
            .from("bed_sex", codes("WardSex", &[("Male", "1"), ("Female", "2"), ("Mixed", "8")], None))
    };
    let ready = codes("Reason", &[("", "N"), ("Delayed", "D"), ("Ready to leave", "R")], Some("X"));
    let reasons = codes("Reason", &[("Staffing", "STF"), ("Infection", "IPC"), ("Estates", "EST")], Some("OTH"));
    mapping(vec![
        table(
            "beds",
            &["SnapshotTime", "Unit", "Ward", "WardSex", "Security", "Bed", "TYPE", "State", "Gender", "AgeGroup", "Reason", "RequestedAt"],
        )
        .field("site_code", column("Unit"))
        .line(bed("Occupied").set("line_type=OCC bed_status=O").from("gender", gender()).from("age_band", age()).from("ready", ready))
        .line(bed("On leave - bed held").set("line_type=EMP bed_status=U empty_state=LVE"))
        .line(bed("Vacant").set("line_type=EMP bed_status=U empty_state=RDY"))
        .line(bed("Closed").set("line_type=CLO bed_status=C").from("closed_reason", reasons))
        .line(
            line()
                .when("TYPE", "REQ")
                .set("line_type=DEM in_bed_now=N demand_for=MHA")
                .from("demand_source", codes("Reason", &[("Section 136", "S13"), ("Crisis", "CRH"), ("Repatriation", "REP")], None))
                .from("wait_from", instant("RequestedAt", iso))
                .from("gender", gender())
                .from("age_band", age()),
        ),
    ])
}

#[test]
fn layout_d_rmy_beds_held_for_leave_and_requests() {
    let reference = Reference {
        sites: vec![site("RMY", "RMY-SITE-A"), site("RMY", "RMY-SITE-B")],
        wards: vec![ward("RMY", "RMY-SITE-A", "WARD-ALPHA")],
        ..Reference::default()
    };
    let mapping = mapping_d();
    let raw = mapping.tables[0].raw(
        2,
        &[
            "2018-12-03T10:15:02|RMY-SITE-A|WARD-ALPHA|Female|Low|F07|BED|On leave - bed held|Female|25 to 29||",
            "2018-12-03T10:15:02|RMY-SITE-A|WARD-ALPHA|Female|Low|F08|BED|Occupied|Not Known|Over 85|Delayed|",
            "2018-12-03T10:15:02|RMY-SITE-B|||||REQ|Awaiting bed|Male|40 to 44|Section 136|2018-12-03T02:40:00",
            "2018-12-03T10:15:02|RMY-SITE-A|WARD-ALPHA|Female|Low|F09|BED|Occupied|Female|25–29||",
            "2018-12-03T10:15:02|RMY-SITE-A|WARD-ALPHA|Female|Low|F10|BED|Closed|||Painting|",
            "2018-12-03T10:15:02|RMY-SITE-A|WARD-ALPHA|Unisex|Low|F11|BED|Lost||||",
            "2018-12-03T10:15:02|RMY-SITE-B|||||REQ|Awaiting bed|Male|40 to 44|Family|",
        ],
    );
    let found = run("RMY", &reference, &mapping, &[raw]);
    expect(
        &found,
        &[
            (2, "RMY-SITE-A WARD-ALPHA EMP 1 bed_base=COR bed_ref=F07 bed_sex=2 bed_status=U empty_state=LVE"),
            (3, "RMY-SITE-A WARD-ALPHA OCC 1 age_band=AXX bed_base=COR bed_ref=F08 bed_sex=2 bed_status=O gender=X ready=D"),
            (
                4,
                "RMY-SITE-B - DEM 1 age_band=A40 demand_for=MHA demand_source=S13 gender=1 in_bed_now=false \
                 wait_from=2018-12-03T02:40:00Z",
            ),
            (5, "RMY-SITE-A WARD-ALPHA OCC 1 age_band=A25 bed_base=COR bed_ref=F09 bed_sex=2 bed_status=O gender=2 ready=N"),
            (6, "RMY-SITE-A WARD-ALPHA CLO 1 bed_base=COR bed_ref=F10 bed_sex=2 bed_status=C closed_reason=OTH"),
        ],
        &[
            "REF-04 R 7 State: State is not an agreed code",
            "REF-04 R 8 Reason: Reason is not an agreed code for demand_source",
            "REF-05 W - AgeGroup: persons with nothing in AgeGroup that a code covers, counted as not known: 1",
            "REF-05 W 3 AgeGroup: AgeGroup cannot be read as agreed: counted as not known",
        ],
    );
    // "Not Known" is an agreed answer; "Over 85" is not.
    assert_eq!((found.persons, found.persons_unknown), (3, 1));
    // The row that made no line still counts against its ward.
    assert_eq!(found.rejected_wards.into_iter().collect::<Vec<_>>(), [(("RMY-SITE-A".to_owned(), "WARD-ALPHA".to_owned()), 1)]);
}
