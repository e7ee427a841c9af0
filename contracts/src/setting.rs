//! The settings of a run that somebody made, and who made each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A setting that is not left at its default, with where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// Its path in the profile, such as `streams.sensors.rate`. A property of the Kafka client is `client.NAME`, by
    /// librdkafka's name.
    pub path: String,
    /// Its value in the run. Secrets are `[redacted]`, and URLs are without user and password.
    pub value: Value,
    /// Where it comes from; of several places, the one that won.
    pub from: SettingSource,
    /// What set it there: an option such as `--seed`, a variable such as `FLOODMARK_SEED`, or the file.
    pub by: String,
}

/// Where settings come from, the nearest to whoever runs it last: later ones win.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum SettingSource {
    /// A file of client properties.
    ClientProperties,
    /// The profile.
    Profile,
    /// An environment variable.
    Environment,
    /// The command line.
    CommandLine,
    /// The search or curve that this run is a trial of.
    Trial,
}

impl SettingSource {
    /// Its name in files and texts, such as `command-line`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ClientProperties => "client-properties",
            Self::Profile => "profile",
            Self::Environment => "environment",
            Self::CommandLine => "command-line",
            Self::Trial => "trial",
        }
    }
}

/// Every value of a tree by its path, in the order of the tree: what is in a mapping stands by itself, a list is one
/// value.
#[must_use]
pub fn leaves(tree: &Value) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    gather(tree, String::new(), &mut found);
    found
}

fn gather(value: &Value, path: String, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let path = match path.is_empty() {
                    true => key.clone(),
                    false => format!("{path}.{key}"),
                };
                gather(value, path, found);
            }
        }
        _ if path.is_empty() => {}
        other => found.push((path, other.clone())),
    }
}

/// The value at a path such as `gates[0].require`.
#[must_use]
pub fn value_at<'a>(tree: &'a Value, path: &str) -> Option<&'a Value> {
    let mut at = tree;
    for part in path.split('.') {
        let (key, items) = part.split_at(part.find('[').unwrap_or(part.len()));
        at = at.get(key)?;
        for item in items.split_terminator(']') {
            let index: usize = item.strip_prefix('[')?.parse().ok()?;
            at = at.get(index)?;
        }
    }
    Some(at)
}

/// Whether the value at `inner` is that at `outer`, or a part of it.
#[must_use]
pub fn is_within(inner: &str, outer: &str) -> bool {
    inner
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mappings_are_taken_apart_and_lists_are_not() {
        let tree = json!({"a": {"b": 1, "c": [{"d": 2}]}, "e": {}});
        let found = leaves(&tree);
        let expected = [
            ("a.b", json!(1)),
            ("a.c", json!([{"d": 2}])),
            ("e", json!({})),
        ];
        assert_eq!(
            found,
            expected.map(|(path, value)| (path.to_owned(), value))
        );
        for (path, value) in [
            ("a.b", Some(json!(1))),
            ("a.c[0].d", Some(json!(2))),
            ("a.c[1]", None),
            ("a.x", None),
        ] {
            assert_eq!(value_at(&tree, path), value.as_ref(), "{path}");
        }
    }

    #[test]
    fn a_path_is_within_another_only_at_a_step() {
        for (inner, outer, expected) in [
            ("a.b", "a.b", true),
            ("a.b.c", "a.b", true),
            ("a.b[0]", "a.b", true),
            ("a.bc", "a.b", false),
            ("a", "a.b", false),
        ] {
            assert_eq!(is_within(inner, outer), expected, "{inner} {outer}");
        }
    }
}
