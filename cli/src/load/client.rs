//! Properties of the Kafka client, from every place that may set some.

use std::collections::BTreeMap;

use floodmark_contracts::setting::{Setting, SettingSource};
use floodmark_kafka::{
    ClientSettings,
    settings::{Builder, SettingsError},
};
use serde_json::Value;

use crate::{
    args::{ClientArgs, PROPERTIES_VARIABLE},
    exit::{Exit, Failure},
};

/// Stands in for the address until the broker is up; nothing connects to it.
const UNKNOWN_CLUSTER: &str = "127.0.0.1:1";

/// Properties that were set in one place.
struct Layer {
    from: SettingSource,
    by: String,
    properties: BTreeMap<String, String>,
    /// The cluster's address, which only files may give.
    address: Option<String>,
}

impl Layer {
    fn new(from: SettingSource, by: &str, builder: Builder) -> Result<Self, SettingsError> {
        let address = builder.address_in_file().map(str::to_owned);
        Ok(Self {
            from,
            by: by.to_owned(),
            properties: builder.build()?.properties,
            address,
        })
    }
}

/// The places beside the profile: file, environment and command line.
pub struct Layers(Vec<Layer>);

impl Layers {
    /// Reads what the arguments name, and the environment.
    ///
    /// # Errors
    /// If a file cannot be read or a property cannot be used: the usage is wrong.
    pub fn read(args: &ClientArgs) -> Result<Self, Failure> {
        let usage = |error: SettingsError| Failure::new(Exit::Usage, error);
        let variable = std::env::var(PROPERTIES_VARIABLE).unwrap_or_default();
        Self::of(args, &variable).map_err(usage)
    }

    fn of(args: &ClientArgs, variable: &str) -> Result<Self, SettingsError> {
        let builder = || ClientSettings::builder(UNKNOWN_CLUSTER);
        let mut layers = Vec::new();
        if let Some(file) = &args.properties_file {
            let by = file.display().to_string();
            let read = builder().file(file)?;
            layers.push(Layer::new(SettingSource::ClientProperties, &by, read)?);
        }
        let read = builder().file_text(PROPERTIES_VARIABLE, variable)?;
        layers.push(Layer::new(
            SettingSource::Environment,
            PROPERTIES_VARIABLE,
            read,
        )?);
        let read = builder().overrides(&args.properties)?;
        layers.push(Layer::new(SettingSource::CommandLine, "-X", read)?);
        Ok(Self(layers))
    }

    /// The cluster's address in the environment's properties or, where the profile names no broker, in the file; with
    /// where it comes from.
    pub fn address(&self, profile_names_one: bool) -> Option<(&str, SettingSource, &str)> {
        let counts = |layer: &&Layer| layer.from > SettingSource::Profile || !profile_names_one;
        let mut layers = self.0.iter().rev().filter(counts);
        layers.find_map(|layer| Some((layer.address.as_deref()?, layer.from, layer.by.as_str())))
    }

    /// All properties, together with the profile's, and where each comes from. What is nearer to the command line
    /// wins. The cluster's address is not known yet.
    ///
    /// # Errors
    /// If a property of the profile cannot be used.
    pub fn with_profile(
        mut self,
        properties: &BTreeMap<String, String>,
        (from, by): (SettingSource, &str),
    ) -> Result<(ClientSettings, Vec<Setting>), SettingsError> {
        let pairs: Vec<String> = properties.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let read = ClientSettings::builder(UNKNOWN_CLUSTER).overrides(&pairs)?;
        let mut own = Layer::new(SettingSource::Profile, by, read)?;
        own.from = from;
        let behind_files = self
            .0
            .iter()
            .take_while(|layer| layer.from == SettingSource::ClientProperties)
            .count();
        self.0.insert(behind_files, own);
        Ok(self.merged())
    }

    fn merged(self) -> (ClientSettings, Vec<Setting>) {
        let mut settings = ClientSettings::plain(UNKNOWN_CLUSTER);
        let mut made = BTreeMap::new();
        for layer in self.0 {
            for (name, value) in layer.properties {
                made.insert(name.clone(), (layer.from, layer.by.clone()));
                settings.properties.insert(name, value);
            }
        }
        let mut shown = settings.redacted();
        let of = |(name, (from, by)): (String, _)| Setting {
            path: format!("client.{name}"),
            value: Value::from(shown.remove(&name).unwrap_or_default()),
            from,
            by,
        };
        let made = made.into_iter().map(of).collect();
        (settings, made)
    }
}

/// A client of the cluster that is named, or else of the one in the properties; `None` if neither is.
///
/// # Errors
/// If properties or address cannot be used.
pub fn client_of(
    broker: Option<&str>,
    args: &ClientArgs,
) -> Result<Option<ClientSettings>, Failure> {
    let layers = Layers::read(args)?;
    let address = layers
        .address(false)
        .map(|(address, ..)| address.to_owned());
    let Some(address) = broker.map(str::to_owned).or(address) else {
        return Ok(None);
    };
    let checked = ClientSettings::builder(address).build();
    let cluster = checked.map_err(|error| Failure::new(Exit::Usage, error))?;
    let (settings, _) = layers.merged();
    Ok(Some(settings.at(cluster.bootstrap)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value of `linger.ms` with who set it, and the cluster's address.
    fn check(file: &str, profile: &str, variable: &str, option: &str, expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.properties");
        std::fs::write(&path, file).unwrap();
        let args = ClientArgs {
            properties: [option]
                .iter()
                .filter(|o| !o.is_empty())
                .map(|o| (*o).to_owned())
                .collect(),
            properties_file: Some(path.clone()),
        };
        let layers = Layers::of(&args, variable).unwrap();
        let pair = profile.split_once('=');
        let pair = pair.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let from = (SettingSource::Profile, "p.yaml");
        let address = layers
            .address(true)
            .map_or("none", |(address, ..)| address)
            .to_owned();
        let (_, settings) = layers
            .with_profile(&pair.into_iter().collect(), from)
            .unwrap();
        let found: Vec<String> = settings
            .iter()
            .map(|set| format!("{}={} {} {}", set.path, set.value, set.from.name(), set.by))
            .collect();
        let found = found
            .join("; ")
            .replace(&path.display().to_string(), "FILE");
        assert_eq!(format!("{address}: {found}"), expected);
    }

    #[test]
    fn what_is_nearer_to_the_command_line_wins() {
        let (file, profile) = (
            "linger.ms=1\nbootstrap.servers=f:1",
            "queue.buffering.max.ms=2",
        );
        let variable = "linger.ms=3\nbootstrap.servers=e:1";
        check(
            file,
            "",
            "",
            "",
            "none: client.linger.ms=\"1\" client-properties FILE",
        );
        check(
            file,
            profile,
            "",
            "",
            "none: client.linger.ms=\"2\" profile p.yaml",
        );
        check(
            file,
            profile,
            variable,
            "",
            "e:1: client.linger.ms=\"3\" environment FLOODMARK_PROPERTIES",
        );
        check(
            file,
            profile,
            variable,
            "linger.ms=4",
            "e:1: client.linger.ms=\"4\" command-line -X",
        );
    }

    #[test]
    fn secrets_are_redacted_and_counted_all_the_same() {
        check(
            "",
            "",
            "sasl.jaas.config=PlainLoginModule required username=\"u\" password=\"hunter2\";",
            "",
            "none: client.sasl.password=\"[redacted]\" environment FLOODMARK_PROPERTIES; \
             client.sasl.username=\"u\" environment FLOODMARK_PROPERTIES",
        );
    }
}
