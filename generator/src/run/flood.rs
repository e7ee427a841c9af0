//! The threads of a run: made ready, started together, looked after, and put together.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, RunMicros, WallTime},
    job::{GeneratorJob, Pace},
    record::{EventSpan, GeneratorFacts, StreamFacts},
    stream::Stream,
};

use super::{
    GenerateError,
    board::Board,
    live::Live,
    merge::merge_stream,
    pace::{Counters, Lane, Pacer, Shared},
    start::{self, Instants},
    tally::Tally,
};
use crate::{
    events::{closing_events, events},
    plan::Plan,
    shape::SchemaIds,
    share::Share,
    sink::Sink,
};

/// A thread's sink, with its stream and its number among the stream's threads.
pub(super) type OpenSink = (Stream, usize, Box<dyn Sink>);

/// All that the threads of a run need.
pub(super) struct Flood<'a> {
    pub(super) job: &'a GeneratorJob,
    pub(super) plan: &'a Plan,
    pub(super) schema_ids: &'a BTreeMap<Stream, SchemaIds>,
    pub(super) clock: &'a dyn Clock,
    pub(super) stop: &'a AtomicBool,
    pub(super) board: &'a Board,
    /// If somebody reads metrics.
    pub(super) live: Option<&'a Live<'a>>,
}

/// What a thread tells the one that looks after it.
enum News {
    /// Its first event is made, and it waits for the start.
    Ready,
    /// It has ended.
    Ended(Stream, Box<Result<Option<Tally>, GenerateError>>),
}

impl Flood<'_> {
    /// The threads of each stream; this one looks after them.
    pub(super) fn send(
        &self,
        sinks: Vec<OpenSink>,
        look_every: Duration,
        look: &mut dyn FnMut(RunMicros, &BTreeMap<Stream, Counters>),
    ) -> Result<GeneratorFacts, GenerateError> {
        let counters: BTreeMap<Stream, Counters> = self
            .plan
            .streams()
            .map(|stream| (stream, Counters::default()))
            .collect();
        let none = Counters::default();
        let (tell, news) = mpsc::channel();
        std::thread::scope(|scope| {
            let mut gates = Vec::new();
            for (stream, thread, sink) in sinks {
                let tell = tell.clone();
                let (gate, opened) = mpsc::channel();
                gates.push(gate);
                let lane = Lane {
                    stream,
                    thread,
                    pace: self.job.pace,
                };
                let counters = counters.get(&stream).unwrap_or(&none);
                scope.spawn(move || {
                    let outcome = self.send_lane(lane, sink, counters, &tell, &opened);
                    if outcome.is_err() {
                        // The others need not go on: the run has failed.
                        self.stop.store(true, Ordering::Relaxed);
                    }
                    // The receiver lives until all threads have ended.
                    let _ = tell.send(News::Ended(stream, Box::new(outcome)));
                });
            }
            drop(tell);
            let looked_after = self.look_after(gates, &news, look_every, &mut |at| {
                look(at, &counters);
            });
            if looked_after.is_err() {
                self.stop.store(true, Ordering::Relaxed);
            }
            looked_after
        })
    }

    /// Waits until every thread has made its first event, starts them together and waits for their ends.
    /// Making a population may take longer than the time before the start, and would make the first events
    /// late.
    fn look_after(
        &self,
        gates: Vec<mpsc::Sender<Instants>>,
        news: &mpsc::Receiver<News>,
        look_every: Duration,
        look: &mut dyn FnMut(RunMicros),
    ) -> Result<GeneratorFacts, GenerateError> {
        let (mut ready, mut left) = (0, gates.len());
        let mut tallies = Vec::new();
        let mut take = |left: &mut usize, stream, outcome: Result<Option<Tally>, _>| {
            *left -= 1;
            if let Some(tally) = outcome? {
                tallies.push((stream, tally));
            }
            Ok::<(), GenerateError>(())
        };
        while ready < left {
            match news.recv() {
                Ok(News::Ready) => ready += 1,
                Ok(News::Ended(stream, outcome)) => take(&mut left, stream, *outcome)?,
                Err(_) => break,
            }
        }
        let instants = start::agree(&self.job.start, self.clock, self.stop)?;
        for gate in gates {
            // A thread that has ended already needs no start.
            let _ = gate.send(instants);
        }
        let elapsed = || RunMicros(self.clock.monotonic_us() - instants.started_mono_us);
        let show = || match self.live {
            Some(live) => live.write(elapsed()),
            None => Ok(()),
        };
        while left > 0 {
            match news.recv_timeout(look_every) {
                Ok(News::Ended(stream, outcome)) => take(&mut left, stream, *outcome)?,
                Ok(News::Ready) => {}
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    self.board.write()?;
                    show()?;
                    look(elapsed());
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        self.board.write()?;
        show()?;
        self.facts(instants.started_at, elapsed(), tallies)
    }

    /// One thread, from its population to its last report. Nothing if the run failed before it started.
    fn send_lane(
        &self,
        lane: Lane,
        sink: Box<dyn Sink>,
        counters: &Counters,
        tell: &mpsc::Sender<News>,
        opened: &mpsc::Receiver<Instants>,
    ) -> Result<Option<Tally>, GenerateError> {
        let stream = lane.stream;
        let share = self.share(lane.thread);
        let schema_ids = self.schema_ids.get(&stream).copied().unwrap_or_default();
        let events = share
            .and_then(|share| events(self.plan, stream, share))
            .ok_or(GenerateError::Thread { stream })?
            .with_schema_ids(schema_ids);
        let mut closing = closing_events(self.plan, stream, schema_ids);
        closing.retain(|event| share.is_some_and(|share| share.owns(event.lane)));
        let pacer = Pacer::new(lane, sink, events)?;
        // Nobody to tell: the run has failed elsewhere.
        let _ = tell.send(News::Ready);
        let Ok(instants) = opened.recv() else {
            return Ok(None);
        };
        let shared = Shared {
            clock: self.clock,
            started_at: instants.started_at,
            started_mono_us: instants.started_mono_us,
            stop: self.stop,
            board: self.board,
            counters,
            lane: self.live.and_then(|live| live.lane(stream, lane.thread)),
            skews: &self.job.skews,
        };
        pacer.run(shared, &closing).map(Some)
    }

    /// The partitions of one thread: the worker's number and the thread's make one number, so that the same
    /// partitions come out however the threads are spread over processes.
    fn share(&self, thread: usize) -> Option<Share> {
        let threads = self.job.threads.max(1);
        let thread = u32::try_from(thread).ok()?;
        let index = self.job.worker.index * threads + thread;
        Share::new(index, self.job.worker.of * threads)
    }

    /// The figures of all threads.
    fn facts(
        &self,
        started_at: WallTime,
        elapsed: RunMicros,
        tallies: Vec<(Stream, Tally)>,
    ) -> Result<GeneratorFacts, GenerateError> {
        let interrupted = tallies.iter().any(|(_, tally)| tally.interrupted);
        let mut facts = GeneratorFacts {
            started_at,
            streams: BTreeMap::new(),
            interrupted,
            scored: self.scored(interrupted.then_some(elapsed)),
        };
        for (stream, tally) in tallies {
            let into = facts.streams.entry(stream).or_insert_with(|| StreamFacts {
                topics: self.topics(stream),
                ..StreamFacts::default()
            });
            merge_stream(into, tally.facts()?)?;
        }
        for (stream, into) in &mut facts.streams {
            into.rate = self.board.windows(*stream);
        }
        Ok(facts)
    }

    fn topics(&self, stream: Stream) -> Vec<String> {
        let planned = || self.plan.topics(stream).map(|(names, _)| names.to_vec());
        let named = self.job.topics.get(&stream).cloned();
        named.or_else(planned).unwrap_or_default()
    }

    /// Event time that can be scored, if a signal stopped the run at `stopped`.
    fn scored(&self, stopped: Option<RunMicros>) -> EventSpan {
        let end = self.plan.event_time_end();
        let until = match (stopped, self.job.pace) {
            (Some(at), Pace::Schedule) => self.plan.timeline().event_time(at).min(end),
            // Wall time says nothing of how far such a run had got in event time.
            (Some(_), Pace::Max) => self.plan.warm_up_until(),
            (None, _) => end,
        };
        EventSpan {
            from: self.plan.warm_up_until(),
            until,
        }
    }
}
