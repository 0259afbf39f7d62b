//! `firedrill init`: a drill, a rule file and a CI file to begin with. Nothing that is there is touched.

use crate::args::Init as Args;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::terminal::Terminal;
use firedrill_sim::scenario::schema::schema;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

/// What is written, and where; beside the drill, the schema that its first line names.
const FILES: [(&str, &str); 3] = [
    ("drills/workers-die.yaml", include_str!("init/drill.yaml")),
    ("alerts/job-queue.yml", include_str!("init/alerts.yml")),
    (
        ".github/workflows/firedrill.yml",
        include_str!("init/ci.yml"),
    ),
];

/// What editors complete and check drills by.
const SCHEMA: &str = "drills/scenario.schema.json";

/// Writes the files that are not there yet, and says what to do next.
///
/// # Errors
/// When a file cannot be written; those before it stay.
pub fn run(args: &Args, terminal: &Terminal) -> Result<Exit, Failure> {
    terminal.started();
    let mut wrote = 0;
    let schema = format!("{:#}\n", schema());
    let files = FILES.into_iter().chain([(SCHEMA, schema.as_str())]);
    for (name, text) in files {
        let path = args.dir.join(name);
        let written = write_new(&path, text)
            .map_err(|error| Failure::environment(format!("{}: {error}", path.display())))?;
        let what = if written { "wrote" } else { "left as it is" };
        terminal.plain_result(&format!("{what}: {}", path.display()));
        wrote += usize::from(written);
    }
    if wrote == 0 {
        terminal.say("nothing to do: all files were there");
        return Ok(Exit::Passed);
    }
    let into = match args.dir == Path::new(".") {
        true => String::new(),
        false => format!(
            "cd {}\n    ",
            crate::failure::pasted(&args.dir.display().to_string())
        ),
    };
    terminal.say(format_args!(
        "next:\n    {into}firedrill check alerts drills\n    firedrill run --engine virtual --rules alerts drills   # simulated, in a \
         second\n    firedrill run --rules alerts drills                    # on a real Redis\nset FIREDRILL_GIT in \
         .github/workflows/firedrill.yml to where your CI gets firedrill from"
    ));
    Ok(Exit::Passed)
}

/// Whether the file was written: not where there is anything of that name, a link to nothing included.
pub(super) fn write_new(path: &Path, text: &str) -> io::Result<bool> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error),
    };
    let written = file.write_all(text.as_bytes()).and_then(|()| file.flush());
    if let Err(error) = written {
        // Half of it would be left as it is the next time. It was made just now, by nobody else.
        let _ = fs::remove_file(path);
        return Err(error);
    }
    Ok(true)
}
