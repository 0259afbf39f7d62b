//! Worlds that are like others, but for what they say themselves.

use super::{PRESETS, Preset, World, preset};
use crate::form::{Shape, Spotted, spotted};
use firedrill_detector::yaml::{Problems, closest, parse};

/// A world with everything that it has from others.
pub(super) fn resolved(own: Spotted<World>, problems: &mut Problems) -> Option<World> {
    let mut layers = Vec::new();
    for (index, name) in own.extends.iter().enumerate() {
        let at = own.place_of_item("extends", index);
        let Some(base) = preset(name) else {
            let known = PRESETS.map(|preset| preset.name);
            let close = closest(name, known);
            let close = close.map_or_else(String::new, |close| format!("did you mean `{close}`? "));
            let message = format!("extends: there is no world `{name}` inside the binary");
            let hint = format!("{close}accepted: {}", known.join(", "));
            problems.push_with_hint(at, message, hint);
            return None;
        };
        layers.extend(of_preset(base, problems)?);
    }
    layers.push(own);
    let mut layers = layers.into_iter();
    let first = layers.next()?.value;
    let mut world = layers.fold(first, |base, layer| over(layer, base));
    world.extends.clear();
    Some(world)
}

/// A preset, after those that it extends.
fn of_preset(base: Preset, problems: &mut Problems) -> Option<Vec<Spotted<World>>> {
    let node = parse(base.text, problems)?;
    let own = spotted::<World>().read(&node, "world", problems)?;
    let mut layers = Vec::new();
    // Those that they extend stand before them, so this ends.
    let place = |name: &str| PRESETS.iter().position(|preset| preset.name == name);
    for name in &own.extends {
        if place(name) < place(base.name)
            && let Some(below) = preset(name)
        {
            layers.extend(of_preset(below, problems)?);
        }
    }
    layers.push(own);
    Some(layers)
}

/// A world as another one, but for what it says itself.
fn over(layer: Spotted<World>, base: World) -> World {
    let says = |key| layer.says(key);
    let (discovery, metrics) = (says("discovery"), says("metrics"));
    let own = layer.value;
    let mut exporters = base.exporters;
    exporters.extend(own.exporters);
    exporters.sort_unstable();
    exporters.dedup();
    World {
        version: (),
        name: own.name,
        summary: own.summary,
        extends: Vec::new(),
        discovery: if discovery {
            own.discovery
        } else {
            base.discovery
        },
        labels: with(own.labels, base.labels),
        exporters,
        targets: own.targets.over(base.targets),
        metrics: if metrics { own.metrics } else { base.metrics },
        origin: own.origin,
    }
}

/// Labels, and those of another that are not among them, in the order of their names.
pub(super) fn with(
    own: Vec<(String, String)>,
    base: Vec<(String, String)>,
) -> Vec<(String, String)> {
    let is_new = |(name, _): &(String, String)| !own.iter().any(|(known, _)| known == name);
    let mut labels: Vec<(String, String)> = base.into_iter().filter(is_new).collect();
    labels.extend(own);
    labels.sort();
    labels
}
