//! The whole detector without a broker: records in, outputs out. Plain state, no clock, no threads.

use std::{collections::BTreeMap, sync::Arc};

use floodmark_contracts::{
    clock::{EventTime, WallTime},
    status::StateSize,
    stream::Stream,
};

use crate::{
    always::{Always, key_of},
    enrichment::EnrichmentStore,
    finding::Output,
    pipelines::{
        self,
        banking::{Banking, Lookups},
        beside::Beside,
        clickstream::Clickstream,
        journeys::Journeys,
        sensors::Sensors,
    },
    places::Places,
    rules::impossible_navigation::Links,
    runtime::{
        Counts, Exchange, Found, Frozen, Job, Reader, SavedError, Source, Spill, SpillError,
        StreamJob,
    },
    settings::Settings,
};

mod wiring;

#[cfg(test)]
use crate::runtime::Writer;
#[cfg(test)]
pub(crate) use wiring::Mergers;
use wiring::Wiring;

/// Which detector an engine is.
#[derive(Debug)]
pub enum Subject {
    /// All pipelines, with the enrichment data they may look up.
    Bundled(EnrichmentStore),
    /// Alerts on every key in every minute, to check the checker.
    Always,
}

/// A partition that the engine is fed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Of a stream: its number among those of all topics of the stream.
    Input(Stream, i32),
    /// Of the topic between partitions and mergers.
    Exchange(i32),
}

impl Lane {
    /// What it is a part of, for whoever watches.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Input(stream, _) => stream.name(),
            Self::Exchange(_) => "exchange",
        }
    }
}

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The GeoIP database is damaged, or not there.
    #[error("the GeoIP database {database} cannot be opened")]
    Places {
        /// Which one.
        database: String,
        /// What is wrong with it.
        #[source]
        source: maxminddb::MaxMindDbError,
    },
    /// State beyond what memory has room for has no place.
    #[error(transparent)]
    Spill(#[from] SpillError),
}

/// A detector over some streams.
///
/// `wall_us` is microseconds on a clock that never steps, from any origin; only idleness looks at it.
///
/// What is grouped by something else than its topic's key passes through an exchange: within the engine, or
/// through a topic, which makes it right for any number of engines that share the partitions.
pub struct Engine {
    jobs: BTreeMap<Stream, Box<dyn StreamJob<Output>>>,
    exchange: Wiring,
    found: Found<Output>,
    lookups: Option<Arc<Lookups>>,
    room: Arc<Spill>,
}

impl Engine {
    /// An engine for `streams`, without partitions yet.
    ///
    /// # Errors
    /// If the GeoIP database is damaged, or not there, or the folder for state cannot be written to.
    pub fn new(
        settings: &Settings,
        subject: Subject,
        streams: impl IntoIterator<Item = Stream>,
    ) -> Result<Self, EngineError> {
        let streams = streams.into_iter();
        let room = settings.state.room()?;
        let mut shared = None;
        let (jobs, exchange) = match subject {
            Subject::Always => {
                let jobs = streams.map(|stream| (stream, always_job(settings, stream)));
                (jobs.collect(), Wiring::new(Box::new(Exchange::default)))
            }
            Subject::Bundled(enrichment) => {
                let places = places(settings)?;
                let lookups = Arc::new(Lookups { places, enrichment });
                shared = Some(Arc::clone(&lookups));
                let lateness_ms = settings.time.lateness_ms;
                let group_distance = settings.group_distance;
                let jobs = streams.map(|stream| {
                    let job = bundled_job(settings, stream, &lookups, &room);
                    (stream, job)
                });
                let rows = settings.rows;
                let mergers = move || pipelines::mergers(lateness_ms, group_distance, rows);
                (jobs.collect(), Wiring::new(Box::new(mergers)))
            }
        };
        Ok(Self {
            jobs,
            exchange,
            found: Found::default(),
            lookups: shared,
            room,
        })
    }

    /// Whether what has come out is to be believed: all state could be read.
    ///
    /// # Errors
    /// What could not be put on disk, or read back. What has come out since then is wrong, and the engine of no use any more.
    pub fn check(&self) -> Result<(), SpillError> {
        self.room.check()
    }

    /// Bytes of the file with state that memory has no room for.
    pub(crate) fn state_file_bytes(&self) -> u64 {
        self.room.file_bytes()
    }

    /// What the pipelines look things up in; none for a subject that looks nothing up.
    pub(crate) fn lookups(&self) -> Option<&Arc<Lookups>> {
        self.lookups.as_ref()
    }

    /// An engine of one job, whatever it does.
    #[cfg(test)]
    pub(crate) fn of_job(
        stream: Stream,
        job: Box<dyn StreamJob<Output>>,
        mergers: Mergers,
        room: Arc<Spill>,
    ) -> Self {
        Self {
            jobs: BTreeMap::from([(stream, job)]),
            exchange: Wiring::new(mergers),
            found: Found::default(),
            lookups: None,
            room,
        }
    }

    /// Lets what passes through the exchange go through a topic with this many partitions, from now on.
    /// `sources` are all partitions of all inputs, whoever reads them: mergers wait for each.
    pub(crate) fn exchange_over_topic(&mut self, partitions: i32, sources: &[(Stream, i32)]) {
        let sources = sources.iter().map(|(stream, lane)| source(*stream, *lane));
        self.exchange.go_over_topic(partitions, sources.collect());
    }

    /// True if there is anything to be put together from several partitions.
    pub(crate) fn needs_exchange(&self) -> bool {
        self.exchange.is_needed()
    }

    /// Starts a partition of a stream, with fresh state.
    pub fn assign(&mut self, stream: Stream, partition: i32, wall_us: i64) {
        self.take_on(Lane::Input(stream, partition), wall_us);
    }

    /// Starts a lane, with fresh state.
    pub(crate) fn take_on(&mut self, lane: Lane, wall_us: i64) {
        match lane {
            Lane::Exchange(number) => self.exchange.take_on(number),
            Lane::Input(stream, partition) => {
                if let Some(job) = self.jobs.get_mut(&stream) {
                    job.assign(partition, wall_us);
                    self.exchange.expect(source(stream, partition));
                }
            }
        }
    }

    /// Stops a lane and drops its state.
    pub(crate) fn give_up(&mut self, lane: Lane) {
        match lane {
            Lane::Exchange(number) => self.exchange.give_up(number),
            Lane::Input(stream, partition) => {
                if let Some(job) = self.jobs.get_mut(&stream) {
                    job.revoke(partition);
                    let outputs = &mut self.found.outputs;
                    self.exchange.forget(source(stream, partition), outputs);
                }
            }
        }
    }

    /// Takes a record's value. A stream that the engine does not have is passed over.
    ///
    /// # Errors
    /// Why the value is not an event of the stream: it belongs on the dead-letter topic.
    pub fn feed(
        &mut self,
        stream: Stream,
        partition: i32,
        value: &[u8],
        wall_us: i64,
    ) -> Result<(), String> {
        let Some(job) = self.jobs.get_mut(&stream) else {
            return Ok(());
        };
        let fed = job.feed(partition, value, wall_us, &mut self.found);
        self.pass_on(stream);
        fed
    }

    /// Takes the value of a record of any lane.
    ///
    /// # Errors
    /// Why it is none of the lane's.
    pub(crate) fn feed_lane(
        &mut self,
        lane: Lane,
        value: &[u8],
        wall_us: i64,
    ) -> Result<(), String> {
        match lane {
            Lane::Input(stream, partition) => self.feed(stream, partition, value, wall_us),
            Lane::Exchange(number) => self.exchange.feed(number, value, &mut self.found.outputs),
        }
    }

    /// Takes note that a partition has been read to its end.
    pub fn reached_end(&mut self, stream: Stream, partition: i32) {
        if let Some(job) = self.jobs.get_mut(&stream) {
            job.reached_end(partition);
        }
    }

    /// Takes note that the broker can be reached again after it could not: no partition is idle for what nobody could hear.
    pub fn reconnected(&mut self, wall_us: i64) {
        for job in self.jobs.values_mut() {
            job.restart_silence(wall_us);
        }
    }

    /// Looks for idle partitions, and takes them along with the active ones, whoever reads those. To be called
    /// now and then, records or not.
    pub fn tick(&mut self, wall_us: i64) {
        let streams: Vec<Stream> = self.jobs.keys().copied().collect();
        for stream in streams {
            if let Some(job) = self.jobs.get_mut(&stream)
                && job.judge_idle(wall_us)
            {
                let elsewhere = self.exchange.standings(pipelines::input_of(stream));
                job.take_along(&elsewhere, &mut self.found);
                self.pass_on(stream);
            }
        }
    }

    /// Hands over what has come out since the last call. `now` goes into the alerts.
    pub fn take(&mut self, now: WallTime) -> Vec<Output> {
        for output in &mut self.found.outputs {
            if let Output::Alert(alert) = output {
                alert.emitted_at = Some(now);
            }
        }
        std::mem::take(&mut self.found.outputs)
    }

    /// Hands over what has to go through the exchange's topic since the last call: partitions of it, each with
    /// a record's value. Behind the parts stands how far every source is, if that has changed, or in any
    /// case if `all` are asked for.
    pub(crate) fn take_frames(&mut self, all: bool) -> Vec<(i32, Vec<u8>)> {
        let mut standings = Vec::new();
        for (stream, job) in &self.jobs {
            let of_job = job.standings().into_iter();
            standings.extend(of_job.map(|(partition, at)| (source(*stream, partition), at)));
        }
        self.exchange.take_frames(&standings, all)
    }

    /// True if parts wait for [`take_frames`](Self::take_frames).
    pub(crate) fn has_parts(&self) -> bool {
        self.exchange.has_parts()
    }

    /// Takes a record again whose output is out already: only state changes.
    pub(crate) fn replay(&mut self, lane: Lane, value: &[u8], wall_us: i64) {
        match lane {
            Lane::Exchange(number) => {
                // What is no frame changes nothing, now as then.
                let _ = self.exchange.feed(number, value, &mut Vec::new());
            }
            Lane::Input(stream, partition) => {
                if let Some(job) = self.jobs.get_mut(&stream) {
                    job.replay(partition, value, wall_us);
                }
            }
        }
    }

    /// Advances a partition's watermark as a [`tick`](Self::tick) did before, without output.
    pub(crate) fn replay_advance(&mut self, lane: Lane, to: EventTime) {
        if let Lane::Input(stream, partition) = lane
            && let Some(job) = self.jobs.get_mut(&stream)
        {
            job.advance(partition, to, &mut Found::default());
        }
    }

    /// Advances a partition's watermark, with output.
    #[cfg(test)]
    pub(crate) fn advance(&mut self, stream: Stream, partition: i32, to: EventTime) {
        if let Some(job) = self.jobs.get_mut(&stream) {
            job.advance(partition, to, &mut self.found);
            self.pass_on(stream);
        }
    }

    /// Hands over the watermarks that ticks have advanced since the last call.
    pub(crate) fn take_advances(&mut self) -> Vec<(Lane, EventTime)> {
        let mut all = Vec::new();
        for (stream, job) in &mut self.jobs {
            let advances = job.take_advances().into_iter();
            all.extend(advances.map(|(partition, to)| (Lane::Input(*stream, partition), to)));
        }
        all
    }

    /// Drops all state and all output that was not taken.
    pub(crate) fn reset(&mut self) {
        for job in self.jobs.values_mut() {
            job.reset();
        }
        self.exchange.reset();
        self.found = Found::default();
    }

    /// The state of a lane as it is now.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    pub(crate) fn freeze(&mut self, lane: Lane) -> Result<Frozen, SavedError> {
        match lane {
            Lane::Exchange(number) => self.exchange.freeze(number),
            Lane::Input(stream, partition) => match self.jobs.get_mut(&stream) {
                Some(job) => job.freeze(partition),
                None => Ok(Box::new(|_| Ok(()))),
            },
        }
    }

    /// Adds the state of a lane.
    #[cfg(test)]
    pub(crate) fn save(&mut self, lane: Lane, to: &mut Writer) -> Result<(), SavedError> {
        self.freeze(lane)?(to)
    }

    /// Starts a lane with the state saved.
    ///
    /// # Errors
    /// If the bytes are none of this lane's.
    pub(crate) fn load(
        &mut self,
        lane: Lane,
        from: &mut Reader<'_>,
        wall_us: i64,
    ) -> Result<(), SavedError> {
        match lane {
            Lane::Exchange(number) => self.exchange.load(number, from),
            Lane::Input(stream, partition) => match self.jobs.get_mut(&stream) {
                Some(job) => {
                    self.exchange.expect(source(stream, partition));
                    job.load(partition, from, wall_us)
                }
                None => Ok(()),
            },
        }
    }

    /// Parts of results that came after their windows were gone, because their partitions had been taken for
    /// idle.
    pub fn late_parts(&self) -> u64 {
        self.exchange.late()
    }

    /// Number of outputs that wait to be taken.
    pub(crate) fn n_outputs(&self) -> usize {
        self.found.outputs.len()
    }

    /// Where a partition's watermark stands; nothing for one of the exchange, which has many.
    pub(crate) fn watermark(&self, lane: Lane) -> Option<EventTime> {
        let Lane::Input(stream, partition) = lane else {
            return None;
        };
        let standing = self.jobs.get(&stream)?.standing(partition)?;
        Some(standing.watermark)
    }

    /// How much state a stream holds.
    pub(crate) fn size(&self, stream: Stream) -> StateSize {
        let job = self.jobs.get(&stream);
        job.map(|job| job.size()).unwrap_or_default()
    }

    /// What each stream's job has counted.
    pub fn counts(&self) -> impl Iterator<Item = (Stream, Counts)> + '_ {
        self.jobs
            .iter()
            .map(|(stream, job)| (*stream, job.counts()))
    }

    /// Hands on to the exchange what a stream's job found.
    fn pass_on(&mut self, stream: Stream) {
        let Found {
            outputs,
            packets,
            moved,
        } = &mut self.found;
        if packets.is_empty() && moved.is_empty() {
            return;
        }
        for (partition, packet) in packets.drain(..) {
            self.exchange
                .accept(source(stream, partition), &packet, outputs);
        }
        for partition in moved.drain(..) {
            let job = self.jobs.get(&stream);
            if let Some(standing) = job.and_then(|job| job.standing(partition)) {
                self.exchange
                    .observe(source(stream, partition), standing.watermark, outputs);
            }
        }
    }
}

/// A partition of a stream as the exchange knows it.
fn source(stream: Stream, partition: i32) -> Source {
    (pipelines::input_of(stream), partition)
}

fn places(settings: &Settings) -> Result<Places, EngineError> {
    let Some(path) = &settings.fraud.geoip else {
        return Places::compiled_in().map_err(|source| EngineError::Places {
            database: "that is compiled in".to_owned(),
            source,
        });
    };
    Places::open(path).map_err(|source| EngineError::Places {
        database: format!("`{}`", path.display()),
        source,
    })
}

fn bundled_job(
    settings: &Settings,
    stream: Stream,
    lookups: &Arc<Lookups>,
    room: &Arc<Spill>,
) -> Box<dyn StreamJob<Output>> {
    let room = Arc::clone(room);
    let (time, lateness_ms) = (settings.time, settings.time.lateness_ms);
    match stream {
        Stream::Clickstream => {
            let links = Arc::new(Links::published());
            let logic = move || Clickstream::new(links.clone(), lateness_ms).within(&room);
            let Some(rows) = settings.rows else {
                return Box::new(Job::new(time, logic));
            };
            let journeys = move || Journeys::new(rows, lateness_ms);
            Box::new(Job::new(time, move || Beside::new(logic(), journeys())))
        }
        Stream::Banking => {
            let lookups = lookups.clone();
            let logic = move || Banking::new(lookups.clone(), lateness_ms).within(&room);
            Box::new(Job::new(time, logic))
        }
        Stream::Sensors => {
            let settings = settings.clone();
            Box::new(Job::new(time, move || {
                Sensors::new(&settings).within(&room)
            }))
        }
    }
}

fn always_job(settings: &Settings, stream: Stream) -> Box<dyn StreamJob<Output>> {
    let logic = move || Always::new(stream, key_of(stream));
    Box::new(Job::new(settings.time, logic))
}

#[cfg(test)]
mod tests;
