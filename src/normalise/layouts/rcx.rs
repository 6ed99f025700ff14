//! King's Lynn: HL7 bed letters, no column names, a birth date that goes no further.

use super::{expect, run};
use crate::normalise::mapping::{Mapping, Reading};
use crate::normalise::reference::Reference;
use crate::normalise::testing::*;

pub(super) fn mapping_c() -> Mapping {
    let sex = || codes("SEX", &[("1", "1"), ("2", "2"), ("9", "9")], Some("X"));
    let age = || read("DOB", Reading::BirthDate { formats: vec!["%Y%m%d".into()] });
    mapping(vec![
        table("beds", &["TYPE", "SITE", "WARD", "BAY", "BED", "STATUS", "SEX", "DOB", "SPEC", "BASE"])
            .with(|table| {
                table.null = vec!["-".into()];
                table.identifiers = vec!["DOB".into()];
            })
            .field("site_code", column("SITE"))
            .field("ward_code", column("WARD"))
            .field("bay_code", column("BAY"))
            .field("bed_ref", joined(&["BAY", "BED"], "-"))
            .field("treatment_function", column("SPEC"))
            .field("bed_base", codes("BASE", &[("C", "COR"), ("E", "ESC"), ("D", "DAY")], None))
            .line(line().when("STATUS", "O").set("line_type=OCC bed_status=O").from("gender", sex()).from("age_band", age()))
            .line(
                line()
                    .when("STATUS", "I")
                    .when("SEX", "*")
                    .set("line_type=OCC bed_status=I side_room=Y")
                    .from("gender", sex())
                    .from("age_band", age()),
            )
            .line(line().when("STATUS", "U").set("line_type=EMP bed_status=U empty_state=RDY"))
            .line(line().when("STATUS", "H").set("line_type=EMP bed_status=H empty_state=CLN"))
            .line(line().when("STATUS", "K").set("line_type=EMP bed_status=K empty_state=CLN"))
            .line(line().when("STATUS", "C").set("line_type=CLO bed_status=C closed_reason=OTH")),
    ])
}

#[test]
fn layout_c_rcx_hl7_letters_and_a_birth_date_that_goes_no_further() {
    let reference = Reference {
        sites: vec![site("RCX", "RCX70")],
        wards: vec![ward("RCX", "RCX70", "NORTH1"), ward("RCX", "RCX70", "CCU")],
        ..Reference::default()
    };
    let mapping = mapping_c();
    let raw = mapping.tables[0].raw(
        2,
        &[
            "D|RCX70|NORTH1|A|03|O|2|19350214|430|C",
            "D|RCX70|NORTH1|A|04|U|||430|C",
            "D|RCX70|CCU|-|C1|K|||192|C",
            "D|RCX70|CCU|-|C2|I|1|20000101|192|E",
            "D|RCX70|CCU|-|C3|I|-|19770707|192|E",
            "D|RCX70|NORTH1|A|05|O|2|14021935|430|Z",
            "D|RCX70|NORTH1|A|06|O|2|14021935|430|D",
        ],
    );
    let found = run("RCX", &reference, &mapping, &[raw]);
    expect(
        &found,
        &[
            (2, "RCX70 NORTH1 OCC 1 age_band=A80 bay_code=A bed_base=COR bed_ref=A-03 bed_status=O gender=2 treatment_function=430"),
            (3, "RCX70 NORTH1 EMP 1 bay_code=A bed_base=COR bed_ref=A-04 bed_status=U empty_state=RDY treatment_function=430"),
            (4, "RCX70 CCU EMP 1 bed_base=COR bed_ref=C1 bed_status=K empty_state=CLN treatment_function=192"),
            (5, "RCX70 CCU OCC 1 age_band=A15 bed_base=ESC bed_ref=C2 bed_status=I gender=1 side_room=true treatment_function=192"),
            (8, "RCX70 NORTH1 OCC 1 age_band=AXX bay_code=A bed_base=DAY bed_ref=A-06 bed_status=O gender=2 treatment_function=430"),
        ],
        &[
            "REF-04 R 6 SEX: SEX is blank: a code is needed",
            "REF-04 R 7 BASE: BASE \"Z\" is not an agreed code for bed_base",
            "REF-05 W - DOB: persons with nothing in DOB that a code covers, counted as not known: 1",
            "REF-05 W 8 DOB: DOB cannot be read as agreed: counted as not known",
        ],
    );
    // P7: the birth dates are nowhere in what comes out.
    let all = format!("{found:?}");
    for date in ["19350214", "20000101", "19770707", "14021935"] {
        assert!(!all.contains(date), "{date}");
    }
}
