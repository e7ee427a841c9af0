//! The machine on which a run is made.

use floodmark_contracts::record::Environment;

/// Reads what the kernel tells of this machine. What cannot be read is left empty.
#[must_use]
pub fn here() -> Environment {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    Environment {
        os: format!(
            "{} {}",
            std::env::consts::OS,
            read("/proc/sys/kernel/osrelease").trim()
        ),
        cpu: value_of(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
        cpus: std::thread::available_parallelism()
            .map_or(0, |n| u32::try_from(n.get()).unwrap_or(u32::MAX)),
        memory_bytes: value_of(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.strip_suffix("kB")?.trim().parse::<u64>().ok())
            .map_or(0, |kib| kib * 1024),
    }
}

/// The value of the first line `name : value`.
fn value_of(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_name() {
        let text = "processor\t: 0\nmodel name\t: Fast (R) 9000\nprocessor\t: 1\n";
        assert_eq!(
            value_of(text, "model name").as_deref(),
            Some("Fast (R) 9000")
        );
        assert_eq!(value_of(text, "MemTotal"), None);
    }

    #[test]
    fn this_machine_has_processors_and_memory() {
        let here = here();
        assert!(here.cpus > 0 && here.memory_bytes > 0, "{here:?}");
    }
}
