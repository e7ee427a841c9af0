//! `traffic-spike`: far more visits to one page than its usual share.
//!
//! Signal to noise: the extra visits in a minute over the spread of the page's usual count.

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

pub(crate) const FACTS: Facts = Facts::new(0, 120_000)
    .magnitude(0.5)
    .on(HappensTo::Pages(PAGES))
    .ramps();

const FLOOD: Flood = Flood {
    action: ClickAction::PageView,
    least_per_minute: 60.0,
    times_usual: 3.0,
    share_of_usual: 1.0,
    telling: 19,
};

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    FLOOD.script(ground, occasion, occupied, |_| Origin::Outside)
}
