//! `cart-abandonment`: a wave of visits that put one product into the cart and leave.
//!
//! Signal to noise: the visits in a minute that leave from the cart, over the spread of that page's usual
//! count.

use super::{Ground, draw_page, page_key, products_on_offer, waves::Wave};
use crate::{
    content::ClickAction,
    incident::{
        Impossible, Occasion, Script,
        facts::{Facts, HappensTo},
    },
    plan::Occupied,
};

pub(crate) const FACTS: Facts = Facts::new(17, 300_000).on(HappensTo::Pages(6)).ramps();

const WAVE: Wave = Wave {
    least_per_minute: 15.0,
    times_usual: 0.25,
    telling: 29,
};

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let product = draw_page(ground, occasion, occupied, &products_on_offer())?;
    let cart = Ground::page("/cart");
    let steps = [
        (product, ClickAction::PageView),
        (product, ClickAction::AddToCart),
        (cart, ClickAction::PageView),
    ];
    let keys = vec![page_key(product), page_key(cart)];
    WAVE.script(ground, occasion, cart, &steps, keys)
}
