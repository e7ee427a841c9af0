//! The collector, over real HTTP into a real broker.

use std::{collections::BTreeSet, time::Duration};

use floodmark_broker::{Broker, BrokerConfig};
use floodmark_contracts::{
    event::{banking::BankingUiEvent, clickstream::ClickEvent, confluent::split_frame},
    stream::Stream,
};
use floodmark_generator::collect::{CollectError, CollectServer, CollectSettings};
use floodmark_kafka::{Admin, ClientSettings, Registry, admin::NewTopic, consumer::Isolation};
use reqwest::{
    StatusCode,
    blocking::{Client, Response},
};
use serde_json::{Value, json};

use super::{
    cluster::{Cluster, PATIENCE, wait_for},
    fixture::{all, all_events},
};

fn settings(stream: Stream, client: ClientSettings, registry: Option<String>) -> CollectSettings {
    CollectSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        stream,
        client,
        registry,
        topic: "clicks".to_owned(),
        origins: BTreeSet::new(),
        body_limit: 64 << 10,
        queue: 1000,
        stall: Duration::from_secs(60),
        trust_proxy: false,
    }
}

fn start(cluster: &Cluster, stream: Stream) -> (CollectServer, CollectSettings) {
    cluster.topic("clicks", 2);
    let settings = settings(stream, cluster.client(), Some(cluster.registry_url()));
    (CollectServer::start(&settings).unwrap(), settings)
}

fn message(events: &[Value]) -> Value {
    json!({"user_id": "visitor-1", "session_id": "s-1", "device": "d-1", "sent_at": 5000, "events": events})
}

fn event(number: u32, more: Value) -> Value {
    let mut event = json!({
        "id": format!("5f0c9c26-7a42-4d1c-8f64-{number:012x}"),
        "at": 4000, "type": "page_view", "page": "/home"
    });
    let fields = event.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    event
}

fn post(server: &CollectServer, body: &Value, headers: &[(&str, &str)]) -> Response {
    let mut request = Client::new()
        .post(format!("{}/events", server.url()))
        .body(body.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().unwrap()
}

#[test]
fn clicks_reach_the_topic_in_the_shape_of_generated_ones() {
    let cluster = Cluster::start();
    let (server, _) = start(&cluster, Stream::Clickstream);
    let agent = [
        ("user-agent", "Mozilla/5.0 (iPhone) Mobile"),
        ("x-forwarded-for", "8.8.8.8"),
    ];
    let body = message(&[
        event(1, json!({})),
        event(2, json!({"type": "purchase", "page": "/confirmation"})),
    ]);
    let answer = post(&server, &body, &agent);
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    assert_eq!(answer.json::<Value>().unwrap(), json!({"accepted": 2}));
    // What was accepted is written before the collector is gone.
    let figures = server.stop();
    assert_eq!(
        (figures.accepted, figures.delivered, figures.failed),
        (2, 2, 0)
    );
    let records = cluster.read("clicks", Isolation::Committed);
    let events: Vec<ClickEvent<'_>> = records
        .iter()
        .map(|record| ClickEvent::decode(&record.value).unwrap())
        .collect();
    assert_eq!(events[0].event_id, "5f0c9c26-7a42-4d1c-8f64-000000000001");
    assert_eq!(
        (&*events[1].event_type, &*events[1].page_url),
        ("purchase", "/confirmation")
    );
    for (event, record) in events.iter().zip(&records) {
        assert_eq!(record.key.as_deref(), Some(&b"visitor-1"[..]));
        assert_eq!(
            (&*event.user_id, &*event.session_id, &*event.device_type),
            ("visitor-1", "s-1", "mobile")
        );
        // No proxy was announced, so nobody may claim another address.
        assert_eq!(event.ip_address, "127.0.0.1");
        assert_eq!(record.timestamp_ms, event.timestamp.0);
    }
}

#[test]
fn a_trusted_proxy_says_where_clicks_come_from() {
    let cluster = Cluster::start();
    cluster.topic("clicks", 1);
    let mut settings = settings(Stream::Clickstream, cluster.client(), None);
    settings.trust_proxy = true;
    let server = CollectServer::start(&settings).unwrap();
    // A generated visitor's address, which lies in the country that its event says.
    let generated = &all_events(&all(1), Stream::Clickstream)[0];
    let visitor = ClickEvent::decode(&generated.value).unwrap();
    let address = format!("{}, 10.0.0.1", visitor.ip_address);
    assert!(
        post(
            &server,
            &message(&[event(1, json!({}))]),
            &[("x-forwarded-for", address.as_str())]
        )
        .status()
        .is_success()
    );
    let _ = server.stop();
    let records = cluster.read("clicks", Isolation::Committed);
    let event = ClickEvent::decode(&records[0].value).unwrap();
    assert_eq!(
        (event.ip_address, event.country),
        (visitor.ip_address, visitor.country)
    );
}

#[test]
fn banking_events_are_avro_and_hold_no_more_than_a_hash_of_what_was_typed() {
    let cluster = Cluster::start();
    let (server, _) = start(&cluster, Stream::Banking);
    let input = json!({"type": "field_input", "element": "iban", "input_hash": "0123456789abcdef", "latency_ms": 120});
    assert!(
        post(&server, &message(&[event(1, input)]), &[])
            .status()
            .is_success()
    );
    let typed = json!({"type": "field_input", "element": "iban", "input_hash": "DE02 1203"});
    let answer = post(&server, &message(&[event(2, typed)]), &[]);
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.text().unwrap().contains("is no hash"));
    assert_eq!(server.stop().refused, 1);
    let records = cluster.read("clicks", Isolation::Committed);
    assert_eq!(records.len(), 1);
    let (id, body) = split_frame(&records[0].value).unwrap();
    let registry = Registry::new(&cluster.registry_url()).unwrap();
    assert!(registry.schema(id).unwrap().contains("BankingUIEvent"));
    let found = BankingUiEvent::decode_body(body).unwrap();
    assert_eq!(
        (found.element_id, found.input_hash, found.latency_ms),
        ("iban", Some("0123456789abcdef"), 120)
    );
    assert_eq!(
        (found.user_id, found.device_fingerprint),
        ("visitor-1", "d-1")
    );
}

#[test]
fn only_pages_of_allowed_origins_may_send() {
    let cluster = Cluster::start();
    cluster.topic("clicks", 1);
    let mut settings = settings(Stream::Clickstream, cluster.client(), None);
    settings.origins.insert("https://shop.example".to_owned());
    let server = CollectServer::start(&settings).unwrap();
    let own = server.url();
    for (origin, status, readable) in [
        ("https://shop.example", StatusCode::ACCEPTED, true),
        ("https://evil.example", StatusCode::FORBIDDEN, false),
        ("null", StatusCode::FORBIDDEN, false),
        (own.as_str(), StatusCode::ACCEPTED, false),
    ] {
        // Plain text is what a page can send without asking first.
        let headers = [("origin", origin), ("content-type", "text/plain")];
        let answer = post(&server, &message(&[event(1, json!({}))]), &headers);
        assert_eq!(answer.status(), status, "{origin}");
        let allowed = answer.headers().get("access-control-allow-origin");
        assert_eq!(
            allowed.is_some_and(|value| value == origin),
            readable,
            "{origin}"
        );
    }
    let ask = |origin: &str| {
        let url = format!("{}/events", server.url());
        let request = Client::new().request(reqwest::Method::OPTIONS, url);
        let asked = request
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        let answer = asked
            .header("access-control-request-headers", "content-type")
            .send()
            .unwrap();
        answer.headers().contains_key("access-control-allow-origin")
    };
    assert!(ask("https://shop.example"));
    assert!(!ask("https://evil.example"));
    assert_eq!(server.stop().accepted, 2);
}

#[test]
fn the_script_is_served_for_its_stream_and_never_reads_what_passwords_hold() {
    let cluster = Cluster::start();
    let (server, _) = start(&cluster, Stream::Banking);
    let answer = reqwest::blocking::get(format!("{}/snippet.js", server.url())).unwrap();
    assert!(
        answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/javascript")
    );
    let script = answer.text().unwrap();
    assert!(script.contains("'banking' === 'banking'") && !script.contains("%STREAM%"));
    let health = reqwest::blocking::get(format!("{}/healthz", server.url())).unwrap();
    assert_eq!(health.status(), StatusCode::OK);
    let missing = reqwest::blocking::get(format!("{}/", server.url())).unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[test]
fn bodies_that_are_too_large_or_make_no_sense_are_refused() {
    let cluster = Cluster::start();
    let (server, settings) = start(&cluster, Stream::Clickstream);
    let large = json!({"user_id": "x".repeat(settings.body_limit)});
    assert_eq!(
        post(&server, &large, &[]).status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(
        post(&server, &json!([]), &[]).status(),
        StatusCode::BAD_REQUEST
    );
    let many: Vec<Value> = (0..101).map(|number| event(number, json!({}))).collect();
    let answer = post(&server, &message(&many), &[]);
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(answer.text().unwrap().contains("send 1 to 100 at once"));
    assert_eq!(server.stop().accepted, 0);
    assert!(cluster.read("clicks", Isolation::Uncommitted).is_empty());
}

#[test]
fn a_broker_that_takes_nothing_is_felt_by_the_clients_and_nothing_piles_up() {
    let broker = Broker::start(BrokerConfig::default()).unwrap();
    let client = ClientSettings::plain(broker.bootstrap());
    let admin = Admin::new(&client, PATIENCE).unwrap();
    admin.create_topics(&[NewTopic::new("clicks", 1)]).unwrap();
    let mut settings = settings(Stream::Clickstream, client, None);
    settings.queue = 50;
    // Longer than three messages take on a busy machine: the queue is to be full before.
    settings.stall = Duration::from_secs(3);
    let server = CollectServer::start(&settings).unwrap();
    let batch: Vec<Value> = (0..20).map(|number| event(number, json!({}))).collect();
    let body = message(&batch);
    assert_eq!(post(&server, &body, &[]).status(), StatusCode::ACCEPTED);
    wait_for("the first batch", || server.figures().delivered == 20);
    broker.stop();
    let mut seen = BTreeSet::new();
    wait_for("both kinds of refusal", || {
        let answer = post(&server, &body, &[]);
        if !answer.status().is_success() {
            assert_eq!(answer.headers()["retry-after"], "1");
        }
        seen.insert(answer.status());
        seen.contains(&StatusCode::SERVICE_UNAVAILABLE)
    });
    assert!(seen.contains(&StatusCode::TOO_MANY_REQUESTS), "{seen:?}");
    let health = reqwest::blocking::get(format!("{}/healthz", server.url())).unwrap();
    assert_eq!(health.status(), StatusCode::SERVICE_UNAVAILABLE);
    let figures = server.figures();
    // The queue never held more than its bound, and batches were taken whole or not at all.
    assert!(
        figures.accepted <= 20 + 50 && figures.accepted.is_multiple_of(20),
        "{figures:?}"
    );
    assert!(figures.full > 0 && figures.down > 0);
}

#[test]
fn what_cannot_work_is_told_at_the_start() {
    let cluster = Cluster::start();
    let of = |stream, registry: Option<String>| {
        CollectServer::start(&settings(stream, cluster.client(), registry))
    };
    assert!(matches!(
        of(Stream::Clickstream, None).err(),
        Some(CollectError::NoTopic { .. })
    ));
    cluster.topic("clicks", 1);
    assert!(matches!(
        of(Stream::Banking, None).err(),
        Some(CollectError::NoRegistry)
    ));
    assert!(matches!(
        of(Stream::Sensors, None).err(),
        Some(CollectError::NoClicks { .. })
    ));
    let gone = of(Stream::Banking, Some("http://127.0.0.1:1".to_owned()))
        .err()
        .unwrap();
    assert!(gone.is_unreachable() && gone.to_string().contains("http://127.0.0.1:1"));
    let first = of(Stream::Clickstream, None).unwrap();
    let taken = CollectSettings {
        listen: first.url().trim_start_matches("http://").parse().unwrap(),
        ..settings(Stream::Clickstream, cluster.client(), None)
    };
    let error = CollectServer::start(&taken).err().unwrap();
    assert!(error.to_string().contains("use a free port"), "{error}");
}
