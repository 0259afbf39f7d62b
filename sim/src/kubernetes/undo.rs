//! Gives a deployment back as it was found. One that is gone, or is another by now, is left alone. What was taken from one whose owner
//! agrees no longer is given back, and no more.

use super::seen::Deployment;
use super::{ANSWERS_WITHIN, BROKEN_IMAGE, DeploymentId, PROGRAM};
use crate::program;
use std::collections::BTreeMap;
use std::io;

/// It wants as many pods as it did.
///
/// # Errors
/// When Kubernetes cannot be asked, or refuses.
pub(crate) fn set_replicas_back(id: &DeploymentId, replicas: u32) -> io::Result<()> {
    match found(id)? {
        Some(found) if is_due(&found, replicas) => ran(&id.scale(None, replicas)).map(drop),
        _ => Ok(()),
    }
}

/// Those of its containers whose release does not start have the images that they had.
///
/// # Errors
/// When Kubernetes cannot be asked, or refuses.
pub(crate) fn set_images_back(
    id: &DeploymentId,
    images: &BTreeMap<String, String>,
) -> io::Result<()> {
    let Some(found) = found(id)? else {
        return Ok(());
    };
    let mut back = images.clone();
    let now = found.images();
    back.retain(|name, _| now.get(name).is_some_and(|image| image == BROKEN_IMAGE));
    match back.is_empty() {
        true => Ok(()),
        false => ran(&id.set_images(&back)).map(drop),
    }
}

fn found(id: &DeploymentId) -> io::Result<Option<Deployment>> {
    let found = Deployment::parsed(&ran(&id.get())?).map_err(io::Error::other)?;
    Ok(found.filter(|found| found.uid() == id.uid))
}

/// Whether it is to be scaled back to so many pods. Who agrees no longer may have scaled it up.
fn is_due(found: &Deployment, replicas: u32) -> bool {
    match found.agrees() {
        true => found.replicas() != replicas,
        false => found.replicas() < replicas,
    }
}

fn ran(words: &[String]) -> io::Result<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ran = program::ran(&program::on_path(PROGRAM)?, &words, ANSWERS_WITHIN);
    ran.map_err(|trouble| io::Error::other(format!("kubectl: {}", trouble.reason())))
}
