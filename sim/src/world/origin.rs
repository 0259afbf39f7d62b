//! Where a world was written, for what only comes out when it meets a scenario.

use firedrill_detector::yaml::{Node, Position, Value};
use std::collections::BTreeMap;

/// The file of a world, and where its targets are. Worlds that mean the same are equal wherever they were written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    pub(crate) file: String,
    here: Option<Position>,
    targets: BTreeMap<String, Position>,
}

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What a key of a mapping says.
fn value<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Mapping(entries) = &node.value else {
        return None;
    };
    let mut entries = entries.iter();
    let entry = entries.find(|(name, _)| name.text() == Some(key));
    entry.map(|(_, node)| node)
}

impl Origin {
    /// That of a world as it stands in a file.
    pub(super) fn of(node: &Node, file: &str) -> Self {
        let mut targets = BTreeMap::new();
        if let Some(Node {
            value: Value::Mapping(kinds),
            ..
        }) = value(node, "targets")
        {
            for (kind, form) in kinds {
                let name = kind.text().unwrap_or_default();
                targets.insert(name.to_owned(), kind.at);
                for key in ["job", "instance"] {
                    if let Some(written) = value(form, key) {
                        targets.insert(format!("{name}.{key}"), written.at);
                    }
                }
            }
        }
        Self {
            file: file.to_owned(),
            here: Some(node.at),
            targets,
        }
    }

    /// Where targets of a kind were written, or a key of theirs (`worker.instance`).
    pub(crate) fn target(&self, key: &str) -> Option<Position> {
        self.targets.get(key).copied()
    }

    /// Where the world begins; `None`: it is in no file.
    pub(crate) fn here(&self) -> Option<Position> {
        self.here
    }
}
