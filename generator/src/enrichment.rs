//! Enrichment data: facts about devices and accounts that a detector may look up.

use floodmark_contracts::{
    enrichment::{AccountStatus, Enrichment},
    stream::Stream,
};

use crate::{
    banking::Customers,
    content::{device_fingerprint, entity_name},
    draw::{Key, Purpose},
    plan::{Plan, StreamPlan},
};

/// The facts about the accounts of the stream `banking`, and about all devices that can turn up in it.
///
/// The values are drawn from the seed alone, never from the incidents: an attacker's device is as
/// risky as any other. There are none without that stream.
pub fn enrichment(plan: &Plan) -> impl Iterator<Item = Enrichment> + '_ {
    plan.stream(Stream::Banking)
        .into_iter()
        .flat_map(move |stream| of_bank(plan, stream))
}

fn of_bank<'a>(plan: &'a Plan, stream: &'a StreamPlan) -> impl Iterator<Item = Enrichment> + 'a {
    let customers = Customers::new(plan.book(), stream.entities, stream.key);
    let risks = stream.key.purpose(Purpose::DeviceRisk);
    let statuses = stream.key.purpose(Purpose::AccountStatus);
    (0..stream.entities).flat_map(move |user| {
        let known = (0..customers.device_count(user)).map(|number| customers.device(user, number));
        let devices: Vec<u64> = known.chain([customers.spare_device(user)]).collect();
        let status = Enrichment::AccountStatus {
            user: entity_name(Stream::Banking, user),
            status: status(statuses, user),
        };
        let risk = move |device| Enrichment::DeviceRisk {
            device: device_fingerprint(device),
            score: risk(risks, device),
        };
        std::iter::once(status).chain(devices.into_iter().map(risk))
    })
}

/// Most devices are of little risk; two decimals.
fn risk(key: Key, device: u64) -> f64 {
    let unit = key.draws(device).unit();
    (unit * unit * unit * 100.0).round() / 100.0
}

fn status(key: Key, user: u32) -> AccountStatus {
    match key.draws(u64::from(user)).below(100) {
        0..=89 => AccountStatus::Active,
        90..=94 => AccountStatus::New,
        95..=98 => AccountStatus::Dormant,
        _ => AccountStatus::Locked,
    }
}
