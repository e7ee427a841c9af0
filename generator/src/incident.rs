//! Incidents and decoys: what each kind is made of. The anomaly catalogue, `docs/anomalies.md`, is the
//! specification; each kind has a module with its parameters and its script.

mod across;
mod banking;
mod clickstream;
mod evidence;
mod facts;
mod sensors;
mod times;

use std::collections::BTreeMap;

use floodmark_contracts::{
    clock::{EventTime, RunMicros},
    key::{KeyType, TypedKey},
    kind::Kind,
    problem::Problems,
    stream::Stream,
};

use self::clickstream::Ground;
pub(crate) use self::{
    evidence::evidence,
    facts::{Facts, HappensTo, facts},
    sensors::{GROUP_SIZE, id_of_slot},
};
use crate::{
    address::AddressBook,
    clickstream::Visitors,
    content::Content,
    draw::{Draws, Purpose},
    fault,
    plan::{Capture, Claim, Entity, Occupied, Planned, Spec, StreamPlan, take_slots},
};

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
    /// Slots of affected events in another stream, which come first.
    pub(crate) elsewhere: Option<(Stream, Vec<u64>)>,
    pub(crate) first_sent: RunMicros,
    pub(crate) last_sent: RunMicros,
    pub(crate) detectable_at: EventTime,
    pub(crate) magnitude: f64,
    pub(crate) snr: f64,
}

/// What an incident of `clickstream` or `banking` consists of, before it has slots.
struct Script {
    keys: Vec<TypedKey>,
    /// In the order of their times.
    planned: Vec<Planned>,
    /// Index among the labelled events of the one after which a detector could know.
    telling: usize,
    /// How far the telling statistic is off, in standard deviations of its ordinary value.
    snr: f64,
}

/// When an incident happens and how strong it is, and the draws for all else about it.
struct Occasion<'a> {
    spec: &'a Spec,
    start_ms: i64,
    length_ms: i64,
    magnitude: f64,
    draws: Draws,
}

impl Occasion<'_> {
    fn span(&self) -> (i64, i64) {
        (self.start_ms, self.start_ms + self.length_ms)
    }

    /// A time within the incident, as a share of its length.
    fn at(&self, share: f64) -> f64 {
        self.start_ms as f64 + share * self.length_ms as f64
    }

    fn minutes(&self) -> f64 {
        self.length_ms as f64 / 60_000.0
    }

    /// Share of the length over which the incident builds up.
    fn ramp(&self) -> f64 {
        if self.length_ms == 0 {
            return 0.0;
        }
        (self.spec.ramp_ms as f64 / self.length_ms as f64).min(1.0)
    }

    fn claim(&self) -> Claim {
        Claim {
            kind: self.spec.kind,
            span: self.span(),
            overlap: self.spec.overlap,
        }
    }

    /// Draws a free user, and occupies it.
    fn user(&mut self, plan: &StreamPlan, occupied: &mut Occupied) -> Result<u32, Impossible> {
        self.user_who(plan, occupied, |_| true)
    }

    /// The same among the users of whom something holds.
    fn user_who(
        &mut self,
        plan: &StreamPlan,
        occupied: &mut Occupied,
        holds: impl Fn(u32) -> bool,
    ) -> Result<u32, Impossible> {
        let entities = plan.entities;
        let found = occupied.draw_all(self.claim(), &mut self.draws, |draws| {
            let user = draws.below(entities);
            if holds(user) {
                vec![Entity::User(user)]
            } else {
                Vec::new()
            }
        });
        match found.as_deref() {
            Some([Entity::User(user)]) => Ok(*user),
            _ => Err(Impossible::no_entity(plan, self.spec)),
        }
    }
}

/// A stream's plan while incidents are placed in it.
pub(crate) struct Stage {
    pub(crate) plan: StreamPlan,
    made: BTreeMap<Kind, u32>,
    occupied: Occupied,
    taken: BTreeMap<u64, Content>,
}

impl Stage {
    pub(crate) fn new(plan: StreamPlan) -> Self {
        Self {
            plan,
            made: BTreeMap::new(),
            occupied: Occupied::default(),
            taken: BTreeMap::new(),
        }
    }

    /// The plan with all its incidents.
    pub(crate) fn finish(self) -> StreamPlan {
        let mut plan = self.plan;
        plan.captures = self
            .taken
            .into_iter()
            .map(|(slot, content)| Capture { slot, content })
            .collect();
        fault::put_in_order(&mut plan.effects);
        plan
    }
}

/// Whom incidents can use. Visitors know the walks over the site, which take some time to work out.
struct People<'a> {
    book: &'a AddressBook,
    visitors: Option<Visitors<'a>>,
}

impl<'a> People<'a> {
    fn new(stages: &BTreeMap<Stream, Stage>, book: &'a AddressBook) -> Self {
        let site = stages.get(&Stream::Clickstream);
        Self {
            book,
            visitors: site.map(|stage| Visitors::new(book, stage.plan.key)),
        }
    }

    /// What an incident on the web site can look at.
    fn ground(&'a self, plan: &'a StreamPlan) -> Result<Ground<'a>, Impossible> {
        match &self.visitors {
            Some(visitors) => Ok(Ground {
                plan,
                book: self.book,
                visitors,
            }),
            None => Err(Impossible::of_plan("needs a stream of visitors".to_owned())),
        }
    }
}

/// Places incidents in a stream, and in another where they extend over two. What cannot be is a
/// problem at its path.
pub(crate) fn inject(
    stages: &mut BTreeMap<Stream, Stage>,
    specs: &[Spec],
    book: &AddressBook,
    problems: &mut Problems,
) {
    let people = People::new(stages, book);
    for spec in specs {
        for index in 0..spec.count {
            if let Err(problem) = place(stages, spec, index, &people) {
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

/// Places one incident. Where it falls is drawn, and others may have taken the slots there: so it gets
/// some tries at other times before its profile counts as impossible. The first failure is the one
/// reported, for it is the one that the plan's own numbers explain.
fn place(
    stages: &mut BTreeMap<Stream, Stage>,
    spec: &Spec,
    index: u32,
    people: &People<'_>,
) -> Result<(), Impossible> {
    const TRIES: u32 = 16;
    let kind = spec.kind;
    let Some(home) = stages.get_mut(&kind.stream()) else {
        return Ok(());
    };
    let own = home
        .plan
        .key
        .purpose(Purpose::Incident)
        .child(facts(kind).family);
    let count = home.made.entry(kind).or_default();
    *count += 1;
    let number = *count;
    let mut first_failure = None;
    for attempt in 0..TRIES {
        let counter = u64::from(attempt) << 32 | u64::from(number);
        let mut draws = own.draws(counter);
        let magnitude = spec.magnitudes.draw(&mut own.child(1).draws(counter));
        let occasion = Occasion {
            spec,
            start_ms: spec.start_ms(index, &mut draws),
            length_ms: facts(kind).scaled_ms(spec.asked_ms, magnitude),
            magnitude,
            draws,
        };
        let marks: Vec<(Stream, usize)> = stages
            .iter()
            .map(|(stream, stage)| (*stream, stage.occupied.mark()))
            .collect();
        match make(stages, people, occasion, number) {
            Ok(incident) => {
                if let Some(home) = stages.get_mut(&kind.stream()) {
                    home.plan.incidents.push(incident);
                }
                return Ok(());
            }
            Err(problem) => {
                for (stream, mark) in marks {
                    if let Some(stage) = stages.get_mut(&stream) {
                        stage.occupied.back_to(mark);
                    }
                }
                first_failure.get_or_insert(problem);
            }
        }
    }
    first_failure.map_or(Ok(()), Err)
}

/// One try to make an incident at the given occasion; leaves slots and effects as they were if it
/// fails.
fn make(
    stages: &mut BTreeMap<Stream, Stage>,
    people: &People<'_>,
    mut occasion: Occasion<'_>,
    number: u32,
) -> Result<Incident, Impossible> {
    let kind = occasion.spec.kind;
    if kind == Kind::BotThenTakeover {
        return across::make(stages, people, &mut occasion, number);
    }
    let Some(stage) = stages.get_mut(&kind.stream()) else {
        return Err(Impossible::stream_is_missing(kind, kind.stream()));
    };
    let occupied = &mut stage.occupied;
    let script = match kind.stream() {
        Stream::Clickstream => {
            let ground = people.ground(&stage.plan)?;
            clickstream::script(&ground, &mut occasion, occupied)?
        }
        Stream::Banking => banking::script(&stage.plan, people.book, &mut occasion, occupied)?,
        Stream::Sensors => return sensors::make(&mut stage.plan, &mut occasion, number, occupied),
    };
    settle(stage, &occasion, number, script)
}

/// Why an incident that must be whole cannot be where it was drawn.
const IDLE: &str = "falls into a time in which its partition is `idle`; move either";

/// Why an incident cannot be made.
struct Impossible {
    /// The field of the anomaly's parameters that is to blame, if it is one.
    field: Option<&'static str>,
    text: String,
}

impl Impossible {
    fn no_entity(plan: &StreamPlan, spec: &Spec) -> Self {
        let (what, there_are) = match facts(spec.kind).happens_to {
            HappensTo::Users => ("user", plan.entities),
            HappensTo::Pages(pages) => ("page", pages),
            HappensTo::Sensors => ("sensor", plan.entities),
            HappensTo::Groups => ("group of sensors", plan.entities / GROUP_SIZE),
        };
        let text = format!(
            "`{}` incidents find no {what} without another one at the same time, and there are {there_are}; lower it, \
             raise `population.entities` or the run's `duration`, or allow `overlap`",
            spec.count
        );
        Self {
            field: Some("count"),
            text,
        }
    }

    fn stream_is_missing(kind: Kind, stream: Stream) -> Self {
        let text =
            format!("`{kind}` needs the stream `{stream}`, and the profile has none; add it");
        Self { field: None, text }
    }

    fn of_magnitude(text: String) -> Self {
        let field = Some("magnitude");
        Self { field, text }
    }

    fn of_plan(text: String) -> Self {
        Self { field: None, text }
    }
}

/// Takes the slots that a script asks for.
fn settle(
    stage: &mut Stage,
    occasion: &Occasion<'_>,
    number: u32,
    mut script: Script,
) -> Result<Incident, Impossible> {
    debug_assert!(script.planned.is_sorted_by(|a, b| a.at_ms <= b.at_ms));
    let plan = &stage.plan;
    leave_out_idle(plan, occasion.spec, &mut script)?;
    let slots = take_slots(plan, &script.planned, &mut stage.taken)
        .map_err(|no_room| Impossible::of_plan(no_room.0))?;
    let (Some(first), Some(last)) = (slots.first(), slots.last()) else {
        let text = "comes to no event at all; raise `magnitude` or `duration`".to_owned();
        return Err(Impossible::of_plan(text));
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
        kind: occasion.spec.kind,
        number,
        keys: script.keys,
        start: start.unwrap_or_default(),
        end,
        first_sent: plan.sent(*first, entity_of(0)),
        last_sent: plan.sent(*last, entity_of(slots.len() - 1)),
        detectable_at: stamps.get(script.telling).copied().unwrap_or(end),
        magnitude: occasion.magnitude,
        snr: script.snr,
        elsewhere: None,
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
        return Err(Impossible::of_plan(IDLE.to_owned()));
    }
    Ok(())
}

/// Whose each of the labelled events is.
fn labelled_entities(planned: &[Planned]) -> Vec<u32> {
    let labelled = planned.iter().filter(|event| event.labelled);
    labelled.map(|event| event.content.entity()).collect()
}
