//! A real Apache Kafka from a directory of jars: one KRaft node in a temporary directory, on free
//! ports of loopback.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{BrokerError, Holder, RunningBroker, START_LIMIT, StartContext, accepts, free_port};
use crate::child::{Child, ChildError};

/// Any id does: the cluster lives as long as the run.
const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qg";

/// Its name in results.
pub(super) const KIND: &str = "kafka-home";

/// Heap of the broker; a run's data is in the page cache, not here.
const HEAP: &str = "-Xmx1g";

pub(super) fn start(home: &Path, context: &StartContext<'_>) -> Result<RunningBroker, BrokerError> {
    let choice = format!("kafka-home:{}", home.display());
    let class_path = class_path(home, &choice)?;
    let files = Files::write(context, &choice)?;
    let failed = |source| BrokerError::Process {
        choice: choice.clone(),
        source,
    };

    let mut format = java(&class_path, &files);
    format.args([
        "kafka.tools.StorageTool",
        "format",
        "--cluster-id",
        CLUSTER_ID,
        "--config",
    ]);
    format.arg(&files.properties);
    let format_log = context.dir.join("kafka-format.log");
    let mut formatter = Child::spawn("storage tool of Kafka", &mut format, &format_log).map_err(
        |error| match error {
            ChildError::Start { .. } => missing_java(&choice),
            other => failed(other),
        },
    )?;
    let status = loop {
        match formatter.poll() {
            Some(status) => break status,
            None => context.clock.sleep(Duration::from_millis(20)),
        }
    };
    if !status.success() {
        formatter.check().map_err(failed)?;
    }

    let mut run = java(&class_path, &files);
    run.arg("kafka.Kafka").arg(&files.properties);
    let log = context.dir.join("kafka.log");
    let mut child = Child::spawn("broker", &mut run, &log).map_err(failed)?;
    let bootstrap = format!("127.0.0.1:{}", files.port);
    let started = context.clock.monotonic_us();
    // The port opens before the node has registered itself; the log says when it has.
    while !(accepts(&bootstrap) && says_started(&child)) {
        child.check().map_err(failed)?;
        if context.clock.monotonic_us() - started > START_LIMIT.as_micros() as i64 {
            return Err(BrokerError::Unreachable {
                choice,
                address: bootstrap,
                waited: START_LIMIT,
                remedy: format!("see `{}`", log.display()),
            });
        }
        context.clock.sleep(Duration::from_millis(50));
    }
    Ok(RunningBroker {
        kind: KIND,
        bootstrap,
        registry: None,
        behind_proxy: files.second,
        holder: Holder::Process(Box::new(child)),
    })
}

/// Where the broker that was started in `dir` keeps its data.
pub(super) fn data(dir: &Path) -> PathBuf {
    dir.join("kafka-data")
}

fn missing_java(choice: &str) -> BrokerError {
    BrokerError::Missing {
        choice: choice.to_owned(),
        missing: "`java` cannot be started".to_owned(),
        remedy: "install a Java runtime of version 17 or later".to_owned(),
    }
}

/// `DIR/libs/*`, after a look that Kafka is in it.
/// The version of the Kafka that was unpacked in a folder, if one was.
pub(crate) fn version_in(home: &Path) -> Option<String> {
    let entries = std::fs::read_dir(home.join("libs")).into_iter().flatten();
    entries.flatten().find_map(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let version = name.strip_prefix("kafka_2.13-")?.strip_suffix(".jar")?;
        // Beside it may lie jars of its sources and tests.
        version
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| version.to_owned())
    })
}

fn class_path(home: &Path, choice: &str) -> Result<String, BrokerError> {
    let libs = home.join("libs");
    if version_in(home).is_some() {
        return Ok(format!("{}/*", libs.display()));
    }
    Err(BrokerError::Missing {
        choice: choice.to_owned(),
        missing: format!("there is no `kafka_2.13-….jar` in `{}`", libs.display()),
        remedy: "unpack a Kafka release there, or fetch the jars with `ci/kafka fetch DIR`"
            .to_owned(),
    })
}

struct Files {
    properties: PathBuf,
    logging: PathBuf,
    port: u16,
    /// Where the connections of a proxy are taken.
    second: Option<String>,
}

impl Files {
    fn write(context: &StartContext<'_>, choice: &str) -> Result<Self, BrokerError> {
        let dir = context.dir;
        let file = |path: &Path, source| BrokerError::File {
            choice: choice.to_owned(),
            path: path.to_owned(),
            source,
        };
        let free = || free_port().map_err(|source| file(Path::new("127.0.0.1:0"), source));
        let (port, controller) = (free()?, free()?);
        let second = context
            .proxy
            .map(|proxy| Ok((free()?, proxy)))
            .transpose()?;
        let properties = dir.join("server.properties");
        let logging = dir.join("log4j2.properties");
        let data = data(dir);
        std::fs::write(&properties, settings(port, controller, second, &data))
            .map_err(|source| file(&properties, source))?;
        std::fs::write(&logging, LOGGING).map_err(|source| file(&logging, source))?;
        Ok(Self {
            properties,
            logging,
            port,
            second: second.map(|(port, _)| format!("127.0.0.1:{port}")),
        })
    }
}

/// A one-node cluster: replication factors at 1, topics only when asked for, no rebalance delay. Clients that come
/// through a proxy have a listener of their own, which tells them the proxy's address.
fn settings(port: u16, controller: u16, second: Option<(u16, SocketAddr)>, data: &Path) -> String {
    let (listener, advertised) = second.map_or_else(Default::default, |(port, proxy)| {
        (
            format!(",PROXIED://127.0.0.1:{port}"),
            format!(",PROXIED://{proxy}"),
        )
    });
    format!(
        "process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listener}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{advertised}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PROXIED:PLAINTEXT
log.dirs={}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
",
        data.display()
    )
}

const LOGGING: &str = "status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss.SSS} %p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
logger.server.name=kafka.server
logger.server.level=info
";

fn java(class_path: &str, files: &Files) -> Command {
    let mut command = Command::new("java");
    command
        .args([HEAP, "-XX:+UseSerialGC"])
        .arg(format!(
            "-Dlog4j2.configurationFile={}",
            files.logging.display()
        ))
        .args(["-cp", class_path]);
    command
}

/// Whether the node has registered itself; its port opens before that.
pub(super) fn says_started(child: &Child) -> bool {
    child.has_logged("Kafka Server started")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_kafka_is_refused_with_what_would_help() {
        let dir = tempfile::tempdir().unwrap();
        let error = class_path(dir.path(), "kafka-home:x")
            .unwrap_err()
            .to_string();
        assert!(error.contains("there is no `kafka_2.13-….jar`"), "{error}");
        assert!(error.contains("ci/kafka fetch DIR"), "{error}");
    }
}
