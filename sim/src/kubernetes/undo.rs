//! Gives a deployment back as it was found. One that is gone, or is another by now, or that others have changed since, is left alone. What was
//! taken from one whose owner agrees no longer is given back, and no more.

use super::seen::Deployment;
use super::{ANSWERS_WITHIN, BROKEN_IMAGE, DeploymentId, PROGRAM};
use crate::program::{self, Undone};
use firedrill_detector::text::counted;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// It wants as many pods as it did, if it wants as many as the drill has left it wanting: one of `left`.
///
/// # Errors
/// When Kubernetes cannot be asked, or refuses.
pub(crate) fn set_replicas_back(
    id: &DeploymentId,
    replicas: u32,
    left: &BTreeSet<u32>,
) -> io::Result<Undone> {
    let Some(found) = found(id)? else {
        return Ok(Undone::Needless);
    };
    match due(&found, replicas, left) {
        Due::Scale { from } => ran(&id.scale(Some(from), replicas)).map(|_| Undone::Done),
        Due::Nothing => Ok(Undone::Needless),
        Due::Others { wants } => Ok(Undone::Left(format!(
            "{id} wants {}, which is not what the drill left; before the drill it wanted {replicas}",
            counted(wants, "pod")
        ))),
    }
}

/// Those of its containers whose release does not start have the images that they had.
///
/// # Errors
/// When Kubernetes cannot be asked, or refuses.
pub(crate) fn set_images_back(
    id: &DeploymentId,
    images: &BTreeMap<String, String>,
) -> io::Result<Undone> {
    let Some(found) = found(id)? else {
        return Ok(Undone::Needless);
    };
    let mut back = images.clone();
    let now = found.images();
    back.retain(|name, _| now.get(name).is_some_and(|image| image == BROKEN_IMAGE));
    if !back.is_empty() {
        return ran(&id.set_images(&back)).map(|_| Undone::Done);
    }
    match now == *images {
        true => Ok(Undone::Needless),
        false => Ok(Undone::Left(format!(
            "{id} has an image that is neither the drill's nor the one of before it"
        ))),
    }
}

fn found(id: &DeploymentId) -> io::Result<Option<Deployment>> {
    let found = Deployment::parsed(&ran(&id.get())?).map_err(io::Error::other)?;
    Ok(found.filter(|found| found.uid() == id.uid))
}

/// What is to be done about how many pods it wants.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Scale {
        from: u32,
    },
    Nothing,
    /// They have scaled it since.
    Others {
        wants: u32,
    },
}

/// Whether it is to be scaled back to so many pods. Of who agrees no longer, nothing is taken.
fn due(found: &Deployment, replicas: u32, left: &BTreeSet<u32>) -> Due {
    let wants = found.replicas();
    if wants == replicas || !found.agrees() && wants > replicas {
        Due::Nothing
    } else if left.contains(&wants) {
        Due::Scale { from: wants }
    } else {
        Due::Others { wants }
    }
}

fn ran(words: &[String]) -> io::Result<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ran = program::ran(&program::on_path(PROGRAM)?, &words, ANSWERS_WITHIN);
    ran.map_err(|trouble| io::Error::other(format!("kubectl: {}", trouble.reason())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_have_scaled_since_is_theirs() {
        let due = |agrees: bool, wants: u32| {
            let text = serde_json::json!({
                "metadata": { "name": "mail", "annotations": { (super::super::CONSENT): agrees.to_string() } },
                "spec": { "replicas": wants, "selector": {}, "template": { "spec": {} } },
            });
            let found = Deployment::parsed(&text.to_string()).unwrap().unwrap();
            due(&found, 2, &BTreeSet::from([1, 3]))
        };
        assert_eq!(due(true, 1), Due::Scale { from: 1 });
        assert_eq!(due(true, 3), Due::Scale { from: 3 });
        assert_eq!(due(true, 2), Due::Nothing);
        assert_eq!(due(true, 0), Due::Others { wants: 0 });
        assert_eq!(due(true, 5), Due::Others { wants: 5 });
        assert_eq!(due(false, 1), Due::Scale { from: 1 });
        assert_eq!(due(false, 3), Due::Nothing);
    }
}
