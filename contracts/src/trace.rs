//! Traces of single events, from the producer to the alert: what crosses the wire, and what becomes of it here.
//!
//! The context of a trace travels in a record's header [`TRACEPARENT`], as W3C's *Trace Context* writes it for HTTP. Only
//! records that are traced have one, and whoever follows them asks nobody which those are. Spans go to a [`Spans`], which
//! is somebody else's: what sends them anywhere is no part of generator or detector.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::clock::WallTime;

/// The header with the context of a trace.
pub const TRACEPARENT: &str = "traceparent";

/// Bytes of a context as text.
const LENGTH: usize = 55;

/// A span in its trace: `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace; not 0.
    pub trace_id: u128,
    /// The span; not 0.
    pub span_id: u64,
    /// Whether it is recorded.
    pub sampled: bool,
}

/// Why a header's text is no context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the text is no `traceparent`; expected `00-`, 32 digits, `-`, 16 digits, `-` and 2 flags, in lower case"
)]
pub struct NoTraceParent;

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.sampled);
        write!(
            f,
            "00-{:032x}-{:016x}-{flags:02x}",
            self.trace_id, self.span_id
        )
    }
}

impl FromStr for TraceParent {
    type Err = NoTraceParent;

    /// Reads a context of version 0, or what a later version has in common with it.
    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        let (known, more) = text.split_at_checked(LENGTH).ok_or(NoTraceParent)?;
        let mut parts = known.split('-');
        let mut part = |length: usize| {
            let text = parts.next().filter(|text| text.len() == length)?;
            let digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
            text.bytes().all(digit).then_some(text)
        };
        let mut number = |length| u128::from_str_radix(part(length)?, 16).ok();
        let mut next = |length| number(length).ok_or(NoTraceParent);
        let (version, trace_id, span_id, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let goes_on = if version == 0 {
            more.is_empty()
        } else {
            more.is_empty() || more.starts_with('-')
        };
        if version == 0xff || trace_id == 0 || span_id == 0 || !goes_on {
            return Err(NoTraceParent);
        }
        Ok(Self {
            trace_id,
            span_id: u64::try_from(span_id).map_err(|_| NoTraceParent)?,
            sampled: flags & 1 == 1,
        })
    }
}

/// What a span is to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// It sent a record.
    Producer,
    /// It took a record.
    Consumer,
    /// It happened in between.
    Internal,
}

/// A fact about a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Fact {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Fact {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

/// Something that took its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// What was done, such as `sensor-data_2 send`.
    pub name: String,
    /// What it is to others.
    pub kind: SpanKind,
    /// Its place in the trace.
    pub context: TraceParent,
    /// The span that it belongs to; none for the first of a trace.
    pub parent: Option<TraceParent>,
    /// From when.
    pub start: WallTime,
    /// Until when.
    pub end: WallTime,
    /// Facts by name, as OpenTelemetry's conventions name them where they do.
    pub facts: Vec<(&'static str, Fact)>,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// Where spans go. It never keeps anybody waiting: what cannot be taken is dropped, and counted by whoever drops it.
pub trait Spans: Send + Sync {
    /// Takes a span that has ended.
    fn take(&self, span: Span);
}

/// A list that keeps them, in the order in which they ended.
impl Spans for Mutex<Vec<Span>> {
    fn take(&self, span: Span) {
        self.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(span);
    }
}

/// Chooses what is traced, and hands spans over.
#[derive(Clone)]
pub struct Tracer {
    spans: Arc<dyn Spans>,
    ids: Arc<Ids>,
    /// A key is traced if its hash is below.
    below: u64,
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer")
            .field("below", &self.below)
            .finish_non_exhaustive()
    }
}

impl Tracer {
    /// A tracer of this share of all keys, from 0 to 1.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from a double stops at the bounds"
    )]
    pub fn new(spans: Arc<dyn Spans>, share: f64) -> Self {
        Self {
            spans,
            ids: Arc::default(),
            below: (share * u64::MAX as f64) as u64,
        }
    }

    /// Whether records with this key are traced: the same keys in every process and run, so that all records of an
    /// entity are or none.
    #[must_use]
    pub fn picks(&self, key: &[u8]) -> bool {
        // At a share of 1 the one key whose hash is the largest number counts too.
        self.below == u64::MAX || hash(key) < self.below
    }

    /// A new trace's first span.
    #[must_use]
    pub fn begin(&self) -> TraceParent {
        TraceParent {
            trace_id: (u128::from(self.ids.next()) << 64) | u128::from(self.ids.next()),
            span_id: self.ids.next(),
            sampled: true,
        }
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn within(&self, parent: TraceParent) -> TraceParent {
        TraceParent {
            span_id: self.ids.next(),
            ..parent
        }
    }

    /// Hands a span over.
    pub fn end(&self, span: Span) {
        self.spans.take(span);
    }
}

/// Ids that no other process makes: hashes of a count under a key that is drawn for each process.
#[derive(Debug, Default)]
struct Ids {
    key: RandomState,
    count: AtomicU64,
}

impl Ids {
    /// Another one; never 0.
    fn next(&self) -> u64 {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        self.key.hash_one(count).max(1)
    }
}

/// FNV-1a, mixed once more: its upper bits alone would favour short keys that end alike.
///
/// ```text
/// h = offset; for each byte b: h = (h ^ b) * prime        then MurmurHash3's 64-bit finish
/// ```
fn hash(key: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in key {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn tracer(share: f64) -> Tracer {
        Tracer::new(Arc::new(Mutex::<Vec<Span>>::default()), share)
    }

    #[test]
    fn the_specifications_example_is_read_and_written() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent: TraceParent = text.parse().unwrap();
        assert_eq!(parent.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(
            (parent.span_id, parent.sampled),
            (0x00f0_67aa_0ba9_02b7, true)
        );
        assert_eq!(parent.to_string(), text);
        // A later version may have more behind what is known.
        let later = format!("{}-more", text.replacen("00", "cc", 1));
        assert_eq!(later.parse(), Ok(parent));
    }

    #[test]
    fn what_is_no_context_is_refused() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(NoTraceParent), "{text}");
        }
    }

    #[test]
    fn the_share_of_keys_is_as_asked_for_and_the_same_everywhere() {
        let keys: Vec<String> = (0..20_000).map(|n| format!("sensor_{n}")).collect();
        let picked = |share: f64| {
            let tracer = tracer(share);
            let picked = keys.iter().filter(|key| tracer.picks(key.as_bytes()));
            picked.collect::<BTreeSet<&String>>()
        };
        assert_eq!((picked(0.0).len(), picked(1.0).len()), (0, keys.len()));
        assert!(
            (1_800..2_200).contains(&picked(0.1).len()),
            "{}",
            picked(0.1).len()
        );
        assert_eq!(picked(0.1), picked(0.1));
        assert!(picked(0.2).is_superset(&picked(0.1)));
    }

    #[test]
    fn ids_are_never_the_same() {
        let tracer = tracer(1.0);
        let all: BTreeSet<u64> = (0..10_000).map(|_| tracer.begin().span_id).collect();
        assert_eq!(all.len(), 10_000);
        let first = tracer.begin();
        let second = tracer.within(first);
        assert_eq!(first.trace_id, second.trace_id);
        assert_ne!(first.span_id, second.span_id);
    }

    proptest! {
        /// forall contexts: their text reads back.
        #[test]
        fn contexts_survive_their_text(trace_id in 1u128.., span_id in 1u64.., sampled: bool) {
            let context = TraceParent { trace_id, span_id, sampled };
            prop_assert_eq!(context.to_string().parse(), Ok(context));
        }

        /// forall texts: reading one gives a context or an error, never a panic.
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-f-]{50,60}|.{0,60}") {
            let _ = text.parse::<TraceParent>();
        }
    }
}
