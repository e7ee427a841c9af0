use std::io::{Read, Write};

use floodmark_contracts::clock::SystemClock;

use super::*;

/// Sends back whatever comes, on a port of its own.
fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut from = stream.try_clone().unwrap();
                let _ = std::io::copy(&mut from, &mut stream);
                let _ = stream.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn proxy() -> Proxy {
    let proxy = Proxy::bind(clock(), 1).unwrap();
    proxy.lead_to(&echo());
    proxy
}

fn client(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

/// There and back.
fn ask(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"ping")?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    assert_eq!(&answer, b"ping");
    Ok(())
}

#[test]
fn what_goes_through_is_what_comes_out_and_ends_when_it_ends() {
    let proxy = proxy();
    let mut stream = client(&proxy);
    let sent: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let mut writing = stream.try_clone().unwrap();
    let all = sent.clone();
    let writer = std::thread::spawn(move || {
        writing.write_all(&all).unwrap();
        writing.shutdown(Shutdown::Write).unwrap();
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).unwrap();
    writer.join().unwrap();
    assert!(
        received == sent,
        "{} bytes of {}",
        received.len(),
        sent.len()
    );
}

#[test]
fn a_delay_counts_in_both_directions_and_only_while_it_is_there() {
    let proxy = proxy();
    let mut stream = client(&proxy);
    ask(&mut stream).unwrap();
    proxy.disturb(Condition {
        delay_us: 60_000,
        ..Condition::default()
    });
    let clock = clock();
    let begun = clock.monotonic_us();
    ask(&mut stream).unwrap();
    assert!(clock.monotonic_us() - begun >= 120_000);
    // Without the delay a hundred questions take less than ten with it would.
    proxy.disturb(Condition::default());
    let begun = clock.monotonic_us();
    for _ in 0..100 {
        ask(&mut stream).unwrap();
    }
    assert!(clock.monotonic_us() - begun < 100 * 120_000);
}

#[test]
fn a_delay_takes_no_bandwidth_away() {
    let proxy = proxy();
    proxy.disturb(Condition {
        delay_us: 200_000,
        ..Condition::default()
    });
    let mut stream = client(&proxy);
    let clock = clock();
    let begun = clock.monotonic_us();
    let mut writing = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || writing.write_all(&vec![1; 8 << 20]).unwrap());
    let mut received = vec![0; 8 << 20];
    stream.read_exact(&mut received).unwrap();
    writer.join().unwrap();
    // 128 pieces of 64 KiB, one after the other, there and back: 51 s.
    assert!(clock.monotonic_us() - begun < 20_000_000);
}

#[test]
fn a_cut_resets_and_refuses_and_a_mended_proxy_is_at_its_old_port() {
    let proxy = proxy();
    let mut stream = client(&proxy);
    ask(&mut stream).unwrap();
    proxy.cut().unwrap();
    let error = stream.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let error = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    proxy.mend().unwrap();
    ask(&mut client(&proxy)).unwrap();
    // And once more, as several faults may come one after the other.
    proxy.cut().unwrap();
    assert!(TcpStream::connect(proxy.address()).is_err());
    proxy.mend().unwrap();
    ask(&mut client(&proxy)).unwrap();
}

#[test]
fn a_cut_reaches_those_who_wait_for_a_delay_or_for_a_peer_that_does_not_read() {
    let proxy = proxy();
    proxy.disturb(Condition {
        delay_us: 600_000_000,
        ..Condition::default()
    });
    let mut waiting = client(&proxy);
    waiting.write_all(b"ping").unwrap();
    let mut flooding = client(&proxy);
    flooding.set_nonblocking(true).unwrap();
    while flooding.write(&[0; 65_536]).is_ok() {}
    proxy.cut().unwrap();
    let error = waiting.read(&mut [0; 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    // All of its threads end: otherwise this would hang.
    drop(proxy);
}

#[test]
fn where_nobody_listens_behind_it_a_client_is_turned_away() {
    let proxy = Proxy::bind(clock(), 1).unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.lead_to(&gone.local_addr().unwrap().to_string());
    drop(gone);
    let mut stream = client(&proxy);
    assert!(matches!(stream.read(&mut [0; 1]), Err(_) | Ok(0)));
}
