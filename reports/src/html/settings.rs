//! Which settings of a run somebody made, and where.

use floodmark_contracts::{
    result::RunResult,
    setting::{Setting, SettingSource},
};
use serde_json::Value;

/// Settings that the page shows at most; `record.json` has them all.
const MOST: usize = 200;

/// Characters of a value that the page shows: a list of anomalies is one value.
const MOST_CHARS: usize = 240;

/// The settings that are not left at their defaults.
pub(super) struct Settings {
    pub(super) total: usize,
    pub(super) rows: Vec<SettingRow>,
    /// How many are not shown.
    pub(super) more: usize,
}

/// A setting, ready to print.
pub(super) struct SettingRow {
    pub(super) path: String,
    pub(super) value: String,
    pub(super) from: &'static str,
    pub(super) by: String,
}

/// What was set from outside of the profile first: nobody who reads the profile would know of it.
pub(super) fn settings(result: &RunResult) -> Settings {
    let mut all: Vec<&Setting> = result.settings.iter().collect();
    all.sort_by_key(|setting| std::cmp::Reverse(setting.from));
    Settings {
        total: all.len(),
        more: all.len().saturating_sub(MOST),
        rows: all.into_iter().take(MOST).map(row).collect(),
    }
}

fn row(setting: &Setting) -> SettingRow {
    SettingRow {
        path: setting.path.clone(),
        value: shown(&setting.value),
        from: match setting.from {
            SettingSource::CommandLine => "command line",
            SettingSource::Environment => "environment",
            SettingSource::Profile => "profile",
            SettingSource::ClientProperties => "client properties",
            SettingSource::Trial => "search or curve",
        },
        by: setting.by.clone(),
    }
}

/// A value as a profile would have it; the end of a long one is cut off.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= MOST_CHARS {
        return text;
    }
    let beginning: String = text.chars().take(MOST_CHARS).collect();
    format!("{beginning}…")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_shown_as_a_profile_has_them_and_long_ones_are_cut() {
        assert_eq!(shown(&json!("20s")), "20s");
        assert_eq!(shown(&json!(7)), "7");
        assert_eq!(shown(&json!([{"kind": "bot"}])), r#"[{"kind":"bot"}]"#);
        let long = shown(&json!("é".repeat(300)));
        assert_eq!(long.chars().count(), MOST_CHARS + 1);
        assert!(long.ends_with('…'));
    }
}
