//! Who may come in at the MQTT listener, and what they may publish and subscribe to there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use broker::{Grant, Login, Refusal, Route, TopicFilter};
use model::Clock;

use crate::credentials::{Credential, Credentials, Kind};
use crate::front::feed_filter;

/// The door's keeper: credentials that can be exchanged while the house is open.
pub struct Gate {
    open: AtomicBool,
    credentials: RwLock<Arc<Credentials>>,
    clock: Arc<dyn Clock>,
}

impl Gate {
    pub fn new(credentials: Credentials, clock: Arc<dyn Clock>) -> Gate {
        Gate { open: AtomicBool::new(false), credentials: RwLock::new(Arc::new(credentials)), clock }
    }

    /// Lets clients in; before, all are told to come back later.
    pub fn open(&self) {
        self.open.store(true, Ordering::Release);
    }

    /// The credentials in force.
    pub fn credentials(&self) -> Arc<Credentials> {
        Arc::clone(&self.credentials.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// New credentials, for those who come from now on.
    pub fn exchange(&self, credentials: Credentials) {
        *self.credentials.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(credentials);
    }
}

impl broker::Access for Gate {
    fn authenticate(&self, login: &Login<'_>) -> Result<Grant, Refusal> {
        if !self.open.load(Ordering::Acquire) {
            return Err(Refusal::Busy);
        }
        let (Some(name), Some(secret)) = (login.username, login.password) else { return Err(Refusal::BadCredentials) };
        let credentials = self.credentials();
        let credential = credentials.check(name, secret).ok_or(Refusal::BadCredentials)?;
        grant(credential).ok_or(Refusal::NotAuthorised)
    }

    fn route(&self, topic: &str) -> Route {
        Route::Consumer(ingest::lane(topic))
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }
}

/// What a credential may do; `None` for one that has no business here (a token of the HTTP API).
fn grant(credential: &Credential) -> Option<Grant> {
    let class = credential.kind.class();
    let (publish, subscribe) = match credential.kind {
        Kind::Device => device_topics(&credential.subject),
        Kind::Vendor => device_topics(&format!("{}/+", credential.subject)),
        Kind::Person => {
            let own = format!("people/v1/{}/#", credential.subject);
            (Vec::new(), vec![own, feed_filter(credential.scope)])
        }
        Kind::Service => (Vec::new(), vec![feed_filter(credential.scope)]),
        Kind::Token(_) => return None,
    };
    let parse =
        |topics: Vec<String>| topics.iter().map(|topic| TopicFilter::parse(topic)).collect::<Result<Vec<_>, _>>();
    match (parse(publish), parse(subscribe)) {
        (Ok(publish), Ok(subscribe)) => {
            let identity = Arc::clone(&credential.name);
            Some(Grant { identity, class, publish, subscribe, retain: false })
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(credential = &*credential.name, %error, "subject makes no topic; correct it in credentials.csv");
            None
        }
    }
}

fn device_topics(device: &str) -> (Vec<String>, Vec<String>) {
    let up = ["alarm", "telemetry", "event", "state"].map(|kind| format!("fire/v1/{device}/{kind}"));
    (up.to_vec(), vec![format!("fire/v1/{device}/command")])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::hash_secret;
    use broker::Access as _;

    fn login<'a>(username: Option<&'a str>, password: Option<&'a [u8]>) -> Login<'a> {
        let peer = ([127, 0, 0, 1], 1).into();
        Login { client_id: "any", username, password, certificate: None, peer }
    }

    fn gate() -> Gate {
        let folder = tempfile::tempdir().expect("temp folder");
        let secret = hash_secret(b"", b"pw");
        let rows = format!(
            "name,kind,subject,scope,role,secret\n\
             d,device,烽火/传感器-1,,,{secret}\nv,vendor,acme,,,{secret}\np,person,P1,331083001001,,{secret}\n\
             s,service,centre,,,{secret}\nt,token,centre,,admin,{secret}\n"
        );
        std::fs::write(folder.path().join("credentials.csv"), rows).expect("written");
        let gate = Gate::new(Credentials::read(folder.path()).expect("valid"), Arc::new(|| 7));
        assert_eq!(gate.authenticate(&login(Some("d"), Some(b"pw"))).err(), Some(Refusal::Busy), "closed at first");
        gate.open();
        gate
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
        assert!(may_subscribe(&grant_of("s").expect("comes in"), "feed/v1/#"));
    }

    #[test]
    fn tokens_and_strangers_stay_out() {
        assert_eq!(grant_of("t").err(), Some(Refusal::NotAuthorised));
        assert_eq!(grant_of("x").err(), Some(Refusal::BadCredentials));
        assert_eq!(gate().authenticate(&login(None, None)).err(), Some(Refusal::BadCredentials));
        assert_eq!(gate().authenticate(&login(Some("d"), Some(b"no"))).err(), Some(Refusal::BadCredentials));
    }
}
