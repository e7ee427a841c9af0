//! Weighted choice in constant time, by Vose's alias method.

use crate::{
    draw,
    math::{exp, ln},
};

/// A table from which an index is drawn with the probability of its weight: 8 bytes an entry.
#[derive(Debug, Clone)]
pub(crate) struct Alias {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// The entry keeps itself if 32 random bits are at most this, else it gives `other`.
    keep: u32,
    other: u32,
}

impl Alias {
    /// A table for these weights. Without any positive weight all entries are alike.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share in [0, 1] is scaled to 32 bits; tables have fewer than 2^32 entries"
    )]
    pub(crate) fn new(weights: &[f64]) -> Self {
        let total: f64 = weights.iter().sum();
        let mut entries: Vec<Entry> = (0..weights.len())
            .map(|i| Entry {
                keep: u32::MAX,
                other: i as u32,
            })
            .collect();
        if total > 0.0 {
            let scale = weights.len() as f64 / total;
            let mut scaled: Vec<f64> = weights.iter().map(|w| w * scale).collect();
            let (mut small, mut large): (Vec<usize>, Vec<usize>) =
                (0..scaled.len()).partition(|&i| scaled[i] < 1.0);
            while let (Some(less), Some(&more)) = (small.pop(), large.last()) {
                entries[less] = Entry {
                    keep: (scaled[less] * f64::from(u32::MAX)) as u32,
                    other: more as u32,
                };
                scaled[more] -= 1.0 - scaled[less];
                if scaled[more] < 1.0 {
                    large.pop();
                    small.push(more);
                }
            }
        }
        Self { entries }
    }

    /// The index that these random bits choose.
    #[expect(clippy::cast_possible_truncation, reason = "the low half is wanted")]
    pub(crate) fn pick(&self, bits: u64) -> u32 {
        // The high bits choose the entry, the low ones within it: nearly independent, as tables are
        // far smaller than 2^32.
        let index = draw::below(bits, self.entries.len() as u32);
        match self.entries.get(index as usize) {
            Some(entry) if (bits as u32) > entry.keep => entry.other,
            _ => index,
        }
    }
}

/// Weight of the entity of this rank (from 0) under a Zipf law with exponent `skew`.
pub(crate) fn zipf_weight(rank: u32, skew: f64) -> f64 {
    exp(-skew * ln(f64::from(rank) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{Key, Purpose};

    fn frequencies(weights: &[f64], draws: u32) -> Vec<f64> {
        let table = Alias::new(weights);
        let key = Key::root(5).purpose(Purpose::Slot);
        let mut counts = vec![0u32; weights.len()];
        for number in 0..draws {
            counts[table.pick(key.bits(u64::from(number))) as usize] += 1;
        }
        counts
            .iter()
            .map(|c| f64::from(*c) / f64::from(draws))
            .collect()
    }

    #[test]
    fn entries_come_as_often_as_they_weigh() {
        let found = frequencies(&[1.0, 0.0, 2.0, 5.0], 80_000);
        for (share, wanted) in found.iter().zip([0.125, 0.0, 0.25, 0.625]) {
            assert!((share - wanted).abs() < 0.01, "{found:?}");
        }
    }

    #[test]
    fn without_weights_all_are_alike() {
        let found = frequencies(&[0.0, 0.0], 20_000);
        assert!((found[0] - 0.5).abs() < 0.02, "{found:?}");
    }

    #[test]
    fn zipf_weights_fall_with_the_rank() {
        assert_eq!(zipf_weight(0, 0.8), 1.0);
        assert!((zipf_weight(9, 1.0) - 0.1).abs() < 1e-12);
        assert_eq!(zipf_weight(9, 0.0), 1.0);
    }
}
