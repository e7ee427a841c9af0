//! How surprising a visit is: the signal of the kinds that show in who comes with what, not in how much.
//!
//! A trait that a share `p` of the ordinary visits has is worth `-log2 p` bits. Over ordinary visits the sum
//! of bits has a mean and a spread, so a visit's signal to noise is `(bits - mean) / spread`.

use crate::math::ln;

/// Shares of the ordinary visits with a device new to the account, from another address than usual, and
/// with a payee change.
const NEW_DEVICE: f64 = 0.01;
const NEW_ADDRESS: f64 = 0.083;
const PAYEE_CHANGE: f64 = 0.05;

/// What is unusual about a visit.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unusual {
    pub(crate) device: bool,
    pub(crate) address: bool,
    pub(crate) payee: bool,
}

impl Unusual {
    pub(crate) fn snr(self) -> f64 {
        let (mut bits, mut mean, mut variance) = (0.0, 0.0, 0.0);
        for (present, share) in [
            (self.device, NEW_DEVICE),
            (self.address, NEW_ADDRESS),
            (self.payee, PAYEE_CHANGE),
        ] {
            let worth = -ln(share) / std::f64::consts::LN_2;
            bits += if present { worth } else { 0.0 };
            mean += share * worth;
            variance += share * (1.0 - share) * worth * worth;
        }
        ((bits - mean) / variance.sqrt()).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_that_is_unusual_is_more_surprising() {
        let nothing = Unusual::default();
        let payee = Unusual {
            payee: true,
            ..nothing
        };
        let device = Unusual {
            device: true,
            ..payee
        };
        let all = Unusual {
            address: true,
            ..device
        };
        let snr = [nothing, payee, device, all].map(Unusual::snr);
        assert_eq!(snr[0], 0.0);
        assert!(
            snr.is_sorted() && (2.0..3.0).contains(&snr[1]) && snr[3] > 8.0,
            "{snr:?}"
        );
    }
}
