//! The ground truth of a scenario, as written: `incidents` and `benign`.

use crate::form::{choice, duration, form, one_of, placed, positive, text, truth};
use crate::scenario::{At, FAMILIES};
use firedrill_reports::record::Wanted;

form! {
    /// An incident: ground truth for scoring. It names its step or its times; with neither, there must be one step that can be behind it.
    #[derive(Debug, Clone)]
    pub(super) struct Incident: "incident" {
        /// What is wrong.
        pub(super) cause: At<String> = placed(one_of(&FAMILIES[..7])), required;
        /// Id of the step behind it.
        pub(super) of: Option<At<String>> = placed(text()), optional;
        /// That the step's fault is not known for this cause, and meant all the same.
        pub(super) unusual_cause: Option<At<bool>> = placed(truth()), optional;
        /// Which class of alert it deserves.
        pub(super) wanted: Wanted = choice([("page", Wanted::Page), ("ticket", Wanted::Ticket)]), required;
        /// When it begins; with its step where it is left out.
        pub(super) at: Option<At<i64>> = placed(duration()), optional;
        /// When it ends; with its step where it is left out.
        pub(super) until: Option<At<i64>> = placed(duration()), optional;
        /// How long an alert may take.
        pub(super) within_ms as "within": i64 = positive(), required;
    }
}

form! {
    /// A window in which every page is a false alarm.
    #[derive(Debug, Clone)]
    pub(super) struct Benign: "benign window" {
        /// What happens.
        pub(super) what: String = text(), required;
        /// When it begins.
        pub(super) at: At<i64> = placed(duration()), required;
        /// When it ends; with the drill where it is left out.
        pub(super) until: Option<At<i64>> = placed(duration()), optional;
    }
}
