//! Tests of plans and of drills in virtual time.

mod arrows;
mod bad_steps;
mod catalogue;
mod causes;
mod confidence;
mod conservation;
mod costs;
mod faults;
mod learn;
mod moved;
mod nothing_to_hit;
mod queueing_theory;
mod remedies;
mod rule_pack;
mod side_by_side;
mod support;
mod task_options;
mod theory;
mod variants;
mod virtual_drills;
mod virtual_plans;
mod worlds;
