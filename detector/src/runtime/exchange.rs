//! What lies between partitions and mergers: parts of results, and how far each source is.
//!
//! ```text
//! partition of an input --parts, watermark--> partition of the exchange --> mergers --> outputs
//! ```
//! A part goes to the partition of the exchange that its route names; a watermark, or that its source is
//! idle, goes to all of them. A merger has got all parts of a window when every source that it waits for has
//! passed the window's end, *whatever process the sources are read by*. In a process by itself parts are
//! handed over at once; between processes they go through a topic, in frames:
//!
//! ```text
//! version u8 | items (postcard), in the order in which they came up
//! ```
//! A watermark stands behind the parts that belong before it. All that an exchange holds is a function of the
//! frames that it was fed.

use std::collections::BTreeMap;

use floodmark_contracts::clock::EventTime;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    partition::Merger,
    saved::{Frozen, Reader, SavedError, encoded},
    watermark::BEGINNING,
};

/// Goes up with every change of what an item is.
const VERSION: u8 = 1;

/// A partition of an input: the input's number, and the partition's.
pub type Source = (u8, i32);

/// Which merger a part is for. The pipelines number theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MergerId(pub u8);

/// A part on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// For whom.
    pub to: MergerId,
    /// Parts that belong together have the same route.
    pub route: u64,
    /// The part.
    pub body: Vec<u8>,
}

impl Packet {
    /// Packs a part up.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn new(to: MergerId, route: u64, part: &impl Serialize) -> Result<Self, SavedError> {
        let body = postcard::to_allocvec(part).map_err(|error| SavedError::Write {
            reason: error.to_string(),
        })?;
        Ok(Self { to, route, body })
    }
}

/// What a partition found out about a group that lies in several partitions: whole, so that it takes the
/// place of what the same partition sent about the same group and window before.
pub trait Part {
    /// The part, packed up for its merger.
    ///
    /// # Errors
    /// If it cannot be encoded.
    fn packet(&self) -> Result<Packet, SavedError>;
}

/// For logic that has no parts.
impl Part for std::convert::Infallible {
    fn packet(&self) -> Result<Packet, SavedError> {
        match *self {}
    }
}

/// How far a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its watermark.
    pub watermark: EventTime,
    /// It has been read to its end and nothing has come for a while: the active ones take it along.
    pub idle: bool,
}

impl Standing {
    /// Of a source that nothing is known of.
    const UNKNOWN: Self = Self {
        watermark: BEGINNING,
        idle: false,
    };
}

/// What a frame holds.
#[derive(Debug, Serialize, Deserialize)]
enum Item<'a> {
    Part {
        source: Source,
        to: MergerId,
        #[serde(borrow)]
        body: &'a [u8],
    },
    Standing {
        source: Source,
        standing: Standing,
    },
}

/// Items on their way to one partition of the exchange.
#[derive(Debug, Default)]
pub struct Frame(Vec<u8>);

impl Frame {
    /// Adds a part.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn part(&mut self, source: Source, packet: &Packet) -> Result<(), SavedError> {
        self.push(&Item::Part {
            source,
            to: packet.to,
            body: &packet.body,
        })
    }

    /// Adds how far a source is.
    ///
    /// # Errors
    /// If it cannot be encoded.
    pub fn standing(&mut self, source: Source, standing: Standing) -> Result<(), SavedError> {
        self.push(&Item::Standing { source, standing })
    }

    /// Bytes so far; 0 for a frame without items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The frame's bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn push(&mut self, item: &Item<'_>) -> Result<(), SavedError> {
        if self.0.is_empty() {
            self.0.push(VERSION);
        }
        let bytes = std::mem::take(&mut self.0);
        self.0 = postcard::to_extend(item, bytes).map_err(|error| SavedError::Write {
            reason: error.to_string(),
        })?;
        Ok(())
    }
}

/// A merger, whatever its parts.
pub trait MergeJob<O>: Send {
    /// Takes a part; false if it came too late to count.
    ///
    /// # Errors
    /// If the bytes are none of its parts.
    fn accept(&mut self, source: Source, body: &[u8], out: &mut Vec<O>)
    -> Result<bool, SavedError>;

    /// Every source that it waits for has passed `to`.
    fn advance(&mut self, to: EventTime, out: &mut Vec<O>);

    /// Its state as it is now.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    fn freeze(&mut self) -> Result<Frozen, SavedError>;

    /// Takes that state over.
    ///
    /// # Errors
    /// If the bytes are none of its kind.
    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError>;
}

impl<M> MergeJob<M::Output> for M
where
    M: Merger + Send,
    M::Partial: DeserializeOwned,
{
    fn accept(
        &mut self,
        source: Source,
        body: &[u8],
        out: &mut Vec<M::Output>,
    ) -> Result<bool, SavedError> {
        let part = postcard::from_bytes(body).map_err(|error| SavedError::Damaged {
            what: error.to_string(),
        })?;
        Ok(Merger::accept(self, source, part, out))
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<M::Output>) {
        Merger::advance(self, to, out);
    }

    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        super::saved::Saved::freeze(self)
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        super::saved::Saved::load(self, from)
    }
}

/// One partition of the exchange: all mergers, for the groups that meet there.
pub struct Exchange<O> {
    mergers: BTreeMap<MergerId, Waiting<O>>,
    sources: BTreeMap<Source, Standing>,
    late: u64,
}

/// A merger and how far it is.
struct Waiting<O> {
    inputs: Vec<u8>,
    merged: EventTime,
    job: Box<dyn MergeJob<O>>,
}

impl<O> Default for Exchange<O> {
    fn default() -> Self {
        Self {
            mergers: BTreeMap::new(),
            sources: BTreeMap::new(),
            late: 0,
        }
    }
}

impl<O> Exchange<O> {
    /// The exchange with another merger, which waits for the sources of `inputs`.
    #[must_use]
    pub fn with(mut self, id: MergerId, inputs: &[u8], job: Box<dyn MergeJob<O>>) -> Self {
        let waiting = Waiting {
            inputs: inputs.to_vec(),
            merged: BEGINNING,
            job,
        };
        self.mergers.insert(id, waiting);
        self
    }

    /// True if it has no mergers: nothing needs to be sent here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.mergers.is_empty()
    }

    /// Waits for a source from now on, if it does not do so yet.
    pub fn expect(&mut self, source: Source) {
        self.sources.entry(source).or_insert(Standing::UNKNOWN);
    }

    /// Waits for a source no more.
    pub fn forget(&mut self, source: Source, out: &mut Vec<O>) {
        if self.sources.remove(&source).is_some() {
            self.merge(source.0, out);
        }
    }

    /// Takes a part.
    ///
    /// # Errors
    /// If there is no such merger, or the part is none of its parts.
    pub fn accept(
        &mut self,
        source: Source,
        to: MergerId,
        body: &[u8],
        out: &mut Vec<O>,
    ) -> Result<(), SavedError> {
        let Some(waiting) = self.mergers.get_mut(&to) else {
            let what = format!("there is no merger {}", to.0);
            return Err(SavedError::Damaged { what });
        };
        if !waiting.job.accept(source, body, out)? {
            self.late += 1;
        }
        Ok(())
    }

    /// Takes note of how far a source is. A watermark never goes back.
    pub fn observe(&mut self, source: Source, standing: Standing, out: &mut Vec<O>) {
        let known = self.sources.entry(source).or_insert(Standing::UNKNOWN);
        known.watermark = known.watermark.max(standing.watermark);
        known.idle = standing.idle;
        self.merge(source.0, out);
    }

    /// Takes a frame.
    ///
    /// # Errors
    /// Why the bytes are no frame. What stands before the fault has been taken.
    pub fn feed(&mut self, frame: &[u8], out: &mut Vec<O>) -> Result<(), String> {
        let damaged = |error: String| format!("no frame of the exchange: {error}");
        let mut rest = match frame.split_first() {
            Some((&VERSION, rest)) => rest,
            Some((version, _)) => return Err(damaged(format!("version {version}"))),
            None => return Err(damaged("it is empty".to_owned())),
        };
        while !rest.is_empty() {
            let (item, left) = postcard::take_from_bytes::<Item<'_>>(rest)
                .map_err(|error| damaged(error.to_string()))?;
            rest = left;
            match item {
                Item::Part { source, to, body } => self
                    .accept(source, to, body, out)
                    .map_err(|error| damaged(error.to_string()))?,
                Item::Standing { source, standing } => self.observe(source, standing, out),
            }
        }
        Ok(())
    }

    /// Parts that came after their windows were gone, because all sources of their input had been taken for idle.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Its state as it is now.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    pub fn freeze(&mut self) -> Result<Frozen, SavedError> {
        let sources = encoded(&self.sources)?;
        let mut mergers = Vec::new();
        for waiting in self.mergers.values_mut() {
            mergers.push((waiting.merged, waiting.job.freeze()?));
        }
        Ok(Box::new(move |to| {
            sources(to)?;
            mergers.into_iter().try_for_each(|(merged, merger)| {
                to.put(&merged)?;
                merger(to)
            })
        }))
    }

    /// Takes the state of another one over that had the same mergers. Sources that it did not know are still
    /// waited for.
    ///
    /// # Errors
    /// If the bytes are none of its kind.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        let sources: BTreeMap<Source, Standing> = from.get()?;
        self.sources.extend(sources);
        for waiting in self.mergers.values_mut() {
            waiting.merged = from.get()?;
            waiting.job.load(from)?;
        }
        Ok(())
    }

    /// How far the sources of an input were said to be.
    pub fn standings(&self, input: u8) -> impl Iterator<Item = (Source, Standing)> + '_ {
        let of_input = self.sources.range((input, i32::MIN)..=(input, i32::MAX));
        of_input.map(|(source, standing)| (*source, *standing))
    }

    /// Moves the mergers that wait for `input` to the least watermark of their sources.
    ///
    /// An idle source is waited for as well, as long as one of its input is active: whoever reads it takes it along,
    /// and what it still held of open windows comes before it says so. If all sources of an input are idle
    /// nothing takes them along, and the input is not waited for; if that is so of all inputs nothing moves.
    fn merge(&mut self, input: u8, out: &mut Vec<O>) {
        for waiting in self.mergers.values_mut() {
            if !waiting.inputs.contains(&input) {
                continue;
            }
            let leasts = waiting.inputs.iter().filter_map(|input| {
                let of_input = self.sources.range((*input, i32::MIN)..=(*input, i32::MAX));
                let (mut least, mut is_active) = (None, false);
                for (_, standing) in of_input {
                    is_active |= !standing.idle;
                    let watermark = standing.watermark;
                    least = Some(least.map_or(watermark, |least: EventTime| least.min(watermark)));
                }
                least.filter(|_| is_active)
            });
            if let Some(least) = leasts.min()
                && least > waiting.merged
            {
                waiting.merged = least;
                waiting.job.advance(least, out);
            }
        }
    }
}

#[cfg(test)]
mod tests;
