//! What a control group (version 2) tells of a container.

use std::path::{Path, PathBuf};

use floodmark_contracts::resources::Usage;

/// Where control groups are mounted.
const ROOT: &str = "/sys/fs/cgroup";

/// How deep a container's group may lie: slices of slices of a cluster's node among them.
const DEPTH: u32 = 6;

/// The group of the container with this id: the folder that is named after it.
#[must_use]
pub fn find(container: &str) -> Option<PathBuf> {
    find_in(Path::new(ROOT), container, DEPTH)
}

fn find_in(folder: &Path, container: &str, depth: u32) -> Option<PathBuf> {
    if depth == 0 || container.is_empty() {
        return None;
    }
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    folders.sort_unstable();
    let named = |path: &&PathBuf| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        name.is_some_and(|name| name.contains(container)) && path.join("cpu.stat").exists()
    };
    if let Some(found) = folders.iter().find(named) {
        return Some(found.clone());
    }
    folders
        .iter()
        .find_map(|inner| find_in(inner, container, depth - 1))
}

/// What the group used so far; what its files do not tell is left out.
pub(super) fn read(folder: &Path) -> Usage {
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
    let value = |name: &str| text(name).trim().parse::<u64>().ok();
    let (cpu, memory, io) = (text("cpu.stat"), text("memory.stat"), text("io.stat"));
    let processes = text("cgroup.procs");
    let seconds = |name: &str| of(&cpu, name).map(|us| us as f64 / 1e6);
    Usage {
        user_seconds: seconds("user_usec"),
        system_seconds: seconds("system_usec"),
        run_delay_seconds: stalled(&text("cpu.pressure")),
        // The page cache that a broker fills counts for the group, and is nobody's resident set.
        rss_bytes: of(&memory, "anon").or_else(|| value("memory.current")),
        read_bytes: sum(&io, "rbytes="),
        written_bytes: sum(&io, "wbytes="),
        minor_faults: of(&memory, "pgfault")
            .zip(of(&memory, "pgmajfault"))
            .map(|(all, major)| all.saturating_sub(major)),
        major_faults: of(&memory, "pgmajfault"),
        processes: (!processes.is_empty()).then(|| processes.lines().count() as u64),
        threads: value("pids.current"),
        ..Usage::default()
    }
}

/// A line `name value`.
fn of(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

/// Over all devices; nothing where the group has not touched any.
fn sum(text: &str, name: &str) -> Option<u64> {
    let values = text
        .split_whitespace()
        .filter_map(|word| word.strip_prefix(name));
    let values: Vec<u64> = values.filter_map(|value| value.parse().ok()).collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

/// Time in which some of its tasks waited for a processor: `some avg10=… total=MICROSECONDS`.
fn stalled(pressure: &str) -> Option<f64> {
    let some = pressure.lines().find(|line| line.starts_with("some "))?;
    let total: u64 = some.rsplit_once("total=")?.1.trim().parse().ok()?;
    Some(total as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files as a kernel 6.8 writes them.
    fn group(folder: &Path) {
        for (name, text) in [
            (
                "cpu.stat",
                "usage_usec 5500000\nuser_usec 4000000\nsystem_usec 1500000\n",
            ),
            (
                "cpu.pressure",
                "some avg10=1.00 avg60=0.00 avg300=0.00 total=2500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n",
            ),
            ("memory.current", "900000\n"),
            (
                "memory.stat",
                "anon 700000\nfile 200000\npgfault 50\npgmajfault 8\n",
            ),
            (
                "io.stat",
                "8:0 rbytes=100 wbytes=2000 rios=1\n253:0 rbytes=5 wbytes=50 rios=1\n",
            ),
            ("cgroup.procs", "12\n19\n"),
            ("pids.current", "61\n"),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn a_container_is_read_by_its_group() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("system.slice/docker-0123abcd.scope");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir_all(dir.path().join("user.slice/other")).unwrap();
        group(&folder);
        let found = find_in(dir.path(), "0123abcd", DEPTH).unwrap();
        assert_eq!(found, folder);
        let usage = read(&found);
        assert_eq!(usage.cpu_seconds(), Some(5.5));
        assert_eq!(usage.run_delay_seconds, Some(2.5));
        assert_eq!(usage.rss_bytes, Some(700_000));
        assert_eq!(
            (usage.read_bytes, usage.written_bytes),
            (Some(105), Some(2050))
        );
        assert_eq!(
            (usage.minor_faults, usage.major_faults),
            (Some(42), Some(8))
        );
        assert_eq!((usage.processes, usage.threads), (Some(2), Some(61)));
        assert_eq!(usage.voluntary_switches, None, "no group tells");
        assert_eq!(find_in(dir.path(), "ffff", DEPTH), None);
    }

    #[test]
    fn a_group_that_has_gone_tells_nothing() {
        let usage = read(Path::new("/nonexistent"));
        assert_eq!(usage.cpu_seconds(), None);
        assert_eq!(usage.rss_bytes, None);
    }
}
