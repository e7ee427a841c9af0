//! Whether the machine let the run be what it was to be.

use std::collections::BTreeMap;

use floodmark_contracts::{
    record::StreamFacts,
    resources::{DiskFacts, MachineFacts, Waits},
    result::{ValidityReason, ValidityStatus},
    stream::Stream,
};

use super::reason;

/// Share of the seconds that may be short of processors.
const SHORT_SHARE: f64 = 0.05;

/// Seconds that say nothing by themselves: everything starts in the first one.
const FEW: u64 = 1;

/// Share of the seconds that may pass without a whole processor that was needed.
const STARVED_SHARE: f64 = 0.5;

/// Roles whose waits are the harness's own fault: a subject that asks for more processors than there are
/// is a result, not a mistake.
const OURS: [&str; 4] = ["generator", "harness", "broker", "machine"];

/// Step of the clock, in microseconds, above which a run is invalid: as much as send lateness may be.
const INVALID_STEP_US: u64 = 10_000;

/// Free space below which a broker soon stops, bytes.
const NEARLY_FULL: u64 = 256 << 20;

/// Free space below which something has been missed already, bytes.
const FULL: u64 = 16 << 20;

/// The client's code for a broker that cannot write.
const STORAGE_FAILURE: &str = "KafkaStorageError";

/// What speaks against the figures on the side of the machine.
pub(super) fn judge(
    machine: &MachineFacts,
    generator: &BTreeMap<Stream, StreamFacts>,
) -> Vec<ValidityReason> {
    [
        processors_short(machine),
        clock_stepped(machine),
        disk_full(machine, generator),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Threads that could run waited for a processor. A percentage of use does not tell: a machine at 95 % may
/// let nobody wait, and one at 60 % everybody, in bursts.
fn processors_short(machine: &MachineFacts) -> Option<ValidityReason> {
    let over = |seconds: u64, waits: &Waits, share: f64| {
        waits.looks > 0 && seconds as f64 > share * waits.looks as f64
    };
    let ours = || {
        let waits = machine.waits.iter();
        waits.filter(|(role, _)| OURS.contains(&role.as_str()))
    };
    let short: Vec<(&String, &Waits)> = ours()
        .filter(|(_, waits)| waits.short.len() as u64 > FEW)
        .filter(|(_, waits)| over(waits.short.len() as u64, waits, SHORT_SHARE))
        .collect();
    let (role, worst) = short
        .iter()
        .max_by(|a, b| a.1.short.len().cmp(&b.1.short.len()))?;
    let starved = ours().any(|(_, waits)| over(waits.starved, waits, STARVED_SHARE));
    let status = if starved {
        ValidityStatus::Invalid
    } else {
        ValidityStatus::Degraded
    };
    let whose = match role.as_str() {
        "machine" => "processors were taken away by the machine below this one (steal)".to_owned(),
        role => format!("threads of the {role} waited for a processor"),
    };
    let mut found = reason(
        "processors-short",
        status,
        format!(
            "in {} of {} seconds {whose}, for up to {:.2} s a second, so that latencies hold waits of this \
             machine's own; free processors, lower `rate`, or put the parts on several machines",
            worst.short.len(),
            worst.looks,
            worst.worst_seconds
        ),
    );
    let mut seconds: Vec<i64> = short.iter().flat_map(|(_, w)| w.short.clone()).collect();
    seconds.sort_unstable();
    seconds.dedup();
    found.seconds = seconds;
    Some(found)
}

/// The wall clock was set while it was used to measure with.
fn clock_stepped(machine: &MachineFacts) -> Option<ValidityReason> {
    let worst = machine
        .clock_steps
        .iter()
        .max_by_key(|step| step.us.unsigned_abs())?;
    let status = if worst.us.unsigned_abs() > INVALID_STEP_US {
        ValidityStatus::Invalid
    } else {
        ValidityStatus::Degraded
    };
    let mut found = reason(
        "clock-stepped",
        status,
        format!(
            "the wall clock went {:.1} ms {} against the monotonic clock, {} times in all, and latencies across it \
             are wrong by as much; let NTP slew the clock instead of setting it, and do not suspend the machine",
            worst.us.unsigned_abs() as f64 / 1000.0,
            if worst.us < 0 { "back" } else { "ahead" },
            machine.clock_steps.len()
        ),
    );
    found.seconds = machine.clock_steps.iter().map(|step| step.t).collect();
    found.seconds.dedup();
    Some(found)
}

/// There was no room for records or results, or nearly none.
fn disk_full(
    machine: &MachineFacts,
    generator: &BTreeMap<Stream, StreamFacts>,
) -> Option<ValidityReason> {
    let failures: u64 = generator
        .values()
        .flat_map(|facts| &facts.failures)
        .filter(|(code, _)| *code == STORAGE_FAILURE)
        .map(|(_, events)| events)
        .sum();
    if failures > 0 {
        return Some(reason(
            "disk-full",
            ValidityStatus::Invalid,
            format!(
                "{failures} events were refused because a broker could not write to its disk; make room there, or \
                 shorten the topics' retention"
            ),
        ));
    }
    let by_free = |disk: &&DiskFacts| disk.least_free_bytes;
    let tightest = machine.disks.iter().min_by_key(by_free)?;
    let status = match tightest.least_free_bytes {
        free if free < FULL => ValidityStatus::Invalid,
        free if free < NEARLY_FULL => ValidityStatus::Degraded,
        _ => return None,
    };
    Some(reason(
        "disk-full",
        status,
        format!(
            "the disk that the {} writes to had only {} MiB left (under {} MiB is too little); make room",
            tightest.of,
            tightest.least_free_bytes >> 20,
            NEARLY_FULL >> 20
        ),
    ))
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::resources::ClockStep;

    use super::*;

    fn check(machine: &MachineFacts, expected: &str) {
        let found: Vec<String> = judge(machine, &BTreeMap::new())
            .iter()
            .map(|r| format!("{:?} {}{:?}", r.status, r.code, r.seconds))
            .collect();
        assert_eq!(found.join(", "), expected);
    }

    fn waits(role: &str, looks: u64, short: &[i64], starved: u64) -> (String, Waits) {
        let waits = Waits {
            looks,
            worst_seconds: 1.5,
            short: short.to_vec(),
            starved,
        };
        (role.to_owned(), waits)
    }

    #[test]
    fn threads_that_wait_for_processors_are_told_with_their_seconds() {
        let of = |waits: &[(String, Waits)]| MachineFacts {
            waits: waits.iter().cloned().collect(),
            ..MachineFacts::default()
        };
        check(&of(&[waits("broker", 60, &[4, 5, 9], 0)]), "");
        check(&of(&[waits("broker", 8, &[1], 0)]), "");
        let four = [4, 5, 9, 11];
        let degraded = of(&[waits("broker", 60, &four, 0), waits("harness", 60, &[], 0)]);
        check(&degraded, "Degraded processors-short[4, 5, 9, 11]");
        let all: Vec<i64> = (1..=10).collect();
        check(
            &of(&[waits("generator", 10, &all, 6)]),
            "Invalid processors-short[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]",
        );
        // A subject that wants more than there is has a result.
        check(&of(&[waits("subject", 10, &all, 10)]), "");
        let stolen = of(&[waits("machine", 10, &[1, 2], 0)]);
        let message = &judge(&stolen, &BTreeMap::new())[0].message;
        assert!(message.contains("(steal)"), "{message}");
    }

    #[test]
    fn a_step_of_the_clock_weighs_as_much_as_lateness_does() {
        let of = |steps: &[(i64, i64)]| MachineFacts {
            clock_steps: steps
                .iter()
                .map(|(t, us)| ClockStep { t: *t, us: *us })
                .collect(),
            ..MachineFacts::default()
        };
        check(&of(&[]), "");
        check(&of(&[(7, 2_500)]), "Degraded clock-stepped[7]");
        check(
            &of(&[(7, 2_500), (9, -40_000)]),
            "Invalid clock-stepped[7, 9]",
        );
    }

    #[test]
    fn a_disk_without_room_is_told_before_and_after_something_is_lost() {
        let of = |free: u64| MachineFacts {
            disks: vec![DiskFacts {
                of: "broker".to_owned(),
                least_free_bytes: free,
                bytes: 1 << 40,
            }],
            ..MachineFacts::default()
        };
        check(&of(1 << 30), "");
        check(&of(200 << 20), "Degraded disk-full[]");
        check(&of(1 << 20), "Invalid disk-full[]");
        let failures = BTreeMap::from([("KafkaStorageError".to_owned(), 3)]);
        let facts = StreamFacts {
            failures,
            ..StreamFacts::default()
        };
        let generator = BTreeMap::from([(Stream::Sensors, facts)]);
        let found = judge(&MachineFacts::default(), &generator);
        assert!(found[0].message.starts_with("3 events were refused"));
    }
}
