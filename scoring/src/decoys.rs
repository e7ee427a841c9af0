//! Decoys: how often a detector alerts on what only looks like an incident.
//!
//! A decoy counts as alerted if a false alert is a candidate of it, by the rules that hold for incidents:
//! the same keys and tolerances. Its alerts stay among the false ones, so they cost precision as any other.
//! ```text
//! share = decoys with a false alert / decoys
//! ```

use std::collections::BTreeMap;

use floodmark_contracts::{kind::Kind, result::DecoyScores};

use crate::{
    confusion::share,
    intervals::{CONFIDENCE, wilson},
    matching::Found,
    scope::{Scope, Standing},
};

/// What the decoys say.
pub(crate) struct Decoys {
    pub(crate) overall: DecoyScores,
    pub(crate) per_kind: BTreeMap<Kind, DecoyScores>,
}

/// Counts the decoys that were alerted on.
pub(crate) fn score(scope: &Scope<'_>, found: &Found) -> Decoys {
    let mut overall = Tally::default();
    let mut per_kind: BTreeMap<Kind, Tally> = BTreeMap::new();
    for (label, standing) in scope.labels.iter().zip(&scope.standings) {
        if *standing == Standing::Decoy {
            overall.decoys += 1;
            per_kind.entry(label.kind).or_default().decoys += 1;
        }
    }
    let mut is_alerted = vec![false; scope.labels.len()];
    for &(alert, label) in &found.decoy_pairs {
        let is_first = !std::mem::replace(&mut is_alerted[label as usize], true);
        overall.add(alert, is_first);
        let kind = scope.labels[label as usize].kind;
        per_kind.entry(kind).or_default().add(alert, is_first);
    }
    Decoys {
        overall: overall.scores(),
        per_kind: per_kind
            .into_iter()
            .map(|(kind, tally)| (kind, tally.scores()))
            .collect(),
    }
}

/// Counts over decoys of one kind, or of all.
#[derive(Default)]
struct Tally {
    decoys: u64,
    alerted: u64,
    alerts: u64,
    /// The alert that was counted last: pairs come by alert.
    last: Option<u32>,
}

impl Tally {
    fn add(&mut self, alert: u32, is_first_of_decoy: bool) {
        self.alerted += u64::from(is_first_of_decoy);
        self.alerts += u64::from(self.last.replace(alert) != Some(alert));
    }

    fn scores(&self) -> DecoyScores {
        DecoyScores {
            decoys: self.decoys,
            alerted: self.alerted,
            alerts: self.alerts,
            share: share(self.alerted, self.decoys),
            interval: wilson(self.alerted, self.decoys, CONFIDENCE),
        }
    }
}
