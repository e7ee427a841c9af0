//! Labels of a replay: those that were recorded, with the send times of the pace.

use std::collections::{BTreeMap, HashMap};

use floodmark_contracts::{
    clock::{EventTime, RunMicros},
    label::{EventOrder, Label},
};

use super::{Due, Recorded, RecordedClock, Recording, Truth};

/// The labels by start and id.
pub(super) fn labels(recording: &Recording, schedule: &[Due]) -> Vec<Label> {
    let due: HashMap<(usize, usize), RunMicros> = schedule
        .iter()
        .map(|due| ((due.lane, due.row), due.at))
        .collect();
    let moments = Moments::of(recording, schedule);
    let mut labels: Vec<Label> = recording
        .truth
        .iter()
        .map(|truth| match truth {
            Truth::Kept(label) => moments.moved(label),
            Truth::Rows {
                id,
                kind,
                key,
                lane,
                rows,
                ids,
                span: (start, end),
            } => {
                let sent = || rows.iter().filter_map(|row| due.get(&(*lane, *row)));
                Label {
                    id: id.clone(),
                    stream: recording.stream,
                    other_streams: Vec::new(),
                    kind: *kind,
                    benign: false,
                    magnitude: None,
                    snr: None,
                    keys: vec![key.clone()],
                    start: *start,
                    end: *end,
                    // What gives an incident of a recording away, nobody has said.
                    evidence: BTreeMap::new(),
                    event_ids: ids.clone(),
                    event_sent: sent().copied().collect(),
                    order: order(&recording.lanes[*lane], rows),
                    first_sent: sent().min().copied().unwrap_or_default(),
                    last_sent: sent().max().copied().unwrap_or_default(),
                    detectable_at: *start,
                }
            }
        })
        .collect();
    labels.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
    labels
}

/// When what was recorded at a time is sent in the replay.
struct Moments {
    clock: RecordedClock,
    /// Recorded time, as far as the schedule has come, and due time; both never fall.
    steps: Vec<(i64, RunMicros)>,
    origin_ms: i64,
}

impl Moments {
    fn of(recording: &Recording, schedule: &[Due]) -> Self {
        // Records out of order are sent with those before them, so the latest time is what has been reached.
        let mut latest = i64::MIN;
        let steps: Vec<(i64, RunMicros)> = schedule
            .iter()
            .map(|due| {
                latest = latest.max(recording.lanes[due.lane][due.row].at_ms);
                (latest, due.at)
            })
            .collect();
        Self {
            clock: recording.clock,
            origin_ms: steps.first().map_or(0, |(at_ms, _)| *at_ms),
            steps,
        }
    }

    /// A label of the recorded run, sent when its events are sent now.
    fn moved(&self, label: &Label) -> Label {
        // Send times count from the start of the recorded run, which the first record stands for.
        let moved = |sent: RunMicros| self.at(self.origin_ms + sent.0.div_euclid(1000));
        let (first, last, event_sent, order) = match self.clock {
            // The label does not say which event time each event has, nor which partitions the recorded run had.
            RecordedClock::Event => (
                self.at(label.start.0),
                self.at(label.end.0),
                Vec::new(),
                None,
            ),
            RecordedClock::Wall => (
                moved(label.first_sent),
                moved(label.last_sent),
                label.event_sent.iter().copied().map(moved).collect(),
                label.order,
            ),
        };
        Label {
            event_sent,
            order,
            first_sent: first,
            last_sent: last.max(first),
            ..label.clone()
        }
    }

    /// Due time of the first record at a recorded time or later; of the last, if there is none.
    fn at(&self, recorded_ms: i64) -> RunMicros {
        let index = self
            .steps
            .partition_point(|(at_ms, _)| *at_ms < recorded_ms);
        let step = self.steps.get(index).or(self.steps.last());
        step.map_or(RunMicros(0), |(_, due)| *due)
    }
}

/// How rows of a lane came among all rows of it.
fn order(lane: &[Recorded], rows: &[usize]) -> Option<EventOrder> {
    let end = rows.iter().max()? + 1;
    let mut newest_ms = i64::MIN;
    let behind_ms = lane.iter().take(end).map(|record| {
        newest_ms = newest_ms.max(record.at_ms);
        newest_ms.abs_diff(record.at_ms)
    });
    let behind_ms: Vec<u64> = behind_ms.collect();
    let of_rows = || rows.iter().filter_map(|row| behind_ms.get(*row).copied());
    Some(EventOrder {
        on_time: of_rows().filter(|behind_ms| *behind_ms == 0).count() as u64,
        behind_ms: of_rows().max().unwrap_or(0),
    })
}

/// First and last event time over some.
pub(super) fn span(times: impl Iterator<Item = i64>) -> Option<(EventTime, EventTime)> {
    times.fold(None, |span, at| {
        let (first, last) = span.unwrap_or((EventTime(at), EventTime(at)));
        Some((first.min(EventTime(at)), last.max(EventTime(at))))
    })
}
