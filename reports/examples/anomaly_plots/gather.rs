//! What one incident's picture is made of, gathered event by event.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
};

use floodmark_contracts::{
    clock::EventTime, event::sensor::reading_id, kind::Kind, label::Label, site::Site,
    stream::Stream,
};
use serde_json::Value;

use crate::view::{Sample, Shape, View, view};

/// An incident while its events are gathered.
pub struct Incident<'a> {
    label: &'a Label,
    view: View,
    /// Event time that is shown, milliseconds.
    shown: [i64; 2],
    /// Time, sample, and whether the event is one of the label's own.
    samples: Vec<(i64, Sample, bool)>,
    own: BTreeSet<&'a str>,
}

/// What is drawn. Times are minutes from the start of the incident.
pub struct Shown {
    /// What the picture is called by those who cannot see it.
    pub name: String,
    /// What is shown, with its unit.
    pub title: &'static str,
    /// The first and the last minute.
    pub minutes: [f64; 2],
    /// When the incident ends; it starts at 0.
    pub end: f64,
    /// When a detector could first know.
    pub detectable: f64,
    /// How it is drawn.
    pub figure: Figure,
}

/// What is drawn, in order of time.
pub enum Figure {
    /// Dots: minute and value, and whether the event is the label's own.
    Dots(Vec<(f64, f64, bool)>),
    /// A line, broken where values are missing.
    Line(Vec<(f64, f64)>),
    /// Bars over spans of this many minutes.
    Bars(f64, Vec<(f64, f64)>),
    /// Names of rows from top to bottom, and dots: minute, row, and whether the event is the label's own.
    Rows(Vec<String>, Vec<(f64, usize, bool)>),
}

impl<'a> Incident<'a> {
    pub fn new(label: &'a Label) -> Result<Self, Box<dyn Error>> {
        let view = view(label.kind);
        let around = (view.around * 60_000.0).round();
        if !(0.0..1e9).contains(&around) {
            return Err(format!("`{}`: {around} ms around the incident", label.kind).into());
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        let around = around as i64;
        Ok(Self {
            label,
            shown: [label.start.0 - around, label.end.0 + around],
            view,
            samples: Vec::new(),
            own: label.event_ids.iter().map(String::as_str).collect(),
        })
    }

    pub fn kind(&self) -> Kind {
        self.label.kind
    }

    /// Takes what the view takes of an event, if the event lies in the time that is shown.
    pub fn take(&mut self, stream: Stream, event: &Value) {
        if stream != self.label.stream && !self.label.other_streams.contains(&stream) {
            return;
        }
        let Some(at) = event.get("timestamp").and_then(Value::as_i64) else {
            return;
        };
        if at < self.shown[0] || at > self.shown[1] {
            return;
        }
        if let Some(sample) = (self.view.takes)(self.label, stream, event) {
            let is_own = match event.get("event_id").and_then(Value::as_str) {
                Some(id) => self.own.contains(id),
                None => {
                    let sensor = event.get("sensor_id").and_then(Value::as_str);
                    self.own
                        .contains(reading_id(sensor.unwrap_or_default(), EventTime(at)).as_str())
                }
            };
            self.samples.push((at, sample, is_own));
        }
    }

    /// The picture's contents.
    pub fn shown(mut self) -> Shown {
        self.samples.sort_by_key(|(at, ..)| *at);
        let first = self.samples.first().map_or(self.shown[0], |(at, ..)| *at);
        let last = self.samples.last().map_or(self.shown[1], |(at, ..)| *at);
        // Where the run begins or ends, less is shown.
        let from = match self.view.shape {
            Shape::Line(_) | Shape::Dots => self.shown[0].max(first),
            _ => self.shown[0],
        };
        let to = match self.view.shape {
            Shape::Line(_) | Shape::Dots => self.shown[1].min(last),
            _ => self.shown[1],
        };
        Shown {
            name: self.label.kind.to_string(),
            title: self.view.title,
            minutes: [self.minute(from), self.minute(to)],
            end: self.minute(self.label.end.0),
            detectable: self.minute(self.label.detectable_at.0),
            figure: self.figure(),
        }
    }

    fn minute(&self, at: i64) -> f64 {
        (at - self.label.start.0) as f64 / 60_000.0
    }

    fn figure(&self) -> Figure {
        match self.view.shape {
            Shape::Dots => Figure::Dots(
                self.samples
                    .iter()
                    .filter_map(|(at, sample, own)| Some((self.minute(*at), number(sample)?, *own)))
                    .collect(),
            ),
            Shape::Line(span) => Figure::Line(self.means(span)),
            Shape::Count(span) => self.bars(span, |samples| samples.len() as f64),
            Shape::Different(span) => self.bars(span, |samples| {
                let names: BTreeSet<&str> =
                    samples.iter().filter_map(|sample| name(sample)).collect();
                names.len() as f64
            }),
            Shape::CountOfIts(span) => {
                let its = self.own_names();
                self.bars(span, |samples| {
                    let is_its =
                        |sample: &&&Sample| name(sample).is_some_and(|name| its.contains(name));
                    samples.iter().filter(is_its).count() as f64
                })
            }
            Shape::Share(span, [of, to]) => self.bars(span, |samples| {
                let count = |wanted| {
                    samples
                        .iter()
                        .filter(|sample| name(sample) == Some(wanted))
                        .count() as f64
                };
                count(to) / count(of).max(1.0)
            }),
            Shape::Rows => self.rows(|_| true),
            Shape::RowsOfIts => {
                let its = self.own_names();
                self.rows(|name| its.contains(name))
            }
            Shape::Steps => self.steps(),
            Shape::Gaps => self.gaps(),
        }
    }

    /// Names that the incident's own events have.
    fn own_names(&self) -> BTreeSet<&str> {
        let own = self.samples.iter().filter(|(_, _, is_own)| *is_own);
        own.filter_map(|(_, sample, _)| name(sample)).collect()
    }

    /// The samples of each span of so many seconds, with the minute at which it starts.
    fn spans(&self, seconds: u32) -> Vec<(f64, Vec<&Sample>)> {
        let length = i64::from(seconds) * 1000;
        // Spans begin with the incident, so that none is half inside of it.
        let first = (self.shown[0] - self.label.start.0).div_euclid(length) + 1;
        let last = (self.shown[1] - self.label.start.0).div_euclid(length);
        let mut spans: Vec<(f64, Vec<&Sample>)> = (first..last)
            .map(|index| (self.minute(self.label.start.0 + index * length), Vec::new()))
            .collect();
        for (at, sample, _) in &self.samples {
            let index = (at - self.label.start.0).div_euclid(length) - first;
            if let Some((_, samples)) = usize::try_from(index)
                .ok()
                .and_then(|index| spans.get_mut(index))
            {
                samples.push(sample);
            }
        }
        spans
    }

    fn bars(&self, seconds: u32, height: impl Fn(&[&Sample]) -> f64) -> Figure {
        let spans = self.spans(seconds);
        let bars = spans
            .iter()
            .map(|(minute, samples)| (*minute, height(samples)));
        Figure::Bars(f64::from(seconds) / 60.0, bars.collect())
    }

    fn means(&self, seconds: u32) -> Vec<(f64, f64)> {
        if seconds == 0 {
            let numbers = self.samples.iter();
            return numbers
                .filter_map(|(at, sample, _)| Some((self.minute(*at), number(sample)?)))
                .collect();
        }
        let middle = f64::from(seconds) / 120.0;
        let mean = |(minute, samples): (f64, Vec<&Sample>)| {
            let values: Vec<f64> = samples.into_iter().filter_map(number).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (!values.is_empty()).then_some((minute + middle, mean))
        };
        self.spans(seconds).into_iter().filter_map(mean).collect()
    }

    fn rows(&self, is_shown: impl Fn(&str) -> bool) -> Figure {
        let mut names: Vec<String> = Vec::new();
        let mut dots = Vec::new();
        for (at, sample, is_own) in &self.samples {
            let Some(name) = name(sample).filter(|name| is_shown(name)) else {
                continue;
            };
            let row = names
                .iter()
                .position(|known| known == name)
                .unwrap_or_else(|| {
                    names.push(name.to_owned());
                    names.len() - 1
                });
            dots.push((self.minute(*at), row, *is_own));
        }
        Figure::Rows(names, dots)
    }

    /// Steps from page to page of a session, each in the row that says whether a link leads there.
    fn steps(&self) -> Figure {
        let site = Site::published();
        let mut before: BTreeMap<&str, usize> = BTreeMap::new();
        let mut dots = Vec::new();
        for (at, sample, is_own) in &self.samples {
            let Some((session, page)) = name(sample).and_then(|name| name.split_once(' ')) else {
                continue;
            };
            let Some(page) = site.page(page) else {
                continue;
            };
            // Who stays on a page takes no step.
            if let Some(from) = before.insert(session, page).filter(|from| *from != page) {
                let row = usize::from(!site.connects(from, page));
                dots.push((self.minute(*at), row, *is_own));
            }
        }
        let rows = ["along a link", "without a link"].map(str::to_owned);
        Figure::Rows(rows.to_vec(), dots)
    }

    /// Seconds from one event of a session to the next.
    fn gaps(&self) -> Figure {
        let mut before: BTreeMap<&str, i64> = BTreeMap::new();
        let mut dots = Vec::new();
        for (at, sample, is_own) in &self.samples {
            let Some(session) = name(sample) else {
                continue;
            };
            if let Some(earlier) = before.insert(session, *at) {
                let seconds = (at - earlier) as f64 / 1000.0;
                dots.push((self.minute(*at), seconds, *is_own));
            }
        }
        Figure::Dots(dots)
    }
}

fn number(sample: &Sample) -> Option<f64> {
    match sample {
        Sample::Number(number) => Some(*number),
        Sample::One | Sample::Name(_) => None,
    }
}

fn name(sample: &Sample) -> Option<&str> {
    match sample {
        Sample::Name(name) => Some(name),
        Sample::One | Sample::Number(_) => None,
    }
}
