//! From the profile's words about a stream's records to a compiled shape.

use std::{collections::BTreeSet, time::Duration};

use floodmark_contracts::{
    clock::{EventTime, RunMicros, Timeline},
    problem::Problems,
    profile::{
        shape::{RawFields, RawFormat},
        streams::StreamSection,
    },
    stream::Stream,
    units::parse_duration,
};

use super::{
    Field, KeyField, PADDING_FIELD, Padding, Shape, Value, Versions,
    added::Added,
    record::{self, Source},
    schema::{MOST_VERSIONS, schema},
};
use crate::draw::Key;

/// Most bytes that a record is padded to: brokers take a megabyte by default, and the key counts too.
const MOST_BYTES: u32 = 1_000_000;
/// How far the shares of versions may be from 1, for those who write thirds.
const ROUNDING: f64 = 0.001;

/// What the run says about times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunTimes {
    pub(crate) duration: Duration,
    pub(crate) timeline: Timeline,
}

/// Compiles the shape that a section asks for; none if it is the stream's own. Problems are noted, and
/// what is given then must not be used.
pub(crate) fn resolve(
    stream: Stream,
    raw: &StreamSection,
    run: RunTimes,
    draws: Key,
    problems: &mut Problems,
) -> Option<Shape> {
    let path = |field: &str| format!("streams.{stream}.{field}");
    let format = raw.encoding(stream);
    let own = record::fields(stream, raw);
    let key = resolve_key(stream, own, raw, problems);
    let named = resolve_fields(stream, own, &raw.fields, problems);
    let mut fields = compile(named);
    let (versions, further_count) = resolve_versions(raw, run, draws, &path, problems);
    let mut further: Vec<Field> = further_fields(stream).collect();
    further.truncate(further_count);
    if let Some(pad_bytes) = raw.pad_bytes
        && !(1..=MOST_BYTES).contains(&pad_bytes)
    {
        let text = format!("`{pad_bytes}` bytes are not possible; use 1 to {MOST_BYTES}");
        problems.add(path("pad_bytes"), text);
    }
    check_names(stream, format, raw, &fields, &further, problems);
    if is_own(stream, raw, key, further_count) {
        return None;
    }
    if let Some(first) = fields.first_mut() {
        first.prefix = prefix("{", &first.name);
    }
    let padding = raw.pad_bytes.map(|least| Padding {
        least: least as usize,
        prefix: prefix(",", PADDING_FIELD),
        draws: draws.child(1),
    });
    let schemas = match format {
        RawFormat::Json => Vec::new(),
        RawFormat::Avro => (0..=further_count)
            .map(|count| schema(stream, &fields, padding.is_some(), &further[..count]))
            .collect(),
    };
    Some(Shape {
        format,
        key,
        fields,
        further,
        versions,
        padding,
        schemas,
        draws: draws.child(0),
        partitions: draws.child(2),
    })
}

/// True if the section asks for nothing but what is the default anyway: then the stream keeps its own
/// encoder, and its bytes.
fn is_own(stream: Stream, raw: &StreamSection, key: KeyField, further_count: usize) -> bool {
    let unasked = StreamSection {
        format: None,
        ..raw.clone()
    };
    raw.encoding(stream) == unasked.encoding(stream)
        && key == KeyField::Entity
        && raw.fields.is_default()
        && further_count == 0
        && raw.pad_bytes.is_none()
}

/// Fields with their final names, ours before those that are added.
type Named = Vec<(String, Value)>;

/// Our fields of the stream.
type Own = &'static [(&'static str, Source)];

fn resolve_key(stream: Stream, own: Own, raw: &StreamSection, problems: &mut Problems) -> KeyField {
    let Some(name) = raw.key.as_deref() else {
        return KeyField::Entity;
    };
    let path = |field: &str| format!("streams.{stream}.{field}");
    // A field that may be null, a number or a time is no key: consumers join and partition by texts.
    let key = match record::field(own, name) {
        Some(source) if source == Source::entity(stream) => return KeyField::Entity,
        Some(source) if source.is_text() => KeyField::Field(source),
        None if name == "none" => KeyField::None,
        _ => {
            let texts = record::listed(own.iter().filter(|(_, source)| source.is_text()));
            let text = format!("`{name}` is no field that can be a key; use {texts} or `none`");
            problems.add(path("key"), text);
            return KeyField::Entity;
        }
    };
    let by_partition = [
        ("partition_skew", raw.partition_skew > 0.0),
        ("idle", !raw.idle.is_empty()),
    ];
    for (field, _) in by_partition.iter().filter(|(_, asked)| *asked) {
        let text = "partitions are skewed or idle by their entities, which another key spreads over all \
                    of them; leave this or `key` out";
        problems.add(path(field), text);
    }
    key
}

fn resolve_fields(stream: Stream, own: Own, raw: &RawFields, problems: &mut Problems) -> Named {
    let path = format!("streams.{stream}.fields");
    let unknown = |name: &str| {
        let known = record::listed(own.iter());
        format!("`{name}` is no field of the stream `{stream}`; there are {known}")
    };
    for name in raw.rename.keys() {
        if record::field(own, name).is_none() {
            problems.add(format!("{path}.rename.{name}"), unknown(name));
        }
    }
    for (index, name) in raw.omit.iter().enumerate() {
        let place = format!("{path}.omit[{index}]");
        if record::field(own, name).is_none() {
            problems.add(place, unknown(name));
        } else if raw.rename.contains_key(name) {
            let text = format!("`{name}` is renamed too; keep one of the two");
            problems.add(place, text);
        }
    }
    let kept = own
        .iter()
        .filter(|(name, _)| !raw.omit.iter().any(|omitted| omitted == name));
    let mut named: Named = kept
        .map(|(name, source)| {
            let name = raw.rename.get(*name).map_or(*name, String::as_str);
            (name.to_owned(), Value::Ours(*source))
        })
        .collect();
    for (name, added) in &raw.add {
        let place = format!("{path}.add.{name}");
        if let Some(added) = problems.check(&place, Added::resolve(added)) {
            named.push((name.clone(), Value::Added(added)));
        }
    }
    if named.is_empty() {
        let text = "no field is left; keep one, or add one";
        problems.add(format!("{path}.omit"), text);
    }
    named
}

/// Fields as they are written, each with a comma in front: the first one gets its brace in the end.
fn compile(named: Named) -> Vec<Field> {
    let field = |(name, value): (String, Value)| Field {
        prefix: prefix(",", &name),
        name,
        value,
    };
    named.into_iter().map(field).collect()
}

/// `,"name":` or `{"name":`.
fn prefix(before: &str, name: &str) -> Vec<u8> {
    // Names hold nothing that would have to be escaped: see `check_names`.
    format!("{before}\"{name}\":").into_bytes()
}

/// Which versions there are, and how many further fields the newest one has.
fn resolve_versions(
    raw: &StreamSection,
    run: RunTimes,
    draws: Key,
    path: &impl Fn(&str) -> String,
    problems: &mut Problems,
) -> (Versions, usize) {
    let shares = raw.versions.as_deref().unwrap_or(&[1.0]);
    let sum: f64 = shares.iter().sum();
    // One version less than the most is left for the one that comes in mid-run.
    let sound = (1..MOST_VERSIONS).contains(&shares.len())
        && shares.iter().all(|share| *share > 0.0)
        && (sum - 1.0).abs() <= ROUNDING;
    if !sound {
        let text = format!(
            "{shares:?} are no shares of versions; use one to {} numbers above 0 that add up to 1, such \
             as `[0.7, 0.3]`",
            MOST_VERSIONS - 1
        );
        problems.add(path("versions"), text);
    }
    let sums = shares
        .iter()
        .scan(0.0, |sum, share| {
            *sum += share;
            Some(*sum)
        })
        .collect();
    let evolve_at = raw.evolve_at.as_ref().and_then(|text| {
        let place = path("evolve_at");
        let at = problems.check(&place, parse_duration(text))?;
        if at >= run.duration {
            let text = format!(
                "`{text}` is not within the run of {:?}; use an earlier time, or raise `duration`",
                run.duration
            );
            problems.add(place, text);
        }
        let micros = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
        Some(run.timeline.event_time(RunMicros(micros)))
    });
    let further = shares.len().saturating_sub(1) + usize::from(raw.evolve_at.is_some());
    let versions = Versions {
        sums,
        evolve_at: evolve_at.filter(|at| *at > EventTime(i64::MIN)),
        draws: draws.child(3),
    };
    (versions, further.min(MOST_VERSIONS - 1))
}

/// The optional fields that further versions of the schema have, one each.
fn further_fields(stream: Stream) -> impl Iterator<Item = Field> {
    let table: [(&str, &'static [&'static str]); MOST_VERSIONS - 1] = match stream {
        Stream::Clickstream | Stream::Banking => [
            ("app_version", &["4.0.2", "4.1.0", "4.1.1", "4.2.0"]),
            ("locale", &["de-DE", "en-GB", "en-US", "fr-FR", "pl-PL"]),
            ("connection", &["wifi", "4g", "5g", "ethernet"]),
            ("consent", &["all", "essential"]),
        ],
        Stream::Sensors => [
            ("firmware", &["1.8.0", "1.8.3", "2.0.1"]),
            ("gateway", &["gw-1", "gw-2", "gw-3", "gw-4"]),
            ("quality", &["good", "fair"]),
            ("site", &["north", "south", "east", "west"]),
        ],
    };
    table.into_iter().map(|(name, texts)| Field {
        name: name.to_owned(),
        prefix: prefix(",", name),
        value: Value::Added(Added::Optional(texts)),
    })
}

/// Names must be writable in the encoding, and differ.
fn check_names(
    stream: Stream,
    format: RawFormat,
    raw: &StreamSection,
    fields: &[Field],
    further: &[Field],
    problems: &mut Problems,
) {
    let path = |field: &Field| {
        let Value::Ours(source) = field.value else {
            return format!("streams.{stream}.fields.add.{}", field.name);
        };
        let ours = source.name();
        format!("streams.{stream}.fields.rename.{ours}")
    };
    // What we add ourselves comes first, so that the problem is told of the field that can be renamed.
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for field in further {
        seen.insert(&field.name);
    }
    if raw.pad_bytes.is_some() {
        seen.insert(PADDING_FIELD);
    }
    for field in fields {
        let name = field.name.as_str();
        if !is_name(name, format) {
            let also = match format {
                RawFormat::Json => " (in JSON `.` and `-` too)",
                RawFormat::Avro => "",
            };
            let text = format!(
                "`{name}` is no name of a field; use letters, digits and `_`{also}, not a digit first"
            );
            problems.add(path(field), text);
        } else if !seen.insert(name) {
            let text = format!("there is another field `{name}`; use another name");
            problems.add(path(field), text);
        }
    }
}

fn is_name(name: &str, format: RawFormat) -> bool {
    let legal = |c: char| {
        c.is_ascii_alphanumeric() || c == '_' || format == RawFormat::Json && matches!(c, '.' | '-')
    };
    name.chars().all(legal)
        && name
            .chars()
            .next()
            .is_some_and(|first| !first.is_ascii_digit())
}
