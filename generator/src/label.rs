//! Ground truth: the plan's incidents as labels.

use floodmark_contracts::{label::Label, stream::Stream};

use crate::{
    ids::UuidText,
    incident::{Incident, id_of_slot},
    plan::{Plan, StreamPlan},
};

/// The labels of all incidents and decoys, by start and id. They depend on plan and seed alone.
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
        magnitude,
        snr,
        ..
    } = *incident;
    let elsewhere = incident.elsewhere.iter();
    let ids_elsewhere = elsewhere
        .clone()
        .flat_map(|(stream, slots)| slots.iter().map(|slot| (*stream, *slot)));
    let ids_here = incident.slots.iter().map(|slot| (plan.stream, *slot));
    Label {
        id: format!("{kind}-{number}"),
        stream: plan.stream,
        other_streams: elsewhere.map(|(stream, _)| *stream).collect(),
        kind,
        benign: kind.is_benign(),
        magnitude: Some(magnitude),
        snr: Some(snr),
        keys: incident.keys.clone(),
        start,
        end,
        event_ids: ids_elsewhere
            .chain(ids_here)
            .map(|(stream, slot)| event_id(plan, stream, slot))
            .collect(),
        first_sent,
        last_sent,
        detectable_at,
    }
}

/// Id of a slot's event, as the event carries it.
fn event_id(plan: &StreamPlan, stream: Stream, slot: u64) -> String {
    match stream {
        Stream::Sensors => id_of_slot(plan, slot),
        stream => UuidText::new(plan.ids.id(stream, slot)).as_str().to_owned(),
    }
}
