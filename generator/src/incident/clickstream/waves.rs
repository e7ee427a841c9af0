//! Waves of visits of several steps, from users all over the population.

use super::{Ground, Surfer};
use crate::{
    content::{ClickAction, Origin},
    draw::Draws,
    incident::{
        Impossible, Occasion,
        times::{count_of, in_order, spread_times},
    },
    plan::Planned,
};

/// Shortest and mean further time that people stay on a page, in milliseconds.
const DWELL_MS: (f64, f64) = (3_000.0, 6_000.0);

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
