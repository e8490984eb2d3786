//! A simulated receiving system: keeps what it receives, in the order of arrival, and answers as it is told.
//!
//! It is a [`Handler`]: bind an MLLP listener on port 0 and run it with this. What always holds: a message counts as received
//! before its answer leaves.

use crate::listeners::{Answer, ConnectionEvent, FrameProblem, Handler, Received};
use crate::mllp_frame::Tally;
use std::fmt;
use std::future::{self, Future};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What a simulated system has received.
pub struct Receiver {
    answer: Box<AnswerTo>,
    messages: Mutex<Vec<Arc<[u8]>>>,
    messages_count: watch::Sender<usize>,
}

type AnswerTo = dyn Fn(&[u8]) -> Answer + Send + Sync;

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("messages_count", &*self.messages_count.borrow())
            .finish_non_exhaustive()
    }
}

impl Receiver {
    /// A system that answers each message as `answer` says.
    pub fn new(answer: impl Fn(&[u8]) -> Answer + Send + Sync + 'static) -> Self {
        Self { answer: Box::new(answer), messages: Mutex::default(), messages_count: watch::Sender::new(0) }
    }

    /// All messages so far, repeats included, in the order of arrival.
    pub fn messages(&self) -> Vec<Arc<[u8]>> {
        self.lock().clone()
    }

    /// Waits until at least so many messages were received.
    pub async fn wait_for(&self, messages_count: usize) {
        let mut counts = self.messages_count.subscribe();
        // The sender lives as long as this borrow of it, so that waiting cannot fail.
        counts.wait_for(|count| *count >= messages_count).await.ok();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<[u8]>>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Receiver {
    fn message(&self, received: Received) -> impl Future<Output = Answer> + Send {
        let answer = (self.answer)(&received.bytes);
        let count = {
            let mut messages = self.lock();
            messages.push(received.bytes.into());
            messages.len()
        };
        self.messages_count.send_replace(count);
        future::ready(answer)
    }

    fn problem(&self, _: FrameProblem) -> impl Future<Output = Option<Vec<u8>>> + Send {
        future::ready(None)
    }

    fn deviations(&self, _: SocketAddr, _: u64, _: &Tally) {}

    fn connection(&self, _: ConnectionEvent) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destinations::{Classified, Delivery, DestinationSettings, MllpSettings, Outcome};
    use crate::listeners::{MllpListener, MllpListenerSettings};
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn it_keeps_what_comes_and_answers_as_told() {
        let receiver = Arc::new(Receiver::new(|message| Answer::one([b"got ", message].concat())));
        let settings = MllpListenerSettings::new((Ipv4Addr::LOCALHOST, 0).into());
        let listener = MllpListener::bind(settings).await.unwrap();
        let address = listener.local_addr().to_string();
        let serving = tokio::spawn(listener.run(receiver.clone(), future::pending()));
        let mut destination = DestinationSettings::Mllp(MllpSettings::new(address)).open().await;
        for payload in [b"A", b"B", b"A"] {
            let delivery = Delivery { id: "1", name: "", payload };
            let attempt = destination.attempt(&delivery, &|_| Classified::Outcome(Outcome::Delivered)).await;
            assert_eq!(attempt.answer, Some([b"got ".as_slice(), payload].concat()));
        }
        receiver.wait_for(3).await;
        let messages: Vec<Vec<u8>> = receiver.messages().iter().map(|message| message.to_vec()).collect();
        assert_eq!(messages, [b"A", b"B", b"A"]);
        serving.abort();
    }
}
