//! A running detector as a page and as metrics.

mod graph;
mod metrics;
mod page;

pub use self::{metrics::status_metrics, page::status_html};

#[cfg(test)]
mod testing {
    use std::collections::BTreeMap;

    use floodmark_contracts::{
        clock::{EventTime, WallTime},
        status::{DetectorStatus, PartitionStatus, Phase, PipelineStatus, StateSize, StreamStatus},
        stream::Stream,
    };

    /// When everything in the tests is.
    pub(super) const NOW: WallTime = WallTime(1_749_531_700_000_000);

    /// A detector at work.
    pub(super) fn status() -> DetectorStatus {
        let of = StreamStatus {
            consumed: 12_345,
            per_s: 250.0,
            late: 3,
            dead_letters: 2,
            state: StateSize {
                keys: 40,
                waiting: 7,
                bytes: 4096,
                disk_keys: 30,
                disk_bytes: 2048,
                disk_reads: 90,
            },
        };
        let partition = |partition, lag, paused| PartitionStatus {
            topic: "sensor-data_2".to_owned(),
            partition,
            of: "sensors".to_owned(),
            position: Some(6_000),
            lag,
            watermark: Some(EventTime(1_749_531_695_500)),
            at_end: lag == Some(0),
            paused,
        };
        let mut status = DetectorStatus {
            version: "0.1.0".to_owned(),
            pid: 4711,
            group: "floodmark-detector".to_owned(),
            delivery: "exactly-once".to_owned(),
            started_at: WallTime(NOW.0 - 100_000_000),
            at: WallTime(NOW.0 - 100_000),
            phase: Phase::Running,
            restarts: 1,
            restarts_left: 2,
            state_file_bytes: 12_288,
            last_failure: Some("poll: <no broker> answered".to_owned()),
            pipelines: vec![PipelineStatus {
                name: "sensors".to_owned(),
                does: "sliding windows".to_owned(),
                inputs: vec!["sensor-data_2".to_owned()],
                outputs: vec!["anomalies".to_owned(), "dead-letters".to_owned()],
            }],
            streams: BTreeMap::from([(Stream::Sensors, of)]),
            partitions: vec![partition(0, Some(0), false), partition(1, Some(9), true)],
            ..DetectorStatus::default()
        };
        let spans = status.latency.entry("sensors".to_owned()).or_default();
        for us in [900, 4_000, 90_000] {
            spans.record(us);
        }
        status.written.alerts = 5;
        status.written.flags = 4;
        let of = &mut status.checkpoints;
        (of.commits, of.aborts, of.snapshots) = (90, 1, 3);
        of.last_commit_at = Some(WallTime(NOW.0 - 50_000));
        of.last_snapshot_at = Some(WallTime(NOW.0 - 12_000_000));
        (of.last_snapshot_us, of.snapshot_bytes) = (2_500, 65_536);
        of.last_snapshot_stop_us = 1_700;
        of.commit.record(1_500);
        let pressure = &mut status.pressure;
        (pressure.idle, pressure.busy, pressure.blocked) = (0.5, 0.3, 0.2);
        (pressure.read_ahead, pressure.read_ahead_limit_kib) = (120, 65_536);
        (pressure.paused, pressure.pauses) = (1, 6);
        status
    }
}
