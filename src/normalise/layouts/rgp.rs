//! James Paget: counts by ward made in a spreadsheet, and a file of patients who wait.

use super::{expect, run};
use crate::normalise::mapping::{LinesPerRow, Mapping, Reading};
use crate::normalise::reference::Reference;
use crate::normalise::testing::*;

pub(super) fn mapping_b() -> Mapping {
    let reasons = codes("Closed reason", &[("Staffing", "STF"), ("Infection", "IPC"), ("Estates", "EST")], Some("OTH"));
    let beds = table("beds", &["Ward No", "Ward name", "Open Beds", "Occ Male", "Occ Female", "Closed", "Closed reason", "Esc beds open"])
        .with(|table| {
            table.null = vec!["n/a".into(), "-".into()];
            table.lines_per_row = LinesPerRow::Each;
        })
        .field("site_code", value("RGP75"))
        .field("ward_code", read("Ward No", Reading::PadZeros(2)))
        .field("bed_base", value("COR"))
        .line(line().count("Occ Male", &[], &[]).set("line_type=OCC bed_status=O gender=1 age_band=AXX"))
        .line(line().count("Occ Female", &[], &[]).set("line_type=OCC bed_status=O gender=2 age_band=AXX"))
        .line(line().count("Closed", &[], &[]).set("line_type=CLO bed_status=C").from("closed_reason", reasons))
        .line(line().count("Open Beds", &[], &["Occ Male", "Occ Female", "Closed"]).set("line_type=EMP bed_status=U empty_state=RDY"));
    let waiting = table("waiting", &["Patient location", "Sex", "Age", "Specialty", "Decision to admit"])
        .with(|table| table.null = vec!["N/A".into(), "-".into()])
        .field("site_code", value("RGP75"))
        .line(
            line()
                .set("line_type=DEM in_bed_now=N")
                .from("demand_source", codes("Patient location", &[("A&E", "EDP"), ("Ambulatory", "ASU")], None))
                .from("wait_from", instant("Decision to admit", "%d/%m/%Y %H:%M"))
                .from("gender", codes("Sex", &[("Male", "1"), ("Female", "2")], Some("X")))
                .from("age_band", read("Age", Reading::AgeInYears))
                .from("demand_for", codes("Specialty", &[("Medicine", "MED"), ("Paediatrics", "WCH")], Some(""))),
        );
    mapping(vec![beds, waiting])
}

fn rgp_reference() -> Reference {
    Reference {
        sites: vec![site("RGP", "RGP75")],
        wards: ["07", "5E1", "12"].map(|code| ward("RGP", "RGP75", code)).to_vec(),
        aliases: vec![alias("RGP", None, "5.00e+01", "RGP75", "5E1")],
        ..Reference::default()
    }
}

#[test]
fn layout_b_rgp_counts_by_ward_made_in_a_spreadsheet() {
    let mapping = mapping_b();
    let beds = mapping.tables[0].raw(
        2,
        &["7|Ward 7 Elderly|28|9|17|2|Staffing|N/A", "5.00E+01|Ward 5E1 Trauma|24|11|12|0||4", "12|Ward 12, Short Stay|30|14|16|0|-|0"],
    );
    let waiting = mapping.tables[1].raw(2, &["A&E|Female|41|Medicine|03/12/2018 06:30", "Ambulatory|Male|N/A|Dermatology|-"]);
    let found = run("RGP", &rgp_reference(), &mapping, &[beds, waiting]);
    expect(
        &found,
        &[
            (2, "RGP75 07 OCC 9 age_band=AXX bed_base=COR bed_status=O gender=1"),
            (2, "RGP75 07 OCC 17 age_band=AXX bed_base=COR bed_status=O gender=2"),
            (2, "RGP75 07 CLO 2 bed_base=COR bed_status=C closed_reason=STF"),
            (3, "RGP75 5E1 OCC 11 age_band=AXX bed_base=COR bed_status=O gender=1"),
            (3, "RGP75 5E1 OCC 12 age_band=AXX bed_base=COR bed_status=O gender=2"),
            (3, "RGP75 5E1 EMP 1 bed_base=COR bed_status=U empty_state=RDY"),
            (4, "RGP75 12 OCC 14 age_band=AXX bed_base=COR bed_status=O gender=1"),
            (4, "RGP75 12 OCC 16 age_band=AXX bed_base=COR bed_status=O gender=2"),
            (2, "RGP75 - DEM 1 age_band=A40 demand_for=MED demand_source=EDP gender=2 in_bed_now=false wait_from=2018-12-03T06:30:00Z"),
            (3, "RGP75 - DEM 1 age_band=AXX demand_source=ASU gender=1 in_bed_now=false"),
        ],
        &[
            "ROW-07 W 3 Ward No: Ward No looks damaged: a code was turned into a number such as 5.00E+01",
            "REF-05 W - Age: persons with nothing in Age that a code covers, counted as not known: 1",
            "REF-05 W 3 Age: Age is blank: counted as not known",
            "REF-05 I - -: persons counted as not known because this feed carries no age: 79",
        ],
    );
    assert_eq!((found.persons, found.persons_unknown), (81, 1));
    assert_eq!(&*found.lines[0].part, "beds");
    assert_eq!(&*found.lines[9].part, "waiting");
}

#[test]
fn layout_b_rgp_counts_that_do_not_add_up_reject_the_row() {
    let mapping = mapping_b();
    let beds = mapping.tables[0]
        .raw(2, &["07|x|1|0|0|2|Staffing|N/A", "12|x|30|1.5|16|||0", "5E1|x|24|-11|12|0||0", "05-Sep|x|24|11|12|0||0", "12|x|0|0|0|0||0"]);
    let found = run("RGP", &rgp_reference(), &mapping, &[beds]);
    expect(
        &found,
        &[],
        &[
            "ROW-02 R 2 Open Beds: Open Beds is less than its parts together (Occ Male, Occ Female, Closed)",
            "ROW-02 R 3 Occ Male: Occ Male \"1.5\" is not a whole number",
            "ROW-01 R 3 Closed: Closed is blank: write 0 where there are none",
            "ROW-02 R 4 Occ Male: Occ Male \"-11\" is not a whole number",
            "ROW-07 R 5 Ward No: ward \"05-Sep\" cannot be told: a code was turned into a date such as 05-Sep",
            "ROW-07 W 5 Ward No: Ward No looks damaged: a code was turned into a date such as 05-Sep",
        ],
    );
    assert_eq!((found.rows.used, found.rows.rejected), (1, 4));
    // A row that counts nothing still tells of its ward.
    assert_eq!(found.named_wards.into_iter().collect::<Vec<_>>(), [("RGP75".to_owned(), "12".to_owned())]);
}

#[test]
fn layout_b_rgp_patients_beyond_the_open_beds_are_counted_and_said() {
    let mapping = mapping_b();
    let beds = mapping.tables[0].raw(2, &["07|x|20|9|17|2|Staffing|N/A"]);
    let found = run("RGP", &rgp_reference(), &mapping, &[beds]);
    expect(
        &found,
        &[
            (2, "RGP75 07 OCC 9 age_band=AXX bed_base=COR bed_status=O gender=1"),
            (2, "RGP75 07 OCC 17 age_band=AXX bed_base=COR bed_status=O gender=2"),
            (2, "RGP75 07 CLO 2 bed_base=COR bed_status=C closed_reason=STF"),
        ],
        &[
            "XRO-03 W 2 Open Beds: Occupied exceeds open on ward \"07\", by 8: counted as patients beyond its open beds",
            "REF-05 I - -: persons counted as not known because this feed carries no age: 26",
        ],
    );
    assert_eq!((found.rows.used, found.beds_short), (1, 8));
}
