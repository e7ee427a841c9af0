//! Unsound sections are refused with all their problems, each with its path and what would work.

use floodmark_generator::Plan;

use super::fixture::{ALL, section};

/// Resolves [`ALL`] with texts replaced, and gives the problems.
fn problems(replace: &[(&str, &str)]) -> Vec<String> {
    let mut yaml = ALL.to_owned();
    for (from, to) in replace {
        assert!(yaml.contains(from), "`{from}` is not in the fixture");
        yaml = yaml.replace(from, to);
    }
    match Plan::resolve(&section(&yaml)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn each_problem_names_its_path_and_what_would_work() {
    for (from, to, path, text) in [
        (
            "duration: 16s",
            "duration: 0s",
            "duration",
            "use `1s` or more",
        ),
        (
            "duration: 16s",
            "duration: long",
            "duration",
            "`long` is not a duration",
        ),
        (
            "warm_up: 1s",
            "warm_up: 16s",
            "warm_up",
            "use a shorter one",
        ),
        (
            "speed: 60",
            "speed: 0",
            "event_time.speed",
            "more than 0 and at most 3600",
        ),
        (
            "2025-06-10T05:00:00Z",
            "yesterday",
            "event_time.origin",
            "`2025-06-10T05:00:00Z`",
        ),
        (
            "rate: 1500/s",
            "rate: 0/s",
            "streams.clickstream.rate",
            "use `1/s` or more",
        ),
        (
            "rate: 1500/s",
            "phases: []",
            "streams.clickstream.rate",
            "`rate` is missing; write one, such as `2k/s`, or `phases`",
        ),
        (
            "arrivals: poisson",
            "phases: [ { constant: { rate: 1k/s } } ]",
            "streams.clickstream.phases",
            "leave one out",
        ),
        (
            "entities: 800",
            "entities: 0",
            "streams.banking.population.entities",
            "use 1 to 1000000",
        ),
        (
            "skew: 0.8",
            "skew: 4.0",
            "streams.clickstream.population.skew",
            "use 0 (all alike) to 3",
        ),
        (
            "entities: 20 }",
            "entities: 20, correlation: 1.2 }",
            "streams.sensors.population.correlation",
            "use 0 (each for itself) to 1",
        ),
        (
            "entities: 800,",
            "entities: 800, correlation: 0.2,",
            "streams.banking.population.correlation",
            "set it in `sensors`",
        ),
        (
            "share: 0.01",
            "share: 1.5",
            "streams.clickstream.lateness.share",
            "at most 1",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    arrivals: poisson",
            "streams.sensors.arrivals",
            "use `constant`",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    topic: banking-ui-events",
            "streams.sensors.topic",
            "give each stream its own",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    topic: a b",
            "streams.sensors.topic",
            "no topic name",
        ),
        (
            "level-shift: { count: 2, magnitude: 1 }",
            "level-shift: { count: 2, duration: 20m, magnitude: 1 }",
            "streams.sensors.anomalies[1].level-shift.duration",
            "does not end inside the run",
        ),
        (
            "level-shift: { count: 2, magnitude: 1 }",
            "level-shift: { count: 2, start: 20m }",
            "streams.sensors.anomalies[1].level-shift.start",
            "`1200s` is outside the run (`0s`..`960s` of event time)",
        ),
        (
            "bot: { count: 2, magnitude: 1 }",
            "bot: { count: 0 }",
            "streams.clickstream.anomalies[1].bot.count",
            "use 1 or more",
        ),
        (
            "bot: { count: 2, magnitude: 1 }",
            "bot: { count: 2, magnitude: 11 }",
            "streams.clickstream.anomalies[1].bot.magnitude",
            "at most 10",
        ),
        (
            "bot: { count: 2, magnitude: 1 }",
            "drop-out: { count: 2 }",
            "streams.clickstream.anomalies[1].drop-out",
            "belongs to the stream `sensors`",
        ),
        (
            "traffic-spike: { count: 1, magnitude: 1 }",
            "traffic-spike: { count: 1, magnitude: 9 }",
            "streams.clickstream.anomalies[0].traffic-spike.magnitude",
            "lower `magnitude`",
        ),
        (
            "rate: 1500/s",
            "rate: 60/s",
            "streams.clickstream.anomalies[1].bot.magnitude",
            "a bot's beat of 2000 ms would be lost",
        ),
        (
            "entities: 800",
            "entities: 70",
            "streams.banking.anomalies[0].credential-stuffing",
            "tries 40 different accounts, and there are 70",
        ),
        (
            "stuck-value: { count: 2, magnitude: 1 }",
            "stuck-value: { count: 400, magnitude: 1 }",
            "streams.sensors.anomalies[2].stuck-value.count",
            "find no sensor",
        ),
        (
            "stuck-value: { count: 2, magnitude: 1 }",
            "stuck-value: { count: 2, duration: 6s, magnitude: 1 }",
            "streams.sensors.anomalies[2].stuck-value.duration",
            "and 8 are needed; use `18s` or more",
        ),
        (
            "entities: 800, skew: 0.5 }",
            "entities: 800, skew: 0.5 }\n    fields: { rename: { user: u } }",
            "streams.banking.fields.rename.user",
            "`user` is no field of the stream `banking`",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    fields: { omit: [value, sensor, timestamp] }",
            "streams.sensors.fields.omit[1]",
            "there are `sensor_id`, `value`, `timestamp`",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    fields: { omit: [value, sensor_id, timestamp] }",
            "streams.sensors.fields.omit",
            "no field is left",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    fields: { rename: { value: v }, omit: [value] }",
            "streams.sensors.fields.omit[0]",
            "renamed too",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    fields: { rename: { timestamp: value } }",
            "streams.sensors.fields.rename.timestamp",
            "there is another field `value`",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    fields: { rename: { value: \"va lue\" } }",
            "streams.sensors.fields.rename.value",
            "use letters, digits",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    format: avro\n    fields: { add: { a.b: { constant: 1 } } }",
            "streams.sensors.fields.add.a.b",
            "use letters, digits",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    pad_bytes: 9\n    fields: { add: { padding: { constant: 1 } } }",
            "streams.sensors.fields.add.padding",
            "there is another field `padding`",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    fields: { add: { a: { integer: { min: 2, max: 1 } } } }",
            "streams.sensors.fields.add.a",
            "let `min` be at most `max`",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    fields: { add: { a: { choice: [] } } }",
            "streams.sensors.fields.add.a",
            "name one or more",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    key: value",
            "streams.sensors.key",
            "use `sensor_id` or `none`",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    pad_bytes: 0",
            "streams.sensors.pad_bytes",
            "use 1 to 1000000",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    versions: [0.5, 0.4]",
            "streams.sensors.versions",
            "add up to 1",
        ),
        (
            "entities: 20 }",
            "entities: 20 }\n    evolve_at: 20s",
            "streams.sensors.evolve_at",
            "is not within the run of 16s",
        ),
    ] {
        let found = problems(&[(from, to)]);
        let expected =
            |problem: &&String| problem.starts_with(&format!("{path}: ")) && problem.contains(text);
        assert!(
            found.iter().any(|p| expected(&p)),
            "{from} -> {to}: {found:#?}"
        );
    }
}

#[test]
fn parameters_of_incidents_that_cannot_be_are_refused() {
    for (entry, field, text) in [
        ("{ magnitude: 1 }", "count", "or `prevalence` as a share"),
        (
            "{ count: 2, prevalence: 0.1 }",
            "prevalence",
            "leave one of them out",
        ),
        (
            "{ prevalence: 1.5 }",
            "prevalence",
            "`1.5` is no share of the entities",
        ),
        (
            "{ count: 2, magnitude: 1, magnitudes: { from: 0.1, to: 1 } }",
            "magnitudes",
            "leave one of them out",
        ),
        (
            "{ count: 2, magnitudes: { from: 2, to: 1 } }",
            "magnitudes",
            "the weakest first",
        ),
        ("{ count: 2, size: 3 }", "size", "`bot` has no size"),
        (
            "{ count: 2, ramp_in: 10s }",
            "ramp_in",
            "`bot` does not build up",
        ),
    ] {
        let bot = format!("bot: {entry}");
        let found = problems(&[("bot: { count: 2, magnitude: 1 }", &bot)]);
        let path = format!("streams.clickstream.anomalies[1].bot.{field}: ");
        let is_it = |problem: &&String| problem.starts_with(&path) && problem.contains(text);
        assert!(found.iter().any(|p| is_it(&p)), "{entry}: {found:#?}");
    }
    let spike = "traffic-spike: { count: 1, ramp_in: 3m }";
    let found = problems(&[("traffic-spike: { count: 1, magnitude: 1 }", spike)]);
    assert!(
        found[0].contains("`180s` is longer than the incident of `120s`"),
        "{found:#?}"
    );
}

#[test]
fn incidents_that_need_what_is_not_there_are_refused() {
    for (from, to, text) in [
        (
            "traffic-spike: { count: 1, magnitude: 1 }",
            "referrer-spam: { count: 1 }",
            "set the stream's `referrer: true`",
        ),
        (
            "population: { entities: 800, skew: 0.5 }",
            "population: { entities: 800, skew: 0.5 }\n    referrer: true",
            "streams.banking.referrer: `banking` has no such field",
        ),
        (
            "drop-out: { count: 2, magnitude: 1 }",
            "group-failure: { count: 9, duration: 3m }",
            "and there are 2",
        ),
    ] {
        let found = problems(&[(from, to)]);
        assert!(found.iter().any(|p| p.contains(text)), "{to}: {found:#?}");
    }
    let mut section = section(ALL);
    section.streams.clickstream = None;
    let across = r#"{ "bot-then-takeover": { "count": 1 } }"#;
    let banking = section.streams.banking.as_mut().unwrap();
    banking
        .anomalies
        .push(serde_json::from_str(across).unwrap());
    let found = Plan::resolve(&section).unwrap_err();
    let text = "streams.banking.anomalies[4].bot-then-takeover: `bot-then-takeover` needs the stream \
                `clickstream`, and the profile has none; add it";
    assert_eq!(found[0].to_string(), text);
}

#[test]
fn sensors_that_would_report_twice_in_an_instant_are_refused() {
    let found = problems(&[("rate: 600/s", "rate: 600k/s"), ("speed: 60", "speed: 1")]);
    let text = "streams.sensors.population.entities: 20 sensors at up to `600000/s` would each report \
                more than once in 2 ms of event time; use 1280 or more";
    assert!(found.iter().any(|p| p.starts_with(text)), "{found:#?}");
}

#[test]
fn all_problems_come_at_once() {
    let found = problems(&[
        ("rate: 1500/s", "rate: fast"),
        ("skew: 0.5", "skew: -1.0"),
        (
            "bot: { count: 2, magnitude: 1 }",
            "bot: { count: 0, magnitude: 0, duration: 0s }",
        ),
        (
            "drop-out: { count: 2, magnitude: 1 }",
            "drop-out: { count: 2, duration: 17m, magnitude: 1 }",
        ),
    ]);
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn no_stream_is_a_problem() {
    let yaml = "{ name: n, seed: 1, duration: 1s, warm_up: 0s, event_time: {}, streams: {} }";
    let found = Plan::resolve(&section(yaml)).unwrap_err();
    assert_eq!(
        found[0].to_string(),
        "streams: no stream is generated; add `clickstream`, `banking` or `sensors`"
    );
}

#[test]
fn the_fixture_itself_is_sound() {
    assert_eq!(problems(&[]), Vec::<String>::new());
}
