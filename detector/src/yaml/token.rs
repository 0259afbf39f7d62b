//! What a YAML text is made of, and where it stands.

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    /// Bytes before it.
    pub(super) byte: usize,
    /// Characters before it.
    pub(super) chars: usize,
    /// Lines before it.
    pub(super) line: usize,
    /// Characters before it on its line.
    pub(super) column: usize,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// `|` or `>`; the place is that of the content, the indicator is before it.
    Block,
}

/// What a token is. Those of blocks are not written but follow from indentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    /// `%YAML 1.1`
    Version {
        is_known: bool,
    },
    /// `%TAG handle prefix`
    TagPrefix {
        handle: String,
        prefix: String,
    },
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    /// A handle that [`Kind::TagPrefix`] explains, or none, and what follows it.
    Tag {
        handle: String,
        suffix: String,
    },
    Scalar {
        text: String,
        form: Form,
    },
}

/// A token and where it begins and ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: Mark,
    pub(super) end: Mark,
}

/// Why a text is no YAML, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) at: Mark,
    pub(super) message: String,
}

impl Broken {
    pub(super) fn new(at: Mark, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { at, message }
    }
}
