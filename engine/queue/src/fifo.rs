//! One destination's deliveries in journal order, one in flight at a time: a state machine without IO.
//!
//! [`Fifo::step`] is told what happened and answers with what to do. What always holds, whatever the events:
//!
//! - A delivery is sent only when every earlier one that waits at this destination has been delivered or set aside.
//! - A delivery that failed for now stays at the head; later ones wait behind it.
//! - At most [`UNRECORDED_MAX`] results are unrecorded at any moment, so after a crash at most that many deliveries
//!   are sent twice.
//! - A delivery whose result is known is not sent again while that result is being recorded.
//! - A payload that was replaced is not sent after that was told, except by an attempt under way.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::planted::{self, Fault};
use crate::retry::RetrySchedule;

/// How many results may wait for their commit: the promise of DESIGN section 2.2 ("at most 64" may come twice), less
/// the one that is in flight.
pub const UNRECORDED_MAX: usize = 63;

/// Microseconds since the epoch: the journal's clock, so that a planned retry survives a restart.
pub type Micros = i64;

/// What is known of a waiting delivery besides its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<P> {
    /// Its place in the order; unique and increasing over the whole journal.
    pub seq: u64,
    /// Attempts made so far.
    pub attempts: u32,
    /// Not before this time, when an earlier attempt failed for now.
    pub not_before: Option<Micros>,
    /// What is sent; the machine does not look into it.
    pub payload: P,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The destination has it.
    Delivered,
    /// It may work later: the delivery stays at the head of the line.
    Retryable {
        /// How long the destination asked to be left alone.
        asked: Option<Duration>,
    },
    /// The destination refused it: it is set aside and the next one goes on.
    Refused,
}

/// What happened.
#[derive(Debug)]
pub enum Event<P> {
    /// Something new may wait in the journal.
    Arrived,
    /// Deliveries at places already passed wait again (replayed), or their payload was replaced.
    Rewound,
    /// The answer to [`Action::Fetch`]; `more` when its limit cut it short.
    Fetched {
        /// In journal order.
        items: Vec<Item<P>>,
        /// Whether the journal holds more after the last of them.
        more: bool,
    },
    /// The journal could not be read; try again later.
    FetchFailed,
    /// The answer to [`Action::Send`].
    Attempted(Ending),
    /// The result of this delivery is on disk.
    Recorded(u64),
    /// The destination is reached another way from now on, with this schedule: what failed the old way is due at once.
    Changed(RetrySchedule),
    /// Send nothing more until [`Event::Resume`]; what is in flight ends.
    Pause,
    /// Go on where it was paused.
    Resume,
    /// Time has passed.
    Tick,
    /// Send nothing more; what is in flight ends.
    Stop,
}

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<P> {
    /// Read waiting deliveries after this place, in order.
    Fetch {
        /// The last place already in hand.
        after: u64,
    },
    /// Send this one and report [`Event::Attempted`].
    Send(Item<P>),
    /// Commit this result and report [`Event::Recorded`].
    Record {
        /// The delivery.
        seq: u64,
        /// How the attempt ended.
        ending: Ending,
        /// Which attempt it was (1 is the first).
        attempt: u32,
        /// When the next one is due, for [`Ending::Retryable`].
        not_before: Option<Micros>,
    },
    /// Report [`Event::Tick`] at this time.
    WakeAt(Micros),
    /// Stopped, nothing in flight, every result recorded.
    Finished,
}

/// The order of one destination.
#[derive(Debug)]
pub struct Fifo<P> {
    retry: RetrySchedule,
    ready: VecDeque<Item<P>>,
    in_flight: Option<Item<P>>,
    /// What is in flight may have been replaced since it was sent: the journal knows.
    overtaken: bool,
    unrecorded: BTreeSet<u64>,
    /// The last place fetched.
    fetched: u64,
    fetch: Fetch,
    /// The journal may hold more after `fetched`.
    more: bool,
    paused: bool,
    stopping: bool,
}

/// Whether a fetch is under way, and what has happened to its picture of the journal since it began.
#[derive(Debug)]
enum Fetch {
    Idle,
    /// Results recorded meanwhile: the reader may still have seen them as waiting.
    UnderWay {
        settled: BTreeSet<u64>,
        stale: bool,
    },
    /// The journal could not be read; wait for the time.
    NotBefore(Micros),
}

/// The wait after the journal could not be read.
const FETCH_RETRY: Duration = Duration::from_secs(1);

impl<P: Clone> Fifo<P> {
    /// A destination's line, starting at the first waiting delivery of the journal.
    #[must_use]
    pub fn new(retry: RetrySchedule) -> Self {
        Fifo {
            retry,
            ready: VecDeque::new(),
            in_flight: None,
            overtaken: false,
            unrecorded: BTreeSet::new(),
            fetched: 0,
            fetch: Fetch::Idle,
            more: true,
            paused: false,
            stopping: false,
        }
    }

    /// Takes in what happened at `now` and says what to do, in this order.
    pub fn step(&mut self, event: Event<P>, now: Micros) -> Vec<Action<P>> {
        let mut actions = Vec::new();
        match event {
            Event::Arrived => self.more = true,
            Event::Rewound => self.rewind(),
            Event::Fetched { items, more } => self.take_in(items, more),
            Event::FetchFailed => self.fetch = Fetch::NotBefore(later(now, FETCH_RETRY)),
            Event::Attempted(ending) => actions.extend(self.settle(ending, now)),
            Event::Recorded(seq) => self.recorded(seq),
            Event::Changed(retry) => self.change(retry),
            Event::Pause => self.paused = true,
            Event::Resume => self.paused = false,
            Event::Tick => {}
            Event::Stop => self.stopping = true,
        }
        self.go_on(now, &mut actions);
        actions
    }

    /// Whether a delivery is with the destination right now.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    fn rewind(&mut self) {
        self.overtaken = self.in_flight.is_some();
        self.ready.clear();
        self.fetched = 0;
        self.more = true;
        if let Fetch::UnderWay { stale, .. } = &mut self.fetch {
            *stale = true;
        }
    }

    fn change(&mut self, retry: RetrySchedule) {
        self.retry = retry;
        for item in &mut self.ready {
            item.not_before = None;
        }
    }

    fn take_in(&mut self, items: Vec<Item<P>>, more: bool) {
        let Fetch::UnderWay { settled, stale } = std::mem::replace(&mut self.fetch, Fetch::Idle) else {
            return;
        };
        if stale {
            return;
        }
        self.more = self.more_since_fetch(more);
        for item in items {
            self.fetched = self.fetched.max(item.seq);
            let in_flight = self.in_flight.as_ref().is_some_and(|sent| sent.seq == item.seq);
            if !in_flight && !settled.contains(&item.seq) && !self.unrecorded.contains(&item.seq) {
                self.ready.push_back(item);
            }
        }
    }

    /// `self.more` was cleared when the fetch began; an arrival since then has set it again.
    fn more_since_fetch(&self, more: bool) -> bool {
        self.more || more
    }

    fn settle(&mut self, ending: Ending, now: Micros) -> Option<Action<P>> {
        let mut item = self.in_flight.take()?;
        item.attempts = item.attempts.saturating_add(1);
        let (seq, attempt) = (item.seq, item.attempts);
        let not_before = match ending {
            Ending::Retryable { asked } => Some(later(now, self.retry.wait_after(item.attempts, asked))),
            Ending::Delivered | Ending::Refused => None,
        };
        self.unrecorded.insert(seq);
        if std::mem::take(&mut self.overtaken) {
            // Whatever its result, another payload may wait at its place.
            self.rewind();
        } else if not_before.is_some() {
            item.not_before = not_before;
            self.put_back(item);
        }
        Some(Action::Record { seq, ending, attempt, not_before })
    }

    /// A delivery that failed for now goes back to its place, behind what was replayed at an earlier one meanwhile.
    /// When the line was emptied by a replay, the journal gives it again: but a fetch that is under way was begun
    /// before this result and would pass over it.
    fn put_back(&mut self, item: Item<P>) {
        if self.fetched >= item.seq {
            let behind =
                usize::from(planted::is_planted(Fault::OrderSwappedOnRetry) && !self.ready.is_empty());
            let place = self.ready.partition_point(|other| other.seq < item.seq).saturating_add(behind);
            self.ready.insert(place, item);
        } else {
            self.rewind();
        }
    }

    fn recorded(&mut self, seq: u64) {
        self.unrecorded.remove(&seq);
        if let Fetch::UnderWay { settled, .. } = &mut self.fetch {
            settled.insert(seq);
        }
    }

    fn go_on(&mut self, now: Micros, actions: &mut Vec<Action<P>>) {
        if self.stopping {
            if self.in_flight.is_none() && self.unrecorded.is_empty() {
                actions.push(Action::Finished);
            }
            return;
        }
        self.send_next(now, actions);
        self.fetch_more(now, actions);
    }

    fn send_next(&mut self, now: Micros, actions: &mut Vec<Action<P>>) {
        if self.paused || self.in_flight.is_some() || self.unrecorded.len() >= UNRECORDED_MAX {
            return;
        }
        let Some(head) = self.ready.front() else { return };
        match head.not_before {
            // Its failure is being recorded: results reach the journal in the order of the attempts.
            _ if self.unrecorded.contains(&head.seq) => {}
            Some(time) if time > now => actions.push(Action::WakeAt(time)),
            _ => {
                self.in_flight = self.ready.pop_front();
                actions.extend(self.in_flight.clone().map(Action::Send));
            }
        }
    }

    fn fetch_more(&mut self, now: Micros, actions: &mut Vec<Action<P>>) {
        if !self.more || !self.ready.is_empty() {
            return;
        }
        match self.fetch {
            Fetch::UnderWay { .. } => {}
            Fetch::NotBefore(time) if time > now => actions.push(Action::WakeAt(time)),
            // A fetch from the start would see deliveries whose results are not on disk yet as waiting, and the
            // order would rest on remembering them all: so it waits until they are.
            _ if self.fetched == 0 && !self.unrecorded.is_empty() => {}
            _ => {
                self.more = false;
                self.fetch = Fetch::UnderWay { settled: BTreeSet::new(), stale: false };
                actions.push(Action::Fetch { after: self.fetched });
            }
        }
    }
}

fn later(now: Micros, wait: Duration) -> Micros {
    now.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const FAILED: Ending = Ending::Retryable { asked: None };

    fn item(seq: u64) -> Item<()> {
        Item { seq, attempts: 0, not_before: None, payload: () }
    }

    fn started(items: Vec<Item<()>>) -> (Fifo<()>, Vec<Action<()>>) {
        let mut fifo = Fifo::new(RetrySchedule::default());
        assert_eq!(fifo.step(Event::Tick, 0), [Action::Fetch { after: 0 }]);
        let actions = fifo.step(Event::Fetched { items, more: false }, 0);
        (fifo, actions)
    }

    #[test]
    fn the_second_waits_until_the_first_is_answered() {
        let (mut fifo, actions) = started(vec![item(1), item(2)]);
        assert_eq!(actions, [Action::Send(item(1))]);
        assert_eq!(fifo.step(Event::Arrived, 0), []);
        let actions = fifo.step(Event::Attempted(Ending::Delivered), 0);
        assert_eq!(
            actions,
            [
                Action::Record { seq: 1, ending: Ending::Delivered, attempt: 1, not_before: None },
                Action::Send(item(2)),
                Action::Fetch { after: 2 }
            ]
        );
    }

    #[test]
    fn a_failure_holds_the_line_until_its_time() {
        let (mut fifo, _) = started(vec![item(1), item(2)]);
        let actions = fifo.step(Event::Attempted(FAILED), 0);
        let due = 1_000_000;
        assert_eq!(actions, [Action::Record { seq: 1, ending: FAILED, attempt: 1, not_before: Some(due) },]);
        assert_eq!(fifo.step(Event::Recorded(1), 1), [Action::WakeAt(due)]);
        assert_eq!(fifo.step(Event::Tick, due - 1), [Action::WakeAt(due)]);
        let again = Item { attempts: 1, not_before: Some(due), ..item(1) };
        assert_eq!(fifo.step(Event::Tick, due), [Action::Send(again)]);
    }

    #[test]
    fn what_is_replaced_while_it_is_sent_is_read_anew() {
        for ending in [FAILED, Ending::Delivered] {
            let (mut fifo, _) = started(vec![item(1), item(2)]);
            assert_eq!(fifo.step(Event::Rewound, 0), [Action::Fetch { after: 0 }]);
            let items = vec![item(1), item(2)];
            assert_eq!(fifo.step(Event::Fetched { items, more: false }, 0), []);
            let actions = fifo.step(Event::Attempted(ending), 0);
            assert!(matches!(actions.as_slice(), [Action::Record { seq: 1, .. }]), "{actions:?}");
            assert_eq!(fifo.step(Event::Recorded(1), 0), [Action::Fetch { after: 0 }]);
        }
    }

    #[test]
    fn a_destination_that_changed_is_tried_at_once_and_by_its_new_schedule() {
        let (mut fifo, _) = started(vec![item(1), item(2)]);
        fifo.step(Event::Attempted(FAILED), 0);
        assert_eq!(fifo.step(Event::Recorded(1), 1), [Action::WakeAt(1_000_000)]);
        let retry = RetrySchedule { schedule: Vec::new(), then: Duration::from_secs(7) };
        let again = Item { attempts: 1, ..item(1) };
        assert_eq!(fifo.step(Event::Changed(retry), 2), [Action::Send(again)]);
        let actions = fifo.step(Event::Attempted(FAILED), 10);
        let due = Some(7_000_010);
        assert_eq!(actions, [Action::Record { seq: 1, ending: FAILED, attempt: 2, not_before: due }]);
    }

    #[test]
    fn a_refusal_is_set_aside_and_the_next_goes_on() {
        let (mut fifo, _) = started(vec![item(1), item(2)]);
        let actions = fifo.step(Event::Attempted(Ending::Refused), 0);
        assert_eq!(actions.last(), Some(&Action::Send(item(2))));
    }

    #[test]
    fn unrecorded_results_are_bounded() {
        let (mut fifo, mut actions) = started((1..=100).map(item).collect());
        let mut sent = 0;
        while actions.iter().any(|action| matches!(action, Action::Send(_))) {
            sent += 1;
            actions = fifo.step(Event::Attempted(Ending::Delivered), 0);
        }
        assert_eq!(sent, UNRECORDED_MAX);
        assert_eq!(fifo.step(Event::Recorded(1), 0), [Action::Send(item(64))]);
    }

    #[test]
    fn stop_lets_the_delivery_in_flight_end() {
        let (mut fifo, _) = started(vec![item(1), item(2)]);
        assert_eq!(fifo.step(Event::Stop, 0), []);
        let actions = fifo.step(Event::Attempted(Ending::Delivered), 0);
        assert!(matches!(actions.as_slice(), [Action::Record { seq: 1, .. }]));
        assert_eq!(fifo.step(Event::Recorded(1), 0), [Action::Finished]);
    }

    #[test]
    fn while_it_is_paused_nothing_is_sent_and_no_time_is_waited_for() {
        let (mut fifo, _) = started(vec![item(1), item(2)]);
        assert_eq!(fifo.step(Event::Pause, 0), []);
        fifo.step(Event::Attempted(FAILED), 0);
        assert_eq!(fifo.step(Event::Recorded(1), 1), []);
        assert_eq!(fifo.step(Event::Tick, 2_000_000), []);
        let again = Item { attempts: 1, not_before: Some(1_000_000), ..item(1) };
        assert_eq!(fifo.step(Event::Resume, 2_000_000), [Action::Send(again)]);
    }

    /// The journal and the peer of the model: what a delivery's state is on disk.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum OnDisk {
        Waiting,
        Delivered,
        Parked,
    }

    /// Drives a [`Fifo`] against a model journal and checks each send.
    struct World {
        fifo: Fifo<()>,
        journal: BTreeMap<u64, (OnDisk, u32)>,
        known: BTreeMap<u64, Ending>,
        records: VecDeque<(u64, Ending, u32)>,
        fetch: Option<(Vec<Item<()>>, bool)>,
        first_sends: Vec<u64>,
        paused: bool,
        now: Micros,
    }

    impl World {
        fn new() -> Self {
            World {
                fifo: Fifo::new(RetrySchedule::default()),
                journal: BTreeMap::new(),
                known: BTreeMap::new(),
                records: VecDeque::new(),
                fetch: None,
                first_sends: Vec::new(),
                paused: false,
                now: 0,
            }
        }

        fn tell(&mut self, event: Event<()>) {
            for action in self.fifo.step(event, self.now) {
                match action {
                    Action::Fetch { after } => {
                        assert!(self.fetch.is_none(), "one fetch at a time");
                        let waiting = self.journal.range(after + 1..).filter(|(_, s)| s.0 == OnDisk::Waiting);
                        let mut items: Vec<_> =
                            waiting.map(|(seq, s)| Item { attempts: s.1, ..item(*seq) }).collect();
                        let more = items.len() > 3;
                        items.truncate(3);
                        self.fetch = Some((items, more));
                    }
                    Action::Send(sent) => self.check_send(sent.seq),
                    Action::Record { seq, ending, attempt, .. } => {
                        self.known.insert(seq, ending);
                        self.records.push_back((seq, ending, attempt));
                        assert!(self.records.len() <= UNRECORDED_MAX + 1);
                    }
                    Action::WakeAt(_) | Action::Finished => {}
                }
            }
        }

        fn check_send(&mut self, seq: u64) {
            assert!(!self.paused, "{seq} sent while paused");
            let settled =
                |seq: &u64| matches!(self.known.get(seq), Some(Ending::Delivered | Ending::Refused));
            assert!(!settled(&seq), "{seq} sent again although its result is known");
            if !self.first_sends.contains(&seq) {
                let earlier = self.journal.range(..seq);
                let overtaken = earlier.filter(|(s, d)| d.0 == OnDisk::Waiting && !settled(s));
                let never_sent: Vec<_> =
                    overtaken.map(|(s, _)| *s).filter(|s| !self.first_sends.contains(s)).collect();
                assert_eq!(never_sent, Vec::<u64>::new(), "{seq} overtook them");
                self.first_sends.push(seq);
            }
        }

        fn record_one(&mut self) {
            let Some((seq, ending, attempt)) = self.records.pop_front() else { return };
            let on_disk = match ending {
                Ending::Delivered => OnDisk::Delivered,
                Ending::Refused => OnDisk::Parked,
                Ending::Retryable { .. } => OnDisk::Waiting,
            };
            self.journal.insert(seq, (on_disk, attempt));
            self.known.remove(&seq);
            self.tell(Event::Recorded(seq));
        }

        fn act(&mut self, choice: u8) {
            match choice % 13 {
                0 | 1 => {
                    let seq = self.journal.len() as u64 + 1;
                    self.journal.insert(seq, (OnDisk::Waiting, 0));
                    self.tell(Event::Arrived);
                }
                2 | 3 if self.fifo.is_in_flight() => self.tell(Event::Attempted(Ending::Delivered)),
                4 if self.fifo.is_in_flight() => self.tell(Event::Attempted(FAILED)),
                5 if self.fifo.is_in_flight() => self.tell(Event::Attempted(Ending::Refused)),
                6 => self.record_one(),
                7 => {
                    if let Some((items, more)) = self.fetch.take() {
                        self.tell(Event::Fetched { items, more });
                    }
                }
                8 => {
                    self.now += 600_000_000;
                    self.tell(Event::Tick);
                }
                9 => {
                    let parked = self.journal.iter().find(|(_, d)| d.0 == OnDisk::Parked).map(|(s, _)| *s);
                    if let Some(seq) = parked {
                        self.journal.insert(seq, (OnDisk::Waiting, 0));
                        self.tell(Event::Rewound);
                    }
                }
                10 => self.tell(Event::Changed(RetrySchedule::default())),
                11 => {
                    self.paused = true;
                    self.tell(Event::Pause);
                }
                12 => self.resume(),
                _ => {}
            }
        }

        fn resume(&mut self) {
            self.paused = false;
            self.tell(Event::Resume);
        }

        /// Lets everything come to rest with a peer that accepts all.
        fn drain(&mut self) {
            self.resume();
            for _ in 0..10_000 {
                self.now += 600_000_000;
                if let Some((items, more)) = self.fetch.take() {
                    self.tell(Event::Fetched { items, more });
                } else if self.fifo.is_in_flight() {
                    self.tell(Event::Attempted(Ending::Delivered));
                } else if !self.records.is_empty() {
                    self.record_one();
                } else {
                    self.tell(Event::Tick);
                    if !self.fifo.is_in_flight() && self.fetch.is_none() {
                        return;
                    }
                }
            }
            panic!("did not come to rest");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
        #[test]
        fn whatever_happens_nothing_overtakes_and_nothing_is_left(choices in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut world = World::new();
            for choice in choices {
                world.act(choice);
            }
            world.drain();
            let waiting: Vec<_> = world.journal.iter().filter(|(_, d)| d.0 == OnDisk::Waiting).collect();
            prop_assert!(waiting.is_empty(), "left waiting: {waiting:?}");
        }
    }
}
