//! Faults of sensors.

use floodmark_contracts::{
    clock::RunMicros,
    event::sensor::reading_id,
    key::{KeyType, TypedKey},
    kind::Kind,
    stream::Stream,
};

use super::{Impossible, Incident, Occasion};
use crate::{
    content::entity_name,
    draw::Draws,
    plan::{Entity, Occupied, StreamPlan},
    sensors::{Character, Effect, Fault, Rota, character_draws},
};

/// How far a spike is off, at least and at most.
const SPIKE: (f64, f64) = (90.0, 150.0);
/// In an incident of several spikes, one reading in this many is one.
const SPIKE_EVERY: u64 = 5;
/// How far a level shifts, in standard deviations of the sensor's noise.
const SHIFT: (f64, f64) = (6.0, 9.0);

/// Makes an incident: notes its effect in the plan and gives its place.
pub(super) fn make(
    plan: &mut StreamPlan,
    mut occasion: Occasion<'_>,
    number: u32,
    occupied: &mut Occupied,
) -> Result<Incident, Impossible> {
    let kind = occasion.spec.kind;
    let (span, entities) = (occasion.span(), plan.entities);
    let found = occupied.draw(kind, span, &mut occasion.draws, |draws| {
        Entity::Sensor(draws.below(entities))
    });
    let Some(Entity::Sensor(sensor)) = found else {
        return Err(Impossible::no_entity(plan, occasion.spec));
    };
    let rota = Rota::new(entities, plan.key);
    let (from, to) = readings(plan, &rota, sensor, &occasion)?;
    let effect = Effect {
        sensor,
        from,
        to,
        fault: fault(plan, sensor, &mut occasion),
    };
    plan.effects.push(effect);
    if (effect.from..=effect.to).any(|cycle| plan.is_idle(rota.slot(sensor, cycle), sensor)) {
        let text = "falls into a time in which its partition is `idle`; move either".to_owned();
        return Err(Impossible { field: None, text });
    }
    Ok(incident(plan, &rota, effect, kind, number))
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
    if occasion.spec.length_ms == 0 {
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
            occasion.spec.length_ms as f64 / 1000.0,
            (period_s * (least + 1) as f64).ceil(),
        );
        return Err(Impossible {
            field: Some("duration"),
            text,
        });
    }
    Ok((from, to))
}

/// Fewest readings in which an incident of a kind can be seen at all.
fn least_readings(kind: Kind) -> u64 {
    match kind {
        Kind::StuckValue | Kind::DropOut => 8,
        Kind::LevelShift => 5,
        _ => 1,
    }
}

fn fault(plan: &StreamPlan, sensor: u32, occasion: &mut Occasion<'_>) -> Fault {
    let (magnitude, draws) = (occasion.spec.magnitude, &mut occasion.draws);
    match occasion.spec.kind {
        Kind::StuckValue => Fault::Stuck,
        Kind::DropOut => Fault::Silent,
        Kind::LevelShift => {
            let noise = Character::draw(character_draws(plan.key, sensor)).noise;
            Fault::Offset {
                by: signed(SHIFT, draws) * noise * magnitude,
                every: 1,
            }
        }
        _ => Fault::Offset {
            by: signed(SPIKE, draws) * magnitude,
            every: SPIKE_EVERY,
        },
    }
}

/// A number between the bounds, up or down.
fn signed((least, most): (f64, f64), draws: &mut Draws) -> f64 {
    let size = draws.between(least, most);
    if draws.chance(0.5) { size } else { -size }
}

fn incident(plan: &StreamPlan, rota: &Rota, effect: Effect, kind: Kind, number: u32) -> Incident {
    let Effect {
        sensor,
        from,
        to,
        fault,
    } = effect;
    let silent = fault == Fault::Silent;
    let affected: Vec<u64> = (from..=to)
        .filter(|cycle| effect.touches(*cycle))
        .map(|cycle| rota.slot(sensor, cycle))
        .collect();
    let (first, last) = (affected.first().copied(), affected.last().copied());
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    let stamp = |slot: u64| plan.stamp_of_slot(slot, sensor);
    let (start, end) = (stamp(first), stamp(last));
    let telling = match kind {
        Kind::LevelShift => 2,
        Kind::StuckValue => 4,
        Kind::DropOut => 3,
        _ => 0,
    };
    let sent = |slot: u64| -> RunMicros {
        if silent {
            plan.timeline.run_micros(plan.event_time(slot))
        } else {
            plan.sent(slot, sensor)
        }
    };
    Incident {
        kind,
        number,
        keys: vec![TypedKey::new(
            KeyType::Sensor,
            entity_name(Stream::Sensors, sensor),
        )],
        start,
        end,
        first_sent: sent(first),
        last_sent: sent(last),
        detectable_at: affected.get(telling).map_or(end, |slot| stamp(*slot)),
        slots: if silent { Vec::new() } else { affected },
    }
}

/// Id of the reading in a slot.
pub(crate) fn id_of_slot(plan: &StreamPlan, slot: u64) -> String {
    let (sensor, _) = Rota::new(plan.entities, plan.key).at(slot);
    let stamp = plan.stamp_of_slot(slot, sensor);
    reading_id(&entity_name(Stream::Sensors, sensor), stamp)
}
