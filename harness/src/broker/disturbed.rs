//! A broker that faults are done to.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{BrokerError, Holder, RunningBroker, accepts, kafka_home};
use crate::child::Child;

/// What is done to a broker in a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// It stands still.
    Pause,
    /// It goes on.
    GoOn,
    /// It ends, by force or because it is asked to.
    TakeDown(Signal),
    /// It is started again, with what is on its disk.
    StartAgain,
}

impl RunningBroker {
    /// Does something to its container; the container's short id, or what went wrong. None if it is in none.
    pub(crate) fn in_container(&self, deed: Deed) -> Option<Result<String, String>> {
        match &self.holder {
            #[cfg(feature = "containers")]
            Holder::Container(container) => {
                let done = super::testcontainers::disturb(container, deed);
                let id = container.id().chars().take(12).collect();
                Some(done.map(|()| id).map_err(|error| error.to_string()))
            }
            _ => {
                tracing::trace!(?deed, "the broker is in no container");
                None
            }
        }
    }

    /// Its process, if it is one of this run.
    pub(crate) fn process(&mut self) -> Option<&mut Child> {
        match &mut self.holder {
            Holder::Process(child) => Some(child),
            _ => None,
        }
    }

    /// Whether it answers after it was started again.
    ///
    /// # Errors
    /// [`BrokerError::Process`] if it has died instead.
    pub(crate) fn answers_again(&mut self) -> Result<bool, BrokerError> {
        let Holder::Process(child) = &mut self.holder else {
            return Ok(accepts(&self.bootstrap));
        };
        child.check().map_err(|source| BrokerError::Process {
            choice: self.kind.to_owned(),
            source,
        })?;
        // The port opens before a real broker has registered itself.
        let is_up = self.kind != kafka_home::KIND || kafka_home::says_started(child);
        Ok(is_up && accepts(&self.bootstrap))
    }

    /// The error of a broker that did not come back.
    pub(crate) fn unreachable(&self, waited: Duration) -> BrokerError {
        BrokerError::Unreachable {
            choice: self.kind.to_owned(),
            address: self.bootstrap.clone(),
            waited,
            remedy: "see its log".to_owned(),
        }
    }

    /// Where it takes the connections of a proxy.
    pub(crate) fn behind_proxy(&self) -> Option<&str> {
        self.behind_proxy.as_deref()
    }
}

#[cfg(test)]
impl RunningBroker {
    /// A process that takes the place of a broker, at a port where nobody listens.
    pub(crate) fn of_process(child: Child) -> Self {
        Self {
            kind: "embedded",
            bootstrap: "127.0.0.1:1".to_owned(),
            registry: None,
            behind_proxy: None,
            holder: Holder::Process(Box::new(child)),
        }
    }
}
