use std::io::{Read, Write};

use super::*;

fn api_versions(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 5, 0xff, 0xff])?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}

#[test]
fn a_started_broker_answers_and_a_stopped_one_does_not() {
    let broker = Broker::start(BrokerConfig::default()).expect("starts");
    let mut stream = TcpStream::connect(broker.bootstrap()).expect("is listening");
    let answer = api_versions(&mut stream).expect("answers");
    assert_eq!(answer[..6], [0, 0, 0, 5, 0, 0], "correlation id, no error");
    broker.stop();
    assert_eq!(stream.read(&mut [0; 1]).expect("an end, not an error"), 0);
    assert!(TcpStream::connect(broker.bootstrap()).is_err());
    broker.stop();
}

#[test]
fn a_waiting_fetch_does_not_hold_up_the_stop() {
    let broker = Broker::start(BrokerConfig::default()).expect("starts");
    let mut stream = TcpStream::connect(broker.bootstrap()).expect("is listening");
    broker
        .shared
        .topics
        .create("t", 1, Default::default())
        .expect("new");
    // Fetch version 4 of topic `t`, partition 0, offset 0, up to half a minute for the first byte.
    let body = [
        &[0xff; 4][..],
        &30_000i32.to_be_bytes(),
        &[0, 0, 0, 1, 0, 0, 16, 0, 0],
        &[0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0],
    ]
    .concat();
    let header = [0, 1, 0, 4, 0, 0, 0, 1, 0xff, 0xff];
    let length = (header.len() + body.len()) as u32;
    stream
        .write_all(&[&length.to_be_bytes()[..], &header, &body].concat())
        .expect("sent");
    // The answer to a second connection says that the broker goes on beside the first.
    let mut second = TcpStream::connect(broker.bootstrap()).expect("is listening");
    api_versions(&mut second).expect("answers");
    broker.stop();
}

#[test]
fn hostile_bytes_close_their_connection_and_no_other() {
    let broker = Broker::start(BrokerConfig::default()).expect("starts");
    let mut good = TcpStream::connect(broker.bootstrap()).expect("is listening");
    let mut bad = TcpStream::connect(broker.bootstrap()).expect("is listening");
    bad.set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket");
    bad.write_all(&[
        0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff,
    ])
    .expect("sent");
    assert_eq!(bad.read(&mut [0; 1]).unwrap_or(0), 0, "hung up");
    api_versions(&mut good).expect("answers");
}

#[test]
fn waiting_ends_when_the_broker_is_stopped() {
    let broker = Broker::start(BrokerConfig::default()).expect("starts");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| broker.wait());
        broker.stop();
        waiting.join().expect("it returned");
    });
}

#[test]
fn the_registry_comes_and_goes_with_the_broker() {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let config = BrokerConfig {
        registry_listen: Some(listen),
        ..BrokerConfig::default()
    };
    let broker = Broker::start(config).expect("starts");
    let url = broker.registry_url().expect("asked for");
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    assert!(TcpStream::connect(&address).is_ok(), "`{url}` answers");
    broker.stop();
    assert!(TcpStream::connect(&address).is_err());
    let without = Broker::start(BrokerConfig::default()).expect("starts");
    assert_eq!(without.registry_url(), None);
}

#[test]
fn an_address_in_use_is_named() {
    let first = Broker::start(BrokerConfig::default()).expect("starts");
    let config = BrokerConfig {
        listen: first.address,
        ..BrokerConfig::default()
    };
    let error = Broker::start(config).err().expect("refused");
    assert!(matches!(error, StartError::Listen { listen, .. } if listen == first.address));
    assert!(error.to_string().contains(&first.address.to_string()));
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let cases = [
        (
            BrokerConfig {
                memory_cap_bytes: 5,
                ..BrokerConfig::default()
            },
            "memory_cap_bytes",
        ),
        (
            BrokerConfig {
                auto_create_partitions: Some(0),
                ..BrokerConfig::default()
            },
            "auto_create",
        ),
    ];
    for (config, name) in cases {
        let error = Broker::start(config).err().expect("refused");
        assert!(error.to_string().contains(name), "`{error}` names `{name}`");
    }
}

#[test]
fn clients_are_told_an_address_they_can_reach() {
    let advertised = |listen: &str| advertised(listen.parse().expect("an address"));
    assert_eq!(advertised("0.0.0.0:9092"), ("127.0.0.1".to_owned(), 9092));
    assert_eq!(advertised("127.0.0.1:7"), ("127.0.0.1".to_owned(), 7));
    assert_eq!(advertised("[::1]:7"), ("::1".to_owned(), 7));
    let advertise = Some(("broker.example".to_owned(), 9093));
    let broker = Broker::start(BrokerConfig {
        advertise,
        ..BrokerConfig::default()
    });
    assert_eq!(broker.expect("starts").bootstrap(), "broker.example:9093");
}

/// The address in an answer to Metadata: what a client is told.
fn told(address: SocketAddr) -> (String, u16) {
    let mut stream = TcpStream::connect(address).expect("is listening");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a socket");
    // Metadata, version 1, of no topic: the brokers come first.
    stream
        .write_all(&[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 5, 0xff, 0xff, 0, 0, 0, 0])
        .expect("sent");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("answers");
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).expect("answers");
    // Correlation id, number of brokers, id of the first; then its host and port.
    let host_len = usize::from(u16::from_be_bytes([answer[12], answer[13]]));
    let host = String::from_utf8_lossy(&answer[14..14 + host_len]).into_owned();
    let port = &answer[14 + host_len..18 + host_len];
    (host, u16::from_be_bytes([port[2], port[3]]))
}

#[test]
fn whoever_comes_by_the_second_listener_is_told_to_come_there_again() {
    let second = crate::SecondListener {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        advertise: ("proxy.example".to_owned(), 1234),
    };
    let config = BrokerConfig {
        second: Some(second),
        ..BrokerConfig::default()
    };
    let broker = Broker::start(config).expect("starts");
    let address = broker.second().expect("asked for");
    assert_eq!(told(address), ("proxy.example".to_owned(), 1234));
    let first = broker.address;
    assert_eq!(told(first), ("127.0.0.1".to_owned(), first.port()));
    broker.stop();
    assert!(TcpStream::connect(address).is_err());
}
