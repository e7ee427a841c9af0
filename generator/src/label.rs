//! Ground truth: the plan's incidents as labels.

use std::collections::{BTreeMap, BTreeSet};

use floodmark_contracts::{
    clock::RunMicros,
    label::{EventOrder, Label},
    stream::Stream,
};

use crate::{
    ids::UuidText,
    incident::{Incident, evidence, id_of_slot},
    order::behind_ms,
    plan::{Plan, StreamPlan},
    sensors::Rota,
};

/// By how many milliseconds of event time affected events lie behind, by stream and slot; those on time are left out.
type Behind = BTreeMap<Stream, BTreeMap<u64, u64>>;

/// The labels of all incidents and decoys, by start and id. They depend on plan and seed alone.
#[must_use]
pub fn labels(plan: &Plan) -> Vec<Label> {
    let behind = behind(plan);
    let behind = &behind;
    let mut labels: Vec<Label> = plan
        .stream_plans()
        .iter()
        .flat_map(|stream| {
            stream
                .incidents
                .iter()
                .map(move |incident| label(plan, stream, incident, behind))
        })
        .collect();
    labels.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
    labels
}

/// The affected events of an incident in the order of its label.
fn affected(stream: Stream, incident: &Incident) -> Vec<(Stream, u64)> {
    let elsewhere = incident.elsewhere.iter();
    let elsewhere = elsewhere.flat_map(|(stream, slots)| slots.iter().map(|slot| (*stream, *slot)));
    let here = incident.slots.iter().map(|slot| (stream, *slot));
    elsewhere.chain(here).collect()
}

fn behind(plan: &Plan) -> Behind {
    let mut slots: BTreeMap<Stream, BTreeSet<u64>> = BTreeMap::new();
    for stream in plan.stream_plans() {
        for incident in &stream.incidents {
            for (stream, slot) in affected(stream.stream, incident) {
                slots.entry(stream).or_default().insert(slot);
            }
        }
    }
    let of_stream = |(stream, slots)| Some((stream, behind_ms(plan, plan.stream(stream)?, &slots)));
    slots.into_iter().filter_map(of_stream).collect()
}

fn order(affected: &[(Stream, u64)], behind: &Behind) -> Option<EventOrder> {
    let found = affected.iter();
    let found = found.filter_map(|(stream, slot)| behind.get(stream)?.get(slot).copied());
    let found: Vec<u64> = found.collect();
    (!affected.is_empty()).then(|| EventOrder {
        on_time: (affected.len() - found.len()) as u64,
        behind_ms: found.into_iter().max().unwrap_or(0),
    })
}

fn label(whole: &Plan, plan: &StreamPlan, incident: &Incident, behind: &Behind) -> Label {
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
    let affected = affected(plan.stream, incident);
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
        event_ids: affected
            .iter()
            .map(|(stream, slot)| event_id(plan, *stream, *slot))
            .collect(),
        event_sent: affected
            .iter()
            .filter_map(|(stream, slot)| Some(sent(whole.stream(*stream)?, *slot)))
            .collect(),
        order: order(&affected, behind),
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

/// Intended send time of the event in a slot that belongs to an incident.
fn sent(plan: &StreamPlan, slot: u64) -> RunMicros {
    plan.sent(slot, entity_of_slot(plan, slot))
}

/// Whose event is in a slot that belongs to an incident.
fn entity_of_slot(plan: &StreamPlan, slot: u64) -> u32 {
    if plan.stream == Stream::Sensors {
        return Rota::new(plan.entities, plan.key).at(slot).0;
    }
    let found = plan
        .captures
        .binary_search_by_key(&slot, |capture| capture.slot);
    found.map_or(0, |index| plan.captures[index].content.entity())
}
