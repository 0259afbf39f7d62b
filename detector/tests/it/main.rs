//! Everything that takes more than one module: promtool's verdicts, properties, the shipped rules.

mod absence;
mod aliases;
mod allocations;
mod differential;
mod durations;
mod hostile;
mod incremental;
mod loading;
mod oracle;
mod places;
mod promql;
mod promtool;
mod properties;
mod random;
mod regex;
mod templates;
mod trials;
mod yaml;
