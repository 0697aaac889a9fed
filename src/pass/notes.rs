//! Compare links and release notes for pull requests that are about to be opened or renewed.
//!
//! Entry point: [`notes`]. Nothing that fails here is a failure of a proposal; and nothing is asked about what stands already: its
//! section is kept as it is. Tokens go to the repository's own forge alone, which [`Forge::releases`] sees to.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::cache::{Cache, Key32};
use crate::forge::Forge;
use crate::model::decision::Want;
use crate::model::image::{ImageName, Tag};
use crate::model::observation::Observation;
use crate::model::proposal::Move;
use crate::model::pull_request::{PullRequest, Release, Source, State};
use crate::model::tags::{FactKind, Labels};
use crate::observe;
use crate::pass::Planned;
use crate::pass::run::{Mode, Run};
use crate::publish::notes::{self, ImageNotes};
use crate::publish::pull_requests::{Course, Desired, Standing, Step};

/// The most questions for releases in one pass.
const MOST_QUESTIONS: usize = 10;

/// The most images of one pull request that are looked into.
const MOST_IMAGES: usize = 10;

/// Returns the section of each proposal that has one, by its position.
pub(super) async fn notes(
    run: &Run<'_>,
    forge: &dyn Forge,
    planned: &Planned,
    standing: &Standing,
    (desired, courses): (&[Desired], &[Course]),
) -> BTreeMap<usize, String> {
    let mut found = BTreeMap::new();
    let mut asked = 0;
    let courses = courses.iter().filter(|course| course.proposal.is_some());
    for (wanted, course) in desired.iter().zip(courses) {
        let is_kept = |one: &&PullRequest| {
            let is_same = one.marker.as_ref().is_some_and(|marker| marker.key == wanted.key);
            one.state == State::Open && one.head == wanted.head && is_same
        };
        if let Some(open) = standing.pull_requests.iter().flatten().find(is_kept) {
            found.insert(wanted.proposal, notes::kept(&open.body));
            continue;
        }
        let is_new = course.steps.iter().any(|step| matches!(step, Step::Open { .. } | Step::Push { .. }));
        let Some(proposal) =
            planned.promoted.proposals.get(wanted.proposal).filter(|_| is_new && run.mode == Mode::Act)
        else {
            continue;
        };
        let moves: Vec<&Move> =
            proposal.moves.iter().filter(|one| one.from.tag != one.to.tag).take(MOST_IMAGES).collect();
        let labels = labels(run, planned, &moves).await;
        let mut images = Vec::new();
        for one in moves {
            images.extend(of_image(run, forge, one, &labels, &mut asked).await);
        }
        found.insert(wanted.proposal, notes::section(&images));
    }
    found
}

/// Asks for the labels of the versions that move, as far as they are not known.
async fn labels(run: &Run<'_>, planned: &Planned, moves: &[&Move]) -> BTreeMap<(ImageName, Tag), Labels> {
    let mut wants = Vec::new();
    let mut scratch = Observation::default();
    for one in moves {
        if let Some(known) = planned.observation.images.get(&one.image) {
            scratch.images.insert(one.image.clone(), known.clone());
        }
        for tag in [&one.from.tag, &one.to.tag].into_iter().flatten() {
            wants.push(Want { image: one.image.clone(), tag: tag.clone(), kind: FactKind::Image });
        }
    }
    observe::tags::facts(&mut scratch, wants.clone(), run.source, run.cache).await;
    let told = |want: Want| {
        let tags: &Arc<_> = scratch.images.get(&want.image)?.as_ref().ok()?;
        let labels = tags.facts.get(&want.tag)?.labels.clone();
        Some(((want.image, want.tag), labels))
    };
    wants.into_iter().filter_map(told).collect()
}

async fn of_image(
    run: &Run<'_>,
    forge: &dyn Forge,
    one: &Move,
    labels: &BTreeMap<(ImageName, Tag), Labels>,
    asked: &mut usize,
) -> Option<ImageNotes> {
    let (old, new) = (one.from.tag.as_ref()?, one.to.tag.as_ref()?);
    let of = |tag: &Tag| labels.get(&(one.image.clone(), tag.clone())).cloned().unwrap_or_default();
    let (old_labels, new_labels) = (of(old), of(new));
    let source = notes::source(new_labels.source.as_deref()?)?;
    let compare = notes::compare(&source, &old_labels, &new_labels, &forge.home());
    let releases = match kept(run.cache, &source, old, new) {
        Some(releases) => releases,
        None if *asked >= MOST_QUESTIONS => Vec::new(),
        None => {
            *asked += 1;
            match forge.releases(&source).await {
                Ok(told) => {
                    let releases = notes::between(told.unwrap_or_default(), old.as_str(), new.as_str());
                    keep(run.cache, &source, (old, new), &releases);
                    releases
                }
                Err(error) => {
                    tracing::info!(image = %one.image, %error, "its release notes could not be read");
                    Vec::new()
                }
            }
        }
    };
    let short = one.image.path().rsplit('/').next().unwrap_or_default().to_owned();
    (compare.is_some() || !releases.is_empty()).then_some(ImageNotes { short, compare, releases })
}

/// The key of a row among the kept results: everything that picked releases depend on.
fn key(source: &Source, old: &Tag, new: &Tag) -> Key32 {
    let text = format!("release notes 1\n{}\n{}\n{old}\n{new}", source.host, source.path);
    Key32(Sha256::digest(text).into())
}

fn kept(cache: &Cache, source: &Source, old: &Tag, new: &Tag) -> Option<Vec<Release>> {
    let key = key(source, old, new);
    let bytes = cache.scans(&[key]).remove(&key)?;
    let rows: Vec<(String, String)> = serde_json::from_slice(&bytes).ok()?;
    Some(rows.into_iter().map(|(tag, text)| Release { tag, text }).collect())
}

/// Keeps what was picked; of a version that nobody has written about yet, somebody may tomorrow.
fn keep(cache: &Cache, source: &Source, (old, new): (&Tag, &Tag), releases: &[Release]) {
    if !releases.is_empty() {
        let rows: Vec<_> = releases.iter().map(|release| json!([release.tag, release.text])).collect();
        cache.keep_scans(&[(key(source, old, new), json!(rows).to_string().into_bytes())]);
    }
}
