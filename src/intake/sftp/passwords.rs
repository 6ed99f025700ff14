//! Passwords: whether a hash may be used at all, and whether a password is the one behind it.
//!
//! Owns Argon2id. Refuses hashes that are cheap to guess against or dear to verify: a stranger decides how often we verify.

use super::limits::MAX_PASSWORD_BYTES;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{ARGON2ID_IDENT, Argon2, Params};
use std::ops::RangeInclusive;

/// Memory of one verification, in KiB. Source: the least is OWASP's (7 MiB with five passes); the most is ours.
const MEMORY_KIB: RangeInclusive<u32> = 7 * 1024..=64 * 1024;

/// Passes over that memory.
const PASSES: RangeInclusive<u32> = 1..=10;

/// Lanes; they are worked on one after the other.
const LANES: RangeInclusive<u32> = 1..=4;

/// Least memory times passes, in KiB: what OWASP's weakest advice comes to (7 MiB five times).
const LEAST_WORK_KIB: u32 = 5 * 7 * 1024;

/// Why a password hash in the settings is not taken. The hash itself is never repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPasswordHash {
    /// It cannot be read.
    #[error("is not an Argon2id hash in PHC form, such as the program argon2 prints with -id -e: $argon2id$v=19$m=…")]
    NotArgon2id,
    /// It can be guessed against too cheaply.
    #[error("is too cheap to guess against: use at least -t 5 -k 7168, or better -t 2 -k 32768")]
    TooCheap,
    /// It costs too much to verify.
    #[error("is too dear to verify: at most 65536 KiB (-k 65536), 10 passes (-t 10) and 4 lanes (-p 4)")]
    TooDear,
}

/// Checks the hash of a password that the settings name.
///
/// # Errors
/// Where it is no Argon2id hash of version 19 with a salt, or its cost is not what we take.
pub fn check_password_hash(text: &str) -> Result<(), BadPasswordHash> {
    let hash = PasswordHash::new(text).map_err(|_| BadPasswordHash::NotArgon2id)?;
    let params = Params::try_from(&hash).map_err(|_| BadPasswordHash::NotArgon2id)?;
    let whole = hash.algorithm == ARGON2ID_IDENT && hash.version == Some(19) && hash.salt.is_some() && hash.hash.is_some();
    if !whole {
        return Err(BadPasswordHash::NotArgon2id);
    }
    let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
    if memory > *MEMORY_KIB.end() || passes > *PASSES.end() || lanes > *LANES.end() {
        return Err(BadPasswordHash::TooDear);
    }
    let work = memory.saturating_mul(passes);
    if !MEMORY_KIB.contains(&memory) || work < LEAST_WORK_KIB {
        return Err(BadPasswordHash::TooCheap);
    }
    Ok(())
}

/// Whether a password is the one behind a hash. Takes tens of milliseconds, and the memory that the hash names.
pub(super) fn is_right(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    password.len() <= MAX_PASSWORD_BYTES && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Salt and hash; their content does not matter where only the cost is looked at.
    const TAIL: &str = "$YmVkZmVlZHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_hash_is_neither_cheap_nor_dear() {
        let rows = [
            ("$argon2id$v=19$m=32768,t=2,p=1", Ok(())),
            ("$argon2id$v=19$m=65536,t=10,p=4", Ok(())),
            ("$argon2id$v=19$m=7168,t=5,p=1", Ok(())),
            ("$argon2id$v=19$m=7168,t=4,p=1", Err(BadPasswordHash::TooCheap)),
            ("$argon2id$v=19$m=4096,t=10,p=1", Err(BadPasswordHash::TooCheap)),
            ("$argon2id$v=19$m=65537,t=2,p=1", Err(BadPasswordHash::TooDear)),
            ("$argon2id$v=19$m=32768,t=11,p=1", Err(BadPasswordHash::TooDear)),
            ("$argon2id$v=19$m=32768,t=2,p=5", Err(BadPasswordHash::TooDear)),
            ("$argon2i$v=19$m=32768,t=2,p=1", Err(BadPasswordHash::NotArgon2id)),
            ("$argon2d$v=19$m=32768,t=2,p=1", Err(BadPasswordHash::NotArgon2id)),
            ("$argon2id$v=16$m=32768,t=2,p=1", Err(BadPasswordHash::NotArgon2id)),
            ("$argon2id$m=32768,t=2,p=1", Err(BadPasswordHash::NotArgon2id)),
            ("$2b$12$", Err(BadPasswordHash::NotArgon2id)),
            ("correct horse", Err(BadPasswordHash::NotArgon2id)),
        ];
        for (start, expected) in rows {
            assert_eq!(check_password_hash(&format!("{start}{TAIL}")), expected, "{start}");
        }
        assert_eq!(check_password_hash("$argon2id$v=19$m=32768,t=2,p=1"), Err(BadPasswordHash::NotArgon2id), "no salt, no hash");
    }

    #[test]
    fn only_the_right_password_is_right() {
        let hash = hash_of("correct horse");
        assert!(is_right("correct horse", &hash));
        for wrong in ["", "correct", "correct horse ", "Correct horse"] {
            assert!(!is_right(wrong, &hash), "{wrong:?}");
        }
        assert!(!is_right("correct horse", "correct horse"), "a hash that cannot be read lets nobody in");
        let long = "x".repeat(MAX_PASSWORD_BYTES + 1);
        assert!(!is_right(&long, &hash_of(&long)), "nor does a password beyond all measure");
    }

    fn hash_of(password: &str) -> String {
        use argon2::{Algorithm, PasswordHasher, Version};
        let params = Params::new(7168, 5, 1, None).unwrap();
        let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        hasher.hash_password_with_salt(password.as_bytes(), b"bedfeedsalt").unwrap().to_string()
    }
}
