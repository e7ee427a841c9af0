//! Types of sensors: what those of a type show, which groups are of it, and to which topic they go.
//!
//! A group hangs on one gateway and has one type, so that the mean over a group means something. Groups take
//! their types in turn, each time the one that is furthest behind its share: then the types' shares hold in
//! any stretch of sensors, and each topic gets its readings evenly over a cycle.

use floodmark_contracts::{
    problem::Problems,
    profile::streams::{RawSensorType, StreamSection},
    stream::Stream,
};

use crate::incident::GROUP_SIZE;

/// Most types that a stream has.
const MOST_TYPES: usize = 16;
/// How far the shares may be from 1, for those who write thirds.
const ROUNDING: f64 = 0.001;
/// No range reaches beyond this, so that values keep their decimals.
const FARTHEST: f64 = 1e6;
/// Fewest steps of the last decimal within a standard deviation of the noise: with fewer, ordinary readings
/// would repeat.
const STEPS: f64 = 40.0;
/// Steps of the last decimal in 1: two decimals, or more up to six.
const DECIMALS: [u32; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
/// Mean noise of the sensors without types, to which heights in the catalogue refer.
const USUAL_NOISE: f64 = 1.4;

/// The types of a stream's sensors; none where all are alike.
#[derive(Debug, Clone, Default)]
pub(crate) struct SensorTypes {
    types: Vec<SensorType>,
    /// The type of each group.
    of_group: Vec<u8>,
}

/// A type of sensors.
#[derive(Debug, Clone)]
pub(crate) struct SensorType {
    name: String,
    /// Number of its topic among the stream's.
    topic: u32,
    ranges: Ranges,
}

/// From which a sensor's character is drawn, each `[least, most]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ranges {
    pub(crate) level: [f64; 2],
    pub(crate) daily: [f64; 2],
    pub(crate) hourly: [f64; 2],
    pub(crate) noise: [f64; 2],
    /// Steps of the last decimal in 1: a value is a whole number of them.
    pub(crate) steps: u32,
    /// Number of the type.
    pub(crate) sensor_type: u8,
    /// What heights in absolute numbers are multiplied by.
    pub(crate) scale: f64,
}

impl Ranges {
    fn of(raw: &RawSensorType, sensor_type: u8) -> Self {
        let fine = |steps: &u32| f64::from(*steps) * raw.noise[0] >= STEPS;
        let steps = DECIMALS.into_iter().find(fine);
        Self {
            level: raw.level,
            daily: raw.daily,
            hourly: raw.hourly,
            noise: raw.noise,
            steps: steps.unwrap_or(1_000_000),
            sensor_type,
            scale: f64::midpoint(raw.noise[0], raw.noise[1]) / USUAL_NOISE,
        }
    }
}

impl SensorTypes {
    /// Validates the types of a stream's section. Problems are noted, and what is given then must not be
    /// used.
    pub(crate) fn resolve(stream: Stream, raw: &StreamSection, problems: &mut Problems) -> Self {
        let types = &raw.population.types;
        let path = format!("streams.{stream}.population.types");
        if types.is_empty() {
            return Self::default();
        }
        if stream != Stream::Sensors {
            let text = format!("`{stream}` has no sensors; set it in `sensors`");
            problems.add(path, text);
            return Self::default();
        }
        if types.len() > MOST_TYPES {
            let text = format!("{} types are too many; use up to {MOST_TYPES}", types.len());
            problems.add(&path, text);
        }
        for (name, raw) in types {
            check(&format!("{path}.{name}"), name, raw, problems);
        }
        let sum: f64 = types.values().map(|raw| raw.share).sum();
        if (sum - 1.0).abs() > ROUNDING {
            let text = format!("the shares add up to {sum}; let them add up to 1");
            problems.add(&path, text);
        }
        let shares: Vec<f64> = types.values().map(|raw| raw.share / sum).collect();
        let groups = raw.population.entities.div_ceil(GROUP_SIZE);
        let of_group = in_turn(&shares, groups);
        for ((name, _), number) in types.iter().zip(0u8..) {
            if !of_group.contains(&number) && problems.is_empty() {
                let text = format!(
                    "none of the {groups} groups of {GROUP_SIZE} would be of this type; raise it, or \
                     `population.entities`"
                );
                problems.add(format!("{path}.{name}.share"), text);
            }
        }
        let (topics, own) = (raw.topics(stream), raw.own_topic(stream));
        let topic = |raw: &RawSensorType| {
            let wanted = raw.topic.as_deref().unwrap_or(own);
            topics.iter().position(|topic| *topic == wanted)
        };
        Self {
            types: types
                .iter()
                .zip(0u8..)
                .map(|((name, raw), number)| SensorType {
                    name: name.clone(),
                    topic: topic(raw)
                        .and_then(|n| u32::try_from(n).ok())
                        .unwrap_or_default(),
                    ranges: Ranges::of(raw, number),
                })
                .collect(),
            of_group,
        }
    }

    /// The number of a sensor's type; 0 where all are alike.
    fn number(&self, sensor: u32) -> u8 {
        let of_group = self.of_group.get((sensor / GROUP_SIZE) as usize);
        of_group.copied().unwrap_or_default()
    }

    /// The name of a type; none where all are alike.
    pub(crate) fn name(&self, number: u8) -> Option<&str> {
        let found = self.types.get(usize::from(number));
        found.map(|found| found.name.as_str())
    }

    /// Number of the topic of a sensor's readings among the stream's.
    pub(crate) fn topic(&self, sensor: u32) -> u32 {
        self.of(sensor).map_or(0, |found| found.topic)
    }

    /// What a sensor's character is drawn from.
    pub(crate) fn ranges(&self, sensor: u32) -> Ranges {
        let usual = || Ranges::of(&RawSensorType::default(), 0);
        self.of(sensor).map_or_else(usual, |found| found.ranges)
    }

    fn of(&self, sensor: u32) -> Option<&SensorType> {
        self.types.get(usize::from(self.number(sensor)))
    }
}

/// The number of the type of each group: in turn the one that is furthest behind its share, the first of
/// several.
fn in_turn(shares: &[f64], groups: u32) -> Vec<u8> {
    let mut behind = vec![0.0; shares.len()];
    (0..groups)
        .map(|_| {
            behind
                .iter_mut()
                .zip(shares)
                .for_each(|(behind, share)| *behind += share);
            let mut next = 0;
            for number in 1..behind.len() {
                if behind[number] > behind[next] {
                    next = number;
                }
            }
            behind[next] -= 1.0;
            u8::try_from(next).unwrap_or_default()
        })
        .collect()
}

fn check(path: &str, name: &str, raw: &RawSensorType, problems: &mut Problems) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 60 || !name.chars().all(legal) {
        let text = format!(
            "`{name}` is no name of a type; use up to 60 letters, digits, `.`, `_` and `-`"
        );
        problems.add(path, text);
    }
    let share = raw.share;
    if !(share > 0.0 && share <= 1.0) {
        let text = format!("`{share}` is no share of the sensors; use more than 0 and at most 1");
        problems.add(format!("{path}.share"), text);
    }
    for (field, [least, most], floor, positive) in [
        ("level", raw.level, -FARTHEST, false),
        ("daily", raw.daily, 0.0, false),
        ("hourly", raw.hourly, 0.0, true),
        ("noise", raw.noise, 0.0, true),
    ] {
        let sound =
            least >= floor && most <= FARTHEST && least <= most && (!positive || least > 0.0);
        if !sound {
            let bound = if positive {
                "above 0".to_owned()
            } else {
                format!("from {floor}")
            };
            let text = format!(
                "[{least}, {most}] is no range; use two numbers {bound} to {FARTHEST}, the smaller first"
            );
            problems.add(format!("{path}.{field}"), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn resolved(types: &str, entities: u32) -> (SensorTypes, Vec<String>) {
        let yaml = format!("population: {{ entities: {entities}, types: {types} }}");
        let section: StreamSection = serde_saphyr::from_str(&yaml).unwrap();
        let mut problems = Problems::new();
        let types = SensorTypes::resolve(Stream::Sensors, &section, &mut problems);
        let problems = problems.into_vec();
        (types, problems.iter().map(ToString::to_string).collect())
    }

    proptest! {
        /// forall weights: after any number of groups, each type is within one group of its share.
        #[test]
        fn types_keep_to_their_shares_in_any_stretch(weights in proptest::collection::vec(1u32..20, 1..6)) {
            let sum: u32 = weights.iter().sum();
            let shares: Vec<f64> = weights.iter().map(|w| f64::from(*w) / f64::from(sum)).collect();
            let mut counts = vec![0.0; shares.len()];
            for (number, of_type) in in_turn(&shares, 300).into_iter().enumerate() {
                counts[usize::from(of_type)] += 1.0;
                for (count, share) in counts.iter().zip(&shares) {
                    let due = share * (number + 1) as f64;
                    prop_assert!((due - count).abs() < weights.len() as f64, "{due} {count}");
                }
            }
        }
    }

    #[test]
    fn a_sensor_has_the_type_of_its_group_and_the_topic_of_its_type() {
        let types =
            "{ heat: { share: 0.5 }, hum: { share: 0.5, topic: hums, noise: [0.01, 0.02] } }";
        let (types, problems) = resolved(types, 64);
        assert_eq!(problems, [""; 0]);
        let numbers: Vec<u8> = (0..64).map(|sensor| types.number(sensor)).collect();
        assert!(numbers.chunks(8).all(|group| group == [group[0]; 8]));
        assert_eq!(numbers.iter().filter(|n| **n == 1).count(), 32);
        let (heat, hum) = (0, 8);
        assert_eq!(types.name(types.number(heat)), Some("heat"));
        assert_eq!((types.topic(heat), types.topic(hum)), (0, 1));
        // Fine noise needs more decimals, and lower spikes.
        assert_eq!(types.ranges(heat).steps, 100);
        assert_eq!(types.ranges(hum).steps, 10_000);
        assert_eq!(types.ranges(heat).scale, 1.0);
        assert!((types.ranges(hum).scale - 0.015 / 1.4).abs() < 1e-12);
    }

    #[test]
    fn types_that_cannot_be_are_refused_with_what_would_work() {
        for (types, entities, expected) in [
            (
                "{ a: { share: 0.5 } }",
                80,
                "types: the shares add up to 0.5; let them add up to 1",
            ),
            (
                "{ a: { share: 1.5 } }",
                80,
                "types.a.share: `1.5` is no share",
            ),
            (
                "{ \"a b\": { share: 1 } }",
                80,
                "`a b` is no name of a type",
            ),
            (
                "{ a: { share: 1, noise: [0, 1] } }",
                80,
                "types.a.noise: [0, 1] is no range; use two numbers above 0 to 1000000",
            ),
            (
                "{ a: { share: 1, level: [5, 1] } }",
                80,
                "types.a.level: [5, 1] is no range",
            ),
            ("{ a: { share: 1, hourly: [0, 1] } }", 80, "types.a.hourly"),
            (
                "{ a: { share: 0.95 }, b: { share: 0.05 } }",
                40,
                "types.b.share: none of the 5 groups of 8 would be of this type; raise it",
            ),
        ] {
            let (_, problems) = resolved(types, entities);
            assert!(
                problems.iter().any(|problem| problem.contains(expected)),
                "{expected}: {problems:?}"
            );
        }
    }
}
