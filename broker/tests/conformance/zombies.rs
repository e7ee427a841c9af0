//! Producers that were replaced, and requests that come at the wrong time.

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, GroupId,
    InitProducerIdRequest, TransactionalId, TxnOffsetCommitRequest,
};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer;

use crate::clients::{acknowledged, create_topic, send, settle, transactional};
use crate::membership::{enter, ready};
use crate::raw::{Raw, Sender, await_coordinator, batch, produce_as, text, topic_name};
use crate::target::{PATIENCE, Target, eventually};
use crate::transactions::committed_once_ended;

const ILLEGAL_GENERATION: i16 = 22;
const INVALID_PRODUCER_EPOCH: i16 = 47;
const INVALID_TXN_STATE: i16 = 48;
const CONCURRENT_TRANSACTIONS: i16 = 51;
const PRODUCER_FENCED: i16 = 90;

pub(crate) fn a_second_producer_fences_the_first(target: &Target) {
    let (topic, id) = (create_topic(target, 1, &[]), target.unique("txn"));
    let first = transactional(target, &id, &[]);
    first.begin_transaction().unwrap();
    send(&first, &topic, 0, "of the first");
    acknowledged(&first);
    let second = transactional(target, &id, &[]);
    assert_eq!(
        committed_once_ended(target, &topic),
        Vec::<String>::new(),
        "its transaction is aborted"
    );
    send(&first, &topic, 0, "of a zombie");
    settle(&first);
    let error = first.commit_transaction(PATIENCE).unwrap_err();
    assert_eq!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::Fenced),
        "{error}"
    );
    second.begin_transaction().unwrap();
    send(&second, &topic, 0, "of the second");
    acknowledged(&second);
    second.commit_transaction(PATIENCE).unwrap();
    assert_eq!(committed_once_ended(target, &topic), ["of the second"]);
}

pub(crate) fn an_old_epoch_can_neither_write_nor_end(target: &Target) {
    let (topic, id) = (create_topic(target, 1, &[]), target.unique("txn"));
    let mut raw = Raw::connect(target);
    let old = init(&mut raw, &id);
    add_partition(&mut raw, &id, old, &topic);
    let written = batch(old, &[(1, b"old")]);
    assert_eq!(
        produce_as(&mut raw, Some(&id), &topic, 0, written).error_code,
        0
    );
    let new = init(&mut raw, &id);
    assert_eq!(
        (new.id, new.epoch > old.epoch),
        (old.id, true),
        "the same producer, a later epoch"
    );
    let zombie = Sender { sequence: 1, ..old };
    let refused = produce_as(
        &mut raw,
        Some(&id),
        &topic,
        0,
        batch(zombie, &[(1, b"zombie")]),
    );
    assert_eq!(refused.error_code, INVALID_PRODUCER_EPOCH);
    assert_eq!(end(&mut raw, &id, old), PRODUCER_FENCED);
    assert_eq!(committed_once_ended(target, &topic), Vec::<String>::new());
}

pub(crate) fn a_transaction_cannot_end_before_it_begins(target: &Target) {
    let id = target.unique("txn");
    let mut raw = Raw::connect(target);
    let sender = init(&mut raw, &id);
    assert_eq!(end(&mut raw, &id, sender), INVALID_TXN_STATE);
}

pub(crate) fn an_old_generation_cannot_commit_in_a_transaction(target: &Target) {
    let (topic, group) = (create_topic(target, 1, &[]), target.unique("group"));
    let id = target.unique("txn");
    let mut raw = ready(target, &group);
    let member = enter(&mut raw, &group, None, 30_000);
    let sender = init(&mut raw, &id);
    let request = AddOffsetsToTxnRequest::default()
        .with_transactional_id(TransactionalId(text(&id)))
        .with_producer_id(sender.id.into())
        .with_producer_epoch(sender.epoch)
        .with_group_id(GroupId(text(&group)));
    assert_eq!(raw.call(2, &request).error_code, 0);
    let mut commit = |generation| {
        let partition = TxnOffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_offset(3);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(topic_name(&topic))
            .with_partitions(vec![partition]);
        let request = TxnOffsetCommitRequest::default()
            .with_transactional_id(TransactionalId(text(&id)))
            .with_group_id(GroupId(text(&group)))
            .with_producer_id(sender.id.into())
            .with_producer_epoch(sender.epoch)
            .with_generation_id(generation)
            .with_member_id(member.member_id.clone())
            .with_topics(vec![topic]);
        raw.call(3, &request).topics[0].partitions[0].error_code
    };
    assert_eq!(commit(member.generation_id + 1), ILLEGAL_GENERATION);
    assert_eq!(commit(member.generation_id), 0);
}

/// Takes up a transactional id, and with it ends whatever an earlier producer left open.
fn init(raw: &mut Raw, id: &str) -> Sender {
    await_coordinator(raw, 1, id);
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(id))))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id((-1).into())
        .with_producer_epoch(-1);
    let response = eventually("the transactional id is taken up", || {
        let response = raw.call(3, &request);
        // The abort of the earlier transaction is still under way: clients ask again as well.
        (response.error_code == 0).then_some(response)
    });
    Sender {
        id: response.producer_id.0,
        epoch: response.producer_epoch,
        sequence: 0,
        transactional: true,
    }
}

fn add_partition(raw: &mut Raw, id: &str, sender: Sender, topic: &str) {
    let topic = AddPartitionsToTxnTopic::default()
        .with_name(topic_name(topic))
        .with_partitions(vec![0]);
    let request = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(TransactionalId(text(id)))
        .with_v3_and_below_producer_id(sender.id.into())
        .with_v3_and_below_producer_epoch(sender.epoch)
        .with_v3_and_below_topics(vec![topic]);
    eventually("the partition joins the transaction", || {
        let response = raw.call(2, &request);
        let error =
            response.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code;
        assert!(
            [0, CONCURRENT_TRANSACTIONS].contains(&error),
            "adding a partition gave {error}"
        );
        (error == 0).then_some(())
    });
}

fn end(raw: &mut Raw, id: &str, sender: Sender) -> i16 {
    let request = EndTxnRequest::default()
        .with_transactional_id(TransactionalId(text(id)))
        .with_producer_id(sender.id.into())
        .with_producer_epoch(sender.epoch)
        .with_committed(true);
    raw.call(3, &request).error_code
}
