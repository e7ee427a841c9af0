//! Ground truth: the plan's incidents as labels.

use floodmark_contracts::{label::Label, stream::Stream};

use crate::{
    ids::UuidText,
    incident::{Incident, evidence, id_of_slot},
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
                .map(move |incident| label(plan, stream, incident))
        })
        .collect();
    labels.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
    labels
}

fn label(whole: &Plan, plan: &StreamPlan, incident: &Incident) -> Label {
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
        evidence: evidence(kind)
            .iter()
            .map(|(stream, fields)| (*stream, written(whole, *stream, fields)))
            .filter(|(_, fields)| !fields.is_empty())
            .collect(),
        event_ids: ids_elsewhere
            .chain(ids_here)
            .map(|(stream, slot)| event_id(plan, stream, slot))
            .collect(),
        first_sent,
        last_sent,
        detectable_at,
    }
}

/// The fields under the names that the profile gives them.
fn written(plan: &Plan, stream: Stream, fields: &[&str]) -> Vec<String> {
    let names = fields.iter();
    names
        .filter_map(|ours| plan.field_name(stream, ours))
        .map(str::to_owned)
        .collect()
}

/// Id of a slot's event, as the event carries it.
fn event_id(plan: &StreamPlan, stream: Stream, slot: u64) -> String {
    match stream {
        Stream::Sensors => id_of_slot(plan, slot),
        stream => UuidText::new(plan.ids.id(stream, slot)).as_str().to_owned(),
    }
}
