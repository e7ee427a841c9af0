//! `funnel-drop-off`: visits pile up at the payment page and end there.
//!
//! Signal to noise: the visits in a minute that reach the page and go no further, over the spread of the
//! page's usual count.

use super::{Ground, draw_page, page_key, waves::wave};
use crate::{
    content::ClickAction,
    incident::{
        Impossible, Occasion, Script,
        facts::{Facts, HappensTo},
        times::count_snr,
    },
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(16, 300_000).on(HappensTo::Pages(1)).ramps();

const LEAST_PER_MINUTE: f64 = 10.0;
const TIMES_USUAL: f64 = 0.8;

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let [cart, checkout, payment] = ["/cart", "/checkout", "/checkout/payment"].map(Ground::page);
    draw_page(ground, occasion, occupied, &[payment])?;
    let usual = ground.usual_per_minute(payment);
    let per_minute = LEAST_PER_MINUTE.max(TIMES_USUAL * usual) * occasion.magnitude;
    let planned = wave(ground, occasion, per_minute, 3.0, |_| {
        [cart, checkout, payment]
            .map(|page| (page, ClickAction::PageView))
            .to_vec()
    })?;
    Ok(Script {
        keys: vec![page_key(payment)],
        planned,
        telling: 29,
        snr: count_snr(per_minute, usual),
    })
}
