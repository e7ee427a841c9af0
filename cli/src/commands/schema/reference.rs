//! `docs/profile.md`: every setting of a profile, from the JSON Schema that its types have.
//!
//! A *section* is a definition of the schema with settings of its own, or with alternatives of which one has some. It stands
//! once on the page, under the first path that leads to it, with the others named; the sections that it names follow it.

mod words;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use self::words::Words;

/// What stands at the top of the page.
const HEAD: &str = "\
# The profile, setting by setting

A profile is a YAML file: one workload, the detector under test, and what is asked of it. This page is made from the types that
read it (`just schemas`), and a test keeps it so; [the JSON Schema](schema/profile.json) says the same to an editor.
`floodmark init` writes a commented profile to begin with, `floodmark validate` says what is wrong with one, and `--set PATH=VALUE`
changes any setting from the command line by its path on this page:

<!-- tried by the tests -->
```sh
floodmark validate profiles/smoke.yaml --set streams.sensors.rate=2k/s --set 'streams.sensors.anomalies[0].sensor-spike.count=5'
```

- **Durations** are a number and `us`, `ms`, `s`, `m`, `h` or `d`: `250ms`, `1.5s`, `2m`. *Wall time* is the time of the clock on
  the wall, *event time* that of the events, which can run faster (`event_time.speed`).
- **Rates** are events per second of wall time: `500/s`, `50k/s`, `1.5M/s`.
- In paths `*` stands for any of the names in the section before, `a|b` for either of two, `[]` for an entry of a list, `NAME` for a name that you give.
- A setting that is not known is refused, with its line and column and the name that may have been meant.
- Without a default, and not *required*, a setting is absent unless it is given; its description says what that means.
";

/// A section of the page.
struct Section<'a> {
    path: String,
    /// 0 for the profile itself.
    depth: usize,
    definition: &'a Value,
    /// Further paths that lead to it.
    also: Vec<String>,
}

/// The page while its sections are gathered.
struct Page<'a> {
    definitions: &'a Map<String, Value>,
    sections: Vec<Section<'a>>,
    /// Which section a definition has.
    known: BTreeMap<&'a str, usize>,
}

/// The page as Markdown, from the schema of profiles.
#[must_use]
pub fn page(schema: &Value) -> String {
    let none = Map::new();
    let definitions = schema.get("$defs").and_then(Value::as_object);
    let mut page = Page {
        definitions: definitions.unwrap_or(&none),
        sections: Vec::new(),
        known: BTreeMap::new(),
    };
    page.add(schema, String::new(), 0);
    page.write()
}

impl<'a> Page<'a> {
    /// Adds a section and those that it leads to.
    fn add(&mut self, definition: &'a Value, path: String, depth: usize) {
        self.sections.push(Section {
            path: path.clone(),
            depth,
            definition,
            also: Vec::new(),
        });
        let members = members(definition);
        let mut names: Vec<(String, String)> = Vec::new();
        for (_, member) in &members {
            let Some((target, suffix)) = self.section_of(member) else {
                continue;
            };
            let name = self.joined(&members, target);
            let dot = if path.is_empty() { "" } else { "." };
            let entry = (target.to_owned(), format!("{path}{dot}{name}{suffix}"));
            if !names.contains(&entry) {
                names.push(entry);
            }
        }
        for (target, path) in names {
            let Some((target, definition)) = self.definitions.get_key_value(&target) else {
                continue;
            };
            if let Some(&index) = self.known.get(target.as_str()) {
                self.sections[index].also.push(path);
            } else {
                self.known.insert(target, self.sections.len());
                self.add(definition, path, depth + 1);
            }
        }
    }

    /// The name of the members that lead to a section: that of the only one, a few with `|` between, or `*` for many or all.
    fn joined(&self, members: &[(&str, &'a Value)], target: &str) -> String {
        let leads_there = |member: &'a Value| {
            self.section_of(member)
                .is_some_and(|(found, _)| found == target)
        };
        let names: Vec<&str> = members
            .iter()
            .filter(|(_, member)| leads_there(member))
            .map(|(name, _)| *name)
            .collect();
        match names.len() {
            1 => names[0].to_owned(),
            n if n == members.len() || n > 4 => "*".to_owned(),
            _ => names.join("|"),
        }
    }

    /// The definition of the section that a member leads to, and what its path gets: `[]` in a list, `.NAME` under names
    /// that are given.
    fn section_of(&self, member: &'a Value) -> Option<(&'a str, &'static str)> {
        let (inner, suffix) = words::inner(member);
        let target = words::target(inner)?;
        words::has_settings(self.definitions.get(target)?).then_some((target, suffix))
    }

    fn write(&self) -> String {
        let titles: Vec<String> = self.sections.iter().map(Section::title).collect();
        let slugs = slugs(&titles);
        let words = Words {
            definitions: self.definitions,
            link: &|target| {
                let index = *self.known.get(target)?;
                Some(format!("[section](#{})", slugs[index]))
            },
        };
        let mut text = HEAD.to_owned();
        for (index, section) in self.sections.iter().enumerate() {
            let level = "#".repeat((section.depth + 1).clamp(2, 4));
            text += &format!("\n{level} {}\n\n", titles[index]);
            section.write(&mut text, &words);
            if index == 0 {
                self.write_contents(&mut text, &slugs);
            }
        }
        text
    }

    /// The parts of the profile with what each is for.
    fn write_contents(&self, text: &mut String, slugs: &[String]) {
        text.push_str("\nParts that have settings of their own:\n\n");
        for (section, slug) in self.sections.iter().zip(slugs) {
            if section.depth == 1 {
                let about = words::first_sentence(section.definition);
                text.push_str(&format!("- [`{}`](#{slug}): {about}\n", section.path));
            }
        }
    }
}

impl Section<'_> {
    fn title(&self) -> String {
        match self.path.as_str() {
            "" => "The whole profile".to_owned(),
            path => format!("`{path}`"),
        }
    }

    fn write(&self, text: &mut String, words: &Words<'_>) {
        text.push_str(&words::description(self.definition));
        if !self.also.is_empty() {
            let paths: Vec<String> = self.also.iter().map(|path| format!("`{path}`")).collect();
            text.push_str(&format!(" Also at {}.", paths.join(", ")));
        }
        text.push('\n');
        if self.definition.get("properties").is_some() {
            self.write_settings(text, words);
        } else {
            write_alternatives(self.definition, text, words);
        }
    }

    fn write_settings(&self, text: &mut String, words: &Words<'_>) {
        let required = self.definition.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_some_and(|list| list.iter().any(|v| v == name));
        text.push_str("\n| setting | what it is | default | example | meaning |\n| --- | --- | --- | --- | --- |\n");
        for (name, member) in members(self.definition) {
            let default = match is_required(name) {
                true => "*required*".to_owned(),
                false => words.default(member),
            };
            let row = format!(
                "| `{name}` | {} | {default} | {} | {} |",
                words.kind(member),
                words::example(member),
                words.meaning(member)
            );
            text.push_str(&row);
            text.push('\n');
        }
    }
}

/// The alternatives of a choice: a name alone, or a name with settings of its own.
fn write_alternatives(definition: &Value, text: &mut String, words: &Words<'_>) {
    text.push_str("\nOne of these:\n\n| name | what it has | meaning |\n| --- | --- | --- |\n");
    for (name, payload, variant) in words::alternatives(definition) {
        let kind = payload.map_or_else(|| "nothing: the name alone".to_owned(), |p| words.kind(p));
        let about = words::description(variant);
        text.push_str(&format!("| `{name}` | {kind} | {about} |\n"));
    }
}

/// Names with their schemas: the settings of a section, or its alternatives that have some.
fn members(definition: &Value) -> Vec<(&str, &Value)> {
    if let Some(properties) = definition.get("properties").and_then(Value::as_object) {
        return properties
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .collect();
    }
    let alternatives = words::alternatives(definition).into_iter();
    alternatives
        .filter_map(|(name, payload, _)| Some((name, payload?)))
        .collect()
}

/// Names by which headings can be linked: letters, digits, `-` and `_`; a second one of a name gets `-1`, and so on.
fn slugs(titles: &[String]) -> Vec<String> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let slug = |title: &String| {
        let lower = title.to_lowercase().replace(' ', "-");
        let plain: String = lower
            .chars()
            .filter(|c| c.is_alphanumeric() || ['-', '_'].contains(c))
            .collect();
        let n_before = seen.entry(plain.clone()).or_default();
        *n_before += 1;
        match *n_before {
            1 => plain,
            n => format!("{plain}-{}", n - 1),
        }
    };
    titles.iter().map(slug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> String {
        let schemas = floodmark_contracts::schema::all();
        let (_, schema) = schemas
            .iter()
            .find(|(file, _)| *file == "profile.json")
            .unwrap();
        super::page(schema.as_value())
    }

    #[test]
    fn every_link_leads_to_a_heading() {
        let page = page();
        let titles: Vec<String> = page
            .lines()
            .filter(|line| line.starts_with('#'))
            .map(|line| line.trim_start_matches('#').trim().to_owned())
            .collect();
        let slugs = slugs(&titles);
        let links: Vec<&str> = page
            .split("](#")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .collect();
        assert!(links.len() > 60, "{}", links.len());
        for link in links {
            assert!(slugs.iter().any(|slug| slug == link), "#{link}");
        }
    }

    #[test]
    fn a_setting_stands_with_its_unit_bounds_default_and_meaning() {
        let page = page();
        for row in [
            "| `duration` | duration of wall time | *required* | `20s` | Wall time during which events are due. |",
            "| `entities` | whole number, 1 to 1,000,000 | `1000` |  | Number of users, accounts or sensors, 1 to 1,000,000. |",
        ] {
            assert!(page.contains(row), "{row}");
        }
        assert!(page.contains("\n#### `streams.*.anomalies[].*`\n"));
        assert_eq!(page.matches("| `prevalence` |").count(), 1);
    }

    #[test]
    fn no_setting_is_without_a_meaning() {
        for line in page().lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.split(" | ").collect();
            let meaning = cells.last().unwrap().trim_end_matches('|').trim();
            assert!(meaning.len() > 4, "{line}");
        }
    }
}
