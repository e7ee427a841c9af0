//! Which keys are taken where not all can be: keys that one label names are taken together, or not at all.

use std::collections::BTreeMap;

use floodmark_contracts::key::KeyType;

use crate::{bootstrap::Draws, scope::Scope};

/// The keys that labels name, numbered in the order in which they come.
pub(super) struct Naming {
    /// By number: the type of the key.
    pub(super) types: Vec<KeyType>,
    /// Numbers of the keys of all labels, one label behind the other.
    of_labels: Vec<usize>,
    /// By position of a label: where its numbers end.
    ends: Vec<usize>,
}

/// What is taken.
pub(super) struct Taken {
    /// By number: whether a key is taken.
    pub(super) keys: Vec<bool>,
    /// By position: whether a label is.
    pub(super) labels: Vec<bool>,
    /// Share of the labels and of the alerts on their keys that is taken, both counted alike.
    pub(super) share: f64,
}

impl Naming {
    pub(super) fn new(scope: &Scope<'_>) -> Self {
        // The scope's own numbers depend on the order of alerts, but tell keys apart.
        let mut numbers = vec![usize::MAX; scope.keys.len()];
        let mut naming = Self {
            types: Vec::new(),
            of_labels: Vec::new(),
            ends: Vec::with_capacity(scope.labels.len()),
        };
        for (position, label) in scope.labels.iter().enumerate() {
            for (key, in_scope) in label.keys.iter().zip(scope.keys_of(position)) {
                let number = &mut numbers[*in_scope as usize];
                if *number == usize::MAX {
                    *number = naming.types.len();
                    naming.types.push(key.key_type);
                }
                naming.of_labels.push(*number);
            }
            naming.ends.push(naming.of_labels.len());
        }
        naming
    }

    /// The numbers of all labels' keys, in the order of the labels.
    pub(super) fn of_labels(&self) -> &[usize] {
        &self.of_labels
    }

    /// How many keys of each type there are.
    pub(super) fn counts(&self) -> BTreeMap<KeyType, u64> {
        let mut counts = BTreeMap::new();
        for key_type in &self.types {
            *counts.entry(*key_type).or_default() += 1;
        }
        counts
    }

    /// The numbers of each label's keys.
    fn labels(&self) -> impl Iterator<Item = &[usize]> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| &self.of_labels[start..*end])
    }

    /// By number of a key: the number of the key that stands for its group.
    fn groups(&self) -> Vec<usize> {
        let mut above: Vec<usize> = (0..self.types.len()).collect();
        for keys in self.labels() {
            for pair in keys.windows(2) {
                let (one, other) = (top(&mut above, pair[0]), top(&mut above, pair[1]));
                above[one.max(other)] = one.min(other);
            }
        }
        (0..above.len()).map(|key| top(&mut above, key)).collect()
    }

    /// Takes groups in a random order as long as they are no more than the `wanted` share of all, a label counted as one
    /// and a key as the alerts that are expected on it. Where each group is more than that, the first is taken.
    pub(super) fn take(
        &self,
        alerts_per_key: &BTreeMap<KeyType, f64>,
        wanted: f64,
        seed: u64,
    ) -> Taken {
        if wanted >= 1.0 {
            return Taken {
                keys: vec![true; self.types.len()],
                labels: vec![true; self.ends.len()],
                share: 1.0,
            };
        }
        let group_of = self.groups();
        let mut weight = vec![0.0; self.types.len()];
        for (key_type, group) in self.types.iter().zip(&group_of) {
            weight[*group] += alerts_per_key.get(key_type).copied().unwrap_or(0.0);
        }
        let of_label = |keys: &[usize]| keys.first().map(|key| group_of[*key]);
        for group in self.labels().filter_map(of_label) {
            weight[group] += 1.0;
        }
        let whole: f64 = weight.iter().sum();
        let mut order: Vec<usize> = (0..weight.len()).filter(|n| group_of[*n] == *n).collect();
        order.sort_by_cached_key(|group| Draws(seed ^ ((*group as u64) << 20)).next());
        let mut is_taken = vec![false; weight.len()];
        let mut sum = 0.0;
        for group in &order {
            if sum == 0.0 || sum + weight[*group] <= whole * wanted {
                sum += weight[*group];
                is_taken[*group] = true;
            }
        }
        let label = |keys: &[usize]| of_label(keys).is_some_and(|group| is_taken[group]);
        Taken {
            labels: self.labels().map(label).collect(),
            keys: group_of.iter().map(|group| is_taken[*group]).collect(),
            share: sum / whole,
        }
    }
}

/// The top of a key's tree, halving the way to it.
fn top(above: &mut [usize], mut key: usize) -> usize {
    while above[key] != key {
        above[key] = above[above[key]];
        key = above[key];
    }
    key
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::{key::TypedKey, kind::Kind, label::Label, profile::ScoringSection};

    use super::*;
    use crate::{alerts::Alerts, scope::Bounds, settings::Settings, support::label};

    fn naming(labels: &[Label]) -> Naming {
        let bounds = Bounds::default();
        let settings = Settings::read(&ScoringSection::default()).unwrap();
        Naming::new(&Scope::new(labels, Alerts::Bare(&[]), bounds, settings))
    }

    fn take(labels: &[Label], wanted: f64) -> Taken {
        let one_alert = BTreeMap::from([(KeyType::Sensor, 1.0)]);
        naming(labels).take(&one_alert, wanted, 1)
    }

    fn chain(n: usize) -> Vec<Label> {
        let next = |i: usize| TypedKey::new(KeyType::Sensor, format!("s{}", i + 1));
        let mut labels: Vec<Label> = (0..n)
            .map(|i| label(&format!("L{i}"), Kind::SensorSpike, &format!("s{i}"), 0, 1))
            .collect();
        for (i, label) in labels.iter_mut().enumerate() {
            label.keys.push(next(i));
        }
        labels
    }

    #[test]
    fn a_share_of_the_keys_is_taken_and_labels_stay_whole() {
        // Twenty chains of five labels over six keys each.
        let mut labels = Vec::new();
        for n in 0..20 {
            for mut label in chain(5) {
                for key in &mut label.keys {
                    key.id = format!("{n}-{}", key.id);
                }
                labels.push(label);
            }
        }
        let taken = take(&labels, 0.5);
        let n_taken = taken.labels.iter().filter(|it| **it).count();
        assert_eq!((n_taken, taken.share), (50, 0.5));
        let naming = naming(&labels);
        for (keys, is_taken) in naming.labels().zip(&taken.labels) {
            assert!(
                keys.iter().all(|key| taken.keys[*key] == *is_taken),
                "{keys:?}"
            );
        }
    }

    #[test]
    fn what_hangs_together_as_a_whole_is_taken_whole() {
        let labels = chain(10);
        let taken = take(&labels, 0.1);
        assert!(taken.labels.iter().all(|it| *it));
        assert_eq!(taken.share, 1.0);
    }
}
