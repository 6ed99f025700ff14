//! Uploads on a real disk: what lands, what does not, and what is left behind.

use super::*;
use std::os::unix::fs::PermissionsExt;

fn now() -> Timestamp {
    "2018-12-03T10:15:00Z".parse().unwrap()
}

fn label() -> Label {
    Label {
        provider: "RM1".parse().unwrap(),
        folder: Folder::Inbox,
        name: FileName::parse(b"a.csv").unwrap(),
        received_at: now(),
        modified_at: None,
        sender: Sender {
            address: "127.0.0.1:2".parse().unwrap(),
            software: "SSH-2.0-test".to_owned(),
            key: "SHA256:x".to_owned(),
            key_owner: "owner".to_owned(),
            connected_at: now(),
            connection: 1,
        },
    }
}

fn state() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(clear_uploads(dir.path()).unwrap(), 0);
    dir
}

fn names(dir: &Path, folder: &str) -> Vec<String> {
    fs::read_dir(dir.join(folder)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Writes, a size that is set after them, and the content that lands.
type Row = (&'static [(u64, &'static [u8])], Option<u64>, &'static [u8]);

#[test]
fn p1_a_delivery_has_the_hash_and_length_of_its_bytes_whatever_the_order_of_writes() {
    let rows: [Row; 7] = [
        (&[(0, b"hello "), (6, b"world")], None, b"hello world"),
        (&[(6, b"world"), (0, b"hello ")], None, b"hello world"),
        (&[(0, b"hello "), (0, b"hello "), (6, b"world")], None, b"hello world"),
        (&[(0, b"hello WORLD"), (6, b"world")], None, b"hello world"),
        (&[(0, b"hello world and more")], Some(11), b"hello world"),
        (&[(0, b"hello world")], Some(11), b"hello world"),
        (&[], None, b""),
    ];
    for (writes, size, content) in rows {
        let dir = state();
        let mut upload = Upload::begin(dir.path(), now(), 1000).unwrap();
        for (offset, data) in writes {
            upload.write(*offset, data).unwrap();
        }
        if let Some(size) = size {
            upload.set_size(size).unwrap();
        }
        let landed = upload.finish(dir.path(), label()).unwrap();
        let delivery = landed.delivery();
        let path = dir.path().join(DELIVERIES).join(delivery.id.to_string());
        assert_eq!(fs::read(&path).unwrap(), content, "{writes:?}");
        assert_eq!(delivery.sha256, Digest::of(content), "{writes:?}");
        assert_eq!(delivery.bytes, u64::try_from(content.len()).unwrap());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(names(dir.path(), UPLOADS).is_empty());
    }
}

#[test]
fn p9_a_write_beyond_the_limit_fails_and_nothing_is_left() {
    for (offset, length) in [(0_u64, 11_usize), (10, 1), (u64::MAX, 1), (u64::MAX - 5, 5)] {
        let dir = state();
        let mut upload = Upload::begin(dir.path(), now(), 10).unwrap();
        upload.write(0, b"0123456789").unwrap();
        assert!(matches!(upload.write(offset, &vec![0; length]), Err(LandingError::TooLarge { limit: 10 })), "{offset}");
        drop(upload);
        assert!(names(dir.path(), UPLOADS).is_empty());
    }
}

#[test]
fn p2_an_upload_that_is_cut_off_leaves_nothing() {
    let dir = state();
    let mut upload = Upload::begin(dir.path(), now(), 100).unwrap();
    upload.write(0, b"half").unwrap();
    assert_eq!(names(dir.path(), UPLOADS).len(), 1);
    drop(upload);
    assert!(names(dir.path(), UPLOADS).is_empty());
    assert!(names(dir.path(), DELIVERIES).is_empty());
}

#[test]
fn a_file_with_a_hole_or_shorter_than_announced_does_not_land() {
    let dir = state();
    let mut upload = Upload::begin(dir.path(), now(), 100).unwrap();
    upload.write(5, b"later").unwrap();
    assert!(matches!(upload.finish(dir.path(), label()), Err(LandingError::Gap)));
    let mut upload = Upload::begin(dir.path(), now(), 100).unwrap();
    upload.set_size(9).unwrap();
    upload.write(0, b"half").unwrap();
    assert!(matches!(upload.finish(dir.path(), label()), Err(LandingError::Short { announced: 9, received: 4 })));
    assert!(names(dir.path(), DELIVERIES).is_empty());
    assert!(names(dir.path(), UPLOADS).is_empty());
}

#[test]
fn the_last_size_announced_counts_and_only_fewer_bytes_are_a_fault() {
    // Said at OPEN and set later; the length then, and the size that was missed.
    let rows = [
        ([Some(4), None], 4_u64, None),
        ([Some(0), None], 4, None),
        ([Some(9), None], 4, Some(9)),
        ([Some(9), Some(4)], 4, None),
        ([Some(4), Some(9)], 4, Some(9)),
        ([None, Some(2)], 2, None),
    ];
    for (sizes, length, short) in rows {
        let dir = state();
        let mut upload = Upload::begin(dir.path(), now(), 100).unwrap();
        if let Some(at_open) = sizes[0] {
            upload.announce(at_open).unwrap();
        }
        upload.write(0, b"half").unwrap();
        if let Some(later) = sizes[1] {
            upload.set_size(later).unwrap();
        }
        assert_eq!(upload.length(), length, "{sizes:?}");
        let landed = upload.finish(dir.path(), label());
        let announced = landed.err().map(|error| match error {
            LandingError::Short { announced, received: 4 } => announced,
            other => panic!("{other}"),
        });
        assert_eq!(announced, short, "{sizes:?}");
    }
    let dir = state();
    let mut upload = Upload::begin(dir.path(), now(), 100).unwrap();
    assert!(matches!(upload.announce(101), Err(LandingError::TooLarge { limit: 100 })));
}

#[test]
fn what_arrived_before_stays_as_it_is_and_what_is_staged_is_summed_up() {
    let dir = state();
    let sum = Arc::new(AtomicU64::new(0));
    let mut upload = Upload::begin(dir.path(), now(), 100).unwrap().counted_in(Arc::clone(&sum));
    upload.write(0, b"first try").unwrap();
    assert_eq!(sum.load(Ordering::Relaxed), 9);
    upload.drop_last_byte().unwrap();
    assert_eq!((upload.length(), sum.load(Ordering::Relaxed)), (8, 8));
    upload.settle();
    assert!(matches!(upload.write(7, b"x"), Err(LandingError::Settled)));
    assert!(matches!(upload.set_size(7), Err(LandingError::Settled)));
    upload.set_size(10).unwrap();
    upload.write(8, b"y!").unwrap();
    assert_eq!(sum.load(Ordering::Relaxed), 10);
    let landed = upload.finish(dir.path(), label()).unwrap();
    assert_eq!(landed.delivery().sha256, Digest::of(b"first try!"));
    assert_eq!(sum.load(Ordering::Relaxed), 0, "a delivery is not staged any more");
}

#[test]
fn what_an_earlier_run_left_in_uploads_is_removed_at_the_start() {
    let dir = state();
    fs::write(dir.path().join(UPLOADS).join("left"), b"half").unwrap();
    assert_eq!(clear_uploads(dir.path()).unwrap(), 1);
    assert!(names(dir.path(), UPLOADS).is_empty());
}

#[test]
fn ids_of_one_millisecond_differ() {
    assert_ne!(DeliveryId::new(now(), random_bytes()), DeliveryId::new(now(), random_bytes()));
}
