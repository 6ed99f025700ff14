//! Tests of the client against a small server on this machine.

use super::*;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::server::{self, Auth, ChannelOpenHandle, Msg, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use russh_sftp::protocol::{Attrs, Data, File, FileAttributes, Handle as SftpHandle, Name, OpenFlags, Status, StatusCode};
use std::collections::BTreeMap;
use std::sync::Mutex;
use tokio::net::TcpListener;

type Files = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from(Ed25519Keypair::from_seed(&[seed; 32]))
}

fn fingerprint(seed: u8) -> String {
    key(seed).public_key().fingerprint(HashAlg::Sha256).to_string()
}

/// Takes connections for as long as the test runs; its host key is number 1 and it lets key number 2 in.
async fn server(files: Files) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::new(server::Config {
        keys: vec![key(1)],
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        ..server::Config::default()
    });
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let session = Session { files: files.clone(), channels: BTreeMap::new() };
            let config = config.clone();
            tokio::spawn(async move {
                if let Ok(running) = server::run_stream(config, socket, session).await {
                    drop(running.await);
                }
            });
        }
    });
    address
}

struct Session {
    files: Files,
    channels: BTreeMap<ChannelId, Channel<Msg>>,
}

impl server::Handler for Session {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, user: &str, offered: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let known = user == "RM1" && offered.public_key.key_data() == key(2).public_key().key_data();
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut server::Session,
    ) -> Result<(), Self::Error> {
        self.channels.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(&mut self, id: ChannelId, _: &str, session: &mut server::Session) -> Result<(), Self::Error> {
        let channel = self.channels.remove(&id).unwrap();
        session.channel_success(id)?;
        russh_sftp::server::run(channel.into_stream(), Store { files: self.files.clone(), listed: false }).await;
        Ok(())
    }
}

/// Keeps files in memory; refuses to close any whose name starts with `full`, and to open any that starts with `no`.
struct Store {
    files: Files,
    listed: bool,
}

fn ok(id: u32) -> Status {
    Status { id, status_code: StatusCode::Ok, error_message: String::new(), language_tag: String::new() }
}

impl russh_sftp::server::Handler for Store {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn open(&mut self, id: u32, path: String, flags: OpenFlags, _: FileAttributes) -> Result<SftpHandle, StatusCode> {
        let mut files = self.files.lock().unwrap();
        if path.starts_with("inbox/no") {
            return Err(StatusCode::PermissionDenied);
        }
        if flags.contains(OpenFlags::CREATE) {
            files.insert(path.clone(), Vec::new());
        }
        if files.contains_key(&path) { Ok(SftpHandle { id, handle: path }) } else { Err(StatusCode::NoSuchFile) }
    }

    async fn write(&mut self, id: u32, handle: String, offset: u64, data: Vec<u8>) -> Result<Status, StatusCode> {
        let mut files = self.files.lock().unwrap();
        let file = files.get_mut(&handle).unwrap();
        let offset = usize::try_from(offset).unwrap();
        file.resize(file.len().max(offset + data.len()), 0);
        file[offset..offset + data.len()].copy_from_slice(&data);
        Ok(ok(id))
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, len: u32) -> Result<Data, StatusCode> {
        let files = self.files.lock().unwrap();
        let rest = files[&handle].get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let data = rest[..rest.len().min(usize::try_from(len).unwrap())].to_vec();
        if data.is_empty() { Err(StatusCode::Eof) } else { Ok(Data { id, data }) }
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusCode> {
        if handle.starts_with("inbox/full") { Err(StatusCode::Failure) } else { Ok(ok(id)) }
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Result<Status, StatusCode> {
        let mut files = self.files.lock().unwrap();
        if to.starts_with("inbox/taken") {
            return Err(StatusCode::Failure);
        }
        let bytes = files.remove(&from).unwrap();
        files.insert(to, bytes);
        Ok(ok(id))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<SftpHandle, StatusCode> {
        self.listed = false;
        if path == "inbox" { Ok(SftpHandle { id, handle: path }) } else { Err(StatusCode::NoSuchFile) }
    }

    async fn readdir(&mut self, id: u32, _: String) -> Result<Name, StatusCode> {
        if std::mem::replace(&mut self.listed, true) {
            return Err(StatusCode::Eof);
        }
        let file = |(path, bytes): (&String, &Vec<u8>)| {
            let size = Some(u64::try_from(bytes.len()).unwrap());
            File::new(path.trim_start_matches("inbox/"), FileAttributes { size, ..FileAttributes::empty() })
        };
        Ok(Name { id, files: self.files.lock().unwrap().iter().map(file).collect() })
    }

    async fn stat(&mut self, id: u32, _: String) -> Result<Attrs, StatusCode> {
        Ok(Attrs { id, attrs: FileAttributes::empty() })
    }
}

async fn connect(address: SocketAddr, user: &str, seed: u8, trust: HostKey) -> Result<Uploader, UploadError> {
    Uploader::connect(address, user, key(seed), &trust).await
}

#[tokio::test]
async fn what_was_put_is_listed_and_can_be_got() {
    let files = Files::default();
    let address = server(files.clone()).await;
    let uploader = connect(address, "RM1", 2, HostKey::Fingerprint(fingerprint(1))).await.unwrap();
    let large: Vec<u8> = (0..700_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect();
    uploader.put("inbox", "large.csv", &large).await.unwrap();
    uploader.put_then_rename("inbox/", "empty.csv", b"").await.unwrap();
    assert_eq!(files.lock().unwrap()["inbox/large.csv"], large);
    assert_eq!(uploader.get("inbox/large.csv").await.unwrap(), large);
    assert_eq!(uploader.get("inbox/empty.csv").await.unwrap(), b"");
    let expected = [("empty.csv", 0), ("large.csv", 700_000)];
    let listed = uploader.list("inbox").await.unwrap();
    assert_eq!(listed, expected.map(|(name, bytes)| Listed { name: name.to_owned(), bytes: Some(bytes) }));
    uploader.close().await.unwrap();
}

#[tokio::test]
async fn an_upload_is_not_done_before_the_close_is_confirmed() {
    let address = server(Files::default()).await;
    let uploader = connect(address, "RM1", 2, HostKey::AnyOnLoopback).await.unwrap();
    for (name, expected) in [("no.csv", "cannot open inbox/no.csv"), ("full.csv", "cannot close inbox/full.csv")] {
        assert_eq!(uploader.put("inbox", name, b"x").await.unwrap_err().to_string(), expected);
    }
    let error = uploader.put_then_rename("inbox", "taken.csv", b"x").await.unwrap_err();
    assert_eq!(error.to_string(), "cannot rename inbox/taken.csv.filepart");
    assert_eq!(uploader.get("inbox/none.csv").await.unwrap_err().to_string(), "cannot open inbox/none.csv");
    assert_eq!(uploader.list("outbox").await.unwrap_err().to_string(), "cannot list outbox");
}

#[tokio::test]
async fn a_larger_file_than_the_limit_is_not_read_whole() {
    let files = Files::default();
    let limit = usize::try_from(MAX_GET_BYTES).unwrap();
    files.lock().unwrap().extend([("most".to_owned(), vec![0; limit]), ("more".to_owned(), vec![0; limit + 1])]);
    let uploader = connect(server(files).await, "RM1", 2, HostKey::AnyOnLoopback).await.unwrap();
    assert_eq!(uploader.get("most").await.unwrap().len(), limit);
    assert!(matches!(uploader.get("more").await, Err(UploadError::TooLarge(_))));
}

#[tokio::test]
async fn only_the_expected_server_and_an_accepted_key_will_do() {
    let address = server(Files::default()).await;
    let elsewhere = "192.0.2.1:22".parse().unwrap();
    let nobody = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    let rows = [
        (
            address,
            "RM1",
            2,
            HostKey::Fingerprint(fingerprint(3)),
            format!("the server at {address} has the host key {}, not {}", fingerprint(1), fingerprint(3)),
        ),
        (address, "RM1", 4, HostKey::AnyOnLoopback, format!("{address} refuses to log in RM1")),
        (address, "RGP", 2, HostKey::AnyOnLoopback, format!("{address} refuses to log in RGP")),
        (elsewhere, "RM1", 2, HostKey::AnyOnLoopback, format!("{elsewhere} is not on this machine: give the fingerprint of its host key")),
        (nobody, "RM1", 2, HostKey::AnyOnLoopback, format!("cannot talk to {nobody}")),
    ];
    for (address, user, seed, trust, expected) in rows {
        let error = connect(address, user, seed, trust).await.err().unwrap();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn a_private_key_is_read_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("RM1");
    key(2).write_openssh_file(&path, ssh_key::LineEnding::LF).unwrap();
    assert_eq!(load_key(&path).unwrap().public_key(), key(2).public_key());
    std::fs::write(&path, "nothing").unwrap();
    assert!(load_key(&path).unwrap_err().to_string().starts_with("cannot read the private key "));
}
