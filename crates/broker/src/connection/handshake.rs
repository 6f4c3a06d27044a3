//! From accept to CONNACK: one packet, one deadline, one decision.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::socket::Socket;
use super::{publish_will, report_down};
use crate::access::{Attempt, Grant, Login, Refused};
use crate::broker::Hub;
use crate::inbound::{DownCause, Outlets, SessionEvent};
use crate::link::Link;
use crate::registry::{Arrival, AttachError, Attached};
use crate::session::Session;
use crate::wire::encode::{self, Welcome};
use crate::wire::frame;
use crate::wire::hello::{self, Hello, Rejection};

/// A client that was let in.
pub(super) struct Admitted {
    pub(super) session: Arc<Session>,
    pub(super) grant: Grant,
    pub(super) v5: bool,
    pub(super) silence_max: Option<Duration>,
}

/// Lets the client in or not. What is to be said to it lies in the socket's `out` either way.
pub(super) async fn enter(hub: &Hub, outlets: &Outlets, link: &Arc<Link>, socket: &mut Socket) -> Option<Admitted> {
    let deadline = Duration::from_millis(hub.settings.connect_deadline_ms);
    let packet = timeout(deadline, read_connect(hub, link, socket)).await;
    let packet = packet.unwrap_or(Err(Rejection::Silent("no CONNECT in time")));
    let entry = packet.and_then(|body| hello::parse(&body)).and_then(|hello| {
        let (username, client_id) = (hello.username.clone(), hello.client_id.clone());
        admit(hub, hello, link, socket.peer).inspect_err(|rejection| {
            if let Rejection::Connack { code, what, .. } = *rejection {
                hub.access.refused(&Refused {
                    who: username.as_deref(),
                    proved: false,
                    client_id: Some(&client_id),
                    peer: Some(socket.peer),
                    what: Attempt::Connect,
                    code,
                    detail: what,
                });
            }
        })
    });
    match entry {
        Ok(entry) => Some(welcome(hub, outlets, socket, entry).await),
        Err(rejection) => {
            turn_away(hub, socket, rejection);
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
    attached: Attached,
    grant: Grant,
    at_ms: u64,
    assigned_client_id: Option<String>,
    expiry_s: u32,
    expiry_is_news: bool,
    keep_alive_s: u16,
    keep_alive_is_news: bool,
}

fn admit(hub: &Hub, mut hello: Hello, link: &Arc<Link>, peer: SocketAddr) -> Result<Entry, Rejection> {
    let settings = &hub.settings;
    let v5 = hello.v5;
    let reject = |code, what| Rejection::Connack { v5, code, what };
    let mut assigned_client_id = None;
    if hello.client_id.is_empty() {
        if !v5 && !hello.clean_start {
            return Err(reject(0x85, "empty client id with a session to keep")); // MQTT-3.1.3-8
        }
        hello.client_id = hub.assign_client_id();
        assigned_client_id = Some(hello.client_id.clone());
    }
    if hello.client_id.len() > settings.client_id_bytes {
        return Err(reject(0x85, "client id too long"));
    }
    let login = Login {
        client_id: &hello.client_id,
        username: hello.username.as_deref(),
        password: hello.password.as_deref(),
        certificate: None,
        peer,
    };
    let grant = hub.access.authenticate(&login).map_err(|refusal| reject(refusal.code(), refusal.as_str()))?;
    if let Some(will) = &hello.will {
        if !hub.topic_within_limits(&will.topic) {
            return Err(reject(0x90, "will topic too long or too deep"));
        }
        if !hub.may_publish(&grant, &will.topic) {
            return Err(reject(0x87, "will topic not permitted"));
        }
    }
    let at_ms = hub.access.now_ms();
    let expiry_s = hello.session_expiry_s.min(settings.session_expiry_max_s);
    let packet_max = usize::try_from(hello.packet_max_bytes).unwrap_or(usize::MAX);
    let arrival = Arrival {
        client_id: Arc::from(hello.client_id),
        identity: grant.identity.clone(),
        clean_start: hello.clean_start,
        expiry_s,
        window: usize::from(hello.receive_maximum.min(settings.receive_maximum)),
        packet_max_bytes: packet_max.min(settings.packet_limit_bytes),
        will: hello.will,
        link: link.clone(),
    };
    let attached = hub.registry.attach(arrival).map_err(|error| match error {
        AttachError::ForeignClientId => reject(0x85, "client id belongs to somebody else"),
        AttachError::Full => reject(0x97, "too many sessions"),
    })?;
    let keep_alive_is_news = v5 && (hello.keep_alive_s == 0 || hello.keep_alive_s > settings.max_keep_alive_s);
    Ok(Entry {
        v5,
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
    })
}

/// Tells the consumer and the client. The end of a connection that was taken over is told first:
/// its will and its loss come before the new connection's gain.
async fn welcome(hub: &Hub, outlets: &Outlets, socket: &mut Socket, entry: Entry) -> Admitted {
    let Attached { session, present, took_over, old_will } = entry.attached;
    if let Some(will) = old_will {
        publish_will(hub, outlets, &session, *will).await;
    }
    if took_over {
        hub.meters.taken_over.add(1);
        report_down(hub, outlets, &session, DownCause::TakenOver).await;
    }
    let up = SessionEvent::Up {
        identity: session.identity.clone(),
        client_id: session.client_id.clone(),
        at_ms: entry.at_ms,
    };
    drop(outlets.sessions.send(up).await); // fails only when the consumer is gone
    let settings = &hub.settings;
    let connack = match entry.v5 {
        false => encode::connack_v3(present),
        true => encode::connack_v5(Welcome {
            session_present: present,
            session_expiry_s: entry.expiry_is_news.then_some(entry.expiry_s),
            receive_maximum: settings.receive_maximum,
            packet_limit_bytes: settings.packet_limit_bytes,
            topic_alias_maximum: settings.topic_alias_maximum,
            assigned_client_id: entry.assigned_client_id,
            server_keep_alive_s: entry.keep_alive_is_news.then_some(entry.keep_alive_s),
        }),
    };
    socket.out.extend_from_slice(&connack);
    hub.meters.admitted.add(1);
    debug!(client = &*session.client_id, identity = &*session.identity, present, "client let in");
    let silence = Duration::from_millis(u64::from(entry.keep_alive_s) * 1_500); // MQTT-3.1.2-24
    Admitted { session, grant: entry.grant, v5: entry.v5, silence_max: (entry.keep_alive_s > 0).then_some(silence) }
}

fn turn_away(hub: &Hub, socket: &mut Socket, rejection: Rejection) {
    let what = match rejection {
        Rejection::Silent(what) => {
            hub.meters.no_connect.add(1);
            what
        }
        Rejection::Connack { v5, code, what } => {
            hub.meters.refused.add(1);
            socket.out.extend_from_slice(&encode::connack_refused(v5, code, what));
            what
        }
    };
    if let Some(muted) = hub.gates.refused.pass() {
        let peer = socket.peer;
        warn!(%peer, what, muted, "connection refused; see the client's credentials and settings");
    }
}
