//! Cryptography as others see it: ssh-audit's verdict on each setting, and what OpenSSH's programs can and cannot agree on.

#![expect(clippy::panic, reason = "a test stops at the first surprise")]

use crate::house::{House, until};
use bedfeed::intake::Settings;
use bedfeed::simulator::{HostKey, Uploader, load_key};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// What ssh-audit says of every server that offers ChaCha20-Poly1305 with strict key exchange: true, and no complaint.
const REMINDER: &str = "Be aware that, while this target properly supports the strict key exchange method";

/// ssh-audit's report on the endpoint. `tests/run` installs the program.
async fn audit(house: &House) -> Value {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/bin/ssh-audit");
    assert!(program.try_exists().unwrap(), "{} is not there: tests/run installs it", program.display());
    let port = house.address().port().to_string();
    let run = move || Command::new(program).args(["-j", "-p", &port, "127.0.0.1"]).stdin(Stdio::null()).output().unwrap();
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {}", String::from_utf8_lossy(&output.stderr)))
}

/// Every failure and warning as `name level: text`, and every remark of the whole but the reminder.
fn complaints(report: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for kind in ["kex", "key", "enc", "mac"] {
        let algorithms = report[kind].as_array().unwrap();
        assert!(!algorithms.is_empty(), "no {kind} in the report: {report}");
        for algorithm in algorithms {
            for level in ["fail", "warn"] {
                for text in algorithm["notes"][level].as_array().into_iter().flatten() {
                    found.push(format!("{} {level}: {}", algorithm["algorithm"].as_str().unwrap(), text.as_str().unwrap()));
                }
            }
        }
    }
    found.extend(report["cves"].as_array().unwrap().iter().map(|cve| format!("cve: {cve}")));
    let remarks = report["additional_notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap());
    found.extend(remarks.filter(|note| !note.starts_with(REMINDER)).map(str::to_owned));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_audit_finds_nothing_but_that_curve25519_is_not_post_quantum() {
    let not_post_quantum = "does not provide protection against post-quantum attacks";
    // With its rate test: one address may open so few connections a second that the key exchange is no lever (CVE-2002-20001).
    let house = House::open_strictly(Settings::default(), &["ed25519"]).await;
    assert_eq!(
        complaints(&audit(&house).await),
        [format!("curve25519-sha256 warn: {not_post_quantum}"), format!("curve25519-sha256@libssh.org warn: {not_post_quantum}")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_audit_finds_nothing_at_all_where_only_post_quantum_is_offered() {
    let house = House::open_strictly(Settings { post_quantum_only: true, ..Settings::default() }, &["ed25519"]).await;
    assert_eq!(complaints(&audit(&house).await), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_compatibility_costs_is_what_the_documents_say() {
    let house = House::open_strictly(Settings { compatibility: true, ..Settings::default() }, &["ed25519"]).await;
    let documented = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/limits.md")).unwrap();
    let found = complaints(&audit(&house).await);
    assert!(found.len() > 4, "{found:?}");
    for complaint in found {
        assert!(documented.contains(&format!("- `{complaint}`")), "docs/limits.md does not say: {complaint}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_offered_can_be_agreed_on() {
    let modern = [
        "Ciphers=aes256-gcm@openssh.com",
        "Ciphers=aes128-gcm@openssh.com",
        "Ciphers=chacha20-poly1305@openssh.com",
        "Ciphers=aes256-ctr",
        "Ciphers=aes128-ctr",
        "KexAlgorithms=curve25519-sha256",
        "KexAlgorithms=curve25519-sha256@libssh.org",
        "MACs=hmac-sha2-512-etm@openssh.com",
        "MACs=hmac-sha2-256-etm@openssh.com",
    ];
    let never = ["KexAlgorithms=diffie-hellman-group14-sha1", "Ciphers=aes256-cbc", "MACs=hmac-sha1-etm@openssh.com,hmac-md5"];
    let house = House::open_for(Settings::default(), &["ed25519", "rsa"]).await;
    for option in modern {
        // A MAC is only chosen beside a cipher that has none of its own.
        let cipher = if option.starts_with("MACs") { "-o Ciphers=aes128-ctr " } else { "" };
        let run = house.scp(&format!("{cipher}-o {option}"), &house.file("a.csv", b"x"), "inbox/a.csv").await;
        assert!(run.ok, "{option}: {}", run.stderr);
    }
    for option in never {
        let cipher = if option.starts_with("MACs") { "-o Ciphers=aes128-ctr " } else { "" };
        let run = house.scp(&format!("{cipher}-o {option}"), &house.file("a.csv", b"x"), "inbox/a.csv").await;
        assert!(!run.ok, "{option}");
    }
    let run = house.sftp_as("RM1", "rsa", "PubkeyAcceptedAlgorithms=rsa-sha2-256", "ls").await;
    assert!(run.ok, "a user's RSA key with SHA-2: {}", run.stderr);
    let run = house.sftp_as("RM1", "rsa", "PubkeyAcceptedAlgorithms=ssh-rsa", "ls").await;
    assert!(!run.ok, "never with SHA-1");
    until("the last client is gone", || house.counters.read().open == 0).await;
    let counts = house.close_and_count().await;
    let closed = |reason: &str| counts.closed.iter().find(|(name, _)| *name == reason).unwrap().1;
    assert_eq!(closed("no_common_algorithm"), 3, "{counts:?}");
    assert_eq!(closed("left"), 10, "{counts:?}");
    assert_eq!(closed("no_login"), 1, "told which algorithms are taken, the client does not even try SHA-1: {counts:?}");
    assert_eq!((counts.open, counts.waiting), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_post_quantum_key_exchange_works_where_only_that_is_offered() {
    let house = House::open_with(Settings { post_quantum_only: true, ..Settings::default() }).await;
    let key = load_key(&house.dir().join("ed25519")).unwrap();
    let sender = Uploader::connect(house.address(), "RM1", key, &HostKey::AnyOnLoopback).await.unwrap();
    sender.put("inbox", "beds.csv", b"a,b\n1,2\n").await.unwrap();
    sender.close().await.unwrap();
    assert_eq!(house.accepted().len(), 1);
    until("the client is noted", || house.seen().len() == 1).await;
    let seen = house.seen();
    assert_eq!(seen[0].negotiated.kex, "mlkem768x25519-sha256");
    assert!(seen[0].negotiated.strict && seen[0].notes().is_empty(), "nothing stands in the way of stricter settings: {seen:?}");
    assert_eq!((seen[0].provider.as_str(), seen[0].key_owner.as_str()), ("RM1", "informatics"));
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_without_post_quantum_find_nothing_where_only_that_is_offered() {
    let house = House::open_with(Settings { post_quantum_only: true, ..Settings::default() }).await;
    let run = house.sftp_as("RM1", "ed25519", "KexAlgorithms=curve25519-sha256", "ls").await;
    assert!(!run.ok);
    // The client is gone sooner than its connection is counted.
    until("the connection has ended", || house.counters.read().closed.iter().any(|(_, count)| *count > 0)).await;
    let counts = house.close_and_count().await;
    assert!(counts.closed.contains(&("no_common_algorithm", 1)), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_renewed_in_the_middle_of_an_upload_as_often_as_the_settings_say() {
    let house = House::open_with(Settings { rekey_bytes: 1 << 17, ..Settings::default() }).await;
    let content: Vec<u8> = (0..1_900_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let file = house.file("big.csv", &content);
    let mut command = Command::new("scp");
    command.args(["-v", "-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]);
    command.args(["-o", "IdentityAgent=none", "-o", "IdentitiesOnly=yes", "-i"]).arg(house.dir().join("ed25519"));
    command.args(["-P", &house.address().port().to_string(), &file, "RM1@127.0.0.1:inbox/big.csv"]).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let renewals = said.matches("SSH2_MSG_KEXINIT received").count();
    // The first one is the login's; what is on its way while keys are renewed is not counted towards the next renewal.
    assert!(renewals > 2, "{renewals} key exchanges: {said}");
    assert_eq!(house.accepted()[0].sha256, bedfeed::feed::Digest::of(&content));
}
