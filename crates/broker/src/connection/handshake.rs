//! From accept to CONNACK: one packet, one deadline, one decision.

use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use super::socket::Socket;
use super::{publish_will, report_down};
use crate::access::{Attempt, Grant, Login, Refused, Route};
use crate::hub::Hub;
use crate::inbound::{DownCause, Outlets, SessionEvent};
use crate::link::{Link, Order};
use crate::registry::{Arrival, AttachError, Attached, Due, WillFate};
use crate::session::{Card, Session};
use crate::wire::encode::{self, Welcome};
use crate::wire::frame;
use crate::wire::hello::{self, Hello, Rejection, Will};

/// A client that was let in.
pub(super) struct Admitted {
    pub(super) session: Arc<Session>,
    pub(super) grant: Grant,
    pub(super) v5: bool,
    /// MQTT 3.1, which knows DUP on more packets.
    pub(super) is_3_1: bool,
    /// The client takes reason strings.
    pub(super) explains: bool,
    pub(super) packet_max_bytes: usize,
    /// Topic aliases that we may use.
    pub(super) alias_limit: u16,
    pub(super) silence_max: Option<Duration>,
}

/// Who a client claims to be, for the record of refusals.
#[derive(Default)]
struct Claim {
    client_id: Option<String>,
    /// The user name or, once that is proved, the identity.
    who: Option<String>,
    proved: bool,
    packet_max_bytes: Option<u32>,
}

/// Lets the client in or not. What is to be said to it lies in the socket's `out` either way.
pub(super) async fn enter(
    hub: &Hub,
    outlets: &Outlets,
    link: &Arc<Link>,
    socket: &mut Socket,
    (connect_by, is_surplus): (Instant, bool),
) -> Option<Admitted> {
    let packet = timeout_at(connect_by, read_connect(hub, link, socket)).await;
    let packet = packet.unwrap_or(Err(Rejection::Silent("no CONNECT in time")));
    let mut claim = Claim::default();
    let entry = packet.and_then(|body| hello::parse(&body)).and_then(|hello| {
        claim.client_id = Some(hello.client_id.clone());
        claim.who = hello.username.clone();
        claim.packet_max_bytes = Some(hello.packet_max_bytes);
        if is_surplus {
            let what = "too many connections: try again later, with a growing pause (max_connections)";
            return Err(Rejection::Connack { v5: hello.v5, code: 0x89, what });
        }
        admit(hub, hello, link, socket, &mut claim)
    });
    match entry {
        Ok(entry) => welcome(hub, outlets, link, socket, entry).await,
        Err(rejection) => {
            if matches!(rejection, Rejection::Connack { code: 0x86, .. })
                && hub.door.limits.brake(socket.peer.ip()).await
            {
                hub.meters.logins_delayed.add(1);
            }
            turn_away(hub, socket, rejection, &claim);
            None
        }
    }
}

async fn read_connect(hub: &Hub, link: &Link, socket: &mut Socket) -> Result<Bytes, Rejection> {
    let limit_bytes = hub.settings.connect_limit_bytes;
    std::future::poll_fn(|cx| {
        loop {
            link.register(cx.waker());
            if link.is_draining() {
                return Poll::Ready(Err(Rejection::Silent("shutting down")));
            }
            let bytes = match ready!(socket.poll_read(cx)) {
                Ok(bytes) if !bytes.is_empty() => bytes,
                _ => return Poll::Ready(Err(Rejection::Silent("closed before CONNECT"))),
            };
            if bytes[0] != CONNECT {
                return Poll::Ready(Err(Rejection::Silent("first packet is not CONNECT")));
            }
            match frame::peek(&bytes, limit_bytes) {
                Err(_) => return Poll::Ready(Err(Rejection::Silent("CONNECT malformed or large"))),
                Ok(None) => socket.keep(bytes),
                Ok(Some(frame)) => {
                    socket.keep(bytes.slice(frame.total..));
                    return Poll::Ready(Ok(bytes.slice(frame.header..frame.total)));
                }
            }
        }
    })
    .await
}

/// Packet type 1, flags 0.
const CONNECT: u8 = 0x10;

/// What [`admit`] decided.
struct Entry {
    v5: bool,
    knows_session_present: bool,
    attached: Attached,
    grant: Grant,
    at_ms: u64,
    assigned_client_id: Option<String>,
    expiry_s: u32,
    expiry_is_news: bool,
    keep_alive_s: u16,
    keep_alive_is_news: bool,
    explains: bool,
    /// As the client said.
    packet_max_bytes: usize,
    alias_limit: u16,
}

fn admit(
    hub: &Hub,
    mut hello: Hello,
    link: &Arc<Link>,
    socket: &Socket,
    claim: &mut Claim,
) -> Result<Entry, Rejection> {
    let settings = &hub.settings;
    let v5 = hello.v5;
    let reject = |code, what| Rejection::Connack { v5, code, what };
    let assigned_client_id = name_client(hub, &mut hello).map_err(|what| reject(0x85, what))?;
    let login = Login {
        client_id: &hello.client_id,
        username: hello.username.as_deref(),
        password: hello.password.as_deref(),
        certificate: socket.certificate(),
        peer: socket.peer,
    };
    let version = hub.access.version();
    let grant = hub.access.authenticate(&login).map_err(|refusal| {
        claim.proved = claim.who.is_some() && refusal.is_of_somebody_known();
        reject(refusal.code(), refusal.as_str())
    })?;
    (claim.who, claim.proved) = (Some(grant.identity.to_string()), true);
    if let Some(will) = &mut hello.will {
        check_will(hub, &grant, will).map_err(|(code, what)| reject(code, what))?;
    }
    if hub.door.limits.takeovers.is_barred(&hello.client_id, Instant::now()) {
        hub.meters.takeovers_refused.add(1);
        return Err(reject(0x97, "client id taken over too often; two clients may be using it"));
    }
    let at_ms = hub.access.now_ms();
    let expiry_s = hello.session_expiry_s.min(settings.session_expiry_max_s);
    let packet_max = usize::try_from(hello.packet_max_bytes).unwrap_or(usize::MAX);
    let own_max = hub.access.sessions_max(&grant).unwrap_or(settings.sessions_per_identity);
    let arrival = Arrival {
        own_max,
        client_id: Arc::from(&*hello.client_id),
        identity: grant.identity.clone(),
        v5,
        clean_start: hello.clean_start,
        expiry_s,
        window: usize::from(hello.receive_maximum.min(settings.receive_maximum)),
        packet_max_bytes: packet_max.min(settings.packet_limit_bytes),
        will: hello.will.map(Box::new),
        link: link.clone(),
        card: Card { class: grant.class, peer: socket.peer, since_ms: at_ms },
    };
    let attached = hub.registry.attach(arrival).map_err(|error| {
        let (code, what) = why_no_session(error);
        reject(code, what)
    })?;
    // MQTT 3.1.1 has no way to tell a client another keep-alive: it keeps its own, 0 for none.
    if attached.present {
        let may_subscribe = |filter: &_| hub.may_subscribe(&grant, filter);
        let dropped = hub.registry.prune(&attached.session, may_subscribe, |topic| hub.may_receive(&grant, topic));
        hub.meters.undelivered.add(dropped);
    }
    if hub.access.version() != version && !still_granted(hub, &login, &grant) {
        link.order(Order::Revoked);
    }
    let keep_alive_is_news = v5 && (hello.keep_alive_s == 0 || hello.keep_alive_s > settings.max_keep_alive_s);
    Ok(Entry {
        v5,
        knows_session_present: hello.knows_session_present,
        attached,
        grant,
        at_ms,
        assigned_client_id,
        expiry_s,
        expiry_is_news: expiry_s != hello.session_expiry_s,
        keep_alive_s: match keep_alive_is_news {
            true => settings.max_keep_alive_s,
            false => hello.keep_alive_s,
        },
        keep_alive_is_news,
        explains: v5 && hello.request_problem_information,
        packet_max_bytes: packet_max,
        alias_limit: hello.topic_alias_maximum.min(settings.topic_alias_maximum),
    })
}

/// Gives a client that sent no id one, which is told; or says what is wrong with the one it sent.
fn name_client(hub: &Hub, hello: &mut Hello) -> Result<Option<String>, &'static str> {
    if hello.client_id.len() > hub.settings.client_id_bytes {
        return Err("client id too long: shorten it (client_id_bytes)");
    }
    if !hello.client_id.is_empty() {
        return Ok(None);
    }
    if !hello.v5 && !hello.clean_start {
        return Err("an empty client id needs a clean session: set one of the two"); // MQTT-3.1.3-8
    }
    hello.client_id = hub.assign_client_id();
    Ok(Some(hello.client_id.clone()))
}

fn why_no_session(error: AttachError) -> (u8, &'static str) {
    match error {
        AttachError::ForeignClientId => {
            (0x85, "client id belongs to somebody else: give every client an id of its own")
        }
        AttachError::Full => (0x97, "too many sessions: end some, or raise sessions_max"),
        AttachError::OwnFull => (0x97, "too many sessions of this user: end some (sessions_per_identity)"),
    }
}

/// Whether a client that is asked again gets what it got. Connections were ended for a change of rights before this one was
/// to be found among them.
fn still_granted(hub: &Hub, login: &Login<'_>, grant: &Grant) -> bool {
    hub.access.authenticate(login).is_ok_and(|now| now == *grant)
}

/// Whether the client may leave this will, with the reason code if not.
fn check_will(hub: &Hub, grant: &Grant, will: &mut Will) -> Result<(), (u8, &'static str)> {
    if !hub.topic_within_limits(&will.topic) {
        return Err((0x90, "will topic too long or too deep: shorten it (topic_bytes, topic_levels)"));
    }
    if !hub.may_publish(grant, &will.topic) {
        return Err((0x87, "will topic not permitted: use one that this credential may publish to"));
    }
    if hub.access.route(&will.topic) == Route::Relay {
        will.retain &= grant.retain;
    }
    Ok(())
}

/// Tells the consumer and the client. The end of a connection that was taken over is told first:
/// its will and its loss come before the new connection's gain.
async fn welcome(
    hub: &Hub,
    outlets: &Outlets,
    link: &Arc<Link>,
    socket: &mut Socket,
    entry: Entry,
) -> Option<Admitted> {
    let Attached { session, present, took_over, old_will, remains, evicted, must_wait } = entry.attached;
    hub.pass_on(remains);
    if let Some(Due { session, will, remains, .. }) = evicted {
        hub.meters.evicted.add(1);
        hub.pass_on(remains);
        if let Some(will) = will {
            publish_will(hub, outlets, &session, *will).await;
        }
    }
    if let Some(will) = old_will {
        publish_will(hub, outlets, &session, *will).await;
    }
    if took_over {
        hub.meters.taken_over.add(1);
        hub.door.limits.takeovers.note(&session.client_id, Instant::now());
        report_down(hub, outlets, &session, DownCause::TakenOver).await;
    }
    let up = SessionEvent::Up {
        identity: session.identity.clone(),
        client_id: session.client_id.clone(),
        at_ms: entry.at_ms,
    };
    drop(outlets.sessions.send(up).await); // fails only when the consumer is gone
    if must_wait {
        kept(hub).await;
    }
    let settings = &hub.settings;
    let welcome = Welcome {
        session_present: present,
        session_expiry_s: entry.expiry_is_news.then_some(entry.expiry_s),
        receive_maximum: settings.receive_maximum,
        packet_limit_bytes: settings.packet_limit_bytes,
        topic_alias_maximum: settings.topic_alias_maximum,
        assigned_client_id: entry.assigned_client_id,
        server_keep_alive_s: entry.keep_alive_is_news.then_some(entry.keep_alive_s),
        ..Welcome::default()
    };
    if !entry.v5 {
        encode::connack_v3(&mut socket.out, present && entry.knows_session_present);
    } else if !encode::connack_v5(&mut socket.out, &welcome, entry.packet_max_bytes) {
        // The client takes no packet large enough to be let in.
        let clock = hub.clock();
        if hub.registry.detach(&session, link, WillFate::Discard, clock).is_some() {
            report_down(hub, outlets, &session, DownCause::ProtocolError).await;
        }
        return None;
    }
    hub.meters.admitted.add(1);
    debug!(client = &*session.client_id, identity = &*session.identity, present, "client let in");
    let silence = Duration::from_millis(u64::from(entry.keep_alive_s) * 1_500); // MQTT-3.1.2-24
    Some(Admitted {
        session,
        grant: entry.grant,
        v5: entry.v5,
        is_3_1: !entry.knows_session_present,
        explains: entry.explains,
        packet_max_bytes: entry.packet_max_bytes,
        alias_limit: entry.alias_limit,
        silence_max: (entry.keep_alive_s > 0).then_some(silence),
    })
}

/// Waits until all that was given to the vault is on the disk, or a while if the vault fails: the client may publish
/// all the same, and nothing else of its session is acknowledged.
async fn kept(hub: &Hub) {
    let (done, on_disk) = oneshot::channel();
    hub.keeper.commit(
        [],
        Box::new(move || {
            let _gone = done.send(()); // nobody waits any more
        }),
    );
    drop(timeout(Duration::from_millis(hub.settings.connect_deadline_ms), on_disk).await);
}

fn turn_away(hub: &Hub, socket: &mut Socket, rejection: Rejection, claim: &Claim) {
    let (what, code) = match rejection {
        Rejection::Silent(what) => {
            hub.meters.no_connect.add(1);
            (what, 0x81)
        }
        Rejection::Connack { v5, code, what } => {
            hub.meters.refused.add(1);
            let max_bytes = claim.packet_max_bytes.map_or(usize::MAX, |max| max as usize);
            encode::connack_refused(&mut socket.out, v5, code, what, max_bytes);
            (what, code)
        }
    };
    let peer = socket.peer;
    debug!(%peer, client = claim.client_id.as_deref(), what, "connection refused"); // [`Access::refused`] tells
    hub.refusals.count(Attempt::Connect, code);
    hub.access.refused(&Refused {
        who: claim.who.as_deref(),
        proved: claim.proved,
        client_id: claim.client_id.as_deref(),
        peer: Some(peer),
        what: Attempt::Connect,
        code,
        detail: what,
    });
}
