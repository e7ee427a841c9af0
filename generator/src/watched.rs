//! What a run has done so far, kept where another process can see it.

use std::{collections::VecDeque, path::Path};

use floodmark_contracts::counts::Counts;

/// What counts as the last second: what is shown is written a few times in it.
const SECOND_US: i64 = 1_000_000;

/// Records sent until when, over about the last second.
#[derive(Debug, Default)]
pub(crate) struct LastSecond(VecDeque<(i64, u64)>);

impl LastSecond {
    /// Records per second since the newest look that is a second old, or the oldest there is.
    pub(crate) fn rate(&mut self, now_us: i64, sent: u64) -> f64 {
        let looks = &mut self.0;
        looks.push_back((now_us, sent));
        while looks
            .get(1)
            .is_some_and(|look| now_us - look.0 >= SECOND_US)
        {
            looks.pop_front();
        }
        match looks.front() {
            Some((at_us, then)) if now_us > *at_us => {
                (sent - then) as f64 * 1e6 / (now_us - at_us) as f64
            }
            _ => 0.0,
        }
    }
}

/// Writes the counts beside the file and gives them its name, so that no reader sees half of them.
pub(crate) fn write(counts: &Counts, path: &Path) -> std::io::Result<()> {
    let half = path.with_extension("half");
    std::fs::write(&half, serde_json::to_vec(counts)?)?;
    std::fs::rename(&half, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_about_the_last_second() {
        let mut last = LastSecond::default();
        let looks = [
            (0, 0),
            (500, 500),
            (1_000, 1_000),
            (1_500, 1_000),
            (3_000, 1_000),
        ];
        let rates = looks.map(|(at_ms, sent)| last.rate(at_ms * 1_000, sent));
        assert_eq!(rates, [0.0, 1_000.0, 1_000.0, 500.0, 0.0]);
    }
}
