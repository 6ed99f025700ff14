//! The demo's folder: the shipped sample settings, with keys made for this demo and ports that were free.

use super::TemporaryFolder;
use crate::cli::Failure;
use crate::cli::table::shell;
use crate::feed::Slot;
use crate::ledger;
use crate::quarantine::{Recipient, make_keys};
use crate::service::Running;
use crate::simulator::Layout;
use jiff::{SignedDuration, Timestamp};
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The main settings file.
pub(super) const SETTINGS: &str = "bedfeed.toml";
/// The folder of the providers' private keys.
pub(super) const KEYS: &str = "keys";
/// The private key that opens what was sealed, in that folder: what a governance lead would keep elsewhere.
const GOVERNANCE_KEY: &str = "governance.txt";
/// The provider that stays silent at first.
pub(super) const SILENT: Layout = Layout::Ncc;

const PROVIDERS: [(&str, &str); 6] = [
    ("RM1", include_str!("../../../config/providers/RM1.toml")),
    ("RGP", include_str!("../../../config/providers/RGP.toml")),
    ("RCX", include_str!("../../../config/providers/RCX.toml")),
    ("RMY", include_str!("../../../config/providers/RMY.toml")),
    ("RY3", include_str!("../../../config/providers/RY3.toml")),
    ("NCC", include_str!("../../../config/providers/NCC.toml")),
];

/// The examples that the mappings carry: provider, name, content.
const EXAMPLES: &[(&str, &str, &[u8])] = &[
    ("RM1", "RM1_BEDSTATE_20181203_1015.csv", include_bytes!("../../../config/providers/examples/RM1/RM1_BEDSTATE_20181203_1015.csv")),
    (
        "RM1",
        "RM1_BEDSTATE_20181203_1015.csv.sha256",
        include_bytes!("../../../config/providers/examples/RM1/RM1_BEDSTATE_20181203_1015.csv.sha256"),
    ),
    ("RM1", "lines.csv", include_bytes!("../../../config/providers/examples/RM1/lines.csv")),
    ("RGP", "JPUH beds 03-12-2018 1015.csv", include_bytes!("../../../config/providers/examples/RGP/JPUH beds 03-12-2018 1015.csv")),
    ("RGP", "JPUH waiting 03-12-2018 1015.csv", include_bytes!("../../../config/providers/examples/RGP/JPUH waiting 03-12-2018 1015.csv")),
    ("RGP", "lines.csv", include_bytes!("../../../config/providers/examples/RGP/lines.csv")),
    ("RCX", "lines.csv", include_bytes!("../../../config/providers/examples/RCX/lines.csv")),
    ("RCX", "rcx_bs_0001234.txt", include_bytes!("../../../config/providers/examples/RCX/rcx_bs_0001234.txt")),
    ("RMY", "RMY-bedstate-2018-12-03T1015.csv", include_bytes!("../../../config/providers/examples/RMY/RMY-bedstate-2018-12-03T1015.csv")),
    ("RMY", "RMY-bedstate-2018-12-03T1015.ctl", include_bytes!("../../../config/providers/examples/RMY/RMY-bedstate-2018-12-03T1015.ctl")),
    ("RMY", "lines.csv", include_bytes!("../../../config/providers/examples/RMY/lines.csv")),
    ("RY3", "RY3_20181203_101500.zip", include_bytes!("../../../config/providers/examples/RY3/RY3_20181203_101500.zip")),
    ("RY3", "lines.csv", include_bytes!("../../../config/providers/examples/RY3/lines.csv")),
    (
        "NCC",
        "NCC_CAREHOME_CAPACITY_201812031015.csv",
        include_bytes!("../../../config/providers/examples/NCC/NCC_CAREHOME_CAPACITY_201812031015.csv"),
    ),
    ("NCC", "lines.csv", include_bytes!("../../../config/providers/examples/NCC/lines.csv")),
];

const REFERENCE: [(&str, &str); 8] = [
    ("sites.csv", include_str!("../../../config/reference/sites.csv")),
    ("wards.csv", include_str!("../../../config/reference/wards.csv")),
    ("ward_aliases.csv", include_str!("../../../config/reference/ward_aliases.csv")),
    ("ward_types.csv", include_str!("../../../config/reference/ward_types.csv")),
    ("ward_classes.csv", include_str!("../../../config/reference/ward_classes.csv")),
    ("bed_groups.csv", include_str!("../../../config/reference/bed_groups.csv")),
    ("ward_telling_words.csv", include_str!("../../../config/reference/ward_telling_words.csv")),
    ("bank_holidays.csv", include_str!("../../../config/reference/bank_holidays.csv")),
];

/// A fresh folder under the system's temporary one.
pub(super) fn temporary() -> Result<TemporaryFolder, Failure> {
    let path = std::env::temp_dir().join(format!("bedfeed-demo-{}", uuid::Uuid::now_v7().simple()));
    DirBuilder::new().mode(0o700).create(&path)?;
    Ok(TemporaryFolder { path })
}

/// Writes settings, reference data and keys; gives the settings file.
pub(super) fn prepare(dir: &Path, now: Timestamp) -> Result<PathBuf, Failure> {
    let settings = dir.join(SETTINGS);
    if dir.join(ledger::FILE_NAME).try_exists()? || settings.try_exists()? {
        let again = format!("bedfeed run --config {}", shell(&settings));
        return Err(Failure::Failed(format!("{} holds a demo already: carry on with `{again}`, or give another folder", dir.display())));
    }
    for folder in ["", "providers", "reference", KEYS] {
        DirBuilder::new().recursive(true).mode(0o700).create(dir.join(folder))?;
    }
    let dir = dir.canonicalize()?;
    let (recipient, private) = make_keys();
    write(&dir.join(KEYS).join(GOVERNANCE_KEY), private.as_bytes(), 0o600)?;
    write(&dir.join(SETTINGS), main_settings(&dir, &recipient).as_bytes(), 0o600)?;
    for (name, text) in REFERENCE {
        write(&dir.join("reference").join(name), text.as_bytes(), 0o600)?;
    }
    for (code, name, content) in EXAMPLES {
        let folder = dir.join("providers/examples").join(code);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        write(&folder.join(name), content, 0o600)?;
    }
    for (code, text) in PROVIDERS {
        let public_key = make_key(&dir.join(KEYS).join(code))?;
        let text = provider_settings(code, text, &public_key, now);
        write(&dir.join("providers").join(format!("{code}.toml")), text.as_bytes(), 0o600)?;
    }
    Ok(dir.join(SETTINGS))
}

/// Writes the ports that were free into the settings, so that `bedfeed run` uses the same.
pub(super) fn keep_ports(settings: &Path, running: &Running) -> Result<(), Failure> {
    let text = std::fs::read_to_string(settings)?;
    let sftp = running.sftp_address()?;
    let text = text.replace(SFTP_ANY, &format!("listen = [\"{sftp}\"] # sftp"));
    let text = text.replace(WEB_ANY, &format!("listen = \"{}\" # web", running.web));
    write(settings, text.as_bytes(), 0o600)
}

const SFTP_ANY: &str = "listen = [\"127.0.0.1:0\"] # sftp";
const ALL_FROM_HERE: &str = "connection_rate = 1000 # all six providers send from this machine, and all at once";
const WEB_ANY: &str = "listen = \"127.0.0.1:0\" # web";

fn main_settings(dir: &Path, recipient: &Recipient) -> String {
    // A quoted path with backslashes or quotes in it would need escaping; JSON's is TOML's too.
    let state_dir = serde_json::Value::String(dir.display().to_string());
    format!(
        "# Written by `bedfeed demo`.\nstate_dir = {state_dir}\n\n[sftp]\n{SFTP_ANY}\n{ALL_FROM_HERE}\n\n[web]\n{WEB_ANY}\n\n\
         [governance]\nrecipients = [\"{recipient}\"] # its other half: {KEYS}/{GOVERNANCE_KEY}\n"
    )
}

/// The shipped sample with a key, and with the first slot that is expected: the silent provider should have sent already,
/// the others have sent when the demo's first round is over.
fn provider_settings(code: &str, text: &str, public_key: &str, now: Timestamp) -> String {
    let current = Slot::containing(now);
    let due = current.start().saturating_add(SignedDuration::from_mins(5)).unwrap_or(now);
    let first = match (code == SILENT.code(), due <= now) {
        (true, true) => current,
        (true, false) => current.previous(),
        (false, _) => current.next(),
    };
    let scheduled = text.replacen("[schedule]\n", &format!("[schedule]\nfirst_slot = \"{first}\"\n"), 1);
    format!("{scheduled}\n[[keys]]\nowner = \"demo\"\npublic_key = \"{public_key}\"\n")
}

/// Makes a key pair, writes both halves, gives the public one.
fn make_key(path: &Path) -> Result<String, Failure> {
    let key = crate::simulator::make_key().map_err(Failure::broken)?;
    write(path, key.private.as_bytes(), 0o600)?;
    write(&path.with_extension("pub"), format!("{}\n", key.public).as_bytes(), 0o644)?;
    Ok(key.public)
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    Ok(())
}
