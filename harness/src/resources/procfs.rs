//! What `/proc` tells of a process and its threads.

use std::{fmt::Write as _, fs::File, io::Read as _};

use floodmark_contracts::resources::Usage;

use crate::child::cpu_clock_seconds;

/// Ticks of `/proc/PID/stat` in a second: Linux tells user space 100, whatever its own timer does.
pub(super) const TICKS: f64 = 100.0;

/// One look at a process.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Reading {
    pub(super) id: u32,
    /// Ticks from boot to its start: with the id, a name that is never used again.
    pub(super) started: u64,
    /// All but what only threads tell. CPU times are in whole ticks.
    pub(super) own: Usage,
    /// User and system time together, to the nanosecond.
    pub(super) cpu_seconds: Option<f64>,
    pub(super) peak_rss: u64,
    /// User and system time of children that ended and were waited for, seconds.
    pub(super) reaped: [f64; 2],
    pub(super) threads: Vec<(u32, Thread)>,
    pub(super) children: Vec<u32>,
}

/// What the kernel counts for each thread alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Thread {
    pub(super) voluntary: Option<u64>,
    pub(super) involuntary: Option<u64>,
    pub(super) run_delay_ns: Option<u64>,
}

impl Thread {
    pub(super) fn add(&mut self, more: Self) {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        self.voluntary = sum(self.voluntary, more.voluntary);
        self.involuntary = sum(self.involuntary, more.involuntary);
        self.run_delay_ns = sum(self.run_delay_ns, more.run_delay_ns);
    }
}

/// A reader of `/proc` that uses its buffers again: a broker in Java has a hundred threads.
#[derive(Debug, Default)]
pub(super) struct Procfs {
    path: String,
    text: Vec<u8>,
}

impl Procfs {
    /// A look at process `id`; none if there is no such process any more. Its children are looked up, and what
    /// those have used that it has waited for, where `children` are wanted: else they are somebody else's.
    pub(super) fn process(&mut self, id: u32, children: bool) -> Option<Reading> {
        let mut reading = stat(&self.read(format_args!("/proc/{id}/stat"))?)?;
        reading.id = id;
        reading.cpu_seconds = cpu_clock_seconds(id);
        if !children {
            reading.reaped = [0.0; 2];
        }
        if let Some(status) = self.read(format_args!("/proc/{id}/status")) {
            reading.own.rss_bytes = kib(&status, "VmRSS:");
            reading.peak_rss = kib(&status, "VmHWM:").unwrap_or(0);
        }
        if let Some(io) = self.read(format_args!("/proc/{id}/io")) {
            reading.own.read_bytes = number(&io, "read_bytes:");
            reading.own.written_bytes = number(&io, "write_bytes:");
        }
        for entry in std::fs::read_dir(format!("/proc/{id}/task"))
            .ok()?
            .flatten()
        {
            let Some(thread) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            reading.threads.push((thread, self.thread(id, thread)));
            if children
                && let Some(text) = self.read(format_args!("/proc/{id}/task/{thread}/children"))
            {
                let ids = text.split_whitespace();
                reading
                    .children
                    .extend(ids.filter_map(|id| id.parse::<u32>().ok()));
            }
        }
        Some(reading)
    }

    fn thread(&mut self, id: u32, thread: u32) -> Thread {
        let mut found = Thread::default();
        if let Some(status) = self.read(format_args!("/proc/{id}/task/{thread}/status")) {
            found.voluntary = number(&status, "voluntary_ctxt_switches:");
            found.involuntary = number(&status, "nonvoluntary_ctxt_switches:");
        }
        // Time on a processor, time waiting for one, turns.
        if let Some(text) = self.read(format_args!("/proc/{id}/task/{thread}/schedstat")) {
            found.run_delay_ns = text
                .split_whitespace()
                .nth(1)
                .and_then(|ns| ns.parse().ok());
        }
        found
    }

    /// A small file's text; none if it is gone or not ours to read.
    fn read(&mut self, path: std::fmt::Arguments<'_>) -> Option<String> {
        self.path.clear();
        self.path.write_fmt(path).ok()?;
        self.text.clear();
        File::open(&self.path)
            .ok()?
            .read_to_end(&mut self.text)
            .ok()?;
        Some(String::from_utf8_lossy(&self.text).into_owned())
    }
}

/// CPU time of the calling thread, seconds.
pub(super) fn own_cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let ns: u64 = text.split_whitespace().next()?.parse().ok()?;
    Some(ns as f64 / 1e9)
}

/// `/proc/PID/stat`. The name in parentheses may hold spaces, so fields count from behind it.
fn stat(text: &str) -> Option<Reading> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    // Numbered as in proc(5), where the state is field 3.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let seconds = |number| field(number).map(|ticks| ticks as f64 / TICKS);
    Some(Reading {
        started: field(22)?,
        reaped: [seconds(16)?, seconds(17)?],
        own: Usage {
            user_seconds: seconds(14),
            system_seconds: seconds(15),
            minor_faults: field(10),
            major_faults: field(12),
            threads: field(20),
            processes: Some(1),
            ..Usage::default()
        },
        ..Reading::default()
    })
}

/// The number behind a name at the start of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kib(text: &str, name: &str) -> Option<u64> {
    number(text, name).map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_children_have_used_counts_only_where_they_do() {
        let burn = "i=0; while [ $i -lt 100000 ]; do i=$((i + 1)); done";
        let ended = std::process::Command::new("sh").args(["-c", burn]).status();
        assert!(ended.unwrap().success());
        let own = |children| {
            let reading = Procfs::default().process(std::process::id(), children);
            reading.unwrap().reaped.iter().sum::<f64>()
        };
        assert!(own(true) > 0.0);
        assert!(own(false).abs() < f64::EPSILON);
    }

    #[test]
    fn a_stat_line_is_read_whatever_the_name_of_the_process() {
        let line = "17 (a ) b) S 1 17 17 0 -1 4194560 101 7 3 0 250 50 30 20 20 0 4 0 9001 0 0";
        let reading = stat(line).unwrap();
        assert_eq!(reading.started, 9001);
        assert_eq!(reading.reaped, [0.3, 0.2]);
        let own = reading.own;
        assert_eq!(
            (own.user_seconds, own.system_seconds),
            (Some(2.5), Some(0.5))
        );
        assert_eq!((own.minor_faults, own.major_faults), (Some(101), Some(3)));
        assert_eq!(own.threads, Some(4));
        assert_eq!(stat("17 (cut off) S 1 17"), None);
    }

    #[test]
    fn numbers_are_found_by_the_whole_name_of_their_line() {
        let status = "VmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t2\n";
        assert_eq!(kib(status, "VmRSS:"), Some(1 << 20));
        assert_eq!(number(status, "voluntary_ctxt_switches:"), Some(5));
        assert_eq!(number(status, "nonvoluntary_ctxt_switches:"), Some(2));
        assert_eq!(number(status, "VmSwap:"), None);
    }

    #[test]
    fn this_process_is_there_and_one_that_cannot_be_is_not() {
        let mut procfs = Procfs::default();
        let reading = procfs.process(std::process::id(), true).unwrap();
        assert!(!reading.threads.is_empty() && reading.peak_rss > 0);
        assert!(reading.own.written_bytes.is_some(), "{reading:?}");
        assert_eq!(procfs.process(u32::MAX, true), None);
    }
}
