//! `error-burst`: many error events on one page.
//!
//! Signal to noise: the errors in a minute over the spread of their usual count, one in a hundred of the
//! page's events.

use super::{
    Ground,
    flood::{Flood, PAGES},
};
use crate::{
    content::{ClickAction, Origin},
    incident::{
        Impossible, Occasion, Script,
        facts::{Facts, HappensTo},
    },
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(3, 120_000)
    .magnitude(0.2)
    .on(HappensTo::Pages(PAGES))
    .ramps();

const FLOOD: Flood = Flood {
    action: ClickAction::Error,
    least_per_minute: 30.0,
    times_usual: 1.0,
    share_of_usual: 0.01,
    telling: 9,
};

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    FLOOD.script(ground, occasion, occupied, |_| Origin::Outside)
}
