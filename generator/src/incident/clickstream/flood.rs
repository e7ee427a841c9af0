//! Many one-event visits to a page, from users all over the population.

use super::{Ground, Surfer, draw_page, page_key};
use crate::{
    content::{ClickAction, Origin},
    incident::{
        Impossible, Occasion, Script,
        times::{count_of, count_snr, spread_times},
    },
    plan::{Occupied, SINGLES},
};

/// Pages whose share of the events lies in this range can have floods: on busier ones a rise is
/// too much for the stream to carry, on quieter ones a few visits are a rise.
const PAGE_SHARES: std::ops::Range<f64> = 0.01..0.04;
/// How many pages these are.
pub(super) const PAGES: u32 = 40;

/// What a flood consists of, before its magnitude.
pub(super) struct Flood {
    pub(super) action: ClickAction,
    pub(super) least_per_minute: f64,
    pub(super) times_usual: f64,
    /// Share of the page's events that usually are such events.
    pub(super) share_of_usual: f64,
    pub(super) telling: usize,
}

impl Flood {
    pub(super) fn script(
        &self,
        ground: &Ground<'_>,
        occasion: &mut Occasion<'_>,
        occupied: &mut Occupied,
        origin: impl FnOnce(&mut Occasion<'_>) -> Origin,
    ) -> Result<Script, Impossible> {
        let eligible = eligible(ground);
        let page = draw_page(ground, occasion, occupied, &eligible)?;
        let origin = origin(occasion);
        let usual = ground.usual_per_minute(page);
        let full = self.least_per_minute.max(self.times_usual * usual);
        let per_minute = full * occasion.magnitude;
        ground.check_room(per_minute, "on one page")?;
        let (minutes, ramp) = (occasion.minutes(), occasion.ramp());
        let count = count_of(per_minute, minutes, ramp);
        let times = spread_times(count, ramp, &mut occasion.draws);
        let visit = |share: f64| {
            let surfer = Surfer::anyone(ground, &mut occasion.draws);
            surfer.event(occasion.at(share), page, self.action, origin)
        };
        Ok(Script {
            planned: times.into_iter().map(visit).collect(),
            keys: vec![page_key(page)],
            telling: self.telling,
            snr: count_snr(per_minute, usual * self.share_of_usual),
        })
    }
}

/// The pages that can have floods.
fn eligible(ground: &Ground<'_>) -> Vec<u8> {
    let walks = ground.visitors.walks();
    (0..walks.pages())
        .filter(|page| PAGE_SHARES.contains(&walks.share(*page, SINGLES)))
        .collect()
}

#[cfg(test)]
mod tests {
    use floodmark_contracts::site::Site;

    use super::*;
    use crate::clickstream::Walks;

    #[test]
    fn so_many_pages_can_have_floods() {
        let walks = Walks::new(Site::published());
        let found = (0..walks.pages())
            .filter(|page| PAGE_SHARES.contains(&walks.share(*page, SINGLES)))
            .count();
        assert_eq!(found, PAGES as usize);
    }
}
