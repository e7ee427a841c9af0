//! `referrer-spam`: visits whose referrer is a site that wants to be seen in somebody's statistics.
//!
//! Signal to noise: the visits in a minute that name the site, where one a minute is much.

use super::{
    Ground,
    flood::{Flood, PAGES},
};
use crate::{
    content::{ClickAction, Origin, SMALL_SITES},
    incident::{
        Impossible, Occasion, Script,
        facts::{Facts, HappensTo},
    },
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(12, 180_000).on(HappensTo::Pages(PAGES)).ramps();

const FLOOD: Flood = Flood {
    action: ClickAction::PageView,
    least_per_minute: 15.0,
    times_usual: 0.3,
    share_of_usual: 0.0,
    telling: 5,
};

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    if !ground.plan.referrer {
        let text = "needs the field that names where a visit comes from; set the stream's `referrer: true`";
        return Err(Impossible::of_plan(text.to_owned()));
    }
    // A site that ordinary visits come from as well, now and then.
    FLOOD.script(ground, occasion, occupied, |occasion| {
        let site = occasion.draws.below(u32::from(SMALL_SITES));
        Origin::Site(u16::try_from(site).unwrap_or_default())
    })
}
