//! Signing requests to a server that speaks S3: AWS Signature Version 4.
//!
//! Pure: the time is an argument, and the secret is not kept.

use crate::feed::Digest;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// A request as it is signed.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// The path as it is sent, encoded.
    pub(super) path: &'a str,
    /// Headers by their names in small letters; all of them are signed.
    pub(super) headers: BTreeMap<&'static str, String>,
    pub(super) body: &'a [u8],
}

/// Who signs, and for where.
pub(super) struct Signer<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) secret: &'a str,
    pub(super) region: &'a str,
}

/// The headers of a request with those that sign it.
pub(super) fn signed(request: Request<'_>, signer: &Signer<'_>, now: Timestamp) -> BTreeMap<&'static str, String> {
    let Request { method, path, mut headers, body } = request;
    let (time, date) = (now.strftime("%Y%m%dT%H%M%SZ").to_string(), now.strftime("%Y%m%d").to_string());
    let hash = Digest::of(body).to_string();
    headers.insert("x-amz-content-sha256", hash.clone());
    headers.insert("x-amz-date", time.clone());
    let names = headers.keys().copied().collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let canonical = format!("{method}\n{path}\n\n{lines}\n{names}\n{hash}");
    let scope = format!("{date}/{}/s3/aws4_request", signer.region);
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", Digest::of(canonical.as_bytes()));
    let mut key = hmac(format!("AWS4{}", signer.secret).as_bytes(), date.as_bytes());
    for part in [signer.region, "s3", "aws4_request"] {
        key = hmac(&key.0, part.as_bytes());
    }
    let signature = hmac(&key.0, to_sign.as_bytes());
    let credential = format!("{}/{scope}", signer.access_key_id);
    headers.insert("authorization", format!("AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={names},Signature={signature}"));
    headers
}

/// A path with all but plain letters and slashes as `%3D`.
pub(super) fn encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    let each = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(each).collect()
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> Digest {
    const BLOCK: usize = 64;
    let mut padded = if key.len() > BLOCK { Digest::of(key).0.to_vec() } else { key.to_vec() };
    padded.resize(BLOCK, 0);
    let with = |byte: u8| padded.iter().map(|key| key ^ byte).collect::<Vec<u8>>();
    let inner = Digest::of(&[with(0x36).as_slice(), message].concat());
    Digest::of(&[with(0x5c).as_slice(), &inner.0].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyed_hash_is_that_of_the_standard() {
        // RFC 4231, test cases 2 and 6.
        let rows: [(&[u8], &[u8], &str); 2] = [
            (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (key, message, expected) in rows {
            assert_eq!(hmac(key, message).to_string(), expected);
        }
    }

    #[test]
    fn a_request_is_signed_as_amazon_shows_it() {
        // "Signature Calculations for the Authorization Header": GET Object.
        let signer =
            Signer { access_key_id: "AKIAIOSFODNN7EXAMPLE", secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region: "us-east-1" };
        let host = ("host", "examplebucket.s3.amazonaws.com".to_owned());
        let headers = BTreeMap::from([host, ("range", "bytes=0-9".to_owned())]);
        let request = Request { method: "GET", path: "/test.txt", headers, body: b"" };
        let headers = signed(request, &signer, "2013-05-24T00:00:00Z".parse().unwrap());
        let expected = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,\
             Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert_eq!(headers["authorization"], expected);
        assert!(!headers.values().any(|value| value.contains(signer.secret)));
    }

    #[test]
    fn a_path_is_encoded_once() {
        assert_eq!(encoded("/beds/day=2018-12-03/a b.json"), "/beds/day%3D2018-12-03/a%20b.json");
    }
}
