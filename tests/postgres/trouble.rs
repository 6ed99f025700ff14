//! A server in trouble under a daemon that is never restarted: a standby, a full disk, a lock, another password, a restart. `status` says
//! what it is in plain words, files are taken all the while, and all is loaded once it is over.

use super::common::extract::good;
use super::common::{Service, now, wait_until};
use super::server::{OWNER, Server, Session, server};
use super::{TURN, load_into, loaded_once, service};
use jiff::SignedDuration;
use std::sync::PoisonError;

fn notices(service: &Service) -> String {
    service.status()["summary"]["notices"].to_string()
}

/// Sends a file, the older the higher its number: each is one of a slot of its own.
fn send(service: &Service, number: u32) {
    let (name, text) = good("RZA", now() - SignedDuration::from_mins(1 + 15 * i64::from(number)), number + 1);
    service.send("RZA", "inbox", [(name.as_str(), &text)]);
}

/// The last file that was sent waits, and `status` says why.
#[track_caller]
fn told(service: &Service, words: &str) {
    wait_until(&format!("status says: {words}"), || {
        let notices = notices(service);
        notices.contains("1 snapshot waits for the warehouse") && notices.contains("in vain") && notices.contains(words)
    });
}

/// It is over: all that was sent is loaded once, and `status` has nothing more to say of it.
#[track_caller]
fn over(server: &Server, database: &str, service: &Service, sent: usize) {
    let rows = service.settled(sent);
    assert!(rows.iter().all(|row| row["outcome"] == "loaded"), "{rows:?}");
    loaded_once(server, database, service);
    assert!(!notices(service).contains("waits for the warehouse"), "{}", notices(service));
}

#[test]
fn a_restart_a_lock_and_another_password_are_told_and_got_over() {
    let Some(server) = server() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut service = Service::cottage(&["RZA"]);
    let database = server.database(None);
    let user = format!("{database}_daemon");
    server.psql("postgres", &format!("CREATE ROLE {user} LOGIN PASSWORD '{user}'; ALTER DATABASE {database} OWNER TO {user}"));
    load_into(&service, server, &user, &database);
    service.start();
    send(&service, 0);
    over(server, &database, &service, 1);

    server.stop();
    send(&service, 1);
    told(&service, "Connection refused");
    server.start_again();
    over(server, &database, &service, 2);

    let lock = Session::begin(server, &database, "LOCK TABLE ingest_snapshot IN ACCESS EXCLUSIVE MODE");
    send(&service, 2);
    told(&service, "somebody else holds a lock for too long");
    drop(lock);
    over(server, &database, &service, 3);

    // Sessions that were let in before stay: whoever changes a password ends them.
    server.psql("postgres", &format!("ALTER ROLE {user} PASSWORD 'another one'"));
    server.psql("postgres", &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'"));
    send(&service, 3);
    told(&service, "the server does not accept the user or the password");
    assert!(!service.log().contains("another one"));
    std::fs::write(server.password_file(service.dir(), &user), "another one").unwrap();
    over(server, &database, &service, 4);
    service.stop();
}

#[test]
fn a_standby_is_told_and_loaded_into_from_when_it_is_promoted() {
    let Some(server) = server() else { return };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut service, database) = service(server, &["RZA"]);
    service.bedfeed(&["warehouse", "migrate"]).fine();
    let standby = Server::start(Some(server));
    let (first, second) = (format!(":{}/", server.port), format!(":{}/", standby.port));
    service.edit("bedfeed.toml", &first, &second);
    let follows = "SELECT status FROM pg_stat_wal_receiver";
    wait_until("the standby follows", || standby.psql("postgres", follows) == ["streaming"]);
    service.start();
    send(&service, 0);
    told(&service, "the server is a standby, or was set to reading only");
    assert_eq!(server.psql(&database, "SELECT count(*) FROM ingest_snapshot"), ["0"]);
    assert_eq!(standby.psql_as(OWNER, &database, "SELECT pg_promote()"), Ok(vec!["t".to_owned()]));
    over(&standby, &database, &service, 1);
    assert_eq!(server.psql(&database, "SELECT count(*) FROM ingest_snapshot"), ["0"], "the other one is another now");
    service.stop();
}

#[test]
fn a_full_disk_of_the_server_is_told_and_got_over() {
    if server().is_none() {
        return;
    }
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::start(None);
    if !server.mount_small_disk() {
        return;
    }
    let (mut service, database) = service(&server, &["RZA"]);
    server.psql("postgres", &format!("ALTER DATABASE {database} SET TABLESPACE small"));
    service.start();
    // Tables that hold nothing yet need room for the first row.
    wait_until("control facts are published", || server.psql(&database, "SELECT count(*) FROM feed") == ["1"]);
    server.fill_disk();
    send(&service, 0);
    // Sometimes it lets nobody in then, and says less.
    told(&service, "disk");
    assert!(service.log().contains("the server's disk is full"), "{}", service.log());
    server.make_room();
    over(&server, &database, &service, 1);
    service.stop();
}
