//! A connection, with TLS around it or without: the same to read and to write.

use crate::tls::HandshakeError;
use socket2::{SockRef, Socket, TcpKeepalive};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// After how long a silent connection is probed by TCP, so that firewalls keep it and vanished peers are noticed.
const KEEPALIVE_TIME: Duration = Duration::from_secs(60);

/// A connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// Whoever is on the way can read it.
    Plain(TcpStream),
    /// Nobody can, and the peer showed who it is.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Settles a socket's options; a system that refuses one serves without it.
pub(crate) fn prepare(stream: &TcpStream) {
    stream.set_nodelay(true).ok();
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_TIME).with_interval(KEEPALIVE_TIME / 6);
    SockRef::from(stream).set_tcp_keepalive(&keepalive).ok();
}

/// An error of a connection in words: where TLS knows more than the system, what it knows.
pub(crate) fn in_words(error: &io::Error) -> String {
    HandshakeError::within(error).map_or_else(|| error.to_string(), |known| known.to_string())
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }

    /// A second handle of the connection, by which it can be ended wherever this one is; none when the system gives no more.
    pub(crate) fn handle(&self) -> Option<Socket> {
        SockRef::from(self.socket()).try_clone().ok()
    }

    /// Whether the peer has closed or broken the connection, or sent something, as far as this machine knows now. Nothing is taken.
    pub(crate) fn has_news(&self) -> bool {
        // The socket is asked directly: tokio's knowledge of it may be older than the last turn of its reactor.
        let mut next = [MaybeUninit::uninit()];
        match SockRef::from(self.socket()).peek(&mut next) {
            Ok(_) => true,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Takes what is there already, without waiting. Nothing there is an error of the kind `WouldBlock`.
    pub(crate) fn read_now(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Self::Plain(stream) = self {
            return io::Read::read(&mut &*SockRef::from(&*stream), buffer);
        }
        let mut buffer = ReadBuf::new(buffer);
        // Whoever reads next is woken, and not this.
        match Pin::new(self).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer) {
            Poll::Ready(read) => read.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Reads what comes, for a protocol that marks the end of what is sent itself: there a peer that goes without ending TLS properly, as
    /// many do, has ended all the same.
    pub(crate) async fn read_marked(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.read(buffer).await {
            Err(error) if matches!(self, Self::Tls(_)) && error.kind() == io::ErrorKind::UnexpectedEof => {
                Ok(0)
            }
            read => read,
        }
    }

    /// Takes and forgets what came meanwhile: closing with bytes unread would reset the connection, and what was written last could be
    /// lost.
    pub(crate) fn discard_unread(&self) {
        let mut buffer = [0; DISCARD_BYTES];
        while self.socket().try_read(&mut buffer).is_ok_and(|count| count > 0) {}
    }

    /// Writes all, to the wire.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        // TLS may still hold some of it.
        self.flush().await
    }
}

/// How much is forgotten at once.
const DISCARD_BYTES: usize = 4 * 1024;

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
