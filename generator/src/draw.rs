//! Random draws by key and counter, without a generator that has to be kept in step.
//!
//! A draw depends on the seed, a purpose and the number of the thing that it is for (a slot, a user, an
//! incident), and on nothing else: neither on what was drawn before nor on who asks. That is what makes
//! the same plan and seed give the same bytes in any number of workers.

/// What a draw is for. Draws for different purposes have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Purpose {
    Arrival = 1,
    Slot,
    Delay,
    EventId,
    User,
    Device,
    SpareDevice,
    WarmStart,
    Visit,
    Sensor,
    Reading,
    SensorOrder,
    Incident,
    Address,
    DeviceRisk,
    AccountStatus,
    Offline,
    Clock,
    Extra,
    Malform,
    Drift,
    Shape,
    Rank,
    Group,
    Habit,
    Payee,
}

/// The key of a family of draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    /// The root of all draws of a run.
    pub(crate) fn root(seed: u64) -> Self {
        Self(scramble(seed ^ 0x666c_6f6f_646d_6172))
    }

    /// The family for one purpose.
    pub(crate) fn purpose(self, purpose: Purpose) -> Self {
        self.child(0xa5a5_0000 + purpose as u64)
    }

    /// The family for one of many things, such as a stream.
    pub(crate) fn child(self, number: u64) -> Self {
        Self(scramble(
            self.0 ^ scramble(number.wrapping_add(0x9e37_79b9_7f4a_7c15)),
        ))
    }

    /// The draws for the thing with this number.
    pub(crate) fn draws(self, number: u64) -> Draws {
        Draws(scramble(
            self.0 ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        ))
    }

    /// One draw of 64 bits for the thing with this number.
    pub(crate) fn bits(self, number: u64) -> u64 {
        self.draws(number).bits()
    }
}

/// The draws for one thing, one after the other (wyrand).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draws(u64);

impl Draws {
    /// 64 random bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x2d35_8dcc_aa6c_78a5);
        multiply_fold(self.0, self.0 ^ 0x8bb8_4b93_962e_acc9)
    }

    /// A number in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        unit(self.bits())
    }

    /// A number in `[from, to)`.
    pub(crate) fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.unit()
    }

    /// A number below `n`; 0 if `n` is 0.
    pub(crate) fn below(&mut self, n: u32) -> u32 {
        below(self.bits(), n)
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// An exponential time with this mean, by inversion.
    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * crate::math::ln(1.0 - self.unit())
    }

    /// A normal number with mean 0 and standard deviation 1 (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * crate::math::ln(1.0 - self.unit())).sqrt();
        radius * crate::math::sin_turns(self.unit())
    }

    /// Nearly normal with mean 0 and standard deviation 1, never beyond 3.5: a sum of four uniform
    /// draws (Irwin-Hall), scaled. Bounded tails keep ordinary readings ordinary.
    pub(crate) fn bell(&mut self) -> f64 {
        let bits = self.bits();
        let sum: u64 = (0..4).map(|lane| (bits >> (16 * lane)) & 0xffff).sum();
        // Four uniforms on [0, 1) have mean 2 and variance 4/12.
        (sum as f64 / 65536.0 - 2.0 + 2.0 / 65536.0) * 1.732_050_807_568_877_2
    }
}

/// 53 of 64 bits as a number in `[0, 1)`.
pub(crate) fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
}

/// Lemire's reduction of 64 bits to a number below `n`.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the product's high half is below `n`"
)]
pub(crate) fn below(bits: u64, n: u32) -> u32 {
    ((u128::from(bits) * u128::from(n)) >> 64) as u32
}

/// A permutation of 64-bit numbers that leaves no trace of their order (the finalizer of splitmix64).
pub(crate) fn scramble(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Both halves of a 128-bit product, folded.
#[expect(clippy::cast_possible_truncation, reason = "the halves are wanted")]
pub(crate) fn multiply_fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_depends_on_seed_purpose_and_number_alone() {
        let key = Key::root(7).purpose(Purpose::Slot);
        assert_eq!(key.bits(3), Key::root(7).purpose(Purpose::Slot).bits(3));
        assert_ne!(key.bits(3), key.bits(4));
        assert_ne!(key.bits(3), Key::root(8).purpose(Purpose::Slot).bits(3));
        assert_ne!(key.bits(3), Key::root(7).purpose(Purpose::User).bits(3));
    }

    #[test]
    fn draws_fill_their_range_evenly() {
        let key = Key::root(1).purpose(Purpose::Slot);
        let mut counts = [0u32; 10];
        for number in 0..100_000 {
            counts[key.draws(number).below(10) as usize] += 1;
        }
        // Five standard deviations of a binomial count around 10,000.
        assert!(
            counts.iter().all(|c| (9525..10475).contains(c)),
            "{counts:?}"
        );
    }

    #[test]
    fn bell_draws_have_unit_variance_and_bounded_tails() {
        let key = Key::root(1).purpose(Purpose::Reading);
        let values: Vec<f64> = (0..50_000).map(|i| key.draws(i).bell()).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 0.02, "{mean}");
        assert!((variance - 1.0).abs() < 0.03, "{variance}");
        assert!(values.iter().all(|v| v.abs() < 3.5));
    }

    #[test]
    fn exponential_draws_have_their_mean() {
        let key = Key::root(2).purpose(Purpose::Delay);
        let sum: f64 = (0..50_000).map(|i| key.draws(i).exponential(3.0)).sum();
        assert!((sum / 50_000.0 - 3.0).abs() < 0.08, "{sum}");
    }
}
