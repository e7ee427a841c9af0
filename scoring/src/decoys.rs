//! Decoys: how often a detector alerts on what only looks like an incident.
//!
//! A decoy counts as alerted if a false alert is a candidate of it, by the rules that hold for incidents:
//! the same keys and tolerances. Its alerts stay among the false ones, so they cost precision as any other.
//! ```text
//! share = decoys with a false alert / decoys
//! ```

use std::collections::{BTreeMap, BTreeSet};

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
    let counted: Vec<(u32, Kind)> = (0u32..)
        .zip(scope.labels)
        .filter(|(i, _)| scope.standings[*i as usize] == Standing::Decoy)
        .map(|(i, label)| (i, label.kind))
        .collect();
    let kinds: BTreeSet<Kind> = counted.iter().map(|(_, kind)| *kind).collect();
    let of = |wanted: Option<Kind>| {
        let is_wanted = |kind: Kind| wanted.is_none_or(|wanted| wanted == kind);
        let decoys = counted.iter().filter(|(_, kind)| is_wanted(*kind)).count() as u64;
        let pairs = found
            .decoy_pairs
            .iter()
            .filter(|(_, label)| is_wanted(scope.labels[*label as usize].kind));
        let (mut alerts, mut alerted) = (BTreeSet::new(), BTreeSet::new());
        for (alert, label) in pairs {
            alerts.insert(*alert);
            alerted.insert(*label);
        }
        let n_alerted = alerted.len() as u64;
        DecoyScores {
            decoys,
            alerted: n_alerted,
            alerts: alerts.len() as u64,
            share: share(n_alerted, decoys),
            interval: wilson(n_alerted, decoys, CONFIDENCE),
        }
    };
    Decoys {
        overall: of(None),
        per_kind: kinds
            .into_iter()
            .map(|kind| (kind, of(Some(kind))))
            .collect(),
    }
}
