//! Reference cases: figures computed by public code, held against ours.
//!
//! The test `vectors` reads every `*.json` file of a folder: by default `fixtures/`, or the folder in
//! the environment variable `FLOODMARK_VECTORS`. A file of a known name is checked whole; a name that
//! this crate has no check for is an error, so that nothing is passed over in silence. The file
//! `nab_real.json` names series of the Numenta Anomaly Benchmark; it is checked where their folder, with
//! `data/` and `combined_windows.json`, is in `FLOODMARK_NAB`, and skipped by name elsewhere.

mod checks;
mod published;

use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::Value;

/// A file of cases.
pub struct Vectors {
    name: String,
    tolerance: Tolerance,
    cases: Vec<Value>,
}

/// `|got - want| <= abs + rel * |want|`.
#[derive(Clone, Copy)]
struct Tolerance {
    abs: f64,
    rel: f64,
}

/// One case: its input, its expected figures, and the names of those that were checked.
pub struct Case<'a> {
    place: String,
    tolerance: Tolerance,
    pub input: &'a Value,
    expected: BTreeMap<String, &'a Value>,
    checked: Vec<String>,
}

impl Case<'_> {
    /// Holds a figure against the expected one of this name; `null` is undefined, `"inf"` infinite.
    pub fn check(&mut self, name: &str, got: Option<f64>) {
        let want = *self
            .expected
            .get(name)
            .unwrap_or_else(|| panic!("{}: no `{name}`", self.place));
        self.checked.push(name.to_owned());
        let want = match want {
            Value::Null => None,
            Value::String(text) if text == "inf" => Some(f64::INFINITY),
            value => Some(
                value
                    .as_f64()
                    .unwrap_or_else(|| panic!("{}: `{name}`", self.place)),
            ),
        };
        let close = match (got, want) {
            (Some(got), Some(want)) if want.is_finite() => {
                (got - want).abs() <= self.tolerance.abs + self.tolerance.rel * want.abs()
            }
            (got, want) => got == want,
        };
        assert!(close, "{} {name}: got {got:?}, want {want:?}", self.place);
    }

    /// Holds a list of figures against the expected one.
    pub fn check_list(&mut self, name: &str, got: &[f64]) {
        for (i, got) in got.iter().enumerate() {
            self.check(&format!("{name}[{i}]"), Some(*got));
        }
        let beyond = format!("{name}[{}]", got.len());
        assert!(
            !self.expected.contains_key(&beyond),
            "{}: `{name}` is too short",
            self.place
        );
    }

    /// An expected figure, where it is a number.
    pub fn expected(&self, name: &str) -> Option<f64> {
        self.expected.get(name).and_then(|value| value.as_f64())
    }

    /// Names a figure of the reference that we do not have, with the reason.
    pub fn without(&mut self, name: &str, _reason: &str) {
        let parts = self.expected.keys().filter(|known| known.starts_with(name));
        self.checked.extend(parts.cloned());
    }

    /// A figure that is undefined for us; the reference may say 0 in its place, and nothing else.
    pub fn undefined(&mut self, name: &str) {
        let zero = self.expected(name).unwrap_or(0.0);
        assert!(zero == 0.0, "{} {name}: got None, want {zero}", self.place);
        self.checked.push(name.to_owned());
    }

    /// Fails if a figure of the case was not looked at.
    fn finish(self) {
        let left: Vec<&String> = self
            .expected
            .keys()
            .filter(|name| !self.checked.contains(name))
            .collect();
        assert!(left.is_empty(), "{}: not checked: {left:?}", self.place);
    }
}

impl Vectors {
    fn read(path: &PathBuf) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let json: Value =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let tolerance = |part: &str| json["tolerance"][part].as_f64().expect("a tolerance");
        Self {
            name: path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
            tolerance: Tolerance {
                abs: tolerance("abs"),
                rel: tolerance("rel"),
            },
            cases: json["cases"].as_array().expect("cases").clone(),
        }
    }

    fn each(&self, check: fn(&mut Case<'_>)) -> usize {
        self.each_with(check)
    }

    fn each_with(&self, check: impl Fn(&mut Case<'_>)) -> usize {
        for value in &self.cases {
            let mut tolerance = self.tolerance;
            if let Some(own) = value["tolerance_abs"].as_f64() {
                tolerance.abs = own;
            }
            let mut expected = BTreeMap::new();
            flatten("", &value["expected"], &mut expected);
            let mut case = Case {
                place: format!("{} {}", self.name, value["id"]),
                tolerance,
                input: &value["input"],
                expected,
                checked: Vec::new(),
            };
            check(&mut case);
            case.finish();
        }
        self.cases.len()
    }
}

/// Leaves of a JSON value by path: `a.b`, `list[0]`.
fn flatten<'a>(path: &str, value: &'a Value, leaves: &mut BTreeMap<String, &'a Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{name}"), value, leaves);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                flatten(&format!("{path}[{i}]"), value, leaves);
            }
        }
        leaf => {
            leaves.insert(path.to_owned(), leaf);
        }
    }
}

/// Checks one file; gives the number of its cases, or `None` for a name without a check.
fn check_file(vectors: &Vectors) -> Option<usize> {
    Some(match vectors.name.as_str() {
        "wilson" => vectors.each(checks::wilson),
        "newcombe_diff" => vectors.each(checks::newcombe_difference),
        "poisson_rate" => vectors.each(checks::poisson_rate),
        "per_kind" => vectors.each(checks::per_kind),
        "one_to_one" => vectors.each(checks::one_to_one),
        "average_precision" => vectors.each(checks::average_precision),
        "time_to_detect" => vectors.each(checks::time_to_detect),
        "event_tolerance" => vectors.each(checks::any_overlap),
        "bootstrap" => vectors.each(checks::bootstrap),
        "affiliation" => vectors.each(published::affiliation),
        "esa_events" => vectors.each(published::event_wise),
        "nab" => vectors.each(published::nab),
        "point_adjust" => vectors.each(published::point_adjust),
        "range_pr" => vectors.each(published::range_based),
        "vus" => vectors.each(published::volume),
        _ => return None,
    })
}

#[test]
fn vectors() {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let folder = std::env::var_os("FLOODMARK_VECTORS").unwrap_or_else(|| own.into());
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    assert!(!files.is_empty(), "no `*.json` in {}", folder.display());
    let mut unknown = Vec::new();
    for path in &files {
        let vectors = Vectors::read(path);
        if vectors.name == "nab_real" {
            match std::env::var_os("FLOODMARK_NAB") {
                Some(series) => {
                    println!("nab_real: {} cases", published::nab_real(&vectors, &series))
                }
                None => {
                    println!("nab_real: skipped, it needs the series in the folder `FLOODMARK_NAB`")
                }
            }
            continue;
        }
        match check_file(&vectors) {
            Some(cases) => println!("{}: {cases} cases", vectors.name),
            None => unknown.push(vectors.name),
        }
    }
    assert!(unknown.is_empty(), "there is no check for {unknown:?}");
}

#[test]
fn a_file_without_a_check_is_noticed() {
    let vectors = Vectors {
        name: "astrology".to_owned(),
        tolerance: Tolerance { abs: 0.0, rel: 0.0 },
        cases: Vec::new(),
    };
    assert_eq!(check_file(&vectors), None);
}

#[test]
#[should_panic(expected = "not checked")]
fn a_figure_that_nobody_looks_at_is_noticed() {
    let value = serde_json::json!({ "id": "s01", "input": {}, "expected": { "f1": 0.5 } });
    let vectors = Vectors {
        name: "some".to_owned(),
        tolerance: Tolerance { abs: 0.0, rel: 0.0 },
        cases: vec![value],
    };
    vectors.each(|_| {});
}
