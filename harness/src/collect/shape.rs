//! What records with alerts look like: our own schema, or a detector's own shape through a mapping.

use std::collections::BTreeMap;

use floodmark_contracts::{
    alert::Alert,
    clock::EventTime,
    key::{KeyType, TypedKey},
    problem::Problems,
    profile::subject::{RawAlertShape, RawColumns, RawMapping, RawRecordFormat, RawTimeFormat},
    stream::Stream,
};
use serde_json::{Map, Value};

use super::template::{Origin, Template};

/// How the records of one topic are read.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertShape {
    /// Our own schema.
    Floodmark,
    /// A shape of the detector's own.
    Mapped(Box<Mapping>),
}

/// What a record turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// An alert.
    Alert(Alert),
    /// An alert without a time of its own: its times are those at which the broker got it.
    Untimed(Alert),
    /// No alert, and rightly so.
    Nothing,
}

/// A mapping that is known to be sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    columns: Option<RawColumns>,
    key_type: KeyType,
    key: Template,
    end: Option<Template>,
    start: Option<Template>,
    time: RawTimeFormat,
    id: Option<Template>,
    detector: Template,
    kind: Option<Template>,
    kinds: BTreeMap<String, String>,
    stream: Option<Stream>,
    score: Option<Template>,
    score_at_least: Option<f64>,
}

impl AlertShape {
    /// Checks what a profile says at `path`; alerts that name no rule are `subject`'s.
    pub fn check(
        raw: &RawAlertShape,
        subject: &str,
        path: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        match raw {
            RawAlertShape::Floodmark => Some(Self::Floodmark),
            RawAlertShape::Mapping(raw) => {
                let path = format!("{path}.mapping");
                let mapping = Mapping::check(raw, subject, &path, problems)?;
                Some(Self::Mapped(Box::new(mapping)))
            }
        }
    }

    /// Whether alerts may come without a time of their own.
    #[must_use]
    pub fn may_be_untimed(&self) -> bool {
        matches!(self, Self::Mapped(mapping) if mapping.end.is_none())
    }

    /// What a record says.
    ///
    /// # Errors
    /// Why it says nothing.
    pub fn read(&self, payload: &[u8], origin: &Origin<'_>) -> Result<Found, String> {
        match self {
            Self::Floodmark => super::reader::alert_in(payload).map(Found::Alert),
            Self::Mapped(mapping) => mapping.read(payload, origin),
        }
    }
}

impl Mapping {
    fn check(raw: &RawMapping, subject: &str, path: &str, problems: &mut Problems) -> Option<Self> {
        let columns = check_columns(&raw.format, path, problems);
        let mut template = |name: &str, text: &str| {
            problems.check(&format!("{path}.{name}"), Template::parse(text))
        };
        let key = template("key.id", &raw.key.id);
        let mut optional = |name: &str, text: &Option<String>| match text {
            Some(text) => template(name, text).map(Some),
            None => Some(None),
        };
        let end = optional("end", &raw.end);
        let start = optional("start", &raw.start);
        let id = optional("id", &raw.id);
        let kind = optional("kind", &raw.kind);
        let score = optional("score", &raw.score);
        let detector = template(
            "detector",
            raw.detector.as_deref().unwrap_or(&braced(subject)),
        );
        if raw.start.is_some() && raw.end.is_none() {
            problems.add(
                format!("{path}.end"),
                "`end` is missing where `start` is given; give both, or neither",
            );
        }
        let score_at_least = check_least(raw, path, problems);
        Some(Self {
            columns: columns?,
            key_type: raw.key.key_type,
            key: key?,
            end: end?,
            start: start?,
            time: raw.time,
            id: id?,
            detector: detector?,
            kind: kind?,
            kinds: raw.kinds.clone(),
            stream: raw.stream,
            score: score?,
            score_at_least: score_at_least?,
        })
    }

    fn read(&self, payload: &[u8], origin: &Origin<'_>) -> Result<Found, String> {
        let record = self.parse(payload)?;
        let fill = |template: &Template| template.fill(&record, origin);
        let optional = |template: &Option<Template>| template.as_ref().map(fill).transpose();
        let score = optional(&self.score)?
            .map(|text| number(&text, "score"))
            .transpose()?;
        if let (Some(score), Some(least)) = (score, self.score_at_least)
            && score < least
        {
            return Ok(Found::Nothing);
        }
        let end = optional(&self.end)?
            .map(|text| instant(&text, self.time))
            .transpose()?;
        let start = optional(&self.start)?
            .map(|text| instant(&text, self.time))
            .transpose()?;
        let id = match optional(&self.id)? {
            Some(id) => id,
            None => format!("{}/{}/{}", origin.topic, origin.partition, origin.offset),
        };
        let kind = optional(&self.kind)?;
        let alert = Alert {
            id,
            detector: fill(&self.detector)?,
            stream: self.stream,
            kind: kind.map(|kind| self.kinds.get(&kind).cloned().unwrap_or(kind)),
            key: TypedKey::new(self.key_type, fill(&self.key)?),
            start: start.or(end).unwrap_or_default(),
            end: end.unwrap_or_default(),
            score,
            event_ids: Vec::new(),
            emitted_at: None,
            evidence: BTreeMap::new(),
        };
        super::reader::check_span(&alert)?;
        Ok(match end {
            Some(_) => Found::Alert(alert),
            None => Found::Untimed(alert),
        })
    }

    /// The record as JSON; columns are the fields of an object.
    fn parse(&self, payload: &[u8]) -> Result<Value, String> {
        let Some(columns) = &self.columns else {
            return serde_json::from_slice(payload).map_err(|error| error.to_string());
        };
        let line = std::str::from_utf8(payload).map_err(|error| error.to_string())?;
        let wanted = columns.names.len();
        // From the right, as an id may hold what separates.
        let line = line.trim_end_matches(['\r', '\n']);
        let mut values: Vec<&str> = line.rsplitn(wanted, columns.separator.as_str()).collect();
        values.reverse();
        if values.len() != wanted {
            return Err(format!(
                "the line has {} columns of {wanted} (`{}`)",
                values.len(),
                columns.names.join(&columns.separator)
            ));
        }
        let pairs = columns.names.iter().cloned().zip(values);
        let fields: Map<String, Value> = pairs
            .map(|(name, value)| (name, Value::from(value.trim())))
            .collect();
        Ok(Value::Object(fields))
    }
}

fn check_columns(
    format: &RawRecordFormat,
    path: &str,
    problems: &mut Problems,
) -> Option<Option<RawColumns>> {
    let RawRecordFormat::Columns(columns) = format else {
        return Some(None);
    };
    let path = format!("{path}.format.columns");
    if columns.separator.is_empty() {
        problems.add(
            format!("{path}.separator"),
            "an empty text separates nothing; use one such as `,`",
        );
        return None;
    }
    if columns.names.is_empty() {
        problems.add(
            format!("{path}.names"),
            "no column is named; name them from left to right, such as `[session, score]`",
        );
        return None;
    }
    Some(Some(columns.clone()))
}

fn check_least(raw: &RawMapping, path: &str, problems: &mut Problems) -> Option<Option<f64>> {
    let Some(text) = &raw.score_at_least else {
        return Some(None);
    };
    let path = format!("{path}.score_at_least");
    if raw.score.is_none() {
        problems.add(
            path,
            "there is no `score` to hold against it; name the field of the score",
        );
        return None;
    }
    problems
        .check(&path, number(text, "score_at_least"))
        .map(Some)
}

/// The text with its braces doubled: it holds no places.
fn braced(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

fn number(text: &str, name: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim().parse().ok();
    number
        .filter(|number| number.is_finite())
        .ok_or_else(|| format!("`{name}` is `{text}`, which is no finite number"))
}

/// An instant of event time.
fn instant(text: &str, format: RawTimeFormat) -> Result<EventTime, String> {
    let text = text.trim();
    let scaled = |per_milli: f64| {
        // Whole milliseconds stay exact: a number of today's milliseconds has 41 bits.
        let value = number(text, "time")? * per_milli;
        if value.abs() > LATEST_MS {
            return Err(format!("`{text}` is not within the years 1 to 9999"));
        }
        Ok(EventTime(value.floor() as i64))
    };
    match format {
        RawTimeFormat::Millis => scaled(1.0),
        RawTimeFormat::Seconds => scaled(1000.0),
        RawTimeFormat::Micros => scaled(0.001),
        RawTimeFormat::Rfc3339 => text
            .parse::<jiff::Timestamp>()
            .map(|at| EventTime(at.as_millisecond()))
            .map_err(|_| format!("`{text}` is not an instant such as `2025-06-10T05:00:00Z`")),
    }
}

/// The end of the year 9999.
const LATEST_MS: f64 = 253_402_300_799_999.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(yaml: &str) -> Result<AlertShape, String> {
        let raw: RawAlertShape = serde_saphyr::from_str(yaml).unwrap();
        let mut problems = Problems::new();
        let shape = AlertShape::check(&raw, "mine", "shape", &mut problems);
        let texts: Vec<String> = problems
            .into_vec()
            .iter()
            .map(ToString::to_string)
            .collect();
        shape.filter(|_| texts.is_empty()).ok_or(texts.join("\n"))
    }

    fn read(yaml: &str, payload: &str) -> Result<Found, String> {
        let origin = Origin {
            topic: "t",
            partition: 0,
            offset: 5,
            key: Some("k1"),
        };
        shape(yaml)?.read(payload.as_bytes(), &origin)
    }

    fn alert(found: Result<Found, String>) -> Alert {
        match found.unwrap() {
            Found::Alert(alert) | Found::Untimed(alert) => alert,
            Found::Nothing => panic!("nothing was found"),
        }
    }

    const WINDOWS: &str = "mapping: { key: { type: sensor, id: '{sensor}' }, start: '{w.from}', end: '{w.to}', \
        id: '{sensor}-{w.to}', detector: flink, kind: '{type}', kinds: { SPIKE: sensor-spike }, score: '{z}', stream: sensors }";

    #[test]
    fn a_detectors_own_json_becomes_an_alert() {
        let payload = r#"{"sensor":"s1","w":{"from":1000,"to":2000},"type":"SPIKE","z":4.5}"#;
        let alert = alert(read(WINDOWS, payload));
        let expected: Alert = serde_json::from_str(
            r#"{"id":"s1-2000","detector":"flink","stream":"sensors","kind":"sensor-spike",
                "key":{"type":"sensor","id":"s1"},"start":1000,"end":2000,"score":4.5}"#,
        )
        .unwrap();
        assert_eq!(alert, expected);
    }

    #[test]
    fn a_kind_that_is_not_in_the_list_stays_as_it_is() {
        let payload = r#"{"sensor":"s1","w":{"from":1000,"to":2000},"type":"bot","z":1}"#;
        assert_eq!(alert(read(WINDOWS, payload)).kind.as_deref(), Some("bot"));
    }

    #[test]
    fn a_line_of_session_and_score_has_no_time_of_its_own() {
        let flags = "mapping: { format: { columns: { names: [session, score] } }, \
            key: { type: session, id: '{session}' }, score: '{score}', score_at_least: 0.5 }";
        let Ok(Found::Untimed(alert)) = read(flags, "a,b,0.93\n") else {
            panic!("no alert without a time");
        };
        assert_eq!((alert.key.id.as_str(), alert.score), ("a,b", Some(0.93)));
        assert_eq!(
            (alert.id.as_str(), alert.detector.as_str()),
            ("t/0/5", "mine")
        );
        assert_eq!(read(flags, "a,0.2"), Ok(Found::Nothing));
        for (line, error) in [
            ("a", "the line has 1 columns of 2 (`session,score`)"),
            ("a,high", "`score` is `high`, which is no finite number"),
            ("a,NaN", "`score` is `NaN`"),
        ] {
            let found = read(flags, line).unwrap_err();
            assert!(found.starts_with(error), "{line}: {found}");
        }
    }

    #[test]
    fn instants_are_read_in_every_format() {
        for (format, text, expected) in [
            ("millis", "1749531600123", 1_749_531_600_123),
            ("seconds", "1749531600.5", 1_749_531_600_500),
            ("micros", "1749531600123456", 1_749_531_600_123),
            ("rfc3339", "2025-06-10T05:00:00.123Z", 1_749_531_600_123),
        ] {
            let yaml = format!(
                "mapping: {{ key: {{ type: user, id: '{{$key}}' }}, end: '{{at}}', time: {format} }}"
            );
            let found = alert(read(&yaml, &format!(r#"{{"at":"{text}"}}"#)));
            assert_eq!(
                (found.start, found.end),
                (EventTime(expected), EventTime(expected))
            );
            assert!(read(&yaml, r#"{"at":"soon"}"#).is_err());
            assert!(read(&yaml, r#"{"at":"1e300"}"#).is_err());
        }
    }

    #[test]
    fn what_no_mapping_can_be_is_told_all_at_once() {
        insta::assert_snapshot!(
            shape(
                "mapping: { key: { type: user, id: '{' }, start: '{a}', kind: '{}', score_at_least: 1, \
                 format: { columns: { names: [] } } }"
            )
            .unwrap_err(),
            @r"
        shape.mapping.format.columns.names: no column is named; name them from left to right, such as `[session, score]`
        shape.mapping.key.id: `{` has a `{` without its counterpart; write `{{` for a brace
        shape.mapping.kind: `{}` names nothing; write a path such as `{window.start}`, or one of `{$key}`, `{$topic}`, `{$partition}`, `{$offset}`
        shape.mapping.end: `end` is missing where `start` is given; give both, or neither
        shape.mapping.score_at_least: there is no `score` to hold against it; name the field of the score
        "
        );
    }

    #[test]
    fn an_alert_that_ends_before_it_starts_is_refused() {
        let payload = r#"{"sensor":"s1","w":{"from":3000,"to":2000},"type":"SPIKE","z":4.5}"#;
        assert!(read(WINDOWS, payload).unwrap_err().contains("is before"));
    }
}
