//! The memory cap: an account of the bytes of record batches held.
//!
//! Producers reserve before they append and wait when the cap is reached; deleting records gives
//! back. Waiting is loud (once per stall, not once per request) and never ends in dropped records.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tracing::{info, warn};

use crate::clock::Clock;

/// What a stored batch costs besides its bytes: its entry in the log and the allocator's header.
const OVERHEAD_BYTES: usize = 96;

/// The account shared by all partitions of a broker.
#[derive(Debug)]
pub(crate) struct Memory {
    cap: usize,
    account: Mutex<Account>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Account {
    used: usize,
    waiting: usize,
    stalled: bool,
    closed: bool,
}

/// Why a reservation failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReserveError {
    /// The batch alone is larger than the cap: waiting would never help.
    NeverFits,
    /// Nothing was freed within the patience of the request.
    TimedOut,
    /// The broker is stopping.
    Closed,
}

impl Memory {
    /// An empty account with room for `cap` bytes.
    pub(crate) fn new(cap: usize) -> Self {
        Self {
            cap,
            account: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Takes room for a batch of `len` bytes, waiting up to `patience` for it.
    pub(crate) fn reserve(
        &self,
        len: usize,
        patience: Duration,
        clock: &dyn Clock,
    ) -> Result<(), ReserveError> {
        let cost = len + OVERHEAD_BYTES;
        if cost > self.cap {
            return Err(ReserveError::NeverFits);
        }
        let mut account = self.account.lock();
        if account.used + cost <= self.cap && !account.closed {
            account.used += cost;
            return Ok(());
        }
        let deadline = clock.moment() + patience;
        account.waiting += 1;
        if !account.stalled {
            account.stalled = true;
            warn!(
                cap_bytes = self.cap,
                used_bytes = account.used,
                "memory cap reached: producers wait until records are deleted; raise the cap or delete records"
            );
        }
        let outcome = loop {
            if account.closed {
                break Err(ReserveError::Closed);
            }
            if account.used + cost <= self.cap {
                account.used += cost;
                break Ok(());
            }
            let left = deadline.saturating_sub(clock.moment());
            if left.is_zero() {
                break Err(ReserveError::TimedOut);
            }
            self.freed.wait_for(&mut account, left);
        };
        account.waiting -= 1;
        if outcome.is_ok() && account.waiting == 0 && account.stalled {
            account.stalled = false;
            info!(
                used_bytes = account.used,
                "memory was freed: producers go on"
            );
        }
        outcome
    }

    /// Takes room without waiting, even beyond the cap. Only for transaction markers: holding one
    /// back would leave its transaction open, and with it everything that consumers may delete.
    pub(crate) fn force(&self, len: usize) {
        self.account.lock().used += len + OVERHEAD_BYTES;
    }

    /// Gives the room of one batch back.
    pub(crate) fn release(&self, len: usize) {
        let mut account = self.account.lock();
        account.used = account.used.saturating_sub(len + OVERHEAD_BYTES);
        if account.waiting > 0 {
            self.freed.notify_all();
        }
    }

    /// Bytes accounted for at the moment.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.account.lock().used
    }

    /// Ends all waiting, now and later: the broker stops.
    pub(crate) fn close(&self) {
        self.account.lock().closed = true;
        self.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;
    use crate::clock::SystemClock;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_batch_larger_than_the_cap_is_refused_at_once() {
        let memory = Memory::new(1000);
        let outcome = memory.reserve(1000, LONG, &SystemClock::new());
        assert_eq!(outcome, Err(ReserveError::NeverFits));
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn without_room_the_patience_runs_out() {
        let memory = Memory::new(1000);
        let clock = SystemClock::new();
        memory
            .reserve(800, LONG, &clock)
            .expect("room for the first");
        let outcome = memory.reserve(800, Duration::ZERO, &clock);
        assert_eq!(outcome, Err(ReserveError::TimedOut));
        assert_eq!(
            memory.used(),
            800 + OVERHEAD_BYTES,
            "a failed reservation takes nothing"
        );
    }

    #[test]
    fn a_waiting_producer_goes_on_when_memory_is_freed() {
        let memory = Arc::new(Memory::new(1000));
        memory
            .reserve(800, LONG, &SystemClock::new())
            .expect("room for the first");
        let waiting = {
            let memory = Arc::clone(&memory);
            thread::spawn(move || memory.reserve(700, LONG, &SystemClock::new()))
        };
        while memory.account.lock().waiting == 0 {
            thread::yield_now();
        }
        memory.release(800);
        assert_eq!(waiting.join().expect("thread"), Ok(()));
        assert_eq!(memory.used(), 700 + OVERHEAD_BYTES);
    }

    #[test]
    fn closing_ends_the_wait() {
        let memory = Arc::new(Memory::new(1000));
        memory
            .reserve(800, LONG, &SystemClock::new())
            .expect("room for the first");
        let waiting = {
            let memory = Arc::clone(&memory);
            thread::spawn(move || memory.reserve(700, LONG, &SystemClock::new()))
        };
        while memory.account.lock().waiting == 0 {
            thread::yield_now();
        }
        memory.close();
        assert_eq!(waiting.join().expect("thread"), Err(ReserveError::Closed));
    }

    #[test]
    fn markers_pass_the_cap() {
        let memory = Memory::new(1000);
        memory
            .reserve(900, LONG, &SystemClock::new())
            .expect("room");
        memory.force(80);
        assert_eq!(memory.used(), 980 + 2 * OVERHEAD_BYTES);
    }
}
