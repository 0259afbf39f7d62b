//! Prometheus alerting rules over in-memory samples: rule files and samples in, alert transitions out.

mod sample;

pub use sample::{Labels, METRIC_NAME, Sample, Timestamp, is_stale, stale_marker};
