//! Faults that the crash tests plant to prove that they see: each breaks one promise of the engine, here or in the runtime.
//!
//! Only with the feature `planted-faults`, which the product is never built with; without it, [`is_planted`] is
//! always false and the code behind it is compiled away.

/// A promise to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// The positive answer leaves before the commit.
    AnswerBeforeCommit = 1,
    /// A delivery that must be tried again goes behind the next one.
    OrderSwappedOnRetry = 2,
    /// A delivery is marked delivered before its answer came.
    MarkedBeforeAnswer = 3,
}

/// Whether this fault is planted.
#[cfg(not(feature = "planted-faults"))]
#[must_use]
pub const fn is_planted(_: Fault) -> bool {
    false
}

#[cfg(feature = "planted-faults")]
pub use planting::{is_planted, plant};

#[cfg(feature = "planted-faults")]
mod planting {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::Fault;

    /// The fault planted in this process; 0 is none. A process that is started to be killed gets it by environment.
    fn planted() -> &'static AtomicU8 {
        static PLANTED: OnceLock<AtomicU8> = OnceLock::new();
        PLANTED.get_or_init(|| {
            let number = std::env::var("ORDERLY_PLANTED_FAULT").ok().and_then(|text| text.parse().ok());
            AtomicU8::new(number.unwrap_or(0))
        })
    }

    /// Whether this fault is planted.
    #[must_use]
    pub fn is_planted(fault: Fault) -> bool {
        planted().load(Ordering::Relaxed) == fault as u8
    }

    /// Plants a fault in this process, or takes it out.
    pub fn plant(fault: Option<Fault>) {
        planted().store(fault.map_or(0, |fault| fault as u8), Ordering::Relaxed);
    }
}
