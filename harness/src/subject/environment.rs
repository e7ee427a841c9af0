//! What a foreign detector is told: documented environment variables, and secrets in a file alone.

use std::{fmt::Write, path::Path, process::Command};

use floodmark_contracts::{job::Connection, stream::Stream};

use super::Surroundings;
use crate::run::{FileError, files::write_private_text};

/// Sets the variables of a process in `slot`.
pub(super) fn tell(
    command: &mut Command,
    slot: u32,
    surroundings: &Surroundings<'_>,
) -> Result<(), FileError> {
    let (outputs, connection) = (surroundings.outputs(), surroundings.connection);
    let mut variables = vec![
        ("FLOODMARK_BOOTSTRAP_SERVERS", connection.bootstrap.clone()),
        ("FLOODMARK_GROUP", surroundings.group.to_owned()),
        ("FLOODMARK_SLOT", slot.to_string()),
        ("FLOODMARK_TOPIC_ANOMALIES", outputs.anomalies.clone()),
        ("FLOODMARK_TOPIC_FRAUD_FLAGS", outputs.fraud_flags.clone()),
        ("FLOODMARK_TOPIC_DEAD_LETTERS", outputs.dead_letters.clone()),
        (
            "FLOODMARK_ENRICHMENT",
            surroundings.enrichment().display().to_string(),
        ),
        (
            "FLOODMARK_EVENT_TIME_SPEED",
            surroundings.sound.timeline.speed.to_string(),
        ),
    ];
    for (stream, topics) in surroundings.inputs() {
        variables.push((topics_variable(*stream), topics.join(",")));
    }
    if let Some(url) = &connection.registry {
        variables.push(("FLOODMARK_REGISTRY_URL", url.clone()));
    }
    let properties = surroundings.dir.join("client.properties");
    write_private_text(&properties, &client_properties(connection))?;
    variables.push(("FLOODMARK_CLIENT_PROPERTIES", display(&properties)));
    command.envs(variables);
    Ok(())
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

/// The variable with a stream's topics.
fn topics_variable(stream: Stream) -> &'static str {
    match stream {
        Stream::Clickstream => "FLOODMARK_TOPICS_CLICKSTREAM",
        Stream::Banking => "FLOODMARK_TOPICS_BANKING",
        Stream::Sensors => "FLOODMARK_TOPICS_SENSORS",
    }
}

/// The client's settings by librdkafka's names, a line each.
fn client_properties(connection: &Connection) -> String {
    let mut text = format!("bootstrap.servers={}\n", connection.bootstrap);
    for (name, value) in &connection.properties {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{name}={value}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_detector_gets_the_clients_settings_as_lines() {
        let connection = Connection {
            bootstrap: "h:1".to_owned(),
            properties: BTreeMap::from([("sasl.password".to_owned(), "x=y".to_owned())]),
            registry: None,
        };
        assert_eq!(
            client_properties(&connection),
            "bootstrap.servers=h:1\nsasl.password=x=y\n"
        );
    }
}
