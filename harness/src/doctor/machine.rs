//! Processors, memory, clocks, limits and room.

use std::path::Path;

use floodmark_contracts::{
    doctor::{Finding, FindingState},
    record::Environment,
};
use nix::sys::{
    resource::{Resource, getrlimit},
    statvfs::statvfs,
};

use super::finding;

/// Generator, broker, subject and harness want one each.
const ENOUGH_PROCESSORS: u32 = 4;

/// Partitions and connections of an embedded broker, with the files of a detector's state.
const ENOUGH_FILES: u64 = 4096;

/// A run of ten minutes at 50k events a second, kept by a broker.
const ENOUGH_ROOM: u64 = 10 << 30;

/// The embedded broker, a detector's gigabyte of state and the rest.
const ENOUGH_MEMORY: u64 = 4 << 30;

pub(super) fn findings(environment: &Environment, out: &Path) -> Vec<Finding> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let mut findings = vec![
        processors(environment.cpus),
        memory(environment.memory_bytes),
    ];
    findings.extend(quota(
        read("/sys/fs/cgroup/cpu.max").as_deref(),
        environment.cpus,
    ));
    findings.extend(load(read("/proc/loadavg").as_deref(), environment.cpus));
    findings.push(governor(
        read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").as_deref(),
    ));
    findings.extend(clock_source(
        read("/sys/devices/system/clocksource/clocksource0/current_clocksource").as_deref(),
    ));
    findings.extend(
        getrlimit(Resource::RLIMIT_NOFILE)
            .ok()
            .map(|(soft, _)| open_files(soft)),
    );
    findings.extend(room(out));
    findings
}

fn processors(cpus: u32) -> Finding {
    let (state, meaning) = if cpus >= ENOUGH_PROCESSORS {
        (
            FindingState::Good,
            "generator, broker and detector do not take time from one another",
        )
    } else {
        (
            FindingState::Limited,
            "generator, broker and detector share them: runs are degraded (processors-short) at all but low rates, and latencies hold waits",
        )
    };
    finding("processors", state, cpus.to_string(), meaning)
}

fn memory(bytes: u64) -> Finding {
    let found = size(bytes);
    if bytes >= ENOUGH_MEMORY {
        return finding(
            "memory",
            FindingState::Good,
            found,
            "enough for the embedded broker and a detector's state",
        );
    }
    finding(
        "memory",
        FindingState::Limited,
        found,
        "keep runs on the embedded broker short, and `detector.state.memory_mib` small",
    )
}

/// What a control group leaves of the processors, where it has a limit.
fn quota(text: Option<&str>, cpus: u32) -> Option<Finding> {
    let mut words = text?.split_whitespace();
    let (quota, period) = (
        words.next()?.parse::<f64>().ok()?,
        words.next()?.parse::<f64>().ok()?,
    );
    let processors = quota / period;
    let state = if processors < f64::from(cpus) {
        FindingState::Limited
    } else {
        FindingState::Good
    };
    Some(finding(
        "control group",
        state,
        format!("{processors:.1} processors"),
        "a group that has used its share is stopped for the rest of a tenth of a second, which shows in every latency",
    ))
}

fn load(text: Option<&str>, cpus: u32) -> Option<Finding> {
    let minute: f64 = text?.split_whitespace().next()?.parse().ok()?;
    let found = format!("{minute:.2} in the last minute");
    Some(if minute < 0.5 * f64::from(cpus) {
        finding(
            "other load",
            FindingState::Good,
            found,
            "the machine has time for a run",
        )
    } else {
        finding(
            "other load",
            FindingState::Limited,
            found,
            "something else is running: its share shows in every figure; wait, or compare by `floodmark ab`",
        )
    })
}

fn governor(text: Option<&str>) -> Finding {
    match text.map(str::trim) {
        Some("performance") => finding(
            "CPU governor",
            FindingState::Good,
            "performance",
            "the clock rate stays",
        ),
        Some(other) => finding(
            "CPU governor",
            FindingState::Limited,
            other,
            "the clock rate follows the load; `cpupower frequency-set -g performance` keeps it",
        ),
        None => finding(
            "CPU governor",
            FindingState::Good,
            "not told",
            "a virtual machine, as a rule: its host sets the clock rate",
        ),
    }
}

fn clock_source(text: Option<&str>) -> Option<Finding> {
    let source = text?.trim();
    let is_fast = [
        "tsc",
        "kvm-clock",
        "arch_sys_counter",
        "hyperv_clocksource_tsc_page",
    ]
    .contains(&source);
    Some(if is_fast {
        finding(
            "clock source",
            FindingState::Good,
            source,
            "reading the time costs some 30 ns",
        )
    } else {
        finding(
            "clock source",
            FindingState::Limited,
            source,
            "reading the time is a call into the kernel: high rates cost more CPU time than they should",
        )
    })
}

fn open_files(soft: u64) -> Finding {
    let found = soft.to_string();
    if soft >= ENOUGH_FILES {
        return finding(
            "open files",
            FindingState::Good,
            found,
            "enough for hundreds of partitions",
        );
    }
    finding(
        "open files",
        FindingState::Limited,
        found,
        "many partitions need more; `ulimit -n 65536` in this shell",
    )
}

/// Room where results go, or where the nearest folder above it is.
fn room(out: &Path) -> Option<Finding> {
    let there = out.ancestors().find(|folder| folder.is_dir());
    let folder = there.unwrap_or(Path::new("."));
    let stat = statvfs(folder).ok()?;
    let bytes = stat.blocks_available() * stat.fragment_size();
    let state = if bytes >= ENOUGH_ROOM {
        FindingState::Good
    } else {
        FindingState::Limited
    };
    Some(finding(
        "room for results",
        state,
        size(bytes),
        "a run leaves some megabytes; a Kafka that it starts keeps every event until the end",
    ))
}

fn size(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_limits_a_measurement_is_told_from_what_does_not() {
        let check =
            |found: Finding, state: FindingState| assert_eq!(found.state, state, "{found:?}");
        check(processors(2), FindingState::Limited);
        check(processors(8), FindingState::Good);
        check(memory(2 << 30), FindingState::Limited);
        check(open_files(1024), FindingState::Limited);
        check(open_files(1 << 20), FindingState::Good);
        check(governor(Some("powersave\n")), FindingState::Limited);
        check(governor(Some("performance\n")), FindingState::Good);
        check(governor(None), FindingState::Good);
        check(clock_source(Some("hpet\n")).unwrap(), FindingState::Limited);
        check(clock_source(Some("tsc\n")).unwrap(), FindingState::Good);
        check(
            load(Some("3.10 2.00 1.00 1/100 7"), 2).unwrap(),
            FindingState::Limited,
        );
        check(
            load(Some("0.10 2.00 1.00 1/100 7"), 2).unwrap(),
            FindingState::Good,
        );
        check(
            quota(Some("150000 100000"), 2).unwrap(),
            FindingState::Limited,
        );
        assert_eq!(quota(Some("max 100000"), 2), None);
    }
}
