//! The socket of one connection with the bytes on their way in and out. An idle connection holds no
//! read buffer: reads go to a buffer of the thread, and only the start of a packet that is not
//! complete yet is kept.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::time::Instant;

use crate::stream::Stream;

/// Fresh read buffers; all connections of a thread fill one after the other.
const CHUNK_BYTES: usize = 64 * 1024;
/// A buffer with less room than this is replaced.
const CHUNK_ROOM_BYTES: usize = 16 * 1024;
/// A kept start of a packet longer than this grows in place instead of moving to the read buffer.
const MOVED_BYTES: usize = 2 * 1024;
/// By how much a long packet's buffer grows ahead of what has arrived.
const GROWTH_BYTES: usize = 4 * 1024;
/// Capacity that an idle connection keeps for sending.
const OUT_KEPT_BYTES: usize = 1024;

thread_local! {
    static CHUNK: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

pub(super) struct Socket {
    pub(super) stream: Stream,
    /// Where the client comes from.
    pub(super) peer: SocketAddr,
    /// The start of a packet whose rest has not arrived.
    carry: BytesMut,
    /// Bytes to send; those before `sent` are gone.
    pub(super) out: Vec<u8>,
    sent: usize,
    unflushed: bool,
    /// Since when the peer takes nothing.
    pub(super) blocked_since: Option<Instant>,
}

impl Socket {
    pub(super) fn new(stream: Stream, peer: SocketAddr) -> Socket {
        Socket { stream, peer, carry: BytesMut::new(), out: Vec::new(), sent: 0, unflushed: false, blocked_since: None }
    }

    /// Reads once. Gives what was kept and what arrived, in one piece; empty at the end of the
    /// stream.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.carry.len() > MOVED_BYTES {
            self.carry.reserve(GROWTH_BYTES);
            let count = ready!(poll_read_buf(&mut self.stream, &mut self.carry, cx))?;
            return Poll::Ready(Ok(match count {
                0 => Bytes::new(),
                _ => std::mem::take(&mut self.carry).freeze(),
            }));
        }
        CHUNK.with_borrow_mut(|chunk| {
            if chunk.capacity() < CHUNK_ROOM_BYTES {
                chunk.reserve(CHUNK_BYTES);
            }
            chunk.extend_from_slice(&self.carry);
            let polled = poll_read_buf(&mut self.stream, chunk, cx);
            match polled {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.carry = BytesMut::new();
                    Poll::Ready(Ok(chunk.split().freeze()))
                }
                other => {
                    chunk.clear();
                    other.map_ok(|_| Bytes::new())
                }
            }
        })
    }

    /// Keeps the start of a packet for the next read.
    pub(super) fn keep(&mut self, rest: Bytes) {
        debug_assert!(self.carry.is_empty(), "a read takes what was kept");
        self.carry = match rest.len() {
            0..=MOVED_BYTES => BytesMut::from(&rest[..]),
            // Nobody else has a part of a long packet's buffer, so that this takes it over as it is.
            _ => rest.try_into_mut().unwrap_or_else(|rest| BytesMut::from(&rest[..])),
        };
    }

    /// Takes what was kept, without a read.
    pub(super) fn take_kept(&mut self) -> Bytes {
        std::mem::take(&mut self.carry).freeze()
    }

    /// Whether a packet has begun to arrive.
    pub(super) fn is_mid_packet(&self) -> bool {
        !self.carry.is_empty()
    }

    /// Bytes not sent yet.
    pub(super) fn pending_bytes(&self) -> usize {
        self.out.len() - self.sent
    }

    /// The client's certificate (DER), which the handshake has verified.
    pub(super) fn certificate(&self) -> Option<&[u8]> {
        self.stream.certificate()
    }

    /// See [`Stream::certificates`].
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        self.stream.certificates()
    }

    /// Sends what there is. Ready when all is sent.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.out[self.sent..]) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    self.sent += count;
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.blocked_since.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            }
        }
        // TLS and WebSocket may hold back what they took.
        if self.unflushed && Pin::new(&mut self.stream).poll_flush(cx)?.is_pending() {
            self.blocked_since.get_or_insert_with(Instant::now);
            return Poll::Pending;
        }
        self.unflushed = false;
        self.blocked_since = None;
        self.sent = 0;
        if self.out.capacity() > OUT_KEPT_BYTES {
            self.out = Vec::new();
        } else {
            self.out.clear();
        }
        Poll::Ready(Ok(()))
    }
}

fn poll_read_buf(stream: &mut Stream, buffer: &mut BytesMut, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
    pin!(stream.read_buf(buffer)).poll(cx)
}
