//! `firedrill schema`: JSON Schemas of the files people write, for editors and checks.

use crate::args::{Schema, SchemaOf};
use crate::exit::Exit;
use crate::terminal::Terminal;
use firedrill_reports::gate;
use firedrill_sim::scenario;

/// Prints a schema.
#[must_use]
pub fn run(args: &Schema, terminal: &Terminal) -> Exit {
    let schema = match args.of {
        SchemaOf::Scenario => scenario::schema::schema(),
        SchemaOf::Gates => gate::file_schema(),
    };
    terminal.plain_result(&format!("{schema:#}\n"));
    Exit::Passed
}
