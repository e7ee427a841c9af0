//! A subject that faults are done to.

use floodmark_contracts::clock::Clock;

use super::{GRACE, RunningSubject};
use crate::child::Child;

impl RunningSubject {
    /// Its processes, in the order of their slots.
    pub(crate) fn children(&mut self) -> impl Iterator<Item = &mut Child> {
        self.processes.iter_mut().map(|process| &mut process.child)
    }

    /// How many processes it has.
    pub(crate) fn count(&self) -> usize {
        self.processes.len()
    }

    /// Whether one of its processes was ended by force, and told nothing.
    pub(crate) fn was_forced(&self) -> bool {
        let mut running = self.processes.iter();
        self.was_forced || running.any(|process| process.child.was_forced())
    }

    /// Ends all processes but the first `count`.
    pub(crate) fn reduce_to(&mut self, count: usize, clock: &dyn Clock) {
        let mut surplus = self.processes.split_off(count.min(self.processes.len()));
        for process in &mut surplus {
            process.child.ask_to_end();
        }
        for mut process in surplus {
            process.child.wait_for_end(GRACE, clock);
            self.was_forced |= process.child.was_forced();
            tracing::debug!(slot = process.slot, "a process of the subject has ended");
            self.past.push(process.child.resources());
        }
    }
}

#[cfg(test)]
impl RunningSubject {
    /// A subject of one process that is up.
    pub(crate) fn of_process(child: Child) -> Self {
        Self {
            processes: vec![super::Process { slot: 0, child }],
            past: Vec::new(),
            was_forced: false,
        }
    }
}
