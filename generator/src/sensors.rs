//! Sensors: who reports in which slot, and which value.
//!
//! Slots go round the sensors: a cycle of `n` slots has one reading of each. Inside small blocks of a
//! cycle the order changes from cycle to cycle, which gives each sensor a little jitter. Any slot's
//! reading can be worked out alone.

mod noise;
mod types;

use floodmark_contracts::clock::EventTime;

pub(crate) use self::types::SensorTypes;
use self::{noise::Noise, types::Ranges};
use crate::{
    content::{Content, Reading},
    draw::{Draws, Key, Purpose},
    events::Filling,
    fault::{Effect, Fault, Plain, touching},
    math::sin_turns,
    plan::StreamPlan,
    share::Share,
};

/// Share of the readings that repeat the one before (sample and hold).
const HELD: f64 = 0.01;
/// Milliseconds of event time in a day and in an hour, the periods of the seasons.
const DAY_MS: f64 = 86_400_000.0;
const HOUR_MS: f64 = 3_600_000.0;

/// Which sensor reports in which slot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rota {
    sensors: u64,
    block: u64,
    order: Key,
}

impl Rota {
    pub(crate) fn new(sensors: u32, key: Key) -> Self {
        Self {
            sensors: u64::from(sensors),
            // A sixteenth of the cycle at most, so that jitter stays at a few per cent.
            block: u64::from(sensors / 16).clamp(1, 8),
            order: key.purpose(Purpose::SensorOrder),
        }
    }

    /// The sensor that reports in a slot, and the number of its reading.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "there are at most a million sensors"
    )]
    pub(crate) fn at(&self, slot: u64) -> (u32, u64) {
        let (cycle, place) = (slot / self.sensors, slot % self.sensors);
        let (start, size, turn) = self.block_of(cycle, place);
        ((start + (place - start + turn) % size) as u32, cycle)
    }

    /// The slot of a sensor's reading.
    pub(crate) fn slot(&self, sensor: u32, cycle: u64) -> u64 {
        let sensor = u64::from(sensor);
        let (start, size, turn) = self.block_of(cycle, sensor);
        cycle * self.sensors + start + (sensor - start + size - turn) % size
    }

    /// The block around a place: its first place, its size, and how far it is turned in this cycle.
    fn block_of(&self, cycle: u64, place: u64) -> (u64, u64, u64) {
        let start = place - place % self.block;
        let size = self.block.min(self.sensors - start);
        let turn = self.order.bits(cycle * self.sensors + start) % size;
        (start, size, turn)
    }
}

/// What a sensor shows when nothing is wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Character {
    level: f64,
    daily: (f64, f64),
    pub(crate) hourly: (f64, f64),
    /// Standard deviation of the noise.
    pub(crate) noise: f64,
    /// Steps of the last decimal in 1.
    steps: u32,
    /// Number of its type.
    sensor_type: u8,
}

impl Character {
    /// The character of a sensor of a plan.
    pub(crate) fn of(plan: &StreamPlan, sensor: u32) -> Self {
        let draws = plan.key.purpose(Purpose::Sensor).draws(u64::from(sensor));
        Self::draw(&plan.types.ranges(sensor), draws)
    }

    fn draw(ranges: &Ranges, mut draws: Draws) -> Self {
        let between = |draws: &mut Draws, [least, most]: [f64; 2]| draws.between(least, most);
        Self {
            level: between(&mut draws, ranges.level),
            daily: (between(&mut draws, ranges.daily), draws.unit()),
            hourly: (between(&mut draws, ranges.hourly), draws.unit()),
            noise: between(&mut draws, ranges.noise),
            steps: ranges.steps,
            sensor_type: ranges.sensor_type,
        }
    }

    /// A reading of this value, with the decimals that the sensor shows.
    fn reading(&self, sensor: u32, value: f64) -> Reading {
        let steps = f64::from(self.steps);
        Reading {
            sensor,
            value: (value * steps).round() / steps,
            sensor_type: self.sensor_type,
        }
    }

    /// The value without noise at an event time in milliseconds since the epoch.
    fn expected(&self, at_ms: i64) -> f64 {
        let at = at_ms as f64;
        let season = |(amplitude, phase): (f64, f64), period: f64| {
            amplitude * sin_turns(at / period + phase)
        };
        self.level + season(self.daily, DAY_MS) + season(self.hourly, HOUR_MS)
    }
}

/// The sensors of a stream with what is wrong with them.
pub(crate) struct Sensors<'a> {
    rota: Rota,
    characters: Vec<Character>,
    /// The lane of each sensor's records: its partition among those of all topics.
    lanes: Vec<u16>,
    share: Share,
    /// In the order of sensor and first reading.
    effects: &'a [Effect],
    /// For each sensor, whether any effect is on it: most have none, and need not be searched for.
    affected: Vec<bool>,
    noise: Noise,
}

impl<'a> Sensors<'a> {
    /// The sensors of a plan, for the worker with this share.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "sixteen topics have at most a thousand partitions each"
    )]
    pub(crate) fn new(plan: &'a StreamPlan, share: Share) -> Self {
        let numbers = 0..plan.entities;
        let characters = numbers.clone().map(|sensor| Character::of(plan, sensor));
        let noise = Noise::new(plan.correlation, plan.key);
        let mut sensors = Self::with_effects(characters.collect(), &plan.effects, plan.key, noise);
        sensors.lanes = numbers.map(|sensor| plan.lane_of(sensor) as u16).collect();
        sensors.share = share;
        sensors
    }

    /// `effects` must be sorted by sensor and first reading.
    fn with_effects(
        characters: Vec<Character>,
        effects: &'a [Effect],
        key: Key,
        noise: Noise,
    ) -> Self {
        let mut affected = vec![false; characters.len()];
        for effect in effects {
            affected[effect.sensor as usize] = true;
        }
        Self {
            rota: Rota::new(u32::try_from(characters.len()).unwrap_or(u32::MAX), key),
            affected,
            characters,
            lanes: Vec::new(),
            share: Share::WHOLE,
            effects,
            noise,
        }
    }

    /// What a slot holds.
    pub(crate) fn fill(&self, plan: &StreamPlan, slot: u64, wall_ns: i64) -> Filling {
        let (sensor, cycle) = self.rota.at(slot);
        let lane = u32::from(self.lanes[sensor as usize]);
        if !self.share.owns(lane) {
            return Filling::Others;
        }
        if !plan.idle.is_empty() && plan.idle.covers(lane % plan.partitions, wall_ns) {
            return Filling::Silence;
        }
        let at = |other: u64| {
            // The slot's own time is known; only what an effect or a held reading looks back at is not.
            let wall_ns = if other == slot {
                wall_ns
            } else {
                plan.schedule.arrival_ns(other)
            };
            plan.timeline.origin.plus_ms(plan.offset_ms(wall_ns)).0
        };
        match self.reading((sensor, cycle), slot, at) {
            Some(reading) => Filling::Event(Content::Reading(reading), lane),
            None => Filling::Silence,
        }
    }

    /// The sensor that reports in a slot, and its lane; none if it is silent. Whoever asks need not own the slot.
    pub(crate) fn placed(&self, plan: &StreamPlan, slot: u64) -> Option<(u32, u32)> {
        let (sensor, cycle) = self.rota.at(slot);
        let lane = u32::from(self.lanes[sensor as usize]);
        let idle = || {
            let arrival_ns = plan.schedule.arrival_ns(slot);
            plan.idle.covers(lane % plan.partitions, arrival_ns)
        };
        let faulty = || {
            let mut effects = touching(self.effects, sensor, cycle);
            self.affected[sensor as usize] && effects.any(|effect| effect.fault == Fault::Silent)
        };
        let silent = (!plan.idle.is_empty() && idle()) || faulty();
        (!silent).then_some((sensor, lane))
    }

    /// A sensor's reading of a cycle, which is in this slot; none if the sensor is silent. `at` gives a
    /// slot's event time.
    fn reading(
        &self,
        (sensor, cycle): (u32, u64),
        slot: u64,
        at: impl Fn(u64) -> i64,
    ) -> Option<Reading> {
        let character = &self.characters[sensor as usize];
        if !self.affected[sensor as usize] {
            let value = self.value_at(sensor, cycle, slot, &at);
            return Some(character.reading(sensor, value));
        }
        let mut value = None;
        for effect in touching(self.effects, sensor, cycle) {
            value = Some(match effect.fault {
                Fault::Silent => return None,
                Fault::Stuck => self.value(sensor, effect.from, &at),
                _ => {
                    let so_far = value.unwrap_or_else(|| self.value(sensor, cycle, &at));
                    so_far + effect.shift(cycle, &self.plain_parts(sensor, cycle, &at))
                }
            });
        }
        let value = value.unwrap_or_else(|| self.value(sensor, cycle, &at));
        Some(character.reading(sensor, value))
    }

    fn value(&self, sensor: u32, cycle: u64, at: &impl Fn(u64) -> i64) -> f64 {
        self.value_at(sensor, cycle, self.rota.slot(sensor, cycle), at)
    }

    /// The value of a reading whose slot is known.
    fn value_at(&self, sensor: u32, cycle: u64, slot: u64, at: &impl Fn(u64) -> i64) -> f64 {
        let mut draws = self.noise.draws(sensor, cycle);
        let noise = self.noise.of(sensor, cycle, &mut draws);
        if cycle > 0 && draws.chance(HELD) {
            let noise = self.noise.at(sensor, cycle - 1);
            return self.plain(sensor, at(self.rota.slot(sensor, cycle - 1)), noise);
        }
        self.plain(sensor, at(slot), noise)
    }

    fn plain(&self, sensor: u32, at_ms: i64, noise: f64) -> f64 {
        let character = &self.characters[sensor as usize];
        character.expected(at_ms) + noise * character.noise
    }

    fn plain_parts(&self, sensor: u32, cycle: u64, at: &impl Fn(u64) -> i64) -> Plain {
        let character = &self.characters[sensor as usize];
        let (amplitude, phase) = character.hourly;
        let at_ms = at(self.rota.slot(sensor, cycle)) as f64;
        Plain {
            noise: self.noise.at(sensor, cycle) * character.noise,
            hourly: (amplitude, at_ms / HOUR_MS + phase),
        }
    }
}

/// A reading of a sensor with which nothing is wrong.
pub(crate) fn ordinary_reading(
    plan: &StreamPlan,
    sensor: u32,
    cycle: u64,
    at: EventTime,
) -> Reading {
    let character = Character::of(plan, sensor);
    let noise = Noise::new(plan.correlation, plan.key).at(sensor, cycle);
    character.reading(sensor, character.expected(at.0) + noise * character.noise)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn key() -> Key {
        Key::root(9)
    }

    proptest! {
        /// forall sensors, cycle: a cycle has one reading of each sensor, and slots turn back.
        #[test]
        fn each_sensor_reports_once_in_a_cycle(sensors in 1u32..200, cycle in 0u64..1000) {
            let rota = Rota::new(sensors, key());
            let n = u64::from(sensors);
            let found: BTreeSet<u32> = (cycle * n..(cycle + 1) * n).map(|slot| {
                let (sensor, at) = rota.at(slot);
                assert_eq!(at, cycle);
                assert_eq!(rota.slot(sensor, cycle), slot);
                sensor
            }).collect();
            prop_assert_eq!(found.len(), sensors as usize);
        }
    }

    fn character(sensor: u32) -> Character {
        let draws = key().purpose(Purpose::Sensor).draws(u64::from(sensor));
        Character::draw(&SensorTypes::default().ranges(sensor), draws)
    }

    fn sensors(count: u32, effects: &[Effect], correlation: f64) -> Sensors<'_> {
        let characters = (0..count).map(character).collect();
        Sensors::with_effects(characters, effects, key(), Noise::new(correlation, key()))
    }

    fn values(effects: &[Effect], cycles: u64) -> Vec<Option<f64>> {
        let sensors = sensors(4, effects, 0.4);
        (0..cycles)
            .map(|c| sensors.reading((2, c), sensors.rota.slot(2, c), |slot| slot as i64 * 500))
            .map(|reading| reading.map(|r| r.value))
            .collect()
    }

    fn effect(fault: Fault) -> Vec<Effect> {
        vec![Effect::new(2, (10, 19), fault)]
    }

    #[test]
    fn an_effect_touches_its_own_readings_only() {
        let plain = values(&[], 30);
        for fault in [
            Fault::Offset {
                by: 100.0,
                every: 1,
                ramp: 0,
            },
            Fault::Stuck,
            Fault::Silent,
        ] {
            let changed = values(&effect(fault), 30);
            for cycle in 0..30 {
                let inside = (11..20).contains(&cycle);
                assert_eq!(
                    changed[cycle] != plain[cycle],
                    inside || (cycle == 10 && fault != Fault::Stuck)
                );
            }
        }
    }

    #[test]
    fn faults_look_as_the_catalogue_says() {
        let plain = values(&[], 30);
        let offset = values(
            &effect(Fault::Offset {
                by: 100.0,
                every: 5,
                ramp: 0,
            }),
            30,
        );
        assert!((offset[15].unwrap() - plain[15].unwrap() - 100.0).abs() < 0.011);
        assert_eq!(offset[16], plain[16]);
        let stuck = values(&effect(Fault::Stuck), 30);
        assert!(stuck[10..20].iter().all(|v| *v == plain[10]));
        let silent = values(&effect(Fault::Silent), 30);
        assert!(silent[10..20].iter().all(Option::is_none) && silent[20].is_some());
    }

    #[test]
    fn effects_at_the_same_time_add_up() {
        let by = |by| Fault::Offset {
            by,
            every: 1,
            ramp: 0,
        };
        let mut both = vec![
            Effect::new(2, (10, 19), by(100.0)),
            Effect::new(2, (15, 16), by(7.0)),
            Effect::new(2, (18, 18), Fault::Silent),
        ];
        crate::fault::put_in_order(&mut both);
        let (plain, changed) = (values(&[], 30), values(&both, 30));
        let moved = |c: usize| ((changed[c].unwrap() - plain[c].unwrap()) * 10.0).round() / 10.0;
        assert_eq!([moved(14), moved(15), moved(17)], [100.0, 107.0, 100.0]);
        assert_eq!(changed[18], None);
    }

    #[test]
    fn noise_grows_and_the_season_runs_ahead() {
        let noisy = values(
            &effect(Fault::Noise {
                times: 8.0,
                ramp: 0,
            }),
            30,
        );
        let spread = |found: &[Option<f64>]| {
            let sum: f64 = found
                .windows(2)
                .map(|w| (w[1].unwrap() - w[0].unwrap()).abs())
                .sum();
            sum / found.len() as f64
        };
        assert!(spread(&noisy[10..20]) > 4.0 * spread(&values(&[], 30)[10..20]));
        let ahead = values(
            &effect(Fault::Season {
                turns: 0.5,
                ramp: 4,
            }),
            30,
        );
        let amplitude = character(2).hourly.0;
        let moved: Vec<f64> = ahead
            .iter()
            .zip(values(&[], 30))
            .map(|(a, b)| (a.unwrap() - b.unwrap()).abs())
            .collect();
        assert!(moved.iter().all(|m| *m <= 2.0 * amplitude + 0.02));
        assert!(moved[9] == 0.0 && moved[20] == 0.0);
    }

    #[test]
    fn held_readings_are_rare_and_never_five() {
        let found: Vec<f64> = values(&[], 20_000).into_iter().flatten().collect();
        let repeats = found.windows(2).filter(|w| w[0] == w[1]).count();
        assert!((100..400).contains(&repeats), "{repeats}");
        assert!(!found.windows(5).any(|w| w.iter().all(|v| *v == w[0])));
    }

    #[test]
    fn ordinary_readings_stay_near_their_mean() {
        let found: Vec<f64> = values(&[], 5000).into_iter().flatten().collect();
        let mean = found.iter().sum::<f64>() / found.len() as f64;
        assert!(found.iter().all(|v| (v - mean).abs() < 25.0));
    }

    #[test]
    fn a_held_reading_repeats_the_noise_of_its_group_too() {
        let sensors = sensors(8, &[], 1.0);
        let value = |sensor, cycle| sensors.value(sensor, cycle, &|_| 0);
        let held = |sensor: u32, cycle: u64| value(sensor, cycle) == value(sensor, cycle - 1);
        let count = (0..8)
            .flat_map(|sensor| (1..2000).map(move |cycle| (sensor, cycle)))
            .filter(|(sensor, cycle)| held(*sensor, *cycle))
            .count();
        assert!((100..250).contains(&count), "{count}");
    }
}
