//! What came out: delays, records that came behind others, and extra records, counted as they are sent.

use std::collections::BTreeMap;

use floodmark_contracts::{
    clock::EventTime,
    histogram::{EncodedHistogram, HistogramError, up_to},
    record::{DisorderFacts, ExtraFacts},
};
use hdrhistogram::Histogram;

use crate::{
    delay::Delayed,
    events::Event,
    extras::{Form, Malformation},
};

/// The longest delay that histograms can hold: a day, in milliseconds.
const LONGEST_MS: u64 = 86_400_000;

/// Counts what comes out of one stream.
pub(crate) struct Realised {
    facts: DisorderFacts,
    delay: Histogram<u64>,
    behind: Histogram<u64>,
    newest: Newest,
    copies: u64,
    new_ids: u64,
    malformed: BTreeMap<Malformation, u64>,
}

impl Realised {
    pub(crate) fn new() -> Result<Self, HistogramError> {
        Ok(Self {
            facts: DisorderFacts::default(),
            delay: up_to(LONGEST_MS)?,
            behind: up_to(LONGEST_MS)?,
            newest: Newest::default(),
            copies: 0,
            new_ids: 0,
            malformed: BTreeMap::new(),
        })
    }

    /// Counts a record that was sent. Those of a partition must come in the order of sending.
    pub(crate) fn add(&mut self, event: &Event) {
        match event.form {
            Form::Event => self.add_event(event),
            Form::Copy => self.copies += 1,
            Form::NewId => self.new_ids += 1,
            Form::Malformed(kind) => *self.malformed.entry(kind).or_default() += 1,
        }
    }

    fn add_event(&mut self, event: &Event) {
        let behind_ms = self.newest.behind_ms(event.lane, event.event_time);
        if behind_ms > 0 {
            self.behind.saturating_record(behind_ms);
        }
        match event.delayed {
            Delayed::No => return,
            Delayed::Disordered => self.facts.disordered += 1,
            Delayed::Late => self.facts.late += 1,
            Delayed::Offline => self.facts.offline += 1,
        }
        // Rounded up: a bound that is reported must hold.
        let delay_ms = (event.delay_us + 999) / 1000;
        self.facts.max_delay_ms = self.facts.max_delay_ms.max(delay_ms);
        self.delay.saturating_record(delay_ms.unsigned_abs());
    }

    /// The figures.
    pub(crate) fn facts(&self) -> Result<(DisorderFacts, ExtraFacts), HistogramError> {
        let disorder = DisorderFacts {
            delay: EncodedHistogram::of(&self.delay)?,
            behind: EncodedHistogram::of(&self.behind)?,
            ..self.facts.clone()
        };
        let malformed = self
            .malformed
            .iter()
            .map(|(kind, count)| (kind.name().to_owned(), *count));
        let extras = ExtraFacts {
            copies: self.copies,
            new_ids: self.new_ids,
            malformed: malformed.collect(),
        };
        Ok((disorder, extras))
    }
}

/// The newest event time of each lane so far, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Newest(Vec<i64>);

impl Newest {
    /// How far an event lies behind the newest of its lane, in milliseconds of event time; 0 if it is the newest itself.
    /// Those of a lane must come in the order of sending.
    pub(crate) fn behind_ms(&mut self, lane: u32, event_time: EventTime) -> u64 {
        let lane = lane as usize;
        if lane >= self.0.len() {
            self.0.resize(lane + 1, i64::MIN);
        }
        let newest_ms = &mut self.0[lane];
        *newest_ms = event_time.0.max(*newest_ms);
        newest_ms.abs_diff(event_time.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(lane: u32, at_ms: i64, delayed: Delayed, delay_us: i64) -> Event {
        Event {
            lane,
            event_time: EventTime(at_ms),
            delayed,
            delay_us,
            ..Event::default()
        }
    }

    #[test]
    fn what_comes_behind_another_of_its_partition_is_counted_by_how_far() {
        let mut realised = Realised::new().unwrap();
        for (partition, at_ms) in [(0, 100), (1, 40), (0, 90), (0, 110), (0, 10), (1, 40)] {
            realised.add(&event(partition, at_ms, Delayed::No, 0));
        }
        let behind = &realised.behind;
        assert_eq!((behind.len(), behind.min(), behind.max()), (2, 10, 100));
        assert_eq!(realised.facts().unwrap().0.max_delay_ms, 0);
    }

    #[test]
    fn delays_are_counted_by_class_and_extra_records_apart() {
        let mut realised = Realised::new().unwrap();
        realised.add(&event(0, 1, Delayed::Late, 1_500_001));
        realised.add(&event(0, 2, Delayed::Disordered, 3000));
        for form in [
            Form::Copy,
            Form::NewId,
            Form::NewId,
            Form::Malformed(Malformation::BadJson),
        ] {
            let late = event(0, 3, Delayed::Late, 1);
            realised.add(&Event { form, ..late });
        }
        let (disorder, extras) = realised.facts().unwrap();
        assert_eq!((disorder.late, disorder.disordered), (1, 1));
        assert_eq!(disorder.max_delay_ms, 1501);
        assert_eq!((extras.copies, extras.new_ids), (1, 2));
        assert_eq!(extras.malformed["bad-json"], 1);
        assert_eq!(extras.total(), 4);
    }
}
