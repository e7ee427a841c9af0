//! One suite for two brokers: every case runs against the embedded broker, and against a real Apache Kafka
//! when `FLOODMARK_KAFKA=HOST:PORT` names one, and has to give the same answer on both.
//!
//! `FLOODMARK_CONFORMANCE_TABLES=DIR` makes a run against real parts write the tables of results there.
//! The schema registry has a suite of the same kind, in [`registry`], against `FLOODMARK_REGISTRY=URL`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "all of it is test code, whose helpers fail by panicking, and the table is for whoever runs it"
)]

mod clients;
mod epochs;
mod groups;
mod hostile;
mod idempotence;
mod membership;
mod raw;
mod records;
mod registry;
mod table;
mod target;
mod times;
mod topics;
mod transactions;
mod zombies;

use table::Page;
use target::Target;

/// A claim about a broker: panics when it does not hold.
type Case = fn(&Target);

/// Makes the roster of cases, and a test of its own for each of them against the embedded broker.
macro_rules! roster {
    ($($module:ident: $($case:ident),+ $(,)?;)+) => {
        const CASES: &[(&str, Case)] = &[
            $($((concat!(stringify!($module), "::", stringify!($case)), $module::$case),)+)+
        ];

        mod embedded {
            $(mod $module {
                $(#[test]
                fn $case() {
                    $crate::target::on_embedded(crate::$module::$case);
                })+
            })+
        }
    };
}

roster! {
    records:
        uncompressed_records_come_back,
        gzip_records_come_back,
        snappy_records_come_back,
        lz4_records_come_back,
        zstd_records_come_back,
        equal_keys_share_a_partition_and_keep_their_order,
        headers_and_missing_values_survive,
        unacknowledged_records_arrive,
        a_fetch_waits_for_records,
        a_fetch_without_records_waits_its_time,
        a_fetch_stays_below_its_bytes_but_gives_one_batch,
        a_fetch_inside_a_batch_gives_the_whole_batch,
        a_fetch_past_the_end_is_out_of_range,
        a_corrupt_batch_is_refused,
        unknown_acks_are_refused;
    times:
        create_time_is_kept,
        append_time_is_the_brokers,
        times_are_looked_up_exactly_between_and_past_the_end,
        times_are_looked_up_inside_compressed_batches,
        the_ends_of_the_log_are_found;
    topics:
        an_empty_topic_ends_at_once,
        an_unknown_topic_is_an_error,
        a_topic_is_created_once,
        impossible_topics_are_refused,
        validation_alone_creates_nothing,
        a_deleted_topic_is_gone_and_comes_back_empty,
        settings_of_a_topic_are_described,
        deleted_records_move_the_low_watermark,
        records_past_the_end_cannot_be_deleted;
    idempotence:
        many_partitions_hold_each_record_once,
        a_repeated_sequence_is_stored_once,
        a_gap_in_the_sequence_is_refused,
        an_old_producer_epoch_is_refused;
    groups:
        two_members_share_by_range,
        two_members_share_by_cooperative_sticky,
        a_leaving_member_hands_over,
        a_static_member_returns_without_a_rebalance,
        groups_are_listed_and_described,
        offsets_come_back_with_their_metadata,
        an_unknown_group_has_no_offsets;
    membership:
        a_first_join_is_given_a_member_id,
        a_silent_member_expires,
        an_old_generation_cannot_commit,
        an_unknown_member_is_turned_away,
        a_returning_static_member_keeps_the_generation,
        a_replaced_static_member_is_fenced,
        an_outsider_commits_only_to_an_empty_group;
    transactions:
        committed_records_become_visible,
        aborted_records_stay_hidden,
        an_open_transaction_holds_back_what_follows,
        interleaved_transactions_read_exactly,
        offsets_commit_with_the_transaction,
        pending_offsets_are_unstable,
        a_forgotten_transaction_is_aborted;
    zombies:
        a_second_producer_fences_the_first,
        an_old_epoch_can_neither_write_nor_end,
        a_transaction_cannot_end_before_it_begins,
        an_old_generation_cannot_commit_in_a_transaction;
    epochs:
        the_only_epoch_ends_at_the_end,
        a_later_epoch_is_unknown;
    hostile:
        an_unknown_version_is_answered_in_the_oldest,
        a_huge_array_closes_the_connection,
        a_missing_array_closes_the_connection,
        a_truncated_request_closes_the_connection,
        garbage_closes_the_connection,
        an_oversized_frame_closes_the_connection,
        a_negative_frame_closes_the_connection,
        half_a_frame_harms_nobody;
}

#[test]
fn real_kafka_agrees() {
    let Some(bootstrap) = std::env::var("FLOODMARK_KAFKA")
        .ok()
        .filter(|s| !s.is_empty())
    else {
        println!("skipped real_kafka_agrees: FLOODMARK_KAFKA=HOST:PORT names no broker");
        return;
    };
    let real = Target::new(&bootstrap);
    let rows = table::run(CASES, 4, target::on_embedded, |case| case(&real));
    let page = Page {
        heading: "## Broker",
        real: "Apache Kafka 4.3.1",
        differences: DIFFERENCES,
    };
    table::publish(&page, &rows, "broker.md");
}

/// Where the brokers differ on purpose. The cases are the same for both, so that none of these is in one.
const DIFFERENCES: &str = "
## Where the brokers differ on purpose

| what | embedded | Kafka 4.3 | why |
|---|---|---|---|
| versions on offer | Produce 3-9, Fetch 4-12, Metadata 0-9, TxnOffsetCommit 0-3, EndTxn 0-3 | later ones as well | what those add (topic ids, the second transaction protocol) is not served, and clients fall back by themselves |
| finalised features | none | `group.version`, `transaction.version`, ... | a client that sees none uses the classic group protocol and the first transaction protocol |
| full memory | producers wait | the disk fills | records are held in memory and are never dropped |
| restart | empty | keeps its data | it is for benchmarks and tests |
";

/// What the embedded broker leaves out on purpose is not offered, so that no client tries it.
#[test]
fn the_embedded_broker_advertises_what_it_serves() {
    target::on_embedded(hostile::advertised_versions);
}
