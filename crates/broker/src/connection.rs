//! One connection: a task that takes what others want sent, sends it, hands batches over, takes
//! packets from the socket and watches the time, all in one poll and without a lock held across.

mod advice;
mod ending;
mod handshake;
mod receive;
mod relaying;
mod socket;
mod subscribing;
mod waiting;

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, Sleep};
use tracing::warn;

use self::ending::{goodbye, report_down};
use self::socket::Socket;
use self::waiting::Waiting;
use crate::access::{Grant, Lane};
use crate::door::{self, Arrival};
use crate::hub::Hub;
use crate::inbound::{DownCause, Outlets};
use crate::limits::ClientLimits;
use crate::link::{Link, Order};
use crate::session::{Pen, Session};
use crate::topic::Topic;

pub(crate) use relaying::publish_will;

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
struct End {
    cause: DownCause,
    /// DISCONNECT reason for a v5 client; 0 for none.
    code: u8,
    what: &'static str,
}

impl End {
    fn lost(what: &'static str) -> End {
        End { cause: DownCause::ConnectionLost, code: 0, what }
    }
}

/// Of a client with a certificate.
struct Certified {
    /// When it came in, milliseconds since the epoch.
    since_ms: u64,
    /// [`crate::tls::Tls::version`] that it was verified with last.
    version: u64,
}

/// A connection whose client was let in.
struct Connection {
    hub: Arc<Hub>,
    outlets: Arc<Outlets>,
    link: Arc<Link>,
    session: Arc<Session>,
    grant: Grant,
    socket: Socket,
    v5: bool,
    is_3_1: bool,
    certified: Option<Box<Certified>>,
    /// Silence after which the client counts as gone; none for keep-alive 0.
    silence_max: Option<Duration>,
    /// Publishes of its class of credentials.
    class_publishes: metrics::Counter,
    heard_at: Instant,
    mid_packet_since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    /// The client takes reason strings in acknowledgements.
    explains: bool,
    /// The client's Maximum Packet Size, capped by ours, bytes.
    packet_max_bytes: usize,
    pen: Pen,
    /// Publishes taken in and not answered: no PUBACK or PUBREC has left.
    unanswered: usize,
    /// Exchanges that count against the receive maximum: no PUBACK or PUBCOMP has left.
    open: usize,
    /// Writes to the vault that an answer waits for.
    unsettled: usize,
    /// Of these, SUBSCRIBEs: what they bring is sent after their SUBACK.
    gated: usize,
    urgent: Waiting,
    normal: Waiting,
    aliases: Vec<Option<Topic>>,
    /// What the socket keeps may hold whole packets: those that came along with CONNECT, or behind much work.
    fresh: bool,
    /// Something may wait in the session's queue.
    gather: bool,
    draining: bool,
    limits: ClientLimits,
}

/// Runs a connection from accept to its end. Never panics, whatever [`crate::Access`] does.
pub(crate) async fn run(hub: Arc<Hub>, outlets: Arc<Outlets>, link: Arc<Link>, arrival: Arrival) {
    // Both boxed, so that what a handshake needs is given back before the long life of the connection.
    let Some(mut connection) = Box::pin(begin(hub, outlets, link, arrival)).await else { return };
    let served = AssertUnwindSafe(std::future::poll_fn(|cx| connection.poll(cx)));
    let end = served.catch_unwind().await.unwrap_or_else(|_| {
        panicked(&connection.hub, &connection.session.client_id);
        End { cause: DownCause::Panicked, code: 0x80, what: "internal error" }
    });
    Box::pin(connection.finish(end)).await;
}

/// From accept to CONNACK; `None` if the client was not let in.
async fn begin(hub: Arc<Hub>, outlets: Arc<Outlets>, link: Arc<Link>, arrival: Arrival) -> Option<Box<Connection>> {
    let Arrival { stream, peer, transport, connect_by, half_open, is_surplus } = arrival;
    let tls_version = hub.door.tls_version();
    let stream = door::open(&hub, stream, transport, peer, connect_by).await?;
    let mut socket = Socket::new(stream, peer);
    let entering = handshake::enter(&hub, &outlets, &link, &mut socket, (connect_by, is_surplus));
    let Ok(entered) = AssertUnwindSafe(entering).catch_unwind().await else {
        panicked(&hub, "handshake");
        return None;
    };
    let Some(admitted) = entered else {
        goodbye(&hub, &mut socket).await;
        return None;
    };
    socket.stream.admitted(&hub.settings);
    let certified = (!socket.certificates().is_empty())
        .then(|| Box::new(Certified { since_ms: hub.access.now_ms(), version: tls_version }));
    let connection = Connection::new(hub, outlets, link, socket, admitted, half_open.admitted());
    Some(Box::new(Connection { certified, ..connection }))
}

fn panicked(hub: &Hub, client: &str) {
    hub.meters.panics.add(1);
    warn!(client, "a connection's task panicked and was ended; please report the backtrace above");
}

impl Connection {
    fn new(
        hub: Arc<Hub>,
        outlets: Arc<Outlets>,
        link: Arc<Link>,
        socket: Socket,
        admitted: handshake::Admitted,
        limits: ClientLimits,
    ) -> Connection {
        let now = Instant::now();
        let class = admitted.grant.class;
        let class_publishes = metrics::counter!("fenghuo_broker_class_publishes_total", "class" => class);
        Connection {
            hub,
            outlets,
            link,
            session: admitted.session,
            grant: admitted.grant,
            socket,
            v5: admitted.v5,
            is_3_1: admitted.is_3_1,
            certified: None,
            silence_max: admitted.silence_max,
            class_publishes,
            heard_at: now,
            mid_packet_since: None,
            timer: Box::pin(tokio::time::sleep_until(now)),
            explains: admitted.explains,
            packet_max_bytes: admitted.packet_max_bytes,
            pen: Pen::new(admitted.v5, admitted.alias_limit),
            unanswered: 0,
            open: 0,
            unsettled: 0,
            gated: 0,
            urgent: Waiting::default(),
            normal: Waiting::default(),
            aliases: Vec::new(),
            fresh: true,
            gather: true,
            draining: false,
            limits,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        match self.turn(cx) {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        }
    }

    /// Does all there is to do and registers for what is not there yet.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        self.link.register(cx.waker());
        self.look_at_certificate()?;
        if self.may_read() && std::mem::take(&mut self.fresh) {
            let kept = self.socket.take_kept();
            self.receive(kept)?;
        }
        let mut reads_left = self.hub.settings.reads_per_wake;
        loop {
            self.take_orders()?;
            let sent_all = self.send(cx)?;
            if sent_all && self.link.is_dirty() {
                continue; // nudged while the last bytes were still on their way
            }
            self.hand_over(cx)?;
            if sent_all && self.is_drained() {
                let what = "server shutting down";
                return Err(End { cause: DownCause::ShuttingDown, code: 0x8B, what });
            }
            if !self.may_read() || self.must_wait(cx) {
                break;
            }
            if reads_left == 0 || self.fresh {
                cx.waker().wake_by_ref();
                break;
            }
            reads_left -= 1;
            match self.socket.poll_read(cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(bytes)) if bytes.is_empty() => {
                    return Err(End::lost("closed by the client"));
                }
                Poll::Ready(Ok(bytes)) => self.receive(bytes)?,
                Poll::Ready(Err(_)) => return Err(End::lost("socket failed")),
            }
        }
        self.watch(cx)
    }

    /// Ends the connection of a client whose certificate was revoked since it came in.
    fn look_at_certificate(&mut self) -> Result<(), End> {
        let (Some(certified), Some(tls)) = (&mut self.certified, &self.hub.door.tls) else { return Ok(()) };
        let version = tls.version();
        if certified.version == version {
            return Ok(());
        }
        certified.version = version;
        if tls.still_trusts(self.socket.certificates(), certified.since_ms) {
            return Ok(());
        }
        Err(End {
            cause: DownCause::Revoked,
            code: 0x87,
            what: "certificate revoked or its authority not trusted any more",
        })
    }

    fn take_orders(&mut self) -> Result<(), End> {
        if self.socket.pending_bytes() > 0 {
            // What is not sent stays where its limits are. Only the order to end may not wait.
            return self.link.order_given().map_or(Ok(()), |order| Err(self.obey(order)));
        }
        let Some(taken) = self.link.take(&mut self.socket.out) else { return Ok(()) };
        self.unanswered = self.unanswered.saturating_sub(taken.done.answered);
        self.open = self.open.saturating_sub(taken.done.closed);
        self.unsettled = self.unsettled.saturating_sub(taken.done.settled);
        self.gated = self.gated.saturating_sub(taken.done.opened);
        self.draining |= taken.draining;
        self.gather = true;
        taken.order.map_or(Ok(()), |order| Err(self.obey(order)))
    }

    fn obey(&self, order: Order) -> End {
        let end = |cause, code, what| End { cause, code, what };
        match order {
            Order::TakenOver => end(DownCause::TakenOver, 0x8E, "session taken over"),
            Order::SlowReader => end(DownCause::SlowReader, 0x97, "outbound queue full"),
            Order::Abandoned => end(DownCause::Abandoned, 0x83, "publishes were left unanswered"),
            Order::Dismissed => end(DownCause::Revoked, 0x98, "ended by an operator"),
            Order::Revoked => end(DownCause::Revoked, 0x87, "credential revoked"),
        }
    }

    /// Sends what waits; true if nothing waits any more.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<bool, End> {
        loop {
            if self.gather && self.gated == 0 && self.socket.pending_bytes() < GATHER_BYTES {
                self.gather();
            }
            let before = self.socket.pending_bytes();
            let flushed = self.socket.poll_flush(cx);
            self.hub.meters.bytes_sent.add(before - self.socket.pending_bytes());
            match flushed {
                Poll::Ready(Ok(())) if self.gather && self.gated == 0 => {}
                Poll::Ready(Ok(())) => return Ok(true),
                Poll::Ready(Err(_)) => return Err(End::lost("socket failed")),
                Poll::Pending => return Ok(false),
            }
        }
    }

    fn gather(&mut self) {
        let now_ms = self.hub.access.now_ms();
        let out = &mut self.socket.out;
        let gathered = self.session.gather(&self.link, &mut self.pen, out, GATHER_BYTES, now_ms);
        let meters = &self.hub.meters;
        meters.delivered.add(gathered.sent);
        meters.delivery_expired.add(gathered.expired);
        meters.undelivered.add(gathered.too_large);
        if let (true, Some(follower)) = (gathered.wants_more, &self.hub.follower) {
            follower.call(self.session.clone());
        }
        self.gather = self.socket.pending_bytes() >= GATHER_BYTES;
    }

    fn hand_over(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        for (lane, waiting) in [(Lane::Urgent, &mut self.urgent), (Lane::Normal, &mut self.normal)] {
            if !waiting.is_empty() {
                waiting.poll(self.outlets.lane(lane), cx).map_err(|_| CONSUMER_GONE)?;
            }
        }
        Ok(())
    }

    fn is_drained(&self) -> bool {
        self.draining && self.unanswered == 0 && self.unsettled == 0 && self.urgent.is_empty() && self.normal.is_empty()
    }

    /// Whether to take more from the socket: not while draining, not while an urgent batch waits,
    /// not from a client that does not take what we send, and not with too much unanswered.
    fn may_read(&self) -> bool {
        !self.draining
            && self.limits.paused_until().is_none()
            && self.urgent.is_empty()
            && self.socket.pending_bytes() < GATHER_BYTES
            && self.unsettled < self.hub.settings.unsettled_max
            && (self.v5 || self.unanswered < self.hub.settings.unanswered_max_v3)
            && self.normal.bytes() < self.hub.settings.held_bytes_max
    }

    /// Whether to wait for the disk first. What goes to the consumer alone needs no such write and does not wait for
    /// others'.
    fn must_wait(&self, cx: &Context<'_>) -> bool {
        self.unsettled > 0 && self.hub.keeper.wait_if_behind(self.session.number, cx.waker())
    }

    /// Ends the connection when one of its deadlines has passed; else sets the timer to the next.
    fn watch(&mut self, cx: &mut Context<'_>) -> Result<(), End> {
        match (self.socket.is_mid_packet(), self.mid_packet_since) {
            (true, None) => self.mid_packet_since = Some(Instant::now()),
            (false, Some(_)) => self.mid_packet_since = None,
            _ => {}
        }
        loop {
            let next = self.deadlines().into_iter().flatten().map(|(at, _)| at);
            let next = next.chain(self.limits.paused_until()).min();
            let next = next.unwrap_or_else(|| Instant::now() + IDLE_TICK);
            if next < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(next);
            }
            if self.timer.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            let now = Instant::now();
            if !self.may_read() || (self.unsettled > 0 && self.hub.keeper.is_behind()) {
                self.heard_at = now; // we do not listen: the silence is ours
                self.mid_packet_since = self.mid_packet_since.map(|_| now);
            }
            if self.limits.resume(now) {
                cx.waker().wake_by_ref();
            }
            if let Some((_, end)) = self.deadlines().into_iter().flatten().find(|(at, _)| *at <= now) {
                return Err(end);
            }
        }
    }

    fn deadlines(&self) -> [Option<(Instant, End)>; 3] {
        let settings = &self.hub.settings;
        let keep_alive = |what| End { cause: DownCause::KeepAliveTimeout, code: 0x8D, what };
        let slow = End { cause: DownCause::SlowReader, code: 0, what: "client takes nothing" };
        [
            self.silence_max.map(|max| (self.heard_at + max, keep_alive("keep-alive"))),
            self.mid_packet_since.map(|since| {
                let at = since + Duration::from_millis(settings.packet_deadline_ms);
                (at, keep_alive("packet not finished in time"))
            }),
            self.socket.blocked_since.map(|since| (since + Duration::from_millis(settings.write_deadline_ms), slow)),
        ]
    }
}

const CONSUMER_GONE: End = End { cause: DownCause::Abandoned, code: 0x8B, what: "the consumer is gone" };
/// How much is put together before it is sent, bytes.
const GATHER_BYTES: usize = 32 * 1024;
/// How long a timer sleeps when no deadline is set.
const IDLE_TICK: Duration = Duration::from_secs(3_600);

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside these an idle connection has its client id, its grant's filters and the kernel's part of a socket.
    #[test]
    fn what_an_idle_connection_holds_stays_small() {
        fn size<F>(_: impl FnOnce(Arc<Hub>, Arc<Outlets>, Arc<Link>, Arrival) -> F) -> usize {
            size_of::<F>()
        }
        let bytes = size(run) + size_of::<Connection>() + size_of::<Session>() + size_of::<Link>();
        assert!(bytes <= 1_280, "{bytes} bytes: box what is rare");
    }
}
