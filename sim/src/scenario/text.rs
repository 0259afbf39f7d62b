//! A plan for people: `firedrill plan`, and the `scenario.resolved.yaml` beside a record.

use crate::form::Form;
use crate::plan::{Incident, Plan, Step};
use crate::scenario::Scenario;
use std::fmt::Write;

impl Plan {
    /// The plan as a scenario file with nothing left out: it loads again and means the same.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        Scenario::of(self).write().document()
    }

    /// An incident in a few words: its cause, and the step behind it.
    #[must_use]
    pub fn told(&self, incident: &Incident) -> String {
        match &incident.step {
            Some(step) => format!("{} of step {step}", incident.cause),
            None => format!("{} with times of its own", incident.cause),
        }
    }

    /// The plan with its timeline in words: what would be done, undone, and expected.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut events: Vec<(i64, String)> = Vec::new();
        for step in &self.timeline {
            let on = if step.targets.is_empty() {
                String::new()
            } else {
                format!(" on {}", step.targets.join(", "))
            };
            let on = format!("{on}{}", named(step));
            let live_only = live_only(step.fault.kind().live_only);
            let what = format!("do    {}{on}{live_only}", step.fault.name());
            events.push((step.at_ms, what));
            match &step.until {
                Some(until) => {
                    let remedy = until.remedy.as_ref();
                    let undo = remedy.map_or("ends by itself", |remedy| remedy.name());
                    events.push((
                        until.at_ms,
                        format!("undo  {}{on}: {undo}", step.fault.name()),
                    ));
                }
                None => events.push((
                    self.duration_ms,
                    format!("undo  {}{on}: the drill ends", step.fault.name()),
                )),
            }
        }
        for step in &self.remedies {
            let on = match step.targets.is_empty() {
                true => String::new(),
                false => format!(" on {}", step.targets.join(", ")),
            };
            let ends: Vec<&str> = self.ended_by(step).map(|step| step.id.as_str()).collect();
            let ends = match ends.is_empty() {
                true => ", which ends nothing".to_owned(),
                false => format!(", which ends {}", ends.join(", ")),
            };
            let live_only = live_only(step.remedy.kind().live_only);
            let what = format!("do    {}{on}{ends}{live_only}", step.remedy.name());
            events.push((step.at_ms, what));
        }
        for incident in &self.incidents {
            let wanted = format!("{:?}", incident.wanted).to_lowercase();
            events.push((
                incident.deadline_ms,
                format!("want  a {wanted} for {} by now", self.told(incident)),
            ));
        }
        for window in &self.benign {
            events.push((window.at_ms, format!("want  silence: {}", window.what)));
        }
        events.push((
            self.duration_ms,
            "end   workers and Redis are stopped, every task is accounted for".into(),
        ));
        events.sort_by_key(|(at_ms, _)| *at_ms);
        let mut text = self.to_yaml();
        text.push_str("\n# What happens, in minutes and seconds of the drill's clock:\n");
        for (at_ms, what) in events {
            let _ = writeln!(
                text,
                "#   {:>3}:{:02}  {what}",
                at_ms / 60_000,
                at_ms / 1_000 % 60
            );
        }
        text
    }
}

/// Why the model cannot have it, if it cannot.
fn live_only(reason: &str) -> String {
    match reason.is_empty() {
        true => String::new(),
        false => format!(" (live only: {reason})"),
    }
}

/// The id of a step, where its fault does not say it.
fn named(step: &Step) -> String {
    if step.id == step.fault.name() {
        String::new()
    } else {
        format!(" (step {})", step.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::form::quote;
    use crate::scenario::PlanOptions;
    use firedrill_detector::yaml::{Problems, parse};
    use proptest::prelude::*;

    fn read_back(text: &str) -> Option<String> {
        let mut problems = Problems::new("f");
        let written = format!("- {{ a: {} }}\n", quote(text));
        let node = parse(&written, &mut problems)?;
        let items = node.as_seq("list", &mut problems)?;
        let (_, value) = items.first()?.as_map("map", &mut problems)?.first()?;
        value.text().map(str::to_owned)
    }

    #[test]
    fn strings_are_quoted_by_yamls_rules() {
        for (text, quoted) in [
            ("w-0", "w-0"),
            ("on", "\"on\""),
            ("-", "\"-\""),
            ("1e3", "\"1e3\""),
            ("it's {{ .x }} # ☃", "\"it's {{ .x }} # ☃\""),
            (
                "a\"b\\c\n\u{1b}\u{85}",
                "\"a\\\"b\\\\c\\n\\U0000001b\\U00000085\"",
            ),
        ] {
            assert_eq!(quote(text), quoted);
            assert_eq!(read_back(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_quoted_is_read_back_as_it_was() {
        for c in (0..0x300_u32)
            .chain(0x2000..0x2070)
            .chain(0xfff0..0x10000)
            .filter_map(char::from_u32)
        {
            let text = format!("a{c}: '\"\\ #\u{301}\u{1f525}");
            let scenario = include_str!("../../../scenarios/benign/healthy.yaml");
            let line = scenario.lines().find(|line| line.starts_with("summary:"));
            let edited = scenario.replace(line.unwrap(), &format!("summary: {}", quote(&text)));
            let read = Scenario::parse("s.yaml", &edited).unwrap();
            let plan = Plan::resolve(&read, &PlanOptions::default()).unwrap();
            assert_eq!(plan.summary, text, "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn any_string_reads_back(text in any::<String>()) {
            prop_assert_eq!(read_back(&text), Some(text));
        }
    }
}
