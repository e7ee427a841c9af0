//! Sessions with their labels: generated events through the detector's own engine.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    path::Path,
};

use floodmark_contracts::{
    clock::{EventTime, WallTime},
    event::{banking::BankingUiEvent, confluent::FRAME_LEN},
    job::GeneratorSection,
    kind::Kind,
    profile::{DetectorSection, Profile},
    stream::Stream,
};
use floodmark_detector::{
    Engine, Output, Places, Settings, Subject,
    enrichment::EnrichmentStore,
    fraud::{Standing, Vector},
};
use floodmark_generator::{
    Event, Plan, SchemaIds, Share, closing_events, enrichment, events, labels,
};

/// A session that was scored at least once.
pub struct Session {
    /// The kind of incident that it is part of; a decoy's too.
    pub kind: Option<Kind>,
    /// Where it was scored.
    pub cases: Vec<Scored>,
}

/// A point at which a session is scored.
pub struct Scored {
    /// What describes the session by then.
    pub vector: Vector,
    /// What the generated look-ups say.
    pub standing: Standing,
    /// Whether something labelled had happened in it by then.
    pub is_fraud: bool,
}

impl Session {
    /// True if somebody else than the customer was at work in it.
    pub fn is_fraud(&self) -> bool {
        self.kind.is_some_and(|kind| !kind.is_benign())
    }
}

/// The sessions of a profile's banking stream under a seed.
pub fn sessions(profile: &Path, seed: u64) -> Result<Vec<Session>, Box<dyn Error>> {
    let plan = plan(profile, seed)?;
    let mut labelled: HashMap<String, Kind> = HashMap::new();
    for label in labels(&plan) {
        labelled.extend(label.event_ids.into_iter().map(|id| (id, label.kind)));
    }
    let mut store = EnrichmentStore::default();
    enrichment(&plan).for_each(|record| store.insert(record));
    let places = Places::compiled_in()?;
    let section = DetectorSection::default();
    let settings = Settings::validate(&section).map_err(|problems| format!("{problems:?}"))?;
    let mut engine = Engine::new(
        &settings,
        Subject::Bundled(EnrichmentStore::default()),
        [Stream::Banking],
    )?;
    let mut known: HashMap<String, (Kind, EventTime)> = HashMap::new();
    let mut found: BTreeMap<String, Vec<(EventTime, Scored)>> = BTreeMap::new();
    let stream = events(&plan, Stream::Banking, Share::WHOLE)
        .into_iter()
        .flatten();
    for event in stream.chain(closing_events(&plan, Stream::Banking, SchemaIds::default())) {
        note(&event, &labelled, &mut known)?;
        let lane = i32::try_from(event.lane)?;
        engine.feed(Stream::Banking, lane, &event.value, 0)?;
        for output in engine.take(WallTime(0)) {
            if let Output::Case(case) = output {
                let scored = Scored {
                    vector: case.with_journey(&places),
                    standing: store.known(&case.device, &case.user_id),
                    is_fraud: false,
                };
                found
                    .entry(case.session_id)
                    .or_default()
                    .push((case.at, scored));
            }
        }
    }
    Ok(found
        .into_iter()
        .map(|(id, cases)| session(known.get(&id), cases))
        .collect())
}

fn plan(profile: &Path, seed: u64) -> Result<Plan, Box<dyn Error>> {
    let profile: Profile = serde_saphyr::from_str(&std::fs::read_to_string(profile)?)?;
    let mut section = GeneratorSection::from(&profile);
    section.seed = seed;
    let plan = Plan::resolve(&section);
    plan.map_err(|problems| format!("{problems:?}").into())
}

/// Remembers since when a session is part of an incident.
fn note(
    event: &Event,
    labelled: &HashMap<String, Kind>,
    known: &mut HashMap<String, (Kind, EventTime)>,
) -> Result<(), Box<dyn Error>> {
    let body = event.value.get(FRAME_LEN..).unwrap_or_default();
    let event = BankingUiEvent::decode_body(body)?;
    if let Some(kind) = labelled.get(event.event_id) {
        let since = known
            .entry(event.session_id.to_owned())
            .or_insert((*kind, event.timestamp));
        since.1 = since.1.min(event.timestamp);
    }
    Ok(())
}

fn session(known: Option<&(Kind, EventTime)>, cases: Vec<(EventTime, Scored)>) -> Session {
    let since = known.filter(|(kind, _)| !kind.is_benign());
    let cases = cases.into_iter().map(|(at, case)| Scored {
        is_fraud: since.is_some_and(|(_, since)| at >= *since),
        ..case
    });
    Session {
        kind: known.map(|(kind, _)| *kind),
        cases: cases.collect(),
    }
}
