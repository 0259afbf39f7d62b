//! A Prometheus and an Alertmanager, as a team has them: rules, routes, receivers.

use crate::support::{Ends, free, wait_until};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn started_alertmanager(dir: &Path, address: SocketAddr) -> Ends {
    let started = Command::new("prometheus-alertmanager")
        .current_dir(dir)
        .args(["--config.file=alertmanager.yml", "--storage.path=am"])
        .arg(format!("--web.listen-address={address}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(File::create(dir.join("alertmanager.log")).unwrap())
        .spawn();
    Ends(started.unwrap())
}

fn started_prometheus(dir: &Path, address: SocketAddr) -> Ends {
    let started = Command::new("prometheus")
        .current_dir(dir)
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(File::create(dir.join("prometheus.log")).unwrap())
        .spawn();
    Ends(started.unwrap())
}

/// See the module. Both end with it.
pub(crate) struct Stand {
    alertmanager_process: Ends,
    prometheus_process: Ends,
    dir: PathBuf,
    prometheus: SocketAddr,
    alertmanager: SocketAddr,
}

impl Stand {
    /// With `r.yml` and `targets.json` in `dir`; pages go to `webhook`, in both forms.
    pub(crate) fn start(dir: &Path, webhook: SocketAddr) -> Self {
        let (prometheus, alertmanager) = (free(), free());
        let config = format!(
            "route: {{ receiver: pages, group_by: [alertname], group_wait: 1s, group_interval: 2s, routes: [ {{ receiver: pages, continue: true }}, {{ receiver: phone }} ] }}\n\
             receivers:\n\
             - {{ name: pages, webhook_configs: [ {{ url: 'http://{webhook}/' }} ] }}\n\
             - {{ name: phone, pagerduty_configs: [ {{ url: 'http://{webhook}/v2/enqueue', routing_key: r }} ] }}\n"
        );
        fs::write(dir.join("alertmanager.yml"), config).unwrap();
        let config = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 3s }}\n\
             rule_files: [r.yml]\n\
             alerting: {{ alertmanagers: [ {{ static_configs: [ {{ targets: ['{alertmanager}'] }} ] }} ] }}\n\
             scrape_configs:\n\
             - job_name: drill\n\
             \x20 file_sd_configs: [ {{ files: [targets.json], refresh_interval: 1s }} ]\n"
        );
        fs::write(dir.join("prometheus.yml"), config).unwrap();
        let stand = Self {
            alertmanager_process: started_alertmanager(dir, alertmanager),
            prometheus_process: started_prometheus(dir, prometheus),
            prometheus,
            alertmanager,
            dir: dir.to_owned(),
        };
        stand.listens();
        stand
    }

    fn listens(&self) {
        for address in [self.prometheus, self.alertmanager] {
            wait_until("they listen", || TcpStream::connect(address).is_ok());
        }
    }

    /// SIGKILL of both, and another process each at once.
    pub(crate) fn restarts(&mut self) {
        for process in [&mut self.alertmanager_process, &mut self.prometheus_process] {
            process.0.kill().unwrap();
            process.0.wait().unwrap();
        }
        self.alertmanager_process = started_alertmanager(&self.dir, self.alertmanager);
        self.prometheus_process = started_prometheus(&self.dir, self.prometheus);
        self.listens();
    }

    /// SIGKILL.
    pub(crate) fn prometheus_dies(&mut self) {
        self.prometheus_process.0.kill().unwrap();
        self.prometheus_process.0.wait().unwrap();
    }

    pub(crate) fn prometheus(&self) -> String {
        format!("http://{}", self.prometheus)
    }

    pub(crate) fn alertmanager(&self) -> String {
        format!("http://{}", self.alertmanager)
    }
}
