//! Why a mapping ended before its last rule: it failed, or what it made waits until a person has looked.

use std::ops::{Deref, DerefMut};

use orderly_record::{Diagnostic, Fault};

use crate::{UnmappedCode, plan};

/// Why a mapping did not come to its end. Boxed, because everything that is evaluated could end in one, and hardly anything does.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Refused>);

/// What a refusal says.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) end: plan::End,
    pub(crate) diagnostic: Diagnostic,
    /// The code without a row, where that is why.
    pub(crate) unmapped: Option<UnmappedCode>,
}

impl Refusal {
    pub(crate) fn failed(code: &'static str, fault: Fault, message: impl Into<String>) -> Refusal {
        Refusal::new(plan::End::Fail, Diagnostic::error(code, fault, message))
    }

    pub(crate) fn new(end: plan::End, diagnostic: Diagnostic) -> Refusal {
        Refusal(Box::new(Refused { end, diagnostic, unmapped: None }))
    }

    pub(crate) fn into_inner(self) -> Refused {
        *self.0
    }
}

impl Deref for Refusal {
    type Target = Refused;

    fn deref(&self) -> &Refused {
        &self.0
    }
}

impl DerefMut for Refusal {
    fn deref_mut(&mut self) -> &mut Refused {
        &mut self.0
    }
}
