//! Signatures, made by the real `ssh-keygen`.

use super::*;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `ssh-keygen`, and expects it to succeed.
fn ssh_keygen(arguments: &[&str]) {
    let ran = Command::new("ssh-keygen").args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// A new key of a kind and size, as its path.
fn key(folder: &Path, kind: &str, bits: &str) -> String {
    let path = folder.join(format!("{kind}-{bits}")).to_str().unwrap().to_owned();
    ssh_keygen(&["-q", "-t", kind, "-b", bits, "-N", "", "-C", "job", "-f", &path]);
    path
}

fn signed(key: &str, namespace: &str, file: &Path) -> Vec<u8> {
    let signature = format!("{}.sig", file.display());
    std::fs::remove_file(&signature).ok();
    ssh_keygen(&["-q", "-Y", "sign", "-f", key, "-n", namespace, file.to_str().unwrap()]);
    std::fs::read(signature).unwrap()
}

fn signer(key: &str) -> Signer {
    let public = std::fs::read_to_string(format!("{key}.pub")).unwrap();
    Signer {
        owner: "Extract job".to_owned(),
        key: PublicKey::from_openssh(&public).unwrap(),
        namespace: NAMESPACE.to_owned(),
        expires: None,
    }
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn said(signature: &[u8], file: &[u8], signers: &[Signer]) -> String {
    let checked = check(signature, file, signers, day("2018-12-03"));
    checked.map_or_else(|finding| format!("{} {}", finding.rule, finding.message), |()| "taken".to_owned())
}

#[test]
fn trn_10_signatures_of_every_kind_of_key_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("beds.csv");
    let beds = b"WHEN,SITE\n03/12/2018 10:15,RM102\n";
    std::fs::write(&file, beds).unwrap();
    let kinds = [("ed25519", "256"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "2048")];
    let keys = kinds.map(|(kind, bits)| key(folder.path(), kind, bits));
    let signers: Vec<Signer> = keys.iter().map(|key| signer(key)).collect();
    for (at, key) in keys.iter().enumerate() {
        let signature = signed(key, NAMESPACE, &file);
        assert_eq!(said(&signature, beds, &signers), "taken", "{key}");
        let others: Vec<Signer> = signers.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, signer)| signer.clone()).collect();
        assert!(said(&signature, beds, &others).contains("TRN-10 The signature was made with a key that is not agreed"), "{key}");
        assert!(said(&signature, &beds[..beds.len() - 1], &signers).contains("does not fit the file"), "{key}");
        assert!(said(&signature, b"another file\n", &signers).contains("does not fit the file"), "{key}");
        assert!(said(&signed(key, "file", &file), beds, &signers).contains("for another purpose"), "{key}");
    }
}

#[test]
fn trn_10_a_signature_that_is_no_longer_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("beds.csv");
    std::fs::write(&file, b"beds").unwrap();
    let key = key(folder.path(), "ed25519", "256");
    let whole = signed(&key, NAMESPACE, &file);
    let signers = [signer(&key)];
    let text = String::from_utf8(whole.clone()).unwrap();
    let crlf = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    assert_eq!(said(crlf.as_bytes(), b"beds", &signers), "taken");
    assert_eq!(said(text.trim_end().as_bytes(), b"beds", &signers), "taken");
    for end in 0..text.trim_end().len() {
        assert_ne!(said(&whole[..end], b"beds", &signers), "taken", "cut at {end}");
    }
    let middle = text.find('\n').unwrap() + 40;
    let mut damaged = whole.clone();
    damaged[middle] = if damaged[middle] == b'A' { b'B' } else { b'A' };
    assert_ne!(said(&damaged, b"beds", &signers), "taken");
    let rows: [(&[u8], &str); 4] = [
        (b"", "is empty"),
        (&[b'x'; MAX_BYTES + 1], "too long"),
        (b"-----BEGIN PGP SIGNATURE-----\n", "holds no OpenSSH signature"),
        (b"\xff\xfe\x00", "holds no OpenSSH signature"),
    ];
    for (bytes, expected) in rows {
        assert!(said(bytes, b"beds", &signers).contains(expected), "{expected}");
    }
    // The last day before it ends, and the day it ends.
    let expiring = [Signer { expires: Some(day("2018-12-04")), ..signer(&key) }];
    assert_eq!(said(&whole, b"beds", &expiring), "taken");
    let late = check(&whole, b"beds", &expiring, day("2018-12-04")).unwrap_err();
    assert_eq!(late.message, "The signature is by the key of Extract job, which is not taken from 2018-12-04 on.");
}
