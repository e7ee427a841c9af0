use super::*;

fn build(file: &str, pairs: &[&str]) -> Result<ClientSettings, SettingsError> {
    ClientSettings::builder("127.0.0.1:9092")
        .file_text("client.properties", file)?
        .overrides(pairs)?
        .build()
}

/// One line of a properties file and what it becomes.
fn check(file: &str, expected: &[(&str, &str)]) {
    let settings = build(file, &[]).unwrap_or_else(|error| panic!("{file}: {error}"));
    let found: Vec<(&str, &str)> = settings
        .properties
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(found, expected, "{file}");
}

fn check_refused(file: &str, pairs: &[&str], parts: &[&str]) {
    let error = build(file, pairs).expect_err(file).to_string();
    for part in parts {
        assert!(error.contains(part), "`{error}` lacks `{part}`");
    }
}

#[test]
fn java_names_become_librdkafkas() {
    check(
        "security.protocol=SASL_SSL",
        &[("security.protocol", "sasl_ssl")],
    );
    check(
        "sasl.mechanism=SCRAM-SHA-512",
        &[("sasl.mechanisms", "SCRAM-SHA-512")],
    );
    check(
        "sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\\n  \
         username=\"u\" password=\"p\";",
        &[("sasl.password", "p"), ("sasl.username", "u")],
    );
    check(
        "buffer.memory=33554432",
        &[("queue.buffering.max.kbytes", "32768")],
    );
    check(
        "max.request.size=2000000",
        &[("message.max.bytes", "2000000")],
    );
    check("fetch.max.wait.ms=100", &[("fetch.wait.max.ms", "100")]);
    check(
        "receive.buffer.bytes=-1",
        &[("socket.receive.buffer.bytes", "0")],
    );
    check(
        "partition.assignment.strategy=org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
        &[("partition.assignment.strategy", "cooperative-sticky")],
    );
    check(
        "ssl.endpoint.identification.algorithm=",
        &[("ssl.endpoint.identification.algorithm", "none")],
    );
    check(
        "delivery.timeout.ms=30000",
        &[("delivery.timeout.ms", "30000")],
    );
    check(
        "message.timeout.ms=30000",
        &[("delivery.timeout.ms", "30000")],
    );
}

#[test]
fn certificate_stores_are_translated_by_their_type() {
    check(
        "ssl.truststore.location=/etc/ca.pem",
        &[("ssl.ca.location", "/etc/ca.pem")],
    );
    check(
        "ssl.truststore.location=/etc/ca\nssl.truststore.type=PEM",
        &[("ssl.ca.location", "/etc/ca")],
    );
    check(
        "ssl.keystore.location=/etc/me.p12\nssl.keystore.password=p",
        &[
            ("ssl.keystore.location", "/etc/me.p12"),
            ("ssl.keystore.password", "p"),
        ],
    );
    check(
        "ssl.keystore.location=/etc/me.pem",
        &[
            ("ssl.certificate.location", "/etc/me.pem"),
            ("ssl.key.location", "/etc/me.pem"),
        ],
    );
    check_refused(
        "ssl.truststore.location=/etc/ca.jks",
        &[],
        &["PEM", "keytool"],
    );
    check_refused(
        "ssl.keystore.location=/etc/me.jks",
        &[],
        &["`JKS`", "PKCS12"],
    );
    check_refused(
        "ssl.truststore.type=PEM",
        &[],
        &["without `ssl.truststore.location`"],
    );
}

#[test]
fn what_has_no_counterpart_is_refused_by_name() {
    check_refused(
        "ssl.enabled.protocols=TLSv1.3",
        &[],
        &["`ssl.enabled.protocols`", "`ssl.cipher.suites`"],
    );
    check_refused(
        "partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner",
        &[],
        &["`partitioner.class`", "use `partitioner`"],
    );
    check_refused(
        "sasl.jaas.config=com.sun.security.auth.module.Krb5LoginModule required useKeyTab=true;",
        &[],
        &["`Krb5LoginModule`", "SCRAM"],
    );
    check_refused(
        "partition.assignment.strategy=org.apache.kafka.clients.consumer.StickyAssignor",
        &[],
        &["`StickyAssignor`", "`cooperative-sticky`"],
    );
}

#[test]
fn what_only_java_needs_is_left_out() {
    check(
        "max.poll.records=500\nkey.serializer=org.Foo\nvalue.deserializer=org.Foo\n\
         interceptor.classes=org.Foo\nacks=all",
        &[("acks", "all")],
    );
}

#[test]
fn the_address_in_a_file_is_kept_apart_and_must_be_one() {
    let read = |text| ClientSettings::builder("a:1").file_text("client.properties", text);
    let found = read("bootstrap.servers=b:2,c:3\nacks=1").unwrap();
    assert_eq!(found.address_in_file(), Some("b:2,c:3"));
    let settings = found.build().unwrap();
    assert_eq!(settings.bootstrap, "a:1");
    assert!(!settings.properties.contains_key("bootstrap.servers"));
    for (text, part) in [
        ("bootstrap.servers=nowhere", "`HOST:PORT`"),
        (
            "bootstrap.servers=a:1\nmetadata.broker.list=b:2",
            "set twice",
        ),
    ] {
        let error = read(text).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_login_without_a_user_is_refused_without_its_password() {
    let login = "sasl.jaas.config=PlainLoginModule required password=\"hunter2\";";
    let error = build(login, &[]).unwrap_err().to_string();
    assert!(error.contains("no `username"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn a_store_of_certificates_is_refused_for_its_type_whatever_stands_beside_it() {
    check_refused(
        "ssl.truststore.password=hunter2\nssl.truststore.location=/etc/ca.jks",
        &[],
        &[
            "keytool -list -rfc -keystore /etc/ca.jks",
            "`ssl.ca.location=ca.pem`",
        ],
    );
    check(
        "ssl.truststore.password=hunter2\nssl.truststore.location=/etc/ca.pem",
        &[("ssl.ca.location", "/etc/ca.pem")],
    );
}

/// The rows of a table of the page, between its heading and the next one.
fn rows_of<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let section = page.split(heading).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.collect()
}

#[test]
fn the_page_on_client_properties_says_what_the_table_does() {
    let page = include_str!("../../../docs/client-properties.md");
    let expected: Vec<String> = java::documented().collect();
    assert_eq!(rows_of(page, "\n## Names of the Java client\n"), expected);
    let expected: Vec<String> = options::documented().collect();
    assert_eq!(rows_of(page, "\n## What floodmark sets itself\n"), expected);
}

#[test]
fn librdkafka_knows_every_option_that_the_table_names() {
    for option in java::options_of_table() {
        let refused = options::try_each(&BTreeMap::from([(option.to_owned(), "\u{1}".to_owned())]));
        let unknown = matches!(refused, Err(SettingsError::Unknown { .. }));
        assert!(!unknown, "{option}");
    }
}

#[test]
fn the_command_line_wins_over_the_file() {
    let settings = build("linger.ms=1", &["linger.ms=9"]).unwrap();
    assert_eq!(settings.properties["linger.ms"], "9");
}

#[test]
fn an_option_set_twice_in_one_place_is_refused_by_name() {
    check_refused(
        "linger.ms=1\nlinger.ms=2",
        &[],
        &["`linger.ms`", "`client.properties`"],
    );
    check_refused(
        "",
        &["linger.ms=1", "queue.buffering.max.ms=2"],
        &["`linger.ms`", "command line"],
    );
    check_refused(
        "max.request.size=1000\nmessage.max.bytes=2000",
        &[],
        &["`message.max.bytes`"],
    );
}

#[test]
fn options_of_ours_are_refused_with_the_reason() {
    check_refused(
        "",
        &["enable.auto.commit=true"],
        &["`enable.auto.commit`", "committed with"],
    );
    check_refused(
        "",
        &["bootstrap.servers=a:1"],
        &["`bootstrap.servers`", "its own option"],
    );
    check_refused("", &["metadata.broker.list=a:1"], &["`bootstrap.servers`"]);
    check_refused(
        "isolation.level=read_uncommitted",
        &[],
        &["`isolation.level`"],
    );
}

#[test]
fn librdkafka_judges_names_and_values() {
    check_refused("linger.millis=1", &[], &["`linger.millis` is not known"]);
    check_refused("liger.ms=1", &[], &["did you mean `linger.ms`?"]);
    check_refused("bufer.memory=1", &[], &["did you mean `buffer.memory`?"]);
    let error = build("nothing.like.it=1", &[]).unwrap_err().to_string();
    assert!(!error.contains("did you mean"), "{error}");
    check_refused("acks=maybe", &[], &["`acks`"]);
    check_refused("compression.type=brotli", &[], &["`compression.type`"]);
}

#[test]
fn a_pair_needs_an_equals_sign_and_a_key() {
    check_refused("", &["linger.ms"], &["`linger.ms`", "`key=value`"]);
    check_refused("", &["=5"], &["`key=value`"]);
}

#[test]
fn bootstrap_servers_need_a_port() {
    for (bootstrap, fine) in [
        ("localhost:9092", true),
        ("a:1,b:2", true),
        ("[::1]:9092", true),
        ("localhost", false),
        ("a:1,b", false),
        (":9092", false),
        ("a:0", false),
        ("a:99999", false),
        ("", false),
    ] {
        let built = ClientSettings::builder(bootstrap).build();
        assert_eq!(built.is_ok(), fine, "{bootstrap}: {built:?}");
    }
}

#[test]
fn secrets_are_never_shown() {
    let secrets = "sasl.password=hunter2\nssl.key.password=hunter2\nssl.keystore.password=hunter2\n\
                   sasl.username=alice";
    let settings = build(secrets, &["ssl.key.pem=hunter2"]).unwrap();
    let shown = format!("{settings:?} {:?}", settings.redacted());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("alice"), "{shown}");
    assert_eq!(settings.redacted()["sasl.password"], REDACTED);
    assert_eq!(settings.properties["sasl.password"], "hunter2");
}

#[test]
fn an_option_that_this_build_lacks_says_so_without_its_secret() {
    let option = "sasl.oauthbearer.client.secret=hunter2";
    let error = build("", &[option]).unwrap_err().to_string();
    assert!(error.contains("not supported in this build"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn serialised_settings_come_back_whole_for_a_child() {
    let settings = build("sasl.password=hunter2", &["linger.ms=3"]).unwrap();
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(
        serde_json::from_str::<ClientSettings>(&text).unwrap(),
        settings
    );
}

#[test]
fn a_missing_file_is_named() {
    let error = ClientSettings::builder("a:1")
        .file(Path::new("/nonexistent/client.properties"))
        .err()
        .expect("the file does not exist");
    assert!(
        error
            .to_string()
            .contains("`/nonexistent/client.properties`"),
        "{error}"
    );
}
