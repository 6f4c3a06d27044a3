//! TLS: versions, resumption, client certificates, revocation, reload, and clients that do not finish.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::{ClientCertificates, Parts, Settings, StartError, TlsError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{HandshakeKind, ProtocolVersion};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::certificates::{Authority, connect, open};
use crate::hall::House;
use crate::support::{Connect, Gatehouse, Raw, accept_everything, is_puback, publish, start_accepting, until, within};

#[tokio::test]
async fn both_versions_carry_mqtt_and_resume() {
    let authority = Authority::new();
    let broker = start_accepting(authority.settings()).await;
    for (version, name) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let config = Arc::new(authority.client(&[version], None));
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut raw = open(&config, &broker).await;
            raw.enter(&Connect::v5("c", "dev").bytes()).await;
            raw.send(&publish(true, "up/dev/x", 1, b"x")).await;
            assert!(is_puback(&raw.packet().await, 1));
            let tls = raw.stream.get_ref().1;
            assert_eq!((tls.protocol_version(), tls.handshake_kind()), (Some(name), Some(kind)));
        }
    }
    assert_eq!(broker.counts().handshakes, 4);
}

#[tokio::test]
async fn large_packets_and_many_small_ones_come_through_whole() {
    let authority = Authority::new();
    let broker = start_accepting(authority.settings()).await;
    let config = Arc::new(authority.client(&[&TLS13], None));
    let mut raw = open(&config, &broker).await;
    raw.enter(&Connect::v5("c", "dev").bytes()).await;
    raw.send(&publish(true, "up/dev/x", 1, &vec![b'x'; 60_000])).await;
    assert!(is_puback(&raw.packet().await, 1));
    let many: Vec<u8> = (2..60).flat_map(|id| publish(true, "up/dev/x", id, b"x")).collect();
    raw.send(&many).await;
    for id in 2..60 {
        assert!(is_puback(&raw.packet().await, id));
    }
}

#[tokio::test]
async fn a_client_certificate_reaches_the_login_only_if_it_is_verified() {
    let authority = Authority::new();
    let settings = Settings {
        client_ca: Some(authority.path("ca.pem")),
        client_certificates: ClientCertificates::Optional,
        ..authority.settings()
    };
    let gatehouse = Arc::new(Gatehouse::default());
    let (broker, inlets) = broker::start(settings, Parts::new(gatehouse.clone())).await.unwrap();
    tokio::spawn(accept_everything(inlets));
    let own = authority.issue("dev-1", 7);
    let leaf = CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap().to_vec();
    let with = Arc::new(authority.client(&[&TLS13], Some(&own)));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut raw = open(&with, &broker).await;
        raw.enter(&Connect::v5("c", "dev").bytes()).await;
        raw.ping().await;
        assert_eq!(raw.stream.get_ref().1.handshake_kind(), Some(kind));
        assert_eq!(*gatehouse.certificate.lock().unwrap(), Some(leaf.clone()), "{kind:?}");
    }
    let without = Arc::new(authority.client(&[&TLS13], None));
    open(&without, &broker).await.enter(&Connect::v5("c", "dev").bytes()).await;
    assert_eq!(*gatehouse.certificate.lock().unwrap(), None);
    let stranger = Authority::new().issue("dev-1", 7);
    let foreign = Arc::new(authority.client(&[&TLS12], Some(&stranger)));
    assert!(connect(&foreign, broker.tls_addr().unwrap()).await.is_err());
    until("the failure is counted", || broker.counts().handshakes_failed == 1).await;
}

#[tokio::test]
async fn a_required_certificate_is_required() {
    let authority = Authority::new();
    let settings = Settings {
        client_ca: Some(authority.path("ca.pem")),
        client_certificates: ClientCertificates::Required,
        ..authority.settings()
    };
    let broker = start_accepting(settings).await;
    let without = Arc::new(authority.client(&[&TLS12], None));
    assert!(connect(&without, broker.tls_addr().unwrap()).await.is_err());
    let with = Arc::new(authority.client(&[&TLS12], Some(&authority.issue("dev", 2))));
    open(&with, &broker).await.enter(&Connect::v5("c", "dev").bytes()).await;
}

#[tokio::test]
async fn a_revoked_certificate_is_refused_from_the_reload_on_and_nothing_is_resumed() {
    let authority = Authority::new();
    authority.revoke("revoked.pem", &[]);
    let settings = Settings {
        client_ca: Some(authority.path("ca.pem")),
        client_certificates: ClientCertificates::Required,
        client_revocations: vec![authority.path("revoked.pem")],
        tls_reload_s: 0,
        ..authority.settings()
    };
    let broker = start_accepting(settings).await;
    let bad = Arc::new(authority.client(&[&TLS12], Some(&authority.issue("bad", 66))));
    let good = Arc::new(authority.client(&[&TLS12], Some(&authority.issue("good", 67))));
    for config in [&bad, &good] {
        open(config, &broker).await.enter(&Connect::v5("c", "dev").bytes()).await;
    }
    authority.revoke("revoked.pem", &[66]);
    broker.reload_tls().unwrap();
    assert!(connect(&bad, broker.tls_addr().unwrap()).await.is_err());
    let mut raw = open(&good, &broker).await;
    raw.enter(&Connect::v5("c", "dev").bytes()).await;
    assert_eq!(raw.stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
}

/// The same for connections that are open: theirs ends, others stay.
#[tokio::test]
async fn a_revoked_certificate_ends_open_connections() {
    let authority = Authority::new();
    authority.revoke("revoked.pem", &[]);
    let settings = Settings {
        client_ca: Some(authority.path("ca.pem")),
        client_certificates: ClientCertificates::Optional,
        client_revocations: vec![authority.path("revoked.pem")],
        tls_reload_s: 1,
        ..authority.settings()
    };
    let house = House { settings, ..House::new() };
    house.hall.now_ms.store(1_800_000_000_000, std::sync::atomic::Ordering::Relaxed);
    let (broker, inlets) = house.start().await;
    tokio::spawn(accept_everything(inlets));
    let login = async |serial: Option<u64>, id| {
        let own = serial.map(|serial| authority.issue(id, serial));
        let config = Arc::new(authority.client(&[&TLS13], own.as_ref()));
        let mut raw = open(&config, &broker).await;
        raw.enter(&Connect::v5(id, "dev").bytes()).await;
        raw
    };
    let (mut bad, mut good) = (login(Some(66), "bad").await, login(Some(67), "good").await);
    let mut without = login(None, "without").await;
    authority.revoke("revoked.pem", &[66]);
    bad.disconnected(0x87).await;
    good.ping().await;
    without.ping().await;
    until("it is gone", || broker.connections() == 2).await;
    // an authority that is none any more
    authority.write("ca.pem", &Authority::new().root_pem());
    good.disconnected(0x87).await;
    without.ping().await;
}

fn served(raw: &Raw<tokio_rustls::client::TlsStream<TcpStream>>) -> CertificateDer<'static> {
    raw.stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

#[tokio::test]
async fn a_changed_file_is_noticed_and_a_bad_one_changes_nothing() {
    let authority = Authority::new();
    let broker = start_accepting(Settings { tls_reload_s: 1, ..authority.settings() }).await;
    let fresh = || Arc::new(authority.client(&[&TLS13], None)); // knows of no earlier session
    let mut open_before = open(&fresh(), &broker).await;
    let first = served(&open_before);
    open_before.enter(&Connect::v5("before", "dev").bytes()).await;

    authority.write("server.pem", "not a certificate");
    let error = broker.reload_tls().unwrap_err();
    assert!(matches!(&error, TlsError::Pem { path, .. } if path.ends_with("server.pem")), "{error}");
    authority.install("server", &authority.issue("second", 2));
    authority.write("server.key", &authority.issue("other", 3).key);
    let error = broker.reload_tls().unwrap_err();
    assert!(matches!(&error, TlsError::Pair { .. }), "{error}");
    std::fs::remove_file(authority.path("server.key")).unwrap();
    let error = broker.reload_tls().unwrap_err();
    assert!(matches!(&error, TlsError::Read { .. }), "{error}");
    assert_eq!(served(&open(&fresh(), &broker).await), first);

    let second = authority.issue("second", 2);
    let expected = CertificateDer::from_pem_slice(second.certificate.as_bytes()).unwrap();
    authority.install("server", &second);
    let noticed = async {
        while served(&open(&fresh(), &broker).await) != expected {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(noticed).await;
    open_before.ping().await;
}

#[tokio::test]
async fn a_start_without_usable_files_says_which() {
    let authority = Authority::new();
    let settings = Settings { tls_key: Some(authority.path("none.key")), ..authority.settings() };
    let error = broker::start(settings, Parts::new(Arc::new(Gatehouse::default()))).await.err().unwrap();
    assert!(
        matches!(&error, StartError::Tls(TlsError::Read { .. })) && error.to_string().contains("none.key"),
        "{error}"
    );
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = Settings { tls_listen: Some(taken.local_addr().unwrap()), ..authority.settings() };
    let error = broker::start(settings, Parts::new(Arc::new(Gatehouse::default()))).await.err().unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(matches!(&error, StartError::Listen { .. }) && error.to_string().contains(&address), "{error}");
    let broker = start_accepting(crate::support::settings()).await;
    assert!(matches!(broker.reload_tls(), Err(TlsError::NoTls)));
}

/// One deadline from accept to CONNECT, whatever it is that does not come; and those who stall keep no turn.
#[tokio::test]
async fn handshakes_that_stall_are_cut_and_hold_nobody_up() {
    let authority = Authority::new();
    let settings = Settings {
        tls_handshakes_max: 1,
        tls_handshake_turn_ms: 50,
        connect_deadline_ms: 1_500,
        ..authority.settings()
    };
    let broker = start_accepting(settings).await;
    let to = broker.tls_addr().unwrap();
    let config = Arc::new(authority.client(&[&TLS13], None));
    let began = Instant::now();
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(TcpStream::connect(to).await.unwrap()); // says nothing
        let mut half = TcpStream::connect(to).await.unwrap(); // begins to say hello
        half.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        stalled.push(half);
        let mut hello = TcpStream::connect(to).await.unwrap(); // says hello in full and nothing more
        hello.write_all(&client_hello(&config)).await.unwrap();
        stalled.push(hello);
    }
    let mut silent = open(&config, &broker).await; // finishes the handshake and never says CONNECT
    let mut raw = open(&config, &broker).await;
    raw.enter(&Connect::v5("c", "dev").bytes()).await;
    raw.ping().await;
    silent.closed().await;
    assert!(began.elapsed() >= Duration::from_millis(1_400));
    until("all that stalled are gone", || broker.connections() == 1).await;
    assert_eq!(broker.counts().handshakes_failed, 60);
    raw.ping().await;
}

fn client_hello(config: &Arc<rustls::ClientConfig>) -> Vec<u8> {
    let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
    let mut client = rustls::ClientConnection::new(config.clone(), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[tokio::test]
async fn what_is_not_tls_is_refused() {
    let authority = Authority::new();
    let broker = start_accepting(authority.settings()).await;
    let to = broker.tls_addr().unwrap();
    for opening in [&Connect::v5("c", "dev").bytes()[..], b"GET / HTTP/1.1\r\n\r\n", &[0x16, 3, 1, 0xFF, 0xFF]] {
        let mut raw = Raw { stream: TcpStream::connect(to).await.unwrap() };
        raw.send(opening).await;
        let mut rest = Vec::new();
        drop(within(tokio::io::AsyncReadExt::read_to_end(&mut raw.stream, &mut rest)).await);
    }
    until("they are counted", || broker.counts().handshakes_failed == 3).await;
    assert_eq!(broker.counts().panics, 0);
}

#[tokio::test]
async fn shutting_down_does_not_wait_for_handshakes() {
    let authority = Authority::new();
    let broker = start_accepting(Settings { connect_deadline_ms: 60_000, ..authority.settings() }).await;
    let _silent = TcpStream::connect(broker.tls_addr().unwrap()).await.unwrap();
    until("it is accepted", || broker.connections() == 1).await;
    let began = Instant::now();
    within(broker.shutdown()).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mosquitto_publishes_over_tls() {
    if Command::new("mosquitto_pub").arg("--help").stdout(Stdio::null()).spawn().is_err() {
        let skipped = "SKIPPED: mosquitto_pub is not installed (Debian: mosquitto-clients)\n";
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return;
    }
    let authority = Authority::new();
    let settings = Settings {
        client_ca: Some(authority.path("ca.pem")),
        client_certificates: ClientCertificates::Required,
        ..authority.settings()
    };
    let broker = start_accepting(settings).await;
    authority.install("client", &authority.issue("dev", 5));
    let port = broker.tls_addr().unwrap().port().to_string();
    for version in ["tlsv1.2", "tlsv1.3"] {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &port, "-u", "dev", "-P", "pw-dev", "-q", "1", "-V", "5"]);
        command.args(["-t", "up/dev/x", "-m", "over TLS", "--tls-version", version]);
        command.arg("--cafile").arg(authority.path("ca.pem"));
        command.arg("--cert").arg(authority.path("client.pem")).arg("--key").arg(authority.path("client.key"));
        let output = within(tokio::task::spawn_blocking(move || command.output())).await.unwrap().unwrap();
        assert!(output.status.success(), "{version}: {}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(broker.counts().publishes_normal, 2);
}
