//! What librdkafka calls back, kept until the caller asks for it.
//!
//! librdkafka runs error, rebalance, commit and delivery callbacks on the thread that polls, and
//! never after the poll returned, so the locks here are never waited for. Only the log callback
//! runs on its own threads.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rdkafka_sys as sys;

use super::{PartitionList, code_of, lossy};
use crate::error::ErrorCode;
use crate::partition::PartitionOffset;
use crate::producer::Delivery;

/// Assignments and revocations, as librdkafka announced them and not yet carried out.
#[derive(Debug)]
pub(crate) struct Rebalance {
    pub(crate) assign: bool,
    pub(crate) lost: bool,
    pub(crate) partitions: PartitionList,
    pub(crate) failure: Option<ErrorCode>,
}

/// How an asynchronous commit ended.
#[derive(Debug, Clone)]
pub(crate) struct CommitOutcome {
    pub(crate) offsets: Vec<PartitionOffset>,
    pub(crate) failure: Option<ErrorCode>,
}

/// The receiver of delivery reports during one poll.
type Sink = *mut (dyn FnMut(Delivery) + 'static);

/// State shared between a client and its callbacks; its address is librdkafka's opaque pointer.
pub(crate) struct Callbacks {
    errors: Mutex<Vec<(ErrorCode, String)>>,
    rebalances: Mutex<Vec<Rebalance>>,
    commits: Mutex<Vec<CommitOutcome>>,
    /// Deliveries that arrived while nobody was polling for them, e.g. inside a commit.
    orphans: Mutex<Vec<Delivery>>,
    sink: UnsafeCell<Option<Sink>>,
    /// Held by whoever may run delivery callbacks, which makes it the guard of `sink`.
    polling: Mutex<()>,
    closing: AtomicBool,
    throttles: AtomicU64,
    throttled_ms: AtomicU64,
    /// Requests sent again, as the last statistics say.
    retries: AtomicU64,
    /// The queue to interrupt when a callback has news, so that a waiting poll returns with it.
    wake: AtomicPtr<sys::rd_kafka_queue_t>,
}

// SAFETY: `sink` is only touched with `polling` held (see `with_sink`), by the callbacks that run
// inside that call on the same thread; everything else is atomic or behind a lock.
unsafe impl Send for Callbacks {}
// SAFETY: as above.
unsafe impl Sync for Callbacks {}

impl Callbacks {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            errors: Mutex::default(),
            rebalances: Mutex::default(),
            commits: Mutex::default(),
            orphans: Mutex::default(),
            sink: UnsafeCell::new(None),
            polling: Mutex::default(),
            closing: AtomicBool::new(false),
            throttles: AtomicU64::new(0),
            throttled_ms: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            wake: AtomicPtr::new(std::ptr::null_mut()),
        })
    }

    /// Registers the callbacks that a client of any kind has.
    ///
    /// # Safety
    /// `conf` must be a live configuration, and `self` must outlive the client made from it.
    pub(crate) unsafe fn register(&self, conf: *mut sys::rd_kafka_conf_t) {
        let opaque = std::ptr::from_ref(self).cast_mut().cast::<c_void>();
        // SAFETY: the caller vouches for `conf`; the callbacks have the types librdkafka asks for.
        unsafe {
            sys::rd_kafka_conf_set_opaque(conf, opaque);
            sys::rd_kafka_conf_set_log_cb(conf, Some(on_log));
            sys::rd_kafka_conf_set_error_cb(conf, Some(on_error));
            sys::rd_kafka_conf_set_throttle_cb(conf, Some(on_throttle));
        }
    }

    /// Registers the delivery callback of a producer.
    ///
    /// # Safety
    /// As for [`Callbacks::register`].
    pub(crate) unsafe fn register_producer(&self, conf: *mut sys::rd_kafka_conf_t) {
        // SAFETY: as the caller promises.
        unsafe {
            sys::rd_kafka_conf_set_dr_msg_cb(conf, Some(on_delivery));
            sys::rd_kafka_conf_set_stats_cb(conf, Some(on_statistics));
        }
    }

    /// Registers the rebalance callback of a consumer.
    ///
    /// # Safety
    /// As for [`Callbacks::register`].
    pub(crate) unsafe fn register_consumer(&self, conf: *mut sys::rd_kafka_conf_t) {
        // SAFETY: as the caller promises.
        unsafe { sys::rd_kafka_conf_set_rebalance_cb(conf, Some(on_rebalance)) };
    }

    /// Commits `offsets` and has the outcome reported here when `queue` is polled. A callback of
    /// the whole client would also hear of commits that somebody waits for.
    ///
    /// # Safety
    /// All pointers must be live, and the queue one of the client's.
    pub(crate) unsafe fn commit_to(
        &self,
        rk: *mut sys::rd_kafka_t,
        offsets: *const sys::rd_kafka_topic_partition_list_t,
        queue: *mut sys::rd_kafka_queue_t,
    ) -> sys::rd_kafka_resp_err_t {
        let opaque = std::ptr::from_ref(self).cast_mut().cast::<c_void>();
        // SAFETY: as the caller promises.
        unsafe { sys::rd_kafka_commit_queue(rk, offsets, queue, Some(on_commit), opaque) }
    }

    /// Names the queue to interrupt when a callback has something to report.
    pub(crate) fn wake_through(&self, queue: *mut sys::rd_kafka_queue_t) {
        self.wake.store(queue, Ordering::Release);
    }

    /// Runs `work`, which may deliver to `sink`; first what arrived while nobody was asking.
    pub(crate) fn with_sink<T>(
        &self,
        sink: &mut dyn FnMut(Delivery),
        work: impl FnOnce() -> T,
    ) -> T {
        let guard = lock(&self.polling);
        for delivery in std::mem::take(&mut *lock(&self.orphans)) {
            sink(delivery);
        }
        // SAFETY: only the lifetime is changed, and `Unset` takes the pointer away before `sink`'s
        // own lifetime can end, whichever way `work` returns.
        let pointer = unsafe {
            std::mem::transmute::<*mut (dyn FnMut(Delivery) + '_), Sink>(std::ptr::from_mut(sink))
        };
        let unset = Unset {
            callbacks: self,
            _guard: guard,
        };
        // SAFETY: `polling` is held, so nobody else touches the cell.
        unsafe { *self.sink.get() = Some(pointer) };
        let result = work();
        drop(unset);
        result
    }

    /// Runs `work`, which may run delivery callbacks, keeping what they deliver for later.
    pub(crate) fn without_sink<T>(&self, work: impl FnOnce() -> T) -> T {
        let _guard = lock(&self.polling);
        work()
    }

    fn deliver(&self, delivery: Delivery) {
        // SAFETY: callbacks run inside `with_sink` or `without_sink`, on the thread that holds
        // `polling`; the pointer, where there is one, is live for the length of that call.
        match unsafe { *self.sink.get() } {
            // SAFETY: see above; `work` has no other access to the closure.
            Some(sink) => unsafe { (*sink)(delivery) },
            None => lock(&self.orphans).push(delivery),
        }
    }

    pub(crate) fn take_errors(&self) -> Vec<(ErrorCode, String)> {
        std::mem::take(&mut *lock(&self.errors))
    }

    /// Whether a broker has refused the credentials, or was not trusted. Kafka's own clients do not try again either:
    /// who is turned away at the door is so the next time.
    pub(crate) fn turned_away(&self) -> bool {
        let errors = lock(&self.errors);
        errors
            .iter()
            .any(|(code, _)| matches!(code, ErrorCode::Authentication | ErrorCode::SSL))
    }

    pub(crate) fn take_rebalances(&self) -> Vec<Rebalance> {
        std::mem::take(&mut *lock(&self.rebalances))
    }

    pub(crate) fn take_commits(&self) -> Vec<CommitOutcome> {
        std::mem::take(&mut *lock(&self.commits))
    }

    /// How often a broker throttled this client, and for how many milliseconds in all.
    pub(crate) fn throttled(&self) -> (u64, u64) {
        (
            self.throttles.load(Ordering::Relaxed),
            self.throttled_ms.load(Ordering::Relaxed),
        )
    }

    /// Requests sent again so far, as the last statistics say.
    pub(crate) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// True if a callback left something that a poll should return with.
    pub(crate) fn has_news(&self) -> bool {
        !lock(&self.rebalances).is_empty()
            || !lock(&self.commits).is_empty()
            || !lock(&self.errors).is_empty()
    }

    /// From here on revocations are carried out as they are announced: nobody polls any more.
    pub(crate) fn close_rebalances_from_here(&self) {
        self.closing.store(true, Ordering::Release);
    }

    fn wake(&self) {
        let queue = self.wake.load(Ordering::Acquire);
        if !queue.is_null() {
            // SAFETY: the queue is released only after the client stopped polling.
            unsafe { sys::rd_kafka_queue_yield(queue) };
        }
    }
}

/// Takes the sink away again, also when `work` unwinds.
struct Unset<'a> {
    callbacks: &'a Callbacks,
    _guard: MutexGuard<'a, ()>,
}

impl Drop for Unset<'_> {
    fn drop(&mut self) {
        // SAFETY: the guard is still held.
        unsafe { *self.callbacks.sink.get() = None };
    }
}

/// A poisoned lock only means that a callback's receiver panicked; the data is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// # Safety
/// `opaque` must be the pointer registered by [`Callbacks::register`].
unsafe fn callbacks<'a>(opaque: *mut c_void) -> &'a Callbacks {
    // SAFETY: registered by us, and the callbacks outlive the client.
    unsafe { &*opaque.cast::<Callbacks>() }
}

unsafe extern "C" fn on_log(
    _rk: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    message: *const c_char,
) {
    // SAFETY: librdkafka passes terminated strings.
    let (facility, message) = unsafe { (lossy(facility), lossy(message)) };
    // Syslog levels: 3 is an error. Lost connections are ordinary while brokers come and go, and
    // those that matter reach the caller as errors, so nothing here is louder than a warning.
    match level {
        0..=3 => tracing::warn!(target: "librdkafka", %facility, "{message}"),
        4..=5 => tracing::info!(target: "librdkafka", %facility, "{message}"),
        _ => tracing::debug!(target: "librdkafka", %facility, "{message}"),
    }
}

unsafe extern "C" fn on_error(
    _rk: *mut sys::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: registered by us; a terminated string.
    let (this, reason) = unsafe { (callbacks(opaque), lossy(reason)) };
    let mut errors = lock(&this.errors);
    // A cluster that is down reports without end: the latest hundred tell enough.
    if errors.len() >= 100 {
        errors.remove(0);
    }
    let code = sys::rd_kafka_resp_err_t::try_from(code).map_or(ErrorCode::Fail, code_of);
    errors.push((code, reason));
}

unsafe extern "C" fn on_throttle(
    _rk: *mut sys::rd_kafka_t,
    _broker: *const c_char,
    _broker_id: i32,
    throttle_ms: c_int,
    opaque: *mut c_void,
) {
    // SAFETY: registered by us.
    let this = unsafe { callbacks(opaque) };
    // A time of zero says that throttling ended.
    if throttle_ms > 0 {
        this.throttles.fetch_add(1, Ordering::Relaxed);
        this.throttled_ms
            .fetch_add(throttle_ms.unsigned_abs().into(), Ordering::Relaxed);
    }
}

unsafe extern "C" fn on_statistics(
    _rk: *mut sys::rd_kafka_t,
    json: *mut c_char,
    json_len: usize,
    opaque: *mut c_void,
) -> c_int {
    // SAFETY: registered by us; librdkafka vouches for the text's length.
    let (this, text) = unsafe {
        let bytes = std::slice::from_raw_parts(json.cast::<u8>(), json_len);
        (callbacks(opaque), String::from_utf8_lossy(bytes))
    };
    this.retries
        .store(sum_of(&text, "txretries"), Ordering::Relaxed);
    // librdkafka may free the text.
    0
}

/// The sum of a counter over all brokers. The statistics are some 10 KB of JSON for one number, which
/// stands in no other place under this name.
fn sum_of(statistics: &str, counter: &str) -> u64 {
    let name = format!("\"{counter}\":");
    statistics
        .split(&name)
        .skip(1)
        .filter_map(|rest| {
            let rest = rest.trim_start();
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            rest[..end].parse::<u64>().ok()
        })
        .sum()
}

unsafe extern "C" fn on_delivery(
    _rk: *mut sys::rd_kafka_t,
    message: *const sys::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: registered by us; the message is live during the callback.
    let (this, message) = unsafe { (callbacks(opaque), &*message) };
    this.deliver(Delivery::from_native(message));
}

unsafe extern "C" fn on_rebalance(
    rk: *mut sys::rd_kafka_t,
    code: sys::rd_kafka_resp_err_t,
    partitions: *mut sys::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: registered by us; the list is live during the callback and copied.
    let (this, partitions) = unsafe { (callbacks(opaque), PartitionList::copy_of(partitions)) };
    if this.closing.load(Ordering::Acquire) {
        // SAFETY: a live client, and a list of its own.
        unsafe { let_go(rk, &partitions) };
        return;
    }
    let assign = code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    let revoke = code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS;
    lock(&this.rebalances).push(Rebalance {
        assign,
        // SAFETY: a live client.
        lost: unsafe { sys::rd_kafka_assignment_lost(rk) } != 0,
        partitions,
        failure: (!assign && !revoke).then(|| code_of(code)),
    });
    this.wake();
}

/// Gives partitions back without waiting for anyone.
///
/// # Safety
/// `rk` must be a live consumer.
unsafe fn let_go(rk: *mut sys::rd_kafka_t, partitions: &PartitionList) {
    // SAFETY: as the caller promises; the error object is taken over.
    unsafe {
        if lossy(sys::rd_kafka_rebalance_protocol(rk)) == "COOPERATIVE" {
            let error = sys::rd_kafka_incremental_unassign(rk, partitions.ptr());
            if !error.is_null() {
                sys::rd_kafka_error_destroy(error);
            }
        } else {
            sys::rd_kafka_assign(rk, std::ptr::null());
        }
    }
}

unsafe extern "C" fn on_commit(
    _rk: *mut sys::rd_kafka_t,
    code: sys::rd_kafka_resp_err_t,
    offsets: *mut sys::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: registered by us.
    let this = unsafe { callbacks(opaque) };
    if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR__NO_OFFSET {
        return; // nothing was there to commit
    }
    // SAFETY: the list is live during the callback, or null.
    let list = unsafe { PartitionList::copy_of(offsets) };
    let per_partition = list.first_failure();
    let failure = if code == sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        per_partition
    } else {
        Some(code_of(code))
    };
    lock(&this.commits).push(CommitOutcome {
        offsets: list.to_offsets(),
        failure,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_summed_over_all_brokers() {
        let text =
            r#"{"brokers":{"a:1/1":{"txretries":3,"rx":5},"b:2/2":{"txretries": 4}},"tx":9}"#;
        assert_eq!(sum_of(text, "txretries"), 7);
        assert_eq!(sum_of("{}", "txretries"), 0);
    }
}
