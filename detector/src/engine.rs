//! The whole detector without a broker: records in, outputs out. Plain state, no clock, no threads.

use std::{collections::BTreeMap, sync::Arc};

use floodmark_contracts::{
    clock::{EventTime, WallTime},
    stream::Stream,
};

use crate::{
    always::{Always, key_of},
    enrichment::EnrichmentStore,
    finding::Output,
    pipelines::{
        banking::{Banking, BankingMerger, Lookups},
        clickstream::{Clickstream, PageMerger},
        sensors::{GroupMerger, NoMerger, Sensors},
    },
    places::Places,
    rules::impossible_navigation::Links,
    runtime::{Counts, Job, Reader, SavedError, StreamJob, Writer},
    settings::Settings,
};

/// Which detector an engine is.
#[derive(Debug)]
pub enum Subject {
    /// All pipelines, with the enrichment data they may look up.
    Bundled(EnrichmentStore),
    /// Alerts on every key in every minute, to check the checker.
    Always,
}

/// A partition: its stream, and its number among those of all topics of the stream.
pub(crate) type Lane = (Stream, i32);

/// Why an engine could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the compiled-in country database cannot be opened")]
pub struct EngineError {
    /// What is wrong with it.
    #[source]
    pub source: maxminddb::MaxMindDbError,
}

/// A detector over some streams.
///
/// `wall_us` is microseconds on a clock that never steps, from any origin; only idleness looks at it.
pub struct Engine {
    jobs: BTreeMap<Stream, Box<dyn StreamJob<Output>>>,
    outputs: Vec<Output>,
}

impl Engine {
    /// An engine for `streams`, without partitions yet.
    ///
    /// # Errors
    /// If the country database is damaged.
    pub fn new(
        settings: &Settings,
        subject: Subject,
        streams: impl IntoIterator<Item = Stream>,
    ) -> Result<Self, EngineError> {
        let streams = streams.into_iter();
        let jobs = match subject {
            Subject::Always => streams
                .map(|stream| (stream, always_job(settings, stream)))
                .collect(),
            Subject::Bundled(enrichment) => {
                let places = Places::compiled_in().map_err(|source| EngineError { source })?;
                let lookups = Arc::new(Lookups { places, enrichment });
                streams
                    .map(|stream| (stream, bundled_job(settings, stream, &lookups)))
                    .collect()
            }
        };
        Ok(Self {
            jobs,
            outputs: Vec::new(),
        })
    }

    /// An engine of one job, whatever it does.
    #[cfg(test)]
    pub(crate) fn of_job(stream: Stream, job: Box<dyn StreamJob<Output>>) -> Self {
        Self {
            jobs: BTreeMap::from([(stream, job)]),
            outputs: Vec::new(),
        }
    }

    /// Starts a partition, with fresh state.
    pub fn assign(&mut self, stream: Stream, partition: i32, wall_us: i64) {
        if let Some(job) = self.jobs.get_mut(&stream) {
            job.assign(partition, wall_us);
        }
    }

    /// Stops a partition and drops its state.
    pub fn revoke(&mut self, stream: Stream, partition: i32) {
        if let Some(job) = self.jobs.get_mut(&stream) {
            job.revoke(partition, &mut self.outputs);
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
        match self.jobs.get_mut(&stream) {
            Some(job) => job.feed(partition, value, wall_us, &mut self.outputs),
            None => Ok(()),
        }
    }

    /// Takes note that a partition has been read to its end.
    pub fn reached_end(&mut self, stream: Stream, partition: i32) {
        if let Some(job) = self.jobs.get_mut(&stream) {
            job.reached_end(partition);
        }
    }

    /// Looks for idle partitions. To be called now and then, records or not.
    pub fn tick(&mut self, wall_us: i64) {
        for job in self.jobs.values_mut() {
            job.tick(wall_us, &mut self.outputs);
        }
    }

    /// Hands over what has come out since the last call. `now` goes into the alerts.
    pub fn take(&mut self, now: WallTime) -> Vec<Output> {
        for output in &mut self.outputs {
            if let Output::Alert(alert) = output {
                alert.emitted_at = Some(now);
            }
        }
        std::mem::take(&mut self.outputs)
    }

    /// Takes a record again whose output is out already: only state changes.
    pub(crate) fn replay(&mut self, (stream, partition): Lane, value: &[u8], wall_us: i64) {
        if let Some(job) = self.jobs.get_mut(&stream) {
            job.replay(partition, value, wall_us);
        }
    }

    /// Advances a partition's watermark as a [`tick`](Self::tick) did before, without output.
    pub(crate) fn replay_advance(&mut self, (stream, partition): Lane, to: EventTime) {
        if let Some(job) = self.jobs.get_mut(&stream) {
            job.advance(partition, to, &mut Vec::new());
        }
    }

    /// Advances a partition's watermark, with output.
    #[cfg(test)]
    pub(crate) fn advance(&mut self, (stream, partition): Lane, to: EventTime) {
        if let Some(job) = self.jobs.get_mut(&stream) {
            job.advance(partition, to, &mut self.outputs);
        }
    }

    /// Hands over the watermarks that ticks have advanced since the last call.
    pub(crate) fn take_advances(&mut self) -> Vec<(Lane, EventTime)> {
        let mut all = Vec::new();
        for (stream, job) in &mut self.jobs {
            let advances = job.take_advances();
            all.extend(
                advances
                    .into_iter()
                    .map(|(partition, to)| ((*stream, partition), to)),
            );
        }
        all
    }

    /// Drops all state and all output that was not taken.
    pub(crate) fn reset(&mut self) {
        for job in self.jobs.values_mut() {
            job.reset();
        }
        self.outputs.clear();
    }

    /// Adds the state of a partition.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    pub(crate) fn save(
        &self,
        (stream, partition): Lane,
        to: &mut Writer,
    ) -> Result<(), SavedError> {
        match self.jobs.get(&stream) {
            Some(job) => job.save(partition, to),
            None => Ok(()),
        }
    }

    /// Starts a partition with the state saved.
    ///
    /// # Errors
    /// If the bytes are none of this stream's.
    pub(crate) fn load(
        &mut self,
        (stream, partition): Lane,
        from: &mut Reader<'_>,
        wall_us: i64,
    ) -> Result<(), SavedError> {
        match self.jobs.get_mut(&stream) {
            Some(job) => job.load(partition, from, wall_us),
            None => Ok(()),
        }
    }

    /// Adds the state of what a stream's partitions are put together in.
    ///
    /// # Errors
    /// If a value cannot be encoded.
    pub(crate) fn save_merged(&self, stream: Stream, to: &mut Writer) -> Result<(), SavedError> {
        match self.jobs.get(&stream) {
            Some(job) => job.save_merged(to),
            None => Ok(()),
        }
    }

    /// Takes that state over.
    ///
    /// # Errors
    /// If the bytes are none of this stream's.
    pub(crate) fn load_merged(
        &mut self,
        stream: Stream,
        from: &mut Reader<'_>,
    ) -> Result<(), SavedError> {
        match self.jobs.get_mut(&stream) {
            Some(job) => job.load_merged(from),
            None => Ok(()),
        }
    }

    /// What each stream's job has counted.
    pub fn counts(&self) -> impl Iterator<Item = (Stream, Counts)> + '_ {
        self.jobs
            .iter()
            .map(|(stream, job)| (*stream, job.counts()))
    }
}

fn bundled_job(
    settings: &Settings,
    stream: Stream,
    lookups: &Arc<Lookups>,
) -> Box<dyn StreamJob<Output>> {
    let (time, lateness_ms) = (settings.time, settings.time.lateness_ms);
    match stream {
        Stream::Clickstream => {
            let links = Arc::new(Links::published());
            let logic = move || Clickstream::new(links.clone(), lateness_ms);
            Box::new(Job::new(time, move || PageMerger::new(lateness_ms), logic))
        }
        Stream::Banking => {
            let lookups = lookups.clone();
            let logic = move || Banking::new(lookups.clone(), lateness_ms);
            Box::new(Job::new(
                time,
                move || BankingMerger::new(lateness_ms),
                logic,
            ))
        }
        Stream::Sensors => {
            let settings = settings.clone();
            let logic = move || Sensors::new(&settings);
            Box::new(Job::new(time, GroupMerger::new, logic))
        }
    }
}

fn always_job(settings: &Settings, stream: Stream) -> Box<dyn StreamJob<Output>> {
    Box::new(Job::new(
        settings.time,
        || NoMerger,
        move || Always::new(stream, key_of(stream)),
    ))
}

#[cfg(test)]
mod tests;
