//! Loops around librdkafka that do nothing with a record: what any reader on it has to pay.

use std::{error::Error, ffi::CString, ptr};

use rdkafka_sys as sys;

/// Records taken at once, as the detector does.
const BATCH: usize = 4096;

/// The options of our own consumer, so that the difference is what is done with the records.
const OPTIONS: [(&str, &str); 12] = [
    ("group.id", "floodmark-bare"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("isolation.level", "read_committed"),
    ("queued.max.messages.kbytes", "65536"),
    ("fetch.queue.backoff.ms", "2"),
    ("fetch.wait.max.ms", "100"),
    ("fetch.error.backoff.ms", "50"),
    ("queued.min.messages", "100000"),
    ("socket.nagle.disable", "true"),
    ("allow.auto.create.topics", "false"),
];

/// A consumer with nothing around it.
pub struct Bare {
    client: *mut sys::rd_kafka_t,
    queue: *mut sys::rd_kafka_queue_t,
}

impl Bare {
    /// A consumer of all `partitions` of a topic, from the beginning.
    pub fn new(bootstrap: &str, topic: &str, partitions: i32) -> Result<Self, Box<dyn Error>> {
        let topic = CString::new(topic)?;
        let mut reason = [0; 512];
        // SAFETY: plain calls in the order that librdkafka documents; the configuration belongs to the
        // client once that is made, and the list is copied.
        unsafe {
            let conf = sys::rd_kafka_conf_new();
            for (name, value) in OPTIONS
                .into_iter()
                .chain([("bootstrap.servers", bootstrap)])
            {
                let (name, value) = (CString::new(name)?, CString::new(value)?);
                let set = sys::rd_kafka_conf_set(
                    conf,
                    name.as_ptr(),
                    value.as_ptr(),
                    reason.as_mut_ptr(),
                    reason.len(),
                );
                if set != sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
                    return Err(format!("librdkafka refuses {name:?}").into());
                }
            }
            let kind = sys::rd_kafka_type_t::RD_KAFKA_CONSUMER;
            let client = sys::rd_kafka_new(kind, conf, reason.as_mut_ptr(), reason.len());
            if client.is_null() {
                return Err("librdkafka makes no consumer".into());
            }
            sys::rd_kafka_poll_set_consumer(client);
            let queue = sys::rd_kafka_queue_get_consumer(client);
            let list = sys::rd_kafka_topic_partition_list_new(partitions);
            for partition in 0..partitions {
                sys::rd_kafka_topic_partition_list_add(list, topic.as_ptr(), partition);
                sys::rd_kafka_topic_partition_list_set_offset(list, topic.as_ptr(), partition, 0);
            }
            let code = sys::rd_kafka_assign(client, list);
            sys::rd_kafka_topic_partition_list_destroy(list);
            let this = Self { client, queue };
            if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(format!("the partitions are not assigned: {code:?}").into());
            }
            Ok(this)
        }
    }

    /// Takes `wanted` records in batches; gives the bytes of their values.
    pub fn batches(&self, wanted: u64) -> Result<u64, Box<dyn Error>> {
        let mut messages = vec![ptr::null_mut(); BATCH];
        let (mut taken, mut bytes) = (0, 0);
        while taken < wanted {
            // As ours does: what is there, or else a wait for one record.
            // SAFETY: a live queue and room for the pointers asked for.
            let mut count = unsafe { self.consume(&mut messages, 0) };
            if count == 0 {
                count = unsafe { self.consume(&mut messages[..1], 1000) };
            }
            for message in &messages[..count] {
                bytes += take(*message)?;
            }
            taken += count as u64;
        }
        Ok(bytes)
    }

    /// Takes `wanted` records one by one; gives the bytes of their values.
    pub fn polls(&self, wanted: u64) -> Result<u64, Box<dyn Error>> {
        let (mut taken, mut bytes) = (0, 0);
        while taken < wanted {
            // SAFETY: a live client.
            let message = unsafe { sys::rd_kafka_consumer_poll(self.client, 1000) };
            if !message.is_null() {
                bytes += take(message)?;
                taken += 1;
            }
        }
        Ok(bytes)
    }

    /// # Safety
    /// The queue must be alive.
    unsafe fn consume(&self, messages: &mut [*mut sys::rd_kafka_message_t], wait: i32) -> usize {
        let (space, room) = (messages.as_mut_ptr(), messages.len());
        let count = unsafe { sys::rd_kafka_consume_batch_queue(self.queue, wait, space, room) };
        usize::try_from(count).unwrap_or(0)
    }
}

/// Looks at a message's length and gives its memory back.
fn take(message: *mut sys::rd_kafka_message_t) -> Result<u64, Box<dyn Error>> {
    // SAFETY: a message that librdkafka has just handed over, destroyed once.
    let (code, bytes) = unsafe { ((*message).err, (*message).len as u64) };
    unsafe { sys::rd_kafka_message_destroy(message) };
    if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(bytes);
    }
    Err(format!("a message with the error {code:?}").into())
}

impl Drop for Bare {
    fn drop(&mut self) {
        // SAFETY: both are alive, and used no more.
        unsafe {
            sys::rd_kafka_queue_destroy(self.queue);
            sys::rd_kafka_consumer_close(self.client);
            sys::rd_kafka_destroy(self.client);
        }
    }
}
