//! Which messages of a consumer are acknowledged together, because all that came before are done as well.
//!
//! What always holds: a message is acknowledged only when it is done, alone or with those before it; each of them once.

use std::collections::BTreeSet;

use orderly_transport::amqp::{BrokerError, Consumer};

/// What a consumer was given and has not acknowledged, by tags, which grow with each message of its channel.
#[derive(Debug, Default)]
pub(super) struct Acknowledging {
    open: BTreeSet<u64>,
    done: Vec<u64>,
}

impl Acknowledging {
    /// A message came.
    pub(super) fn came(&mut self, tag: u64) {
        self.open.insert(tag);
    }

    /// Whether everything that came is done, or went another way.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// It is done, and acknowledged with the next that are.
    pub(super) fn done(&mut self, tag: u64) {
        if self.open.remove(&tag) {
            self.done.push(tag);
        }
    }

    /// It went another way.
    pub(super) fn gone(&mut self, tag: u64) {
        self.open.remove(&tag);
    }

    /// Acknowledges what is done.
    pub(super) fn acknowledge(&mut self, consumer: &Consumer) -> Result<(), BrokerError> {
        let (with_all_before, alone) = self.take();
        if let Some(tag) = with_all_before {
            consumer.acknowledge(tag, true)?;
        }
        for tag in alone {
            consumer.acknowledge(tag, false)?;
        }
        Ok(())
    }

    /// The last of those before which all are done, and the others.
    fn take(&mut self) -> (Option<u64>, Vec<u64>) {
        let first_open = self.open.first().copied().unwrap_or(u64::MAX);
        let (before, alone): (Vec<u64>, Vec<u64>) =
            std::mem::take(&mut self.done).into_iter().partition(|tag| *tag < first_open);
        (before.into_iter().max(), alone)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Acknowledging;

    const COUNT: u64 = 5;

    /// In whichever order they are done, and whenever they are acknowledged: as a broker sees it, where a tag takes off all before it.
    #[test]
    fn only_what_is_done_is_acknowledged_and_each_once() {
        for order in orders() {
            for acknowledges_after in 0..1 << COUNT {
                let mut acknowledging = Acknowledging::default();
                (1..=COUNT).for_each(|tag| acknowledging.came(tag));
                let mut there: Vec<u64> = (1..=COUNT).collect();
                for (number, tag) in order.iter().enumerate() {
                    acknowledging.done(*tag);
                    if acknowledges_after & (1 << number) == 0 {
                        continue;
                    }
                    let (with_all_before, alone) = acknowledging.take();
                    for tag in with_all_before.iter().chain(&alone) {
                        assert!(there.contains(tag), "{tag} twice: {order:?}");
                    }
                    let up_to = with_all_before.unwrap_or(0);
                    there.retain(|tag| *tag > up_to && !alone.contains(tag));
                    let not_done: BTreeSet<u64> = order.iter().skip(number + 1).copied().collect();
                    assert_eq!(there.iter().copied().collect::<BTreeSet<_>>(), not_done, "{order:?}");
                }
            }
        }
    }

    fn orders() -> Vec<Vec<u64>> {
        (0..COUNT).fold(vec![Vec::new()], |orders, _| {
            let longer = |order: &Vec<u64>| {
                let others = (1..=COUNT).filter(|tag| !order.contains(tag));
                others.map(|tag| [order.as_slice(), &[tag]].concat()).collect::<Vec<_>>()
            };
            orders.iter().flat_map(longer).collect()
        })
    }

    #[test]
    fn all_that_is_done_without_a_gap_goes_by_one_tag() {
        let mut acknowledging = Acknowledging::default();
        (1..=5).for_each(|tag| acknowledging.came(tag));
        [2, 1, 5, 3].into_iter().for_each(|tag| acknowledging.done(tag));
        assert_eq!(acknowledging.take(), (Some(3), vec![5]));
        acknowledging.done(4);
        assert_eq!(acknowledging.take(), (Some(4), vec![]));
    }
}
