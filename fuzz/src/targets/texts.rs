//! What people write.

use floodmark_contracts::{
    job::GeneratorSection,
    stream::Stream,
    units::{parse_duration, parse_rate},
};
use floodmark_detector::Settings;
use floodmark_generator::{Plan, Share, events};
use floodmark_harness::profile::{Source, check};
use floodmark_kafka::{ClientSettings, settings::is_secret};

use crate::seeds::{PROFILES, texts};

/// A profile: what the program says about it has places and words, and what it finds sound can be generated.
pub fn profile(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let source = Source::new(text.to_owned(), Vec::new());
    let reading = source.read();
    let mut problems = reading.problems;
    if let Some(profile) = &reading.profile {
        let section = GeneratorSection::from(profile);
        problems.extend(check(profile).err().unwrap_or_default());
        problems.extend(
            Settings::validate(&profile.detector)
                .err()
                .unwrap_or_default(),
        );
        problems.extend(floodmark_scoring::gates::validate(
            &profile.gates,
            profile.event_time.speed,
        ));
        match Plan::resolve(&section) {
            Err(found) => problems.extend(found),
            // Stand-ins take the place of what could not be read: that is not to be run.
            Ok(_) if !problems.is_empty() => {}
            Ok(plan) => {
                for stream in Stream::ALL {
                    let made = events(&plan, stream, Share::WHOLE);
                    made.into_iter().flatten().take(20).for_each(drop);
                }
            }
        }
    }
    for problem in source.locate(problems) {
        assert!(!problem.to_string().is_empty());
    }
}

pub fn profile_seeds() -> Vec<Vec<u8>> {
    texts(&PROFILES)
}

/// Durations, rates, gates, and a file of a Kafka client's properties.
pub fn small(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let _ = parse_duration(text);
    if let Ok(rate) = parse_rate(text) {
        assert!(rate.is_finite() && rate >= 0.0, "{rate}");
    }
    let _ = floodmark_scoring::gates::Gate::parse(text, 60.0);
    let builder = ClientSettings::builder("127.0.0.1:1").file_text("client.properties", text);
    if let Ok(settings) = builder.and_then(floodmark_kafka::settings::Builder::build) {
        for (option, shown) in settings.redacted() {
            let is_shown = settings.properties.get(&option) == Some(&shown);
            assert!(!is_secret(&option) || !is_shown, "{option}");
        }
    }
}

pub fn small_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "250ms",
        "1.5k/s",
        "detection.recall >= 0.8",
        "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"a\" password=\"b\\\"c\";\nlinger.ms = 5\n# comment\nssl.truststore.location=/a\\\n  b",
    ])
}
