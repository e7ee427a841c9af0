//! Which settings of a run somebody made, and where.

use std::collections::BTreeMap;

use floodmark_contracts::{
    profile::Profile,
    setting::{Setting, SettingSource, is_within, leaves, value_at},
};
use floodmark_harness::run::hide_passwords;
use serde_json::Value;

/// A value of the profile that is set from outside of it.
#[derive(Debug, Clone)]
pub struct Given {
    /// Its path in the profile.
    pub path: String,
    /// The value as YAML.
    pub text: String,
    /// Where it comes from.
    pub from: SettingSource,
    /// By what option or variable.
    pub by: String,
}

/// The settings of a profile: those in its text by its name, then what is given beside it, then those of the client.
pub fn effective(
    (name, stated): (&str, Vec<(String, Value)>),
    given: &[Given],
    profile: &Profile,
    of_client: Vec<Setting>,
) -> Vec<Setting> {
    let mut all: Vec<Setting> = stated
        .into_iter()
        .map(|(path, value)| Setting {
            path,
            value,
            from: SettingSource::Profile,
            by: name.to_owned(),
        })
        .collect();
    let resolved = serde_json::to_value(profile).unwrap_or_default();
    for given in given {
        let value = value_at(&resolved, &given.path).cloned();
        let set = Setting {
            path: given.path.clone(),
            value: value.unwrap_or_else(|| Value::from(given.text.as_str())),
            from: given.from,
            by: given.by.clone(),
        };
        replace(&mut all, set);
    }
    // By librdkafka's names and redacted they come from elsewhere.
    all.retain(|setting| !is_within(&setting.path, "client"));
    all.iter_mut()
        .for_each(|setting| hide_passwords(&mut setting.value));
    all.extend(of_client);
    all
}

/// The settings of a run of a profile that a search or curve has varied.
pub fn varied(settings: &[Setting], before: &Value, after: &Value) -> Vec<Setting> {
    let old: BTreeMap<String, Value> = leaves(before).into_iter().collect();
    let mut all = settings.to_vec();
    let changed = leaves(after)
        .into_iter()
        .filter(|(path, value)| old.get(path) != Some(value));
    for (path, mut value) in changed {
        hide_passwords(&mut value);
        let set = Setting {
            path,
            value,
            from: SettingSource::Trial,
            by: "the trial".to_owned(),
        };
        replace(&mut all, set);
    }
    all
}

/// Puts a setting in place of what was set there or within.
fn replace(all: &mut Vec<Setting>, set: Setting) {
    all.retain(|before| !is_within(&before.path, &set.path));
    all.push(set);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trial_says_what_it_varied_and_keeps_the_rest() {
        let set = |path: &str, value: Value, from| Setting {
            path: path.to_owned(),
            value,
            from,
            by: "x".to_owned(),
        };
        let settings = [
            set(
                "streams.sensors.rate",
                json!("5k/s"),
                SettingSource::Profile,
            ),
            set("seed", json!(7), SettingSource::CommandLine),
        ];
        let before = json!({"seed": 7, "streams": {"sensors": {"rate": "5k/s"}}, "drain": "10s"});
        let after = json!({"seed": 7, "streams": {"sensors": {"rate": "9k/s"}}, "drain": "10s"});
        let found = varied(&settings, &before, &after);
        let found: Vec<(&str, &Value, SettingSource)> = found
            .iter()
            .map(|set| (set.path.as_str(), &set.value, set.from))
            .collect();
        assert_eq!(
            found,
            [
                ("seed", &json!(7), SettingSource::CommandLine),
                ("streams.sensors.rate", &json!("9k/s"), SettingSource::Trial),
            ]
        );
    }
}
