//! Changing one value, and making sure that nothing else has changed.

use super::{Field, Place, Setting, SettingValue, Settings};
use crate::expr::threshold;
use crate::rules::{LabelTemplate, Rule, RuleKind, RuleSet};
use crate::yaml::Problem;

pub(super) fn change(
    settings: &Settings,
    setting: &Setting,
    value: SettingValue,
) -> Result<Settings, Problem> {
    let fits = match (setting.field, value) {
        (Field::Threshold(_), SettingValue::Number(number)) => number.is_finite(),
        (Field::For | Field::KeepFiringFor, SettingValue::Milliseconds(ms)) => ms >= 0,
        _ => false,
    };
    if !fits {
        return Err(setting.problem(&format!("{value} is no value for it")));
    }
    let place = setting
        .place
        .as_ref()
        .map_err(|reason| setting.problem(reason))?;
    let mut files = settings.files.clone();
    let file = files
        .get_mut(setting.file_index)
        .ok_or_else(|| setting.problem("it is not in these files"))?;
    match place {
        Place::Replace(range) if file.text.get(range.clone()).is_some() => {
            file.text.replace_range(range.clone(), &value.to_string());
        }
        Place::Insert { at, before, after } if file.text.is_char_boundary(*at) => {
            file.text
                .insert_str(*at, &format!("{before}{value}{after}"));
        }
        _ => return Err(setting.problem("it is not in these files")),
    }
    let changed =
        Settings::load_as(files, settings.compat, settings.reading).map_err(|problems| {
            let first = problems.first().map(ToString::to_string);
            setting.problem(&format!(
                "the changed file would be wrong: {}",
                first.unwrap_or_default()
            ))
        })?;
    if portraits(&changed.rules) == expected(settings, setting, value) {
        Ok(changed)
    } else {
        Err(setting.problem("something else would change with it"))
    }
}

/// All that a rule file says of a rule, its group's settings included, but not where it stands.
#[derive(Debug, PartialEq)]
struct Portrait {
    group: (String, String, Option<i64>, usize, i64),
    name: String,
    expr: String,
    for_ms: i64,
    keep_firing_for_ms: i64,
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
    is_alert: bool,
}

fn portraits(rules: &RuleSet) -> Vec<Portrait> {
    let texts = |labels: &[LabelTemplate]| {
        let pair = |label: &LabelTemplate| (label.name.clone(), label.text.clone());
        labels.iter().map(pair).collect()
    };
    let portrait = |rule: &Rule, group| {
        let empty = Portrait {
            group,
            name: rule.name.clone(),
            expr: rule.text.clone(),
            for_ms: 0,
            keep_firing_for_ms: 0,
            labels: Vec::new(),
            annotations: Vec::new(),
            is_alert: false,
        };
        match &rule.kind {
            RuleKind::Record { labels } => Portrait {
                labels: labels.clone(),
                ..empty
            },
            RuleKind::Alert {
                for_ms,
                keep_firing_for_ms,
                labels,
                annotations,
                ..
            } => Portrait {
                for_ms: *for_ms,
                keep_firing_for_ms: *keep_firing_for_ms,
                labels: texts(labels),
                annotations: texts(annotations),
                is_alert: true,
                ..empty
            },
        }
    };
    let of_group = |group: &crate::rules::Group| {
        let about = (
            group.file.clone(),
            group.name.clone(),
            group.interval_ms,
            group.limit,
            group.query_offset_ms,
        );
        let rules = group.rules.iter();
        rules.map(|rule| portrait(rule, about.clone())).collect()
    };
    let groups = rules.groups.iter();
    groups.flat_map::<Vec<Portrait>, _>(of_group).collect()
}

/// What the files should say after the change.
fn expected(settings: &Settings, setting: &Setting, value: SettingValue) -> Vec<Portrait> {
    let mut portraits = portraits(&settings.rules);
    let mut alerts = portraits.iter_mut().filter(|portrait| portrait.is_alert);
    if let Some(alert) = alerts.nth(setting.rule) {
        match (setting.field, value) {
            (Field::Threshold(place), SettingValue::Number(number)) => {
                if let Ok(thresholds) = threshold::locate(&alert.expr, settings.compat) {
                    alert.expr = threshold::replace(&alert.expr, &thresholds, &[(place, number)]);
                }
            }
            (Field::For, SettingValue::Milliseconds(ms)) => alert.for_ms = ms,
            (Field::KeepFiringFor, SettingValue::Milliseconds(ms)) => alert.keep_firing_for_ms = ms,
            _ => {}
        }
    }
    portraits
}
