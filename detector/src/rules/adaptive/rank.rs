//! How rare a value is among its own past.
//!
//! ```text
//! bin(f) = clamp(floor(16 log2 f) + 512, 0, 1023),  f = 0 in bin 0
//! c = mass in bins >= bin(f),  T = the whole mass,  X = the decaying maximum
//! r = -log10((c + 1) / (T + 1)),  and log10(f / X) more where c < 0.5 and f > X > 0
//! ```
//! Mass is forgotten with a time constant of `tau` rows. Instead of shrinking all bins with every row, the
//! weight of a new row grows, and all is scaled back now and then; `c` and `T` are in weights of the present row.

use serde::{Deserialize, Serialize};

use crate::runtime::heap_of;

/// Bins: 16 an octave, over 64 octaves. Four an octave were found to tell too little apart.
const BINS: usize = 1024;

/// Bins an octave.
const PER_OCTAVE: f64 = 16.0;

/// The bin of the value 1.
const MIDDLE: f64 = 512.0;

/// Rows before anything is said: a rank among fewer says little.
const WARM_UP_ROWS: u32 = 100;

/// Weight of a row at which all is scaled back: far below where single precision loses rows.
const HEAVIEST: f64 = 1000.0;

/// Ranks below this are rounding: the least that mass can make is five times as much. They are 0, or the
/// second rank would find them rare in a series in which nothing happens.
const LEAST: f64 = 1e-5;

/// The past of one value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Rank {
    mass: Mass,
    weight: f64,
    most: f64,
    rows: u32,
}

impl Rank {
    /// Bytes that it holds on the heap.
    #[must_use]
    pub(super) fn heap(&self) -> usize {
        heap_of(&self.mass.0)
    }

    /// How rare `value`, which is 0 or more, is among what came before; after that it is a part of it.
    pub(super) fn of(&mut self, value: f64, tau: f64) -> f64 {
        if self.rows == 0 {
            self.weight = 1.0;
        }
        let bin = bin(value);
        let rank = if self.rows < WARM_UP_ROWS {
            0.0
        } else {
            self.rarity(value, bin)
        };
        self.weight *= 1.0 + 1.0 / tau;
        self.mass.add(bin, self.weight);
        self.most = value.max(self.most * (1.0 - 1.0 / tau));
        self.rows = self.rows.saturating_add(1);
        if self.weight > HEAVIEST {
            self.mass.scale(1.0 / self.weight);
            self.weight = 1.0;
        }
        rank
    }

    fn rarity(&self, value: f64, bin: usize) -> f64 {
        let above = self.mass.from(bin) / self.weight;
        let total = self.mass.from(0) / self.weight;
        let rank = -((above + 1.0) / (total + 1.0)).log10();
        // A record by a wide margin counts for more than one by a hair.
        let margin = if above < 0.5 && value > self.most && self.most > 0.0 {
            (value / self.most).log10()
        } else {
            0.0
        };
        if rank < LEAST { margin } else { rank + margin }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value is clamped to the bins"
)]
fn bin(value: f64) -> usize {
    if value <= 0.0 {
        return 0;
    }
    (PER_OCTAVE * value.log2() + MIDDLE)
        .floor()
        .clamp(0.0, (BINS - 1) as f64) as usize
}

/// Mass by bin, as a Fenwick tree that counts from the highest bin down: the sum over the highest bins, which is
/// mostly small, is then a sum of small numbers and no difference of large ones.
#[derive(Debug, Clone, PartialEq)]
struct Mass(Vec<f32>);

impl Default for Mass {
    fn default() -> Self {
        Self(vec![0.0; BINS + 1])
    }
}

impl Mass {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "single precision is what a bin has"
    )]
    fn add(&mut self, bin: usize, weight: f64) {
        let mut node = BINS - bin;
        while node <= BINS {
            self.0[node] += weight as f32;
            node += node & node.wrapping_neg();
        }
    }

    /// Mass in `bin` and above.
    fn from(&self, bin: usize) -> f64 {
        let mut node = BINS - bin;
        let mut sum = 0.0;
        while node > 0 {
            sum += f64::from(self.0[node]);
            node &= node - 1;
        }
        sum
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "single precision is what a bin has"
    )]
    fn scale(&mut self, factor: f64) {
        for node in &mut self.0 {
            *node *= factor as f32;
        }
    }
}

/// Most bins stay empty, so only nodes with mass are saved.
impl Serialize for Mass {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let nodes: Vec<(u16, f32)> = (0u16..)
            .zip(&self.0)
            .filter(|(_, mass)| **mass != 0.0)
            .map(|(node, mass)| (node, *mass))
            .collect();
        nodes.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Mass {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut mass = Self::default();
        for (node, saved) in Vec::<(u16, f32)>::deserialize(deserializer)? {
            let place = mass.0.get_mut(usize::from(node));
            *place.ok_or_else(|| serde::de::Error::custom("a bin beyond the last"))? = saved;
        }
        Ok(mass)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The formula as it stands above, over all values so far.
    fn plain(past: &[f64], value: f64, tau: f64) -> f64 {
        let age = |i: usize| i32::try_from(past.len() - 1 - i).unwrap();
        let weight = |i: usize| (1.0 + 1.0 / tau).powi(-age(i));
        let total: f64 = (0..past.len()).map(weight).sum();
        let above: f64 = (0..past.len())
            .filter(|i| bin(past[*i]) >= bin(value))
            .map(weight)
            .sum();
        let most = past
            .iter()
            .fold(0.0f64, |most, f| f.max(most * (1.0 - 1.0 / tau)));
        let margin = if above < 0.5 && value > most && most > 0.0 {
            (value / most).log10()
        } else {
            0.0
        };
        -((above + 1.0) / (total + 1.0)).log10() + margin
    }

    fn check(values: &[f64], tau: f64) {
        let mut rank = Rank::default();
        for (i, value) in values.iter().enumerate() {
            let found = rank.of(*value, tau);
            let wanted = if i < 100 {
                0.0
            } else {
                plain(&values[..i], *value, tau)
            };
            assert!(
                (found - wanted).abs() < 1e-4,
                "row {i}: {found}, not {wanted}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]
        /// forall series: the rank is that of the formula, whatever is scaled back on the way.
        #[test]
        fn ranks_are_those_of_the_formula(
            values in prop::collection::vec(prop_oneof![Just(0.0), 1e-30f64..1e30, 0.9f64..1.1], 110..400),
            tau in prop_oneof![Just(10.0), Just(50.0), Just(4000.0)],
        ) {
            check(&values, tau);
        }
    }

    #[test]
    fn a_record_by_far_ranks_above_one_by_a_hair_and_both_above_the_ordinary() {
        let mut rank = Rank::default();
        for i in 0..1000 {
            rank.of(1.0 + f64::from(i % 10) / 10.0, 8000.0);
        }
        let of = |value| rank.clone().of(value, 8000.0);
        assert!(of(1.0) < 0.01, "all are at least as large");
        assert!((of(1.9) - 1.0).abs() < 0.01, "a tenth is");
        assert!((of(2.0) - 3.0).abs() < 0.1, "none is, of a thousand");
        assert!((of(200.0) - of(2.0) - 2.0).abs() < 0.01);
    }

    #[test]
    fn a_saved_rank_goes_on_where_it_was_and_takes_little_room() {
        let mut rank = Rank::default();
        for i in 0..5000 {
            rank.of(f64::from(i % 97) + 3.0, 300.0);
        }
        let bytes = postcard::to_stdvec(&rank).unwrap();
        assert!(bytes.len() < 2048, "{}", bytes.len());
        let mut loaded: Rank = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(loaded, rank);
        assert_eq!(loaded.of(150.0, 300.0), rank.of(150.0, 300.0));
    }
}
