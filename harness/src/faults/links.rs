//! The ways from the subject to what it talks to, each through a proxy where a fault is to disturb it.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use floodmark_contracts::{
    clock::Clock,
    job::Connection,
    profile::{
        DetectorSection,
        detector::{LookUpSection, ScorerSection, SinkSection},
    },
};

use super::{
    checks::{Action, Fault, Way},
    line::Condition,
    proxy::Proxy,
};

/// All proxies of a run.
pub(crate) struct Links {
    clock: Arc<dyn Clock>,
    seed: u64,
    /// The ways that a fault disturbs. All others stay direct.
    wanted: BTreeSet<Way>,
    links: Vec<Link>,
}

struct Link {
    way: Way,
    /// `HOST:PORT` behind it; none while the broker is not up.
    upstream: Option<String>,
    proxy: Proxy,
}

impl Links {
    /// The ways that these faults disturb, without proxies yet.
    pub(crate) fn of(faults: &[Fault], seed: u64, clock: Arc<dyn Clock>) -> Self {
        let way = |fault: &Fault| match fault.action {
            Action::Cut(way) => Some(way),
            Action::Slow(_) => Some(Way::Broker),
            _ => None,
        };
        Self {
            clock,
            seed,
            wanted: faults.iter().filter_map(way).collect(),
            links: Vec::new(),
        }
    }

    /// Where the subject has to find the broker, if it is to go through a proxy: the broker must be told before
    /// it starts.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn before_broker(&mut self) -> std::io::Result<Option<SocketAddr>> {
        if !self.wanted.contains(&Way::Broker) {
            return Ok(None);
        }
        self.link(Way::Broker, None).map(Some)
    }

    /// Leads the proxy to the broker, which is up now.
    pub(crate) fn broker_is_at(&mut self, address: &str) {
        for link in self.links.iter_mut().filter(|link| link.way == Way::Broker) {
            link.proxy.lead_to(address);
            link.upstream = Some(address.to_owned());
        }
    }

    /// Puts the proxies into what the subject is told.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn lead(
        &mut self,
        connection: &mut Connection,
        detector: &mut DetectorSection,
    ) -> std::io::Result<()> {
        if let Some(link) = self.links.iter().find(|link| link.way == Way::Broker) {
            connection.bootstrap = link.proxy.address().to_string();
        }
        let registry = connection.registry.as_mut();
        let registry = registry.map(|url| (Way::Registry, url));
        for (way, url) in registry.into_iter().chain(services(detector)) {
            if self.wanted.contains(&way)
                && let Some(place) = Place::of(url)
            {
                let address = self.link(way, Some(place.upstream()))?;
                *url = place.moved_to(address);
            }
        }
        Ok(())
    }

    /// The proxy on this way to this place, made if there is none yet.
    fn link(&mut self, way: Way, upstream: Option<String>) -> std::io::Result<SocketAddr> {
        let known = |link: &&Link| link.way == way && link.upstream == upstream;
        if let Some(link) = self.links.iter().find(known) {
            return Ok(link.proxy.address());
        }
        let seed = self.seed.wrapping_add(self.links.len() as u64);
        let proxy = Proxy::bind(Arc::clone(&self.clock), seed)?;
        if let Some(upstream) = &upstream {
            proxy.lead_to(upstream);
        }
        let address = proxy.address();
        self.links.push(Link {
            way,
            upstream,
            proxy,
        });
        Ok(address)
    }

    /// Cuts the subject off.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn cut(&self, way: Way) -> std::io::Result<()> {
        self.on(way).try_for_each(Proxy::cut)
    }

    /// Lets it through again.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn mend(&self, way: Way) -> std::io::Result<()> {
        self.on(way).try_for_each(Proxy::mend)
    }

    /// What is wrong with the way to the broker from now on.
    pub(crate) fn disturb(&self, condition: Condition) {
        for proxy in self.on(Way::Broker) {
            proxy.disturb(condition);
        }
    }

    /// Where connections lead that go this way.
    pub(crate) fn upstreams(&self, way: Way) -> String {
        let links = self.links.iter().filter(|link| link.way == way);
        let names: Vec<&str> = links.filter_map(|link| link.upstream.as_deref()).collect();
        names.join("`, `")
    }

    fn on(&self, way: Way) -> impl Iterator<Item = &Proxy> {
        let links = self.links.iter().filter(move |link| link.way == way);
        links.map(|link| &link.proxy)
    }
}

/// What the bundled detector talks to besides broker and registry, with the URLs in its settings.
pub(super) fn services(detector: &mut DetectorSection) -> impl Iterator<Item = (Way, &mut String)> {
    let look_up = match &mut detector.fraud.look_up {
        LookUpSection::Redis(section) => Some((Way::Redis, &mut section.url)),
        LookUpSection::InProcess => None,
    };
    let scorer = match &mut detector.fraud.scorer {
        ScorerSection::Service(section) => Some((Way::Scorer, &mut section.url)),
        ScorerSection::InProcess => None,
    };
    let sinks = detector.sinks.values_mut().filter_map(|sink| match sink {
        SinkSection::Redis(section) => Some((Way::Redis, &mut section.url)),
        SinkSection::Postgres(section) => Some((Way::Postgres, &mut section.url)),
        SinkSection::ClickFiles(_) | SinkSection::RowFiles(_) | SinkSection::BigQuery(_) => None,
    });
    look_up.into_iter().chain(scorer).chain(sinks)
}

/// Why a URL cannot lead through a proxy.
pub(super) fn refusal(url: &str) -> Option<String> {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    if matches!(scheme, "https" | "rediss") {
        return Some(format!(
            "a service under TLS (`{scheme}`) is known by its name, and a proxy has another; use one without"
        ));
    }
    match Place::of(url) {
        Some(_) => None,
        None => Some(
            "its URL names no host that a proxy could lead to; write `SCHEME://HOST:PORT/…`"
                .to_owned(),
        ),
    }
}

/// The parts of a URL.
struct Place<'a> {
    scheme: &'a str,
    /// User and password with the `@` behind them, or nothing.
    user: &'a str,
    host: &'a str,
    port: u16,
    rest: &'a str,
}

impl<'a> Place<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, behind) = url.split_once("://")?;
        let end = behind.find(['/', '?']).unwrap_or(behind.len());
        let (authority, rest) = behind.split_at(end);
        let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let usual = match scheme {
            "http" => 80,
            "redis" => 6379,
            "postgresql" | "postgres" => 5432,
            _ => 0,
        };
        // A colon may also belong to an address in brackets.
        let (host, port) = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()?),
            _ => (host, usual),
        };
        (!host.is_empty() && port != 0).then_some(Self {
            scheme,
            user,
            host,
            port,
            rest,
        })
    }

    fn upstream(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn moved_to(&self, address: SocketAddr) -> String {
        format!("{}://{}{address}{}", self.scheme, self.user, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use floodmark_contracts::{clock::SystemClock, fault::FaultKind};

    use super::*;

    #[test]
    fn urls_are_led_elsewhere_with_all_that_stands_around_the_host() {
        let proxy: SocketAddr = "127.0.0.1:9".parse().unwrap();
        for (url, upstream, moved) in [
            ("http://h:81/score", "h:81", "http://127.0.0.1:9/score"),
            ("http://h", "h:80", "http://127.0.0.1:9"),
            ("redis://h/3", "h:6379", "redis://127.0.0.1:9/3"),
            (
                "postgresql://me:pw@h:1/db?x=y",
                "h:1",
                "postgresql://me:pw@127.0.0.1:9/db?x=y",
            ),
            ("redis://[::1]:7/0", "[::1]:7", "redis://127.0.0.1:9/0"),
            ("redis://[::1]/0", "[::1]:6379", "redis://127.0.0.1:9/0"),
        ] {
            let place = Place::of(url).unwrap();
            assert_eq!(place.upstream(), upstream);
            assert_eq!(place.moved_to(proxy), moved);
            assert_eq!(refusal(url), None);
        }
        for url in [
            "https://h:1",
            "rediss://h:1/0",
            "h:1",
            "http://",
            "http://h:x",
        ] {
            assert!(refusal(url).is_some(), "{url}");
        }
    }

    fn links(action: Action) -> Links {
        let fault = Fault {
            kind: FaultKind::NetworkCut,
            at: Duration::ZERO,
            span: Duration::from_secs(1),
            action,
        };
        Links::of(&[fault], 1, Arc::new(SystemClock::new()))
    }

    fn told() -> (Connection, DetectorSection) {
        let connection = Connection {
            bootstrap: "b:1".to_owned(),
            properties: Default::default(),
            registry: Some("http://r:2".to_owned()),
        };
        let detector = r#"{ "fraud": { "look_up": { "redis": { "url": "redis://k:3/0" } } },
            "sinks": { "a": { "redis": { "url": "redis://k:3/1" } }, "b": { "redis": { "url": "redis://l:3/1" } } } }"#;
        (connection, serde_json::from_str(detector).unwrap())
    }

    #[test]
    fn only_what_a_fault_disturbs_goes_through_a_proxy() {
        let (mut connection, mut detector) = told();
        let plain = (connection.clone(), detector.clone());
        let mut none = links(Action::Scale(2));
        assert_eq!(none.before_broker().unwrap(), None);
        none.lead(&mut connection, &mut detector).unwrap();
        assert_eq!((&connection, &detector), (&plain.0, &plain.1));

        let mut broker = links(Action::Cut(Way::Broker));
        let address = broker.before_broker().unwrap().unwrap();
        broker.broker_is_at("b:1");
        broker.lead(&mut connection, &mut detector).unwrap();
        assert_eq!(connection.bootstrap, address.to_string());
        assert_eq!(connection.registry, plain.0.registry);
        assert_eq!(broker.upstreams(Way::Broker), "b:1");
    }

    #[test]
    fn every_place_of_a_kind_has_a_proxy_and_those_at_one_address_share_it() {
        let (mut connection, mut detector) = told();
        let mut redis = links(Action::Cut(Way::Redis));
        redis.lead(&mut connection, &mut detector).unwrap();
        assert_eq!(connection.bootstrap, "b:1");
        assert_eq!(redis.upstreams(Way::Redis), "k:3`, `l:3");
        let urls: Vec<String> = services(&mut detector)
            .map(|(_, url)| url.clone())
            .collect();
        assert!(
            urls.iter().all(|url| url.starts_with("redis://127.0.0.1:")),
            "{urls:?}"
        );
        assert!(urls[0].ends_with("/0") && urls[1].ends_with("/1"));
        assert_eq!(urls[0][..urls[0].len() - 1], urls[1][..urls[1].len() - 1]);
    }
}
