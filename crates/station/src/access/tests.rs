use super::*;
use crate::config::MqttAccess;
use crate::credentials::hash_secret;
use broker::{Access as _, TopicFilter};
use std::sync::Mutex;

fn login<'a>(username: Option<&'a str>, password: Option<&'a [u8]>) -> Login<'a> {
    let peer = ([127, 0, 0, 1], 1).into();
    Login { client_id: "any", username, password, certificate: None, peer }
}

fn credentials(rows: &str) -> Credentials {
    let header = "name,kind,subject,scope,role,publish,subscribe,certificate,secret";
    Credentials::parse(format!("{header}\n{rows}").as_bytes()).expect("valid")
}

fn rows() -> String {
    let secret = hash_secret(b"", b"pw");
    format!(
        "d,device,烽火/传感器-1,,,,,,{secret}\nv,vendor,acme,,,,,,{secret}\np,person,P1,331083001001,,,,,{secret}\n\
         s,service,centre,,,,,,{secret}\nt,token,centre,,admin,,,,{secret}\nc,client,c,,,#,#,,\n\
         x,device,acme/x,,,,,san:urn:x,{secret}\n"
    )
}

fn gate_of(rows: &str, anonymous: Option<&str>) -> Gate {
    let refusals = Refusals::new(MqttAccess::default());
    Gate::new(credentials(rows), anonymous, Arc::new(|| 7), refusals).expect("good")
}

fn gate() -> Gate {
    gate_of(&rows(), None)
}

fn grant_of(name: &str) -> Result<Grant, Refusal> {
    gate().authenticate(&login(Some(name), Some(b"pw")))
}

fn may_publish(grant: &Grant, topic: &str) -> bool {
    grant.publish.iter().any(|filter| filter.matches(topic))
}

fn may_subscribe(grant: &Grant, filter: &str) -> bool {
    let asked = TopicFilter::parse(filter).expect("valid");
    grant.subscribe.iter().any(|granted| granted.covers(&asked))
}

#[test]
fn a_device_speaks_for_itself_alone() {
    let grant = grant_of("d").expect("comes in");
    assert!(may_publish(&grant, "fire/v1/烽火/传感器-1/alarm"));
    assert!(!may_publish(&grant, "fire/v1/烽火/传感器-2/alarm"));
    assert!(!may_publish(&grant, "fire/v1/烽火/传感器-1/command"));
    assert!(may_subscribe(&grant, "fire/v1/烽火/传感器-1/command"));
    assert!(!may_subscribe(&grant, "fire/v1/烽火/+/command"));
}

#[test]
fn a_vendor_speaks_for_its_devices() {
    let grant = grant_of("v").expect("comes in");
    assert!(may_publish(&grant, "fire/v1/acme/d9/telemetry"));
    assert!(!may_publish(&grant, "fire/v1/other/d9/telemetry"));
    assert!(may_subscribe(&grant, "fire/v1/acme/+/command"));
    assert!(!may_subscribe(&grant, "fire/v1/#"));
}

#[test]
fn people_listen_within_their_region() {
    let grant = grant_of("p").expect("comes in");
    assert!(grant.publish.is_empty());
    assert!(may_subscribe(&grant, "people/v1/P1/alert"));
    assert!(!may_subscribe(&grant, "people/v1/P2/alert"));
    assert!(may_subscribe(&grant, "feed/v1/331083001/331083001001/#"));
    assert!(!may_subscribe(&grant, "feed/v1/331083001/#"));
    let service = grant_of("s").expect("comes in");
    assert!(may_subscribe(&service, "feed/v1/#") && may_subscribe(&service, "$SYS/#"));
}

#[test]
fn tokens_and_strangers_stay_out() {
    assert_eq!(grant_of("t").err(), Some(Refusal::NotAuthorised));
    assert_eq!(grant_of("nobody").err(), Some(Refusal::BadCredentials));
    assert_eq!(grant_of("c").err(), Some(Refusal::BadCredentials), "no secret, no password");
    assert_eq!(gate().authenticate(&login(None, None)).err(), Some(Refusal::BadCredentials));
    assert_eq!(gate().authenticate(&login(Some("d"), Some(b"no"))).err(), Some(Refusal::BadCredentials));
}

#[test]
fn another_ones_client_id_is_refused() {
    let gate = gate();
    let come = |client_id| gate.authenticate(&Login { client_id, ..login(Some("v"), Some(b"pw")) });
    assert_eq!(come("d").err(), Some(Refusal::ClientIdNotValid));
    assert_eq!(come("acme/x").err(), Some(Refusal::ClientIdNotValid));
    assert_eq!(&*come("v").expect("its own").identity, "v");
}

#[test]
fn anonymous_clients_get_what_the_operator_gives_them() {
    let gate = gate_of(&rows(), Some("c"));
    let grant = gate.authenticate(&login(None, None)).expect("comes in");
    assert_eq!((&*grant.identity, grant.class), ("c", "client"));
    assert!(gate.authenticate(&login(Some(""), Some(b""))).is_ok(), "an empty user name is none");
    assert_eq!(gate.authenticate(&login(Some("nobody"), None)).err(), Some(Refusal::BadCredentials));
    assert_eq!(gate.authenticate(&login(Some(""), Some(b"pw"))).err(), Some(Refusal::BadCredentials));
    assert_eq!(gate.authenticate(&login(None, Some(b"pw"))).err(), Some(Refusal::BadCredentials));
    let refused = Gate::new(credentials(&rows()), Some("v"), Arc::new(|| 7), Refusals::new(MqttAccess::default()));
    assert!(refused.err().expect("no client").contains("kind client"));
    let without = rows().replace("c,client,c,,,#,#,,\n", "");
    assert!(gate.exchange(credentials(&without)).is_err());
    assert!(gate.authenticate(&login(None, None)).is_ok(), "the exchange that was refused changed nothing");
}

#[test]
fn what_devices_say_goes_to_the_station_and_the_rest_to_clients() {
    let gate = gate();
    assert_eq!(gate.route("fire/v1/acme/d/alarm"), Route::Consumer(broker::Lane::Urgent));
    assert_eq!(gate.route("fire"), Route::Consumer(broker::Lane::Normal));
    for topic in ["fires/x", "/fire/v1", "home/kitchen", "Fire/v1"] {
        assert_eq!(gate.route(topic), Route::Relay, "{topic}");
        assert!(!gate.reserved(topic));
    }
    for topic in ["fire/x", "feed/v1/1", "people/v1/P1/alert", "people"] {
        assert!(gate.reserved(topic), "{topic}");
    }
}

/// A certificate of a throw-away authority, as the handshake hands it on.
fn certificate(cn: &str, alternative: &[&str]) -> Vec<u8> {
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, cn);
    let uri = |name: &&str| rcgen::SanType::URI((*name).try_into().unwrap());
    params.subject_alt_names = alternative.iter().map(uri).collect();
    params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

#[test]
fn retained_messages_stay_while_their_owner_may_leave_them() {
    let rows = "name,kind,subject,publish,retain,secret\nc,client,c,home/#,yes,\nd,device,acme/d,,,\n";
    let credentials = Credentials::parse(rows.as_bytes()).expect("valid");
    let gate = Gate::new(credentials, None, Arc::new(|| 7), Refusals::new(MqttAccess::default())).expect("good");
    assert!(gate.may_retain("c", "home/x"));
    assert!(!gate.may_retain("c", "away/x") && !gate.may_retain("d", "home/x") && !gate.may_retain("gone", "home/x"));
}

#[test]
fn a_certificate_proves_its_credential() {
    let gate = gate();
    let come = |certificate: &[u8], username: Option<&str>, password: Option<&str>| {
        let password = password.map(str::as_bytes);
        let login = Login { certificate: Some(certificate), ..login(username, password) };
        gate.authenticate(&login).map(|grant| grant.identity.to_string())
    };
    let refused = Err(Refusal::BadCredentials);
    let device = certificate("烽火/传感器-1", &[]);
    assert_eq!(come(&device, None, None), Ok("d".to_owned()));
    assert_eq!(come(&device, Some(""), Some("")), Ok("d".to_owned()), "an empty user name is none");
    assert_eq!(come(&device, Some("d"), None), Ok("d".to_owned()));
    assert_eq!(come(&device, Some("d"), Some("pw")), Ok("d".to_owned()));
    assert_eq!(come(&device, Some("d"), Some("no")), refused, "a wrong password is one, certificate or not");
    assert_eq!(come(&device, Some("v"), Some("pw")), refused, "both must be of the same credential");
    assert_eq!(come(&device, None, Some("pw")), refused);
    assert_eq!(come(&certificate("v", &[]), None, None), Ok("v".to_owned()));
    assert_eq!(come(&certificate("any", &["urn:x"]), None, None), Ok("x".to_owned()));
    assert_eq!(come(&certificate("acme/x", &[]), None, None), refused, "the row asks for another name");
    assert_eq!(come(&certificate("v", &["urn:x"]), None, None), refused, "whose is it?");
    assert_eq!(come(&certificate("v", &["urn:x"]), Some("x"), None), Ok("x".to_owned()));
    assert_eq!(come(&certificate("+/+", &[]), None, None), refused);
    assert_eq!(come(b"no certificate", None, None), refused);
}

#[test]
fn revoked_credentials_lose_their_connections() {
    let gate = gate();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    gate.kick_with(Box::new(move |identity| {
        heard.lock().unwrap().push(identity.to_owned());
        2
    }));
    gate.authenticate(&login(Some("d"), Some(b"pw"))).expect("comes in");
    let without: String = rows().lines().filter(|row| !row.starts_with("d,")).map(|row| format!("{row}\n")).collect();
    assert_eq!(gate.exchange(credentials(&without)), Ok(Exchanged { outdated: 1, kicked: 2 }));
    assert_eq!(*told.lock().unwrap(), ["d"]);
    assert_eq!(gate.authenticate(&login(Some("d"), Some(b"pw"))).err(), Some(Refusal::BadCredentials));
    assert_eq!(gate.version(), 1, "one that is just coming in is asked again");
    assert_eq!(gate.exchange(credentials(&without)), Ok(Exchanged { outdated: 0, kicked: 0 }));
}
