//! When a detector is ready for events.

use std::{collections::BTreeMap, time::Duration};

use floodmark_contracts::stream::Stream;
use floodmark_kafka::admin::GroupDescription;

/// How long a health check may take.
const ANSWER: Duration = Duration::from_secs(2);

/// How much of a group's work has been taken up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Readiness {
    /// Partitions that the group has.
    pub(crate) assigned: usize,
    /// Partitions that it should have.
    pub(crate) wanted: usize,
}

impl Readiness {
    /// What a group has of the inputs' partitions, whose number is `wanted`.
    pub(crate) fn of(
        group: Option<GroupDescription>,
        inputs: &BTreeMap<Stream, Vec<String>>,
        wanted: usize,
    ) -> Self {
        let assigned = group
            .filter(GroupDescription::is_stable)
            .map_or(0, |group| {
                let members = group.members.iter();
                let partitions = members.flat_map(|member| &member.partitions);
                partitions
                    .filter(|partition| {
                        inputs
                            .values()
                            .flatten()
                            .any(|topic| *topic == partition.topic)
                    })
                    .count()
            });
        Self { assigned, wanted }
    }

    pub(crate) fn is_complete(self) -> bool {
        self.assigned >= self.wanted
    }
}

/// Asks whether a URL answers with success.
pub(crate) struct Health(ureq::Agent);

impl Health {
    pub(crate) fn new() -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(ANSWER))
            // The detector is beside us: what stands in the environment for the world outside is not for it.
            .proxy(None)
            .build();
        Self(agent.into())
    }

    /// Whether the URL answers with success.
    pub(crate) fn answers(&self, url: &str) -> bool {
        let answer = self.0.get(url).call();
        answer.is_ok_and(|response| response.status().is_success())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::TcpListener,
    };

    use super::*;

    /// A server that answers one request with `status`.
    fn server(status: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/ready", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
        });
        url
    }

    #[test]
    fn only_success_says_ready() {
        let health = Health::new();
        assert!(health.answers(&server("200 OK")));
        assert!(health.answers(&server("204 No Content")));
        assert!(!health.answers(&server("503 Service Unavailable")));
        assert!(!health.answers("http://127.0.0.1:1/ready"));
    }
}
