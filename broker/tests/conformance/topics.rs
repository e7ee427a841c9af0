//! Topics: made, described, trimmed, removed.

use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{DescribeConfigsRequest, MetadataRequest};
use rdkafka::admin::{AdminOptions, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::clients::{
    POLL, admin, admin_options, await_topic, consumer, create_topic, produce_values, read_to_end,
    read_values, wait,
};
use crate::raw::{AT_ONCE, PLAIN, Raw, batch, fetch, produce, text, topic_name};
use crate::target::{PATIENCE, Target, eventually, poll_until};

const OFFSET_OUT_OF_RANGE: i16 = 1;
const UNKNOWN_TOPIC: i16 = 3;
const TOPIC_RESOURCE: i8 = 2;
const ONE: TopicReplication<'static> = TopicReplication::Fixed(1);

pub(crate) fn an_empty_topic_ends_at_once(target: &Target) {
    let topic = create_topic(target, 2, &[]);
    assert_eq!(read_to_end(target, &topic, 2, &[]), []);
    let watermarks = consumer(target, &[]).fetch_watermarks(&topic, 1, PATIENCE);
    assert_eq!(watermarks, Ok((0, 0)));
}

pub(crate) fn an_unknown_topic_is_an_error(target: &Target) {
    let name = target.unique("nowhere");
    let mut raw = Raw::connect(target);
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(&name)));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(false);
    let response = raw.call(9, &request);
    assert_eq!(response.topics[0].error_code, UNKNOWN_TOPIC);
    assert_eq!(fetch(&mut raw, &name, 0, AT_ONCE).error_code, UNKNOWN_TOPIC);
    let records = batch(PLAIN, &[(1, b"lost")]);
    assert_eq!(produce(&mut raw, &name, records).error_code, UNKNOWN_TOPIC);
}

pub(crate) fn a_topic_is_created_once(target: &Target) {
    let name = create_topic(target, 3, &[]);
    let again = NewTopic::new(&name, 3, ONE);
    let results = wait(admin(target).create_topics([&again], &admin_options())).unwrap();
    assert_eq!(results, [Err((name.clone(), Code::TopicAlreadyExists))]);
    let metadata = consumer(target, &[])
        .fetch_metadata(Some(&name), PATIENCE)
        .unwrap();
    let partitions: Vec<i32> = metadata.topics()[0]
        .partitions()
        .iter()
        .map(|p| p.id())
        .collect();
    assert_eq!(partitions, [0, 1, 2]);
}

pub(crate) fn impossible_topics_are_refused(target: &Target) {
    let admin = admin(target);
    let good = target.unique("topic");
    let long = "x".repeat(250);
    let unknown_setting = NewTopic::new(&good, 1, ONE).set("no.such.setting", "1");
    let bad_value = NewTopic::new(&good, 1, ONE).set("message.timestamp.type", "Sometime");
    let cases = [
        (NewTopic::new("not/allowed", 1, ONE), Code::InvalidTopic),
        (NewTopic::new(&long, 1, ONE), Code::InvalidTopic),
        (NewTopic::new("..", 1, ONE), Code::InvalidTopic),
        (NewTopic::new(&good, 0, ONE), Code::InvalidPartitions),
        (
            NewTopic::new(&good, 1, TopicReplication::Fixed(3)),
            Code::InvalidReplicationFactor,
        ),
        (unknown_setting, Code::InvalidConfig),
        (bad_value, Code::InvalidConfig),
    ];
    for (topic, wanted) in cases {
        let results = wait(admin.create_topics([&topic], &admin_options())).unwrap();
        let found = results[0].as_ref().map_err(|(_, code)| *code);
        assert_eq!(
            found,
            Err(wanted),
            "topic `{}` with {:?}",
            topic.name,
            topic.config
        );
    }
}

pub(crate) fn validation_alone_creates_nothing(target: &Target) {
    let name = target.unique("topic");
    let options = AdminOptions::new()
        .request_timeout(Some(PATIENCE))
        .validate_only(true);
    let topic = NewTopic::new(&name, 1, ONE);
    let results = wait(admin(target).create_topics([&topic], &options)).unwrap();
    assert_eq!(results, [Ok(name.clone())]);
    let mut raw = Raw::connect(target);
    assert_eq!(fetch(&mut raw, &name, 0, AT_ONCE).error_code, UNKNOWN_TOPIC);
}

pub(crate) fn a_deleted_topic_is_gone_and_comes_back_empty(target: &Target) {
    let name = create_topic(target, 1, &[]);
    produce_values(target, &name, 0, &["old"]);
    let admin = admin(target);
    let results = wait(admin.delete_topics(&[&name], &admin_options())).unwrap();
    assert_eq!(results, [Ok(name.clone())]);
    let mut raw = Raw::connect(target);
    eventually("the topic is gone", || {
        (fetch(&mut raw, &name, 0, AT_ONCE).error_code == UNKNOWN_TOPIC).then_some(())
    });
    let again = wait(admin.delete_topics(&[&name], &admin_options())).unwrap();
    assert_eq!(again, [Err((name.clone(), Code::UnknownTopicOrPartition))]);
    let topic = NewTopic::new(&name, 1, ONE);
    wait(admin.create_topics([&topic], &admin_options())).unwrap()[0]
        .as_ref()
        .unwrap();
    await_topic(target, &name, 1);
    assert_eq!(
        read_values(target, &name, "read_uncommitted"),
        Vec::<String>::new()
    );
}

pub(crate) fn settings_of_a_topic_are_described(target: &Target) {
    let settings = [
        ("message.timestamp.type", "LogAppendTime"),
        ("retention.ms", "12345"),
    ];
    let name = create_topic(target, 1, &settings);
    let admin = admin(target);
    let asked = [ResourceSpecifier::Topic(&name)];
    let described = wait(admin.describe_configs(&asked, &admin_options())).unwrap();
    let config = described[0].as_ref().unwrap();
    for (key, value) in settings {
        let entry = config
            .get(key)
            .unwrap_or_else(|| panic!("`{key}` is not described"));
        assert_eq!(entry.value.as_deref(), Some(value), "`{key}`");
        assert_eq!(
            entry.source,
            ConfigSource::DynamicTopic,
            "`{key}` was set on the topic"
        );
    }
    let policy = config
        .get("cleanup.policy")
        .expect("settings at their default are described");
    assert_eq!(policy.value.as_deref(), Some("delete"));
    assert!(policy.is_default, "nobody set `cleanup.policy`");
    let unknown = target.unique("nowhere");
    let asked = DescribeConfigsResource::default()
        .with_resource_type(TOPIC_RESOURCE)
        .with_resource_name(text(&unknown))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![asked]);
    let described = Raw::connect(target).call(2, &request);
    assert_eq!(described.results[0].error_code, UNKNOWN_TOPIC);
}

pub(crate) fn deleted_records_move_the_low_watermark(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    let values: Vec<String> = (0..10).map(|i| i.to_string()).collect();
    // Half of them in the middle of one batch: records are cut off exactly, batches need not be.
    produce_values(target, &topic, 0, &values);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(4))
        .unwrap();
    let admin = admin(target);
    let deleted = wait(admin.delete_records(&list, &admin_options())).unwrap();
    assert_eq!(
        deleted.elements()[0].offset(),
        Offset::Offset(4),
        "the new low watermark"
    );
    let consumer = consumer(target, &[]);
    assert_eq!(consumer.fetch_watermarks(&topic, 0, PATIENCE), Ok((4, 10)));
    let mut raw = Raw::connect(target);
    assert_eq!(
        fetch(&mut raw, &topic, 3, AT_ONCE).error_code,
        OFFSET_OUT_OF_RANGE
    );
    let found = fetch(&mut raw, &topic, 4, AT_ONCE);
    assert_eq!((found.error_code, found.log_start_offset), (0, 4));
    assert_eq!(
        read_values(target, &topic, "read_committed"),
        ["4", "5", "6", "7", "8", "9"]
    );
    // A consumer that stands below the low watermark is told, and does not silently skip.
    list.set_partition_offset(&topic, 0, Offset::Offset(1))
        .unwrap();
    consumer.assign(&list).unwrap();
    let error = poll_until("an answer to a fetch below the low watermark", || {
        consumer.poll(POLL).map(|result| result.map(|m| m.offset()))
    });
    assert!(
        matches!(
            error,
            Err(KafkaError::MessageConsumption(Code::AutoOffsetReset))
        ),
        "reading at 1 gave {error:?}"
    );
}

pub(crate) fn records_past_the_end_cannot_be_deleted(target: &Target) {
    let topic = create_topic(target, 1, &[]);
    produce_values(target, &topic, 0, &["a", "b"]);
    let admin = admin(target);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(3))
        .unwrap();
    let refused = wait(admin.delete_records(&list, &admin_options())).unwrap();
    let error = refused.elements()[0].error().unwrap_err();
    assert_eq!(error.rdkafka_error_code(), Some(Code::OffsetOutOfRange));
    list.set_partition_offset(&topic, 0, Offset::End).unwrap();
    let emptied = wait(admin.delete_records(&list, &admin_options())).unwrap();
    assert_eq!(
        emptied.elements()[0].offset(),
        Offset::Offset(2),
        "everything so far"
    );
    assert_eq!(
        consumer(target, &[]).fetch_watermarks(&topic, 0, PATIENCE),
        Ok((2, 2))
    );
}
