//! The connection below AMQP, as lapin is handed it: our own, with our own TLS, that knows when the broker was last heard.
//!
//! What always holds: once the broker was silent for longer than the limit, nothing that comes later is read; once cut, nothing is read or
//! written, and the system has closed the connection for the broker too.

use super::connection::LinkState;
use crate::stream::{Stream, in_words};
use async_rs::Tokio;
use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use futures_io::{AsyncRead, AsyncWrite};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// What is known about a connection from its bytes.
#[derive(Debug)]
pub(super) struct Hearing {
    since: Instant,
    /// When something was last read, in milliseconds since then.
    heard_ms: AtomicU64,
    /// The longest silence; none before AMQP has agreed on one.
    silence_ms_max: AtomicU64,
    is_cut: AtomicBool,
    handle: Option<socket2::Socket>,
    state: watch::Sender<LinkState>,
    /// Why the system says that it ended.
    reason: OnceLock<String>,
    ended: Notify,
    /// The broker's side of it has ended, or nothing more is read; what was read before may not be understood yet.
    broken: Notify,
}

impl Hearing {
    /// How long the broker has been silent.
    pub(super) fn silence(&self) -> Duration {
        self.since.elapsed().saturating_sub(Duration::from_millis(self.heard_ms.load(Ordering::Acquire)))
    }

    /// The broker's end.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.handle.as_ref()?.peer_addr().ok()?.as_socket()
    }

    /// From now on a longer silence ends the connection.
    pub(super) fn limit_silence(&self, longest: Duration) {
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        self.silence_ms_max.store(longest, Ordering::Release);
    }

    /// Whether the broker was heard within the longest silence that is allowed.
    pub(super) fn is_fresh(&self) -> bool {
        let longest = self.silence_ms_max.load(Ordering::Acquire);
        !self.is_cut.load(Ordering::Acquire) && self.silence() <= Duration::from_millis(longest)
    }

    /// Ends the connection at once, for both sides.
    pub(super) fn cut(&self, why: &str) {
        self.is_cut.store(true, Ordering::Release);
        if let Some(handle) = &self.handle {
            // It may be gone already.
            handle.shutdown(Shutdown::Both).ok();
        }
        self.lost(why);
    }

    /// The connection has ended; the first reason stays.
    pub(super) fn lost(&self, why: &str) {
        self.state.send_if_modified(|state| {
            let is_first = !matches!(state, LinkState::Lost(_));
            if is_first {
                *state = LinkState::Lost(why.to_owned());
            }
            is_first
        });
    }

    /// Waits until the broker's side has ended, or ours has given it up, and gives the reason.
    pub(super) async fn broken(&self) -> &str {
        self.broken.notified().await;
        self.reason.get().map_or("what was answered is not understood", String::as_str)
    }

    fn breaks(&self, reason: impl FnOnce() -> String) {
        self.reason.get_or_init(reason);
        self.broken.notify_one();
    }

    /// Waits until nothing is read or written any more, and gives the system's reason.
    pub(super) async fn ended(&self) -> &str {
        self.ended.notified().await;
        self.reason
            .get()
            .map_or("the broker closed the connection, as it does when it is stopped", String::as_str)
    }

    /// The broker's memory or disk is short, or is not any more.
    pub(super) fn blocked(&self, reason: Option<String>) {
        self.state.send_if_modified(|state| {
            let is_alive = !matches!(state, LinkState::Lost(_));
            if is_alive {
                *state = reason.map_or(LinkState::Open, LinkState::Blocked);
            }
            is_alive
        });
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(*self.state.borrow(), LinkState::Lost(_))
    }

    pub(super) fn state(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    /// Something was read. After too long a silence it is not to be used.
    fn heard(&self) -> io::Result<()> {
        if !self.is_fresh() {
            let why = "the broker was not heard for one and a half heartbeats";
            self.cut(why);
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.heard_ms.store(now, Ordering::Release);
        Ok(())
    }

    fn check(&self) -> io::Result<()> {
        if self.is_cut.load(Ordering::Acquire) {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        }
    }
}

/// A connection to a broker.
#[derive(Debug)]
pub(super) struct Socket {
    stream: Stream,
    hearing: Arc<Hearing>,
}

impl Socket {
    pub(super) fn new(stream: Stream) -> Self {
        let hearing = Hearing {
            since: Instant::now(),
            heard_ms: AtomicU64::new(0),
            silence_ms_max: AtomicU64::new(u64::MAX),
            is_cut: AtomicBool::new(false),
            handle: stream.handle(),
            state: watch::Sender::new(LinkState::Open),
            reason: OnceLock::new(),
            ended: Notify::new(),
            broken: Notify::new(),
        };
        Self { stream, hearing: Arc::new(hearing) }
    }

    pub(super) fn hearing(&self) -> Arc<Hearing> {
        self.hearing.clone()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.hearing.ended.notify_one();
        self.hearing.broken.notify_one();
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.hearing.check()?;
        let mut buffer = ReadBuf::new(into);
        match Pin::new(&mut this.stream).poll_read(context, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => {
                this.hearing.breaks(|| in_words(&error));
                Poll::Ready(Err(error))
            }
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                this.hearing.breaks(|| "the broker closed the connection".to_owned());
                Poll::Ready(Ok(0))
            }
            Poll::Ready(Ok(())) => Poll::Ready(this.hearing.heard().map(|()| buffer.filled().len())),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.hearing.check()?;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// What lapin runs on: tokio, with our connections.
pub(super) type Runtime = async_rs::Runtime<RuntimeParts<Tokio, Sockets>>;

/// The current runtime.
pub(super) fn runtime() -> Runtime {
    Runtime::new(RuntimeParts::new(Tokio::current(), Sockets(Tokio::current())))
}

/// tokio's reactor, whose connections are ours.
#[derive(Debug, Clone)]
pub(super) struct Sockets(Tokio);

impl Reactor for Sockets {
    type TcpStream = Socket;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(
        &self,
        duration: Duration,
    ) -> impl futures_core::Stream<Item = std::time::Instant> + Send + 'static {
        self.0.interval(duration)
    }

    /// Never asked for: lapin is handed connections that are made.
    #[expect(clippy::manual_async_fn, reason = "the trait wants a future that borrows nothing")]
    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        async move { TcpStream::connect(address).await.map(|stream| Socket::new(Stream::Plain(stream))) }
    }
}
