//! What the partitions found about groups of sensors, put together.

use std::collections::BTreeMap;

use floodmark_contracts::{clock::EventTime, key::KeyType};
use serde::{Deserialize, Serialize};

use super::super::{GROUPS, alert};
use crate::{
    finding::{HeldAlert, Output},
    hash::Fnv,
    rules::{
        group_distance::GroupDistance,
        group_failure::{EXPLAINS_MS, GroupFailure, Steps},
    },
    runtime::{
        Frozen, MergedWindows, Merger, Packet, Part, Reader, Saved, SavedError, Source, Window,
        encoded, merge::Accepted, together,
    },
};

/// A partition's part of what a group of sensors does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum GroupPart {
    /// What its sensors' levels did right before a window.
    Steps(Window, String, Steps),
    /// A sensor of the group has shifted, if it was not the whole group.
    Shift(String, HeldAlert),
}

impl Part for GroupPart {
    fn packet(&self) -> Result<Packet, SavedError> {
        let (Self::Steps(_, group, _) | Self::Shift(group, _)) = self;
        Packet::new(GROUPS, Fnv::new().text(group).short(), self)
    }
}

/// Puts groups together, each of whose sensors is in one partition. A sensor's shift waits until it is
/// known whether its group made it.
#[derive(Debug)]
pub struct GroupMerger {
    windows: MergedWindows<String, Steps>,
    rule: GroupFailure,
    distance: GroupDistance,
    /// From which distance on groups are reported, where that rule runs.
    threshold: Option<f64>,
    /// By the time at which they are due, and by sensor.
    shifts: BTreeMap<(EventTime, String), (String, HeldAlert)>,
}

impl GroupMerger {
    /// A merger without state; with a threshold, distances of groups are looked at too.
    #[must_use]
    pub fn new(threshold: Option<f64>) -> Self {
        Self {
            windows: MergedWindows::new(0),
            rule: GroupFailure::default(),
            distance: GroupDistance::default(),
            threshold,
            shifts: BTreeMap::new(),
        }
    }
}

impl Merger for GroupMerger {
    type Partial = GroupPart;
    type Output = Output;

    fn accept(&mut self, source: Source, part: GroupPart, _: &mut Vec<Output>) -> bool {
        match part {
            GroupPart::Steps(window, group, steps) => {
                self.windows.put(source, window, group, steps) != Accepted::TooLate
            }
            GroupPart::Shift(group, shift) => {
                let due = shift.0.start.plus_ms(EXPLAINS_MS);
                let sensor = shift.0.key.id.clone();
                self.shifts.insert((due, sensor), (group, shift));
                true
            }
        }
    }

    fn advance(&mut self, to: EventTime, out: &mut Vec<Output>) {
        let Self {
            windows,
            rule,
            distance,
            threshold,
            shifts,
        } = self;
        windows.close(to, |window, groups| {
            for (group, steps) in groups {
                let far = threshold
                    .and_then(|threshold| distance.window(window, &group, &steps, threshold));
                let found = [rule.window(window, &group, &steps), far];
                for finding in found.into_iter().flatten() {
                    out.push(alert(finding, KeyType::Group, &group));
                }
            }
        });
        while let Some(shift) = shifts.first_entry()
            && shift.key().0 <= to
        {
            let ((due, _), (group, shift)) = shift.remove_entry();
            if !rule.explains(&group, shift.0.start, due) {
                out.push(Output::Alert(shift.0));
            }
        }
        rule.sweep(to);
        distance.sweep(to);
    }
}

impl Saved for GroupMerger {
    fn freeze(&mut self) -> Result<Frozen, SavedError> {
        let rules = encoded(&(&self.rule, &self.distance, &self.shifts))?;
        Ok(together([self.windows.freeze(), rules]))
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SavedError> {
        (self.windows, self.rule, self.distance, self.shifts) = from.get()?;
        Ok(())
    }
}
