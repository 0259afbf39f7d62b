//! Everything that takes more than one module: promtool's verdicts, properties, the shipped rules.

mod differential;
mod promtool;
mod random;
