//! Sealing from every point at which a crash can leave it, opened again with the private key.

use super::super::{DELIVERIES, Place, QUARANTINE, Store};
use super::*;
use crate::feed::{DeliveryId, Report};
use std::path::PathBuf;
use std::process::Command;

const BYTES: &[u8] = b"WARD,NHS No\nW1,a number of a person\n";

struct House {
    dir: tempfile::TempDir,
    id: DeliveryId,
    recipient: Recipient,
    /// The file of the private key.
    keys: String,
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let id = DeliveryId::new("2018-12-03T10:15:00Z".parse().unwrap(), [7; 10]);
        std::fs::create_dir_all(dir.path().join(DELIVERIES)).unwrap();
        std::fs::create_dir_all(dir.path().join(QUARANTINE)).unwrap();
        let (recipient, keys) = make_keys();
        Self { dir, id, recipient, keys }
    }

    fn store(&self) -> Store {
        Store::new(self.dir.path()).sealing_to(vec![self.recipient.clone()])
    }

    fn accepted(&self) -> PathBuf {
        self.dir.path().join(DELIVERIES).join(self.id.to_string())
    }

    /// A file of the delivery's own folder in quarantine.
    fn aside(&self, name: &str) -> PathBuf {
        self.dir.path().join(QUARANTINE).join(self.id.to_string()).join(name)
    }

    fn put(path: &Path, bytes: &[u8], mode: u32) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.aside("x").parent().unwrap())
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn opened(&self) -> Vec<u8> {
        let secret = self.keys.lines().last().unwrap();
        let identity: age::x25519::Identity = secret.parse().unwrap();
        age::decrypt(&identity, &std::fs::read(self.aside("original.age")).unwrap()).unwrap()
    }
}

const SEALED: Place = Place::Quarantine { sealed: true };

#[test]
fn p7_a_crash_at_any_point_ends_with_exactly_the_ciphertext() {
    let ready = |house: &House| {
        House::put(&house.accepted(), BYTES, 0o600);
        house.store().settle(house.id, SEALED, None).unwrap();
    };
    // What a crash left.
    type Left = Box<dyn Fn(&House)>;
    let rows: Vec<(&str, Left)> = vec![
        ("nothing done", Box::new(|house| House::put(&house.accepted(), BYTES, 0o600))),
        (
            "half of it written",
            Box::new(|house| {
                House::put(&house.accepted(), BYTES, 0o600);
                House::put(&house.aside("original.age.part"), b"age-encryption.org/v1\n-> X255", 0o600);
            }),
        ),
        (
            "all of it written, not renamed",
            Box::new(move |house| {
                ready(house);
                move_durably(&house.aside("original.age"), &house.aside("original.age.part")).unwrap();
                House::put(&house.accepted(), BYTES, 0o600);
            }),
        ),
        (
            "renamed, the bytes still there",
            Box::new(move |house| {
                ready(house);
                House::put(&house.accepted(), BYTES, 0o600);
            }),
        ),
        (
            "the bytes half overwritten",
            Box::new(move |house| {
                ready(house);
                House::put(&house.accepted(), b"\0\0\0\0\0NHS No", 0o600);
            }),
        ),
        ("all done but the findings", Box::new(ready)),
        ("sealed before there was a key", Box::new(|house| House::put(&house.aside("original"), BYTES, 0o400))),
        (
            "moved aside, then sealed half",
            Box::new(|house| {
                House::put(&house.aside("original"), BYTES, 0o600);
                House::put(&house.aside("original.age.part"), b"", 0o400);
            }),
        ),
    ];
    for (what, left) in rows {
        let house = House::new();
        left(&house);
        for _ in 0..2 {
            house.store().settle(house.id, SEALED, Some(&Report::default())).unwrap();
            assert_eq!(house.opened(), BYTES, "{what}");
            assert_eq!(house.names(), ["findings.json", "original.age"], "{what}");
            assert!(!house.accepted().try_exists().unwrap(), "{what}");
            let mode = std::fs::metadata(house.aside("original.age")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o400, "{what}");
        }
        assert!(house.store().read(house.id).is_err(), "{what}: bedfeed itself cannot read it");
        // A start without the key, because it was taken out of the settings, changes nothing.
        House::put(&house.accepted(), b"\0\0", 0o600);
        Store::new(house.dir.path()).settle(house.id, SEALED, Some(&Report::default())).unwrap();
        assert!(house.opened() == BYTES && !house.accepted().try_exists().unwrap(), "{what}");
    }
}

#[test]
fn every_key_opens_it_and_no_other_does() {
    let mut house = House::new();
    House::put(&house.accepted(), BYTES, 0o600);
    let (second, second_keys) = make_keys();
    let store = Store::new(house.dir.path()).sealing_to(vec![house.recipient.clone(), second]);
    store.settle(house.id, SEALED, None).unwrap();
    assert_eq!(house.opened(), BYTES);
    house.keys = second_keys;
    assert_eq!(house.opened(), BYTES);
    let stranger = age::x25519::Identity::generate();
    assert!(age::decrypt(&stranger, &std::fs::read(house.aside("original.age")).unwrap()).is_err());
}

#[test]
fn a_file_of_any_length_is_whole_when_it_is_opened() {
    // Around the format's pieces of 64 KiB.
    for length in [0, 1, 65_535, 65_536, 65_537, 200_000] {
        let house = House::new();
        let bytes: Vec<u8> = (0..length).map(|n: u32| n.to_le_bytes()[0]).collect();
        House::put(&house.accepted(), &bytes, 0o600);
        house.store().settle(house.id, SEALED, None).unwrap();
        assert!(house.opened() == bytes, "{length}");
    }
}

#[test]
fn the_age_program_opens_it() {
    let house = House::new();
    House::put(&house.accepted(), BYTES, 0o600);
    house.store().settle(house.id, SEALED, None).unwrap();
    let keys = house.dir.path().join("governance.txt");
    House::put(&keys, house.keys.as_bytes(), 0o600);
    let opened = Command::new("age").arg("--decrypt").arg("--identity").arg(&keys).arg(house.aside("original.age")).output();
    let opened = opened.expect("the program age is needed for this test: tests/run installs it");
    assert!(opened.status.success(), "{}", String::from_utf8_lossy(&opened.stderr));
    assert_eq!(opened.stdout, BYTES);
}

#[test]
fn a_discarded_one_is_purged_wherever_a_crash_left_it() {
    type Left = fn(&House);
    let rows: [Left; 4] = [
        |house| house.store().settle(house.id, SEALED, Some(&Report::default())).unwrap(),
        |_| {},
        |house| Store::new(house.dir.path()).settle(house.id, SEALED, None).unwrap(),
        |house| House::put(&house.aside("original.age.part"), b"half", 0o400),
    ];
    for (at, left) in rows.into_iter().enumerate() {
        let house = House::new();
        House::put(&house.accepted(), BYTES, 0o600);
        left(&house);
        for _ in 0..2 {
            house.store().settle(house.id, Place::Purged, Some(&Report::default())).unwrap();
            assert!(!house.accepted().try_exists().unwrap(), "row {at}");
            assert!(house.names().iter().all(|name| name == "findings.json"), "row {at}: {:?}", house.names());
        }
    }
}

#[test]
fn a_key_that_is_none_is_refused_and_never_repeated() {
    let (recipient, keys) = make_keys();
    assert_eq!(recipient.to_string().parse::<Recipient>(), Ok(recipient));
    let secret = keys.lines().last().unwrap();
    let rows = [
        (secret, InvalidRecipient::Private),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA lead", InvalidRecipient::Ssh),
        ("age1qqq", InvalidRecipient::Unknown),
        ("", InvalidRecipient::Unknown),
    ];
    for (text, expected) in rows {
        assert_eq!(text.parse::<Recipient>(), Err(expected));
        assert!(text.is_empty() || !expected.to_string().contains(text));
    }
}

#[test]
fn p7_what_is_discarded_while_it_is_being_encrypted_is_gone() {
    let bytes = vec![b'x'; 300_000];
    for round in 0..40 {
        let house = House::new();
        House::put(&house.accepted(), &bytes, 0o600);
        let (store, barrier) = (house.store(), std::sync::Barrier::new(2));
        std::thread::scope(|scope| {
            for place in [Place::Quarantine { sealed: true }, Place::Purged] {
                let (store, barrier) = (store.clone(), &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let settled = store.settle(house.id, place, Some(&Report::default()));
                    // Where it was discarded first there is nothing to encrypt.
                    assert!(settled.is_ok() || place != Place::Purged);
                });
            }
        });
        assert!(!house.accepted().try_exists().unwrap());
        assert!(house.names().iter().all(|name| name == "findings.json"), "round {round}: {:?}", house.names());
    }
}
