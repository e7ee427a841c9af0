//! The way in for the fuzz target of the collector. Compiled with `--cfg fuzzing` only.

use floodmark_contracts::{
    event::{banking::BankingUiEvent, clickstream::ClickEvent, confluent::split_frame},
    stream::Stream,
};

use super::message::{Context, Message, Places};

/// Takes the body of a request. Whatever is accepted becomes records that detectors can read.
///
/// # Panics
/// If it does not.
pub fn body(bytes: &[u8]) {
    thread_local! {
        static PLACES: Places = Places::compiled_in().expect("the compiled-in database");
    }
    let Ok(message) = Message::read(bytes) else {
        return;
    };
    PLACES.with(|places| {
        for stream in [Stream::Clickstream, Stream::Banking] {
            let context = Context {
                stream,
                schema_id: Some(1),
                received_ms: 1_749_531_600_000,
                address: std::net::Ipv4Addr::LOCALHOST.into(),
                user_agent: "",
            };
            for record in message.encode(context, places) {
                let read = match stream {
                    Stream::Banking => split_frame(&record.value)
                        .and_then(|(_, body)| BankingUiEvent::decode_body(body))
                        .map(|event| event.timestamp),
                    _ => ClickEvent::decode(&record.value).map(|event| event.timestamp),
                };
                assert_eq!(read.map(|at| at.0), Ok(record.at_ms));
            }
        }
    });
}
