//! Where a thread's time goes: it says when it turns to something else.

/// What the thread is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Waiting for records.
    Idle,
    /// Working on records.
    Busy,
    /// Waiting for output to be taken.
    Blocked,
}

/// Wall time between two results, microseconds.
const WINDOW_US: i64 = 1_000_000;

/// Time by what it went into.
#[derive(Debug)]
pub(super) struct Laps {
    turn: Turn,
    since_us: i64,
    began_us: i64,
    /// Idle and blocked, since `began_us`; the rest was work.
    idle_us: i64,
    blocked_us: i64,
    /// Shares of idle, busy and blocked in the last window.
    shares: (f64, f64, f64),
}

impl Laps {
    /// Begins with work at `now_us`.
    pub(super) fn new(now_us: i64) -> Self {
        Self {
            turn: Turn::Busy,
            since_us: now_us,
            began_us: now_us,
            idle_us: 0,
            blocked_us: 0,
            shares: (0.0, 0.0, 0.0),
        }
    }

    /// Takes note that the thread turns to something else.
    pub(super) fn turn(&mut self, to: Turn, now_us: i64) {
        let lap_us = now_us - self.since_us;
        match self.turn {
            Turn::Idle => self.idle_us += lap_us,
            Turn::Blocked => self.blocked_us += lap_us,
            Turn::Busy => {}
        }
        (self.turn, self.since_us) = (to, now_us);
    }

    /// The shares of idle, busy and blocked in the last whole window.
    pub(super) fn shares(&mut self, now_us: i64) -> (f64, f64, f64) {
        self.turn(self.turn, now_us);
        let all_us = now_us - self.began_us;
        if all_us >= WINDOW_US {
            let all = all_us as f64;
            let (idle, blocked) = (self.idle_us as f64 / all, self.blocked_us as f64 / all);
            self.shares = (idle, (1.0 - idle - blocked).max(0.0), blocked);
            (self.began_us, self.idle_us, self.blocked_us) = (now_us, 0, 0);
        }
        self.shares
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_last_whole_window() {
        let mut laps = Laps::new(0);
        laps.turn(Turn::Idle, 100_000);
        assert_eq!(laps.shares(500_000), (0.0, 0.0, 0.0), "half a window");
        laps.turn(Turn::Blocked, 700_000);
        let (idle, busy, blocked) = laps.shares(1_000_000);
        assert!((idle - 0.6).abs() < 1e-9, "{idle}");
        assert!((busy - 0.1).abs() < 1e-9, "{busy}");
        assert!((blocked - 0.3).abs() < 1e-9, "{blocked}");
        laps.turn(Turn::Busy, 1_200_000);
        let (idle, busy, blocked) = laps.shares(2_000_000);
        assert!(idle.abs() < 1e-9 && (busy - 0.8).abs() < 1e-9 && (blocked - 0.2).abs() < 1e-9);
    }
}
