//! The whole detector without a broker: records in, outputs out. Plain state, no clock, no threads.

use std::{collections::BTreeMap, sync::Arc};

use floodmark_contracts::{clock::WallTime, stream::Stream};

use crate::{
    always::{Always, key_of},
    enrichment::EnrichmentStore,
    finding::Output,
    pipelines::{
        banking::{AddressMerger, Banking, Lookups},
        clickstream::{Clickstream, PageMerger},
        sensors::{NoMerger, Sensors},
    },
    places::Places,
    rules::impossible_navigation::Links,
    runtime::{Counts, Job, StreamJob},
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
            Box::new(Job::new(time, PageMerger::new(lateness_ms), logic))
        }
        Stream::Banking => {
            let lookups = lookups.clone();
            let logic = move || Banking::new(lookups.clone(), lateness_ms);
            Box::new(Job::new(time, AddressMerger::new(lateness_ms), logic))
        }
        Stream::Sensors => {
            let settings = settings.clone();
            Box::new(Job::new(time, NoMerger, move || Sensors::new(&settings)))
        }
    }
}

fn always_job(settings: &Settings, stream: Stream) -> Box<dyn StreamJob<Output>> {
    Box::new(Job::new(settings.time, NoMerger, move || {
        Always::new(stream, key_of(stream))
    }))
}

#[cfg(test)]
mod tests;
