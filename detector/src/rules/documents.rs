//! Where the rule groups are in a text: at the top of a rule file, or in the `spec` of Kubernetes resources.
//!
//! Clusters keep rules in resources: `PrometheusRule`, of which the Prometheus Operator and its kin make rule files, one of
//! each; `VMRule` of VictoriaMetrics; `Rules` and the like of Google's managed Prometheus. A text may hold several, as
//! documents or as items of a `List`.

use super::foreign;
use super::helm;
use crate::yaml::{
    Fields, Node, Position, Problems, Value, parse_all, parse_first, second_document,
};

/// Where groups come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    File,
    /// Of the Prometheus Operator, which hands Thanos' keys on.
    Resource,
    /// Of VictoriaMetrics' operator.
    Victoria,
    /// Of Google's managed Prometheus.
    Google,
}

impl Origin {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Resource | Self::Victoria | Self::Google => "resource",
        }
    }
}

/// The groups that make up one rule file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List<'n> {
    pub(crate) origin: Origin,
    pub(crate) groups: &'n [Node],
}

/// The documents that matter: of a rule file the first, as in Prometheus; of resources all. None in a file of comments.
/// `None`, with a problem, when the text cannot be read.
pub(crate) fn read(
    text: &str,
    problems: &mut Problems,
    warnings: &mut Problems,
) -> Option<Vec<Node>> {
    if let Some((at, line)) = helm::unrendered(text) {
        problems.push_with_hint(
            at,
            format!("`{line}` is of a Helm template, which makes rules only when it is rendered"),
            "render it (`helm template RELEASE CHART --show-only templates/FILE > rendered.yaml`), and name that file",
        );
        return None;
    }
    let mut told = problems.of_same_file();
    let root = parse_first(text, &mut told);
    let is_first_of_many = |first: &Node| is_resource(first) || first.is_null();
    if root.iter().flatten().any(is_first_of_many) {
        return parse_all(text, problems);
    }
    problems.extend(told);
    let root = root?;
    if let Some(at) = second_document(text) {
        warnings.push(
            at,
            "a second document begins here; Prometheus reads the first one only, and so is it done here",
        );
    }
    Some(root.into_iter().collect())
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
        } else if !document.is_null() {
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

/// A kind of resource that holds rules.
struct RuleKind {
    name: &'static str,
    versions: &'static [&'static str],
    origin: Origin,
    /// Where it is not evaluated as Prometheus would.
    unlike: Option<&'static str>,
}

/// Google's kinds differ in whose data their rules see only.
const OF_GOOGLE: RuleKind = RuleKind {
    name: "Rules",
    versions: &[
        "monitoring.googleapis.com/v1",
        "monitoring.googleapis.com/v1alpha1",
    ],
    origin: Origin::Google,
    unlike: Some(
        "Google's operator lets rules see the data of their project, cluster or namespace only, and adds these as labels; \
         here they see all data, without those labels",
    ),
};

/// All kinds of resources that hold rules.
const KINDS: [RuleKind; 5] = [
    RuleKind {
        name: "PrometheusRule",
        versions: &["monitoring.coreos.com/v1", "monitoring.rhobs/v1"],
        origin: Origin::Resource,
        unlike: None,
    },
    RuleKind {
        name: "VMRule",
        versions: &["operator.victoriametrics.com/v1beta1"],
        origin: Origin::Victoria,
        unlike: Some(
            "VictoriaMetrics evaluates MetricsQL, which differs from PromQL, in rate() and increase() for example; here \
             the rules are evaluated as Prometheus does, and what is not PromQL is refused",
        ),
    },
    OF_GOOGLE,
    RuleKind {
        name: "ClusterRules",
        ..OF_GOOGLE
    },
    RuleKind {
        name: "GlobalRules",
        ..OF_GOOGLE
    },
];

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
        let Some(kind_of) = KINDS.iter().find(|known| known.name == name) else {
            return self.other(name, kind.at, fields);
        };
        if !kind_of.versions.contains(&text) {
            return self.problems.push_with_hint(
                version.at,
                format!("`{text}` is no known version of {name}"),
                format!("accepted: {}", kind_of.versions.join(", ")),
            );
        }
        fields.take("status");
        let spec = fields.required("spec", self.problems);
        fields.finish(self.problems);
        let spec = spec.and_then(|spec| Fields::new(spec, "spec", self.problems));
        if let Some(spec) = spec {
            if let Some(unlike) = kind_of.unlike {
                self.warnings.push(kind.at, format!("{name}: {unlike}"));
            }
            self.groups(spec, kind_of.origin);
        }
    }

    /// A list of resources, or one without rules.
    fn other(&mut self, name: &str, at: Position, mut fields: Fields<'n>) {
        if !["List", "PrometheusRuleList", "VMRuleList"].contains(&name) {
            self.warnings.push(
                at,
                format!("a resource of the kind {name} has no rules; it is left out"),
            );
            return;
        }
        let items = fields.required("items", self.problems);
        fields.finish(self.problems);
        let items = items.and_then(|items| items.as_seq("items", self.problems));
        for item in items.unwrap_or_default() {
            self.resource(item);
        }
    }

    fn groups(&mut self, mut fields: Fields<'n>, origin: Origin) {
        let groups = fields
            .take("groups")
            .and_then(|node| node.as_seq("groups", self.problems));
        foreign::keys(
            &mut fields,
            foreign::OF_FILES,
            origin,
            self.problems,
            self.warnings,
        );
        fields.finish(self.problems);
        self.lists.push(List {
            origin,
            groups: groups.unwrap_or_default(),
        });
    }
}
