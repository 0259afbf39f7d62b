//! The report of a result, and its charts as files.

use crate::args::PlotFormat;
use firedrill_reports::document::Document;
use firedrill_reports::export::plots::plots;
use firedrill_reports::render;
use firedrill_sim::files;
use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

/// Writes `report.html` into the directory, and the charts into `plots` in it where they are asked for; answers the report's
/// path.
///
/// # Errors
/// When a file cannot be written, or a chart that is asked for could not be drawn.
pub(crate) fn report(
    document: &Document,
    format: Option<PlotFormat>,
    dir: &Path,
) -> io::Result<PathBuf> {
    let html = dir.join("report.html");
    files::write(&html, &render::html(document))?;
    if let Some(format) = format {
        write(document, format, &dir.join("plots"))?;
    }
    Ok(html)
}

/// Writes each chart into the directory; answers how many there are.
///
/// # Errors
/// When a file cannot be written, or a chart could not be drawn.
pub(crate) fn write(document: &Document, format: PlotFormat, dir: &Path) -> io::Result<usize> {
    let plots = plots(document);
    for (name, picture) in &plots {
        let wrong = |why: &dyn Display| {
            io::Error::other(format!("the chart {name} cannot be drawn: {why}"))
        };
        let picture = picture.map_err(|why| wrong(&why))?;
        let (ending, content) = match format {
            PlotFormat::Svg => ("svg", picture.svg().into_bytes()),
            PlotFormat::Png => ("png", picture.png().map_err(|why| wrong(&why))?),
        };
        files::write_binary(&dir.join(format!("{name}.{ending}")), &content)?;
    }
    Ok(plots.len())
}
