//! How a connection ends.

use std::pin::pin;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tracing::{debug, warn};

use super::socket::Socket;
use super::{Connection, End, advice, publish_will};
use crate::access::Attempt;
use crate::hub::Hub;
use crate::inbound::{DownCause, Outlets, SessionEvent};
use crate::registry::Detached;
use crate::session::Session;
use crate::wire::encode;

impl Connection {
    /// Settles the session, publishes the will if it is due, tells the consumer and says goodbye.
    pub(super) async fn finish(mut self: Box<Self>, end: End) {
        self.count(end);
        self.normal.forget();
        let detached = self.hub.registry.detach(&self.session, &self.link, end.cause.will_fate(), self.hub.clock());
        if self.v5 && end.code != 0 && self.socket.blocked_since.is_none() {
            let what = Some(end.what);
            encode::disconnect(&mut self.socket.out, true, end.code, what, self.packet_max_bytes);
        }
        let Connection { hub, outlets, session, socket, urgent, .. } = *self;
        let mut socket = socket;
        let settle = async {
            urgent.finish(&outlets.urgent).await;
            // None: the connection that took the session over has reported this one's end.
            if let Some(Detached { will, remains }) = detached {
                hub.pass_on(remains);
                if let Some(will) = will {
                    publish_will(&hub, &outlets, &session, *will).await;
                }
                report_down(&hub, &outlets, &session, end.cause).await;
            }
        };
        futures::future::join(settle, goodbye(&hub, &mut socket)).await;
    }

    fn count(&self, end: End) {
        let meters = &self.hub.meters;
        let client = &*self.session.client_id;
        let identity = &*self.grant.identity;
        debug!(client, identity, cause = end.cause.as_str(), end.what, "connection ended");
        let tally = match end.cause {
            DownCause::ProtocolError => &meters.protocol_errors,
            DownCause::KeepAliveTimeout => &meters.keep_alive_timeouts,
            DownCause::SlowReader => &meters.slow_readers,
            DownCause::Abandoned => &meters.abandoned,
            _ => return,
        };
        tally.add(1);
        let todo = advice::after(end.cause, end.code);
        if let Some(muted) = self.hub.gates.ended.pass() {
            let cause = end.cause.as_str();
            warn!(client, identity, cause, end.what, todo, muted, "client cut off");
        }
        if end.cause != DownCause::Abandoned {
            let detail = format!("{}: {todo}", end.what);
            self.hub.tell_refused(&self.session, self.socket.peer, Attempt::Connection, end.code, &detail);
        }
    }
}

/// Sends what is left and closes in the order that lets the peer see it: our end first, then what
/// the peer still sends is thrown away for a moment, since closing over it would reset the
/// connection and take our last words along.
pub(super) async fn goodbye(hub: &Hub, socket: &mut Socket) {
    let linger = Duration::from_millis(hub.settings.linger_ms);
    let closing = async {
        std::future::poll_fn(|cx| socket.poll_flush(cx)).await?;
        socket.stream.shutdown().await?;
        let mut scrap = BytesMut::with_capacity(SCRAP_BYTES);
        while socket.stream.read_buf(&mut scrap).await? > 0 {
            scrap.clear();
        }
        std::io::Result::Ok(())
    };
    // Both failure and timeout mean that the peer does not listen.
    drop(timeout(linger, pin!(closing)).await);
}

const SCRAP_BYTES: usize = 4 * 1024;

/// Tells the consumer that a session's connection ended.
pub(super) async fn report_down(hub: &Hub, outlets: &Outlets, session: &Session, cause: DownCause) {
    let event = SessionEvent::Down {
        identity: session.identity.clone(),
        client_id: session.client_id.clone(),
        at_ms: hub.access.now_ms(),
        cause,
    };
    drop(outlets.sessions.send(event).await); // fails only when the consumer is gone
}
