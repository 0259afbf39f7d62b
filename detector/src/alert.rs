//! The alerts of one rule: pending, firing, kept firing, resolved (Prometheus, rules/alerting.go).

mod absence;
mod life;

pub(crate) use absence::Absence;
pub use life::Holds;
pub(crate) use life::Life;

use std::collections::BTreeMap;

use crate::eval::{Context, Element, Vector};
use crate::intern::{Interner, LabelsId, Memo, Places};
use crate::rules::LabelTemplate;
use crate::sample::{Labels, METRIC_NAME, Timestamp};
use crate::template::{Ask, Data, Expanded, External, Nobody};
use crate::transition::{AlertState, Transition};

/// The label every alert carries its rule's name in.
pub(crate) const ALERT_NAME: &str = "alertname";
/// The label of `ALERTS` that holds the state.
const ALERT_STATE: &str = "alertstate";
/// The metrics that alerting rules write.
pub(crate) const WRITTEN: [&str; 2] = ["ALERTS", "ALERTS_FOR_STATE"];

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
    /// Pending and firing instances in label order.
    instances: Vec<Instance>,
    /// Where they are, by label set.
    places: Places,
    /// From a result's labels to the alert's, if no label depends on anything else.
    identity: Option<Memo>,
    /// Whether annotations depend on when they are expanded: then they are at each evaluation.
    at_once: bool,
    /// The alert's labels by element of the result.
    ids: Vec<LabelsId>,
    seen: Places,
    /// Instances that the latest result has not, and the one before had.
    vanished: Vec<LabelsId>,
}

#[derive(Debug, Clone)]
struct Instance {
    id: LabelsId,
    life: Life,
    value: f64,
    /// The element the annotations are expanded from, when somebody asks.
    source: LabelsId,
    /// The annotations, if they cannot wait until somebody asks.
    annotations: Option<Vec<(String, Expanded)>>,
    /// Whether the latest result has it.
    present: bool,
    /// Whether the one before had it.
    was_present: bool,
    written: Option<Written>,
}

/// The label sets of the series written for an instance.
#[derive(Debug, Clone, Copy)]
struct Written {
    pending: LabelsId,
    firing: LabelsId,
    for_state: LabelsId,
}

/// Why an alerting rule's result is not accepted.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum AlertError {
    #[error("vector contains metrics with the same labelset after applying alert labels: {0}")]
    SameLabels(Labels),
    #[error("exceeded limit of {limit} with {count} alerts")]
    Limit { limit: usize, count: usize },
}

/// The time of an evaluation, and what its transitions are written with.
struct Moment<'m> {
    now_ms: i64,
    interner: &'m Interner,
    external: &'m External,
}

/// A firing instance as promtool compares it.
pub(crate) struct Firing {
    pub(crate) labels: Labels,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) exact: bool,
}

impl Alerts {
    pub(crate) fn new(settings: AlertSettings) -> Self {
        let varies =
            |label: &LabelTemplate| label.template.uses_value() || label.template.uses_moment();
        let at_once = |annotation: &LabelTemplate| annotation.template.uses_moment();
        Self {
            identity: (!settings.labels.iter().any(varies)).then(Memo::default),
            at_once: settings.annotations.iter().any(at_once),
            settings,
            instances: Vec::new(),
            places: Places::default(),
            ids: Vec::new(),
            seen: Places::default(),
            vanished: Vec::new(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// The instances that the latest result has not, and the one before had.
    pub(crate) fn vanished(&self) -> &[LabelsId] {
        &self.vanished
    }

    /// Whether an element's instance depends on its labels alone.
    pub(crate) fn is_constant(&self) -> bool {
        self.identity.is_some()
    }

    pub(crate) fn group(&self) -> &str {
        &self.settings.group
    }

    /// Takes in the rule's result at `now_ms`, and puts the samples of `ALERTS` and `ALERTS_FOR_STATE` in its place.
    ///
    /// # Errors
    ///
    /// A result that two alerts would have the same labels in changes nothing. One with too many alerts ends them all,
    /// since Prometheus forgets them.
    pub(crate) fn evaluate(
        &mut self,
        result: &mut Vector,
        now_ms: i64,
        context: &mut Context<'_>,
        external: &External,
        report: &mut dyn FnMut(Transition),
    ) -> Result<(), AlertError> {
        self.identify(result, now_ms, context, external)?;
        self.take(result, now_ms, context.interner);
        if self.at_once {
            self.annotate(now_ms, context, external);
        }
        let interner = &mut *context.interner;
        let before = self.instances.len();
        let at = Moment {
            now_ms,
            interner,
            external,
        };
        let transitions = self.step(&at);
        let (limit, count) = (self.settings.limit, self.instances.len());
        if limit > 0 && count > limit {
            self.forget(&at, transitions)
                .into_iter()
                .for_each(&mut *report);
            return Err(AlertError::Limit { limit, count });
        }
        transitions.into_iter().for_each(report);
        if count < before {
            self.index();
        }
        result.clear();
        self.write(result, interner);
        Ok(())
    }

    /// Finds the alert label set of each element.
    fn identify(
        &mut self,
        result: &[Element],
        now_ms: i64,
        context: &mut Context<'_>,
        external: &External,
    ) -> Result<(), AlertError> {
        self.seen.clear();
        self.ids.clear();
        for (place, element) in result.iter().enumerate() {
            let id = self.identity(*element, now_ms, context, external);
            if self.seen.insert(id, place).is_some() {
                let labels = context.interner.labels(id).clone();
                return Err(AlertError::SameLabels(labels));
            }
            self.ids.push(id);
        }
        Ok(())
    }

    /// The alert label set of an element at an evaluation.
    pub(crate) fn identity(
        &mut self,
        element: Element,
        now_ms: i64,
        context: &mut Context<'_>,
        external: &External,
    ) -> LabelsId {
        let known = self
            .identity
            .as_ref()
            .and_then(|memo| memo.get(element.labels));
        if let Some(known) = known {
            return known;
        }
        let labels = context.interner.labels(element.labels).clone();
        let data = Data {
            labels: &labels,
            value: element.value,
            at_ms: now_ms,
            external,
        };
        let identity = self.settings.identity(data, &mut context.asking(now_ms));
        let id = context.interner.id(&identity);
        if let Some(memo) = &mut self.identity {
            memo.set(element.labels, id);
        }
        id
    }

    /// Expands the annotations of what the latest result has.
    fn annotate(&mut self, now_ms: i64, context: &mut Context<'_>, external: &External) {
        for instance in self
            .instances
            .iter_mut()
            .filter(|instance| instance.present)
        {
            let labels = context.interner.labels(instance.source).clone();
            let data = Data {
                labels: &labels,
                value: instance.value,
                at_ms: now_ms,
                external,
            };
            let expanded = self.settings.expanded(data, &mut context.asking(now_ms));
            instance.annotations = Some(expanded);
        }
    }

    /// Updates the instances that the result has, and adds those it has for the first time.
    fn take(&mut self, result: &[Element], now_ms: i64, interner: &Interner) {
        for instance in &mut self.instances {
            instance.was_present = instance.present;
            instance.present = false;
        }
        let before = self.instances.len();
        for (element, id) in result.iter().zip(&self.ids) {
            if let Some(place) = self.places.get(*id) {
                let instance = &mut self.instances[place];
                instance.present = true;
                instance.value = element.value;
                instance.source = element.labels;
                continue;
            }
            self.instances.push(Instance {
                id: *id,
                life: Life::new(now_ms),
                value: element.value,
                source: element.labels,
                annotations: None,
                present: true,
                was_present: false,
                written: None,
            });
        }
        self.vanished.clear();
        let gone = |instance: &&Instance| instance.was_present && !instance.present;
        let gone = self.instances.iter().filter(gone);
        self.vanished.extend(gone.map(|instance| instance.id));
        if self.instances.len() > before {
            self.instances
                .sort_by(|a, b| interner.labels(a.id).cmp(interner.labels(b.id)));
            self.index();
        }
    }

    /// Notes where the instances are.
    fn index(&mut self) {
        self.places.clear();
        for (place, instance) in self.instances.iter().enumerate() {
            self.places.insert(instance.id, place);
        }
    }

    /// Moves every instance on, after `present` has been set, and drops those that are over.
    fn step(&mut self, at: &Moment<'_>) -> Vec<Transition> {
        let settings = &self.settings;
        let mut transitions = Vec::new();
        self.instances.retain_mut(|instance| {
            let (before, after) = instance
                .life
                .step(instance.present, settings.holds, at.now_ms);
            if before != after {
                transitions.push(settings.transition(instance, before, after, at));
            }
            after != AlertState::Inactive
        });
        transitions
    }

    /// Drops every instance. What is reported is the way from the state before this evaluation to inactive.
    fn forget(&mut self, at: &Moment<'_>, made: Vec<Transition>) -> Vec<Transition> {
        let (mut forgotten, moved): (Vec<_>, Vec<_>) = made
            .into_iter()
            .partition(|transition| transition.to == AlertState::Inactive);
        let moved: BTreeMap<&Labels, AlertState> = moved
            .iter()
            .map(|transition| (&transition.labels, transition.from))
            .collect();
        for instance in std::mem::take(&mut self.instances) {
            let labels = at.interner.labels(instance.id);
            let from = match moved.get(labels) {
                Some(from) => *from,
                None if instance.life.firing => AlertState::Firing,
                None => AlertState::Pending,
            };
            if from != AlertState::Inactive {
                let ended = self
                    .settings
                    .transition(&instance, from, AlertState::Inactive, at);
                forgotten.push(ended);
            }
        }
        self.places.clear();
        forgotten
    }

    /// Appends `ALERTS` and `ALERTS_FOR_STATE` for what is pending or firing.
    fn write(&mut self, samples: &mut Vector, interner: &mut Interner) {
        for instance in &mut self.instances {
            let written = match instance.written {
                Some(written) => written,
                None => self.settings.written(instance.id, interner),
            };
            instance.written = Some(written);
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
    }

    /// The firing instances, in label order.
    pub(crate) fn firing(&self, interner: &Interner, external: &External) -> Vec<Firing> {
        let firing = self
            .instances
            .iter()
            .filter(|instance| instance.life.firing);
        let shown = |instance: &Instance| {
            let annotations = self.settings.annotations(instance, interner, external);
            Firing {
                labels: interner.labels(instance.id).clone(),
                exact: annotations.iter().all(|(_, expanded)| expanded.is_exact),
                annotations: texts(annotations),
            }
        };
        firing.map(shown).collect()
    }
}

impl AlertSettings {
    /// The result's labels without the metric name, then the rule's, then the alert's name.
    fn identity(&self, data: Data<'_>, asker: &mut dyn Ask) -> Labels {
        let mut identity = data.labels.retain(|name| name != METRIC_NAME);
        for label in &self.labels {
            identity = identity.with(&label.name, &label.template.expand(data, asker).text);
        }
        identity.with(ALERT_NAME, &self.name)
    }

    /// The annotations as of the latest result that had the instance.
    fn annotations(
        &self,
        instance: &Instance,
        interner: &Interner,
        external: &External,
    ) -> Vec<(String, Expanded)> {
        if let Some(annotations) = &instance.annotations {
            return annotations.clone();
        }
        let data = Data {
            labels: interner.labels(instance.source),
            value: instance.value,
            // Nothing depends on it: they would have been expanded then.
            at_ms: 0,
            external,
        };
        self.expanded(data, &mut Nobody)
    }

    fn expanded(&self, data: Data<'_>, asker: &mut dyn Ask) -> Vec<(String, Expanded)> {
        let mut expand =
            |label: &LabelTemplate| (label.name.clone(), label.template.expand(data, asker));
        self.annotations.iter().map(&mut expand).collect()
    }

    fn transition(
        &self,
        instance: &Instance,
        from: AlertState,
        to: AlertState,
        at: &Moment<'_>,
    ) -> Transition {
        Transition {
            at: Timestamp(at.now_ms),
            group: self.group.clone(),
            alert: self.name.clone(),
            labels: at.interner.labels(instance.id).clone(),
            annotations: texts(self.annotations(instance, at.interner, at.external)),
            from,
            to,
            value: instance.present.then_some(instance.value),
            data_gone: false,
            data_back: false,
        }
    }

    fn written(&self, id: LabelsId, interner: &mut Interner) -> Written {
        let labels = interner.labels(id).clone();
        // Prometheus starts from the rule's labels as written, so one that expands to nothing shows its template.
        let mut series = Labels::from_pairs(
            self.labels
                .iter()
                .map(|label| (label.name.as_str(), label.text.as_str())),
        );
        for (name, value) in labels.iter() {
            series = series.with(name, value);
        }
        let [alerts, for_state] = WRITTEN.map(|name| series.with(METRIC_NAME, name));
        let state = |state: AlertState| alerts.with(ALERT_STATE, state.as_str());
        Written {
            pending: interner.id(&state(AlertState::Pending)),
            firing: interner.id(&state(AlertState::Firing)),
            for_state: interner.id(&for_state),
        }
    }
}

fn texts(annotations: Vec<(String, Expanded)>) -> Vec<(String, String)> {
    let annotations = annotations.into_iter();
    annotations
        .map(|(name, expanded)| (name, expanded.text))
        .collect()
}
