//! The published schemas and the reference of profiles are current.

use std::path::Path;

use floodmark_contracts::units::{parse_duration, parse_rate};
use floodmark_harness::profile::Source;

use crate::{
    documents::{files_below, text_of},
    support::floodmark,
};

#[test]
fn the_published_schemas_are_what_the_types_say() {
    let dir = tempfile::tempdir().unwrap();
    floodmark()
        .args(["schema", "--write"])
        .arg(dir.path())
        .assert()
        .success();
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema");
    let names = |dir: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&published), names(dir.path()));
    for name in names(dir.path()) {
        let read = |dir: &Path| std::fs::read_to_string(dir.join(&name)).unwrap();
        // Both are thousands of lines; which one differs is all that helps.
        assert!(
            read(&published) == read(dir.path()),
            "`docs/schema/{}` is stale: run `cargo run -- schema --write docs/schema`",
            name.display()
        );
    }
}

#[test]
fn the_reference_of_profiles_is_what_the_types_say() {
    let output = floodmark()
        .args(["schema", "--reference"])
        .output()
        .unwrap();
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/profile.md");
    let published = std::fs::read_to_string(published).unwrap();
    assert!(
        published == String::from_utf8(output.stdout).unwrap(),
        "`docs/profile.md` is stale: run `just schemas`"
    );
}

#[test]
fn shipped_profiles_and_those_of_init_are_sound_by_the_published_schema() {
    let read = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
    let published = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/profile.json");
    let schema = read(&std::fs::read_to_string(published).unwrap());
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut profiles: Vec<(String, String)> = files_below("profiles", "yaml")
        .iter()
        .map(|file| (file.display().to_string(), text_of(file)))
        .collect();
    let init = floodmark()
        .args(["init", "-", "--streams", "clickstream,banking,sensors"])
        .output()
        .unwrap();
    profiles.push(("init".to_owned(), String::from_utf8(init.stdout).unwrap()));
    assert!(profiles.len() > 20, "{}", profiles.len());
    for (name, text) in profiles {
        let profile = Source::new(text, Vec::new()).read().profile;
        let profile = serde_json::to_value(profile.unwrap()).unwrap();
        let problems: Vec<String> = validator
            .iter_errors(&profile)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{name}: {problems:?}");
    }
}

/// Fails for a default or an example that the parser of its quantity refuses; counts the others.
fn check_quantities(schema: &serde_json::Value) -> usize {
    let Some(object) = schema.as_object() else {
        return schema
            .as_array()
            .map_or(0, |list| list.iter().map(check_quantities).sum());
    };
    let mut n_checked = object.values().map(check_quantities).sum();
    let Some(quantity) = object.get("x-quantity").and_then(|name| name.as_str()) else {
        return n_checked;
    };
    let examples = object.get("examples").and_then(|list| list.as_array());
    let texts = examples.into_iter().flatten().chain(object.get("default"));
    for text in texts.filter_map(|text| text.as_str()) {
        let is_one = match quantity {
            "rate" => parse_rate(text).is_ok(),
            _ => parse_duration(text).is_ok(),
        };
        assert!(is_one, "`{text}` is no {quantity}");
        n_checked += 1;
    }
    n_checked
}

#[test]
fn defaults_and_examples_of_quantities_are_what_their_parsers_take() {
    let schemas = floodmark_contracts::schema::all();
    let profile = schemas
        .iter()
        .find(|(file, _)| *file == "profile.json")
        .unwrap();
    let n_checked = check_quantities(profile.1.as_value());
    assert!(n_checked > 40, "{n_checked}");
}
