//! The charts of a result as files.

use crate::args::PlotFormat;
use crate::failure::Failure;
use firedrill_reports::document::Document;
use firedrill_reports::export::plots::plots;
use firedrill_sim::files;
use std::fmt::Display;
use std::path::Path;

/// Writes each into the directory; answers how many there are.
///
/// # Errors
/// When one could not be drawn, or a file cannot be written.
pub(crate) fn write(document: &Document, format: PlotFormat, dir: &Path) -> Result<usize, Failure> {
    let plots = plots(document);
    for (name, picture) in &plots {
        let wrong = |why: &dyn Display| {
            Failure::internal(format_args!("the chart {name} cannot be drawn: {why}"))
        };
        let picture = picture.map_err(|why| wrong(&why))?;
        let (ending, content) = match format {
            PlotFormat::Svg => ("svg", picture.svg().into_bytes()),
            PlotFormat::Png => ("png", picture.png().map_err(|why| wrong(&why))?),
        };
        files::write(&dir.join(format!("{name}.{ending}")), content)
            .map_err(Failure::environment)?;
    }
    Ok(plots.len())
}
