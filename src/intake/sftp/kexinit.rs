//! What a client offers: its identification line and its first SSH_MSG_KEXINIT, read as they pass in clear text. Pure.
//!
//! Owns the reading and the rule by which both sides choose (RFC 4253, sections 4.2, 6, 7.1). It only watches: whatever it
//! cannot read, it lets pass, and the SSH library decides on the connection by itself. Bounded to [`MAX_HEARD_BYTES`].

use crate::feed::Negotiated;
use std::sync::{Arc, OnceLock};

/// Most bytes looked at: an SSH packet may have 35,000 (RFC 4253, section 6.1), the identification 255 more.
const MAX_HEARD_BYTES: usize = 35_255;

/// The message number of SSH_MSG_KEXINIT.
const KEXINIT: u8 = 20;

/// The cookie at the start of its body, in bytes.
const COOKIE_BYTES: usize = 16;

/// What a client puts into its list of key exchanges to ask for strict key exchange.
const STRICT_AS_CLIENT: &str = "kex-strict-c-v00@openssh.com";

/// Ciphers that bring their own authentication: no MAC is chosen beside them.
const AUTHENTICATED_CIPHERS: [&str; 3] = ["aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"];

/// What a client offers, in its order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    kex: Vec<String>,
    host_key: Vec<String>,
    cipher: Vec<String>,
    mac: Vec<String>,
    compression: Vec<String>,
}

/// What we offer: names only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) kex: Vec<String>,
    pub(super) host_key: Vec<String>,
    pub(super) cipher: Vec<String>,
    pub(super) mac: Vec<String>,
}

/// Where an offer is found once it was heard.
pub(super) type Heard = Arc<OnceLock<Offer>>;

/// Listens to the start of what a client sends.
#[derive(Debug)]
pub(super) struct Listener {
    buffer: Vec<u8>,
    heard: Heard,
    listening: bool,
}

impl Listener {
    pub(super) fn new() -> Self {
        Self { buffer: Vec::new(), heard: Heard::default(), listening: true }
    }

    pub(super) fn heard(&self) -> Heard {
        Arc::clone(&self.heard)
    }

    /// Takes the next bytes; does nothing once the offer was heard, or cannot come any more.
    pub(super) fn listen(&mut self, bytes: &[u8]) {
        if !self.listening {
            return;
        }
        let room = MAX_HEARD_BYTES.saturating_sub(self.buffer.len());
        self.buffer.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        match find_offer(&self.buffer) {
            Found::Offer(offer) => drop(self.heard.set(offer)),
            Found::NotYet if self.buffer.len() < MAX_HEARD_BYTES => return,
            Found::NotYet | Found::Nothing => {}
        }
        self.listening = false;
        self.buffer = Vec::new();
    }
}

enum Found {
    Offer(Offer),
    NotYet,
    Nothing,
}

/// Looks for the offer after the identification line; packets before it are skipped.
fn find_offer(bytes: &[u8]) -> Found {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(line), Some(mut rest)) = (lines.next(), lines.next()) else { return Found::NotYet };
    if !line.starts_with(b"SSH-") {
        return Found::Nothing;
    }
    loop {
        let Some((length, after)) = number(rest) else { return Found::NotYet };
        if !(2..=MAX_HEARD_BYTES).contains(&length) {
            return Found::Nothing;
        }
        let Some((packet, next)) = after.split_at_checked(length) else { return Found::NotYet };
        let Some((padding, body)) = packet.split_first() else { return Found::Nothing };
        let payload = body.len().checked_sub(usize::from(*padding)).and_then(|end| body.get(..end));
        match payload.and_then(<[u8]>::split_first) {
            Some((&KEXINIT, lists)) => return read_lists(lists).map_or(Found::Nothing, Found::Offer),
            Some(_) => rest = next,
            None => return Found::Nothing,
        }
    }
}

/// The name-lists of a KEXINIT, in the order of RFC 4253, section 7.1.
fn read_lists(body: &[u8]) -> Option<Offer> {
    let mut rest = body.get(COOKIE_BYTES..)?;
    let mut next = || {
        let (length, after) = number(rest)?;
        let (list, after) = after.split_at_checked(length)?;
        rest = after;
        let text = std::str::from_utf8(list).ok()?;
        Some(text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect::<Vec<_>>())
    };
    let (kex, host_key, cipher) = (next()?, next()?, next()?);
    let _cipher_to_client = next()?;
    let mac = next()?;
    let _mac_to_client = next()?;
    let compression = next()?;
    Some(Offer { kex, host_key, cipher, mac, compression })
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_be_bytes(*number)).ok()?, rest))
}

impl Offer {
    /// What this client and we agree on: of each list the client's first name that we have too. `None` where there is none.
    pub(super) fn meet(&self, ours: &Ours) -> Option<Negotiated> {
        let first = |theirs: &[String], ours: &[String]| theirs.iter().find(|name| ours.contains(name)).cloned();
        let kex = first(&self.kex, &ours.kex)?;
        let host_key = first(&self.host_key, &ours.host_key)?;
        let cipher = first(&self.cipher, &ours.cipher)?;
        let mac = if AUTHENTICATED_CIPHERS.contains(&cipher.as_str()) { String::new() } else { first(&self.mac, &ours.mac)? };
        self.compression.iter().any(|name| name == "none").then_some(())?;
        Some(Negotiated { kex, host_key, cipher, mac, strict: self.kex.iter().any(|name| name == STRICT_AS_CLIENT) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &str) -> Vec<u8> {
        [&u32::try_from(names.len()).unwrap().to_be_bytes(), names.as_bytes()].concat()
    }

    fn packet(payload: &[u8]) -> Vec<u8> {
        let padding = [0; 7];
        let length = u32::try_from(1 + payload.len() + padding.len()).unwrap();
        [&length.to_be_bytes(), [7].as_slice(), payload, &padding].concat()
    }

    fn kexinit(lists: [&str; 8]) -> Vec<u8> {
        let mut payload = vec![KEXINIT];
        payload.extend([9; COOKIE_BYTES]);
        lists.iter().for_each(|names| payload.extend(list(names)));
        payload.extend(list(""));
        payload.extend(list(""));
        payload.extend([0; 5]);
        packet(&payload)
    }

    fn modern() -> Vec<u8> {
        kexinit([
            "sntrup761x25519-sha512@openssh.com,curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com",
            "rsa-sha2-512,ssh-ed25519",
            "chacha20-poly1305@openssh.com,aes128-ctr",
            "chacha20-poly1305@openssh.com,aes128-ctr",
            "umac-64-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
            "umac-64-etm@openssh.com,hmac-sha2-256-etm@openssh.com",
            "none,zlib@openssh.com",
            "none,zlib@openssh.com",
        ])
    }

    fn ours() -> Ours {
        let names = |text: &str| text.split(' ').map(str::to_owned).collect();
        Ours {
            kex: names("mlkem768x25519-sha256 curve25519-sha256"),
            host_key: names("ssh-ed25519"),
            cipher: names("aes128-gcm@openssh.com chacha20-poly1305@openssh.com aes128-ctr"),
            mac: names("hmac-sha2-256-etm@openssh.com"),
        }
    }

    fn hear(chunks: &[&[u8]]) -> Option<Offer> {
        let mut listener = Listener::new();
        chunks.iter().for_each(|chunk| listener.listen(chunk));
        listener.heard().get().cloned()
    }

    #[test]
    fn the_clients_first_name_that_we_have_is_chosen() {
        let stream = [b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n".as_slice(), &modern()].concat();
        let met = hear(&[&stream]).unwrap().meet(&ours()).unwrap();
        assert_eq!(met.kex, "curve25519-sha256");
        assert_eq!(met.host_key, "ssh-ed25519");
        assert_eq!((met.cipher.as_str(), met.mac.as_str()), ("chacha20-poly1305@openssh.com", ""));
        assert!(met.strict && !met.is_post_quantum());
    }

    #[test]
    fn a_cipher_without_authentication_needs_a_mac_that_both_have() {
        let with = |macs: &str| {
            let lists = ["curve25519-sha256", "ssh-ed25519", "aes128-ctr", "aes128-ctr", macs, macs, "none", "none"];
            let stream = [b"SSH-2.0-x\r\n".as_slice(), &kexinit(lists)].concat();
            hear(&[&stream]).unwrap().meet(&ours()).map(|met| met.mac)
        };
        assert_eq!(with("hmac-sha1,hmac-sha2-256-etm@openssh.com").as_deref(), Some("hmac-sha2-256-etm@openssh.com"));
        assert_eq!(with("hmac-sha1,hmac-sha2-256"), None);
    }

    #[test]
    fn it_makes_no_difference_how_the_bytes_are_cut_or_what_follows() {
        let ignore = packet(&[2, 0, 0, 0, 0]);
        let stream = [b"SSH-2.0-x\r\n".as_slice(), &ignore, &modern(), b"\x00\x00\x00\x2c and the next packet"].concat();
        let whole = hear(&[&stream]).unwrap();
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(hear(&bytes), Some(whole.clone()));
        for cut in (0..stream.len()).step_by(13) {
            let (before, after) = stream.split_at(cut);
            assert_eq!(hear(&[before, after]), Some(whole.clone()), "cut at {cut}");
        }
    }

    #[test]
    fn p9_no_damaged_byte_can_panic() {
        let stream = [b"SSH-2.0-x\r\n".as_slice(), &modern()].concat();
        for at in 0..stream.len() {
            for damage in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut damaged = stream.clone();
                damaged[at] ^= damage;
                if let Some(offer) = hear(&[&damaged]) {
                    drop(offer.meet(&ours()));
                }
            }
        }
    }

    #[test]
    fn p9_what_cannot_be_read_is_let_pass_and_forgotten() {
        let long = [b"SSH-2.0-x\r\n".as_slice(), &[0, 1, 0, 0]].concat();
        let endless = vec![b'x'; 3 * MAX_HEARD_BYTES];
        let ignores = [b"SSH-2.0-x\r\n".to_vec(), packet(&[2; 300]).repeat(200)].concat();
        let cut_list = [b"SSH-2.0-x\r\n".to_vec(), packet(&[[KEXINIT].as_slice(), &[0; 18]].concat())].concat();
        let not_text = [b"SSH-2.0-x\r\n".to_vec(), packet(&[[KEXINIT].as_slice(), &[0; 16], &[0, 0, 0, 1, 0xff]].concat())].concat();
        let padded = [b"SSH-2.0-x\r\n".as_slice(), &[0, 0, 0, 2, 9, KEXINIT]].concat();
        let rows = [
            ("a web request", b"GET / HTTP/1.1\r\n".as_slice()),
            ("a packet that is too long", &long),
            ("no end of line", &endless),
            ("packets without end", &ignores),
            ("a list cut off", &cut_list),
            ("a list that is no text", &not_text),
            ("more padding than packet", &padded),
        ];
        for (what, bytes) in rows {
            let mut listener = Listener::new();
            bytes.chunks(1000).for_each(|chunk| listener.listen(chunk));
            assert!(listener.heard().get().is_none(), "{what}");
            assert!(!listener.listening && listener.buffer.capacity() == 0, "{what}: nothing is kept");
        }
    }
}
