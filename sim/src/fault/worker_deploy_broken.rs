//! `worker.deploy-broken`: a release that does not start: a wrong setting, a library that is not there, a Redis that is too old.

use super::{Definition, Harm};
use crate::form::form;
use crate::lever::{Class, Lever, On, ProcessLever};
use serde::{Deserialize, Serialize};

form! {
    /// A broken release is deployed: worker processes go gracefully, and the new ones end at boot. Prometheus finds neither.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct WorkerDeployBroken: "worker.deploy-broken" {}
}


impl Definition for WorkerDeployBroken {
    const ON: On = On::Workers;
    const CLASS: Class = Class::Irreversible;
    const CAUSES: &'static [&'static str] = &["worker-crashed", "other"];
    const REMEDIES: &'static [&'static str] = &["worker.rollback"];
    const STATE: &'static str = "down";

    fn begin(&self) -> Lever {
        Lever::Process(ProcessLever::Deploy { boots: false })
    }

    fn harm(&self) -> Harm<'_> {
        Harm::Processes
    }
}
