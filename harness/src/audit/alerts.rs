//! The topic of alerts: what came twice, or out of order.

use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    io::{BufRead as _, BufReader},
    path::Path,
};

use floodmark_contracts::{
    audit::{AlertAudit, AlertDifference, DifferenceKind},
    clock::WallTime,
};
use serde::Deserialize;

/// Differences that are kept as examples.
const EXAMPLES: usize = 20;

/// Ids that are remembered: 64 MiB of them. A subject that floods is found out by other means.
const MOST_IDS: usize = 8 << 20;

/// What is known of a run's alerts.
pub struct AlertsOf<'a> {
    /// The file of those that were collected.
    pub file: &'a Path,
    /// How many the subject says it wrote, where it tells.
    pub written: Option<u64>,
}

/// What the audit needs of a line.
#[derive(Deserialize)]
struct Line {
    alert: Id,
    topic: String,
    partition: i32,
    offset: i64,
    appended_at: WallTime,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

/// Walks through the collected alerts once. A file that cannot be read has no alerts: whoever wrote it has
/// said why.
#[must_use]
pub fn audit_alerts(of: &AlertsOf<'_>) -> AlertAudit {
    let mut audit = AlertAudit {
        written: of.written,
        ..AlertAudit::default()
    };
    let Ok(file) = File::open(of.file) else {
        return audit;
    };
    let hasher = BuildHasherDefault::<DefaultHasher>::default();
    let mut seen = HashSet::new();
    let mut last: BTreeMap<(String, i32), WallTime> = BTreeMap::new();
    for line in BufReader::new(file).lines().map_while(Result::ok) {
        let Ok(line) = serde_json::from_str::<Line>(&line) else {
            continue;
        };
        audit.collected += 1;
        let id = hasher.hash_one(&line.alert.id);
        let new = seen.len() >= MOST_IDS || seen.insert(id);
        let place = (line.topic.clone(), line.partition);
        let before = last.insert(place, line.appended_at);
        let ordered = before.is_none_or(|before| before <= line.appended_at);
        for (what, count) in [
            (
                DifferenceKind::Doubled,
                (!new).then_some(&mut audit.doubled),
            ),
            (
                DifferenceKind::Reordered,
                (!ordered).then_some(&mut audit.reordered),
            ),
        ] {
            let Some(count) = count else { continue };
            *count += 1;
            if audit.examples.len() < EXAMPLES {
                audit.examples.push(AlertDifference {
                    what,
                    id: line.alert.id.clone(),
                    topic: line.topic.clone(),
                    partition: line.partition,
                    offset: line.offset,
                });
            }
        }
    }
    audit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_that_come_twice_or_out_of_order_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("alerts.ndjson");
        let line = |id: &str, partition, offset, at| {
            format!(
                "{{\"alert\":{{\"id\":\"{id}\",\"more\":1}},\"topic\":\"t\",\"partition\":{partition},\
                 \"offset\":{offset},\"appended_at\":{at},\"seen_at\":0}}\n"
            )
        };
        let text: String = [
            line("a", 0, 0, 10),
            line("b", 1, 0, 5),
            line("a", 0, 1, 12),
            line("c", 1, 1, 4),
            line("d", 1, 2, 4),
        ]
        .concat();
        std::fs::write(&file, text).unwrap();
        let audit = audit_alerts(&AlertsOf {
            file: &file,
            written: Some(5),
        });
        assert_eq!((audit.collected, audit.written), (5, Some(5)));
        assert_eq!((audit.doubled, audit.reordered), (1, 1));
        let named: Vec<(&str, i64)> = audit
            .examples
            .iter()
            .map(|odd| (odd.id.as_str(), odd.offset))
            .collect();
        assert_eq!(named, [("a", 1), ("c", 1)]);
    }
}
