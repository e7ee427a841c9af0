//! `cart-abandonment`: a wave of visits that put one product into the cart and leave.
//!
//! Signal to noise: the visits in a minute that leave from the cart, over the spread of that page's usual
//! count.

use super::{Ground, draw_page, page_key, products_on_offer, waves::wave};
use crate::{
    content::ClickAction,
    incident::{
        Impossible, Occasion, Script,
        facts::{Facts, HappensTo},
        times::count_snr,
    },
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(17, 300_000).on(HappensTo::Pages(6)).ramps();

const LEAST_PER_MINUTE: f64 = 15.0;
const TIMES_USUAL: f64 = 0.25;

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let product = draw_page(ground, occasion, occupied, &products_on_offer())?;
    let cart = Ground::page("/cart");
    let usual = ground.usual_per_minute(cart);
    let per_minute = LEAST_PER_MINUTE.max(TIMES_USUAL * usual) * occasion.magnitude;
    let planned = wave(ground, occasion, per_minute, 3.0, |_| {
        vec![
            (product, ClickAction::PageView),
            (product, ClickAction::AddToCart),
            (cart, ClickAction::PageView),
        ]
    })?;
    Ok(Script {
        keys: vec![page_key(product), page_key(cart)],
        planned,
        telling: 29,
        snr: count_snr(per_minute, usual),
    })
}
