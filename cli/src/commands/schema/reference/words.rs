//! What the reference says of a piece of the schema, in words.

use serde_json::{Map, Value};

/// Words for pieces of one schema.
pub struct Words<'a> {
    /// Definitions that pieces refer to.
    pub definitions: &'a Map<String, Value>,
    /// The link to the section of a definition, if it has one.
    pub link: &'a dyn Fn(&str) -> Option<String>,
}

impl Words<'_> {
    /// What a setting is: its type, unit and bounds, or the names that it can be.
    pub fn kind(&self, member: &Value) -> String {
        let (content, suffix) = inner(member);
        let one = self.kind_of_one(content);
        match suffix {
            "[]" => match number(member, "maxItems")
                .filter(|n| number(member, "minItems") == Some(*n))
            {
                Some(n) => format!("list of {n}: {one}"),
                None => format!("list of: {one}"),
            },
            ".NAME" => format!("by name: {one}"),
            _ => one,
        }
    }

    fn kind_of_one(&self, content: &Value) -> String {
        if let Some(target) = target(content) {
            if let Some(link) = (self.link)(target) {
                return link;
            }
            let names = self
                .definitions
                .get(target)
                .map(alternatives)
                .unwrap_or_default();
            let names: Vec<String> = names.iter().map(|(name, ..)| format!("`{name}`")).collect();
            return names.join(", ");
        }
        if let Some(quantity) = content.get("x-quantity").and_then(Value::as_str) {
            return quantity.to_owned();
        }
        match type_of(content) {
            "boolean" => "`true`, `false`".to_owned(),
            "integer" => format!("whole number{}", bounds(content)),
            "number" => format!("number{}", bounds(content)),
            "string" => "text".to_owned(),
            _ => "a text, a number, `true` or `false`".to_owned(),
        }
    }

    /// What a setting is if it is not given; empty where nothing is.
    pub fn default(&self, member: &Value) -> String {
        match member.get("default") {
            None | Some(Value::Null) => String::new(),
            Some(Value::Array(list)) if list.is_empty() => "none".to_owned(),
            Some(Value::Object(map)) if map.is_empty() => "none".to_owned(),
            Some(Value::String(text)) if text.is_empty() => "empty".to_owned(),
            // Its parts stand in its own section.
            Some(Value::Object(_)) => String::new(),
            Some(value) => code(value),
        }
    }

    /// What a setting means; for one that is a name, also what each of the names means.
    pub fn meaning(&self, member: &Value) -> String {
        let mut text = description(member);
        let (content, _) = inner(member);
        let definition = target(content).and_then(|target| self.definitions.get(target));
        if text.is_empty() {
            text = definition.map(description).unwrap_or_default();
        }
        for (name, _, variant) in definition
            .filter(|definition| !has_settings(definition))
            .map(alternatives)
            .unwrap_or_default()
        {
            let about = description(variant);
            text.push_str(&format!(" `{name}`: {about}"));
        }
        text
    }
}

/// The first example of a setting.
pub fn example(member: &Value) -> String {
    let examples = member.get("examples").and_then(Value::as_array);
    examples
        .and_then(|list| list.first())
        .map(code)
        .unwrap_or_default()
}

/// The description of a piece, on one line, as a cell of a table takes it. Pages beside this one are linked.
pub fn description(piece: &Value) -> String {
    let text = piece.get("description").and_then(Value::as_str);
    let words: Vec<&str> = text.unwrap_or_default().split_whitespace().collect();
    let line = words.join(" ").replace('|', "\\|");
    let mut parts = line.split("`docs/");
    let mut linked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (page, rest) = part.split_once('`').unwrap_or((part, ""));
        linked.push_str(&format!("[{page}]({page}){rest}"));
    }
    linked
}

/// The first sentence of it.
pub fn first_sentence(piece: &Value) -> String {
    let text = description(piece);
    let end = text.find(". ").map_or(text.len(), |at| at + 1);
    text[..end].to_owned()
}

/// What is in a list (`[]`) or under names that are given (`.NAME`), or else the piece itself.
pub fn inner(member: &Value) -> (&Value, &'static str) {
    if let Some(items) = member.get("items") {
        return (items, "[]");
    }
    match member.get("additionalProperties") {
        Some(values @ Value::Object(_)) => (values, ".NAME"),
        _ => (member, ""),
    }
}

/// The definition that a piece refers to, also where `null` may stand in its place.
pub fn target(piece: &Value) -> Option<&str> {
    let one_of = piece.get("anyOf").and_then(Value::as_array);
    let pieces = one_of.map_or(std::slice::from_ref(piece), Vec::as_slice);
    let reference = pieces.iter().find_map(|piece| piece.get("$ref")?.as_str());
    reference?.strip_prefix("#/$defs/")
}

/// Whether a definition has settings, or alternatives of which one has more than its name.
pub fn has_settings(definition: &Value) -> bool {
    let has_more = |(_, payload, _): &(&str, Option<&Value>, &Value)| payload.is_some();
    definition.get("properties").is_some() || alternatives(definition).iter().any(has_more)
}

/// The alternatives of a choice: each one's name, the schema of what it has besides, and its own schema.
pub fn alternatives(definition: &Value) -> Vec<(&str, Option<&Value>, &Value)> {
    let mut found = Vec::new();
    for variant in definition
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let names = variant
            .get("enum")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for name in names.chain(variant.get("const")).filter_map(Value::as_str) {
            found.push((name, None, variant));
        }
        let properties = variant.get("properties").and_then(Value::as_object);
        for (name, payload) in properties.into_iter().flatten() {
            found.push((name, Some(payload), variant));
        }
    }
    found
}

/// The type of a piece other than `null`.
fn type_of(piece: &Value) -> &str {
    match piece.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => {
            let mut names = names.iter().filter_map(Value::as_str);
            names.find(|name| *name != "null").unwrap_or_default()
        }
        _ => "",
    }
}

fn number<'a>(piece: &'a Value, name: &str) -> Option<&'a serde_json::Number> {
    piece.get(name)?.as_number()
}

/// The bounds of a number, after a comma. Those that its type has anyway are not among them.
fn bounds(piece: &Value) -> String {
    let text = |name| number(piece, name).map(grouped);
    match (text("exclusiveMinimum"), text("minimum"), text("maximum")) {
        (Some(least), _, Some(most)) => format!(", above {least}, at most {most}"),
        (Some(least), _, None) => format!(", above {least}"),
        (None, Some(least), Some(most)) => format!(", {least} to {most}"),
        (None, Some(least), None) => format!(", {least} or more"),
        _ => String::new(),
    }
}

/// A whole number of many digits with commas between thousands.
fn grouped(number: &serde_json::Number) -> String {
    let text = plain(number);
    if text.len() < 5 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text;
    }
    let first = text.len() % 3;
    let (head, tail) = text.split_at(first);
    let groups = tail.as_bytes().chunks(3).map(String::from_utf8_lossy);
    let head = (!head.is_empty()).then(|| head.into());
    head.into_iter().chain(groups).collect::<Vec<_>>().join(",")
}

/// A number without a fraction of zero.
fn plain(number: &serde_json::Number) -> String {
    number.to_string().trim_end_matches(".0").to_owned()
}

/// A value as a profile has it.
fn code(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Number(number) => format!("`{}`", plain(number)),
        Value::Array(list) => {
            let items: Vec<String> = list
                .iter()
                .map(|item| code(item).replace('`', ""))
                .collect();
            format!("`[{}]`", items.join(", "))
        }
        other => format!("`{other}`"),
    }
}
