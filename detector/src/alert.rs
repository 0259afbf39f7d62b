//! The alerts of one rule: pending, firing, kept firing, resolved (Prometheus, rules/alerting.go).

use std::collections::BTreeMap;

use crate::eval::{Element, EvalError};
mod life;

pub use life::Holds;
pub(crate) use life::Life;

use crate::intern::{Interner, LabelsId, Memo, Places};
use crate::rules::LabelTemplate;
use crate::sample::{Labels, METRIC_NAME, Timestamp};
use crate::template::{Data, External};
use crate::transition::{AlertState, Transition};

/// The label every alert carries its rule's name in.
const ALERT_NAME: &str = "alertname";
/// The label of `ALERTS` that holds the state.
const ALERT_STATE: &str = "alertstate";

/// What stays the same about an alerting rule.
#[derive(Debug, Clone)]
pub(crate) struct AlertSettings {
    pub(crate) group: String,
    pub(crate) name: String,
    pub(crate) holds: Holds,
    pub(crate) limit: usize,
    pub(crate) labels: Vec<LabelTemplate>,
    pub(crate) annotations: Vec<LabelTemplate>,
}

/// An alerting rule's instances, and what helps to find them.
#[derive(Debug, Clone)]
pub(crate) struct Alerts {
    settings: AlertSettings,
    /// Pending and firing instances, by label set in label order.
    instances: BTreeMap<Labels, Instance>,
    /// From a result's labels to the alert's, if no label depends on the value.
    identity: Option<Memo>,
    seen: Places,
}

#[derive(Debug, Clone)]
struct Instance {
    id: LabelsId,
    life: Life,
    value: f64,
    /// The element the annotations are expanded from, when somebody asks.
    source: LabelsId,
    /// Whether the latest result has it.
    present: bool,
    written: Option<Written>,
}

/// The label sets of the series written for an instance.
#[derive(Debug, Clone, Copy)]
struct Written {
    pending: LabelsId,
    firing: LabelsId,
    for_state: LabelsId,
}

/// What an evaluation of an alerting rule leaves behind.
pub(crate) struct Evaluated {
    pub(crate) transitions: Vec<Transition>,
    /// Samples of `ALERTS` and `ALERTS_FOR_STATE`.
    pub(crate) samples: Vec<Element>,
}

/// Why an alerting rule's result is not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AlertError {
    #[error(transparent)]
    Eval(#[from] EvalError),
    #[error("vector contains metrics with the same labelset after applying alert labels: {0}")]
    SameLabels(Labels),
    /// The transitions end the alerts, all of which Prometheus forgets.
    #[error("exceeded limit of {limit} with {count} alerts")]
    Limit {
        limit: usize,
        count: usize,
        forgotten: Vec<Transition>,
    },
}

/// What [`Alerts::forget`] needs to write its transitions.
struct Forgetting<'f> {
    now_ms: i64,
    interner: &'f Interner,
    external: &'f External,
}

/// A firing instance as promtool compares it.
pub(crate) struct Firing {
    pub(crate) labels: Labels,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) exact: bool,
}

impl Alerts {
    pub(crate) fn new(settings: AlertSettings) -> Self {
        let constant = !settings
            .labels
            .iter()
            .any(|label| label.template.uses_value());
        Self {
            identity: constant.then(Memo::default),
            settings,
            instances: BTreeMap::new(),
            seen: Places::default(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(crate) fn group(&self) -> &str {
        &self.settings.group
    }

    /// Takes in the rule's result at `now_ms`.
    pub(crate) fn evaluate(
        &mut self,
        result: &[Element],
        now_ms: i64,
        interner: &mut Interner,
        external: &External,
    ) -> Result<Evaluated, AlertError> {
        let ids = self.identities(result, interner, external)?;
        for instance in self.instances.values_mut() {
            instance.present = false;
        }
        let mut transitions = Vec::new();
        for (element, id) in result.iter().zip(ids) {
            let labels = interner.labels(id);
            if let Some(instance) = self.instances.get_mut(labels) {
                instance.present = true;
                instance.value = element.value;
                instance.source = element.labels;
                continue;
            }
            let labels = labels.clone();
            let instance = Instance {
                id,
                life: Life::new(now_ms),
                value: element.value,
                source: element.labels,
                present: true,
                written: None,
            };
            self.instances.insert(labels, instance);
        }
        self.step(now_ms, interner, external, &mut transitions);
        let count = self.instances.len();
        if self.settings.limit > 0 && count > self.settings.limit {
            let at = Forgetting {
                now_ms,
                interner,
                external,
            };
            return Err(self.forget(at, transitions));
        }
        let samples = self.samples(interner);
        Ok(Evaluated {
            transitions,
            samples,
        })
    }

    /// The alert label set of each element.
    fn identities(
        &mut self,
        result: &[Element],
        interner: &mut Interner,
        external: &External,
    ) -> Result<Vec<LabelsId>, AlertError> {
        self.seen.clear();
        let mut ids = Vec::with_capacity(result.len());
        for (place, element) in result.iter().enumerate() {
            let id = self.identity(*element, interner, external);
            if self.seen.insert(id, place).is_some() {
                return Err(AlertError::SameLabels(interner.labels(id).clone()));
            }
            ids.push(id);
        }
        Ok(ids)
    }

    /// The alert label set of an element.
    pub(crate) fn identity(
        &mut self,
        element: Element,
        interner: &mut Interner,
        external: &External,
    ) -> LabelsId {
        let settings = &self.settings;
        let build = |labels: &Labels| settings.identity(labels, element.value, external);
        match &mut self.identity {
            Some(memo) => memo.apply(element.labels, interner, build),
            None => {
                let labels = build(interner.labels(element.labels));
                interner.id(&labels)
            }
        }
    }

    /// Moves every instance on, after `present` has been set.
    fn step(
        &mut self,
        now_ms: i64,
        interner: &Interner,
        external: &External,
        transitions: &mut Vec<Transition>,
    ) {
        let settings = &self.settings;
        self.instances.retain(|labels, instance| {
            let (before, after) = instance.life.step(instance.present, settings.holds, now_ms);
            if before != after {
                transitions.push(Transition {
                    at: Timestamp(now_ms),
                    group: settings.group.clone(),
                    alert: settings.name.clone(),
                    labels: labels.clone(),
                    annotations: settings.annotations(instance, interner, external),
                    from: before,
                    to: after,
                    value: instance.present.then_some(instance.value),
                });
            }
            after != AlertState::Inactive
        });
    }

    /// Drops every instance. What is reported is the way from the state before this evaluation to inactive.
    fn forget(&mut self, at: Forgetting<'_>, made: Vec<Transition>) -> AlertError {
        let settings = &self.settings;
        let count = self.instances.len();
        let (mut forgotten, moved): (Vec<_>, Vec<_>) = made
            .into_iter()
            .partition(|transition| transition.to == AlertState::Inactive);
        for (labels, instance) in std::mem::take(&mut self.instances) {
            let from = match moved.iter().find(|transition| transition.labels == labels) {
                Some(transition) => transition.from,
                None if instance.life.firing => AlertState::Firing,
                None => AlertState::Pending,
            };
            if from == AlertState::Inactive {
                continue;
            }
            forgotten.push(Transition {
                at: Timestamp(at.now_ms),
                group: settings.group.clone(),
                alert: settings.name.clone(),
                annotations: settings.annotations(&instance, at.interner, at.external),
                labels,
                from,
                to: AlertState::Inactive,
                value: instance.present.then_some(instance.value),
            });
        }
        AlertError::Limit {
            limit: settings.limit,
            count,
            forgotten,
        }
    }

    /// `ALERTS` and `ALERTS_FOR_STATE` for what is pending or firing.
    fn samples(&mut self, interner: &mut Interner) -> Vec<Element> {
        let mut samples = Vec::with_capacity(2 * self.instances.len());
        for (labels, instance) in &mut self.instances {
            let written = *instance
                .written
                .get_or_insert_with(|| self.settings.written(labels, interner));
            samples.push(Element {
                labels: if instance.life.firing {
                    written.firing
                } else {
                    written.pending
                },
                value: 1.0,
            });
            samples.push(Element {
                labels: written.for_state,
                value: instance.life.active_at_ms.div_euclid(1000) as f64,
            });
        }
        samples
    }

    /// The firing instances, in label order.
    pub(crate) fn firing(&self, interner: &Interner, external: &External) -> Vec<Firing> {
        let firing = self
            .instances
            .values()
            .filter(|instance| instance.life.firing);
        firing
            .map(|instance| Firing {
                labels: interner.labels(instance.id).clone(),
                annotations: self.settings.annotations(instance, interner, external),
                exact: self.settings.annotations.iter().all(|a| a.exact),
            })
            .collect()
    }
}

impl AlertSettings {
    /// The result's labels without the metric name, then the rule's, then the alert's name.
    fn identity(&self, labels: &Labels, value: f64, external: &External) -> Labels {
        let data = Data {
            labels,
            value,
            external,
        };
        let mut identity = labels.retain(|name| name != METRIC_NAME);
        for label in &self.labels {
            identity = identity.with(&label.name, &label.template.expand(data));
        }
        identity.with(ALERT_NAME, &self.name)
    }

    fn annotations(
        &self,
        instance: &Instance,
        interner: &Interner,
        external: &External,
    ) -> Vec<(String, String)> {
        let data = Data {
            labels: interner.labels(instance.source),
            value: instance.value,
            external,
        };
        let expand = |label: &LabelTemplate| (label.name.clone(), label.template.expand(data));
        self.annotations.iter().map(expand).collect()
    }

    fn written(&self, labels: &Labels, interner: &mut Interner) -> Written {
        // Prometheus starts from the rule's labels as written, so one that expands to nothing shows its template.
        let mut series = Labels::from_pairs(
            self.labels
                .iter()
                .map(|label| (label.name.as_str(), label.text.as_str())),
        );
        for (name, value) in labels.iter() {
            series = series.with(name, value);
        }
        let alerts = series.with(METRIC_NAME, "ALERTS");
        let state = |state: AlertState| alerts.with(ALERT_STATE, state.as_str());
        Written {
            pending: interner.id(&state(AlertState::Pending)),
            firing: interner.id(&state(AlertState::Firing)),
            for_state: interner.id(&series.with(METRIC_NAME, "ALERTS_FOR_STATE")),
        }
    }
}
