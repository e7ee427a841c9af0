//! Bad profiles: each text with all that is said of it.

use super::*;

const GOOD: &str = "\
name: tiny
duration: 5s
streams:
  sensors:
    rate: 1k/s
    anomalies:
      - level-shift: { count: 2 }
";

/// Everything that is wrong with `text`, one problem a line.
fn problems_of(text: &str, overrides: &[(&str, &str)]) -> String {
    let overrides = overrides
        .iter()
        .map(|(p, v)| ((*p).to_owned(), (*v).to_owned()))
        .collect();
    let source = Source::new(text.to_owned(), overrides);
    let reading = source.read();
    let mut problems = reading.problems;
    if let Some(profile) = &reading.profile {
        problems.extend(check(profile).err().unwrap_or_default());
    }
    let lines: Vec<String> = source
        .locate(problems)
        .iter()
        .map(ToString::to_string)
        .collect();
    lines.join("\n")
}

#[test]
fn a_sound_profile_has_no_problems_and_keeps_its_overrides() {
    assert_eq!(problems_of(GOOD, &[]), "");
    let source = Source::new(GOOD.to_owned(), vec![("seed".to_owned(), "99".to_owned())]);
    assert_eq!(source.read().profile.unwrap().seed, 99);
}

#[test]
fn properties_of_the_client_may_be_numbers_and_truth_as_yaml_has_them() {
    let client = "client: { session.timeout.ms: 60000, linger.ms: 0.5, enable.idempotence: true, acks: all }\n";
    let source = Source::new(format!("{GOOD}{client}"), Vec::new());
    let profile = source.read().profile.unwrap();
    let texts: Vec<&str> = profile.client.values().map(String::as_str).collect();
    assert_eq!(texts, ["all", "true", "0.5", "60000"]);
    let listed = format!("{GOOD}client: {{ acks: [all] }}\n");
    assert!(
        problems_of(&listed, &[]).contains("client.acks: found a list"),
        "{}",
        problems_of(&listed, &[])
    );
}

#[test]
fn all_problems_are_told_at_once_each_with_its_place() {
    let text = "\
name: tiny
duration: 5s
warm_up: 7s
colour: red
event_time: { speed: fast }
streams:
  sensors:
    rate: 1k/s
    partitions: 0
    anomalies:
      - levelshift: { count: 2 }
      - drop-out: { count: some }
subject: bundle
";
    insta::assert_snapshot!(problems_of(text, &[]), @r"
    3:1: warm_up: 7s leaves nothing of the run of 5s to score
    4:1: colour: `colour` is not known here; known are `name`, `description`, `seed`, `duration`, `warm_up`, `drain`, `time_limit`, `event_time`, `broker`, `registry`, `topic_prefix`, `client`, `streams`, `producer`, `topics`, `subject`, `detector`, `audit`, `faults`, `scoring`, `gates`, `search`
    5:15: event_time.speed: found the text `fast` where a number belongs
    9:5: streams.sensors.partitions: `0` is not between 1 and 1000
    11:9: streams.sensors.anomalies[0].levelshift: `levelshift` is not known here; did you mean `level-shift`?
    12:21: streams.sensors.anomalies[1].drop-out.count: found the text `some` where a whole number belongs
    13:1: subject: found the text `bundle`; use one of `bundled`, `none`, `always`
    ");
}

#[test]
fn broken_yaml_is_told_with_its_place() {
    insta::assert_snapshot!(problems_of("name: [x\nduration: 5s\n", &[]), @"2:9: this is not YAML: illegal placement of ':' indicator");
}

#[test]
fn an_override_that_does_not_fit_is_told_without_a_place() {
    insta::assert_snapshot!(problems_of(GOOD, &[("event_time.speed", "0"), ("drain", "soon")]), @r"
    drain: `soon` is not a duration; write a number and a unit, such as `250ms`, `15s`, `2m`, `1h`
    event_time.speed: `0` is not above 0 and at most 3600
    ");
}

#[test]
fn a_watermark_bound_under_fifty_milliseconds_of_wall_time_is_refused() {
    let text = format!("{GOOD}event_time: {{ speed: 600 }}\ndetector: {{ watermark_bound: 5s }}\n");
    insta::assert_snapshot!(problems_of(&text, &[]), @"9:13: detector.watermark_bound: 5s of event time is under 50 ms of wall time at speed 600, so ordinary jitter would make events late; use 30s or more");
}

#[test]
fn two_uses_of_one_topic_are_refused() {
    let text = format!("{GOOD}topics: {{ anomalies: sensor-data_2 }}\n");
    insta::assert_snapshot!(problems_of(&text, &[]), @"4:3: streams.sensors.topic: `sensor-data_2` is also the topic of `topics.anomalies`; use another name");
}

#[test]
fn a_shape_that_the_bundled_detector_cannot_read_is_refused_with_what_to_do() {
    let sensors =
        |line: &str| GOOD.replace("    rate: 1k/s\n", &format!("    rate: 1k/s\n    {line}\n"));
    for (line, refused) in [
        ("format: avro", "streams.sensors.format"),
        ("key: none", "streams.sensors.key"),
        (
            "fields: { rename: { value: v } }",
            "streams.sensors.fields.rename",
        ),
        ("fields: { omit: [value] }", "streams.sensors.fields.omit"),
        // In JSON, what it does not know is passed over.
        ("fields: { add: { env: { constant: prod } } }", ""),
        ("key: sensor_id", ""),
        ("format: json", ""),
        ("pad_bytes: 300", ""),
        ("evolve_at: 2s", ""),
    ] {
        let found = problems_of(&sensors(line), &[]);
        if refused.is_empty() {
            assert_eq!(found, "", "{line}");
        } else {
            assert!(found.contains(refused), "{line}: {found}");
            assert!(found.contains("set `subject` to another"), "{found}");
        }
        let others = problems_of(&sensors(line), &[("subject", "none")]);
        assert_eq!(others, "", "{line}");
    }
}

#[test]
fn banking_may_not_gain_fields_for_the_bundled_detector_as_its_schema_is_fixed() {
    for line in [
        "pad_bytes: 300",
        "evolve_at: 2s",
        "versions: [0.5, 0.5]",
        "fields: { add: { a: { id: hex } } }",
    ] {
        let text =
            format!("name: tiny\nduration: 5s\nstreams:\n  banking:\n    rate: 1k/s\n    {line}\n");
        assert!(
            problems_of(&text, &[]).contains("streams.banking."),
            "{line}"
        );
        assert_eq!(problems_of(&text, &[("subject", "none")]), "", "{line}");
    }
}
