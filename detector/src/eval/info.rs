//! `info`: labels of other series about the same target, as those of `target_info` (`promql/info.go`).

use super::{Context, Element, EvalError, Vector, unique};
use crate::expr::{Info, Told};
use crate::intern::{Interner, LabelsId};
use crate::sample::{Labels, METRIC_NAME};

impl Info {
    pub(super) fn evaluate(&mut self, context: &mut Context<'_>) -> Result<Vector, EvalError> {
        let vector = self.of.evaluate(context)?;
        if vector.is_empty() {
            return Ok(vector);
        }
        self.note_targets(&vector, context.interner);
        self.look(context)?;
        let mut result = context.buffers.take();
        for element in &vector {
            let labels = match self.is_info(element.labels, context.interner) {
                true => Some(element.labels),
                false => self.with_info(element.labels, context)?,
            };
            result.extend(labels.map(|labels| Element { labels, ..*element }));
        }
        context.buffers.give(vector);
        unique(result, &mut self.seen, context)
    }

    /// Whether it is a series that labels are taken from.
    fn is_info(&self, id: LabelsId, interner: &Interner) -> bool {
        let name = interner.labels(id).name();
        self.names.iter().all(|matcher| matcher.accepts(name))
    }

    /// The values of identifying labels that anybody has who is to be given labels.
    fn note_targets(&mut self, vector: &[Element], interner: &mut Interner) {
        for identifying in &mut self.identifying {
            identifying.values.clear();
            identifying.is_there = false;
        }
        for element in vector {
            if self.is_info(element.labels, interner) {
                continue;
            }
            for identifying in &mut self.identifying {
                let value = identifying.label.apply(element.labels, interner);
                if value != LabelsId::EMPTY {
                    identifying.values.insert(value, 0);
                    identifying.is_there = true;
                }
            }
        }
    }

    /// Looks for the newest series of each name and target. Where anybody has an identifying label, those series are left
    /// out that have none of its values.
    fn look(&mut self, context: &mut Context<'_>) -> Result<(), EvalError> {
        self.newest.clear();
        self.places.clear();
        if !self.identifying.iter().any(|label| label.is_there) {
            return Ok(());
        }
        let found = self.from.sampled_ms(context);
        for element in &found {
            let is_asked_for = self.identifying.iter_mut().all(|identifying| {
                let value = identifying.label.apply(element.labels, context.interner);
                !identifying.is_there || identifying.values.get(value).is_some()
            });
            if !is_asked_for {
                continue;
            }
            let told = Told {
                target: self.target.apply(element.labels, context.interner),
                labels: element.labels,
                at_ms: element.value as i64,
            };
            let named = self.named_target.apply(element.labels, context.interner);
            let Some(place) = self.places.insert(named, self.newest.len()) else {
                self.newest.push(told);
                continue;
            };
            let known = &mut self.newest[place];
            if known.at_ms == told.at_ms {
                let labels = |id| context.interner.labels(id).clone();
                return Err(EvalError::InfoTwice {
                    first: labels(known.labels),
                    second: labels(told.labels),
                    at_ms: told.at_ms,
                });
            }
            if known.at_ms < told.at_ms {
                *known = told;
            }
        }
        context.buffers.give(found);
        // Each target's stand together.
        self.newest.sort_unstable_by_key(|told| told.target.index());
        Ok(())
    }

    /// A series' labels with those it is given; `None`: it has to be given one and is not.
    fn with_info(
        &mut self,
        id: LabelsId,
        context: &mut Context<'_>,
    ) -> Result<Option<LabelsId>, EvalError> {
        let target = self.target.apply(id, context.interner);
        let behind = |told: &Told| told.target.index() < target.index();
        let start = self.newest.partition_point(behind);
        let own = self.newest[start..].iter();
        let own = own.take_while(|told| told.target == target);
        let mut given = None;
        for told in own {
            let so_far = given.unwrap_or(id);
            let key = (id, so_far, told.labels);
            given = Some(match self.memo.get(&key) {
                Some(known) => *known,
                None => {
                    let labels = |id| context.interner.labels(id);
                    let merged = merge(labels(id), labels(so_far), labels(told.labels), |name| {
                        self.wanted.is_empty() || self.wanted.iter().any(|m| m.label == name)
                    })?;
                    let merged = context.interner.id(&merged);
                    context.check_room()?;
                    self.memo.insert(key, merged);
                    merged
                }
            });
        }
        let may_lack = self.wanted.iter().all(|matcher| matcher.accepts(""));
        Ok(given.or(may_lack.then_some(id)))
    }
}

/// What a series has `so_far`, with labels of another that it has not from the beginning.
fn merge(
    own: &Labels,
    so_far: &Labels,
    told: &Labels,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<Labels, EvalError> {
    let mut merged = so_far.clone();
    for (name, value) in told.iter() {
        if name == METRIC_NAME || !is_wanted(name) || own.get(name).is_some() {
            continue;
        }
        match so_far.get(name) {
            Some(other) if other != value => {
                return Err(EvalError::InfoConflict(name.to_owned()));
            }
            Some(_) => {}
            None => merged = merged.with(name, value),
        }
    }
    Ok(merged)
}
