//! What does not change while one message is mapped: the input and what is known of it, the budget of steps, the notes.

use std::cell::{Cell, OnceCell, RefCell};

use orderly_hl7v2::{Groups, Header, Message};
use orderly_record::{Diagnostic, Fault};

use crate::Input;
use crate::member::Member;
use crate::recorder::Recorder;
use crate::refusal::Refusal;
use crate::trace::Read;
use crate::wanted::Wanted;

/// Steps that one mapping may take for one message: segments looked at, filters tried, rules applied. A rule set of a hundred rules on
/// a message of ten thousand segments stays far below; rules that multiply with the message are stopped within seconds.
pub(crate) const STEPS_MAX: u64 = 1_000_000_000;

/// What does not change while one message is mapped.
pub(crate) struct Case<'m> {
    pub(crate) input: &'m Input<'m>,
    /// What stands in the place of a message when the input is a document.
    nothing: Message<'m>,
    header: OnceCell<Header>,
    pub(super) groups: OnceCell<Groups>,
    /// The parts of the record that the plan takes, and those that were taken.
    wanted: Wanted,
    parts: Vec<OnceCell<Member>>,
    steps: Cell<u64>,
    notes: RefCell<Vec<Diagnostic>>,
    /// Writes down what is looked at, while a trace is made.
    recorder: Option<Box<Recorder>>,
}

impl<'m> Case<'m> {
    /// A message, to be mapped by a plan that takes these parts of its record.
    pub(crate) fn new(input: &'m Input<'m>, wanted: &Wanted) -> Case<'m> {
        Case {
            input,
            nothing: Message::default(),
            header: OnceCell::new(),
            groups: OnceCell::new(),
            wanted: wanted.clone(),
            parts: wanted.slots(),
            steps: Cell::new(0),
            notes: RefCell::new(Vec::new()),
            recorder: None,
        }
    }

    /// The same, with everything written down that is looked at.
    pub(crate) fn watched(input: &'m Input<'m>, wanted: &Wanted) -> Case<'m> {
        Case { recorder: Some(Box::default()), ..Case::new(input, wanted) }
    }

    /// Tells the recorder, when there is one.
    pub(crate) fn record(&self, tell: impl FnOnce(&Recorder)) {
        if let Some(recorder) = &self.recorder {
            tell(recorder);
        }
    }

    /// What writes down, while a trace is made.
    pub(crate) fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_deref()
    }

    /// What was looked at since it was last asked; nothing without a trace.
    pub(crate) fn reads(&self) -> Vec<Read> {
        self.recorder.as_ref().map(|recorder| recorder.take()).unwrap_or_default()
    }

    /// The message as received; of a document one without segments, so that every path into it is empty.
    pub(crate) fn received(&self) -> &Message<'m> {
        self.input.message().unwrap_or(&self.nothing)
    }

    /// The header of a message; a document has none.
    pub(crate) fn header(&self) -> Option<&Header> {
        let message = self.input.message()?;
        Some(self.header.get_or_init(|| message.header()))
    }

    /// The part of the record at this path, which is kept in this slot.
    pub(crate) fn part(&self, slot: usize, root: &[Box<str>]) -> &Member {
        let Some(part) = self.parts.get(slot) else { return &Member::Nothing };
        if let (None, Some(first)) = (part.get(), root.first()) {
            self.wanted.take(self.input.record(), first, &self.parts);
        }
        part.get().unwrap_or(&Member::Nothing)
    }

    /// Counts steps.
    pub(crate) fn spend(&self, steps: usize) -> Result<(), Refusal> {
        let spent = self.steps.get().saturating_add(steps as u64);
        self.steps.set(spent);
        if spent <= STEPS_MAX {
            return Ok(());
        }
        let message = format!("the mapping took more than {STEPS_MAX} steps on this message");
        Err(Refusal::failed("mapping-steps", Fault::Configuration, message))
    }

    /// Keeps something to tell that does not stop the mapping; the same is told once.
    pub(crate) fn note(&self, note: Diagnostic) {
        let mut notes = self.notes.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
    }

    /// What was noted since it was asked last.
    pub(crate) fn take_notes(&self) -> Vec<Diagnostic> {
        self.notes.take()
    }
}
