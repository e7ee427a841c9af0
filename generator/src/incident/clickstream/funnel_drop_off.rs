//! `funnel-drop-off`: visits pile up at the payment page and end there.
//!
//! Signal to noise: the visits in a minute that reach the page and go no further, over the spread of the
//! page's usual count.

use super::{Ground, draw_page, page_key, waves::Wave};
use crate::{
    content::ClickAction,
    incident::{
        Impossible, Occasion, Script,
        facts::{Facts, HappensTo},
    },
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(16, 300_000).on(HappensTo::Pages(1)).ramps();

const WAVE: Wave = Wave {
    least_per_minute: 10.0,
    times_usual: 0.8,
    telling: 29,
};

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let [cart, checkout, payment] = ["/cart", "/checkout", "/checkout/payment"].map(Ground::page);
    draw_page(ground, occasion, occupied, &[payment])?;
    let steps = [cart, checkout, payment].map(|page| (page, ClickAction::PageView));
    let keys = vec![page_key(payment)];
    WAVE.script(ground, occasion, payment, &steps, keys)
}
