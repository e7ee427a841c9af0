//! Two pipelines over the clickstream, side by side: neither knows of the other.
//!
//! A record is read once, and each keeps what it needs of the event.

use floodmark_contracts::{clock::EventTime, event::clickstream::ClickEvent, status::StateSize};

use crate::runtime::{
    Emit, Frozen, Logic, Packet, Part, Reader, Saved, SavedError, plausible, together,
};

/// A pipeline over the clickstream.
pub trait OfClicks: Logic {
    /// What it keeps of an event until that has its turn.
    ///
    /// # Errors
    /// Why it cannot take the event.
    fn keep(&mut self, click: &ClickEvent<'_>) -> Result<Self::Event, String>;
}

/// Why an event cannot be kept.
pub const TOO_LONG: &str = "the event's texts are longer than 64 KiB";

/// Reads a record's value.
///
/// # Errors
/// Why it is no click event.
pub fn read_click(value: &[u8]) -> Result<(EventTime, ClickEvent<'_>), String> {
    let click = ClickEvent::decode(value).map_err(|error| error.to_string())?;
    Ok((plausible(click.timestamp)?, click))
}

/// The logic of two pipelines of one stream.
#[derive(Debug)]
pub struct Beside<A: Logic, B: Logic> {
    first: A,
    second: B,
    emit_first: Emit<A::Partial, A::Output>,
    emit_second: Emit<B::Partial, B::Output>,
}

/// Of the first or of the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Either<A, B> {
    /// Of the first.
    First(A),
    /// Of the second.
    Second(B),
}

impl<A: Part, B: Part> Part for Either<A, B> {
    fn packet(&self) -> Result<Packet, SavedError> {
        match self {
            Self::First(part) => part.packet(),
            Self::Second(part) => part.packet(),
        }
    }
}

impl<A: Logic, B: Logic<Output = A::Output>> Beside<A, B> {
    /// Both of them, in this order.
    #[must_use]
    pub fn new(first: A, second: B) -> Self {
        Self {
            first,
            second,
            emit_first: Emit::default(),
            emit_second: Emit::default(),
        }
    }

    fn hand_over(&mut self, emit: &mut Emit<Either<A::Partial, B::Partial>, A::Output>) {
        let first = self.emit_first.partials.drain(..).map(Either::First);
        emit.partials.extend(first);
        let second = self.emit_second.partials.drain(..).map(Either::Second);
        emit.partials.extend(second);
        emit.outputs.append(&mut self.emit_first.outputs);
        emit.outputs.append(&mut self.emit_second.outputs);
    }
}

impl<A: OfClicks, B: OfClicks<Output = A::Output>> Logic for Beside<A, B> {
    type Event = (A::Event, B::Event);
    type Partial = Either<A::Partial, B::Partial>;
    type Output = A::Output;

    fn decode(&mut self, value: &[u8]) -> Result<(EventTime, Self::Event), String> {
        let (at, click) = read_click(value)?;
        Ok((at, (self.first.keep(&click)?, self.second.keep(&click)?)))
    }

    fn event(
        &mut self,
        at: EventTime,
        (first, second): Self::Event,
        emit: &mut Emit<Self::Partial, Self::Output>,
    ) {
        self.first.event(at, first, &mut self.emit_first);
        self.second.event(at, second, &mut self.emit_second);
        self.hand_over(emit);
    }

    fn late_event(
        &mut self,
        at: EventTime,
        (first, second): Self::Event,
        emit: &mut Emit<Self::Partial, Self::Output>,
    ) {
        self.first.late_event(at, first, &mut self.emit_first);
        self.second.late_event(at, second, &mut self.emit_second);
        self.hand_over(emit);
    }

    fn advance(&mut self, to: EventTime, emit: &mut Emit<Self::Partial, Self::Output>) {
        self.first.advance(to, &mut self.emit_first);
        self.second.advance(to, &mut self.emit_second);
        self.hand_over(emit);
    }

    fn size(&self) -> StateSize {
        let mut size = self.first.size();
        size.add(self.second.size());
        size
    }
}

impl<A: Logic, B: Logic> Saved for Beside<A, B> {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        Ok(together([self.first.freeze()?, self.second.freeze()?]))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        self.first.load(from)?;
        self.second.load(from)
    }
}
