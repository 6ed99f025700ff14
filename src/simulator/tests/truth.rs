//! What an extract says is what is true in the world.

use super::reparse;
use super::shipped::{code, reference};
use crate::simulator::{ExtractError, ExtractFile, Fault, Layout, Options, World, copied, extract, resized};
use jiff::Timestamp;

const WINTER: &str = "2018-12-03T10:15:00Z";

fn world(seed: u64) -> World {
    World::new(&reference(), seed, WINTER.parse().unwrap()).unwrap()
}

fn plain(world: &World, layout: Layout, at: Timestamp) -> Vec<ExtractFile> {
    extract(world, &code(layout.code()), at, &Options::default()).unwrap()
}

#[test]
fn an_extract_sums_to_the_truth_whatever_the_seed_and_the_night() {
    // A winter's day, both nights on which the clocks change, and a leap day's midnight.
    let starts = [WINTER, "2018-10-27T23:30:00Z", "2019-03-31T00:15:00Z", "2020-02-28T23:30:00Z"];
    for (seed, start) in (0..).zip(starts) {
        let mut world = World::new(&reference(), seed, start.parse().unwrap()).unwrap();
        for _ in 0..12 {
            for layout in Layout::ALL {
                let said = reparse::totals(layout, &plain(&world, layout, world.at()));
                assert_eq!(said, world.truth(&code(layout.code())).unwrap(), "seed {seed}, {layout:?}, {}", world.at());
            }
            world.advance();
        }
    }
}

#[test]
fn a_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    let run = |seed| {
        let mut world = world(seed);
        (0..5).for_each(|_| world.advance());
        Layout::ALL.map(|layout| plain(&world, layout, world.at()))
    };
    assert_eq!(run(7), run(7));
    for (one, other) in run(7).iter().zip(run(8)) {
        assert_ne!(one[0].bytes, other[0].bytes);
    }
}

#[test]
fn no_two_slots_are_alike_and_no_name_comes_twice() {
    let mut world = world(3);
    let mut before = Layout::ALL.map(|layout| plain(&world, layout, world.at()));
    for _ in 0..20 {
        let at = world.at();
        world.advance();
        for (layout, before) in Layout::ALL.into_iter().zip(&mut before) {
            assert_ne!(plain(&world, layout, at)[0].bytes, before[0].bytes, "{layout:?} at {at}: not the time alone has changed");
            let now = plain(&world, layout, world.at());
            assert!(now.iter().all(|file| before.iter().all(|old| old.name != file.name)), "{layout:?}");
            *before = now;
        }
    }
}

#[test]
fn acute_hospitals_stay_as_full_as_real_ones() {
    for seed in 0..3 {
        let mut world = world(seed);
        (0..192).for_each(|_| world.advance());
        for (provider, fewest, most) in
            [("RM1", 88, 96), ("RGP", 93, 100), ("RCX", 91, 99), ("RMY", 82, 97), ("RY3", 82, 98), ("NCC", 86, 96)]
        {
            let truth = world.truth(&code(provider)).unwrap();
            let percent = truth.occupied * 100 / truth.open();
            assert!((fewest..=most).contains(&percent), "seed {seed}, {provider}: {percent} %");
            assert!(truth.closed * 100 / (truth.open() + truth.closed) <= 8, "seed {seed}, {provider}: {} closed", truth.closed);
        }
        let waiting = world.truth(&code("RM1")).unwrap().demand;
        assert!((8..=26).contains(&waiting), "seed {seed}: {waiting}");
        assert_eq!(world.truth(&code("RY3")).unwrap().demand_not_in_bed, 0, "step-down patients are in a bed");
    }
}

#[test]
fn names_and_times_are_local() {
    let world = world(1);
    let first = |layout, at: &str| {
        let file = plain(&world, layout, at.parse().unwrap()).swap_remove(0);
        let text = String::from_utf8_lossy(&file.bytes).into_owned();
        (file.name, text.lines().take(2).collect::<Vec<_>>().join("\n"))
    };
    let rows = [
        (Layout::Rm1, WINTER, "RM1_BEDSTATE_20181203_1015.csv", "\"03/12/2018 10:15\""),
        (Layout::Rm1, "2018-07-01T09:15:00Z", "RM1_BEDSTATE_20180701_1015.csv", "\"01/07/2018 10:15\""),
        (Layout::Rgp, WINTER, "JPUH beds 03-12-2018 1015.csv", "Ward No ,Ward name,Open Beds,"),
        (Layout::Rgp, "2019-01-03T10:15:00Z", "JPUH beds 03-01-2019 1015.csv", "Ward Number,Ward name,Beds Open,"),
        (Layout::Rcx, WINTER, "rcx_bs_1715370.txt", "|20181203101500|"),
        (Layout::Rcx, "2018-07-01T23:00:00Z", "rcx_bs_1700541.txt", "|20180701240000|"),
        (
            Layout::Rmy,
            "2018-12-03T10:15:02Z",
            "RMY-bedstate-2018-12-03T1015.csv",
            "2018-12-03T10:15:02,RMY-SITE-A,WARD-ALPHA,Female,Low,F01,",
        ),
        (Layout::Ry3, "2018-12-03T10:15:07Z", "RY3_20181203_101507.zip", "PK"),
        (Layout::Ncc, WINTER, "NCC_CAREHOME_CAPACITY_201812031015.csv", "1-1000000001,\"St Example's House\","),
    ];
    for (layout, at, name, start) in rows {
        let (found, text) = first(layout, at);
        assert_eq!(found, name);
        assert!(text.contains(start), "{layout:?}: {text}");
    }
}

#[test]
fn a_fault_is_what_it_says_and_nothing_else() {
    let world = world(5);
    let write =
        |layout: Layout, fault| extract(&world, &code(layout.code()), world.at(), &Options { fault: Some(fault), ..Options::default() });
    for layout in Layout::ALL {
        let good = plain(&world, layout, world.at());
        match write(layout, Fault::WrongChecksum) {
            Ok(bad) => {
                let differing = bad[0].bytes.iter().zip(&good[0].bytes).filter(|(one, other)| one != other).count();
                assert_eq!((bad[0].bytes.len(), differing), (good[0].bytes.len(), 1), "{layout:?}");
                assert_eq!(bad[1], good[1], "{layout:?}: the checksum stays");
            }
            Err(error) => assert!(matches!(error, ExtractError::NoSuchFault { .. }) && !matches!(layout, Layout::Rm1 | Layout::Rmy)),
        }
        match write(layout, Fault::NhsNumbers) {
            Ok(bad) => {
                let bytes = reparse_first_table(layout, &bad[0]);
                let text = String::from_utf8_lossy(&bytes);
                assert!(text.lines().next().unwrap().contains("NHS_NO") && text.matches("999").count() > 30, "{layout:?}");
                if layout == Layout::Rmy {
                    assert_eq!(reparse::totals(layout, &bad), world.truth(&code("RMY")).unwrap(), "only the column is wrong");
                }
            }
            Err(error) => {
                assert!(matches!(error, ExtractError::NoSuchFault { .. }) && matches!(layout, Layout::Rgp | Layout::Rcx | Layout::Ncc))
            }
        }
        let cut = write(layout, Fault::Truncated).unwrap();
        assert!(cut[0].bytes.len() < good[0].bytes.len() && good[0].bytes.starts_with(&cut[0].bytes), "{layout:?}");
        let other = write(layout, Fault::OtherContent).unwrap();
        assert_eq!(other[0].name, good[0].name);
        assert_ne!(other[0].bytes, good[0].bytes, "{layout:?}");
        let mut later = world.clone();
        later.advance();
        assert_eq!(reparse::totals(layout, &other), later.truth(&code(layout.code())).unwrap(), "{layout:?}");
    }
}

fn reparse_first_table(layout: Layout, file: &ExtractFile) -> Vec<u8> {
    if layout == Layout::Ry3 { reparse::members(&file.bytes)["BedList.csv"].clone() } else { file.bytes.clone() }
}

#[test]
fn an_incomplete_row_is_not_in_the_truth() {
    let world = world(2);
    let options = Options { incomplete_row: true, ..Options::default() };
    let with = extract(&world, &code("NCC"), world.at(), &options).unwrap();
    let text = String::from_utf8(with[0].bytes.clone()).unwrap();
    assert!(text.contains("1-1000000041,Test Court,Norwich,Transitional/Short stay,18,18,0,,N,\r\n"), "{text}");
    assert_eq!(reparse::totals(Layout::Ncc, &with), world.truth(&code("NCC")).unwrap());
    assert!(!String::from_utf8(plain(&world, Layout::Ncc, world.at())[0].bytes.clone()).unwrap().contains("Test Court"));
}

#[test]
fn a_provider_can_be_resized_and_copied() {
    let (rm1, copy) = (code("RM1"), code("L0001"));
    let reference = copied(&resized(&reference(), &rm1, 5003), &rm1, &copy);
    let world = World::with_layouts(&reference, 1, WINTER.parse().unwrap(), &[(copy.clone(), Layout::Rm1)]).unwrap();
    let truth = world.truth(&copy).unwrap();
    assert_eq!(truth.open() + truth.closed, 5003);
    let files = extract(&world, &copy, world.at(), &Options::default()).unwrap();
    assert_eq!(files[0].name, "L0001_BEDSTATE_20181203_1015.csv");
    assert_eq!(reparse::totals(Layout::Rm1, &files), truth);
    assert!(matches!(extract(&world, &rm1, world.at(), &Options::default()), Err(ExtractError::UnknownProvider(_))));
    assert!(World::with_layouts(&reference, 1, WINTER.parse().unwrap(), &[(code("XYZ"), Layout::Rm1)]).is_err());
}
