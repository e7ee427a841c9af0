//! A running detector in Prometheus' text format.

use floodmark_contracts::{
    clock::WallTime,
    exposition::{MILLISECONDS, Metric, Page, SECONDS, counter, gauge, histogram},
    status::{DetectorStatus, PartitionStatus, Phase, StreamStatus},
};

/// Prefix of every name but the two that the field's dashboards know.
const PREFIX: &str = "floodmark_detector_";

/// A name without the prefix, what it means, and where it stands.
type Described<O, T> = (&'static str, &'static str, fn(&O) -> T);

const OF_STREAMS: [Described<StreamStatus, u64>; 4] = [
    (
        "consumed_records_total",
        "Records read; those read again after a restart count again.",
        |of| of.consumed,
    ),
    (
        "late_events_total",
        "Events behind the watermark and the allowed lateness.",
        |of| of.late,
    ),
    ("dead_letters_total", "Records that were no events.", |of| {
        of.dead_letters
    }),
    (
        "state_disk_reads_total",
        "States read back from disk, by the partitions that are here now.",
        |of| of.state.disk_reads,
    ),
];

const STATE: [Described<StreamStatus, u64>; 5] = [
    ("state_keys", "Keys that have state.", |of| of.state.keys),
    (
        "state_waiting_events",
        "Events that wait for the watermark.",
        |of| of.state.waiting,
    ),
    (
        "state_bytes",
        "Bytes of keys, their state and waiting events in memory; windows are not in it.",
        |of| of.state.bytes,
    ),
    ("state_disk_keys", "Keys whose state is on disk.", |of| {
        of.state.disk_keys
    }),
    (
        "state_disk_bytes",
        "Bytes of state on disk, with what is not cleared away yet.",
        |of| of.state.disk_bytes,
    ),
];

const TOTALS: [Described<DetectorStatus, u64>; 8] = [
    (
        "late_parts_total",
        "Parts of results that came after their window was gone.",
        |of| of.late_parts,
    ),
    ("alerts_total", "Alerts written.", |of| of.written.alerts),
    (
        "restarts_total",
        "Times that the detector began again after a failure.",
        |of| of.restarts,
    ),
    (
        "commits_total",
        "Commits of offsets; with transactions, transactions committed.",
        |of| of.checkpoints.commits,
    ),
    (
        "aborts_total",
        "Commits that failed; with transactions, transactions aborted.",
        |of| of.checkpoints.aborts,
    ),
    ("snapshots_total", "Snapshots of the whole state.", |of| {
        of.checkpoints.snapshots
    }),
    (
        "partition_pauses_total",
        "Times that a partition was paused for being ahead of others.",
        |of| of.pressure.pauses,
    ),
    (
        "result_records_total",
        "Alerts, flags, rows and dead letters written.",
        |of| of.written.alerts + of.written.flags + of.written.rows + of.written.dead_letters,
    ),
];

const GAUGES: [Described<DetectorStatus, f64>; 7] = [
    (
        "partitions",
        "Partitions that the group gave to this process.",
        |of| of.partitions.len() as f64,
    ),
    (
        "paused_partitions",
        "Partitions paused for being ahead of others.",
        |of| of.pressure.paused as f64,
    ),
    (
        "read_ahead_records",
        "Records that were fetched and wait.",
        |of| of.pressure.read_ahead as f64,
    ),
    (
        "read_ahead_limit_bytes",
        "What may be fetched ahead.",
        |of| of.pressure.read_ahead_limit_kib as f64 * 1024.0,
    ),
    (
        "in_flight_records",
        "Results handed to the producer and not acknowledged yet.",
        |of| of.pressure.in_flight as f64,
    ),
    (
        "state_file_bytes",
        "Bytes of the file with state that memory has no room for; 0 while there is none.",
        |of| of.state_file_bytes as f64,
    ),
    (
        "restarts_left",
        "How often it may begin again before it gives up.",
        |of| f64::from(of.restarts_left),
    ),
];

/// What a detector shows to Prometheus at `now`.
///
/// # Errors
/// What the library says; never in practice.
pub fn status_metrics(status: &DetectorStatus, now: WallTime) -> Result<String, String> {
    let mut page = Page::new("");
    let flags = vec![counter(&[], status.written.flags)];
    page.counters(
        "flagged_sessions_total",
        "Sessions flagged, as `sessionId,score`.",
        flags,
    );
    let latency = status.latency.iter();
    let latency = latency
        .map(|(name, spans)| histogram(&[("stream", name)], spans, MILLISECONDS))
        .collect();
    page.histograms(
        "pipeline_latency_ms",
        "Milliseconds from the timestamp of the record that brought a result out to its hand-over, or to the \
         commit of its transaction.",
        latency,
    );
    page.prefix(PREFIX);
    phases(&mut page, status);
    for (name, help, of) in OF_STREAMS {
        let values = each(status, |stream, status| {
            counter(&[("stream", stream)], of(status))
        });
        page.counters(name, help, values);
    }
    for (name, help, of) in STATE {
        let values = each(status, |stream, status| {
            gauge(&[("stream", stream)], of(status) as f64)
        });
        page.gauges(name, help, values);
    }
    for (name, help, of) in TOTALS {
        page.counters(name, help, vec![counter(&[], of(status))]);
    }
    for (name, help, of) in GAUGES {
        page.gauges(name, help, vec![gauge(&[], of(status))]);
    }
    partitions(&mut page, status, now);
    checkpoints(&mut page, status, now);
    page.text()
}

fn phases(page: &mut Page, status: &DetectorStatus) {
    let phase = |phase: Phase| {
        let is_it = f64::from(u8::from(phase == status.phase));
        gauge(&[("phase", phase.name())], is_it)
    };
    page.gauges(
        "phase",
        "1 for what the detector is doing, 0 for what it is not.",
        Phase::ALL.map(phase).to_vec(),
    );
    let pressure = &status.pressure;
    let shares = [
        ("idle", pressure.idle),
        ("busy", pressure.busy),
        ("blocked", pressure.blocked),
    ];
    page.gauges(
        "time_ratio",
        "Share of the last second spent waiting for records (idle), working (busy), waiting for output (blocked).",
        shares.map(|(what, share)| gauge(&[("what", what)], share)).to_vec(),
    );
}

fn partitions(page: &mut Page, status: &DetectorStatus, now: WallTime) {
    let those = |value: &dyn Fn(&PartitionStatus) -> Option<f64>| -> Vec<Metric> {
        let known = status.partitions.iter().filter_map(|of| {
            let number = of.partition.to_string();
            let labels = [
                ("stream", of.of.as_str()),
                ("topic", &of.topic),
                ("partition", &number),
            ];
            Some(gauge(&labels, value(of)?))
        });
        known.collect()
    };
    page.gauges(
        "consumer_lag_records",
        "Records in the partition that were not read; absent before the first.",
        those(&|of| of.lag.map(|lag| lag as f64)),
    );
    page.gauges(
        "watermark_lag_seconds",
        "How far the partition's watermark is behind the clock; of recorded events it is their age.",
        those(&|of| of.watermark_lag_s(now)),
    );
    page.gauges(
        "watermark_timestamp_seconds",
        "The partition's watermark, in event time.",
        those(&|of| of.watermark.map(|at| at.0 as f64 / 1e3)),
    );
}

fn checkpoints(page: &mut Page, status: &DetectorStatus, now: WallTime) {
    let of = &status.checkpoints;
    let age = |at: Option<WallTime>| -> Vec<Metric> {
        let age = at.map(|at| gauge(&[], now.0.saturating_sub(at.0) as f64 / 1e6));
        age.into_iter().collect()
    };
    page.gauges(
        "last_commit_age_seconds",
        "Time since something was committed.",
        age(of.last_commit_at),
    );
    page.gauges(
        "last_checkpoint_age_seconds",
        "Time since a snapshot was committed; absent before the first.",
        age(of.last_snapshot_at),
    );
    page.histograms(
        "commit_seconds",
        "How long commits took.",
        vec![histogram(&[], &of.commit, SECONDS)],
    );
    if of.last_snapshot_at.is_some() {
        page.gauges(
            "last_checkpoint_bytes",
            "Bytes of the last snapshot.",
            vec![gauge(&[], of.snapshot_bytes as f64)],
        );
        page.gauges(
            "last_checkpoint_stop_seconds",
            "How long no record was read for the last snapshot.",
            vec![gauge(&[], of.last_snapshot_stop_us as f64 / 1e6)],
        );
        page.histograms(
            "checkpoint_seconds",
            "How long snapshots took to write.",
            vec![histogram(&[], &of.snapshot, SECONDS)],
        );
    }
}

fn each(status: &DetectorStatus, metric: impl Fn(&str, &StreamStatus) -> Metric) -> Vec<Metric> {
    let streams = status.streams.iter();
    streams
        .map(|(stream, of)| metric(stream.name(), of))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::testing::{NOW, status};

    fn check(status: &DetectorStatus, lines: &[&str]) -> String {
        let text = status_metrics(status, NOW).unwrap();
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "{line}\n{text}");
        }
        text
    }

    #[test]
    fn everything_that_is_known_is_there_with_its_help_and_unit() {
        let partition = "stream=\"sensors\",topic=\"sensor-data_2\",partition=\"1\"";
        check(
            &status(),
            &[
                "# TYPE flagged_sessions_total counter",
                "flagged_sessions_total 4",
                "# TYPE pipeline_latency_ms histogram",
                "pipeline_latency_ms_bucket{stream=\"sensors\",le=\"5\"} 2",
                "pipeline_latency_ms_sum{stream=\"sensors\"} 94.9",
                "floodmark_detector_consumed_records_total{stream=\"sensors\"} 12345",
                "floodmark_detector_late_events_total{stream=\"sensors\"} 3",
                "floodmark_detector_dead_letters_total{stream=\"sensors\"} 2",
                "floodmark_detector_state_keys{stream=\"sensors\"} 40",
                "floodmark_detector_state_disk_keys{stream=\"sensors\"} 30",
                "floodmark_detector_state_disk_bytes{stream=\"sensors\"} 2048",
                "floodmark_detector_state_disk_reads_total{stream=\"sensors\"} 90",
                "floodmark_detector_state_file_bytes 12288",
                "floodmark_detector_restarts_total 1",
                "floodmark_detector_phase{phase=\"running\"} 1",
                "floodmark_detector_phase{phase=\"waiting\"} 0",
                "floodmark_detector_time_ratio{what=\"blocked\"} 0.2",
                &format!("floodmark_detector_consumer_lag_records{{{partition}}} 9"),
                &format!("floodmark_detector_watermark_lag_seconds{{{partition}}} 4.5"),
                "floodmark_detector_last_checkpoint_age_seconds 12",
                "floodmark_detector_last_checkpoint_bytes 65536",
                "floodmark_detector_last_checkpoint_stop_seconds 0.0017",
                "floodmark_detector_commit_seconds_count 1",
                "floodmark_detector_read_ahead_limit_bytes 67108864",
            ],
        );
    }

    #[test]
    fn what_is_not_known_yet_is_absent() {
        let text = check(
            &DetectorStatus::default(),
            &["floodmark_detector_phase{phase=\"starting\"} 1"],
        );
        for name in ["consumer_lag", "age_seconds", "checkpoint", "consumed"] {
            assert!(!text.contains(name), "{name}\n{text}");
        }
    }
}
