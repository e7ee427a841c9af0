//! Incidents: what the twelve kinds of anomaly are made of. The anomaly catalogue, `docs/anomalies.md`,
//! is the specification.

mod banking;
mod clickstream;
mod sensors;

use std::collections::BTreeMap;

use floodmark_contracts::{
    clock::{EventTime, RunMicros},
    key::{KeyType, TypedKey},
    kind::Kind,
    problem::Problems,
    stream::Stream,
};

use crate::{
    address::AddressBook,
    content::Content,
    draw::{Draws, Purpose},
    plan::{Capture, Occupied, Planned, Spec, StreamPlan, take_slots},
};

pub(crate) use self::sensors::id_of_slot;

/// An incident with its place: all that its label says, but for the texts of the ids.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Incident {
    pub(crate) kind: Kind,
    /// Number among the incidents of the kind, from 1.
    pub(crate) number: u32,
    pub(crate) keys: Vec<TypedKey>,
    pub(crate) start: EventTime,
    pub(crate) end: EventTime,
    /// Slots of the affected events, in order; empty if they are missing.
    pub(crate) slots: Vec<u64>,
    pub(crate) first_sent: RunMicros,
    pub(crate) last_sent: RunMicros,
    pub(crate) detectable_at: EventTime,
}

/// What an incident of `clickstream` or `banking` consists of, before it has slots.
struct Script {
    keys: Vec<TypedKey>,
    planned: Vec<Planned>,
    /// Index among the labelled events of the one after which a detector could know.
    telling: usize,
}

/// When an incident happens, and the draws for all else about it.
struct Occasion<'a> {
    spec: &'a Spec,
    start_ms: i64,
    draws: Draws,
}

impl Occasion<'_> {
    fn span(&self) -> (i64, i64) {
        (self.start_ms, self.start_ms + self.spec.length_ms)
    }

    /// A time within the incident, as a share of its length.
    fn at(&self, share: f64) -> f64 {
        self.start_ms as f64 + share * self.spec.length_ms as f64
    }
}

/// Makes the incidents of a stream and gives them slots. What cannot be is a problem at its path.
pub(crate) fn inject(
    plan: &mut StreamPlan,
    specs: &[Spec],
    book: &AddressBook,
    problems: &mut Problems,
) {
    let key = plan.key.purpose(Purpose::Incident);
    let mut made: BTreeMap<Kind, u32> = BTreeMap::new();
    let mut occupied = Occupied::default();
    let mut taken = BTreeMap::new();
    for spec in specs {
        for index in 0..spec.count {
            let number = made.entry(spec.kind).or_default();
            *number += 1;
            let own = key.child(spec.kind as u64);
            let mut attempt = |n: u32| {
                let mut draws = own.draws(u64::from(n) << 32 | u64::from(*number));
                let occasion = Occasion {
                    spec,
                    start_ms: spec.start_ms(index, &mut draws),
                    draws,
                };
                let mut tried = occupied.clone();
                let made = make(plan, book, occasion, *number, &mut tried, &mut taken)?;
                occupied = tried;
                Ok(made)
            };
            match first_that_fits(&mut attempt) {
                Ok(incident) => plan.incidents.push(incident),
                Err(problem) => {
                    let at = problem
                        .field
                        .map_or(String::new(), |field| format!(".{field}"));
                    problems.add(format!("{}{at}", spec.path), problem.text);
                    // The other incidents of this entry would most likely fail for the same reason.
                    break;
                }
            }
        }
    }
    plan.captures = taken
        .into_iter()
        .map(|(slot, content)| Capture { slot, content })
        .collect();
    plan.effects
        .sort_by_key(|effect| (effect.sensor, effect.from));
}

/// Where an incident falls is drawn, and others may have taken the slots there: so it gets some tries
/// at other times before its profile counts as impossible. The first failure is the one reported, for
/// it is the one that the plan's own numbers explain.
fn first_that_fits(
    attempt: &mut dyn FnMut(u32) -> Result<Incident, Impossible>,
) -> Result<Incident, Impossible> {
    const TRIES: u32 = 16;
    attempt(0).or_else(|first| (1..TRIES).find_map(|n| attempt(n).ok()).ok_or(first))
}

/// One try to make an incident at the given occasion; leaves `taken` as it was if it fails.
fn make(
    plan: &mut StreamPlan,
    book: &AddressBook,
    occasion: Occasion<'_>,
    number: u32,
    occupied: &mut Occupied,
    taken: &mut BTreeMap<u64, Content>,
) -> Result<Incident, Impossible> {
    let spec = occasion.spec;
    let script = match plan.stream {
        Stream::Clickstream => clickstream::script(plan, book, occasion, occupied)?,
        Stream::Banking => banking::script(plan, book, occasion, occupied)?,
        Stream::Sensors => return sensors::make(plan, occasion, number, occupied),
    };
    settle(plan, spec, number, script, taken)
}

/// Why an incident cannot be made.
struct Impossible {
    /// The field of the anomaly's parameters that is to blame, if it is one.
    field: Option<&'static str>,
    text: String,
}

impl Impossible {
    fn no_entity(plan: &StreamPlan, spec: &Spec) -> Self {
        let what = match plan.stream {
            Stream::Sensors => "sensor",
            _ if spec.kind.key_types() == Kind::TrafficSpike.key_types() => "page",
            _ => "user",
        };
        let text = format!(
            "`{}` incidents find no {what} without another one at the same time; lower it, raise \
             `population.entities` or the run's `duration`",
            spec.count
        );
        Self {
            field: Some("count"),
            text,
        }
    }
}

fn settle(
    plan: &StreamPlan,
    spec: &Spec,
    number: u32,
    mut script: Script,
    taken: &mut BTreeMap<u64, Content>,
) -> Result<Incident, Impossible> {
    leave_out_idle(plan, spec, &mut script)?;
    let slots = take_slots(plan, &script.planned, taken).map_err(|no_room| Impossible {
        field: None,
        text: no_room.0,
    })?;
    let (Some(first), Some(last)) = (slots.first(), slots.last()) else {
        let text = "comes to no event at all; raise `magnitude` or `duration`".to_owned();
        return Err(Impossible { field: None, text });
    };
    let entities = labelled_entities(&script.planned);
    let stamps: Vec<EventTime> = slots
        .iter()
        .zip(&entities)
        .map(|(slot, entity)| plan.stamp_of_slot(*slot, *entity))
        .collect();
    let (start, end) = (stamps.iter().min(), stamps.iter().max());
    let (start, end) = (start.copied(), end.copied().unwrap_or_default());
    let entity_of = |index: usize| entities.get(index).copied().unwrap_or_default();
    Ok(Incident {
        kind: spec.kind,
        number,
        keys: script.keys,
        start: start.unwrap_or_default(),
        end,
        first_sent: plan.sent(*first, entity_of(0)),
        last_sent: plan.sent(*last, entity_of(slots.len() - 1)),
        detectable_at: stamps.get(script.telling).copied().unwrap_or(end),
        slots,
    })
}

/// Leaves out what many users would send to partitions that are idle then. One user's incident must
/// be whole, so it goes elsewhere.
fn leave_out_idle(plan: &StreamPlan, spec: &Spec, script: &mut Script) -> Result<(), Impossible> {
    let before = script.planned.len();
    script.planned.retain(|event| {
        let slot = plan.first_slot_at(event.at_ms);
        !plan.is_idle(slot, event.content.entity())
    });
    let one_user = spec.kind.key_types().contains(&KeyType::User);
    if one_user && script.planned.len() < before {
        let text = "falls into a time in which its partition is `idle`; move either".to_owned();
        return Err(Impossible { field: None, text });
    }
    Ok(())
}

/// Whose each of the labelled events is.
fn labelled_entities(planned: &[Planned]) -> Vec<u32> {
    let labelled = planned.iter().filter(|event| event.labelled);
    labelled.map(|event| event.content.entity()).collect()
}

/// Times for `n` events over a span, as shares of it: the first at 0, the last at 1, gaps as uneven
/// as people's.
fn uneven_times(n: usize, draws: &mut Draws) -> Vec<f64> {
    let mut sum = 0.0;
    let mut times = vec![0.0];
    for _ in 1..n {
        sum += 0.3 + draws.exponential(1.0);
        times.push(sum);
    }
    times
        .iter()
        .map(|t| if sum > 0.0 { t / sum } else { 0.0 })
        .collect()
}

/// Times for `n` events spread at random over a span, as shares of it, in order.
fn spread_times(n: usize, draws: &mut Draws) -> Vec<f64> {
    let mut times: Vec<f64> = (0..n).map(|_| draws.unit()).collect();
    times.sort_by(f64::total_cmp);
    times
}
