//! The open ports, and the file descriptor in reserve with which connections are turned away when there is no other.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::settings::Settings;
use crate::stream::Transport;

/// One port.
pub(super) struct Port {
    listener: TcpListener,
    transport: Transport,
}

impl Port {
    pub(super) fn open(listen: SocketAddr, transport: Transport, settings: &Settings) -> io::Result<Port> {
        let socket = match listen.is_ipv4() {
            true => TcpSocket::new_v4()?,
            false => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?; // a restart does not wait for old sockets to be forgotten
        socket.set_keepalive(true)?; // inherited; peers that vanish may have no keep-alive of their own
        socket.bind(listen)?;
        Ok(Port { listener: socket.listen(settings.listen_backlog)?, transport })
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// All ports of a listener, asked in turn.
pub(crate) struct Ports {
    ports: Vec<Port>,
    next: usize,
    reserve: Option<File>,
    /// How long to wait after the next failure.
    pause: Duration,
    asleep: Option<Pin<Box<Sleep>>>,
}

/// What came of an accept.
pub(super) enum Accepted {
    Socket(Transport, TcpStream, SocketAddr),
    /// It failed; so many sockets were closed so that their clients need not wait.
    Failed(io::Error, usize),
}

/// First pause after a failed accept.
const PAUSE_MIN: Duration = Duration::from_millis(10);
/// Longest pause after failed accepts.
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Sockets closed before the next pause while there is no file descriptor.
const SHED_PER_ROUND: usize = 64;

impl Ports {
    pub(super) fn new(ports: Vec<Port>) -> Ports {
        Ports { ports, next: 0, reserve: reserve(), pause: PAUSE_MIN, asleep: None }
    }

    /// The next socket. After a failure it waits a while first: what failed would fail again at once. Never ready when
    /// the ports are closed.
    pub(super) async fn accept(&mut self) -> Accepted {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        if let Some(sleep) = &mut self.asleep {
            ready!(sleep.as_mut().poll(cx));
            self.asleep = None;
        }
        for _ in 0..self.ports.len() {
            self.next = (self.next + 1) % self.ports.len();
            let Port { listener, transport } = &self.ports[self.next];
            match listener.poll_accept(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok((stream, peer))) => {
                    self.pause = PAUSE_MIN;
                    return Poll::Ready(Accepted::Socket(*transport, stream, peer));
                }
                Poll::Ready(Err(error)) => {
                    let shed = self.recover(&error, cx);
                    return Poll::Ready(Accepted::Failed(error, shed));
                }
            }
        }
        Poll::Pending
    }

    /// Gets over a failure: closes what waits, if no file descriptor is left, and pauses.
    fn recover(&mut self, error: &io::Error, cx: &mut Context<'_>) -> usize {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        // These say something about the one socket that was not accepted, not about us.
        if matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
            return 0;
        }
        let shed = if is_out_of_files(error) { self.shed(cx) } else { 0 };
        self.asleep = Some(Box::pin(sleep_until(Instant::now() + self.pause)));
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        shed
    }

    /// Accepts and closes, with the descriptor kept for this.
    fn shed(&mut self, cx: &mut Context<'_>) -> usize {
        self.reserve = None;
        let mut shed = 0;
        for port in &self.ports {
            while shed < SHED_PER_ROUND
                && let Poll::Ready(Ok((stream, _))) = port.listener.poll_accept(cx)
            {
                drop(stream);
                shed += 1;
            }
        }
        self.reserve = reserve();
        shed
    }
}

fn reserve() -> Option<File> {
    File::open("/dev/null").ok()
}

/// EMFILE of the process, ENFILE of the whole system.
fn is_out_of_files(error: &io::Error) -> bool {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
