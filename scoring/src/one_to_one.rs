//! One-to-one matching: the strict, secondary level.
//!
//! `m` is the size of a *maximum* bipartite matching of alerts with labels; precision is `m / M`,
//! recall `m / N`. Taking pairs greedily instead loses some wherever windows overlap.

use std::collections::VecDeque;

/// Not reached in the current phase.
const FAR: u32 = u32::MAX;

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
    let mut search = Search {
        candidates,
        alert_of: vec![None; n_labels],
        label_of: vec![None; candidates.len()],
        layer: vec![FAR; candidates.len()],
        next: vec![0; candidates.len()],
    };
    let mut matched = 0;
    while search.build_layers() {
        search.next.fill(0);
        for alert in 0..candidates.len() {
            if search.label_of[alert].is_none() && search.augment(alert) {
                matched += 1;
            }
        }
    }
    matched
}

struct Search<'a> {
    candidates: &'a [Vec<usize>],
    alert_of: Vec<Option<usize>>,
    label_of: Vec<Option<usize>>,
    layer: Vec<u32>,
    next: Vec<usize>,
}

impl Search<'_> {
    /// Breadth first from the free alerts; true if a free label can be reached.
    fn build_layers(&mut self) -> bool {
        let mut queue = VecDeque::new();
        for alert in 0..self.candidates.len() {
            self.layer[alert] = if self.label_of[alert].is_none() {
                0
            } else {
                FAR
            };
            if self.layer[alert] == 0 {
                queue.push_back(alert);
            }
        }
        let mut reaches_free = false;
        while let Some(alert) = queue.pop_front() {
            for &label in &self.candidates[alert] {
                match self.alert_of[label] {
                    None => reaches_free = true,
                    Some(owner) if self.layer[owner] == FAR => {
                        self.layer[owner] = self.layer[alert] + 1;
                        queue.push_back(owner);
                    }
                    Some(_) => {}
                }
            }
        }
        reaches_free
    }

    /// Depth first along the layers from a free alert to a free label, and takes the path over. An
    /// explicit stack: paths can be as long as the run has alerts.
    fn augment(&mut self, start: usize) -> bool {
        let mut path: Vec<(usize, usize)> = Vec::new();
        let mut alert = start;
        loop {
            match self.candidates[alert].get(self.next[alert]).copied() {
                Some(label) => {
                    self.next[alert] += 1;
                    match self.alert_of[label] {
                        None => {
                            path.push((alert, label));
                            for (alert, label) in path {
                                self.label_of[alert] = Some(label);
                                self.alert_of[label] = Some(alert);
                            }
                            return true;
                        }
                        Some(owner) if self.layer[owner] == self.layer[alert].wrapping_add(1) => {
                            path.push((alert, label));
                            alert = owner;
                        }
                        Some(_) => {}
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
