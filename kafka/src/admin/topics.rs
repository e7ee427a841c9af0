//! Creating, deleting and looking at topics.

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::time::Duration;

use rdkafka_sys as sys;

use super::{Admin, Scope, event};
use crate::error::{Error, ErrorCode};
use crate::native::{Deadline, cstring, lossy};

/// A topic to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// How many replicas of each; -1 for the cluster's default.
    pub replication: i32,
    /// Topic configs, e.g. `message.timestamp.type`.
    pub configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic with the cluster's defaults.
    #[must_use]
    pub fn new(name: impl Into<String>, partitions: i32) -> Self {
        Self {
            name: name.into(),
            partitions,
            replication: -1,
            configs: BTreeMap::new(),
        }
    }

    /// The topic with a config.
    #[must_use]
    pub fn config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.insert(name.into(), value.into());
        self
    }
}

/// A topic as metadata shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: i32,
    /// Partitions without a leader: nothing can be written to or read from them.
    pub leaderless: usize,
    /// Why nothing more is known, if so.
    pub failure: Option<ErrorCode>,
}

impl Admin {
    /// Creates topics and waits until all brokers' answers show them with leaders, so that producing
    /// and assigning work at once.
    ///
    /// # Errors
    /// For the first topic that exists already ([`ErrorCode::TopicAlreadyExists`]), that the broker
    /// refuses, or that is not there when the time is over. Others may have been created.
    pub fn create_topics(&self, topics: &[NewTopic]) -> Result<(), Error> {
        if topics.is_empty() {
            return Ok(());
        }
        let names = names(topics.iter().map(|topic| topic.name.as_str()));
        let mut native = NativeTopics::new(topics)?;
        let op = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS;
        let event = self.request(op, &format!("create {names}"), |rk, options, queue| {
            // SAFETY: live objects; topics are copied.
            unsafe {
                let (first, count) = (native.0.as_mut_ptr(), native.0.len());
                sys::rd_kafka_CreateTopics(rk, first, count, options, queue);
            }
        })?;
        // SAFETY: the result belongs to the live event.
        let results = unsafe {
            let result = sys::rd_kafka_event_CreateTopics_result(event.ptr());
            let mut count = 0;
            let first = sys::rd_kafka_CreateTopics_result_topics(result, &raw mut count);
            topic_results(first, count)
        };
        for (name, code, text) in results {
            self.part_error(format!("create topic `{name}`"), code, text)?;
        }
        self.wait_until_visible(topics)
    }

    /// Deletes topics and waits until brokers' answers show them no more. One that does not exist is no error: it is gone, as
    /// was asked.
    ///
    /// # Errors
    /// For the first topic that the broker will not delete, or that is still there when the time is over.
    pub fn delete_topics(&self, topics: &[&str]) -> Result<(), Error> {
        if topics.is_empty() {
            return Ok(());
        }
        let mut native = Vec::with_capacity(topics.len());
        for topic in topics {
            let name = cstring("topic", topic)?;
            // SAFETY: a terminated string, which is copied.
            native.push(unsafe { sys::rd_kafka_DeleteTopic_new(name.as_ptr()) });
        }
        let op = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETETOPICS;
        let attempt = format!("delete {}", names(topics.iter().copied()));
        let event = self.request(op, &attempt, |rk, options, queue| {
            // SAFETY: live objects; topics are copied, and freed below.
            unsafe {
                sys::rd_kafka_DeleteTopics(rk, native.as_mut_ptr(), native.len(), options, queue);
            }
        });
        // SAFETY: ours, freed once.
        unsafe { sys::rd_kafka_DeleteTopic_destroy_array(native.as_mut_ptr(), native.len()) };
        let event = event?;
        // SAFETY: the result belongs to the live event.
        let results = unsafe {
            let result = sys::rd_kafka_event_DeleteTopics_result(event.ptr());
            let mut count = 0;
            let first = sys::rd_kafka_DeleteTopics_result_topics(result, &raw mut count);
            topic_results(first, count)
        };
        for (name, code, text) in results {
            if code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART {
                self.part_error(format!("delete topic `{name}`"), code, text)?;
            }
        }
        self.wait_until_gone(topics)
    }

    /// A broker answers a deletion when it is written down, and other requests from what it has read since.
    fn wait_until_gone(&self, topics: &[&str]) -> Result<(), Error> {
        let deadline = Deadline::after(self.timeout);
        for name in topics {
            while self.topic(name)?.is_some() {
                if deadline.is_over() {
                    return Err(Error::TimedOut {
                        attempt: format!("delete topic `{name}`"),
                        waited: deadline.allowed(),
                        detail: "it is still there".to_owned(),
                    });
                }
                self.pause(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// A topic, or nothing if there is none of the name. Asking makes none.
    ///
    /// # Errors
    /// If the name cannot be one, or no broker answers in time.
    pub fn topic(&self, name: &str) -> Result<Option<TopicDescription>, Error> {
        let found =
            self.metadata(&Scope::Topic(name), self.timeout)
                .map_err(|(code, detail)| {
                    let attempt = format!("look up topic `{name}`");
                    self.client.error_with(attempt, code, detail, self.timeout)
                })?;
        let topic = found.topics.into_iter().find(|topic| topic.name == name);
        Ok(topic.filter(|topic| topic.failure != Some(ErrorCode::UnknownTopicOrPartition)))
    }

    /// A topic's configs with the values in force.
    ///
    /// # Errors
    /// If there is no such topic, or no broker answers in time.
    pub fn topic_configs(&self, name: &str) -> Result<BTreeMap<String, String>, Error> {
        let native = cstring("topic", name)?;
        let attempt = format!("describe topic `{name}`");
        let op = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS;
        let event = self.request(op, &attempt, |rk, options, queue| {
            // SAFETY: live objects; the resource is copied, and freed at once.
            unsafe {
                let mut resource = sys::rd_kafka_ConfigResource_new(
                    sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC,
                    native.as_ptr(),
                );
                sys::rd_kafka_DescribeConfigs(rk, &raw mut resource, 1, options, queue);
                sys::rd_kafka_ConfigResource_destroy(resource);
            }
        })?;
        let mut configs = BTreeMap::new();
        // SAFETY: everything belongs to the live event; texts are copied.
        unsafe {
            let result = sys::rd_kafka_event_DescribeConfigs_result(event.ptr());
            let mut count = 0;
            let first = sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count);
            for resource in
                std::slice::from_raw_parts(first, if first.is_null() { 0 } else { count })
            {
                let code = sys::rd_kafka_ConfigResource_error(*resource);
                let text = lossy(sys::rd_kafka_ConfigResource_error_string(*resource));
                self.part_error(attempt.clone(), code, text)?;
                let mut entries = 0;
                let first = sys::rd_kafka_ConfigResource_configs(*resource, &raw mut entries);
                for i in 0..entries {
                    let entry = *first.add(i);
                    configs.insert(
                        lossy(sys::rd_kafka_ConfigEntry_name(entry)),
                        lossy(sys::rd_kafka_ConfigEntry_value(entry)),
                    );
                }
            }
        }
        Ok(configs)
    }

    fn wait_until_visible(&self, topics: &[NewTopic]) -> Result<(), Error> {
        let deadline = Deadline::after(self.timeout);
        let mut waiting: Vec<&NewTopic> = topics.iter().collect();
        while let Some(wanted) = waiting.last() {
            let visible = self.topic(&wanted.name)?.is_some_and(|topic| {
                topic.partitions == wanted.partitions && topic.leaderless == 0
            });
            if visible {
                waiting.pop();
                continue;
            }
            if deadline.is_over() {
                return Err(Error::TimedOut {
                    attempt: format!("create topic `{}`", wanted.name),
                    waited: deadline.allowed(),
                    detail: "it was accepted, but has no leaders yet".to_owned(),
                });
            }
            self.pause(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Native descriptions of new topics, freed together.
struct NativeTopics(Vec<*mut sys::rd_kafka_NewTopic_t>);

impl NativeTopics {
    fn new(topics: &[NewTopic]) -> Result<Self, Error> {
        let mut native = Self(Vec::with_capacity(topics.len()));
        for topic in topics {
            let name = cstring("topic", &topic.name)?;
            let mut text: [c_char; 256] = [0; 256];
            // SAFETY: terminated strings, which are copied, and a buffer of the length given.
            let new = unsafe {
                sys::rd_kafka_NewTopic_new(
                    name.as_ptr(),
                    topic.partitions,
                    topic.replication,
                    text.as_mut_ptr(),
                    text.len(),
                )
            };
            if new.is_null() {
                return Err(Error::Refused {
                    attempt: format!("create topic `{}`", topic.name),
                    code: ErrorCode::InvalidArgument,
                    // SAFETY: librdkafka terminates what it wrote.
                    detail: unsafe { lossy(text.as_ptr()) },
                });
            }
            native.0.push(new);
            for (config, value) in &topic.configs {
                let config = cstring("topic config", config)?;
                let value = cstring("value of a topic config", value)?;
                // SAFETY: as above.
                unsafe { sys::rd_kafka_NewTopic_set_config(new, config.as_ptr(), value.as_ptr()) };
            }
        }
        Ok(native)
    }
}

impl Drop for NativeTopics {
    fn drop(&mut self) {
        // SAFETY: ours, freed once.
        unsafe { sys::rd_kafka_NewTopic_destroy_array(self.0.as_mut_ptr(), self.0.len()) };
    }
}

/// # Safety
/// `first` must be null or point to `count` live results.
unsafe fn topic_results(
    first: *mut *const sys::rd_kafka_topic_result_t,
    count: usize,
) -> Vec<(String, sys::rd_kafka_resp_err_t, String)> {
    // SAFETY: as the caller promises; texts are copied.
    unsafe {
        event::slice(first, i32::try_from(count).unwrap_or(0))
            .iter()
            .map(|result| {
                (
                    lossy(sys::rd_kafka_topic_result_name(*result)),
                    sys::rd_kafka_topic_result_error(*result),
                    lossy(sys::rd_kafka_topic_result_error_string(*result)),
                )
            })
            .collect()
    }
}

/// "topic `a`" or "topics `a`, `b`".
fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let noun = if quoted.len() == 1 { "topic" } else { "topics" };
    format!("{noun} {}", quoted.join(", "))
}
