//! Faults of sensors: one module for each kind, and what they share.

pub(super) mod drift;
pub(super) mod drop_out;
pub(super) mod group_failure;
pub(super) mod level_shift;
pub(super) mod noise_burst;
pub(super) mod recalibration;
pub(super) mod season_shift;
pub(super) mod spike;
pub(super) mod stuck_value;

use floodmark_contracts::{
    clock::{EventTime, RunMicros},
    event::sensor::reading_id,
    key::{KeyType, TypedKey},
    kind::Kind,
    stream::Stream,
};

use super::{IDLE, Impossible, Incident, Occasion};
use crate::{
    content::entity_name,
    draw::Draws,
    fault::{Effect, Fault},
    plan::{Entity, Occupied, StreamPlan},
    sensors::{Character, Rota},
};

/// Sensors that hang on one gateway: `sensor_1` to `sensor_8` are `group_1`, and so on.
pub(crate) const GROUP_SIZE: u32 = 8;

/// What is wrong with sensors in an incident, before its place is known.
pub(super) struct Trouble {
    /// By sensor.
    pub(super) faults: Vec<(u32, Fault)>,
    /// Index among the affected readings of the one after which a detector could know.
    pub(super) telling: usize,
    /// How far the telling statistic is off, in standard deviations of its ordinary value.
    pub(super) snr: f64,
}

/// What a fault can look at.
pub(super) struct Plant<'a> {
    pub(super) plan: &'a StreamPlan,
    /// First and last reading within the incident, of the first of its sensors.
    pub(super) readings: (u64, u64),
    pub(super) sensors: Vec<u32>,
}

impl Plant<'_> {
    /// The incident's only sensor, or its first.
    fn sensor(&self) -> u32 {
        self.sensors.first().copied().unwrap_or_default()
    }

    /// Standard deviation of a sensor's noise.
    fn noise(&self, sensor: u32) -> f64 {
        self.character(sensor).noise
    }

    fn character(&self, sensor: u32) -> Character {
        Character::of(self.plan, sensor)
    }

    /// What heights in absolute numbers are multiplied by: they are stated for the sensors of a stream
    /// without types.
    fn scale(&self) -> f64 {
        self.plan.types.ranges(self.sensor()).scale
    }

    /// Number of readings within the incident.
    fn count(&self) -> u64 {
        let (from, to) = self.readings;
        to + 1 - from
    }

    /// Readings over which the incident builds up.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most the number of readings"
    )]
    fn ramp(&self, occasion: &Occasion<'_>) -> u64 {
        (self.count() as f64 * occasion.ramp()).round() as u64
    }
}

/// Makes an incident: notes its effects in the plan and gives its place.
pub(super) fn make(
    plan: &mut StreamPlan,
    occasion: &mut Occasion<'_>,
    number: u32,
    occupied: &mut Occupied,
) -> Result<Incident, Impossible> {
    let sensors = draw_sensors(plan, occasion, occupied)?;
    let rota = Rota::new(plan.entities, plan.key);
    let mut plant = Plant {
        plan,
        readings: (0, 0),
        sensors,
    };
    plant.readings = readings(plan, &rota, plant.sensor(), occasion)?;
    let trouble = trouble(&plant, occasion);
    let mut effects = Vec::new();
    for (sensor, fault) in &trouble.faults {
        let span = readings(plan, &rota, *sensor, occasion)?;
        if (span.0..=span.1).any(|cycle| plan.is_idle(rota.slot(*sensor, cycle), *sensor)) {
            return Err(Impossible::of_plan(IDLE.to_owned()));
        }
        effects.push(Effect::new(*sensor, span, *fault));
    }
    let incident = incident(plan, &rota, &effects, &trouble, occasion, number);
    plan.effects.extend(effects);
    Ok(incident)
}

fn draw_sensors(
    plan: &StreamPlan,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Vec<u32>, Impossible> {
    let entities = plan.entities;
    let is_group = occasion.spec.kind == Kind::GroupFailure;
    if is_group && entities < GROUP_SIZE {
        return Err(Impossible::of_plan(format!(
            "needs a group of {GROUP_SIZE} sensors, and there are {entities}; raise `population.entities`"
        )));
    }
    let found = occupied.draw_all(occasion.claim(), &mut occasion.draws, |draws| {
        if is_group {
            let first = draws.below(entities / GROUP_SIZE) * GROUP_SIZE;
            (first..first + GROUP_SIZE).map(Entity::Sensor).collect()
        } else {
            vec![Entity::Sensor(draws.below(entities))]
        }
    });
    let sensors: Vec<u32> = found
        .unwrap_or_default()
        .into_iter()
        .filter_map(|entity| match entity {
            Entity::Sensor(sensor) => Some(sensor),
            _ => None,
        })
        .collect();
    if sensors.is_empty() {
        return Err(Impossible::no_entity(plan, occasion.spec));
    }
    Ok(sensors)
}

fn trouble(plant: &Plant<'_>, occasion: &mut Occasion<'_>) -> Trouble {
    match occasion.spec.kind {
        Kind::LevelShift => level_shift::trouble(plant, occasion),
        Kind::Drift => drift::trouble(plant, occasion),
        Kind::StuckValue => stuck_value::trouble(plant),
        Kind::NoiseBurst => noise_burst::trouble(plant, occasion),
        Kind::DropOut => drop_out::trouble(plant),
        Kind::SeasonShift => season_shift::trouble(plant, occasion),
        Kind::GroupFailure => group_failure::trouble(plant, occasion),
        Kind::Recalibration => recalibration::trouble(plant, occasion),
        // The kinds of the other streams never come here.
        _ => spike::trouble(plant, occasion),
    }
}

/// Fewest readings in which an incident of a kind can be seen at all.
fn least_readings(kind: Kind) -> u64 {
    match kind {
        Kind::StuckValue => stuck_value::LEAST_READINGS,
        Kind::DropOut => drop_out::LEAST_READINGS,
        Kind::Drift | Kind::NoiseBurst | Kind::SeasonShift | Kind::Recalibration => 8,
        Kind::LevelShift | Kind::GroupFailure => 5,
        _ => 1,
    }
}

/// First and last reading of the sensor within the incident.
fn readings(
    plan: &StreamPlan,
    rota: &Rota,
    sensor: u32,
    occasion: &Occasion<'_>,
) -> Result<(u64, u64), Impossible> {
    let (start_ms, end_ms) = occasion.span();
    let per_cycle = u64::from(plan.entities);
    let time = |cycle| {
        plan.event_time(rota.slot(sensor, cycle))
            .since(plan.timeline.origin)
    };
    let mut from = plan.first_slot_at(start_ms as f64) / per_cycle;
    while time(from) < start_ms {
        from += 1;
    }
    if occasion.length_ms == 0 {
        return Ok((from, from));
    }
    let mut to = from;
    while time(to + 1) <= end_ms {
        to += 1;
    }
    let least = least_readings(occasion.spec.kind);
    let found = to + 1 - from;
    let inside = rota.slot(sensor, to) < plan.schedule.count();
    if found < least || !inside {
        let period_s = f64::from(plan.entities) / plan.events_per_ms() / 1000.0;
        let text = format!(
            "`{}s` of event time hold {found} readings of a sensor that reports every {period_s:.1} s, and {least} are \
             needed; use `{:.0}s` or more, fewer `population.entities` or a higher `rate`",
            occasion.length_ms as f64 / 1000.0,
            (period_s * (least + 1) as f64).ceil(),
        );
        return Err(Impossible {
            field: Some("duration"),
            text,
        });
    }
    Ok((from, to))
}

/// A number between the bounds, up or down.
fn signed((least, most): (f64, f64), draws: &mut Draws) -> f64 {
    let size = draws.between(least, most);
    if draws.chance(0.5) { size } else { -size }
}

fn incident(
    plan: &StreamPlan,
    rota: &Rota,
    effects: &[Effect],
    trouble: &Trouble,
    occasion: &Occasion<'_>,
    number: u32,
) -> Incident {
    let silent = effects.iter().all(|effect| effect.fault == Fault::Silent);
    let mut affected: Vec<u64> = effects
        .iter()
        .flat_map(|effect| {
            (effect.from..=effect.to)
                .filter(|cycle| effect.touches(*cycle))
                .map(|cycle| rota.slot(effect.sensor, cycle))
        })
        .collect();
    affected.sort_unstable();
    let (first, last) = (affected.first().copied(), affected.last().copied());
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    let stamp = |slot: u64| plan.stamp_of_slot(slot, rota.at(slot).0);
    let stamps: Vec<EventTime> = affected.iter().map(|slot| stamp(*slot)).collect();
    // Sensors of a group may have clocks that differ.
    let start = stamps.iter().min().copied().unwrap_or_default();
    let end = stamps.iter().max().copied().unwrap_or_default();
    let sent = |slot: u64| -> RunMicros {
        if silent {
            plan.timeline.run_micros(plan.event_time(slot))
        } else {
            plan.sent(slot, rota.at(slot).0)
        }
    };
    Incident {
        kind: occasion.spec.kind,
        number,
        keys: keys(effects, occasion.spec.kind),
        start,
        end,
        first_sent: sent(first),
        last_sent: sent(last),
        detectable_at: stamps.get(trouble.telling).copied().unwrap_or(end),
        magnitude: occasion.magnitude,
        snr: trouble.snr,
        elsewhere: None,
        slots: if silent { Vec::new() } else { affected },
    }
}

/// The sensors, after their group if it is an incident of one.
fn keys(effects: &[Effect], kind: Kind) -> Vec<TypedKey> {
    let group = effects
        .first()
        .filter(|_| kind == Kind::GroupFailure)
        .map(|effect| {
            let number = effect.sensor / GROUP_SIZE + 1;
            TypedKey::new(KeyType::Group, format!("group_{number}"))
        });
    let sensors = effects
        .iter()
        .map(|effect| TypedKey::new(KeyType::Sensor, entity_name(Stream::Sensors, effect.sensor)));
    group.into_iter().chain(sensors).collect()
}

/// Id of the reading in a slot.
pub(crate) fn id_of_slot(plan: &StreamPlan, slot: u64) -> String {
    let (sensor, _) = Rota::new(plan.entities, plan.key).at(slot);
    let stamp = plan.stamp_of_slot(slot, sensor);
    reading_id(&entity_name(Stream::Sensors, sensor), stamp)
}
