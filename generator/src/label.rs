//! Ground truth: the plan's incidents as labels.

use floodmark_contracts::{label::Label, stream::Stream};

use crate::{
    ids::UuidText,
    incident::{Incident, id_of_slot},
    plan::{Plan, StreamPlan},
};

/// The labels of all incidents, by start and id. They depend on plan and seed alone.
#[must_use]
pub fn labels(plan: &Plan) -> Vec<Label> {
    let mut labels: Vec<Label> = plan
        .stream_plans()
        .iter()
        .flat_map(|stream| {
            stream
                .incidents
                .iter()
                .map(move |incident| label(stream, incident))
        })
        .collect();
    labels.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
    labels
}

fn label(plan: &StreamPlan, incident: &Incident) -> Label {
    let Incident {
        kind,
        number,
        start,
        end,
        first_sent,
        last_sent,
        detectable_at,
        ..
    } = *incident;
    Label {
        id: format!("{kind}-{number}"),
        stream: plan.stream,
        kind,
        keys: incident.keys.clone(),
        start,
        end,
        event_ids: incident
            .slots
            .iter()
            .map(|slot| event_id(plan, *slot))
            .collect(),
        first_sent,
        last_sent,
        detectable_at,
    }
}

/// Id of a slot's event, as the event carries it.
fn event_id(plan: &StreamPlan, slot: u64) -> String {
    match plan.stream {
        Stream::Sensors => id_of_slot(plan, slot),
        stream => UuidText::new(plan.ids.id(stream, slot)).as_str().to_owned(),
    }
}
