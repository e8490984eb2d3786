//! A TCP proxy that stands between an engine and a peer and harms the way: cuts connections, holds all bytes, delays them, lets nobody in.
//!
//! What always holds: bytes are passed on unchanged and in order, or not at all; everything ends with the proxy.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A proxy.
pub struct Proxy {
    address: SocketAddr,
    way: Arc<watch::Sender<Way>>,
    _accepting: JoinSet<()>,
}

/// How the way is.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    /// How often all connections were cut.
    cuts_count: u64,
    /// Whether bytes are held.
    is_paused: bool,
    /// Whether new connections are closed at once.
    is_closed: bool,
    /// How long bytes take in each direction.
    delay: Duration,
}

impl Proxy {
    /// A proxy to `host:port`.
    pub async fn to(target: &str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let way = Arc::new(watch::Sender::new(Way::default()));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, target.to_owned(), way.clone()));
        Proxy { address, way, _accepting: accepting }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Cuts all connections. New ones may come.
    pub fn cut(&self) {
        self.way.send_modify(|way| way.cuts_count += 1);
    }

    /// Waits until there are no connections.
    pub async fn emptied(&self) {
        self.way.closed().await;
    }

    /// Holds all bytes, of new connections too.
    pub fn pause(&self) {
        self.way.send_modify(|way| way.is_paused = true);
    }

    /// Passes on what was held, and all else.
    pub fn resume(&self) {
        self.way.send_modify(|way| way.is_paused = false);
    }

    /// Lets nobody in any more, or again.
    pub fn close(&self, is_closed: bool) {
        self.way.send_modify(|way| way.is_closed = is_closed);
    }

    /// Lets bytes take this long in each direction.
    pub fn delay(&self, delay: Duration) {
        self.way.send_modify(|way| way.delay = delay);
    }
}

async fn accept(listener: TcpListener, target: String, way: Arc<watch::Sender<Way>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        if !way.borrow().is_closed {
            connections.spawn(serve(stream, target.clone(), way.subscribe()));
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(near: TcpStream, target: String, way: watch::Receiver<Way>) {
    let Ok(far) = TcpStream::connect(target).await else { return };
    near.set_nodelay(true).ok();
    far.set_nodelay(true).ok();
    let mut cut = way.clone();
    let cuts_count = cut.borrow_and_update().cuts_count;
    let (near_reads, near_writes) = near.into_split();
    let (far_reads, far_writes) = far.into_split();
    tokio::select! {
        () = pass(near_reads, far_writes, way.clone()) => {}
        () = pass(far_reads, near_writes, way.clone()) => {}
        _ = cut.wait_for(|way| way.cuts_count != cuts_count) => {}
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else { return };
        let Ok(now) = way.wait_for(|way| !way.is_paused).await.map(|way| *way) else { return };
        if !now.delay.is_zero() {
            tokio::time::sleep(now.delay).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
