//! The rules, one module each: plain state and arithmetic over events in event-time order.
//!
//! A rule knows one key's events and nothing of streams, partitions or threads. Its constants stand
//! at its top, each with the reason for its value. They come from the published anomaly catalogue and
//! from runs with the seeds 1 to 5; no other seed was looked at while they were chosen.

pub mod account_takeover;
pub mod bot;
pub mod credential_stuffing;
pub mod drop_out;
pub mod impossible_navigation;
pub mod impossible_travel;
pub mod level_shift;
pub mod machine_speed_input;
pub mod page_counts;
pub mod sensor_level;
pub mod sensor_spike;
pub mod sensor_window;
pub mod stuck_value;
