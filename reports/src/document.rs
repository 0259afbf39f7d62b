//! What people read of a result, as plain values: each result becomes one [`Document`], and each format renders documents once
//! ([`render`](crate::render)).
//!
//! One file a result: [`of_scorecard`], [`of_trials`], [`of_tuning`], [`of_fidelity`], [`of_explanation`], [`of_load`], [`of_knee`]. Texts in a document are
//! as they came, whoever wrote them: formats escape them.

mod check;
mod comparison;
mod drill;
mod fidelity;
mod gates;
mod heard;
mod knee;
mod load;
mod missed;
mod nearest;
mod next;
mod proven;
mod rehearsal;
mod routed;
mod scorecard;
mod trials;
mod tune;
mod verdict;
pub(crate) mod words;

use crate::picture::Sizes;
pub use check::{of_check, of_explanation};
pub use comparison::of_comparison;
pub(crate) use comparison::sentence;
pub use fidelity::of_fidelity;
pub(crate) use gates::check as gate_check;
pub use gates::of_gates;
pub use knee::of_knee;
pub(crate) use load::limit as load_limit;
pub use load::{judged as load_judged, of_load, passes as load_passes};
pub use proven::of_proven;
pub use rehearsal::of_rehearsal;
pub(crate) use scorecard::called;
pub use scorecard::{Drill, of_scorecard};
pub use trials::of_trials;
pub use tune::of_tuning;
pub use words::{length, quoted};

/// A result for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it is, e.g. `firedrill report`.
    pub title: String,
    /// What it came to.
    pub verdict: Option<Verdict>,
    /// What to do next, the most urgent first.
    pub next: Vec<Step>,
    /// What it says, in reading order.
    pub blocks: Vec<Block>,
}

/// What a result came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// In a word, e.g. `failed`.
    pub word: String,
    /// In numbers, e.g. `2 missed, 2 late, 1 cries wolf`; empty where there is nothing to count.
    pub counts: String,
    /// In a sentence, with names.
    pub sentence: String,
    /// How it looks.
    pub tone: Tone,
}

impl Verdict {
    /// Of what was asked for; `passes` is `None` where nobody can tell.
    fn of(passes: Option<bool>, (sentence, tone): Told) -> Self {
        let word = match passes {
            Some(true) => "passed",
            Some(false) => "failed",
            None => "inconclusive",
        };
        Self {
            word: word.to_owned(),
            counts: String::new(),
            sentence,
            tone,
        }
    }
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What, in a sentence.
    pub text: String,
    /// A command that does it or helps.
    pub command: Option<String>,
}

/// A part of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Rows and columns.
    Table(Table),
    /// What was taken for what: a grid where there is room for one, else a list.
    Confusion {
        /// How often each, by what it was and what it was taken for.
        grid: Table,
        /// The pairs that there are.
        list: Table,
    },
    /// What, and how much.
    Facts(Facts),
    /// Sentences, each about something.
    Findings(Vec<Finding>),
    /// Things with a few lines about each.
    Entries(Entries),
    /// A paragraph.
    Note(String),
    /// A chart. On pages only.
    Figure(Figure),
    /// Text as it stands in a file. On pages only.
    Code {
        /// What it is.
        title: String,
        /// The text.
        text: String,
    },
    /// A part of its own with a place to lead to. On pages only, where there is room for all of it.
    Part(Part),
}

/// How a text should look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// As it should not be.
    Bad,
    /// To be looked at.
    Warn,
    /// Nothing special.
    Muted,
}

/// A text, and how it should look.
pub(crate) type Told = (String, Tone);

/// A cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What stands in it.
    pub text: String,
    /// How it looks.
    pub tone: Tone,
    /// The [`Part::anchor`] it leads to.
    pub to: Option<String>,
}

impl Cell {
    /// Leads to a part.
    #[must_use]
    pub fn leading_to(mut self, anchor: &str) -> Self {
        self.to = Some(anchor.to_owned());
        self
    }
}

impl From<Told> for Cell {
    fn from((text, tone): Told) -> Self {
        Self {
            text,
            tone,
            to: None,
        }
    }
}

/// A table whose first column says what its rows are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What it is about.
    pub title: String,
    /// How to read it; may be empty.
    pub note: String,
    /// Heads of the columns; the first says what a row is.
    pub head: Vec<String>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
    /// What was left out of it; may be empty.
    pub more: String,
}

impl Table {
    /// A table of texts.
    pub(crate) fn new<H: Into<String>>(
        title: &str,
        note: &str,
        head: impl IntoIterator<Item = H>,
        rows: Vec<Vec<Told>>,
    ) -> Self {
        let cells = |row: Vec<Told>| row.into_iter().map(Cell::from).collect();
        Self {
            title: title.to_owned(),
            note: note.to_owned(),
            head: head.into_iter().map(Into::into).collect(),
            rows: rows.into_iter().map(cells).collect(),
            more: String::new(),
        }
    }

    /// As a block; nothing where it has no rows.
    pub(crate) fn block(self) -> Option<Block> {
        (!self.rows.is_empty()).then_some(Block::Table(self))
    }
}

/// A list of facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// What they are about.
    pub title: String,
    /// What is said before them, a sentence each.
    pub lead: Vec<String>,
    /// What, and how much.
    pub facts: Vec<(String, Cell)>,
    /// How to read them; may be empty.
    pub note: String,
}

impl Facts {
    /// Facts without more.
    pub(crate) fn new<W: Into<String>>(
        title: &str,
        facts: impl IntoIterator<Item = (W, String)>,
    ) -> Self {
        let fact = |(what, value): (W, String)| (what.into(), Cell::from((value, Tone::Muted)));
        Self {
            title: title.to_owned(),
            lead: Vec::new(),
            facts: facts.into_iter().map(fact).collect(),
            note: String::new(),
        }
    }
}

/// A sentence about something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about; empty where that goes without saying.
    pub about: String,
    /// What is said.
    pub text: String,
    /// How it looks.
    pub tone: Tone,
}

impl Finding {
    pub(crate) fn new(about: &str, (text, tone): Told) -> Self {
        Self {
            about: about.to_owned(),
            text,
            tone,
        }
    }
}

/// Things with a few lines about each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries {
    /// What they are; empty where the document is about them.
    pub title: String,
    /// What holds for all of them.
    pub note: String,
    /// Each.
    pub entries: Vec<Entry>,
    /// All together.
    pub sum: String,
}

/// One of several things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, and where it is.
    pub name: String,
    /// What it came to.
    pub state: Cell,
    /// What is said of it.
    pub lines: Vec<EntryLine>,
}

/// What is said of an [`Entry`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryLine {
    /// What.
    pub text: String,
    /// How it looks.
    pub tone: Tone,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A chart with what it shows in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it shows.
    pub title: String,
    /// What is to be seen in it, for those who do not see it.
    pub description: String,
    /// The chart, or why it could not be drawn.
    pub picture: Result<Sizes, String>,
}

/// A part of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its place on the page, unique.
    pub anchor: String,
    /// What it is about.
    pub title: String,
    /// What that came to, in a word.
    pub badge: Option<Cell>,
    /// Whether it is folded until somebody asks for it.
    pub folded: bool,
    /// What it says.
    pub blocks: Vec<Block>,
}
