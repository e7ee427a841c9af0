//! What mutations begin with: records that the generator makes, and what is made of them.

use std::sync::LazyLock;

use floodmark_contracts::{job::GeneratorSection, stream::Stream};
use floodmark_generator::{Plan, SchemaIds, Share, events};
use floodmark_harness::profile::Source;

/// The shipped profiles.
pub const PROFILES: [&str; 4] = [
    include_str!("../../profiles/smoke.yaml"),
    include_str!("../../profiles/full.yaml"),
    include_str!("../../profiles/quickstart.yaml"),
    include_str!("../../profiles/machines.yaml"),
];

/// The plan of the profile with all kinds.
pub fn plan() -> &'static Plan {
    static PLAN: LazyLock<Plan> = LazyLock::new(|| {
        let source = Source::new(PROFILES[1].to_owned(), Vec::new());
        let profile = source.read().profile.expect("a shipped profile");
        Plan::resolve(&GeneratorSection::from(&profile)).expect("a shipped profile")
    });
    &PLAN
}

/// The first records of a stream.
pub fn records(stream: Stream, count: usize) -> Vec<Vec<u8>> {
    let made = events(plan(), stream, Share::WHOLE).expect("a stream of the profile");
    let made = made.with_schema_ids(SchemaIds::default());
    made.take(count).map(|event| event.value).collect()
}

/// Each text as an input.
pub fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}
