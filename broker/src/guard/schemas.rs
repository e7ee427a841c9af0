//! The fields of every request this broker serves, in the order of the wire, with the versions
//! that have them. Only shapes matter here: what the fields mean is the decoder's business.

use kafka_protocol::messages::ApiKey;

/// A request's fields and its versions.
#[derive(Debug)]
pub(crate) struct Schema {
    pub(crate) key: ApiKey,
    /// Served from this version on.
    pub(crate) min: i16,
    /// Served up to this version.
    pub(crate) max: i16,
    /// Compact lengths and tagged fields from this version on.
    flexible: i16,
    pub(crate) fields: &'static [Field],
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    from: i16,
    to: i16,
    pub(crate) kind: Kind,
}

/// The shape of a field. Nullable or not makes no difference to its length.
#[derive(Debug)]
pub(crate) enum Kind {
    /// So many bytes.
    Fixed(usize),
    /// Text with its length.
    String,
    /// Bytes with their length.
    Bytes,
    /// An array of structures.
    Structs(&'static [Field]),
    /// An array of anything else.
    Array(&'static Kind),
}

/// What is served, and with it what ApiVersions tells clients.
///
/// The highest versions stay below those that need topic ids (Fetch 13, Metadata 10, CreateTopics
/// 7, DeleteTopics 6), the consumer protocol of KIP-848 (OffsetCommit 9, OffsetFetch 9) and
/// transactions of KIP-890 (Produce 12, AddPartitionsToTxn 4, EndTxn 5, TxnOffsetCommit 5); the
/// lowest are those of Kafka 4, below which the record format or the meaning of fields differs.
#[rustfmt::skip]
pub(crate) const SCHEMAS: &[Schema] = &[
    schema(ApiKey::Produce, 3, 9, 9, &[
        all(STRING), all(I16), all(I32), // transactional id, acks, timeout
        all(Kind::Structs(&[all(STRING), all(Kind::Structs(&[all(I32), all(Kind::Bytes)]))])),
    ]),
    schema(ApiKey::Fetch, 4, 12, 12, &[
        all(I32), all(I32), all(I32), all(I32), all(I8), since(7, I32), since(7, I32),
        all(Kind::Structs(&[all(STRING), all(Kind::Structs(&[
            all(I32), since(9, I32), all(I64), since(12, I32), since(5, I64), all(I32),
        ]))])),
        since(7, Kind::Structs(&[all(STRING), all(Kind::Array(&I32))])), since(11, STRING),
    ]),
    schema(ApiKey::ListOffsets, 1, 7, 6, &[
        all(I32), since(2, I8),
        all(Kind::Structs(&[all(STRING), all(Kind::Structs(&[all(I32), since(4, I32), all(I64)]))])),
    ]),
    schema(ApiKey::Metadata, 0, 9, 9, &[
        all(Kind::Structs(&[all(STRING)])), since(4, I8), since(8, I8), since(8, I8),
    ]),
    schema(ApiKey::OffsetCommit, 2, 8, 8, &[
        all(STRING), all(I32), all(STRING), since(7, STRING), within(2, 4, I64),
        all(Kind::Structs(&[all(STRING), all(Kind::Structs(&[
            all(I32), all(I64), since(6, I32), all(STRING),
        ]))])),
    ]),
    schema(ApiKey::OffsetFetch, 1, 8, 6, &[
        within(1, 7, STRING), within(1, 7, Kind::Structs(&[all(STRING), all(Kind::Array(&I32))])),
        since(8, Kind::Structs(&[
            all(STRING), all(Kind::Structs(&[all(STRING), all(Kind::Array(&I32))])),
        ])),
        since(7, I8),
    ]),
    schema(ApiKey::FindCoordinator, 0, 4, 3, &[
        within(0, 3, STRING), since(1, I8), since(4, Kind::Array(&STRING)),
    ]),
    schema(ApiKey::JoinGroup, 0, 9, 6, &[
        all(STRING), all(I32), since(1, I32), all(STRING), since(5, STRING), all(STRING),
        all(Kind::Structs(&[all(STRING), all(Kind::Bytes)])), since(8, STRING),
    ]),
    schema(ApiKey::Heartbeat, 0, 4, 4, &[all(STRING), all(I32), all(STRING), since(3, STRING)]),
    schema(ApiKey::LeaveGroup, 0, 5, 4, &[
        all(STRING), within(0, 2, STRING),
        since(3, Kind::Structs(&[all(STRING), all(STRING), since(5, STRING)])),
    ]),
    schema(ApiKey::SyncGroup, 0, 5, 4, &[
        all(STRING), all(I32), all(STRING), since(3, STRING), since(5, STRING), since(5, STRING),
        all(Kind::Structs(&[all(STRING), all(Kind::Bytes)])),
    ]),
    schema(ApiKey::DescribeGroups, 0, 5, 5, &[all(Kind::Array(&STRING)), since(3, I8)]),
    schema(ApiKey::ListGroups, 0, 5, 3, &[
        since(4, Kind::Array(&STRING)), since(5, Kind::Array(&STRING)),
    ]),
    schema(ApiKey::ApiVersions, 0, 4, 3, &[since(3, STRING), since(3, STRING)]),
    schema(ApiKey::CreateTopics, 2, 6, 5, &[
        all(Kind::Structs(&[
            all(STRING), all(I32), all(I16),
            all(Kind::Structs(&[all(I32), all(Kind::Array(&I32))])),
            all(Kind::Structs(&[all(STRING), all(STRING)])),
        ])),
        all(I32), all(I8),
    ]),
    schema(ApiKey::DeleteTopics, 1, 5, 4, &[all(Kind::Array(&STRING)), all(I32)]),
    schema(ApiKey::DeleteRecords, 0, 2, 2, &[
        all(Kind::Structs(&[all(STRING), all(Kind::Structs(&[all(I32), all(I64)]))])), all(I32),
    ]),
    schema(ApiKey::InitProducerId, 0, 4, 2, &[
        all(STRING), all(I32), since(3, I64), since(3, I16),
    ]),
    schema(ApiKey::OffsetForLeaderEpoch, 2, 4, 4, &[
        since(3, I32),
        all(Kind::Structs(&[all(STRING), all(Kind::Structs(&[all(I32), all(I32), all(I32)]))])),
    ]),
    schema(ApiKey::AddPartitionsToTxn, 0, 3, 3, &[
        all(STRING), all(I64), all(I16), all(Kind::Structs(&[all(STRING), all(Kind::Array(&I32))])),
    ]),
    schema(ApiKey::AddOffsetsToTxn, 0, 3, 3, &[all(STRING), all(I64), all(I16), all(STRING)]),
    schema(ApiKey::EndTxn, 0, 3, 3, &[all(STRING), all(I64), all(I16), all(I8)]),
    schema(ApiKey::TxnOffsetCommit, 0, 3, 3, &[
        all(STRING), all(STRING), all(I64), all(I16),
        since(3, I32), since(3, STRING), since(3, STRING),
        all(Kind::Structs(&[all(STRING), all(Kind::Structs(&[
            all(I32), all(I64), since(2, I32), all(STRING),
        ]))])),
    ]),
    schema(ApiKey::DescribeConfigs, 1, 4, 4, &[
        all(Kind::Structs(&[all(I8), all(STRING), all(Kind::Array(&STRING))])),
        all(I8), since(3, I8),
    ]),
    schema(ApiKey::DeleteGroups, 0, 2, 2, &[all(Kind::Array(&STRING))]),
    schema(ApiKey::DescribeCluster, 0, 1, 0, &[all(I8), since(1, I8)]),
];

/// The schema of a request, by the number of its API.
pub(crate) fn find(key: i16) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| schema.key as i16 == key)
}

const I8: Kind = Kind::Fixed(1);
const I16: Kind = Kind::Fixed(2);
const I32: Kind = Kind::Fixed(4);
const I64: Kind = Kind::Fixed(8);
const STRING: Kind = Kind::String;

impl Schema {
    /// Whether a version has compact lengths and tags.
    pub(crate) fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible
    }

    /// Whether a version is served.
    pub(crate) fn serves(&self, version: i16) -> bool {
        (self.min..=self.max).contains(&version)
    }
}

impl Field {
    /// Whether a version has this field.
    pub(crate) fn is_in(&self, version: i16) -> bool {
        (self.from..=self.to).contains(&version)
    }
}

const fn schema(
    key: ApiKey,
    min: i16,
    max: i16,
    flexible: i16,
    fields: &'static [Field],
) -> Schema {
    Schema {
        key,
        min,
        max,
        flexible,
        fields,
    }
}

const fn all(kind: Kind) -> Field {
    within(0, i16::MAX, kind)
}

const fn since(from: i16, kind: Kind) -> Field {
    within(from, i16::MAX, kind)
}

const fn within(from: i16, to: i16, kind: Kind) -> Field {
    Field { from, to, kind }
}
