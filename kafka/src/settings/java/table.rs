//! What becomes of each property of the Java client: the one table behind the translation and its documentation
//! (`docs/client-properties.md`).

use super::Conversion;

/// A property of the Java client.
#[derive(Debug)]
pub(crate) struct JavaProperty {
    /// Its name there.
    pub(crate) name: &'static str,
    /// What becomes of it here.
    pub(crate) becomes: Becomes,
    /// What else there is to say: what its value turns into, or what to do without it. May be empty.
    pub(crate) note: &'static str,
}

/// What becomes of a property.
#[derive(Debug)]
pub(crate) enum Becomes {
    /// That option of librdkafka, with the same value.
    Option(&'static str),
    /// Those options, with values in another form.
    Converted(Conversion, &'static [&'static str]),
    /// Nothing by itself: it says how one of these is meant, and is refused without them.
    With(&'static [&'static str]),
    /// The cluster's address, where nothing nearer to the command line names one.
    Address,
    /// Nothing, with a warning: nothing is lost.
    Ignored,
    /// An error: without it something would be other than it says.
    Refused,
}

const fn same(name: &'static str) -> JavaProperty {
    row(name, Becomes::Option(name), "")
}

const fn row(name: &'static str, becomes: Becomes, note: &'static str) -> JavaProperty {
    JavaProperty {
        name,
        becomes,
        note,
    }
}

const fn converted(
    name: &'static str,
    conversion: Conversion,
    options: &'static [&'static str],
    note: &'static str,
) -> JavaProperty {
    row(name, Becomes::Converted(conversion, options), note)
}

const NO_CLASSES: &str = "Java classes cannot be loaded";
const NO_JAVA_METRICS: &str = "there are no Java metrics here";

/// All that are known, in the order of the documentation.
pub(crate) const TABLE: &[JavaProperty] = &[
    row(
        "bootstrap.servers",
        Becomes::Address,
        "`--broker`, its variable and the profile win",
    ),
    same("client.id"),
    same("client.rack"),
    same("client.dns.lookup"),
    row(
        "default.api.timeout.ms",
        Becomes::Option("socket.timeout.ms"),
        "",
    ),
    same("request.timeout.ms"),
    same("metadata.max.age.ms"),
    same("connections.max.idle.ms"),
    same("reconnect.backoff.ms"),
    same("reconnect.backoff.max.ms"),
    same("retry.backoff.ms"),
    converted(
        "receive.buffer.bytes",
        Conversion::SocketBuffer,
        &["socket.receive.buffer.bytes"],
        "`-1` becomes `0`: the system's own size",
    ),
    converted(
        "send.buffer.bytes",
        Conversion::SocketBuffer,
        &["socket.send.buffer.bytes"],
        "`-1` becomes `0`: the system's own size",
    ),
    // Who may come in.
    converted(
        "security.protocol",
        Conversion::SmallLetters,
        &["security.protocol"],
        "in small letters",
    ),
    row("sasl.mechanism", Becomes::Option("sasl.mechanisms"), ""),
    converted(
        "sasl.jaas.config",
        Conversion::Login,
        &["sasl.username", "sasl.password"],
        "of `PlainLoginModule` and `ScramLoginModule`; other modules are refused",
    ),
    same("sasl.kerberos.service.name"),
    row(
        "sasl.client.callback.handler.class",
        Becomes::Refused,
        "Java classes cannot be loaded; use PLAIN, SCRAM or TLS with a certificate",
    ),
    row(
        "sasl.login.callback.handler.class",
        Becomes::Refused,
        "Java classes cannot be loaded; use PLAIN, SCRAM or TLS with a certificate",
    ),
    row(
        "sasl.login.class",
        Becomes::Refused,
        "Java classes cannot be loaded; use PLAIN, SCRAM or TLS with a certificate",
    ),
    row(
        "security.providers",
        Becomes::Refused,
        "Java classes cannot be loaded; leave it out",
    ),
    // TLS.
    converted(
        "ssl.truststore.location",
        Conversion::TrustStore,
        &["ssl.ca.location"],
        "of type PEM; JKS and PKCS12 are refused with the command that converts them",
    ),
    row(
        "ssl.truststore.type",
        Becomes::With(&["ssl.truststore.location", "ssl.truststore.certificates"]),
        "without it, names in `.pem`, `.crt` or `.cer` are PEM, in `.p12` or `.pfx` PKCS12, all others JKS",
    ),
    row(
        "ssl.truststore.password",
        Becomes::Ignored,
        "certificates in PEM have none",
    ),
    row(
        "ssl.truststore.certificates",
        Becomes::Option("ssl.ca.pem"),
        "",
    ),
    converted(
        "ssl.keystore.location",
        Conversion::KeyStore,
        &[
            "ssl.keystore.location",
            "ssl.certificate.location",
            "ssl.key.location",
        ],
        "the first of type PKCS12, the other two of PEM; JKS is refused with the command that converts it",
    ),
    row(
        "ssl.keystore.type",
        Becomes::With(&[
            "ssl.keystore.location",
            "ssl.keystore.key",
            "ssl.keystore.certificate.chain",
        ]),
        "without it, as `ssl.truststore.type`",
    ),
    same("ssl.keystore.password"),
    row("ssl.keystore.key", Becomes::Option("ssl.key.pem"), ""),
    row(
        "ssl.keystore.certificate.chain",
        Becomes::Option("ssl.certificate.pem"),
        "",
    ),
    same("ssl.key.password"),
    converted(
        "ssl.endpoint.identification.algorithm",
        Conversion::Identification,
        &["ssl.endpoint.identification.algorithm"],
        "empty becomes `none`",
    ),
    same("ssl.cipher.suites"),
    row(
        "ssl.enabled.protocols",
        Becomes::Refused,
        "OpenSSL negotiates the version; restrict it with `ssl.cipher.suites`, or leave it out",
    ),
    row(
        "ssl.protocol",
        Becomes::Ignored,
        "OpenSSL negotiates the version",
    ),
    row(
        "ssl.provider",
        Becomes::Refused,
        "OpenSSL is the provider here; leave it out",
    ),
    row(
        "ssl.engine.factory.class",
        Becomes::Refused,
        "Java classes cannot be loaded; leave it out",
    ),
    row("ssl.keymanager.algorithm", Becomes::Ignored, NO_CLASSES),
    row("ssl.trustmanager.algorithm", Becomes::Ignored, NO_CLASSES),
    // Producers.
    same("acks"),
    same("batch.size"),
    same("linger.ms"),
    same("compression.type"),
    same("delivery.timeout.ms"),
    same("retries"),
    same("enable.idempotence"),
    same("max.in.flight.requests.per.connection"),
    row("max.request.size", Becomes::Option("message.max.bytes"), ""),
    converted(
        "buffer.memory",
        Conversion::Kibibytes,
        &["queue.buffering.max.kbytes"],
        "bytes become KiB, rounded up",
    ),
    row(
        "max.block.ms",
        Becomes::Ignored,
        "sending never blocks here, a full queue is counted",
    ),
    row("key.serializer", Becomes::Ignored, "keys are bytes here"),
    row(
        "value.serializer",
        Becomes::Ignored,
        "the profile's `format` decides",
    ),
    row(
        "partitioner.class",
        Becomes::Refused,
        "use `partitioner`, by default `murmur2_random` as in Java",
    ),
    row(
        "partitioner.ignore.keys",
        Becomes::Refused,
        "use `partitioner=random` instead",
    ),
    row(
        "partitioner.adaptive.partitioning.enable",
        Becomes::Refused,
        "use `sticky.partitioning.linger.ms` instead",
    ),
    // Consumers.
    same("fetch.min.bytes"),
    same("fetch.max.bytes"),
    same("max.partition.fetch.bytes"),
    row(
        "fetch.max.wait.ms",
        Becomes::Option("fetch.wait.max.ms"),
        "",
    ),
    same("max.poll.interval.ms"),
    same("session.timeout.ms"),
    same("heartbeat.interval.ms"),
    same("check.crcs"),
    converted(
        "partition.assignment.strategy",
        Conversion::Strategies,
        &["partition.assignment.strategy"],
        "classes become `range`, `roundrobin` or `cooperative-sticky`; `StickyAssignor` is refused",
    ),
    row(
        "max.poll.records",
        Becomes::Ignored,
        "batches are bounded by the reading part",
    ),
    row("key.deserializer", Becomes::Ignored, "keys are bytes here"),
    row(
        "value.deserializer",
        Becomes::Ignored,
        "the topic's own format decides",
    ),
    row(
        "exclude.internal.topics",
        Becomes::Ignored,
        "topics are read by their names",
    ),
    // What Java has beside its clients.
    row("interceptor.classes", Becomes::Ignored, NO_CLASSES),
    row("metric.reporters", Becomes::Ignored, NO_CLASSES),
    row("metrics.recording.level", Becomes::Ignored, NO_JAVA_METRICS),
    row("metrics.num.samples", Becomes::Ignored, NO_JAVA_METRICS),
    row(
        "metrics.sample.window.ms",
        Becomes::Ignored,
        NO_JAVA_METRICS,
    ),
    row(
        "auto.include.jmx.reporter",
        Becomes::Ignored,
        "there is no JMX here",
    ),
];
