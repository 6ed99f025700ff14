//! N&N: one line a bed, patients in the emergency department in the same file.

use super::{expect, run};
use crate::normalise::mapping::{Mapping, Reading};
use crate::normalise::reference::Reference;
use crate::normalise::testing::*;

pub(super) fn mapping_a() -> Mapping {
    let uk = "%d/%m/%Y %H:%M";
    let sex = || codes("SEX", &[("M", "1"), ("F", "2"), ("I", "9")], Some("X"));
    let age = || read("AGE", Reading::AgeInYears);
    let demand_for = codes("SPEC", &[("100", "SURG"), ("300", "MED"), ("430", "MED")], Some(""));
    mapping(vec![
        table("beds", &["EXTRACT_DTTM", "SITE", "WARD_CODE", "WARD_DESC", "BAY", "BED", "STATUS", "SEX", "AGE", "SPEC", "LOC", "DTA_DTTM"])
            .field("site_code", column("SITE"))
            .field("ward_code", column("WARD_CODE"))
            .field("bay_code", column("BAY"))
            .field("bed_ref", joined(&["BAY", "BED"], "-"))
            .field("treatment_function", column("SPEC"))
            .field("bed_base", value("COR"))
            .line(line().when("STATUS", "OCC").set("line_type=OCC bed_status=O").from("gender", sex()).from("age_band", age()))
            .line(line().when("STATUS", "VAC").set("line_type=EMP bed_status=U empty_state=RDY"))
            .line(line().when("STATUS", "VAC-DIRTY").set("line_type=EMP bed_status=H empty_state=CLN"))
            .line(line().when("STATUS", "CLS-INF").set("line_type=CLO bed_status=C closed_reason=IPC"))
            .line(line().when("STATUS", "CLS-STF").set("line_type=CLO bed_status=C closed_reason=STF"))
            .line(
                line()
                    .when("STATUS", "DTA")
                    .when("LOC", "ED")
                    .omit(&["ward_code", "bay_code", "bed_ref", "bed_base"])
                    .set("line_type=DEM demand_source=EDP in_bed_now=N")
                    .from("wait_from", instant("DTA_DTTM", uk))
                    .from("gender", sex())
                    .from("age_band", age())
                    .from("demand_for", demand_for),
            ),
    ])
}

fn rm1_reference() -> Reference {
    Reference { sites: vec![site("RM1", "RM102")], wards: vec![ward("RM1", "RM102", "W21")], ..Reference::default() }
}

#[test]
fn layout_a_rm1_beds_and_patients_in_the_emergency_department() {
    let mapping = mapping_a();
    let raw = mapping.tables[0].raw(
        2,
        &[
            "03/12/2018 10:15|RM102|W21|Ward 21 – Gen Med|B2|04|OCC|F|83|300|IP|",
            "03/12/2018 10:15|RM102|W21|Ward 21 – Gen Med|B2|05|VAC-DIRTY|||300|IP|",
            "03/12/2018 10:15|RM102|EDMAJ|A&E Majors|||DTA|M|67|300|ED|03/12/2018 07:52",
            "03/12/2018 10:15|RM102|W21|Ward 21 – Gen Med|B2|06|cls-inf|||300|IP|",
            "03/12/2018 10:15|RM102|W21|Ward 21 – Gen Med|B2|07|vac|||300|IP|",
        ],
    );
    let found = run("RM1", &rm1_reference(), &mapping, &[raw]);
    expect(
        &found,
        &[
            (2, "RM102 W21 OCC 1 age_band=A80 bay_code=B2 bed_base=COR bed_ref=B2-04 bed_status=O gender=2 treatment_function=300"),
            (3, "RM102 W21 EMP 1 bay_code=B2 bed_base=COR bed_ref=B2-05 bed_status=H empty_state=CLN treatment_function=300"),
            (
                4,
                "RM102 - DEM 1 age_band=A65 demand_for=MED demand_source=EDP gender=1 in_bed_now=false treatment_function=300 \
                 wait_from=2018-12-03T07:52:00Z",
            ),
            (5, "RM102 W21 CLO 1 bay_code=B2 bed_base=COR bed_ref=B2-06 bed_status=C closed_reason=IPC treatment_function=300"),
            (6, "RM102 W21 EMP 1 bay_code=B2 bed_base=COR bed_ref=B2-07 bed_status=U empty_state=RDY treatment_function=300"),
        ],
        &[],
    );
    assert_eq!((found.persons, found.persons_unknown), (2, 0));
    assert_eq!((found.rows.read, found.rows.used, found.rows.lines), (5, 5, 5));
}

#[test]
fn layout_a_rm1_rows_that_cannot_be_used_are_rejected_with_every_reason() {
    let mapping = mapping_a();
    let raw = mapping.tables[0].raw(
        2,
        &[
            "03/12/2018 10:15|RM999|W21|x|B2|04|OCC|F|83|300|IP|",
            "03/12/2018 10:15|RM102|W21|x|B2|05|BROKEN|||300|IP|",
            "03/12/2018 10:15|RM102||x|B2|06|OCC|M|44|300|IP|",
            "03/12/2018 10:15|RM102|W21|x|=B2|07-LONG-BED-REF|VAC|||300|IP|",
            "03/12/2018 10:15|RM102|EDMAJ|x|||DTA|M|67|300|IP|03/12/2018 07:52",
            "03/12/2018 10:15|RM102|EDMAJ|x|||DTA|M|67|300|ED|yesterday",
            "03/12/2018 10:15|RM102|W99|x|B2|08|OCC|W|forty|3OO|IP|",
            "03/12/2018 10:15|RM102|W21|x|B2|09|OCC|||300|IP|",
        ],
    );
    let found = run("RM1", &rm1_reference(), &mapping, &[raw]);
    expect(
        &found,
        &[
            (8, "RM102 W99 OCC 1 age_band=AXX bay_code=B2 bed_base=COR bed_ref=B2-08 bed_status=O gender=X"),
            (9, "RM102 W21 OCC 1 age_band=AXX bay_code=B2 bed_base=COR bed_ref=B2-09 bed_status=O gender=X treatment_function=300"),
        ],
        &[
            "REF-02 R 2 SITE: site \"RM999\" is not registered for this provider",
            "REF-04 R 3 STATUS: STATUS is not an agreed code",
            "ROW-01 R 4 WARD_CODE: WARD_CODE is blank: ward_code is needed",
            "ROW-08 R 5 BAY: BAY starts with =, +, - or @, which a spreadsheet would take for a formula",
            "REF-04 R 6 LOC: LOC is not an agreed code",
            "REF-04 R 7 DTA_DTTM: DTA_DTTM cannot be read as a time in the agreed format",
            "REF-05 W - AGE: persons with nothing in AGE that a code covers, counted as not known: 2",
            "REF-05 W - SEX: persons with nothing in SEX that a code covers, counted as not known: 2",
            "REF-05 W 8 AGE: AGE cannot be read as agreed: counted as not known",
            "REF-05 W 9 AGE: AGE is blank: counted as not known",
            "REF-05 W 8 SEX: SEX cannot be read as agreed: counted as not known",
            "REF-05 W 9 SEX: SEX is blank: counted as not known",
            "REF-07 W 8 SPEC: values in SPEC that are on no national list, left out: 1, the first here",
            "REF-03 W 8 WARD_CODE: beds on ward \"W99\" at site \"RM102\", which is not registered: 1",
        ],
    );
    assert_eq!((found.persons, found.persons_unknown), (2, 2));
    assert_eq!((found.rows.read, found.rows.used, found.rows.rejected), (8, 2, 6));
    let rejected: Vec<(&str, &str, u64)> = found.rejected_wards.iter().map(|((s, w), n)| (s.as_str(), w.as_str(), *n)).collect();
    assert_eq!(rejected, [("RM102", "EDMAJ", 1), ("RM102", "W21", 2), ("RM999", "W21", 1)]);
    assert_eq!(found.unknown_ward_beds.into_iter().collect::<Vec<_>>(), [(("RM102".to_owned(), "W99".to_owned()), 1)]);
}
