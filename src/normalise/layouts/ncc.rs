//! The council's care homes: rows of different ages, vacancies that are not known.

use super::{expect, run};
use crate::normalise::mapping::{LinesPerRow, Mapping, Quantity, Sum};
use crate::normalise::reference::Reference;
use crate::normalise::testing::*;

pub(super) fn mapping_f() -> Mapping {
    let types = [
        ("General Residential", "CHRES"),
        ("General Nursing", "CHNUR"),
        ("Dementia Nursing", "CHNURDEM"),
        ("Transitional/Short stay", "CHSHORT"),
    ];
    mapping(vec![
        table(
            "capacity",
            &[
                "CQC Location ID",
                "Home Name",
                "District",
                "Bed Type",
                "Max Capacity",
                "Occupied",
                "Vacant (reserved)",
                "Vacant (accepting)",
                "Closed",
                "Last Updated",
            ],
        )
        .with(|table| {
            table.lines_per_row = LinesPerRow::Each;
            table.required = vec!["source_updated_at".into()];
            let rest = Quantity {
                column: "Max Capacity".into(),
                plus: Vec::new(),
                minus: ["Occupied", "Vacant (reserved)", "Vacant (accepting)"].map(str::to_owned).into(),
            };
            table.sums = vec![Sum { rest, exact: false }];
        })
        .field("site_code", column("CQC Location ID"))
        .field("ward_code", codes("Bed Type", &types, None))
        .field("bed_base", value("COR"))
        .field("source_updated_at", instant("Last Updated", "%d/%m/%Y %H:%M"))
        .line(line().count("Occupied", &[], &[]).set("line_type=OCC bed_status=O gender=X age_band=AXX"))
        .line(line().when("Closed", "N").count("Vacant (reserved)", &[], &[]).set("line_type=EMP bed_status=U empty_state=RSV"))
        .line(line().when("Closed", "N").count("Vacant (accepting)", &[], &[]).set("line_type=EMP bed_status=U empty_state=RDY"))
        .line(
            line()
                .when("Closed", "Y*")
                .count("Vacant (reserved)", &["Vacant (accepting)"], &[])
                .set("line_type=CLO bed_status=C closed_reason=IPC"),
        ),
    ])
}

#[test]
fn layout_f_ncc_homes_closed_to_admissions_and_vacancies_not_known() {
    let homes = ["1-1000000001", "1-1000000002", "1-1000000003", "1-1000000004"];
    let wards = [(0, "CHNURDEM"), (1, "CHRES"), (2, "CHSHORT"), (3, "CHRES")];
    let reference = Reference {
        sites: homes.map(|home| site("NCC", home)).to_vec(),
        wards: wards.map(|(home, code)| ward("NCC", homes[home], code)).to_vec(),
        ..Reference::default()
    };
    let mapping = mapping_f();
    let raw = mapping.tables[0].raw(
        2,
        &[
            "1-1000000001|St Example's House|Breckland|Dementia Nursing|42|39|1|2|N|01/12/2018 09:14",
            "1-1000000002|Sample Lodge, The|North Norfolk|General Residential|10.0|9|0|1|Y (D&V)|24/11/2018 16:40",
            "1-1000000003|Test Court|Norwich|Transitional/Short stay|18|18|0||N|",
            "1-1000000004|Example Grange|Norwich|General Residential|18|10.0|0|1||02/12/2018 08:00",
            "1-1000000004|Example Grange|Norwich|Youth|18|1|0|1|N|02/12/2018 08:00",
            "1-9999999999|Nowhere|Norwich|General Residential|18|1|0|1|N|02/12/2018 08:00",
            "1-1000000004|Example Grange|Norwich|General Residential|10|9|1|1|N|02/12/2018 08:00",
        ],
    );
    let found = run("NCC", &reference, &mapping, &[raw]);
    let first = "source_updated_at=2018-12-01T09:14:00Z";
    let second = "source_updated_at=2018-11-24T16:40:00Z";
    expect(
        &found,
        &[
            (2, &format!("1-1000000001 CHNURDEM OCC 39 age_band=AXX bed_base=COR bed_status=O gender=X {first}")),
            (2, &format!("1-1000000001 CHNURDEM EMP 1 bed_base=COR bed_status=U empty_state=RSV {first}")),
            (2, &format!("1-1000000001 CHNURDEM EMP 2 bed_base=COR bed_status=U empty_state=RDY {first}")),
            (3, &format!("1-1000000002 CHRES OCC 9 age_band=AXX bed_base=COR bed_status=O gender=X {second}")),
            (3, &format!("1-1000000002 CHRES CLO 1 bed_base=COR bed_status=C closed_reason=IPC {second}")),
        ],
        &[
            "ROW-01 R 4 Vacant (accepting): Vacant (accepting) is blank: write 0 where there are none",
            "ROW-01 R 4 Last Updated: Last Updated is blank: source_updated_at is needed",
            "REF-04 R 5 Closed: Closed is blank: a code is needed",
            "REF-04 R 6 Bed Type: Bed Type is not an agreed code for ward_code",
            "REF-02 R 7 CQC Location ID: site \"1-9999999999\" is not registered for this provider",
            "ROW-02 R 8 Max Capacity: Max Capacity is less than its parts together (Occupied, Vacant (reserved), Vacant (accepting))",
            "REF-05 I - -: persons counted as not known because this feed carries no gender: 48; no age: 48",
        ],
    );
    assert_eq!((found.persons, found.persons_unknown), (48, 0));
    assert_eq!((found.rows.read, found.rows.used, found.rows.rejected), (7, 2, 5));
}
