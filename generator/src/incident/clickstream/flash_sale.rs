//! `flash-sale`, a decoy: a crowd comes to one product, as in a traffic spike, and buys it.
//!
//! Signal to noise: the extra visits in a minute over the spread of the product page's usual count.

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

pub(crate) const FACTS: Facts = Facts::new(18, 180_000).on(HappensTo::Pages(6)).ramps();

const LEAST_PER_MINUTE: f64 = 30.0;
const TIMES_USUAL: f64 = 1.0;
/// Share of the visitors that put the product into the cart, and of those the ones that pay.
const PUT_IN: f64 = 0.7;
const PAY: f64 = 0.6;
/// Steps of a visit, in the mean.
const STEPS: f64 = 4.7;

pub(super) fn script(
    ground: &Ground<'_>,
    occasion: &mut Occasion<'_>,
    occupied: &mut Occupied,
) -> Result<Script, Impossible> {
    let product = draw_page(ground, occasion, occupied, &products_on_offer())?;
    let usual = ground.usual_per_minute(product);
    let per_minute = LEAST_PER_MINUTE.max(TIMES_USUAL * usual) * occasion.magnitude;
    let [offers, cart, checkout, payment, confirmation] = [
        "/offers",
        "/cart",
        "/checkout",
        "/checkout/payment",
        "/confirmation",
    ]
    .map(Ground::page);
    let planned = wave(ground, occasion, per_minute, STEPS, |draws| {
        let view = ClickAction::PageView;
        let mut steps = vec![(offers, view), (product, view)];
        if draws.chance(PUT_IN) {
            steps.extend([(product, ClickAction::AddToCart), (cart, view)]);
            if draws.chance(PAY) {
                steps.extend([(checkout, view), (payment, view)]);
                steps.push((confirmation, ClickAction::Purchase));
            }
        }
        steps
    })?;
    Ok(Script {
        keys: vec![page_key(product)],
        planned,
        telling: 29,
        snr: count_snr(per_minute, usual),
    })
}
