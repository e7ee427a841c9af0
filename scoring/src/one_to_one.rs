//! One-to-one matching: the strict, secondary level.
//!
//! `m` is the size of a *maximum* bipartite matching of alerts with labels; precision is `m / M`,
//! recall `m / N`. Taking pairs greedily instead loses some wherever windows overlap.

use std::collections::VecDeque;

/// Not reached in the current phase.
const FAR: u32 = u32::MAX;

/// No alert, or no label.
const NONE: u32 = u32::MAX;

/// Size of a maximum matching, where `candidates[a]` lists the labels that alert `a` may take, out of
/// `n_labels`.
///
/// Hopcroft and Karp, *An n^5/2 algorithm for maximum matchings in bipartite graphs*, SIAM Journal on
/// Computing 2, 1973: `O(pairs * sqrt(alerts + labels))`.
///
/// ```
/// // The first alert could take either label, the second only label 0.
/// let matched = floodmark_scoring::one_to_one::maximum_matching(&[vec![0, 1], vec![0]], 2);
/// assert_eq!(matched, 2);
/// ```
#[must_use]
pub fn maximum_matching(candidates: &[Vec<usize>], n_labels: usize) -> usize {
    let mut graph = Candidates::with_capacity(candidates.iter().map(Vec::len).sum());
    for labels in candidates {
        graph.push(
            labels
                .iter()
                .map(|label| u32::try_from(*label).unwrap_or(u32::MAX)),
        );
    }
    size_of_maximum(&graph, n_labels)
}

/// The labels that each alert may take, in one piece of memory.
#[derive(Debug)]
pub(crate) struct Candidates {
    labels: Vec<u32>,
    /// Where the labels of each alert begin, and where the last ones end.
    begins: Vec<u32>,
}

impl Candidates {
    /// For so many pairs.
    pub(crate) fn with_capacity(n_pairs: usize) -> Self {
        Self {
            labels: Vec::with_capacity(n_pairs),
            begins: vec![0],
        }
    }

    /// Adds an alert.
    pub(crate) fn push(&mut self, labels: impl Iterator<Item = u32>) {
        self.labels.extend(labels);
        let end = u32::try_from(self.labels.len()).unwrap_or(u32::MAX);
        self.begins.push(end);
    }

    /// Number of alerts.
    fn len(&self) -> usize {
        self.begins.len() - 1
    }

    fn of(&self, alert: usize) -> &[u32] {
        &self.labels[self.begins[alert] as usize..self.begins[alert + 1] as usize]
    }
}

/// [`maximum_matching`] of alerts that are put together already.
pub(crate) fn size_of_maximum(candidates: &Candidates, n_labels: usize) -> usize {
    let mut search = Search {
        candidates,
        alert_of: vec![NONE; n_labels],
        label_of: vec![NONE; candidates.len()],
        layer: vec![FAR; candidates.len()],
        next: vec![0; candidates.len()],
    };
    let mut matched = 0;
    while search.build_layers() {
        search.next.fill(0);
        for alert in 0..candidates.len() {
            if search.label_of[alert] == NONE && search.augment(alert) {
                matched += 1;
            }
        }
    }
    matched
}

struct Search<'a> {
    candidates: &'a Candidates,
    /// The alert that has each label, or [`NONE`].
    alert_of: Vec<u32>,
    /// The label that each alert has, or [`NONE`].
    label_of: Vec<u32>,
    layer: Vec<u32>,
    next: Vec<u32>,
}

impl Search<'_> {
    /// Breadth first from the free alerts; true if a free label can be reached.
    fn build_layers(&mut self) -> bool {
        let mut queue = VecDeque::new();
        for alert in 0..self.candidates.len() {
            self.layer[alert] = if self.label_of[alert] == NONE { 0 } else { FAR };
            if self.layer[alert] == 0 {
                queue.push_back(alert);
            }
        }
        let mut reaches_free = false;
        while let Some(alert) = queue.pop_front() {
            for &label in self.candidates.of(alert) {
                match self.alert_of[label as usize] {
                    NONE => reaches_free = true,
                    owner if self.layer[owner as usize] == FAR => {
                        self.layer[owner as usize] = self.layer[alert] + 1;
                        queue.push_back(owner as usize);
                    }
                    _ => {}
                }
            }
        }
        reaches_free
    }

    /// Depth first along the layers from a free alert to a free label, and takes the path over. An
    /// explicit stack: paths can be as long as the run has alerts.
    fn augment(&mut self, start: usize) -> bool {
        let mut path: Vec<(usize, u32)> = Vec::new();
        let mut alert = start;
        loop {
            let next = self.next[alert] as usize;
            match self.candidates.of(alert).get(next).copied() {
                Some(label) => {
                    self.next[alert] += 1;
                    match self.alert_of[label as usize] {
                        NONE => {
                            path.push((alert, label));
                            self.take_over(&path);
                            return true;
                        }
                        owner if self.follows(owner, alert) => {
                            path.push((alert, label));
                            alert = owner as usize;
                        }
                        _ => {}
                    }
                }
                None => {
                    self.layer[alert] = FAR;
                    match path.pop() {
                        Some((previous, _)) => alert = previous,
                        None => return false,
                    }
                }
            }
        }
    }

    /// Whether an alert stands in the layer behind another's.
    fn follows(&self, owner: u32, alert: usize) -> bool {
        self.layer[owner as usize] == self.layer[alert].wrapping_add(1)
    }

    /// Gives each alert of a path the label that it reached.
    fn take_over(&mut self, path: &[(usize, u32)]) {
        for (alert, label) in path {
            self.label_of[*alert] = *label;
            self.alert_of[*label as usize] = u32::try_from(*alert).unwrap_or(NONE);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Tries every alert with every label or none.
    fn brute_force(candidates: &[Vec<usize>], taken: &mut Vec<bool>) -> usize {
        let Some((first, rest)) = candidates.split_first() else {
            return 0;
        };
        let mut best = brute_force(rest, taken);
        for &label in first {
            if !taken[label] {
                taken[label] = true;
                best = best.max(1 + brute_force(rest, taken));
                taken[label] = false;
            }
        }
        best
    }

    #[test]
    fn greedy_would_lose_a_pair_here() {
        assert_eq!(maximum_matching(&[vec![0, 1], vec![0], vec![1, 2]], 3), 3);
    }

    #[test]
    fn nothing_matches_nothing() {
        assert_eq!(maximum_matching(&[], 3), 0);
        assert_eq!(maximum_matching(&[vec![], vec![]], 0), 0);
    }

    #[test]
    fn a_path_through_every_alert_needs_no_deep_stack() {
        let n = 50_000;
        let mut candidates: Vec<Vec<usize>> = (0..n).map(|i| vec![i, i + 1]).collect();
        candidates.push(vec![0]);
        assert_eq!(maximum_matching(&candidates, n + 1), n + 1);
    }

    proptest! {
        /// forall small graphs: the matching is as large as trying everything finds.
        #[test]
        fn equals_brute_force(candidates in prop::collection::vec(prop::collection::vec(0usize..5, 0..4), 0..6)) {
            let best = brute_force(&candidates, &mut vec![false; 5]);
            prop_assert_eq!(maximum_matching(&candidates, 5), best);
        }
    }
}
