//! Who asks: the system's account at the other end of the control socket.
//!
//! Owns what the kernel tells of it: the user, and where the machine keeps one the user who logged in, which stays the same
//! under `sudo` and `su` and which nobody but root can change. Refuses to believe anything that the asker says.

use crate::ledger::Account;
use std::fs;
use std::path::Path;
use tokio::net::UnixStream;

/// What the kernel gives where nobody logged in: a service, or a machine that does not keep it.
const NO_LOGIN: u32 = u32::MAX;

/// The account of the process at the other end; `None` where the kernel does not tell.
pub(super) fn of(stream: &UnixStream) -> Option<Account> {
    let peer = stream.peer_cred().ok()?;
    // The process waits for our answer, so its number is still its own.
    let login = peer.pid().and_then(|pid| fs::read_to_string(format!("/proc/{pid}/loginuid")).ok());
    let users = fs::read_to_string(Path::new("/etc/passwd")).unwrap_or_default();
    Some(account(peer.uid(), login.as_deref(), &users))
}

/// An account from the number of its user, the kernel's note of its login, and the machine's list of users. Pure.
fn account(uid: u32, login: Option<&str>, users: &str) -> Account {
    let login_uid = login.and_then(|text| text.trim().parse().ok()).filter(|login| *login != NO_LOGIN);
    Account { uid, user: name_of(uid, users), login_uid, login: login_uid.and_then(|login| name_of(login, users)) }
}

fn name_of(uid: u32, users: &str) -> Option<String> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid) && !name.chars().any(char::is_control)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_told_by_user_and_login() {
        let users = "root:x:0:0:root:/root:/bin/bash\nbroken line\nann:x:1001:1001::/home/ann:/bin/sh\n";
        let rows = [
            (0, Some("4294967295"), "asked as root"),
            (0, Some("1001\n"), "logged in as ann, asked as root"),
            (1001, Some("1001"), "asked as ann"),
            (1002, None, "asked as user 1002"),
            (0, Some("nonsense"), "asked as root"),
        ];
        for (uid, login, shown) in rows {
            assert_eq!(account(uid, login, users).to_string(), shown);
        }
    }
}
