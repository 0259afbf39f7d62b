//! What tuning an alert takes: the numbers of rule files, found and changed in their text, and many settings tried in one run.
//!
//! [`Settings`] finds what can be set of the alerts of rule files, and writes another value into the text without touching
//! anything else. A [`Trial`] names an alert and sets of thresholds; a detector made with
//! [`Detector::trying`](crate::Detector::trying) tries them all in one run, and [`Tried`] says what would have become of the
//! alert under each, for any [`Holds`].

pub use crate::alert::Holds;
pub use crate::edit::{Field, FindError, Setting, SettingValue, Settings};
pub use crate::trial::{Presence, Step, Trial, TrialError, Tried};
