//! Delays between an event and its arrival: jitter, disorder, lateness, and devices that were offline.
//!
//! `due = arrival + jitter + (disorder + lateness + time offline) / speed`: jitter is wall time, the others
//! are event time. Each is drawn from the slot alone, or from the entity and the time, so any worker
//! finds the same.

mod distribution;

use floodmark_contracts::{
    problem::Problems,
    profile::{
        disorder::{RawDelay, RawOffline},
        streams::StreamSection,
    },
    units::parse_duration,
};

pub(crate) use self::distribution::Distribution;
use crate::draw::{Draws, Key, Purpose};

/// How an event was delayed. Jitter alone counts as no delay: it is of wall time, and on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delayed {
    /// Not at all.
    #[default]
    No,
    /// Within the bound of the disorder.
    Disordered,
    /// By the lateness distribution, on top of its disorder if it has any.
    Late,
    /// Recorded by a device that was offline, and sent when it was back.
    Offline,
}

/// A delay of an event's arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Delay {
    /// Wall time, nanoseconds: the sum of all.
    pub(crate) wall_ns: i64,
    /// Event time, microseconds: all but the jitter.
    pub(crate) event_us: i64,
    pub(crate) class: Delayed,
}

/// All delays of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Delays {
    jitter: Option<DelayPlan>,
    disorder: Option<DelayPlan>,
    lateness: Option<DelayPlan>,
    offline: Option<Offline>,
    by_slot: Key,
    speed: f64,
}

impl Delays {
    /// Validates the sections of a stream; all problems are noted under `path`.
    pub(crate) fn resolve(
        raw: &StreamSection,
        key: Key,
        speed: f64,
        path: &str,
        problems: &mut Problems,
    ) -> Self {
        let mut delay = |raw: &Option<_>, field: &str| {
            raw.as_ref()
                .and_then(|raw| DelayPlan::resolve(raw, &format!("{path}.{field}"), problems))
        };
        let (jitter, disorder, lateness) = (
            delay(&raw.jitter, "jitter"),
            delay(&raw.disorder, "disorder"),
            delay(&raw.lateness, "lateness"),
        );
        let offline = raw.offline.as_ref().and_then(|raw| {
            Offline::resolve(
                raw,
                key.purpose(Purpose::Offline),
                &format!("{path}.offline"),
                problems,
            )
        });
        Self {
            jitter,
            disorder,
            lateness,
            offline,
            by_slot: key.purpose(Purpose::Delay),
            speed,
        }
    }

    /// The delay of a slot's event: `entity`'s, at `offset_ms` of event time after the origin.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by the longest durations"
    )]
    pub(crate) fn of(&self, slot: u64, entity: u32, offset_ms: i64) -> Delay {
        let mut draws = self.by_slot.draws(slot);
        let mut draw = |plan: &Option<DelayPlan>| {
            plan.as_ref()
                .and_then(|plan| plan.draw(&mut draws))
                .unwrap_or(-1)
        };
        let (disorder, lateness, jitter) = (
            draw(&self.disorder),
            draw(&self.lateness),
            draw(&self.jitter),
        );
        let offline = self
            .offline
            .as_ref()
            .map_or(0, |offline| offline.left_us(entity, offset_ms));
        let class = match () {
            () if offline > 0 => Delayed::Offline,
            () if lateness >= 0 => Delayed::Late,
            () if disorder >= 0 => Delayed::Disordered,
            () => Delayed::No,
        };
        let event_us = disorder.max(0) + lateness.max(0) + offline;
        // Most events are not delayed, and a division takes time.
        let wall_ns = match event_us {
            0 => 0,
            _ => (event_us as f64 * 1000.0 / self.speed) as i64,
        };
        Delay {
            wall_ns: wall_ns + jitter.max(0) * 1000,
            event_us,
            class,
        }
    }

    /// True if whose event it is decides about its delay.
    pub(crate) fn depend_on_entity(&self) -> bool {
        self.offline.is_some()
    }

    /// The longest delay in microseconds of wall time.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by the longest durations"
    )]
    pub(crate) fn longest_us(&self) -> i64 {
        let max = |plan: &Option<DelayPlan>| plan.as_ref().map_or(0.0, |p| p.delay.max_us());
        let offline = self.offline.map_or(0.0, |o| o.length_ms as f64 * 1000.0);
        let event_time = max(&self.disorder) + max(&self.lateness) + offline;
        (event_time / self.speed + max(&self.jitter)).ceil() as i64
    }
}

/// A delay of a share of the events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DelayPlan {
    share: f64,
    delay: Distribution,
}

impl DelayPlan {
    fn resolve(raw: &RawDelay, path: &str, problems: &mut Problems) -> Option<Self> {
        check_share(raw.share, &format!("{path}.share"), problems);
        let delay = Distribution::resolve(&raw.delay, &format!("{path}.delay"), problems)?;
        Some(Self {
            share: raw.share,
            delay,
        })
    }

    /// The delay of one event in microseconds, if it has one.
    fn draw(&self, draws: &mut Draws) -> Option<i64> {
        draws.chance(self.share).then(|| self.delay.draw(draws))
    }
}

/// Notes a share that is not above 0 and at most 1.
pub(crate) fn check_share(share: f64, path: &str, problems: &mut Problems) {
    if !(share > 0.0 && share <= 1.0) {
        let text = format!("`{share}` is no share; use more than 0 and at most 1");
        problems.add(path, text);
    }
}

/// Devices that are offline for a while. Event time is cut into spans; in each, an entity is offline
/// once or not at all, drawn from the entity and the span alone.
#[derive(Debug, Clone, Copy)]
struct Offline {
    share: f64,
    every_ms: i64,
    length_ms: i64,
    key: Key,
}

impl Offline {
    fn resolve(raw: &RawOffline, key: Key, path: &str, problems: &mut Problems) -> Option<Self> {
        check_share(raw.share, &format!("{path}.share"), problems);
        let mut millis = |field: &str, text: &str| {
            let path = format!("{path}.{field}");
            let duration = problems.check(&path, parse_duration(text))?;
            i64::try_from(duration.as_millis()).ok()
        };
        let (every, length) = (millis("every", &raw.every), millis("length", &raw.length));
        let (every_ms, length_ms) = (every?, length?);
        if length_ms <= 0 || length_ms > every_ms {
            let text = format!(
                "`{}` is not between 0 and `every`, `{}`; use less, but more than 0",
                raw.length, raw.every
            );
            problems.add(format!("{path}.length"), text);
            return None;
        }
        Some(Self {
            share: raw.share,
            every_ms,
            length_ms,
            key,
        })
    }

    /// Time until the entity is back, in microseconds of event time; 0 if it is not offline.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "within a span, and a run has fewer than 2^32 of them"
    )]
    fn left_us(&self, entity: u32, offset_ms: i64) -> i64 {
        let span = offset_ms.div_euclid(self.every_ms);
        let mut draws = self.key.draws((span as u64) << 32 | u64::from(entity));
        if !draws.chance(self.share) {
            return 0;
        }
        let latest = (self.every_ms - self.length_ms) as f64;
        let from = span * self.every_ms + (latest * draws.unit()) as i64;
        let until = from + self.length_ms;
        if (from..until).contains(&offset_ms) {
            (until - offset_ms) * 1000
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(yaml: &str) -> Result<Delays, Vec<String>> {
        let raw: StreamSection = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Problems::new();
        let found = Delays::resolve(&raw, Key::root(1), 60.0, "s", &mut problems);
        let texts: Vec<String> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        if texts.is_empty() {
            Ok(found)
        } else {
            Err(texts)
        }
    }

    #[test]
    fn bad_sections_are_refused_with_their_paths() {
        let uniform = "delay: { uniform: { min: 0s, max: 1s } }";
        for (section, expected) in [
            (
                format!("disorder: {{ share: 0, {uniform} }}"),
                "s.disorder.share: `0` is no share",
            ),
            (
                format!("jitter: {{ share: .nan, {uniform} }}"),
                "s.jitter.share: `NaN` is no share",
            ),
            (
                "lateness: { share: 1, delay: { uniform: { min: 1s, max: 0s } } }".to_owned(),
                "s.lateness.delay.uniform.max: `0s` is below",
            ),
            (
                "offline: { share: 2, every: 1m, length: 1s }".to_owned(),
                "s.offline.share: `2` is no share",
            ),
            (
                "offline: { share: 0.1, every: 1m, length: 2m }".to_owned(),
                "s.offline.length: `2m` is not between",
            ),
        ] {
            let found = delays(&format!("rate: 1/s\n{section}\n")).unwrap_err();
            assert!(found[0].starts_with(expected), "{found:?}");
        }
    }

    #[test]
    fn delays_add_up_and_jitter_is_wall_time() {
        let all = |share: f64| {
            let one = |name: &str, time: &str| {
                format!(
                    "{name}: {{ share: {share}, delay: {{ uniform: {{ min: {time}, max: {time} }} }} }}\n"
                )
            };
            let text = [
                "rate: 1/s\n".to_owned(),
                one("disorder", "1s"),
                one("lateness", "10s"),
                one("jitter", "3ms"),
            ];
            delays(&text.concat()).unwrap()
        };
        let delay = all(1.0).of(1, 2, 3);
        assert_eq!(delay.event_us, 11_000_000);
        assert_eq!(delay.wall_ns, 11_000_000_000 / 60 + 3_000_000);
        assert_eq!(delay.class, Delayed::Late);
        assert_eq!(all(1.0).longest_us(), 11_000_000 / 60 + 3_001);
        let late = (0..50_000)
            .filter(|slot| all(0.25).of(*slot, 0, 0).class == Delayed::Late)
            .count();
        assert!((12_000..13_000).contains(&late), "{late}");
        assert_eq!(delays("rate: 1/s").unwrap().of(1, 2, 3), Delay::default());
    }

    #[test]
    fn what_a_device_records_offline_comes_at_once_when_it_is_back() {
        let delays = delays("rate: 1/s\noffline: { share: 0.5, every: 10m, length: 3m }").unwrap();
        let (mut offline, mut batches) = (0, std::collections::BTreeSet::new());
        for entity in 0..400 {
            for at_s in 0..600 {
                let delay = delays.of(0, entity, at_s * 1000);
                if delay.class == Delayed::Offline {
                    offline += 1;
                    assert!(delay.event_us <= 180_000_000);
                    batches.insert((entity, at_s * 1000 + delay.event_us / 1000));
                }
            }
        }
        // Half of them, 180 seconds each, all of one's events at one instant.
        assert!((150..250).contains(&batches.len()), "{}", batches.len());
        assert_eq!(offline / batches.len(), 180);
    }
}
