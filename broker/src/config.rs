//! What a broker can be told when it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Settings of one embedded broker.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host and port told to clients, when they differ from the address listened on.
    pub advertise: Option<(String, u16)>,
    /// A second address to listen on, for clients that come another way.
    pub second: Option<SecondListener>,
    /// Bytes of record batches kept in memory over all topics. When they are used up, producers
    /// wait until records are deleted: nothing is ever dropped to make room.
    pub memory_cap_bytes: usize,
    /// Partitions of a topic that a client names before anybody created it; `None` refuses it.
    pub auto_create_partitions: Option<i32>,
    /// How long the first rebalance of an empty group waits for further members.
    pub group_initial_rebalance_delay: Duration,
    /// Address for the schema registry; `None` starts none.
    pub registry_listen: Option<SocketAddr>,
}

/// A second address of a broker. Whoever connects to it is told to come to `advertise`, so that a proxy in between
/// keeps its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondListener {
    /// Address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Host and port told to the clients that come there.
    pub advertise: (String, u16),
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertise: None,
            second: None,
            memory_cap_bytes: 2 << 30,
            auto_create_partitions: None,
            group_initial_rebalance_delay: Duration::from_millis(50),
            registry_listen: None,
        }
    }
}
