//! The clock, in the unit of the journal and the queues.

use std::time::Duration;

use jiff::Timestamp;
use orderly_queue::item::Micros;

/// Now, in microseconds since 1970-01-01T00:00:00Z.
pub(crate) fn now() -> Micros {
    Timestamp::now().as_microsecond()
}

/// Ready after the wait, or never when there is none.
pub(crate) async fn after(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
