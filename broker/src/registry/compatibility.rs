//! Whether data written with one Avro schema can be read with another.
//!
//! The rules are Avro's schema resolution, as `apache-avro` checks it. Its middle answer, "some data can be
//! read" (an enum that lost a symbol, a union that lost a branch), counts as no: a registry promises that
//! all data can. One limit is inherited: a named type has to be defined at the same place of both schemas,
//! and only referred to elsewhere.

use apache_avro::Schema;
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};

use super::level::Level;

/// Checks `new` against the earlier schemas, oldest first. The answer lists what stands in the way, with the
/// number of the version that it is about; nothing in it means compatible.
pub(super) fn check(level: Level, new: &Schema, earlier: &[(i32, &Schema)]) -> Vec<String> {
    let compared = match earlier {
        [.., last] if !level.transitive => std::slice::from_ref(last),
        all => all,
    };
    let mut reasons = Vec::new();
    for (version, old) in compared {
        if level.backward
            && let Some(reason) = obstacle(old, new)
        {
            reasons.push(format!(
                "data of version {version} cannot be read with the new schema: {reason}"
            ));
        }
        if level.forward
            && let Some(reason) = obstacle(new, old)
        {
            reasons.push(format!(
                "data of the new schema cannot be read with version {version}: {reason}"
            ));
        }
    }
    reasons
}

fn obstacle(writer: &Schema, reader: &Schema) -> Option<String> {
    match SchemaCompatibility::can_read(writer, reader) {
        Ok(Compatibility::Full) => None,
        Ok(Compatibility::Partial) => Some(
            "the reader lacks a symbol of an enum or a branch of a union that the writer may use"
                .to_owned(),
        ),
        Err(error) => Some(chain(&error)),
    }
}

/// The error with its causes: the outer one only names the field.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &str) -> Schema {
        let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
        Schema::parse_str(&text).unwrap()
    }

    /// Checks at every level whether `new` gets along with `old`; `wanted` lists the levels that allow it.
    fn check_levels(old: &Schema, new: &Schema, wanted: &str) {
        let levels = ["BACKWARD", "FORWARD", "FULL"];
        let allowing: Vec<&str> = levels
            .into_iter()
            .filter(|name| check(Level::parse(name).unwrap(), new, &[(1, old)]).is_empty())
            .collect();
        assert_eq!(allowing.join(" "), wanted, "{old:?} then {new:?}");
        assert!(check(Level::parse("NONE").unwrap(), new, &[(1, old)]).is_empty());
    }

    const A: &str = r#"{"name":"a","type":"int"}"#;

    #[test]
    fn a_field_with_a_default_may_come_and_go() {
        let with = record(&format!(
            r#"{A},{{"name":"b","type":"string","default":""}}"#
        ));
        check_levels(&record(A), &with, "BACKWARD FORWARD FULL");
        check_levels(&with, &record(A), "BACKWARD FORWARD FULL");
    }

    #[test]
    fn a_field_without_a_default_may_only_go() {
        let with = record(&format!(r#"{A},{{"name":"b","type":"string"}}"#));
        check_levels(&record(A), &with, "FORWARD");
        check_levels(&with, &record(A), "BACKWARD");
    }

    #[test]
    fn a_type_may_widen_for_new_readers() {
        check_levels(
            &record(A),
            &record(r#"{"name":"a","type":"long"}"#),
            "BACKWARD",
        );
        check_levels(&record(A), &record(r#"{"name":"a","type":"string"}"#), "");
        check_levels(
            &record(A),
            &record(r#"{"name":"a","type":["null","int"]}"#),
            "BACKWARD",
        );
    }

    #[test]
    fn data_that_is_sometimes_readable_is_not_compatible() {
        let symbols = |list: &str| {
            let text = format!(r#"{{"type":"enum","name":"E","symbols":[{list}]}}"#);
            Schema::parse_str(&text).unwrap()
        };
        check_levels(&symbols(r#""A","B""#), &symbols(r#""A""#), "FORWARD");
        check_levels(&symbols(r#""A""#), &symbols(r#""A","B""#), "BACKWARD");
        let union = Schema::parse_str(r#"["int","string"]"#).unwrap();
        check_levels(&union, &Schema::Int, "FORWARD");
    }

    #[test]
    fn only_transitive_levels_look_further_back_than_the_last() {
        let first = record(r#"{"name":"a","type":"int"}"#);
        let second = record(r#"{"name":"b","type":"int","default":0}"#);
        let third = record(r#"{"name":"a","type":"string","default":""}"#);
        let earlier = [(1, &first), (2, &second)];
        assert_eq!(
            check(Level::DEFAULT, &third, &earlier),
            Vec::<String>::new()
        );
        let reasons = check(
            Level::parse("BACKWARD_TRANSITIVE").unwrap(),
            &third,
            &earlier,
        );
        assert_eq!(reasons.len(), 1);
        assert!(
            reasons[0].starts_with("data of version 1 cannot be read"),
            "{reasons:?}"
        );
        assert!(
            reasons[0].contains("'a'"),
            "the field is named: {reasons:?}"
        );
    }
}
