//! Rebalances of the subject's group, as far as a look once a second shows them.
//!
//! The coordinator keeps no log of them. A look at the group tells its state and who has which partitions, so that a
//! rebalance shows while it goes on, or afterwards in what it changed. Two of them between two looks count as one, and one
//! that begins and ends between two looks and leaves everything as it was is not seen.

use std::collections::{BTreeMap, BTreeSet};

use floodmark_contracts::{clock::WallTime, record::SeriesRow};
use floodmark_kafka::{TopicPartition, admin::GroupDescription};

/// Which member has which partitions.
type Owners = BTreeMap<String, BTreeSet<TopicPartition>>;

/// What the looks at a group have shown.
#[derive(Debug, Default)]
pub(super) struct GroupWatch {
    /// Who had what when the group was last at rest; none before that.
    settled: Option<Owners>,
    /// A rebalance went on at the last look.
    is_moving: bool,
    looks: Vec<Look>,
}

/// One look.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: WallTime,
    members: usize,
    saw_rebalance: bool,
}

impl GroupWatch {
    /// Takes note of what the group is at an instant.
    pub(super) fn observe(&mut self, at: WallTime, group: &GroupDescription) {
        let saw_rebalance = match group.state.as_str() {
            "PreparingRebalance" | "CompletingRebalance" => {
                !std::mem::replace(&mut self.is_moving, true)
            }
            _ => self.settle(owners(group)),
        };
        self.looks.push(Look {
            at,
            members: group.members.len(),
            saw_rebalance,
        });
    }

    /// The group is at rest; whether it came to that by a rebalance that no look has seen yet.
    fn settle(&mut self, owners: Owners) -> bool {
        let was_seen = std::mem::take(&mut self.is_moving);
        // Where all members went there is nothing to share out; that they come back is a rebalance. The first look finds
        // the group that was waited for.
        let is_news = !owners.is_empty()
            && self
                .settled
                .as_ref()
                .is_some_and(|before| *before != owners);
        self.settled = Some(owners);
        is_news && !was_seen
    }

    /// Rows of `members` and `rebalances` from `start`, two for each second with a look.
    pub(super) fn rows(&self, start: WallTime) -> Vec<SeriesRow> {
        let mut by_second: BTreeMap<i64, (usize, u32)> = BTreeMap::new();
        for look in &self.looks {
            let second = look.at.offset_from(start).0.div_euclid(1_000_000) + 1;
            let (members, rebalances) = by_second.entry(second).or_default();
            *members = look.members;
            *rebalances += u32::from(look.saw_rebalance);
        }
        let row = |t, metric: &str, value| SeriesRow {
            t,
            metric: metric.to_owned(),
            value,
            ..SeriesRow::default()
        };
        let rows = by_second
            .into_iter()
            .flat_map(|(t, (members, rebalances))| {
                [
                    row(t, "members", members as f64),
                    row(t, "rebalances", f64::from(rebalances)),
                ]
            });
        rows.collect()
    }
}

fn owners(group: &GroupDescription) -> Owners {
    let members = group.members.iter();
    members
        .map(|member| {
            (
                member.id.clone(),
                member.partitions.iter().cloned().collect(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use floodmark_kafka::admin::GroupMember;

    use super::*;

    /// A group as it is written here: `Stable a=0,1 b=2`.
    fn group(text: &str) -> GroupDescription {
        let mut words = text.split(' ');
        let state = words.next().unwrap_or_default().to_owned();
        let member = |word: &str| {
            let (id, partitions) = word.split_once('=').unwrap();
            let partitions = partitions
                .split(',')
                .map(|p| TopicPartition::new("t", p.parse().unwrap()));
            GroupMember {
                id: id.to_owned(),
                client_id: String::new(),
                host: String::new(),
                partitions: partitions.collect(),
            }
        };
        GroupDescription {
            name: "g".to_owned(),
            state,
            members: words.map(member).collect(),
        }
    }

    /// One look a second; the seconds at whose end a rebalance had been seen.
    fn check(looks: &[&str], expected: &[i64]) {
        let mut watch = GroupWatch::default();
        for (second, look) in (0i64..).zip(looks) {
            watch.observe(WallTime(second * 1_000_000 + 500_000), &group(look));
        }
        let rows = watch.rows(WallTime(0));
        assert_eq!(rows.len(), 2 * looks.len(), "each look leaves two rows");
        let seen = rows
            .iter()
            .filter(|row| row.metric == "rebalances" && row.value > 0.0);
        let seen: Vec<i64> = seen.map(|row| row.t).collect();
        assert_eq!(seen, expected, "{looks:?}");
    }

    #[test]
    fn a_group_that_stays_as_it_was_has_no_rebalance() {
        check(&["Stable a=0,1", "Stable a=1,0", "Stable a=0,1"], &[]);
    }

    #[test]
    fn a_change_of_who_has_what_is_one_rebalance() {
        check(
            &[
                "Stable a=0,1",
                "Stable a=0 b=1",
                "Stable a=0 b=1",
                "Stable a=0,1",
            ],
            &[2, 4],
        );
    }

    #[test]
    fn a_rebalance_that_goes_on_for_several_looks_is_one() {
        let looks = [
            "Stable a=0,1",
            "PreparingRebalance a=0,1",
            "CompletingRebalance a=0 b=1",
            "Stable a=0 b=1",
        ];
        check(&looks, &[2]);
        check(
            &[
                "Stable a=0",
                "PreparingRebalance a=0",
                "Stable a=0",
                "PreparingRebalance a=0",
            ],
            &[2, 4],
        );
    }

    #[test]
    fn members_that_come_back_are_a_rebalance_and_their_going_is_none() {
        check(&["Stable a=0", "Empty", "Empty", "Stable b=0"], &[4]);
        check(&["Empty", "Empty"], &[]);
    }

    #[test]
    fn the_number_of_members_is_that_of_the_last_look_in_a_second() {
        let mut watch = GroupWatch::default();
        watch.observe(WallTime(100_000), &group("Stable a=0 b=1"));
        watch.observe(WallTime(900_000), &group("Stable a=0,1"));
        let rows = watch.rows(WallTime(0));
        let values: Vec<(i64, &str, f64)> = rows
            .iter()
            .map(|row| (row.t, row.metric.as_str(), row.value))
            .collect();
        assert_eq!(values, [(1, "members", 1.0), (1, "rebalances", 1.0)]);
    }
}
