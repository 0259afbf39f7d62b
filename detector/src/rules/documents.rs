//! Where the rule groups are in a text: at the top of a rule file, or in the `spec` of Kubernetes resources.
//!
//! Clusters keep rules in resources of the kind `PrometheusRule` (`monitoring.coreos.com/v1`), which the Prometheus
//! Operator makes rule files of, one of each resource. A text may hold several, as documents or as items of a `List`.

use crate::yaml::{Fields, Node, Problems, Value, parse, parse_all};

/// Where groups come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    File,
    Resource,
}

impl Origin {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Resource => "resource",
        }
    }
}

/// The groups that make up one rule file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List<'n> {
    pub(crate) origin: Origin,
    pub(crate) groups: &'n [Node],
}

/// The documents that matter: of a rule file the first, as in Prometheus; of resources all. `None`, with a problem, when
/// there is none.
pub(crate) fn read(text: &str, problems: &mut Problems) -> Option<Vec<Node>> {
    let first = parse(text, &mut Problems::default());
    if first.is_some_and(|first| is_resource(&first) || first.is_null()) {
        parse_all(text, problems)
    } else {
        Some(vec![parse(text, problems)?])
    }
}

/// The lists of groups in documents, in the order written. Resources of another kind are left out, with a warning.
pub(crate) fn lists<'n>(
    documents: &'n [Node],
    problems: &mut Problems,
    warnings: &mut Problems,
) -> Vec<List<'n>> {
    let mut finding = Finding {
        problems,
        warnings,
        lists: Vec::new(),
    };
    for document in documents {
        if is_resource(document) {
            finding.resource(document);
        } else {
            finding.file(document);
        }
    }
    finding.lists
}

fn is_resource(document: &Node) -> bool {
    let Value::Mapping(entries) = &document.value else {
        return false;
    };
    let is_one = |(key, _): &(Node, Node)| matches!(key.text(), Some("apiVersion" | "kind"));
    entries.iter().any(is_one)
}

struct Finding<'n, 'p> {
    problems: &'p mut Problems,
    warnings: &'p mut Problems,
    lists: Vec<List<'n>>,
}

impl<'n> Finding<'n, '_> {
    fn file(&mut self, document: &'n Node) {
        if let Some(fields) = Fields::new(document, "rule file", self.problems) {
            self.groups(fields, Origin::File);
        }
    }

    /// A `PrometheusRule`, or a list of resources. Lists do not nest in Kubernetes, and here no deeper than a text may.
    fn resource(&mut self, node: &'n Node) {
        let Some(mut fields) = Fields::new(node, "resource", self.problems) else {
            return;
        };
        let kind = fields.required("kind", self.problems);
        let version = fields.required("apiVersion", self.problems);
        let (Some(kind), Some(version)) = (kind, version) else {
            return;
        };
        let (Some(name), Some(text)) = (
            kind.as_str("kind", self.problems),
            version.as_str("apiVersion", self.problems),
        ) else {
            return;
        };
        fields.take("metadata");
        match name {
            "PrometheusRule" if text == "monitoring.coreos.com/v1" => {
                fields.take("status");
                let spec = fields.required("spec", self.problems);
                fields.finish(self.problems);
                let spec = spec.and_then(|spec| Fields::new(spec, "spec", self.problems));
                if let Some(spec) = spec {
                    self.groups(spec, Origin::Resource);
                }
            }
            "PrometheusRule" => self.problems.push_with_hint(
                version.at,
                format!("`{text}` is no known version of PrometheusRule"),
                "accepted: monitoring.coreos.com/v1",
            ),
            "List" | "PrometheusRuleList" => {
                let items = fields.required("items", self.problems);
                fields.finish(self.problems);
                let items = items.and_then(|items| items.as_seq("items", self.problems));
                for item in items.unwrap_or_default() {
                    self.resource(item);
                }
            }
            other => self.warnings.push(
                kind.at,
                format!("a resource of the kind {other} has no rules; it is left out"),
            ),
        }
    }

    fn groups(&mut self, mut fields: Fields<'n>, origin: Origin) {
        let groups = fields
            .take("groups")
            .and_then(|node| node.as_seq("groups", self.problems));
        fields.finish(self.problems);
        self.lists.push(List {
            origin,
            groups: groups.unwrap_or_default(),
        });
    }
}
