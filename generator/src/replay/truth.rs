//! Labels of a replay: those that were recorded, with the send times of the pace.

use std::collections::{BTreeMap, HashMap};

use floodmark_contracts::{
    clock::{EventTime, RunMicros},
    label::Label,
};

use super::{Due, RecordedClock, Recording, Truth};

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
        let (first, last) = match self.clock {
            RecordedClock::Event => (self.at(label.start.0), self.at(label.end.0)),
            // Send times count from the start of the recorded run, which the first record stands for.
            RecordedClock::Wall => (
                self.at(self.origin_ms + label.first_sent.0.div_euclid(1000)),
                self.at(self.origin_ms + label.last_sent.0.div_euclid(1000)),
            ),
        };
        Label {
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

/// First and last event time over some.
pub(super) fn span(times: impl Iterator<Item = i64>) -> Option<(EventTime, EventTime)> {
    times.fold(None, |span, at| {
        let (first, last) = span.unwrap_or((EventTime(at), EventTime(at)));
        Some((first.min(EventTime(at)), last.max(EventTime(at))))
    })
}
