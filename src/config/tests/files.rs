//! What a mapping may not say of its files: how they are packed, who signs them, and where their first line is.

use super::{PROVIDER, check, problems};

#[test]
fn what_files_are_packed_and_signed_with_must_fit_together() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    let signer = |more: &str| format!("[[signers]]\nowner = \"job\"\npublic_key = \"{key}\"\n{more}");
    let signature = |more: &str| {
        format!(
            "[[mapping.file]]\npart = \"sig\"\nrole = \"signature\"\nname = \"{{org}}_{{yyyy}}{{mm}}{{dd}}_{{HH}}{{MM}}.csv.sig\"\n{more}"
        )
    };
    // The signers, what is said of the signature (nothing: there is none), and what is reported.
    let rows: [(String, Option<&str>, &[&str]); 9] = [
        (signer(""), Some(""), &[]),
        (signer("namespace = \"beds\"\nexpires = 2030-01-01\n"), Some("signs = \"beds\"\n"), &[]),
        (String::new(), Some(""), &["19: mapping[0].file[1].part: there are no [[signers]] in this file"]),
        (signer(""), None, &["10: signers: has no effect: no [[mapping.file]] has the role \"signature\""]),
        (
            signer(""),
            Some("signs = \"bed\"\n"),
            &["25: mapping[0].file[1].signs: no [[mapping.file]] is called \"bed\"; did you mean \"beds\"?"],
        ),
        (signer(""), Some("signs = \"sig\"\n"), &["25: mapping[0].file[1].signs: a signature cannot be for a signature"]),
        (signer("namespace = \"\"\n"), Some(""), &["13: signers[0].namespace: "]),
        (signer(&signer("")), Some(""), &["15: signers[1].public_key: this key is listed already, for job"]),
        (
            signer("").replace("ssh-ed25519 AAAA", "ssh-ed25519 AAAB"),
            Some(""),
            &["12: signers[0].public_key: is not an OpenSSH public key"],
        ),
    ];
    for (signers, more, expected) in rows {
        let files = more.map(signature).unwrap_or_default();
        let text = PROVIDER.replacen("[[mapping]]", &format!("{signers}[[mapping]]"), 1).replacen(
            "[[mapping.table]]",
            &format!("{files}[[mapping.table]]"),
            1,
        );
        let got = problems(&[("bedfeed.toml", "state_dir = \"s\""), ("providers/RM1.toml", &text)]);
        let got: Vec<&str> = got.iter().map(|line| line.strip_prefix("providers/RM1.toml:").unwrap_or(line)).collect();
        let same = got.len() == expected.len() && got.iter().zip(expected).all(|(got, expected)| got.starts_with(expected));
        assert!(same, "{text}\n got      {got:#?}\n expected {expected:#?}");
    }
    let file = "part = \"beds\"\n";
    check(file, "part = \"beds\"\ncompression = \"gzip\"\n", &[]);
    check(
        file,
        "part = \"beds\"\ncompression = \"zip\"\n",
        &["17: mapping[0].file[0].compression: \"zip\" is not one of \"none\", \"gzip\""],
    );
    check(file, "part = \"beds\"\nsigns = \"beds\"\n", &["17: mapping[0].file[0].signs: has no effect"]);
    check(file, "part = \"beds\"\nalways = \"kind\"\n", &["17: mapping[0].file[0].always: has no effect"]);
    let control = |key: &str| {
        format!(
            "[[mapping.file]]\npart = \"c\"\nrole = \"control\"\nname = \"{{org}}_{{yyyy}}{{mm}}{{dd}}_{{HH}}{{MM}}.ctl\"\nalways = [\"kind\", \"{key}\"]\n[[mapping.table]]"
        )
    };
    check("[[mapping.table]]", &control("sequence_no"), &[]);
    let wrong = "22: mapping[0].file[1].always[1]: \"sequence\" is no key of a control record; did you mean \"sequence_no\"?";
    check("[[mapping.table]]", &control("sequence"), &[wrong]);
    check("[[mapping.table]]", &control("kind"), &["22: mapping[0].file[1].always[1]: \"kind\" is named twice"]);
    let sum = "[[mapping.file]]\npart = \"sum\"\nrole = \"sha256\"\nname = \"{org}_{yyyy}{mm}{dd}_{HH}{MM}.sum\"\ncompression = \"gzip\"\n[[mapping.table]]";
    check("[[mapping.table]]", sum, &["22: mapping[0].file[1].compression: has no effect: only a file of rows is unpacked"]);
    check("snapshot_at", "skip_lines = 3\nsnapshot_at", &[]);
    check("snapshot_at", "skip_lines = 51\nsnapshot_at", &["23: mapping[0].table[0].skip_lines: must be 0 to 50"]);
    check(
        "snapshot_at",
        "header = false\nskip_lines = 1\nsnapshot_at",
        &["18: mapping[0].table[0]: skip_lines needs a header or a header_line"],
    );
    check(".csv\"", ".csv.gz\"", &[]);
    let member = PROVIDER.replacen(".csv\"", ".csv.gz\"", 1).replacen("snapshot_at", "member = \"a.csv\"\nsnapshot_at", 1);
    let got = problems(&[("bedfeed.toml", "state_dir = \"s\""), ("providers/RM1.toml", &member)]);
    assert_eq!(got, ["providers/RM1.toml:18: mapping[0].table[0]: member has no effect: the file is gzip, which has no members"]);
    let trailer = "trailer_line = { starts = \"T\", rows = 2, total_occ = 3, total_dem = 3 }\nsnapshot_at";
    check("snapshot_at", trailer, &["23: mapping[0].table[0].trailer_line: two things cannot stand at the same position"]);
    let header = "header_line = { starts = \"H\", kind = 2, dataset = 2 }\nsnapshot_at";
    check("snapshot_at", header, &["23: mapping[0].table[0].header_line: two things cannot stand at the same position"]);
}
