//! What a run leaves behind on its broker: nothing, or on request all of it for a while.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use floodmark_contracts::{clock::Clock, record::RunRecord};
use floodmark_kafka::ClientSettings;
use tempfile::TempDir;

use super::{Request, RunError, files::read_labels};
use crate::{broker::RunningBroker, child::ChildError, topics::Lent};

/// What is still up when a run has ended.
pub(super) struct LeftOver {
    pub(super) broker: RunningBroker,
    pub(super) registry: Option<RunningBroker>,
    pub(super) registry_url: Option<String>,
    pub(super) client: ClientSettings,
    pub(super) topics: Lent,
}

/// Broker and registry of a run that has ended, with its topics as they stand.
pub struct Kept {
    bootstrap: String,
    registry_url: Option<String>,
    topics: Lent,
    broker: RunningBroker,
    registry: Option<RunningBroker>,
    // Last, so that it is removed last: a real broker ends itself when its data has gone.
    _work: TempDir,
}

impl Kept {
    /// Bootstrap servers.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// URL of the schema registry, if the run used one.
    #[must_use]
    pub fn registry(&self) -> Option<&str> {
        self.registry_url.as_deref()
    }

    /// Keeps them up until `stop` is set, then deletes and stops what this run made and started.
    ///
    /// # Errors
    /// [`ChildError::Ended`] if the broker dies by itself before that.
    pub fn hold(mut self, clock: &dyn Clock, stop: &AtomicBool) -> Result<(), ChildError> {
        while !stop.load(Ordering::Relaxed) {
            self.broker.check()?;
            clock.sleep(Duration::from_millis(100));
        }
        drop(self.topics);
        end(self.broker, self.registry, clock);
        Ok(())
    }
}

/// Leaves the cluster as it was found, or up on request.
pub(super) fn leave(
    request: &Request<'_>,
    record: &RunRecord,
    left: LeftOver,
    work: TempDir,
) -> Result<Option<Kept>, RunError> {
    if let Some(topic) = &request.sound.outputs.ground_truth {
        let labels = read_labels(&request.out.join("labels.ndjson"))?;
        crate::topics::write_labels(&left.client, topic, &labels).map_err(RunError::Topics)?;
    }
    if request.keep && !record.interrupted {
        return Ok(Some(Kept {
            bootstrap: left.broker.bootstrap().to_owned(),
            registry_url: left.registry_url,
            topics: left.topics,
            broker: left.broker,
            registry: left.registry,
            _work: work,
        }));
    }
    left.topics.delete().map_err(RunError::Topics)?;
    end(left.broker, left.registry, &*request.clock);
    Ok(None)
}

fn end(broker: RunningBroker, registry: Option<RunningBroker>, clock: &dyn Clock) {
    broker.stop(clock);
    if let Some(registry) = registry {
        registry.stop(clock);
    }
}
