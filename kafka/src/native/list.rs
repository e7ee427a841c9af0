//! librdkafka's list of partitions, owned.

use std::ptr::NonNull;

use rdkafka_sys as sys;

use super::{code_of, cstring, lossy};
use crate::error::{Error, ErrorCode};
use crate::partition::{PartitionOffset, TopicPartition};

/// An owned list of partitions with offsets.
#[derive(Debug)]
pub(crate) struct PartitionList(NonNull<sys::rd_kafka_topic_partition_list_t>);

// SAFETY: plain heap data without ties to a thread.
unsafe impl Send for PartitionList {}
// SAFETY: shared references only read.
unsafe impl Sync for PartitionList {}

impl PartitionList {
    /// An empty list.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let capacity = i32::try_from(capacity).unwrap_or(i32::MAX);
        // SAFETY: always returns a list: librdkafka aborts when memory is gone.
        Self::from_raw(unsafe { sys::rd_kafka_topic_partition_list_new(capacity) })
    }

    /// A copy of a list that librdkafka owns; of nothing, an empty one.
    ///
    /// # Safety
    /// `list` must be null or live.
    pub(crate) unsafe fn copy_of(list: *const sys::rd_kafka_topic_partition_list_t) -> Self {
        if list.is_null() {
            return Self::with_capacity(0);
        }
        // SAFETY: live, as the caller promises.
        Self::from_raw(unsafe { sys::rd_kafka_topic_partition_list_copy(list) })
    }

    /// Takes over a list, or makes an empty one of null.
    pub(crate) fn from_raw(list: *mut sys::rd_kafka_topic_partition_list_t) -> Self {
        match NonNull::new(list) {
            Some(list) => Self(list),
            None => Self::with_capacity(0),
        }
    }

    /// A list of partitions, each at `offset` (a real one or one of librdkafka's special values).
    pub(crate) fn at(partitions: &[TopicPartition], offset: i64) -> Result<Self, Error> {
        let mut list = Self::with_capacity(partitions.len());
        for partition in partitions {
            list.push(&partition.topic, partition.partition, offset, None)?;
        }
        Ok(list)
    }

    /// A list for a commit.
    pub(crate) fn from_offsets(offsets: &[PartitionOffset]) -> Result<Self, Error> {
        let mut list = Self::with_capacity(offsets.len());
        for at in offsets {
            list.push(&at.topic, at.partition, at.offset, at.metadata.as_deref())?;
        }
        Ok(list)
    }

    /// Adds one partition.
    pub(crate) fn push(
        &mut self,
        topic: &str,
        partition: i32,
        offset: i64,
        metadata: Option<&str>,
    ) -> Result<(), Error> {
        let topic = cstring("topic", topic)?;
        // SAFETY: a live list and a terminated string, which is copied.
        let element = unsafe {
            &mut *sys::rd_kafka_topic_partition_list_add(self.ptr(), topic.as_ptr(), partition)
        };
        element.offset = offset;
        if let Some(metadata) = metadata.filter(|text| !text.is_empty()) {
            // librdkafka frees metadata with `free`, so it must come from `malloc`.
            // SAFETY: the copy is as long as the allocation, which is checked.
            unsafe {
                let copy = libc::malloc(metadata.len()).cast::<u8>();
                if !copy.is_null() {
                    std::ptr::copy_nonoverlapping(metadata.as_ptr(), copy, metadata.len());
                    element.metadata = copy.cast();
                    element.metadata_size = metadata.len();
                }
            }
        }
        Ok(())
    }

    pub(crate) fn ptr(&self) -> *mut sys::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }

    /// The elements.
    pub(crate) fn elements(&self) -> &[sys::rd_kafka_topic_partition_t] {
        // SAFETY: librdkafka keeps `cnt` elements at `elems`, which may be null when empty.
        unsafe {
            let list = self.0.as_ref();
            match usize::try_from(list.cnt) {
                Ok(count) if count > 0 => std::slice::from_raw_parts(list.elems, count),
                _ => &[],
            }
        }
    }

    /// The partitions.
    pub(crate) fn to_partitions(&self) -> Vec<TopicPartition> {
        self.elements()
            .iter()
            .map(|e| TopicPartition::new(topic_of(e), e.partition))
            .collect()
    }

    /// The partitions with their offsets and metadata.
    pub(crate) fn to_offsets(&self) -> Vec<PartitionOffset> {
        self.elements()
            .iter()
            .map(|element| PartitionOffset {
                topic: topic_of(element),
                partition: element.partition,
                offset: element.offset,
                metadata: metadata_of(element),
            })
            .collect()
    }

    /// The first partition's error, if any has one.
    pub(crate) fn first_failure(&self) -> Option<ErrorCode> {
        self.elements()
            .iter()
            .find(|e| e.err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR)
            .map(|e| code_of(e.err))
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: owned, and dropped once.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.ptr()) };
    }
}

fn topic_of(element: &sys::rd_kafka_topic_partition_t) -> String {
    // SAFETY: librdkafka keeps a terminated name.
    unsafe { lossy(element.topic) }
}

fn metadata_of(element: &sys::rd_kafka_topic_partition_t) -> Option<String> {
    if element.metadata.is_null() || element.metadata_size == 0 {
        return None;
    }
    // SAFETY: librdkafka keeps `metadata_size` bytes there.
    let bytes =
        unsafe { std::slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size) };
    Some(String::from_utf8_lossy(bytes).into_owned())
}
