//! `firedrill schema`: JSON Schemas of the files people write, for editors and checks, and of those that machines read.

use crate::args::{Schema, SchemaOf};
use crate::exit::Exit;
use crate::terminal::Terminal;
use firedrill_reports::{gate, result};
use firedrill_sim::scenario;

/// Prints a schema.
#[must_use]
pub fn run(args: &Schema, terminal: &Terminal) -> Exit {
    let schema = match args.of {
        SchemaOf::Scenario => scenario::schema::schema(),
        SchemaOf::Result => result::schema(),
        SchemaOf::Gates => gate::file_schema(),
    };
    terminal.plain_result(&format!("{schema:#}\n"));
    Exit::Passed
}
