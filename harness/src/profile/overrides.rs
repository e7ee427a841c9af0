//! `--set path=value`: one value of the profile replaced.

use floodmark_contracts::problem::Problem;
use serde_json::{Map, Value};

/// Sets the value at `path` (`streams.sensors.rate`, `gates[0].require`) to `text`, read as YAML.
/// Missing mappings on the way are made; list items must exist.
pub(super) fn apply(tree: &mut Value, path: &str, text: &str) -> Result<(), Problem> {
    let value: Value = serde_saphyr::from_str(text)
        .map_err(|_| Problem::new(path, format!("`{text}` is not a YAML value")))?;
    let mut at = tree;
    for step in steps(path)? {
        at = match step {
            Step::Key(key) => {
                if at.is_null() {
                    *at = Value::Object(Map::new());
                }
                let found = describe(at);
                let Value::Object(map) = at else {
                    return Err(Problem::new(
                        path,
                        format!("`{key}` cannot be set inside {found}"),
                    ));
                };
                map.entry(key).or_insert(Value::Null)
            }
            Step::Item(index) => {
                let found = describe(at);
                at.get_mut(index).ok_or_else(|| {
                    Problem::new(path, format!("there is no item {index} in {found}"))
                })?
            }
        };
    }
    *at = value;
    Ok(())
}

enum Step {
    Key(String),
    Item(usize),
}

fn steps(path: &str) -> Result<Vec<Step>, Problem> {
    let bad = || {
        let message = format!("`{path}` is not a path; write one such as `streams.sensors.rate`");
        Problem::new("", message)
    };
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (key, items) = part.split_at(part.find('[').unwrap_or(part.len()));
        if key.is_empty() {
            return Err(bad());
        }
        steps.push(Step::Key(key.to_owned()));
        for item in items.split_terminator(']') {
            let index = item
                .strip_prefix('[')
                .and_then(|n| n.parse().ok())
                .ok_or_else(bad)?;
            steps.push(Step::Item(index));
        }
    }
    Ok(steps)
}

/// What a value is, for a message.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(b) => format!("`{b}`"),
        Value::Number(n) => format!("the number `{n}`"),
        Value::String(s) => format!("the text `{s}`"),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_set_with_their_yaml_types_and_mappings_made() {
        let mut tree = json!({"seed": 1, "gates": [{"require": "a >= 1"}]});
        apply(&mut tree, "seed", "7").unwrap();
        apply(&mut tree, "event_time.speed", "2.5").unwrap();
        apply(&mut tree, "gates[0].require", "b >= 2").unwrap();
        let expected =
            json!({"seed": 7, "gates": [{"require": "b >= 2"}], "event_time": {"speed": 2.5}});
        assert_eq!(tree, expected);
    }

    #[test]
    fn what_cannot_be_set_says_why() {
        for (path, message) in [
            ("seed.x", "seed.x: `x` cannot be set inside the number `1`"),
            ("gates[3]", "gates[3]: there is no item 3 in nothing"),
            (
                "",
                "`` is not a path; write one such as `streams.sensors.rate`",
            ),
        ] {
            let problem = apply(&mut json!({"seed": 1}), path, "1").unwrap_err();
            assert_eq!(problem.to_string(), message);
        }
    }
}
