//! A run with faults: where they meet the run's own parts.

use std::{net::SocketAddr, sync::Arc};

use floodmark_contracts::{
    clock::RunMicros,
    job::{ClockSkew, Connection},
    profile::DetectorSection,
    record::SubjectFacts,
};

use super::{
    Folders, Request, RunError, files,
    stages::{Setup, names_of},
};
use crate::{
    broker::RunningBroker,
    faults::{Action, Fault, FaultError, Group, Injector, Links, Parts},
    resources::Roster,
    subject::Surroundings,
};

/// What the subject is told of the parts that it talks to: as the profile has them, or the proxies before them.
pub(super) struct Led {
    pub(super) connection: Connection,
    pub(super) detector: DetectorSection,
}

/// What a setup knows of a subject's surroundings.
pub(super) struct Around<'a> {
    pub(super) led: &'a Led,
    pub(super) group: &'a str,
    pub(super) roster: Roster,
}

impl<'a> Around<'a> {
    /// All that the subject's processes must be told.
    pub(super) fn surroundings(
        self,
        request: &'a Request<'_>,
        folders: &'a Folders,
    ) -> Surroundings<'a> {
        Surroundings {
            exe: request.exe,
            sound: request.sound,
            connection: &self.led.connection,
            detector: &self.led.detector,
            group: self.group,
            dir: &folders.subject,
            logs: &folders.logs,
            written: &folders.written,
            roster: self.roster,
        }
    }
}

/// Makes the injector of a run, without proxies yet.
pub(super) fn injector(request: &Request<'_>) -> Injector {
    let faults = &request.sound.faults;
    let clock = Arc::clone(&request.clock);
    let links = Links::of(faults, request.profile.seed, Arc::clone(&clock));
    Injector::new(faults, links, clock)
}

/// The proxy of which the broker must know when it starts, if there is to be one.
pub(super) fn before_broker(faults: &mut Injector) -> Result<Option<SocketAddr>, RunError> {
    faults.links().before_broker().map_err(proxied)
}

/// Puts the other proxies up, now that broker and registry are.
pub(super) fn lead(
    request: &Request<'_>,
    faults: &mut Injector,
    broker: &RunningBroker,
    connection: &Connection,
) -> Result<Led, RunError> {
    let links = faults.links();
    if let Some(address) = broker.behind_proxy() {
        links.broker_is_at(address);
    }
    let mut led = Led {
        connection: connection.clone(),
        detector: request.profile.detector.clone(),
    };
    let outcome = links.lead(&mut led.connection, &mut led.detector);
    outcome.map_err(proxied)?;
    Ok(led)
}

fn proxied(source: std::io::Error) -> RunError {
    RunError::Fault(FaultError::Proxy(source))
}

/// How the generator reaches the broker. Where that goes away, a request that is sent again must not store its
/// events twice.
pub(super) fn generator_connection(setup: &Setup) -> Connection {
    let mut connection = setup.connection.clone();
    if setup.faults.disturbs_broker() {
        let properties = &mut connection.properties;
        let idempotence = properties.entry("enable.idempotence".to_owned());
        idempotence.or_insert_with(|| "true".to_owned());
    }
    connection
}

/// What faults do to the timestamps of a producer.
pub(super) fn skews(faults: &[Fault]) -> Vec<ClockSkew> {
    let skew = |fault: &Fault| match fault.action {
        Action::Skew(by_ms) => Some(ClockSkew {
            from: RunMicros(files::micros(fault.at)),
            until: RunMicros(files::micros(fault.at + fault.span)),
            by_ms,
        }),
        _ => None,
    };
    faults.iter().filter_map(skew).collect()
}

/// The figures of two processes of a subject.
pub(super) fn sum(mut one: SubjectFacts, other: SubjectFacts) -> SubjectFacts {
    for (sums, more) in [
        (&mut one.consumed, other.consumed),
        (&mut one.late, other.late),
        (&mut one.unreadable, other.unreadable),
    ] {
        for (stream, count) in more {
            *sums.entry(stream).or_default() += count;
        }
    }
    if let Err(error) = one.due_to_consumed.merge(&other.due_to_consumed) {
        tracing::warn!(%error, "how long a process of the subject waited for events is left out");
    }
    one.partial |= other.partial;
    one.dead_letters += other.dead_letters;
    one.alerts += other.alerts;
    one.rows += other.rows;
    one.restarts += other.restarts;
    one.refused_commits += other.refused_commits;
    one.last_failure = other.last_failure.or(one.last_failure);
    for (name, more) in other.sinks {
        let sums = one.sinks.entry(name).or_default();
        sums.read += more.read;
        sums.written += more.written;
        sums.invalid += more.invalid;
        sums.late += more.late;
        sums.failures += more.failures;
    }
    one
}

impl Setup {
    /// Carries out what is due of the faults.
    pub(super) fn attend(
        &mut self,
        request: &Request<'_>,
        folders: &Folders,
    ) -> Result<(), RunError> {
        if self.faults.is_idle() {
            return Ok(());
        }
        self.with_faults(request, folders, Injector::attend)
    }

    /// Undoes all faults that are still in force.
    pub(super) fn end_faults(
        &mut self,
        request: &Request<'_>,
        folders: &Folders,
    ) -> Result<(), RunError> {
        self.with_faults(request, folders, Injector::end_all)
    }

    fn with_faults(
        &mut self,
        request: &Request<'_>,
        folders: &Folders,
        what: fn(&mut Injector, &mut Parts<'_>) -> Result<(), FaultError>,
    ) -> Result<(), RunError> {
        let around = Around {
            led: &self.led,
            group: &self.reader.group,
            roster: self.sampler.roster(),
        };
        let surroundings = around.surroundings(request, folders);
        let mut parts = Parts {
            broker: &mut self.broker,
            subject: &mut self.subject,
            surroundings: &surroundings,
        };
        what(&mut self.faults, &mut parts).map_err(RunError::Fault)
    }

    /// Tells the injector whom storms disturb.
    pub(super) fn name_group(&mut self) {
        let topics = names_of(&self.inputs).into_iter().map(str::to_owned);
        let group = Group {
            client: self.client.clone(),
            name: self.reader.group.clone(),
            topics: topics.collect(),
        };
        self.faults.set_group(group);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use floodmark_contracts::{fault::FaultKind, stream::Stream, subject::SinkFacts};

    use super::*;

    #[test]
    fn figures_of_processes_add_up() {
        let facts = |late, dead_letters, read| {
            let sink = SinkFacts {
                read,
                ..SinkFacts::default()
            };
            SubjectFacts {
                late: [(Stream::Sensors, late)].into(),
                unreadable: [(Stream::Sensors, dead_letters)].into(),
                dead_letters,
                restarts: late,
                last_failure: (late == 10).then(|| "no broker".to_owned()),
                sinks: [("a".to_owned(), sink)].into(),
                ..SubjectFacts::default()
            }
        };
        let both = SubjectFacts {
            last_failure: Some("no broker".to_owned()),
            ..facts(11, 22, 33)
        };
        assert_eq!(sum(facts(1, 2, 3), facts(10, 20, 30)), both);
        assert_eq!(sum(SubjectFacts::default(), facts(1, 2, 3)), facts(1, 2, 3));
    }

    #[test]
    fn only_a_wrong_clock_reaches_the_generator() {
        let fault = |action| Fault {
            kind: FaultKind::ClockSkew,
            at: Duration::from_secs(2),
            span: Duration::from_secs(3),
            action,
        };
        let found = skews(&[fault(Action::Scale(2)), fault(Action::Skew(-5))]);
        let expected = ClockSkew {
            from: RunMicros(2_000_000),
            until: RunMicros(5_000_000),
            by_ms: -5,
        };
        assert_eq!(found, [expected]);
    }
}
