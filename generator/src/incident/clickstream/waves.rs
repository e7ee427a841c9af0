//! Waves of visits of several steps, from users all over the population.

use floodmark_contracts::key::TypedKey;

use super::{Ground, Surfer};
use crate::{
    content::{ClickAction, Origin},
    draw::Draws,
    incident::{
        Impossible, Occasion, Script,
        times::{count_of, count_snr, in_order, spread_times},
    },
    plan::Planned,
};

/// Shortest and mean further time that people stay on a page, in milliseconds.
const DWELL_MS: (f64, f64) = (3_000.0, 6_000.0);

/// A wave in which every visit takes the same steps.
pub(super) struct Wave {
    pub(super) least_per_minute: f64,
    /// In times of the usual count of the page that it is measured by.
    pub(super) times_usual: f64,
    pub(super) telling: usize,
}

impl Wave {
    /// Visits of these steps, measured by the usual count of a page.
    pub(super) fn script(
        &self,
        ground: &Ground<'_>,
        occasion: &mut Occasion<'_>,
        measure: u8,
        steps: &[(u8, ClickAction)],
        keys: Vec<TypedKey>,
    ) -> Result<Script, Impossible> {
        let usual = ground.usual_per_minute(measure);
        let full = self.least_per_minute.max(self.times_usual * usual);
        let per_minute = full * occasion.magnitude;
        let steps_each = steps.len() as f64;
        let planned = wave(ground, occasion, per_minute, steps_each, |_| steps.to_vec())?;
        Ok(Script {
            keys,
            planned,
            telling: self.telling,
            snr: count_snr(per_minute, usual),
        })
    }
}

/// Visits that begin at a rate of `per_minute`, each with the steps that `steps` draws for it.
pub(super) fn wave(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    per_minute: f64,
    steps_each: f64,
    steps: impl Fn(&mut Draws) -> Vec<(u8, ClickAction)>,
) -> Result<Vec<Planned>, Impossible> {
    ground.check_room(per_minute * steps_each, "for these visits")?;
    let ramp = occasion.ramp();
    let count = count_of(per_minute, occasion.minutes(), ramp);
    let begins = spread_times(count, ramp, &mut occasion.draws);
    let end_ms = occasion.at(1.0);
    let mut planned = Vec::new();
    for share in begins {
        let surfer = Surfer::anyone(ground, &mut occasion.draws);
        let mut at_ms = occasion.at(share);
        let mut origin = Origin::Outside;
        for (page, action) in steps(&mut occasion.draws) {
            // Visits that begin last are cut short by the end, as people's are by anything.
            if at_ms > end_ms {
                break;
            }
            planned.push(surfer.event(at_ms, page, action, origin));
            origin = Origin::Page(page);
            at_ms += DWELL_MS.0 + occasion.draws.exponential(DWELL_MS.1).min(30_000.0);
        }
    }
    Ok(in_order(planned))
}
