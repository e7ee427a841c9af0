//! The shipped profiles: sound, and with the fingerprints that are committed beside them.

use std::{collections::BTreeMap, fs, path::PathBuf};

use floodmark_contracts::{
    fault::FaultKind, job::GeneratorSection, kind::Kind, profile::Profile, units::parse_duration,
};
use floodmark_generator::{fingerprint, labels};

use super::fixture::resolved;

const NAMES: [&str; 8] = [
    "banking",
    "catalogue",
    "clickstream",
    "full",
    "machines",
    "quickstart",
    "sensors",
    "smoke",
];

/// The kinds that the profiles of one stream and the quickstart have at full strength.
const TWELVE: [Kind; 12] = [
    Kind::TrafficSpike,
    Kind::Bot,
    Kind::ImpossibleNavigation,
    Kind::ErrorBurst,
    Kind::CredentialStuffing,
    Kind::AccountTakeover,
    Kind::ImpossibleTravel,
    Kind::MachineSpeedInput,
    Kind::SensorSpike,
    Kind::LevelShift,
    Kind::StuckValue,
    Kind::DropOut,
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../profiles")
}

fn profile(name: &str) -> Profile {
    let text = fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// `profiles/fingerprints.json`: profile to stream to fingerprint, each at the profile's own seed.
type Fingerprints = BTreeMap<String, BTreeMap<String, String>>;

/// The profiles of faults, one for each kind.
fn fault_names() -> Vec<String> {
    let kinds = FaultKind::ALL.iter();
    kinds.map(|kind| format!("faults/{kind}")).collect()
}

fn current() -> Fingerprints {
    let names = NAMES.into_iter().map(str::to_owned).chain(fault_names());
    names
        .map(|name| {
            let plan = resolved(GeneratorSection::from(&profile(&name)));
            let of_streams = plan
                .streams()
                .map(|stream| (stream.to_string(), fingerprint(&plan, stream).unwrap()))
                .collect();
            (name, of_streams)
        })
        .collect()
}

/// A change here changes every figure that was measured with these profiles: it needs a reason in the
/// changelog. `UPDATE_FINGERPRINTS=1` writes the file anew.
#[test]
fn fingerprints_are_those_committed() {
    let (path, found) = (folder().join("fingerprints.json"), current());
    if std::env::var_os("UPDATE_FINGERPRINTS").is_some() {
        let text = serde_json::to_string_pretty(&found).unwrap();
        fs::write(&path, text + "\n").unwrap();
    }
    let committed: Fingerprints = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(found, committed);
}

#[test]
fn every_profile_of_the_folder_is_known_here_and_bears_its_name() {
    let mut found: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .filter_map(|entry| {
            entry
                .unwrap()
                .path()
                .file_name()?
                .to_str()?
                .strip_suffix(".yaml")
                .map(str::to_owned)
        })
        .collect();
    found.sort();
    assert_eq!(found, NAMES);
    assert!(NAMES.iter().all(|name| profile(name).name == *name));
}

#[test]
fn every_fault_has_a_profile_of_its_own_with_incidents_around_it() {
    let found = fs::read_dir(folder().join("faults")).unwrap().count();
    assert_eq!(found, FaultKind::ALL.len());
    for kind in FaultKind::ALL {
        let profile = profile(&format!("faults/{kind}"));
        assert_eq!(profile.name, kind.name());
        let [fault] = &profile.faults[..] else {
            panic!("`{kind}` has one fault");
        };
        let (of, at, span) = fault.parts();
        assert_eq!(of, kind);
        let plan = resolved(GeneratorSection::from(&profile));
        let seconds = |text: &str| parse_duration(text).unwrap().as_secs_f64();
        let (from, until) = (seconds(at), seconds(at) + seconds(span));
        let starts: Vec<f64> = labels(&plan)
            .iter()
            .map(|label| label.first_sent.0 as f64 / 1e6)
            .collect();
        assert!(starts.iter().filter(|t| **t < from).count() >= 5, "{kind}");
        assert!(starts.iter().filter(|t| **t > until).count() >= 5, "{kind}");
    }
}

#[test]
fn profiles_have_the_kinds_that_they_are_for() {
    for name in NAMES {
        let plan = resolved(GeneratorSection::from(&profile(name)));
        let mut counts: BTreeMap<Kind, u32> = BTreeMap::new();
        for label in labels(&plan) {
            *counts.entry(label.kind).or_default() += 1;
        }
        let streams: Vec<_> = plan.streams().collect();
        let kinds = TWELVE
            .into_iter()
            .filter(|kind| streams.contains(&kind.stream()));
        match name {
            "smoke" => assert!(counts.len() >= 6),
            "catalogue" => {
                let mut every = Kind::ALL.into_iter().chain(Kind::DECOYS);
                assert!(every.all(|kind| counts[&kind] >= 10), "{counts:?}");
            }
            "full" => {
                let mut every = Kind::ALL.into_iter().chain(Kind::DECOYS);
                assert!(every.all(|kind| counts[&kind] >= 2), "{counts:?}");
            }
            "quickstart" => assert!(kinds.clone().all(|kind| counts[&kind] >= 2)),
            _ => assert!(
                kinds.clone().all(|kind| counts[&kind] >= 10),
                "{name}: {counts:?}"
            ),
        }
    }
}

/// A run's labels that no score can use are wasted: the tolerance must end inside the run.
#[test]
fn labels_of_the_shipped_profiles_can_be_scored() {
    for name in [
        "banking",
        "catalogue",
        "clickstream",
        "machines",
        "quickstart",
        "sensors",
    ] {
        let plan = resolved(GeneratorSection::from(&profile(name)));
        for label in labels(&plan) {
            let until = label.end.plus_ms(label.kind.late_ms());
            assert!(until <= plan.event_time_end(), "{name}: {}", label.id);
        }
    }
}

#[test]
fn seeds_that_nobody_tried_resolve_too() {
    for name in NAMES {
        // The catalogue has as many incidents as all others together, and takes as long.
        let seeds = if name == "catalogue" { 3 } else { 12 };
        for seed in 1000..1000 + seeds {
            let section = GeneratorSection {
                seed,
                ..GeneratorSection::from(&profile(name))
            };
            assert!(!labels(&resolved(section)).is_empty());
        }
    }
}

#[test]
fn watermarks_wait_for_the_longest_disorder() {
    for name in NAMES {
        let profile = profile(name);
        let bound = parse_duration(&profile.detector.watermark_bound)
            .unwrap()
            .as_millis() as f64;
        assert!(bound >= profile.event_time.speed * 50.0, "{name}");
        for (_, stream) in profile.streams.iter() {
            let text = serde_json::to_value(&stream.disorder).unwrap();
            let max = text
                .pointer("/delay/uniform/max")
                .or(text.pointer("/delay/exponential/max"));
            let max = parse_duration(max.unwrap().as_str().unwrap())
                .unwrap()
                .as_millis() as f64;
            assert!(bound >= max, "{name}");
        }
    }
}
