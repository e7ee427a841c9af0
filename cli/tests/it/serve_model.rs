//! The fraud model as a service of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use crate::support::floodmark;

/// A service that is running; it ends with the test.
struct Scorer {
    child: Child,
    address: String,
}

impl Scorer {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_floodmark"))
            .args(["serve-model", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("scorer http://")
            .and_then(|url| url.strip_suffix("/score"))
            .unwrap_or_else(|| panic!("`{line}`"))
            .to_owned();
        Self { child, address }
    }

    /// What it answers to the sessions.
    fn post(&self, sessions: &str) -> serde_json::Value {
        let body = format!("{{\"sessions\":[{sessions}]}}");
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST /score HTTP/1.1\r\nhost: scorer\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for Scorer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

const QUIET: &str = r#"{"session_id":"s","user_id":"u","at":1,"features":{}}"#;
const QUICK: &str = r#"{"session_id":"s","user_id":"u","at":1,"features":{"quick-inputs":12,"inputs":12,"mean-latency":8}}"#;

#[test]
fn the_compiled_in_model_tells_a_machine_from_a_customer() {
    let answer = Scorer::start(&[]).post(&format!("{QUIET},{QUICK}"));
    let scores: Vec<f64> = serde_json::from_value(answer["scores"].clone()).unwrap();
    assert!(scores[0] < 0.1 && scores[1] > 0.8, "{scores:?}");
}

#[test]
fn another_model_can_be_served_and_rubbish_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.json");
    std::fs::write(&path, r#"{"base":0,"trees":[]}"#).unwrap();
    let path = path.to_str().unwrap();
    let answer = Scorer::start(&["--model", path]).post(QUIET);
    assert_eq!(answer["scores"], serde_json::json!([0.5]));
    std::fs::write(path, "rubbish").unwrap();
    let output = floodmark()
        .args(["serve-model", "--listen", "127.0.0.1:0", "--model", path])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(errors.contains("model.json"), "{errors}");
}
