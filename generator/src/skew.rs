//! Clocks that are wrong, and partitions on which nothing is sent for a while.

use floodmark_contracts::{
    problem::Problems,
    profile::disorder::{RawClockSkew, RawIdle},
    units::parse_duration,
};

use crate::{
    delay::{Distribution, check_share},
    draw::{Key, Purpose},
};

/// The farthest that a clock may be off, in microseconds: less than the time between the last event and
/// the closing ones, which no window of an event may pass.
const FARTHEST_US: f64 = 600e6;

/// Producers whose clocks are wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockSkew {
    share: f64,
    ahead: f64,
    offset: Distribution,
    key: Key,
}

impl ClockSkew {
    /// Validates the section; all problems are noted under `path`.
    pub(crate) fn resolve(
        raw: &RawClockSkew,
        key: Key,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        check_share(raw.share, &format!("{path}.share"), problems);
        if !(0.0..=1.0).contains(&raw.ahead) {
            let text = format!("`{}` is no share; use 0 to 1", raw.ahead);
            problems.add(format!("{path}.ahead"), text);
        }
        let offset = Distribution::resolve(&raw.offset, &format!("{path}.offset"), problems)?;
        if offset.max_us() > FARTHEST_US {
            let text = format!(
                "clocks would be off by up to {:.0} s; use at most 600 s",
                offset.max_us() / 1e6
            );
            problems.add(format!("{path}.offset"), text);
        }
        Some(Self {
            share: raw.share,
            ahead: raw.ahead,
            offset,
            key: key.purpose(Purpose::Clock),
        })
    }

    /// How far an entity's clock is ahead, in milliseconds; negative if it is behind.
    pub(crate) fn offset_ms(&self, entity: u32) -> i64 {
        let mut draws = self.key.draws(u64::from(entity));
        if !draws.chance(self.share) {
            return 0;
        }
        let ahead = draws.chance(self.ahead);
        let offset_ms = self.offset.draw(&mut draws) / 1000;
        if ahead { offset_ms } else { -offset_ms }
    }
}

/// Spans of wall time in which partitions are idle.
#[derive(Debug, Clone, Default)]
pub(crate) struct Idle(Vec<IdleSpan>);

#[derive(Debug, Clone, Copy)]
struct IdleSpan {
    partition: u32,
    from_ns: i64,
    until_ns: i64,
}

impl Idle {
    /// Validates the section of a stream with this many partitions.
    pub(crate) fn resolve(
        raw: &[RawIdle],
        partitions: u32,
        path: &str,
        problems: &mut Problems,
    ) -> Self {
        let mut spans = Vec::new();
        for (index, raw) in raw.iter().enumerate() {
            let path = |field: &str| format!("{path}[{index}].{field}");
            let mut nanos = |field: &str, text: &str| {
                let duration = problems.check(&path(field), parse_duration(text))?;
                i64::try_from(duration.as_nanos()).ok()
            };
            let (from, length) = (nanos("from", &raw.from), nanos("for", &raw.length));
            if raw.partition >= partitions {
                let text = format!(
                    "there is no partition `{}`; use 0 to {}",
                    raw.partition,
                    partitions.saturating_sub(1)
                );
                problems.add(path("partition"), text);
            }
            if let (Some(from_ns), Some(length_ns)) = (from, length) {
                spans.push(IdleSpan {
                    partition: raw.partition,
                    from_ns,
                    until_ns: from_ns.saturating_add(length_ns),
                });
            }
        }
        Self(spans)
    }

    /// True if no partition ever is.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if nothing may arrive on the partition then.
    pub(crate) fn covers(&self, partition: u32, arrival_ns: i64) -> bool {
        self.0.iter().any(|span| {
            span.partition == partition && (span.from_ns..span.until_ns).contains(&arrival_ns)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(problems: Problems) -> Vec<String> {
        let problems = problems.into_vec();
        problems.iter().map(ToString::to_string).collect()
    }

    fn skew(yaml: &str) -> Result<ClockSkew, Vec<String>> {
        let raw: RawClockSkew = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Problems::new();
        let found = ClockSkew::resolve(&raw, Key::root(5), "skew", &mut problems);
        let texts = texts(problems);
        found.filter(|_| texts.is_empty()).ok_or(texts)
    }

    #[test]
    fn clocks_are_off_for_the_share_asked_for_and_always_by_the_same() {
        let skew = skew("{ share: 0.2, ahead: 0.25, offset: { uniform: { min: 10s, max: 60s } } }")
            .unwrap();
        let offsets: Vec<i64> = (0..20_000).map(|e| skew.offset_ms(e)).collect();
        let ahead = offsets.iter().filter(|o| **o > 0).count();
        let behind = offsets.iter().filter(|o| **o < 0).count();
        assert!((900..1100).contains(&ahead), "{ahead}");
        assert!((2800..3200).contains(&behind), "{behind}");
        assert!(
            offsets
                .iter()
                .all(|o| *o == 0 || (10_000..=60_000).contains(&o.abs()))
        );
        assert_eq!(skew.offset_ms(7), skew.offset_ms(7));
    }

    #[test]
    fn clocks_that_are_too_wrong_are_refused() {
        let found = skew("{ share: 0.2, offset: { uniform: { min: 10s, max: 1h } } }").unwrap_err();
        assert_eq!(
            found,
            ["skew.offset: clocks would be off by up to 3600 s; use at most 600 s"]
        );
    }

    #[test]
    fn a_partition_is_idle_in_its_span_alone() {
        let raw: Vec<RawIdle> =
            serde_saphyr::from_str("[{ partition: 2, from: 30s, for: 20s }]").unwrap();
        let mut problems = Problems::new();
        let idle = Idle::resolve(&raw, 3, "idle", &mut problems);
        let second = 1_000_000_000;
        for (partition, at, expected) in [
            (2, 30 * second, true),
            (2, 50 * second - 1, true),
            (2, 50 * second, false),
            (2, 30 * second - 1, false),
            (1, 40 * second, false),
        ] {
            assert_eq!(idle.covers(partition, at), expected, "{partition} {at}");
        }
        assert!(texts(problems).is_empty());
        let mut problems = Problems::new();
        Idle::resolve(&raw, 2, "idle", &mut problems);
        assert_eq!(
            texts(problems),
            ["idle[0].partition: there is no partition `2`; use 0 to 1"]
        );
    }
}
