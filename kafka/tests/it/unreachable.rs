use std::net::TcpListener;
use std::time::Duration;

use floodmark_broker::{Broker, BrokerConfig};
use floodmark_kafka::producer::Outcome;
use floodmark_kafka::{
    Admin, BatchConsumer, ClientSettings, ConsumerSettings, ErrorCode, PartitionOffset, Producer,
    ProducerSettings, Record,
};

use crate::support::{Cluster, PATIENCE, STEP, wait_for};

/// An address at which nothing listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

#[test]
fn a_refused_connection_is_unreachable_with_address_and_reason() {
    let address = nobody();
    let admin = Admin::new(&ClientSettings::plain(&address), Duration::from_secs(2)).unwrap();
    let error = admin
        .wait_until_reachable(Duration::from_secs(1))
        .unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains(&address), "{text}");
    assert!(text.contains("refused"), "{text}");
    assert!(admin.cluster().unwrap_err().is_unreachable());
}

#[test]
fn something_else_behind_the_port_is_unreachable_too() {
    // Accepts and says nothing, like a firewall or a hung process.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let admin = Admin::new(&ClientSettings::plain(&address), Duration::from_secs(1)).unwrap();
    let error = admin
        .wait_until_reachable(Duration::from_secs(1))
        .unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
    assert!(error.to_string().contains(&address), "{error}");
}

#[test]
fn a_cluster_that_answers_is_described() {
    let cluster = Cluster::start();
    let seen = cluster.admin().wait_until_reachable(PATIENCE).unwrap();
    assert!(!seen.is_empty());
}

#[test]
fn records_to_nobody_fail_in_time_with_a_reason() {
    let address = nobody();
    let settings = ProducerSettings {
        delivery_timeout: Some(Duration::from_millis(300)),
        ..ProducerSettings::default()
    };
    let producer = Producer::new(&ClientSettings::plain(&address), &settings).unwrap();
    let topic = producer.topic("t").unwrap();
    producer.send(&Record::new(&topic, b"x"), 4).unwrap();
    let mut outcome = None;
    wait_for("the report", || {
        producer.poll(STEP, &mut |delivery| outcome = Some(delivery));
        outcome.is_some()
    });
    let delivery = outcome.unwrap();
    assert_eq!(delivery.tag, 4);
    let Outcome::Failed {
        code,
        perhaps_stored,
    } = delivery.outcome
    else {
        panic!("{delivery:?}")
    };
    assert_eq!(code, ErrorCode::MessageTimedOut);
    assert!(!perhaps_stored, "it was never sent");
    let errors = producer.take_errors();
    assert!(
        errors.iter().any(|(_, reason)| reason.contains("refused")),
        "{errors:?}"
    );
}

#[test]
fn a_flush_that_cannot_end_is_unreachable() {
    let address = nobody();
    let producer = Producer::new(
        &ClientSettings::plain(&address),
        &ProducerSettings::default(),
    )
    .unwrap();
    let topic = producer.topic("t").unwrap();
    producer.send(&Record::new(&topic, b"x"), 4).unwrap();
    let error = producer
        .flush(Duration::from_millis(500), &mut |_| ())
        .unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
    assert!(error.to_string().contains(&address), "{error}");
}

/// What `call` gives; fails if that takes longer than all patience, in place of hanging.
fn in_time<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(call()));
    told.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn a_transaction_with_nobody_is_unreachable_in_time() {
    let address = nobody();
    let settings = ProducerSettings {
        transactional_id: Some("t".into()),
        ..ProducerSettings::default()
    };
    let producer = Producer::new(&ClientSettings::plain(&address), &settings).unwrap();
    let outcome = in_time(move || producer.init_transactions(Duration::from_secs(1)));
    let error = outcome.unwrap_err();
    assert!(error.is_unreachable(), "{error:?}");
}

#[test]
fn a_transaction_whose_broker_goes_away_ends_in_time() {
    let broker = Broker::start(BrokerConfig::default()).unwrap();
    let client = ClientSettings::plain(broker.bootstrap().to_string());
    let settings = ProducerSettings {
        transactional_id: Some("t".into()),
        ..ProducerSettings::default()
    };
    let producer = Producer::new(&client, &settings).unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    let consumer = BatchConsumer::new(&client, &ConsumerSettings::in_group("g")).unwrap();
    let group = consumer.group_metadata().unwrap();
    drop(broker);
    let at = [PartitionOffset::new("in", 0, 1)];
    let short = Duration::from_secs(1);
    let (offsets, end) = in_time(move || {
        let offsets = producer.send_offsets(&at, &group, short);
        (offsets, producer.abort_transaction(short, &mut |_| ()))
    });
    assert!(offsets.is_err());
    assert!(end.is_err());
}
