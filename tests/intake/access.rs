//! Who gets in and who does not, with real clients: keys, certificates, passwords, penalties, places and quotas.

use crate::house::{House, Raw, Run, run, string, until};
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use bedfeed::intake::{AccountPassword, Network, Settings, UserCa};
use russh::client::{self, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const PLAIN: &str = "LogLevel=ERROR";

/// `ssh-keygen` in the house's folder.
fn keygen(house: &House, arguments: &[&str]) {
    let output = Command::new("ssh-keygen").current_dir(house.dir()).arg("-q").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn public_key(house: &House, name: &str) -> String {
    std::fs::read_to_string(house.dir().join(format!("{name}.pub"))).unwrap().trim().to_owned()
}

fn fingerprint(house: &House, name: &str) -> String {
    PublicKey::from_openssh(&public_key(house, name)).unwrap().fingerprint(HashAlg::Sha256).to_string()
}

fn loopback(prefix: u8) -> Network {
    Network { address: "127.0.0.0".parse().unwrap(), prefix }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_work_at_once_until_the_old_one_expires() {
    let house = House::open_for(Settings::default(), &["ed25519", "ecdsa"]).await;
    house.change_accounts(|accounts| {
        let keys = &mut accounts.accounts[0].keys;
        keys[0].owner = "job, old key".to_owned();
        keys[0].expires = Some("2018-12-10".parse().unwrap());
        keys[1].owner = "job, new key".to_owned();
    });
    let file = house.file("beds.csv", b"x");
    let put = format!("put {file} inbox/a.csv");
    // From midnight in London on its day a key is no longer taken.
    let rows = [
        ("2018-12-03T12:00:00Z", "ed25519", true),
        ("2018-12-03T12:00:00Z", "ecdsa", true),
        ("2018-12-09T23:59:59Z", "ed25519", true),
        ("2018-12-10T00:00:00Z", "ed25519", false),
        ("2018-12-10T00:00:00Z", "ecdsa", true),
    ];
    for (now, key, works) in rows {
        house.set_clock(now);
        let run = house.sftp_as("RM1", key, PLAIN, &put).await;
        assert_eq!(run.ok, works, "{key} at {now}: {}", run.stderr);
    }
    assert_eq!(house.refused("key_expired"), 1);
    let owners: Vec<_> = house.accepted().iter().map(|delivery| delivery.sender.key_owner.clone()).collect();
    assert_eq!(owners, ["job, old key", "job, new key", "job, old key", "job, new key"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_lets_in_whom_it_names_when_and_where_it_says() {
    let house = House::open().await;
    for (name, kind) in [("ca", "ed25519"), ("ca-rsa", "rsa"), ("ca-unknown", "ed25519"), ("ca-revoked", "ed25519")] {
        keygen(&house, &["-t", kind, "-N", "", "-C", "", "-f", name]);
    }
    house.change_accounts(|accounts| {
        for ca in ["ca", "ca-rsa", "ca-revoked"] {
            accounts.trust.user_cas.push(UserCa { name: ca.to_owned(), public_key: public_key(&house, ca) });
        }
        accounts.trust.revoked_keys.push(fingerprint(&house, "ca-revoked"));
    });
    let file = house.file("beds.csv", b"x");
    let put = format!("put {file} inbox/a.csv");
    let always = ["-V", "always:forever"];
    // The house's clock says December 2018, so a certificate of 2019 does not hold yet.
    let rows: [(&str, &[&str], Option<&str>); 15] = [
        ("ca", &["-n", "RM1"], None),
        ("ca", &["-n", "RGP,rm1"], None),
        ("ca-rsa", &["-n", "RM1"], None),
        ("ca", &["-n", "RM1", "-O", "source-address=127.0.0.0/8,10.0.0.0/8"], None),
        ("ca", &["-n", "RM1", "-O", "force-command=internal-sftp"], None),
        ("ca-unknown", &["-n", "RM1"], Some("certificate_authority")),
        ("ca-revoked", &["-n", "RM1"], Some("revoked")),
        ("ca", &["-n", "RGP"], Some("certificate_principal")),
        ("ca", &[], Some("certificate_principal")),
        ("ca", &["-n", "RM1", "-V", "20190101:20990101"], Some("certificate_time")),
        ("ca", &["-n", "RM1", "-O", "source-address=10.0.0.0/8"], Some("certificate_address")),
        ("ca", &["-n", "RM1", "-O", "force-command=/bin/true"], Some("certificate_option")),
        ("ca", &["-n", "RM1", "-O", "verify-required"], Some("certificate_option")),
        ("ca", &["-n", "RM1", "-O", "critical:new@example.com=x"], Some("certificate_option")),
        ("ca-rsa", &["-n", "RM1", "-t", "ssh-rsa"], Some("")),
    ];
    for (ca, options, refusal) in rows {
        let dates: &[&str] = if options.contains(&"-V") { &[] } else { &always };
        keygen(&house, &[&["-s", ca, "-I", "night job"], options, dates, &["other.pub"]].concat());
        let before = (house.counters.read().logins, refusal.filter(|word| !word.is_empty()).map(|word| house.refused(word)));
        let run = house.sftp_as("RM1", "other", PLAIN, &put).await;
        assert_eq!(run.ok, refusal.is_none(), "{ca} {options:?}: {}", run.stderr);
        assert_eq!(house.counters.read().logins - before.0, u64::from(refusal.is_none()), "{ca} {options:?}");
        if let (Some(word), Some(count)) = (refusal, before.1) {
            assert_eq!(house.refused(word), count + 1, "{ca} {options:?}: {word} in {:?}", house.counters.read().refused);
        }
    }
    let accepted = house.accepted();
    assert_eq!(accepted.len(), 5);
    assert_eq!(accepted[0].sender.key_owner, "night job (certificate of ca)");
    assert_eq!(accepted[0].sender.key, fingerprint(&house, "other"));
    assert_eq!(accepted[2].sender.key_owner, "night job (certificate of ca-rsa)");
    // The key of the certificate is not a key of the account: on its own it is worth nothing.
    std::fs::remove_file(house.dir().join("other-cert.pub")).unwrap();
    let run = house.sftp_as("RM1", "other", PLAIN, &put).await;
    assert!(!run.ok);
    assert!(house.sftp(&put).await.ok, "and a listed key goes on working beside certificates");
    house.change_accounts(|accounts| accounts.trust.revoked_keys.push(fingerprint(&house, "other")));
    keygen(&house, &["-s", "ca", "-I", "night job", "-n", "RM1", "other.pub"]);
    assert!(!house.sftp_as("RM1", "other", PLAIN, &put).await.ok, "a revoked key stays out, whoever signs it");
}

/// Gives the house's account a password, and says which network it may be used from.
fn set_password(house: &House, password: &str, prefix: u8) {
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(7168, 1, 1, None).unwrap());
    let hash = hasher.hash_password_with_salt(password.as_bytes(), b"bedfeedsalt").unwrap().to_string();
    house.change_accounts(|accounts| {
        accounts.accounts[0].password = Some(AccountPassword { owner: "ward desk".to_owned(), hash, expires: None });
        accounts.accounts[0].networks = vec![loopback(prefix)];
    });
}

/// `sftp` with a password that a helper program types.
async fn with_password(house: &House, user: &str, password: &str, batch: &str) -> Run {
    use std::os::unix::fs::PermissionsExt;
    let helper = house.file("askpass", format!("#!/bin/sh\nprintf '%s\\n' '{password}'\n").as_bytes());
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o700)).unwrap();
    let batch = house.file("batch", format!("{batch}\n").as_bytes());
    let mut command = Command::new("sftp");
    command.env("SSH_ASKPASS", &helper).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
    let first = ["BatchMode=no", "PasswordAuthentication=yes", "PubkeyAuthentication=no", "NumberOfPasswordPrompts=1"];
    for option in first {
        command.args(["-o", option]);
    }
    command.args(house.program("sftp", "other").get_args());
    command.args(["-q", "-b", &batch, "-P", &house.address().port().to_string(), &format!("{user}@127.0.0.1")]);
    run(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_taken_only_where_a_provider_has_one() {
    let house = House::open().await;
    let file = house.file("beds.csv", b"x");
    let put = format!("put {file} inbox/a.csv");
    let offered = async || {
        let mut ssh = house.program("ssh", "other");
        ssh.args(["-p", &house.address().port().to_string(), "RM1@127.0.0.1"]);
        run(ssh).await.stderr
    };
    assert!(offered().await.contains("Permission denied (publickey)."), "not even offered");
    assert!(!with_password(&house, "RM1", "correct horse", &put).await.ok);
    set_password(&house, "correct horse", 8);
    assert!(offered().await.contains("Permission denied (publickey,password)."));
    for (user, password, works) in [
        ("RM1", "correct horse", true),
        ("rm1", "correct horse", true),
        ("RM1", "correct hors", false),
        ("RM1", "", false),
        ("root", "correct horse", false),
    ] {
        let run = with_password(&house, user, password, &put).await;
        assert_eq!(run.ok, works, "{user} {password}: {}", run.stderr);
    }
    assert!(house.sftp(&put).await.ok, "a key goes on working beside the password");
    let owners: Vec<_> = house.accepted().iter().map(|delivery| delivery.sender.key_owner.clone()).collect();
    assert_eq!(owners, ["ward desk (password)", "ward desk (password)", "informatics"]);
    assert!(house.refused("password") >= 1 && house.refused("unknown_user") == 1);
    house.change_accounts(|accounts| accounts.accounts[0].password.as_mut().unwrap().expires = Some("2018-12-03".parse().unwrap()));
    assert!(!with_password(&house, "RM1", "correct horse", &put).await.ok);
    assert_eq!(house.refused("password_expired"), 1);
    house.change_accounts(|accounts| accounts.accounts[0].networks = vec![Network { address: "10.0.0.0".parse().unwrap(), prefix: 8 }]);
    assert!(offered().await.contains("Permission denied (publickey)."), "and not offered to those who may not use it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_only_fails_is_turned_away_for_a_while_and_a_good_login_never_is() {
    let house = House::open_strictly(Settings::default(), &["ed25519"]).await;
    let turned_away = async || {
        let mut bytes = Vec::new();
        drop(TcpStream::connect(house.address()).await.unwrap().read_to_end(&mut bytes).await);
        String::from_utf8(bytes).unwrap()
    };
    for _ in 0..3 {
        assert!(!house.sftp_as("root", "other", PLAIN, "ls").await.ok);
    }
    assert_eq!(turned_away().await, "Too many failed logins from here: try again in 15 s\r\n");
    assert_eq!((house.counters.read().penalised_sources, house.refused("penalty")), (1, 1));
    house.set_clock("2018-12-03T12:00:15Z");
    assert!(house.sftp("ls").await.ok, "it fades");
    for _ in 0..3 {
        assert!(!house.sftp_as("root", "other", PLAIN, "ls").await.ok);
    }
    assert!(house.sftp("ls").await.ok, "the good job behind the same address is not touched by the bad one");
    assert_eq!(house.refused("penalty"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_bad_job_never_locks_its_good_one_out() {
    let house = House::open_strictly(Settings::default(), &["ed25519"]).await;
    for _ in 0..5 {
        assert!(!house.sftp_as("RM1", "other", PLAIN, "ls").await.ok);
    }
    assert!(house.sftp("ls").await.ok, "although nothing from this address ever worked before");
    assert_eq!((house.refused("unknown_key"), house.refused("penalty")), (5, 0));
    // Inside a provider's networks nothing turns an address away.
    let listed = House::open_strictly(Settings::default(), &["ed25519"]).await;
    listed.change_accounts(|accounts| accounts.accounts[0].networks = vec![loopback(8)]);
    for _ in 0..4 {
        assert!(!listed.sftp_as("root", "other", PLAIN, "ls").await.ok);
    }
    assert!(listed.sftp("ls").await.ok);
    assert_eq!(listed.refused("penalty"), 0);
}

/// A neighbour behind the same address that connects and says nothing has every place, and the good job gets in all the same.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_stall_make_way_for_one_that_logs_in() {
    for settings in
        [Settings { max_unauthenticated_per_source: 2, ..Settings::default() }, Settings { max_unauthenticated: 2, ..Settings::default() }]
    {
        let house = House::open_with(settings).await;
        let mut stalled = [TcpStream::connect(house.address()).await.unwrap(), TcpStream::connect(house.address()).await.unwrap()];
        for stream in &mut stalled {
            stream.write_all(b"SSH-2.0-stalled\r\n").await.unwrap();
        }
        // They keep their places for a second; a job that comes in that second finds none.
        let mut tries = 0;
        while !house.sftp("ls").await.ok {
            tries += 1;
            assert!(tries < 1000, "the good job never gets in");
        }
        let crowded_out = || house.counters.read().closed.iter().find(|(reason, _)| *reason == "crowded_out").unwrap().1;
        until("one has made way", || crowded_out() == 1).await;
        assert_eq!(house.counters.read().logins, 1);
        drop(stalled);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_garbage_and_empty_connections_are_held_against_an_address() {
    for (what, bytes, least) in [("garbage", &b"SSH-2.0-x\r\nGET / HTTP/1.1\r\n\r\n0123456789abcdef"[..], 2), ("nothing", b"", 15)] {
        let house = House::open_strictly(Settings { connection_rate: 1000, ..Settings::default() }, &["ed25519"]).await;
        let mut served = 0;
        loop {
            let mut stream = TcpStream::connect(house.address()).await.unwrap();
            let mut banner = [0; 8];
            if stream.read_exact(&mut banner).await.is_err() || &banner != b"SSH-2.0-" {
                break;
            }
            served += 1;
            stream.write_all(bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            drop(stream.read_to_end(&mut Vec::new()).await);
            assert!(served < 100, "{what} goes on for ever");
        }
        assert!(served >= least, "{what}: {served}");
        assert_eq!(house.counters.read().penalised_sources, 1, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_connections_are_bounded_by_rate_and_by_account() {
    let house =
        House::open_strictly(Settings { connection_rate: 3, max_connections_per_account: 1, ..Settings::default() }, &["ed25519"]).await;
    let mut first = house.raw_with("ed25519", &["-o", "LogLevel=INFO"]);
    first.init();
    first.send(3, 1, &[&string(b"a.csv"), &[0, 0, 0, 0x1a, 0, 0, 0, 0]]);
    let handle = first.read();
    let run = house.sftp("ls").await;
    assert!(!run.ok, "one connection of the account at once");
    assert_eq!(house.refused("too_many_connections"), 1);
    // One that has nothing open makes room: a job that forgot to leave does not keep the next one out.
    first.send(4, 2, &[&handle[5..]]);
    assert_eq!(first.read()[8], 0);
    assert!(house.sftp("ls").await.ok);
    let words = first.last_words();
    assert!(words.contains("too many connections: its oldest one ends"), "{words}");
    assert_eq!((house.refused("too_many_connections"), house.accepted().len()), (1, 1));
    // A stranger gets one connection a second here; that the others were turned away does not hang on how busy the machine is.
    let settings = Settings { connection_rate: 1, max_unauthenticated_per_source: 100, ..Settings::default() };
    let strangers = House::open_strictly(settings, &["ed25519"]).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(TcpStream::connect(strangers.address()).await.unwrap());
    }
    let mut served = 0;
    for stream in &mut open {
        served += usize::from(stream.read_exact(&mut [0; 8]).await.is_ok());
    }
    assert!((1..20).contains(&served), "{served} of twenty at once");
    assert!(strangers.counters.read().turned_away > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_an_accounts_bytes_are_bounded_by_the_hour_and_on_disk() {
    let house = House::open().await;
    let open = |raw: &mut Raw, name: &str| {
        raw.send(3, 1, &[&string(name.as_bytes()), &[0, 0, 0, 0x1a, 0, 0, 0, 0]]);
        raw.read()
    };
    let write = |raw: &mut Raw, handle: &[u8], data: &[u8]| {
        raw.send(6, 2, &[&handle[5..], &0_u64.to_be_bytes(), &string(data)]);
        raw.read()
    };
    let close = |raw: &mut Raw, handle: &[u8]| {
        raw.send(4, 3, &[&handle[5..]]);
        raw.read()[8]
    };
    house.change_accounts(|accounts| accounts.accounts[0].quota.max_staged_bytes = 10);
    let mut raw = house.raw();
    raw.init();
    let (one, two) = (open(&mut raw, "a.csv"), open(&mut raw, "b.csv.filepart"));
    assert_eq!(write(&mut raw, &one, b"12345")[8], 0);
    assert_eq!(write(&mut raw, &two, b"12345")[8], 0);
    assert_eq!(close(&mut raw, &two), 0, "a partial keeps its bytes");
    let three = open(&mut raw, "c.csv");
    assert!(String::from_utf8_lossy(&three).contains("in unfinished uploads as it may (10 bytes)"), "{three:?}");
    assert_eq!(close(&mut raw, &one), 0, "what has landed is no longer in the way");
    let three = open(&mut raw, "c.csv");
    assert!(String::from_utf8_lossy(&write(&mut raw, &three, b"123456")).contains("finish or remove some"));
    assert_eq!(close(&mut raw, &three), 4, "what was refused does not land");

    house.change_accounts(|accounts| {
        accounts.accounts[0].quota.max_staged_bytes = 1000;
        accounts.accounts[0].quota.max_bytes_per_hour = 20;
    });
    house.set_clock("2018-12-03T12:10:00Z");
    let four = open(&mut raw, "d.csv");
    assert_eq!(write(&mut raw, &four, b"12345")[8], 0);
    let told = write(&mut raw, &four, b"123456");
    assert!(String::from_utf8_lossy(&told).contains("what it may in an hour (20 bytes): send the file again in 50 minutes"), "{told:?}");
    house.set_clock("2018-12-03T13:00:00Z");
    let four = open(&mut raw, "d.csv");
    assert_eq!(write(&mut raw, &four, b"123456")[8], 0, "the hour's first bytes have left");
    assert_eq!(close(&mut raw, &four), 0);
    raw.kill();
    let names: Vec<_> = house.accepted().iter().map(|delivery| delivery.name.as_str().to_owned()).collect();
    assert_eq!(names, ["a.csv", "d.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_its_login_is_no_longer_allowed() {
    type Change = fn(&House);
    let rows: [(&str, Change); 6] = [
        ("this account has been closed", |house| house.close_accounts()),
        ("has been taken out of bedfeed", |house| house.change_accounts(|accounts| accounts.accounts[0].keys.clear())),
        ("the key of this login has expired", |house| {
            house.change_accounts(|accounts| accounts.accounts[0].keys[0].expires = Some("2018-12-03".parse().unwrap()));
        }),
        ("the sharing agreement of this account has ended", |house| {
            house.change_accounts(|accounts| accounts.accounts[0].agreement_ends = Some("2018-12-02".parse().unwrap()));
        }),
        ("has been revoked", |house| {
            house.change_accounts(|accounts| accounts.trust.revoked_keys.push(fingerprint(house, "ed25519")));
        }),
        ("this address may no longer use the account", |house| {
            let elsewhere = Network { address: "10.0.0.0".parse().unwrap(), prefix: 8 };
            house.change_accounts(|accounts| accounts.accounts[0].networks = vec![elsewhere]);
        }),
    ];
    for (told, change) in rows {
        let house = House::open_for(Settings::default(), &["ed25519", "ecdsa"]).await;
        let mut raw = house.raw_with("ed25519", &["-o", "LogLevel=INFO"]);
        raw.init();
        // A change that does not concern the login leaves it alone.
        house.change_accounts(|accounts| accounts.accounts[0].keys.truncate(1));
        raw.send(16, 5, &[&string(b".")]);
        assert_eq!(raw.read()[0], 104, "{told}");
        change(&house);
        let words = raw.last_words();
        assert!(words.contains(told), "{told}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_a_certificate_ends_with_it_and_with_its_authority() {
    let house = House::open().await;
    keygen(&house, &["-t", "ed25519", "-N", "", "-C", "", "-f", "ca"]);
    house.change_accounts(|accounts| accounts.trust.user_cas.push(UserCa { name: "ca".to_owned(), public_key: public_key(&house, "ca") }));
    keygen(&house, &["-s", "ca", "-I", "night job", "-n", "RM1", "-V", "20180101:20990101", "other.pub"]);
    for (told, lapse) in [("the certificate of this login has expired", true), ("this login is no longer allowed", false)] {
        house.set_clock("2018-12-03T12:00:00Z");
        let mut raw = house.raw_with("other", &["-o", "LogLevel=INFO"]);
        raw.init();
        if lapse {
            house.set_clock("2099-06-01T00:00:00Z");
            house.change_accounts(|_| ());
        } else {
            house.change_accounts(|accounts| accounts.trust.user_cas.clear());
        }
        let words = raw.last_words();
        assert!(words.contains(told), "{told}: {words}");
    }
}

/// A client that trusts whatever key the endpoint shows.
struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

async fn connect(house: &House) -> Handle<Trusting> {
    client::connect(Arc::default(), house.address(), Trusting).await.unwrap()
}

/// Sends a message of its own instead of the signature that the endpoint waits for.
struct Instead(Vec<u8>);

impl russh::Signer for Instead {
    type Error = russh::SendError;

    async fn auth_sign(&mut self, _key: &AgentIdentity, _hash: Option<HashAlg>, to_sign: Vec<u8>) -> Result<Vec<u8>, russh::SendError> {
        // Before the message stands the session's id, a string of 32 bytes.
        Ok([&to_sign[..36], &self.0].concat())
    }
}

fn private_key(house: &House, name: &str) -> Arc<PrivateKey> {
    Arc::new(russh::keys::load_secret_key(house.dir().join(name), None).unwrap())
}

/// A signed-looking request to log in: user, key, and a signature that is none.
fn forged_login(user: &str, key: &PublicKey) -> Vec<u8> {
    let signature = [string(b"ssh-ed25519"), string(&[7; 64])].concat();
    let blob = key.to_bytes().unwrap();
    [
        vec![50],
        string(user.as_bytes()),
        string(b"ssh-connection"),
        string(b"publickey"),
        vec![1],
        string(b"ssh-ed25519"),
        string(&blob),
        string(&signature),
    ]
    .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_bound_by_a_signature_and_by_nothing_before_it() {
    let house = House::open_for(Settings::default(), &["ed25519"]).await;
    let key = private_key(&house, "ed25519");
    let public = key.public_key().clone();
    let proper = || PrivateKeyWithHashAlg::new(Arc::clone(&key), None);
    // The endpoint says that it would take the key (that is how we get to sign), and gets a forged signature instead.
    let mut ssh = connect(&house).await;
    for user in ["RM1", "RGP"] {
        let mut forged = Instead(forged_login(user, &public));
        let outcome = ssh.authenticate_publickey_with("RM1", public.clone(), None, &mut forged).await.unwrap();
        assert!(!outcome.success(), "a forged signature for {user}");
    }
    // A real signature, after the key was welcome under another name: what was proved there counts for nothing here.
    assert!(!ssh.authenticate_publickey("RGP", proper()).await.unwrap().success());
    assert_eq!(house.counters.read().logins, 0);
    assert!(ssh.authenticate_publickey("RM1", proper()).await.unwrap().success());
    assert_eq!(house.counters.read().logins, 1);
    // The public half alone gets nobody in either.
    std::fs::copy(house.dir().join("ed25519.pub"), house.dir().join("half.pub")).unwrap();
    assert!(!house.sftp_as("RM1", "half", PLAIN, "ls").await.ok);
    assert_eq!(house.counters.read().logins, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_opened_before_the_login() {
    let house = House::open().await;
    let key = private_key(&house, "ed25519");
    let mut ssh = connect(&house).await;
    let open_channel = [vec![90], string(b"session"), [7_u32, 1 << 20, 1 << 15].iter().flat_map(|n| n.to_be_bytes()).collect()].concat();
    let mut instead = Instead(open_channel);
    let early = ssh.authenticate_publickey_with("RM1", key.public_key().clone(), None, &mut instead);
    // There is no answer to it: the wait for one is given up.
    assert!(tokio::time::timeout(Duration::from_secs(1), early).await.is_err(), "a channel is not opened, and is no login");
    assert_eq!(house.counters.read().logins, 0);
    let proper = PrivateKeyWithHashAlg::new(Arc::clone(&key), None);
    assert!(ssh.authenticate_publickey("RM1", proper).await.unwrap().success());
    let mut channels = Vec::new();
    for n in 1..=10 {
        channels.push(ssh.channel_open_session().await.unwrap_or_else(|error| panic!("channel {n} of ten: {error}")));
    }
    assert!(ssh.channel_open_session().await.is_err(), "ten are the bound, and the early one is not among them");
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_the_login_grace_is_kept_however_busy_the_client_is() {
    let house = House::open_with(Settings { login_grace: Duration::from_millis(1200), ..Settings::default() }).await;
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    stream.write_all(b"SSH-2.0-test\r\n").await.unwrap();
    // SSH_MSG_IGNORE, unencrypted as all is before the first key exchange: length 12, padding 6, the message, an empty string.
    let ignore = [0, 0, 0, 12, 6, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut trickle = tokio::time::interval(Duration::from_millis(20));
    let mut sent = 0;
    while stream.write_all(&ignore).await.is_ok() {
        sent += 1;
        assert!(sent < 1000, "the connection goes on for ever");
        trickle.tick().await;
    }
    assert!(sent > 10, "it was busy when it ended: {sent}");
    assert_eq!(house.counters.read().logins, 0);
}
