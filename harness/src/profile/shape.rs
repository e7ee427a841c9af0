//! The shape of a profile against its JSON Schema: every unknown key, wrong type and missing value at
//! once, where a deserializer would stop at the first.

use std::collections::BTreeSet;

use floodmark_contracts::{near::nearest, problem::Problem, profile::Profile};
use jsonschema::{ValidationError, error::ValidationErrorKind};
use schemars::schema_for;
use serde_json::{Map, Value, json};

use super::overrides::describe;

/// Stand-ins for required values that could not be read, so that the rest can be checked further.
const STAND_INS: [(&str, &str); 4] = [
    ("rate", "10k/s"),
    ("name", "unnamed"),
    ("min", "0s"),
    ("max", "1s"),
];

/// Reports everything that is wrong with the shape of `tree`, and takes it out (or puts a stand-in
/// there), so that what remains can be read.
pub(super) fn check_and_mend(tree: &mut Value) -> Vec<Problem> {
    let mut schema = schema_for!(Profile).to_value();
    sharpen(&mut schema);
    let validator = match jsonschema::validator_for(&schema) {
        Ok(validator) => validator,
        Err(error) => return vec![Problem::new("", format!("the profile's schema: {error}"))],
    };
    let mut problems = Vec::new();
    let mut removals: BTreeSet<Vec<String>> = BTreeSet::new();
    for error in validator.iter_errors(tree) {
        let steps = steps_of(&error);
        report(&error, &steps, &schema, &mut problems, &mut removals);
    }
    remove_all(tree, removals);
    // What was taken out may have been required where it stood: take out what holds it, from the
    // inside out. Nothing new is reported here.
    for _ in 0..MENDING_ROUNDS {
        let incomplete: BTreeSet<_> = validator
            .iter_errors(tree)
            .map(|error| holder(steps_of(&error)))
            .collect();
        if incomplete.is_empty() {
            break;
        }
        remove_all(tree, incomplete);
    }
    problems
}

/// A profile nests no deeper than this.
const MENDING_ROUNDS: usize = 6;

/// Takes out everything at `paths`: longest first, last item first, as taking one out must not move
/// another.
fn remove_all(tree: &mut Value, paths: BTreeSet<Vec<String>>) {
    let mut paths: Vec<Vec<String>> = paths.into_iter().collect();
    paths.sort_by_key(|steps| {
        steps
            .iter()
            .map(|s| (s.parse::<usize>().unwrap_or(0), s.clone()))
            .collect::<Vec<_>>()
    });
    for steps in paths.iter().rev() {
        remove(tree, steps);
    }
}

/// The list item that holds an incomplete value, or the value itself where it is in no list.
fn holder(mut steps: Vec<String>) -> Vec<String> {
    if let Some(item) = steps.iter().rposition(|step| step.parse::<usize>().is_ok()) {
        steps.truncate(item + 1);
    }
    steps
}

/// Turns the schema's ways of saying "one of these" into keywords that can be reported exactly: a
/// choice of constants into `enum`, externally tagged variants into one object with one property,
/// an optional value into the value.
fn sharpen(schema: &mut Value) {
    if let Value::Object(map) = schema {
        if let Some(Value::Array(choices)) = map.get("oneOf") {
            let constants: Vec<Value> = choices
                .iter()
                .filter_map(|choice| choice.get("const").cloned())
                .collect();
            let mut properties = Map::new();
            for choice in choices {
                if let Some(Value::Object(own)) = choice.get("properties") {
                    properties.extend(own.clone());
                }
            }
            if constants.len() == choices.len() {
                map.remove("oneOf");
                map.insert("enum".to_owned(), Value::Array(constants));
            } else if properties.len() == choices.len() {
                map.remove("oneOf");
                map.extend(one_key_object(properties));
            } else if constants.len() + properties.len() == choices.len() {
                // A word or a mapping: what is wrong is said of what is there.
                map.remove("oneOf");
                map.insert("if".to_owned(), json!({ "type": "object" }));
                map.insert("then".to_owned(), Value::Object(one_key_object(properties)));
                map.insert("else".to_owned(), json!({ "enum": constants }));
            }
        }
        if let Some(Value::Array(choices)) = map.get("anyOf") {
            let value = choices
                .iter()
                .find(|choice| choice.get("type") != Some(&json!("null")));
            if let (2, Some(Value::Object(value))) = (choices.len(), value.cloned()) {
                map.remove("anyOf");
                map.extend(value);
            }
        }
        leave_to_checks(map);
        map.values_mut().for_each(sharpen);
    } else if let Value::Array(items) = schema {
        items.iter_mut().for_each(sharpen);
    }
}

/// Takes away what tells editors which values make sense: the checks behind this one know more, and say what would work.
/// What a type holds at all stays.
fn leave_to_checks(map: &mut Map<String, Value>) {
    let format = map
        .get("format")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let most = match format {
        "uint8" => Some(json!(u8::MAX)),
        "uint16" => Some(json!(u16::MAX)),
        _ => None,
    };
    let least = format.starts_with("uint").then(|| json!(0));
    // In a list of properties these would be names.
    for (keyword, of_type) in [("minimum", least), ("maximum", most)] {
        if map.get(keyword).is_some_and(Value::is_number) {
            map.remove(keyword);
            map.extend(of_type.map(|limit| (keyword.to_owned(), limit)));
        }
    }
    for keyword in ["exclusiveMinimum", "exclusiveMaximum"] {
        if map.get(keyword).is_some_and(Value::is_number) {
            map.remove(keyword);
        }
    }
    if map.get("pattern").is_some_and(Value::is_string) {
        map.remove("pattern");
    }
}

fn one_key_object(properties: Map<String, Value>) -> Map<String, Value> {
    let Value::Object(object) = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "minProperties": 1,
        "maxProperties": 1,
    }) else {
        return Map::new();
    };
    object
}

fn report(
    error: &ValidationError<'_>,
    steps: &[String],
    schema: &Value,
    problems: &mut Vec<Problem>,
    removals: &mut BTreeSet<Vec<String>>,
) {
    let path = path_of(steps);
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = known_keys(schema, error);
            for key in unexpected {
                let full = [steps, std::slice::from_ref(key)].concat();
                problems.push(Problem::new(path_of(&full), unknown(key, &known)));
                removals.insert(full);
            }
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            problems.push(Problem::new(&path, format!("`{key}` is missing")));
            if STAND_INS.iter().any(|(name, _)| *name == key) {
                removals.insert([steps, &[key.to_owned()]].concat());
            }
        }
        kind => {
            problems.push(Problem::new(&path, explain(kind, error.instance())));
            removals.insert(steps.to_vec());
        }
    }
}

fn explain(kind: &ValidationErrorKind, found: &Value) -> String {
    let found = describe(found);
    match kind {
        ValidationErrorKind::Type { kind } => {
            let wanted = format!("{kind:?}").to_lowercase();
            let wanted = ["object", "array", "string", "integer", "number", "boolean"]
                .into_iter()
                .find(|name| wanted.contains(name))
                .unwrap_or("another type");
            let wanted = match wanted {
                "object" => "a mapping",
                "array" => "a list",
                "string" => "a text, such as `15s`",
                "integer" => "a whole number",
                "number" => "a number",
                "boolean" => "`true` or `false`",
                other => other,
            };
            format!("found {found} where {wanted} belongs")
        }
        ValidationErrorKind::Enum { options } => {
            let options: Vec<String> = options
                .as_array()
                .map(|all| all.iter().filter_map(|o| o.as_str().map(quote)).collect())
                .unwrap_or_default();
            format!("found {found}; use one of {}", options.join(", "))
        }
        ValidationErrorKind::Minimum { limit } => format!("found {found}; use {limit} or more"),
        ValidationErrorKind::Maximum { limit } => format!("found {found}; use {limit} or less"),
        ValidationErrorKind::MinProperties { .. } | ValidationErrorKind::MaxProperties { .. } => {
            format!("found {found}; name exactly one kind here")
        }
        other => format!(
            "found {found}, which does not satisfy `{}`",
            other.keyword()
        ),
    }
}

fn unknown(key: &str, known: &[String]) -> String {
    match nearest(key, known) {
        Some(name) => format!("`{key}` is not known here; did you mean `{name}`?"),
        None => {
            let known: Vec<String> = known.iter().map(|name| quote(name)).collect();
            format!("`{key}` is not known here; known are {}", known.join(", "))
        }
    }
}

fn quote(text: &str) -> String {
    format!("`{text}`")
}

/// Keys that the mapping may have, from the schema that the error points into.
fn known_keys(schema: &Value, error: &ValidationError<'_>) -> Vec<String> {
    // The evaluation path goes through `$ref`s; the schema path names the keyword's own place.
    let mut at = schema;
    let path = error
        .schema_path()
        .as_str()
        .trim_end_matches("/additionalProperties")
        .to_owned();
    for step in path.split('/').skip(1) {
        if let Some(target) = at.get("$ref").and_then(Value::as_str) {
            at = schema.pointer(target.trim_start_matches('#')).unwrap_or(at);
        }
        if step != "$ref" {
            at = match at {
                Value::Array(items) => step.parse().ok().and_then(|i: usize| items.get(i)),
                other => other.get(step),
            }
            .unwrap_or(at);
        }
    }
    if let Some(target) = at.get("$ref").and_then(Value::as_str) {
        at = schema.pointer(target.trim_start_matches('#')).unwrap_or(at);
    }
    at.get("properties")
        .and_then(Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

/// Steps of the instance path; list items keep their index as text.
fn steps_of(error: &ValidationError<'_>) -> Vec<String> {
    error
        .instance_path()
        .as_str()
        .split('/')
        .skip(1)
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect()
}

fn path_of(steps: &[String]) -> String {
    let mut path = String::new();
    for step in steps {
        if step.bytes().all(|b| b.is_ascii_digit()) {
            path.push_str(&format!("[{step}]"));
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(step);
        }
    }
    path
}

/// Takes the value at `steps` out; a required value is replaced by its stand-in.
fn remove(tree: &mut Value, steps: &[String]) {
    let Some((last, parents)) = steps.split_last() else {
        return;
    };
    let mut at = tree;
    for step in parents {
        let next = match at {
            Value::Array(items) => step.parse().ok().and_then(|i: usize| items.get_mut(i)),
            other => other.get_mut(step.as_str()),
        };
        match next {
            Some(next) => at = next,
            None => return,
        }
    }
    match at {
        Value::Object(map) => {
            map.remove(last);
            if let Some((_, value)) = STAND_INS.iter().find(|(name, _)| name == last) {
                map.insert(last.clone(), Value::String((*value).to_owned()));
            }
        }
        Value::Array(items) => {
            if let Ok(index) = last.parse::<usize>()
                && index < items.len()
            {
                items.remove(index);
            }
        }
        _ => {}
    }
}
