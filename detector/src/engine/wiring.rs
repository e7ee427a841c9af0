//! How parts get from partitions to mergers: within the engine, or through a topic.

use std::collections::BTreeMap;

use floodmark_contracts::clock::EventTime;

use crate::{
    finding::Output,
    runtime::{Exchange, Frame, Frozen, Packet, Reader, SavedError, Source, Standing},
};

/// Bytes after which a frame is full: well below what a broker takes in one record.
const FULL_FRAME: usize = 256 * 1024;

/// Makes the mergers of one partition of the exchange.
pub(crate) type Mergers = Box<dyn Fn() -> Exchange<Output> + Send>;

/// The way, and the mergers at its end.
pub(super) struct Wiring {
    mergers: Mergers,
    way: Way,
}

enum Way {
    /// Every part is handed over at once.
    Within(Exchange<Output>),
    /// Parts leave in frames, and come back in those of the partitions that are ours.
    OverTopic(Topic),
}

/// The exchange's topic, seen from one engine.
#[derive(Default)]
struct Topic {
    sources: Vec<Source>,
    /// The partitions that are ours.
    owned: BTreeMap<i32, Exchange<Output>>,
    /// What is on its way, by partition.
    frames: Vec<Frame>,
    /// Frames that got full, in order.
    full: Vec<(i32, Vec<u8>)>,
    /// How far the sources were said to be.
    told: BTreeMap<Source, Standing>,
}

impl Wiring {
    /// Everything within the engine.
    pub(super) fn new(mergers: Mergers) -> Self {
        let way = Way::Within(mergers());
        Self { mergers, way }
    }

    /// Everything over a topic. `sources` are all that mergers have to wait for.
    pub(super) fn go_over_topic(&mut self, partitions: i32, sources: Vec<Source>) {
        let frames = (0..partitions).map(|_| Frame::default()).collect();
        self.way = Way::OverTopic(Topic {
            sources,
            frames,
            ..Topic::default()
        });
    }

    pub(super) fn is_needed(&self) -> bool {
        !(self.mergers)().is_empty()
    }

    /// A source is read here from now on.
    pub(super) fn expect(&mut self, source: Source) {
        if let Way::Within(exchange) = &mut self.way {
            exchange.expect(source);
        }
    }

    /// A source is read here no more.
    pub(super) fn forget(&mut self, source: Source, out: &mut Vec<Output>) {
        match &mut self.way {
            Way::Within(exchange) => exchange.forget(source, out),
            Way::OverTopic(topic) => {
                topic.told.remove(&source);
            }
        }
    }

    /// Starts a partition of the exchange.
    pub(super) fn take_on(&mut self, number: i32) {
        if let Way::OverTopic(topic) = &mut self.way {
            let mut exchange = (self.mergers)();
            topic
                .sources
                .iter()
                .for_each(|source| exchange.expect(*source));
            topic.owned.insert(number, exchange);
        }
    }

    /// Stops a partition of the exchange.
    pub(super) fn give_up(&mut self, number: i32) {
        if let Way::OverTopic(topic) = &mut self.way {
            topic.owned.remove(&number);
        }
    }

    /// Takes a part of a source.
    pub(super) fn accept(&mut self, source: Source, packet: &Packet, out: &mut Vec<Output>) {
        let taken = match &mut self.way {
            Way::Within(exchange) => exchange.accept(source, packet.to, &packet.body, out),
            Way::OverTopic(topic) => topic.push(source, packet),
        };
        if let Err(error) = taken {
            // Our own part, made a moment ago.
            tracing::error!(?source, %error, "a part is lost");
        }
    }

    /// Takes note of a watermark that moved.
    pub(super) fn observe(&mut self, source: Source, watermark: EventTime, out: &mut Vec<Output>) {
        // Over a topic it is told with the next frames. Within, an idle partition is taken along by the
        // others, so that waiting for it costs nothing.
        if let Way::Within(exchange) = &mut self.way {
            let standing = Standing {
                watermark,
                idle: false,
            };
            exchange.observe(source, standing, out);
        }
    }

    /// How far the partitions of an input are, as far as the partitions of the exchange that are ours were told. If
    /// they were told different things, the least of them.
    pub(super) fn standings(&self, input: u8) -> Vec<(i32, Standing)> {
        let Way::OverTopic(topic) = &self.way else {
            return Vec::new();
        };
        let mut all: BTreeMap<i32, Standing> = BTreeMap::new();
        for exchange in topic.owned.values() {
            for ((_, partition), standing) in exchange.standings(input) {
                let known = all.entry(partition).or_insert(standing);
                known.watermark = known.watermark.min(standing.watermark);
                known.idle &= standing.idle;
            }
        }
        all.into_iter().collect()
    }

    /// Takes a frame of a partition of the exchange; of one that is not ours, nothing.
    pub(super) fn feed(
        &mut self,
        number: i32,
        frame: &[u8],
        out: &mut Vec<Output>,
    ) -> Result<(), String> {
        let Way::OverTopic(topic) = &mut self.way else {
            return Ok(());
        };
        match topic.owned.get_mut(&number) {
            Some(exchange) => exchange.feed(frame, out),
            None => Ok(()),
        }
    }

    pub(super) fn has_parts(&self) -> bool {
        match &self.way {
            Way::Within(_) => false,
            Way::OverTopic(topic) => {
                !topic.full.is_empty() || topic.frames.iter().any(|frame| frame.len() > 0)
            }
        }
    }

    /// Hands over the frames, ended by what of `standings` is news, or by all of them.
    pub(super) fn take_frames(
        &mut self,
        standings: &[(Source, Standing)],
        all: bool,
    ) -> Vec<(i32, Vec<u8>)> {
        match &mut self.way {
            Way::Within(_) => Vec::new(),
            Way::OverTopic(topic) => topic.take_frames(standings, all),
        }
    }

    pub(super) fn reset(&mut self) {
        match &mut self.way {
            Way::Within(exchange) => *exchange = (self.mergers)(),
            Way::OverTopic(topic) => {
                topic.owned.clear();
                topic.full.clear();
                topic.told.clear();
                topic.frames.fill_with(Frame::default);
            }
        }
    }

    /// The state of a partition of the exchange as it is now.
    pub(super) fn freeze(&mut self, number: i32) -> Result<Frozen, SavedError> {
        let exchange = match &mut self.way {
            Way::Within(exchange) => Some(exchange),
            Way::OverTopic(topic) => topic.owned.get_mut(&number),
        };
        match exchange {
            Some(exchange) => exchange.freeze(),
            None => Ok(Box::new(|_| Ok(()))),
        }
    }

    pub(super) fn load(&mut self, number: i32, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.take_on(number);
        match &mut self.way {
            Way::Within(exchange) => exchange.load(from),
            Way::OverTopic(topic) => match topic.owned.get_mut(&number) {
                Some(exchange) => exchange.load(from),
                None => Ok(()),
            },
        }
    }

    pub(super) fn late(&self) -> u64 {
        match &self.way {
            Way::Within(exchange) => exchange.late(),
            Way::OverTopic(topic) => topic.owned.values().map(Exchange::late).sum(),
        }
    }
}

impl Topic {
    fn push(&mut self, source: Source, packet: &Packet) -> Result<(), SavedError> {
        let partitions = self.frames.len().max(1) as u64;
        let number = usize::try_from(packet.route % partitions).unwrap_or_default();
        let Some(frame) = self.frames.get_mut(number) else {
            return Ok(());
        };
        frame.part(source, packet)?;
        if frame.len() >= FULL_FRAME {
            let full = std::mem::take(frame).into_bytes();
            self.full.push((number_of(number), full));
        }
        Ok(())
    }

    fn tell(&mut self, source: Source, standing: Standing) {
        self.told.insert(source, standing);
        for frame in &mut self.frames {
            if let Err(error) = frame.standing(source, standing) {
                tracing::error!(?source, %error, "a watermark cannot be told");
            }
        }
    }

    fn take_frames(&mut self, standings: &[(Source, Standing)], all: bool) -> Vec<(i32, Vec<u8>)> {
        let told = |topic: &Self, source: &Source| topic.told.get(source).copied();
        // Watermarks first, as of sources that are awaited: those that move last before everybody falls silent
        // still move the mergers.
        for (source, standing) in standings {
            let moved = told(self, source).is_none_or(|told| told.watermark != standing.watermark);
            if moved || all {
                let awaited = Standing {
                    idle: false,
                    ..*standing
                };
                self.tell(*source, awaited);
            }
        }
        for (source, standing) in standings {
            if told(self, source) != Some(*standing) {
                self.tell(*source, *standing);
            }
        }
        let mut taken = std::mem::take(&mut self.full);
        for (number, frame) in self.frames.iter_mut().enumerate() {
            if frame.len() > 0 {
                taken.push((number_of(number), std::mem::take(frame).into_bytes()));
            }
        }
        taken
    }
}

/// A topic has at most `i32::MAX` partitions.
fn number_of(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
