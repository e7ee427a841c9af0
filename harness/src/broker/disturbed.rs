//! A broker that faults are done to.

use std::time::Duration;

use super::{BrokerError, Holder, RunningBroker, accepts, kafka_home};
use crate::child::Child;

impl RunningBroker {
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
            return Ok(true);
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
