//! Records besides the events: second copies, and records that no reader accepts.
//!
//! All are drawn from the slot and sent *beside* the slot's own event, so that every labelled event
//! stays sound and every record that is too many can be counted.

mod malform;

use floodmark_contracts::{
    problem::Problems,
    profile::{
        disorder::{RawDuplicates, RawMalformed},
        shape::RawFormat,
        streams::StreamSection,
    },
    stream::Stream,
};

pub(crate) use self::malform::malform;
use crate::{
    delay::{Distribution, check_share},
    draw::{Draws, Key, Purpose},
};

/// What a record is to its slot's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Form {
    /// The event itself.
    #[default]
    Event,
    /// The same bytes once more.
    Copy,
    /// The same content under an id of its own.
    NewId,
    /// No reader accepts it.
    Malformed(Malformation),
}

/// What is wrong with a malformed record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Malformation {
    /// JSON that does not parse.
    BadJson,
    /// JSON without one of its fields.
    MissingField,
    /// JSON in which a field has another type.
    WrongType,
    /// Avro with a schema id that the registry does not know.
    UnknownSchema,
    /// A record that ends too early.
    Truncated,
}

impl Malformation {
    /// Every malformation, in the order in which files list them.
    pub const ALL: [Self; 5] = [
        Self::BadJson,
        Self::MissingField,
        Self::WrongType,
        Self::UnknownSchema,
        Self::Truncated,
    ];

    /// The name used in profiles and facts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BadJson => "bad-json",
            Self::MissingField => "missing-field",
            Self::WrongType => "wrong-type",
            Self::UnknownSchema => "unknown-schema",
            Self::Truncated => "truncated",
        }
    }

    fn share(self, raw: &RawMalformed) -> f64 {
        match self {
            Self::BadJson => raw.bad_json,
            Self::MissingField => raw.missing_field,
            Self::WrongType => raw.wrong_type,
            Self::UnknownSchema => raw.unknown_schema,
            Self::Truncated => raw.truncated,
        }
    }

    /// True if records in this encoding can have it.
    fn applies_to(self, format: RawFormat) -> bool {
        match self {
            Self::BadJson | Self::MissingField | Self::WrongType => format == RawFormat::Json,
            Self::UnknownSchema => format == RawFormat::Avro,
            Self::Truncated => true,
        }
    }
}

/// The extra records of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Extras {
    duplicates: Option<Duplicates>,
    malformed: Vec<(Malformation, f64)>,
    key: Key,
}

#[derive(Debug, Clone, Copy)]
struct Duplicates {
    share: f64,
    new_ids: f64,
    delay: Distribution,
}

impl Extras {
    /// Validates the sections of a stream; none if it has no extra records.
    pub(crate) fn resolve(
        stream: Stream,
        raw: &StreamSection,
        key: Key,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let duplicates = raw.duplicates.as_ref().and_then(|raw| {
            let found = Duplicates::resolve(raw, &format!("{path}.duplicates"), problems)?;
            if stream == Stream::Sensors && found.new_ids > 0.0 {
                let text = "readings have no id of their own to be new; use 0";
                problems.add(format!("{path}.duplicates.new_ids"), text);
            }
            Some(found)
        });
        let format = raw.encoding(stream);
        let none = RawMalformed::default();
        let raw_malformed = raw.malformed.as_ref().unwrap_or(&none);
        let mut malformed = Vec::new();
        for kind in Malformation::ALL {
            let share = kind.share(raw_malformed);
            if share == 0.0 {
                continue;
            }
            let path = format!("{path}.malformed.{}", kind.name());
            check_share(share, &path, problems);
            if !kind.applies_to(format) {
                let encoding = match format {
                    RawFormat::Json => "JSON",
                    RawFormat::Avro => "Avro",
                };
                let text = format!("{encoding} records cannot be malformed so; leave it out");
                problems.add(path, text);
            }
            malformed.push((kind, share));
        }
        let any = duplicates.is_some() || !malformed.is_empty();
        any.then(|| Self {
            duplicates,
            malformed,
            key: key.purpose(Purpose::Extra),
        })
    }

    /// Gives the extra records of a slot: what each is, and how long after the slot's event it is
    /// sent, in nanoseconds of wall time.
    pub(crate) fn of(&self, slot: u64, mut give: impl FnMut(Form, i64)) {
        let mut draws = self.key.draws(slot);
        if let Some(duplicates) = &self.duplicates
            && let Some((form, after_ns)) = duplicates.draw(&mut draws)
        {
            give(form, after_ns);
        }
        for (kind, share) in &self.malformed {
            if draws.chance(*share) {
                give(Form::Malformed(*kind), 0);
            }
        }
    }

    /// The longest time from an event to an extra record of its slot, in microseconds of wall time.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "bounded by the longest duration"
    )]
    pub(crate) fn longest_us(&self) -> i64 {
        self.duplicates.map_or(0, |d| d.delay.max_us() as i64)
    }

    /// Extra records expected for each event.
    pub(crate) fn per_event(&self) -> f64 {
        let malformed: f64 = self.malformed.iter().map(|(_, share)| share).sum();
        malformed + self.duplicates.map_or(0.0, |d| d.share)
    }
}

impl Duplicates {
    fn resolve(raw: &RawDuplicates, path: &str, problems: &mut Problems) -> Option<Self> {
        check_share(raw.share, &format!("{path}.share"), problems);
        if !(0.0..=1.0).contains(&raw.new_ids) {
            let text = format!("`{}` is no share; use 0 to 1", raw.new_ids);
            problems.add(format!("{path}.new_ids"), text);
        }
        Some(Self {
            share: raw.share,
            new_ids: raw.new_ids,
            delay: Distribution::resolve(&raw.delay, &format!("{path}.delay"), problems)?,
        })
    }

    fn draw(&self, draws: &mut Draws) -> Option<(Form, i64)> {
        if !draws.chance(self.share) {
            return None;
        }
        let new_id = draws.chance(self.new_ids);
        let form = if new_id { Form::NewId } else { Form::Copy };
        Some((form, self.delay.draw(draws) * 1000))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn extras(stream: Stream, yaml: &str) -> Result<Option<Extras>, Vec<String>> {
        let raw: StreamSection = serde_saphyr::from_str(&format!("rate: 1/s\n{yaml}")).unwrap();
        let mut problems = Problems::new();
        let found = Extras::resolve(stream, &raw, Key::root(1), "s", &mut problems);
        let texts: Vec<String> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        if texts.is_empty() {
            Ok(found)
        } else {
            Err(texts)
        }
    }

    const DELAY: &str = "delay: { uniform: { min: 1ms, max: 5ms } }";

    #[test]
    fn what_cannot_be_is_refused() {
        for (stream, yaml, expected) in [
            (
                Stream::Sensors,
                format!("duplicates: {{ share: 0.1, new_ids: 0.5, {DELAY} }}"),
                "s.duplicates.new_ids: readings have no id",
            ),
            (
                Stream::Banking,
                format!("duplicates: {{ share: 0.1, new_ids: 2, {DELAY} }}"),
                "s.duplicates.new_ids: `2` is no share",
            ),
            (
                Stream::Banking,
                "malformed: { bad-json: 0.1 }".to_owned(),
                "s.malformed.bad-json: Avro records cannot",
            ),
            (
                Stream::Clickstream,
                "malformed: { unknown-schema: 0.1 }".to_owned(),
                "s.malformed.unknown-schema: JSON records cannot",
            ),
            (
                Stream::Clickstream,
                "malformed: { truncated: -1 }".to_owned(),
                "s.malformed.truncated: `-1` is no share",
            ),
        ] {
            let found = extras(stream, &yaml).unwrap_err();
            assert!(found[0].starts_with(expected), "{found:?}");
        }
        assert!(extras(Stream::Banking, "").unwrap().is_none());
        assert!(extras(Stream::Banking, "malformed: {}").unwrap().is_none());
    }

    #[test]
    fn extra_records_come_in_the_shares_asked_for() {
        let yaml = format!(
            "duplicates: {{ share: 0.1, new_ids: 0.25, {DELAY} }}\nmalformed: {{ bad-json: 0.02, truncated: 0.01 }}"
        );
        let extras = extras(Stream::Clickstream, &yaml).unwrap().unwrap();
        let mut counts: BTreeMap<Form, f64> = BTreeMap::new();
        for slot in 0..100_000 {
            extras.of(slot, |form, after_ns| {
                *counts.entry(form).or_default() += 1.0;
                let wanted = match form {
                    Form::Malformed(_) => 0..=0,
                    _ => 1_000_000..=5_000_000,
                };
                assert!(wanted.contains(&after_ns), "{form:?} {after_ns}");
            });
        }
        for (form, wanted) in [
            (Form::Copy, 7500.0),
            (Form::NewId, 2500.0),
            (Form::Malformed(Malformation::BadJson), 2000.0),
            (Form::Malformed(Malformation::Truncated), 1000.0),
        ] {
            let found: f64 = counts[&form];
            assert!((found / wanted - 1.0).abs() < 0.1, "{form:?}: {found}");
        }
        assert_eq!(counts.len(), 4);
        assert!((extras.per_event() - 0.13).abs() < 1e-9);
        assert_eq!(extras.longest_us(), 5000);
    }
}
