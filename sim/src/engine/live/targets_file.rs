//! `targets.json`: where a drill's targets are now, as Prometheus' file-based service discovery reads it.

use crate::engine::live::scraper::{Addresses, Page, Place};
use crate::files;
#[cfg(test)]
use crate::plan::TARGETS_FILE;
use crate::plan::{Source, TargetPlan};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The file, kept up to date by whoever starts processes. It is there as long as the drill runs: dropping this removes
/// it, and a Prometheus that watches it lets go of the targets.
#[derive(Debug)]
pub(crate) struct TargetsFile {
    path: PathBuf,
    /// By number.
    targets: Vec<TargetPlan>,
}

/// One group of the file (prometheus `discovery/targetgroup/targetgroup.go`).
#[derive(Serialize)]
struct Group<'a> {
    targets: [String; 1],
    labels: BTreeMap<&'a str, Cow<'a, str>>,
}

impl TargetsFile {
    /// A file of its own for each drill; nothing is written yet.
    pub(crate) fn new(path: &Path, targets: Vec<TargetPlan>) -> Self {
        let path = path.to_path_buf();
        Self { path, targets }
    }

    /// The numbers of the targets that steps call by these names.
    pub(crate) fn numbers(&self, members: &[String]) -> Vec<usize> {
        let targets = self.targets.iter().enumerate();
        let named = targets.filter(|(_, target)| members.contains(&target.member));
        named.map(|(number, _)| number).collect()
    }

    /// The number of an exporter, and what it shows.
    pub(crate) fn exporter(&self, member: &str) -> Option<(usize, Source)> {
        let mut targets = self.targets.iter().enumerate();
        let is_it = |target: &TargetPlan| target.is_exporter() && target.member == member;
        let (number, target) = targets.find(|(_, target)| is_it(target))?;
        Some((number, target.source))
    }

    /// Writes the present addresses, under the job and instance that the record has them under. A target that was
    /// killed keeps its last address, so that scrapes of it fail as they would anywhere. Readers see the file before or
    /// after, never in between.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, addresses: &Addresses) -> io::Result<()> {
        let groups: Vec<Group<'_>> = self
            .targets
            .iter()
            .enumerate()
            .filter_map(|(number, target)| {
                let place = addresses.get(number)?;
                let (address, page) = match &place {
                    Page::Ours(Place { address, .. }) => (address.to_string(), Vec::new()),
                    Page::Named(url) => {
                        let page = [
                            ("__scheme__", url.scheme()),
                            ("__metrics_path__", url.path()),
                        ];
                        (
                            url.place(),
                            page.map(|(name, value)| (name, Cow::from(value.to_owned())))
                                .to_vec(),
                        )
                    }
                };
                let own = [("job", &target.job), ("instance", &target.instance)];
                let other = target
                    .labels
                    .iter()
                    .map(|(name, value)| (name.as_str(), value));
                let labels = own.into_iter().chain(other);
                let labels = labels.map(|(name, value)| (name, Cow::from(value)));
                // prometheus `config/config.go`: what a target says goes before the scrape configuration.
                let pace = [
                    ("__scrape_interval__", target.interval_ms),
                    ("__scrape_timeout__", target.timeout_ms),
                ];
                let pace = pace.into_iter().filter(|_| target.has_own_pace);
                let pace = pace.map(|(name, ms)| (name, Cow::from(format!("{ms}ms"))));
                Some(Group {
                    targets: [address],
                    labels: labels.chain(pace).chain(page).collect(),
                })
            })
            .collect();
        files::write(&self.path, &serde_json::to_string_pretty(&groups)?)
    }
}

impl Drop for TargetsFile {
    fn drop(&mut self) {
        // It was never written when the drill could not begin; and a directory that is gone took it along.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_what_is_known_and_goes_with_the_drill() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(TARGETS_FILE);
        let plan = crate::scenario::tests::plan_with_arrivals("{ poisson: 1/s }");
        let mut targets = crate::engine::targets(&plan);
        targets.drain(..1);
        let file = TargetsFile::new(&path, targets);
        let addresses = Addresses::default();
        let place = |port: u16| Place {
            address: ([127, 0, 0, 1], port).into(),
            token: "t".into(),
        };
        addresses.set(1, place(4000));
        file.write(&addresses).unwrap();
        addresses.set(1, place(5000));
        file.write(&addresses).unwrap();
        insta::assert_snapshot!(fs::read_to_string(&path).unwrap(), @r#"
        [
          {
            "targets": [
              "127.0.0.1:5000"
            ],
            "labels": {
              "instance": "w-0",
              "job": "worker"
            }
          }
        ]
        "#);
        drop(file);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
