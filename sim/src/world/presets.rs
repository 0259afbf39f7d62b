//! The worlds inside the binary.

/// A world inside the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// What it is called.
    pub name: &'static str,
    /// The file, comments included.
    pub text: &'static str,
}

/// All of them, the default first, and each after those that it extends.
pub const PRESETS: [Preset; 6] = [
    Preset {
        name: "runbook",
        text: include_str!("../../../scenarios/worlds/runbook.yaml"),
    },
    Preset {
        name: "wiki",
        text: include_str!("../../../scenarios/worlds/wiki.yaml"),
    },
    Preset {
        name: "x-metrics",
        text: include_str!("../../../scenarios/worlds/x-metrics.yaml"),
    },
    Preset {
        name: "kubernetes",
        text: include_str!("../../../scenarios/worlds/kubernetes.yaml"),
    },
    Preset {
        name: "wiki-kubernetes",
        text: include_str!("../../../scenarios/worlds/wiki-kubernetes.yaml"),
    },
    Preset {
        name: "x-metrics-kubernetes",
        text: include_str!("../../../scenarios/worlds/x-metrics-kubernetes.yaml"),
    },
];

/// The world of this name inside the binary.
#[must_use]
pub fn preset(name: &str) -> Option<Preset> {
    PRESETS.into_iter().find(|preset| preset.name == name)
}
