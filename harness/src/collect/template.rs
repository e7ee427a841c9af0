//! Texts with places for values of a record: `{window.start}`, `{$offset}`.

use std::fmt::Write;

use serde_json::Value;

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its counterpart.
    #[error(
        "`{found}` has a `{brace}` without its counterpart; write `{brace}{brace}` for a brace"
    )]
    Brace {
        /// The text as it stands.
        found: String,
        /// The brace.
        brace: char,
    },
    /// Nothing, or nothing that can be, between braces.
    #[error(
        "`{{{path}}}` names nothing; write a path such as `{{window.start}}`, or one of {known}"
    )]
    Path {
        /// What stands between the braces.
        path: String,
        /// What Kafka says of a record.
        known: String,
    },
}

/// What Kafka says of a record.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// Its topic.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key, if it has one that is text.
    pub key: Option<&'a str>,
}

/// Names of what Kafka says.
const OF_KAFKA: [&str; 4] = ["$key", "$topic", "$partition", "$offset"];

/// A text with places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Vec<String>),
    Key,
    Topic,
    Partition,
    Offset,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`TemplateError`] for a stray brace or an impossible path.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let stray = |brace| TemplateError::Brace {
            found: text.to_owned(),
            brace,
        };
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let (brace, behind) = rest[at..].split_at(1);
            if let Some(doubled) = behind.strip_prefix(brace) {
                plain.push_str(brace);
                rest = doubled;
                continue;
            }
            let inside = behind.split_once('}').filter(|_| brace == "{");
            let (path, after) =
                inside.ok_or_else(|| stray(if brace == "{" { '{' } else { '}' }))?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::read(path)?);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The text with the values of a record, or which value is missing.
    ///
    /// # Errors
    /// Says which path leads nowhere, or to something that is no text, number or truth value.
    pub fn fill(&self, record: &Value, origin: &Origin<'_>) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            // Writing to a `String` cannot fail.
            let _ = match part {
                Part::Text(plain) => text.write_str(plain),
                Part::Field(path) => text.write_str(&scalar(record, path)?),
                Part::Key => {
                    text.write_str(origin.key.ok_or("the record has no key that is text")?)
                }
                Part::Topic => text.write_str(origin.topic),
                Part::Partition => write!(text, "{}", origin.partition),
                Part::Offset => write!(text, "{}", origin.offset),
            };
        }
        Ok(text)
    }
}

impl Part {
    fn read(path: &str) -> Result<Self, TemplateError> {
        match path {
            "$key" => Ok(Self::Key),
            "$topic" => Ok(Self::Topic),
            "$partition" => Ok(Self::Partition),
            "$offset" => Ok(Self::Offset),
            _ => {
                let steps: Vec<String> = path.split('.').map(str::to_owned).collect();
                if path.starts_with('$') || steps.iter().any(String::is_empty) {
                    let known: Vec<String> =
                        OF_KAFKA.iter().map(|n| format!("`{{{n}}}`")).collect();
                    return Err(TemplateError::Path {
                        path: path.to_owned(),
                        known: known.join(", "),
                    });
                }
                Ok(Self::Field(steps))
            }
        }
    }
}

/// The text of the value at `path`.
fn scalar(record: &Value, path: &[String]) -> Result<String, String> {
    let mut at = record;
    for step in path {
        let next = match at {
            Value::Array(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)),
            other => other.get(step),
        };
        at = next.ok_or_else(|| format!("the record has no `{}`", path.join(".")))?;
    }
    match at {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(format!(
            "`{}` is no text, number or truth value",
            path.join(".")
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(template: &str) -> Result<String, String> {
        let record = json!({"a": {"b": [1, "two"]}, "yes": true, "none": null});
        let origin = Origin {
            topic: "t",
            partition: 3,
            offset: 7,
            key: Some("k"),
        };
        Template::parse(template)
            .map_err(|error| error.to_string())?
            .fill(&record, &origin)
    }

    #[test]
    fn values_stand_in_their_places() {
        for (template, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{a.b.0}/{a.b.1}-{yes}", "1/two-true"),
            ("{$topic}/{$partition}/{$offset} {$key}", "t/3/7 k"),
            ("{{a}} {a.b.0}", "{a} 1"),
        ] {
            assert_eq!(fill(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (template, expected) in [
            ("{a", "`{a` has a `{` without its counterpart"),
            ("a}", "`a}` has a `}` without its counterpart"),
            ("{}", "`{}` names nothing"),
            (
                "{$offsets}",
                "`{$offsets}` names nothing; write a path such as `{window.start}`, or one of `{$key}`",
            ),
            ("{a.x}", "the record has no `a.x`"),
            ("{a.b.9}", "the record has no `a.b.9`"),
            ("{none}", "`none` is no text"),
            ("{a}", "`a` is no text"),
        ] {
            let error = fill(template).unwrap_err();
            assert!(error.starts_with(expected), "{template}: {error}");
        }
    }
}
