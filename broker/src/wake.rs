//! A flag that one connection thread sleeps on and others raise.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Raised by whoever has news (records, a group reply, the broker stopping); lowered by the
/// sleeper as it wakes. A raise before the sleep is not lost.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    raised: Mutex<bool>,
    news: Condvar,
}

impl Wake {
    /// Raises the flag.
    pub(crate) fn raise(&self) {
        let mut raised = self.raised.lock();
        // Several partitions may raise it before the sleeper has run: one system call is enough.
        if !*raised {
            *raised = true;
            self.news.notify_one();
        }
    }

    /// Sleeps until the flag is raised or `at_most` has passed; true when it was raised.
    pub(crate) fn sleep(&self, at_most: Duration) -> bool {
        let mut raised = self.raised.lock();
        if !*raised {
            self.news.wait_for(&mut raised, at_most);
        }
        std::mem::take(&mut *raised)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raise_before_the_sleep_is_not_lost() {
        let wake = Wake::default();
        wake.raise();
        assert!(wake.sleep(Duration::from_secs(60)));
        assert!(!wake.sleep(Duration::ZERO), "sleeping lowers the flag");
    }

    #[test]
    fn a_sleeper_is_woken_by_another_thread() {
        let wake = Wake::default();
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| wake.sleep(Duration::from_secs(60)));
            wake.raise();
            assert!(sleeper.join().expect("thread"));
        });
    }
}
