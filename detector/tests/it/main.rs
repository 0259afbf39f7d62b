//! Everything that takes more than one module: promtool's verdicts, properties, the shipped rules.

mod differential;
mod loading;
mod promtool;
mod properties;
mod random;
mod trials;
