//! Brokers: one choice, one module each.
//!
//! Whatever is started here is ended here: a broker is stopped by its own process id, or with its
//! container, when the [`RunningBroker`] is dropped. A cluster that was running before is only
//! looked at.

mod disturbed;
mod embedded;
mod external;
pub(crate) mod kafka_home;
#[cfg(feature = "containers")]
mod testcontainers;

pub(crate) use disturbed::Deed;

use std::{
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    path::{Path, PathBuf},
    time::Duration,
};

use floodmark_contracts::{clock::Clock, record::ProcessFacts};

pub use self::embedded::Ready;
#[cfg(feature = "containers")]
use crate::resources::find_cgroup;
use crate::{
    child::{Child, ChildError, resources_of},
    resources::{Roster, Target},
};

/// How long a broker may take until it answers.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Something that the choice needs is not there.
    #[error("broker `{choice}`: {missing}; {remedy}")]
    Missing {
        /// The choice.
        choice: String,
        /// What is missing.
        missing: String,
        /// What would help.
        remedy: String,
    },
    /// It did not answer in time.
    #[error("broker `{choice}` at `{address}` did not answer within {waited:?}; {remedy}")]
    Unreachable {
        /// The choice.
        choice: String,
        /// The address that was tried.
        address: String,
        /// How long it was tried.
        waited: Duration,
        /// What would help.
        remedy: String,
    },
    /// Its process could not be started or died.
    #[error("broker `{choice}` did not start")]
    Process {
        /// The choice.
        choice: String,
        /// What happened.
        #[source]
        source: ChildError,
    },
    /// A file that it needs could not be written or read.
    #[error("broker `{choice}`: cannot use `{}`", path.display())]
    File {
        /// The choice.
        choice: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// What starting a broker needs to know.
pub struct StartContext<'a> {
    /// floodmark's own program, for the embedded broker.
    pub exe: &'a Path,
    /// A folder for logs and data, which the caller removes after the run.
    pub dir: &'a Path,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// A proxy through which some clients come: they must be told to come through it again. Only for brokers that
    /// are started as child processes.
    pub proxy: Option<SocketAddr>,
}

/// What keeps a broker alive.
enum Holder {
    Process(Box<Child>),
    #[cfg(feature = "containers")]
    Container(Box<testcontainers::Container>),
    Nothing,
}

/// A broker that answers.
pub struct RunningBroker {
    kind: &'static str,
    bootstrap: String,
    registry: Option<String>,
    /// Where it takes the connections of a proxy.
    behind_proxy: Option<String>,
    holder: Holder,
}

impl RunningBroker {
    /// Starts the chosen broker, or looks whether it is there, and waits until it answers.
    ///
    /// # Errors
    /// [`BrokerError`], which says in one line what is missing and what would help.
    pub fn start(choice: &BrokerChoice, context: &StartContext<'_>) -> Result<Self, BrokerError> {
        match choice {
            BrokerChoice::Embedded => embedded::start(context),
            BrokerChoice::KafkaHome(home) => kafka_home::start(home, context),
            #[cfg(feature = "containers")]
            BrokerChoice::Testcontainers => testcontainers::start(),
            #[cfg(not(feature = "containers"))]
            BrokerChoice::Testcontainers => Err(BrokerError::Missing {
                choice: choice.to_string(),
                missing: "this build has no containers".to_owned(),
                remedy: "build with the feature `containers`".to_owned(),
            }),
            BrokerChoice::External(servers) => external::look(servers, context),
        }
    }

    /// `embedded`, `kafka-home`, `testcontainers` or `external`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Bootstrap servers.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// URL of the schema registry that came with the broker.
    #[must_use]
    pub fn registry(&self) -> Option<&str> {
        self.registry.as_deref()
    }

    /// Whether the broker was started for this run, so that everything on it may go.
    #[must_use]
    pub fn is_own(&self) -> bool {
        !matches!(self.holder, Holder::Nothing)
    }

    /// An error if its process has died.
    ///
    /// # Errors
    /// [`ChildError::Ended`] with the end of its log.
    pub fn check(&mut self) -> Result<(), ChildError> {
        match &mut self.holder {
            Holder::Process(child) => child.check(),
            _ => Ok(()),
        }
    }

    /// What its process has used, where it is a process of this run.
    #[must_use]
    pub fn resources(&self) -> Option<ProcessFacts> {
        match &self.holder {
            Holder::Process(child) => Some(resources_of("broker", child.id())),
            _ => None,
        }
    }

    /// Reports what belongs to it under `role`: its process with all that descend from it, or its container.
    /// `dir` is the folder that it was started with.
    pub fn report(&self, roster: &Roster, role: &str, dir: &Path) {
        match &self.holder {
            Holder::Process(child) => {
                roster.watch(role, Target::Tree(child.id()));
                if self.kind == "kafka-home" {
                    roster.disk(role, dir);
                    roster.data(&kafka_home::data(dir));
                }
            }
            #[cfg(feature = "containers")]
            Holder::Container(container) => match find_cgroup(container.id()) {
                Some(group) => roster.watch(role, Target::Cgroup(group)),
                None => tracing::debug!("no control group is named after the broker's container"),
            },
            Holder::Nothing => {}
        }
    }

    /// Stops it, if it was started here.
    pub fn stop(mut self, clock: &dyn Clock) {
        match &mut self.holder {
            Holder::Process(child) => {
                child.terminate(Duration::from_secs(5), clock);
            }
            // Dropping it removes it; what happens meanwhile is for the daemon's own log.
            #[cfg(feature = "containers")]
            Holder::Container(container) => {
                if let Err(error) = container.stop_with_timeout(Some(1)) {
                    tracing::warn!(%error, "the container of the broker did not stop");
                }
            }
            Holder::Nothing => {}
        }
    }
}

/// A port on loopback that was free just now.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Whether something accepts connections at `address` (`HOST:PORT`).
fn accepts(address: &str) -> bool {
    address.to_socket_addrs().is_ok_and(|mut found| {
        found.any(|at| TcpStream::connect_timeout(&at, Duration::from_secs(2)).is_ok())
    })
}

/// Where a run's topics live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerChoice {
    /// The embedded broker, as a child process.
    Embedded,
    /// A real Apache Kafka from a directory of jars, as a child process.
    KafkaHome(PathBuf),
    /// A real Apache Kafka in a container.
    Testcontainers,
    /// A cluster that is already running: bootstrap servers.
    External(String),
}

impl std::fmt::Display for BrokerChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::KafkaHome(home) => write!(f, "kafka-home:{}", home.display()),
            Self::Testcontainers => f.write_str("testcontainers"),
            Self::External(servers) => f.write_str(servers),
        }
    }
}

/// Why a text names no broker.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{found}` names no broker; use `embedded`, `kafka-home:DIR`, `testcontainers` or `HOST:PORT,…`"
)]
pub struct BrokerChoiceError {
    /// The text as it stands.
    pub found: String,
}

impl std::str::FromStr for BrokerChoice {
    type Err = BrokerChoiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BrokerChoiceError {
            found: text.to_owned(),
        };
        let is_address = |address: &str| {
            address
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
        };
        match text {
            "embedded" => Ok(Self::Embedded),
            "testcontainers" => Ok(Self::Testcontainers),
            _ => match text.strip_prefix("kafka-home:") {
                Some("") => Err(bad()),
                Some(dir) => Ok(Self::KafkaHome(dir.into())),
                None if text.split(',').all(is_address) => Ok(Self::External(text.to_owned())),
                None => Err(bad()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_choice_is_read() {
        for (text, choice) in [
            ("embedded", BrokerChoice::Embedded),
            ("testcontainers", BrokerChoice::Testcontainers),
            (
                "kafka-home:/opt/k",
                BrokerChoice::KafkaHome("/opt/k".into()),
            ),
            (
                "a:9092,b:9093",
                BrokerChoice::External("a:9092,b:9093".into()),
            ),
        ] {
            assert_eq!(choice.to_string(), text);
            assert_eq!(text.parse(), Ok(choice), "{text}");
        }
        for text in ["", "kafka-home:", "localhost", "host:port", "a:1,b"] {
            assert!(text.parse::<BrokerChoice>().is_err(), "{text}");
        }
    }
}
