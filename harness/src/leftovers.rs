//! What runs that crashed have left: topics on a cluster that outlives them, and folders on this machine.
//!
//! A run sends about ten records a second to a topic of its own ([`crate::probe`]), from its setup to its end, and deletes
//! it then. One that has had no record for a minute is therefore left from a run that was killed, on whichever machine
//! that ran. They are named, never deleted: only `floodmark topics delete` does that, because somebody asked.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use floodmark_contracts::{
    clock::{Clock, WallTime},
    job::exchange_of,
};
use floodmark_kafka::{
    Admin, Batch, BatchConsumer, ClientSettings, ConsumerSettings, Error, TopicPartition,
    admin::Watermarks, consumer::StartOffset,
};

use crate::{probe, run::files::micros};

/// How long a run's own topic may be silent while the run goes on: its broker may be stopped for a while.
const SILENCE: Duration = Duration::from_secs(60);

/// How long the last record of a topic is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// In the names of the runs' groups, behind the prefix and before the process id.
const MARK: &str = "floodmark-";

/// Temporary folders of runs begin like this.
pub(crate) const FOLDER_PREFIX: &str = "floodmark-";

/// The file in a run's temporary folder with the id of its process.
pub(crate) const PROCESS_FILE: &str = "process";

/// The consumer group of a run's own, and the beginning of its topics' names.
pub(crate) fn group_of(prefix: &str) -> String {
    format!("{prefix}{MARK}{}", std::process::id())
}

/// Topics that a crashed run had for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Their names; not empty.
    pub topics: Vec<String>,
    /// For how long the run has given no sign of life.
    pub silent: Duration,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.topics.iter().map(|name| format!("`{name}`")).collect();
        write!(
            f,
            "a run that crashed has left {}, silent for {} s; `floodmark topics delete` with its profile and broker deletes \
             them and what is left of the profile's topics",
            names.join(" and "),
            self.silent.as_secs()
        )
    }
}

/// What crashed runs with this prefix of topics have left on a cluster.
///
/// # Errors
/// If the cluster does not answer.
pub fn on_cluster(
    client: &ClientSettings,
    admin: &Admin,
    prefix: &str,
    clock: &dyn Clock,
) -> Result<Vec<Leftover>, Error> {
    let there: Vec<String> = admin
        .cluster()?
        .topics
        .into_iter()
        .map(|t| t.name)
        .collect();
    let mut found = Vec::new();
    for group in there.iter().filter_map(|name| group_in(name, prefix)) {
        let own = [probe::topic_of(group), exchange_of(group)];
        let Some(last) = last_sign(client, admin, &own[0], clock)? else {
            // Empty: its run may be about to begin.
            continue;
        };
        let silent = Duration::from_micros(u64::try_from(clock.now().0 - last.0).unwrap_or(0));
        if silent >= SILENCE {
            let topics = own.into_iter().filter(|name| there.contains(name));
            found.push(Leftover {
                topics: topics.collect(),
                silent,
            });
        }
    }
    Ok(found)
}

/// The group of the run whose topic of probes this is.
fn group_in<'a>(topic: &'a str, prefix: &str) -> Option<&'a str> {
    let group = topic.strip_suffix(&probe::topic_of(""))?;
    let process = group.strip_prefix(prefix)?.strip_prefix(MARK)?;
    let is_number = !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(group)
}

/// When the broker got the last record of a topic; none without records.
fn last_sign(
    client: &ClientSettings,
    admin: &Admin,
    topic: &str,
    clock: &dyn Clock,
) -> Result<Option<WallTime>, Error> {
    let bounds = match admin.watermarks(&[topic]) {
        Ok(bounds) => bounds,
        // Its run has ended meanwhile.
        Err(error) if !error.is_unreachable() => return Ok(None),
        Err(error) => return Err(error),
    };
    let with_records = |bounds: &&Watermarks| bounds.low < bounds.high;
    let Some(last) = bounds.iter().find(with_records) else {
        return Ok(None);
    };
    let mut consumer = BatchConsumer::new(client, &ConsumerSettings::default())?;
    let start = StartOffset::At(last.high - 1);
    let partition = TopicPartition::new(topic, last.partition.partition);
    consumer.assign(&[(partition, start)], PATIENCE)?;
    let mut batch = Batch::with_capacity(16);
    let until = clock.monotonic_us() + micros(PATIENCE);
    while clock.monotonic_us() < until {
        consumer.poll(&mut batch, Duration::from_millis(100))?;
        if let Some(at) = batch.messages().find_map(|message| message.timestamp()) {
            return Ok(Some(WallTime(at.millis.saturating_mul(1000))));
        }
    }
    Ok(None)
}

/// Temporary folders in `dir` whose runs are gone: the process that each names is none of this machine's.
pub(crate) fn folders(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let is_left = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        let process = std::fs::read_to_string(path.join(PROCESS_FILE)).ok();
        name.is_some_and(|name| name.starts_with(FOLDER_PREFIX))
            && process
                .and_then(|id| id.trim().parse::<u32>().ok())
                .is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists())
    };
    let mut left: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(is_left)
        .collect();
    left.sort();
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runs_own_topics_are_known_by_their_names() {
        for (topic, prefix, expected) in [
            ("floodmark-4711-probe", "", Some("floodmark-4711")),
            ("ci.floodmark-9-probe", "ci.", Some("ci.floodmark-9")),
            ("floodmark-4711-exchange", "", None),
            ("floodmark-4711-probe", "ci.", None),
            ("ci.floodmark-9-probe", "", None),
            ("floodmark-mine-probe", "", None),
            ("floodmark--probe", "", None),
        ] {
            assert_eq!(group_in(topic, prefix), expected, "{topic}");
        }
        let own = group_of("ci.");
        assert_eq!(group_in(&probe::topic_of(&own), "ci."), Some(&*own));
    }

    #[test]
    fn only_folders_of_processes_that_are_gone_are_left() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |name: &str, process: Option<String>| {
            let path = dir.path().join(name);
            std::fs::create_dir(&path).unwrap();
            if let Some(id) = process {
                std::fs::write(path.join(PROCESS_FILE), id).unwrap();
            }
            path
        };
        // No process can have this id: the kernel's limit is 2^22.
        let gone = folder("floodmark-a", Some("4194305".to_owned()));
        folder("floodmark-b", Some(std::process::id().to_string()));
        folder("floodmark-c", None);
        folder("other", Some("4194305".to_owned()));
        assert_eq!(folders(dir.path()), [gone]);
        assert!(folders(&dir.path().join("nowhere")).is_empty());
    }
}
