//! Mosquitto behind TLS, asking for our certificate.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use source::{Protocol, Tls};

use crate::rig::{Process, Station, mosquitto, only, plant, until};

const LISTENER: &str = "listener PORT 127.0.0.1\ncafile FOLDER/ca.pem\ncertfile FOLDER/server.pem\n\
                        keyfile FOLDER/server.key\nrequire_certificate true";

fn write_certificates(folder: &std::path::Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(DnType::CommonName, "authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &authority).unwrap();
        fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_show_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    write_certificates(folder.path());
    let broker: Process = mosquitto(&LISTENER.replace("FOLDER", &folder.path().display().to_string())).await;
    let station = Station::new().await;
    for protocol in [Protocol::V5, Protocol::V311] {
        let at = |name: &str| folder.path().join(name);
        let tls = Tls { ca: at("ca.pem"), certificate: Some(at("client.pem")), key: Some(at("client.key")) };
        let mut settings = plant(broker.port, protocol);
        settings.tls = Some(tls);
        let sources = station.sources(only(settings.clone())).await;
        sources.shutdown().await;
        settings.tls = Some(Tls { ca: at("ca.pem"), certificate: None, key: None });
        let sources = station.try_sources(only(settings));
        let health = sources.health();
        until("a missing certificate is refused", || health.check().is_err_and(|why| !why.contains("not connected")))
            .await;
        sources.shutdown().await;
    }
}
