//! Pages, countries and segments of all partitions, put together into rows.

use floodmark_contracts::{
    clock::EventTime,
    row::{Row, RowKind},
};

use super::{Counts, RowPart, SegmentTally};
use crate::{
    finding::Output,
    runtime::{
        Frozen, MergedWindows, Merger, Reader, Saved, SavedError, Source, Window, merge::Accepted,
        together,
    },
};

/// Puts the parts together. A row leaves when its window closes, and again with each correction.
#[derive(Debug)]
pub struct RowMerger {
    pages: MergedWindows<String, Counts>,
    countries: MergedWindows<String, Counts>,
    segments: MergedWindows<String, SegmentTally>,
}

impl RowMerger {
    /// A merger without state.
    #[must_use]
    pub fn new(lateness_ms: i64) -> Self {
        Self {
            pages: MergedWindows::new(lateness_ms),
            countries: MergedWindows::new(lateness_ms),
            segments: MergedWindows::new(lateness_ms),
        }
    }
}

fn page(window: Window, key: &str, counts: &Counts) -> Row {
    counts.row(RowKind::PageMinute, window, key)
}

fn country(window: Window, key: &str, counts: &Counts) -> Row {
    counts.row(RowKind::CountryMinute, window, key)
}

fn segment(window: Window, key: &str, tally: &SegmentTally) -> Row {
    tally.row(window, key)
}

/// Adds a corrected row, if the part was one. False if it came too late.
fn settle<A>(accepted: Accepted<A>, row: impl FnOnce(A) -> Row, out: &mut Vec<Output>) -> bool {
    match accepted {
        Accepted::Waiting => true,
        Accepted::TooLate => false,
        Accepted::Corrected(whole) => {
            out.push(Output::Row(Box::new(row(whole))));
            true
        }
    }
}

impl Merger for RowMerger {
    type Partial = RowPart;
    type Output = Output;

    fn accept(&mut self, source: Source, part: RowPart, out: &mut Vec<Output>) -> bool {
        match part {
            RowPart::Page(window, key, counts) => {
                let accepted = self.pages.put(source, window, key.clone(), counts);
                settle(accepted, |whole| page(window, &key, &whole), out)
            }
            RowPart::Country(window, key, counts) => {
                let accepted = self.countries.put(source, window, key.clone(), counts);
                settle(accepted, |whole| country(window, &key, &whole), out)
            }
            RowPart::Segment(window, key, tally) => {
                let accepted = self.segments.put(source, window, key.clone(), tally);
                settle(accepted, |whole| segment(window, &key, &whole), out)
            }
        }
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<Output>) {
        let mut push = |row: Row| out.push(Output::Row(Box::new(row)));
        self.pages.close(to, |window, groups| {
            for (key, counts) in &groups {
                push(page(window, key, counts));
            }
        });
        self.countries.close(to, |window, groups| {
            for (key, counts) in &groups {
                push(country(window, key, counts));
            }
        });
        self.segments.close(to, |window, groups| {
            for (key, tally) in &groups {
                push(segment(window, key, tally));
            }
        });
    }
}

impl Saved for RowMerger {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        let (pages, countries) = (self.pages.freeze(), self.countries.freeze());
        Ok(together([pages, countries, self.segments.freeze()]))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.pages, self.countries, self.segments) = from.get()?;
        Ok(())
    }
}
