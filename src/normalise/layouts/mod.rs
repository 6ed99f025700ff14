//! The six sample layouts: each mapping spelled out by hand, its sample rows, and exactly the lines they must become.

use super::mapping::Mapping;
use super::reference::Reference;
use super::rows::{Context, Normalised, normalise};
use super::table::RawTable;
use super::testing::{spelled, told};

mod ncc;
mod rcx;
mod rgp;
mod rm1;
mod rmy;
mod ry3;

const SNAPSHOT: &str = "2018-12-03T10:15:00Z";

fn run(provider: &str, reference: &Reference, mapping: &Mapping, tables: &[RawTable]) -> Normalised {
    let context = Context { provider: &provider.parse().unwrap(), reference, snapshot_at: SNAPSHOT.parse().unwrap() };
    let normalised = normalise(tables, mapping, &context);
    let rows = normalised.rows;
    assert_eq!(rows.read, rows.used + rows.skipped + rows.rejected, "every row is accounted for");
    normalised
}

fn expect(normalised: &Normalised, lines: &[(u64, &str)], findings: &[&str]) {
    let found: Vec<(u64, String)> = normalised.lines.iter().map(|line| (line.row, spelled(&line.line))).collect();
    let wanted: Vec<(u64, String)> = lines.iter().map(|(number, text)| (*number, (*text).to_owned())).collect();
    assert_eq!(found, wanted);
    assert_eq!(told(normalised), findings);
}

/// A small fixed sequence of numbers: every run reads the same strange extracts.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

#[test]
fn p9_no_text_in_any_cell_of_any_layout_breaks_the_account() {
    const STRANGE: [&str; 24] = [
        "",
        "-",
        "0",
        "1",
        "-1",
        "5.00E+01",
        "99999",
        "4294967295",
        "99999999999999999999",
        "1,234",
        "TRUE",
        "FALSE",
        "N",
        "Y (D&V)",
        "O",
        "I",
        "OCC",
        "DTA",
        "BED",
        "03/12/2018 24:00",
        "31/03/2019 01:30",
        "–é\u{fffd}\u{202e}",
        "=cmd|' /C calc'!A0",
        "\u{0}\t\n",
    ];
    let mut dice = Dice(7);
    for (provider, mapping) in [
        ("RM1", rm1::mapping_a()),
        ("RGP", rgp::mapping_b()),
        ("RCX", rcx::mapping_c()),
        ("RMY", rmy::mapping_d()),
        ("RY3", ry3::mapping_e()),
        ("NCC", ncc::mapping_f()),
    ] {
        let sites = ["RM102", "RGP75", "O", "BED"].map(|code| super::testing::site(provider, code)).to_vec();
        let reference = Reference { sites, ..Reference::default() };
        let mut tables: Vec<RawTable> = mapping.tables.iter().map(|table| table.raw(2, &[])).collect();
        for table in &mut tables {
            for line in 2..402 {
                let fields: Vec<&str> = table.columns.iter().map(|_| STRANGE[dice.roll(STRANGE.len())]).collect();
                table.push(line, fields);
            }
        }
        let found = run(provider, &reference, &mapping, &tables);
        assert!(found.rows.rejected > 0, "{provider}");
        assert_eq!(found, run(provider, &reference, &mapping, &tables), "{provider}: the same rows give the same account");
        assert!(found.lines.iter().all(|line| (1..=99_999).contains(&line.line.quantity)), "{provider}");
    }
}
