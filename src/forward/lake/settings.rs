//! What the settings say about a lake: where its objects are, and how a server knows us.
//!
//! Owns reading the address. Refuses a secret in it, and an unencrypted way over the network.

use super::super::secret::Secret;
use std::net::IpAddr;
use std::path::PathBuf;

/// A lake: Parquet objects in a folder or a bucket, with an index in the state folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LakeSettings {
    /// `parquet:file:///FOLDER`: a folder on this machine, or one that is mounted.
    Folder(PathBuf),
    /// `parquet:s3://BUCKET/PREFIX`: a bucket of a server that speaks S3.
    Bucket(LakeBucket),
}

/// A bucket, and how its server knows us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeBucket {
    /// The bucket and the prefix in it.
    pub address: LakeAddress,
    /// The server's address, as `https://HOST:PORT`; `None`: Amazon's of the region.
    pub endpoint: Option<String>,
    /// The region that requests are signed for.
    pub region: String,
    /// Who we are.
    pub access_key_id: String,
    /// Where the secret is that proves it.
    pub secret: Secret,
    /// The authorities that may vouch for the server, as PEM; `None`: Mozilla's.
    pub ca_file: Option<PathBuf>,
}

/// A place in an object store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LakeAddress {
    /// The bucket.
    pub bucket: String,
    /// What the names of all objects begin with; empty, or without a slash at either end.
    pub prefix: String,
}

impl LakeSettings {
    /// The folder of `parquet:file:///FOLDER`.
    ///
    /// # Errors
    /// What is wrong with it, in words that never repeat it.
    pub fn folder(url: &str) -> Result<Self, &'static str> {
        let path = url.strip_prefix("parquet:file://").ok_or("does not start with parquet:file:///")?;
        if !path.starts_with('/') || path.len() < 2 || path.contains(['%', '?', '#', '\0']) {
            return Err("must be \"parquet:file://\" and a folder's whole path, such as \"parquet:file:///srv/lake\"");
        }
        Ok(Self::Folder(path.into()))
    }
}

impl LakeAddress {
    /// Reads `parquet:s3://BUCKET/PREFIX`.
    ///
    /// # Errors
    /// What is wrong with it, in words that never repeat it: there may be a secret in it.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let rest = url.strip_prefix("parquet:s3://").ok_or("does not start with parquet:s3://")?;
        if rest.contains(['@', '?', '#', '%']) {
            return Err("must hold no user and no secret: access_key_id, secret_file and secret_credential are keys of their own");
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let of_a_name = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-' || letter == '.';
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(of_a_name) {
            return Err("names no bucket: parquet:s3://BUCKET/PREFIX, a bucket of 3 to 63 small letters, digits, dots and hyphens");
        }
        let prefix = prefix.trim_end_matches('/');
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.=".contains(letter);
        let part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain);
        if !prefix.is_empty() && (prefix.len() > 200 || !prefix.split('/').all(part)) {
            return Err("has a prefix that is not made of letters, digits, -, _, . and = between single slashes");
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

impl LakeBucket {
    /// Checks a server's address: `https://HOST:PORT`, or `http://` where that never leaves this machine.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn endpoint(url: &str) -> Result<String, &'static str> {
        let (encrypted, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return Err("must start with https://"),
        };
        let server = rest.strip_suffix('/').unwrap_or(rest);
        let of_a_server = |letter: char| letter.is_ascii_alphanumeric() || "-._:[]".contains(letter);
        if server.is_empty() || !server.chars().all(of_a_server) {
            return Err("must be a server and perhaps a port, such as \"https://minio.example:9000\", and nothing else");
        }
        if !encrypted && !is_this_machine(host(server)) {
            return Err("may start with http:// only for a server on this machine: what is loaded would cross the network in the clear");
        }
        Ok(format!("{}://{server}", if encrypted { "https" } else { "http" }))
    }
}

/// A server without its port and brackets.
fn host(server: &str) -> &str {
    match server.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => server.split(':').next().unwrap_or(server),
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_what_is_wrong_with_one_is_told_without_repeating_it() {
        let rows = [
            ("parquet:s3://beds", Ok("beds|")),
            ("parquet:s3://beds/", Ok("beds|")),
            ("parquet:s3://beds/lake/2018", Ok("beds|lake/2018")),
            ("parquet:s3://beds/lake/", Ok("beds|lake")),
            ("parquet:s3://", Err("names no bucket")),
            ("parquet:s3://Be", Err("names no bucket")),
            ("parquet:s3://BEDS/lake", Err("names no bucket")),
            ("parquet:s3://key:Geheim@beds/lake", Err("no secret")),
            ("parquet:s3://beds/lake?secret=Geheim", Err("no secret")),
            ("parquet:s3://beds/a//b", Err("prefix")),
            ("parquet:s3://beds/a/../b", Err("prefix")),
            ("parquet:s3://beds/a b", Err("prefix")),
        ];
        for (url, expected) in rows {
            let read = LakeAddress::parse(url).map(|it| format!("{}|{}", it.bucket, it.prefix));
            match (read, expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{url}"),
                (Err(told), Err(expected)) => assert!(told.contains(expected) && !told.contains("eim"), "{url}: {told}"),
                (read, expected) => panic!("{url}: {read:?} {expected:?}"),
            }
        }
        let rows = [
            ("parquet:file:///srv/lake", Ok("/srv/lake")),
            ("parquet:file:///", Err("whole path")),
            ("parquet:file://srv/lake", Err("whole path")),
            ("parquet:file:///srv/lake%20a", Err("whole path")),
            ("parquet:/srv/lake", Err("does not start")),
        ];
        for (url, expected) in rows {
            match (LakeSettings::folder(url), expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, LakeSettings::Folder(expected.into()), "{url}"),
                (Err(told), Err(expected)) => assert!(told.contains(expected), "{url}: {told}"),
                (read, expected) => panic!("{url}: {read:?} {expected:?}"),
            }
        }
    }

    #[test]
    fn only_what_stays_on_this_machine_may_go_unencrypted() {
        let rows = [
            ("https://minio.example:9000", Ok("https://minio.example:9000")),
            ("https://minio.example/", Ok("https://minio.example")),
            ("https://[2001:db8::1]:9000", Ok("https://[2001:db8::1]:9000")),
            ("http://127.0.0.1:9000", Ok("http://127.0.0.1:9000")),
            ("http://localhost:9000", Ok("http://localhost:9000")),
            ("http://[::1]:9000", Ok("http://[::1]:9000")),
            ("http://minio.example:9000", Err("in the clear")),
            ("http://127.0.0.1.example", Err("in the clear")),
            ("http://localhost@minio.example", Err("nothing else")),
            ("https://minio.example/beds", Err("nothing else")),
            ("https://", Err("nothing else")),
            ("minio.example", Err("https://")),
        ];
        for (url, expected) in rows {
            match (LakeBucket::endpoint(url), expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{url}"),
                (Err(told), Err(expected)) => assert!(told.contains(expected), "{url}: {told}"),
                (read, expected) => panic!("{url}: {read:?} {expected:?}"),
            }
        }
    }
}
