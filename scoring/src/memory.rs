//! Whether the memory of a run's processes is flat.
//!
//! ```text
//! growth = mean resident set of the last tenth of generation - that of the tenth behind the first third
//! ```
//! The first third is left out: caches fill and windows open in it. What is left grows only where something is kept that
//! should not be, or where state grows with the load, and then a longer run needs more.

use std::collections::BTreeMap;

use floodmark_contracts::record::SeriesRow;

/// Seconds of generation below which nothing is said: a tenth of less is too few looks.
const LEAST_SECONDS: i64 = 30;

/// Looks within a span of seconds.
#[derive(Default)]
struct Looks {
    sum: f64,
    count: u32,
}

impl Looks {
    fn take(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

/// By how many bytes each role's resident set grew; no entry where nobody looked, or the run is too short.
pub(crate) fn growth(series: &[SeriesRow], seconds: f64) -> BTreeMap<String, f64> {
    let until = seconds as i64;
    if until < LEAST_SECONDS {
        return BTreeMap::new();
    }
    let (third, tenth) = (until / 3, until / 10);
    let mut looks: BTreeMap<&str, [Looks; 2]> = BTreeMap::new();
    for row in series.iter().filter(|row| row.metric == "rss_bytes") {
        let Some(role) = row.process.as_deref() else {
            continue;
        };
        let [early, late] = looks.entry(role).or_default();
        if (third + 1..=third + tenth).contains(&row.t) {
            early.take(row.value);
        } else if (until - tenth + 1..=until).contains(&row.t) {
            late.take(row.value);
        }
    }
    let grew = |[early, late]: &[Looks; 2]| Some(late.mean()? - early.mean()?);
    looks
        .iter()
        .filter_map(|(role, looks)| Some(((*role).to_owned(), grew(looks)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(role: &str, seconds: i64, rss: impl Fn(i64) -> f64) -> Vec<SeriesRow> {
        let row = |t: i64| SeriesRow {
            t,
            metric: "rss_bytes".to_owned(),
            process: Some(role.to_owned()),
            value: rss(t),
            ..SeriesRow::default()
        };
        (1..=seconds).map(row).collect()
    }

    #[test]
    fn what_fills_in_the_first_third_is_no_growth_and_what_goes_on_is() {
        let mut series = rows("broker", 90, |t| 100.0 * t.min(30) as f64);
        series.extend(rows("subject", 90, |t| 1_000.0 + 2.0 * t as f64));
        // Behind the end of generation the detector may do as it likes.
        series.extend(rows("harness", 120, |t| if t > 90 { 1e9 } else { 7.0 }));
        let grew = growth(&series, 90.0);
        // Seconds 31 to 39 and 82 to 90: their middles are 51 s apart.
        let expected = [("broker", 0.0), ("harness", 0.0), ("subject", 102.0)];
        assert_eq!(
            grew,
            expected.map(|(role, by)| (role.to_owned(), by)).into()
        );
    }

    #[test]
    fn of_a_short_run_nothing_is_said() {
        assert!(growth(&rows("subject", 29, |t| t as f64), 29.0).is_empty());
        assert!(growth(&[], 90.0).is_empty());
    }
}
