//! What incidents do to the readings of a sensor.

use crate::math::sin_turns;

/// What an incident does to readings `from` to `to` (inclusive) of a sensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Effect {
    pub(crate) sensor: u32,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The last reading that this effect or one before it on the same sensor touches: by it the first
    /// effect that may touch a reading is found. [`put_in_order`] sets it.
    pub(crate) reach: u64,
    pub(crate) fault: Fault,
}

/// What is wrong with a sensor. A `ramp` is the number of readings over which it builds up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Readings are off by this: all of them, or one in `every`.
    Offset { by: f64, every: u64, ramp: u64 },
    /// Readings are off by this more with each.
    Drift { by: f64 },
    /// Readings repeat the first.
    Stuck,
    /// There are no readings.
    Silent,
    /// The noise is this many times as large.
    Noise { times: f64, ramp: u64 },
    /// The hourly season runs ahead, in the end by this many turns.
    Season { turns: f64, ramp: u64 },
    /// Readings are off by this upwards, from the middle on as much downwards.
    Square { by: f64, half: u64 },
}

/// What an effect needs to know of a reading.
pub(crate) struct Plain {
    /// The part of its value that is noise.
    pub(crate) noise: f64,
    /// Amplitude of the sensor's hourly season, and where in it the reading lies, in turns.
    pub(crate) hourly: (f64, f64),
}

impl Effect {
    /// An effect that has its place still to find.
    pub(crate) fn new(sensor: u32, (from, to): (u64, u64), fault: Fault) -> Self {
        Self {
            sensor,
            from,
            to,
            reach: to,
            fault,
        }
    }

    /// True if the effect touches this reading.
    pub(crate) fn touches(&self, cycle: u64) -> bool {
        let every = match self.fault {
            Fault::Offset { every, .. } => every,
            _ => 1,
        };
        (self.from..=self.to).contains(&cycle) && (cycle - self.from).is_multiple_of(every)
    }

    /// By how much the effect moves a reading; not for a stuck or silent sensor, whose readings are
    /// others or none.
    pub(crate) fn shift(&self, cycle: u64, plain: &Plain) -> f64 {
        let number = cycle - self.from;
        let built_up = |ramp: u64| {
            if number < ramp {
                (number + 1) as f64 / (ramp + 1) as f64
            } else {
                1.0
            }
        };
        match self.fault {
            Fault::Offset { by, ramp, .. } => by * built_up(ramp),
            Fault::Drift { by } => by * (number + 1) as f64,
            Fault::Stuck | Fault::Silent => 0.0,
            Fault::Noise { times, ramp } => plain.noise * (times - 1.0) * built_up(ramp),
            Fault::Season { turns, ramp } => {
                let (amplitude, at) = plain.hourly;
                let ahead = turns * built_up(ramp);
                amplitude * (sin_turns(at + ahead) - sin_turns(at))
            }
            Fault::Square { by, half } => {
                if number < half {
                    by
                } else {
                    -by
                }
            }
        }
    }
}

/// Sorts effects by sensor and first reading, and notes how far those before each reach.
pub(crate) fn put_in_order(effects: &mut [Effect]) {
    effects.sort_by_key(|effect| (effect.sensor, effect.from, effect.to));
    let mut before: Option<(u32, u64)> = None;
    for effect in effects {
        let reached = before
            .filter(|(sensor, _)| *sensor == effect.sensor)
            .map_or(0, |(_, reach)| reach);
        effect.reach = effect.to.max(reached);
        before = Some((effect.sensor, effect.reach));
    }
}

/// The effects that touch a reading, in order.
pub(crate) fn touching(
    effects: &[Effect],
    sensor: u32,
    cycle: u64,
) -> impl Iterator<Item = &Effect> {
    let first = effects.partition_point(|e| (e.sensor, e.reach) < (sensor, cycle));
    effects[first..]
        .iter()
        .take_while(move |e| e.sensor == sensor && e.from <= cycle)
        .filter(move |e| e.touches(cycle))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Plain = Plain {
        noise: 1.5,
        hourly: (2.0, 0.0),
    };

    fn shifts(fault: Fault) -> Vec<f64> {
        let effect = Effect::new(0, (10, 17), fault);
        (10..18).map(|cycle| effect.shift(cycle, &PLAIN)).collect()
    }

    #[test]
    fn faults_build_up_as_asked() {
        let at_once = shifts(Fault::Offset {
            by: 4.0,
            every: 1,
            ramp: 0,
        });
        assert_eq!(at_once, [4.0; 8]);
        let slowly = shifts(Fault::Offset {
            by: 4.0,
            every: 1,
            ramp: 3,
        });
        assert_eq!(slowly, [1.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0, 4.0]);
        assert_eq!(shifts(Fault::Drift { by: 0.5 })[7], 4.0);
        let noisy = shifts(Fault::Noise {
            times: 5.0,
            ramp: 0,
        });
        assert_eq!(noisy, [6.0; 8]);
        let square = shifts(Fault::Square { by: 3.0, half: 4 });
        assert_eq!(square.iter().sum::<f64>(), 0.0);
        // Half a turn ahead of the middle of its rise, the season is where it was; a quarter ahead,
        // at its top.
        let season = |turns| shifts(Fault::Season { turns, ramp: 0 })[0];
        assert!(season(0.5).abs() < 1e-6 && (season(0.25) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn all_effects_that_touch_a_reading_are_found() {
        let offset = |sensor, from, to| {
            let fault = Fault::Offset {
                by: 1.0,
                every: 1,
                ramp: 0,
            };
            Effect::new(sensor, (from, to), fault)
        };
        // A long one spans two short ones on the same sensor.
        let mut effects = vec![
            offset(2, 30, 35),
            offset(2, 5, 100),
            offset(1, 0, 200),
            offset(2, 10, 12),
            offset(3, 33, 33),
        ];
        put_in_order(&mut effects);
        let found = |cycle| -> Vec<u64> { touching(&effects, 2, cycle).map(|e| e.from).collect() };
        assert!(found(4).is_empty());
        assert_eq!(found(11), [5, 10]);
        assert_eq!(found(20), [5]);
        assert_eq!(found(33), [5, 30]);
        assert_eq!(found(100), [5]);
        assert!(found(101).is_empty());
    }
}
