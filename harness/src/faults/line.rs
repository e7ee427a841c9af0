//! How long bytes take through one direction of a connection: plain arithmetic, without clock or socket.
//!
//! A piece of `b` bytes that is read at `t` is due at the other end at
//!
//! ```text
//! due = max(due before, t + delay + u * jitter + penalty)
//!
//! u        even draw from -1 to 1
//! penalty  the longest of its packets: n = ceil(b / 1448), each lost with the probability p, again and again
//!          - lost once, and three packets follow it: one round trip, as TCP then sends it again at once
//!          - otherwise, lost k times: timeout * (2^k - 1), as TCP doubles its timeout each time
//! timeout  200 ms, the least of Linux, and a round trip
//! ```
//!
//! What follows a lost packet waits for it, as TCP hands bytes on in order; nothing is ever lost or
//! overtaken. Many pieces may be under way, so that a delay takes no bandwidth away.

/// Bytes of a packet of Ethernet that are left for data.
const PACKET: usize = 1448;

/// The least timeout of Linux until a packet is sent again.
const LEAST_TIMEOUT_US: i64 = 200_000;

/// A round trip on loopback, and what handling takes.
const LOOPBACK_US: i64 = 1_000;

/// Packets behind a lost one by which the receiver makes the sender send it again at once.
const FAST: usize = 3;

/// Losses of one packet that are counted; TCP itself gives up not much later.
const MOST_LOSSES: u32 = 6;

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Condition {
    /// Time in one direction, microseconds.
    pub delay_us: i64,
    /// How far that varies, both ways, microseconds.
    pub jitter_us: i64,
    /// Share of the packets that are lost.
    pub loss: f64,
}

/// One direction of a connection.
#[derive(Debug)]
pub(crate) struct Line {
    draws: u64,
    last_due_us: i64,
}

impl Line {
    /// A line whose draws are decided by `seed`, the number of the connection and the direction.
    pub(crate) fn new(seed: u64, connection: u64, direction: u64) -> Self {
        let mixed = mix(mix(seed) ^ connection.wrapping_mul(2).wrapping_add(direction));
        Self {
            draws: mixed,
            last_due_us: i64::MIN,
        }
    }

    /// When a piece that was read at `now_us` is due at the other end.
    pub(crate) fn due_us(&mut self, now_us: i64, bytes: usize, condition: &Condition) -> i64 {
        let mut takes = condition.delay_us;
        if condition.jitter_us > 0 {
            takes += ((2.0 * self.draw() - 1.0) * condition.jitter_us as f64) as i64;
        }
        if condition.loss > 0.0 {
            takes += self.penalty_us(bytes.div_ceil(PACKET), condition);
        }
        self.last_due_us = self.last_due_us.max(now_us + takes.max(0));
        self.last_due_us
    }

    fn penalty_us(&mut self, packets: usize, condition: &Condition) -> i64 {
        let round_trip = 2 * condition.delay_us + LOOPBACK_US;
        let timeout = LEAST_TIMEOUT_US + round_trip;
        (0..packets)
            .map(|number| match self.losses(condition.loss) {
                0 => 0,
                1 if packets - number > FAST => round_trip,
                times => timeout * ((1 << times) - 1),
            })
            .max()
            .unwrap_or(0)
    }

    /// How often one packet is lost before it comes through.
    fn losses(&mut self, share: f64) -> u32 {
        (0..MOST_LOSSES)
            .take_while(|_| self.draw() < share)
            .count()
            .try_into()
            .unwrap_or(MOST_LOSSES)
    }

    /// A number from 0 to 1, 1 left out.
    fn draw(&mut self) -> f64 {
        self.draws = self.draws.wrapping_add(STEP);
        (mix(self.draws) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Step of SplitMix64.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The mixing function of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Condition = Condition {
        delay_us: 100_000,
        jitter_us: 20_000,
        loss: 0.0,
    };

    fn lossy(loss: f64) -> Condition {
        Condition {
            loss,
            ..Condition::default()
        }
    }

    /// How long each of a thousand pieces takes that are read a second apart, so that none waits for another.
    fn takes(seed: u64, bytes: usize, condition: &Condition) -> Vec<i64> {
        let mut line = Line::new(seed, 0, 0);
        (0..1000)
            .map(|number| {
                let now = number * 100_000_000;
                line.due_us(now, bytes, condition) - now
            })
            .collect()
    }

    #[test]
    fn a_sound_line_takes_no_time() {
        assert_eq!(takes(1, 65_536, &Condition::default()), vec![0; 1000]);
    }

    #[test]
    fn a_slow_line_takes_its_delay_give_or_take_the_jitter() {
        let takes = takes(1, 100, &SLOW);
        assert!(takes.iter().all(|t| (80_000..=120_000).contains(t)));
        let mean = takes.iter().sum::<i64>() / 1000;
        assert!((98_000..102_000).contains(&mean), "{mean}");
    }

    #[test]
    fn pieces_under_way_at_the_same_time_do_not_wait_for_each_other_and_keep_their_order() {
        let mut line = Line::new(1, 0, 0);
        let due: Vec<i64> = (0..1000).map(|t| line.due_us(t * 10, 100, &SLOW)).collect();
        assert!(due.is_sorted());
        assert!(
            due[999] <= 9_990 + 120_000,
            "a thousand delays would be 100 s"
        );
    }

    #[test]
    fn the_share_that_is_lost_is_the_share_asked_for() {
        let late = takes(7, 100, &lossy(0.1))
            .iter()
            .filter(|t| **t > 0)
            .count();
        // A binomial of 1000 and 0.1 has a deviation of 9.5.
        assert!((60..=140).contains(&late), "{late}");
    }

    #[test]
    fn a_lost_packet_costs_a_timeout_that_doubles_or_a_round_trip_where_others_follow() {
        let small = takes(7, 100, &lossy(0.3));
        let timeout = LEAST_TIMEOUT_US + LOOPBACK_US;
        assert!(
            small
                .iter()
                .all(|t| [0, 1, 3, 7, 15, 31, 63].contains(&(t / timeout)))
        );
        assert!(small.contains(&timeout) && small.contains(&(3 * timeout)));
        let large = takes(7, 40 * PACKET, &lossy(0.002));
        assert!(large.contains(&LOOPBACK_US), "sent again at once");
    }

    #[test]
    fn the_same_seed_loses_the_same_packets() {
        let of = |seed| takes(seed, 100, &lossy(0.2));
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
        let mut other = Line::new(3, 0, 1);
        let direction: Vec<i64> = (0..1000)
            .map(|n| other.due_us(n * 100_000_000, 100, &lossy(0.2)) - n * 100_000_000)
            .collect();
        assert_ne!(of(3), direction);
    }
}
