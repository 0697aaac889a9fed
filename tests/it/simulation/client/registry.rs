//! The registry, as a pass finds it.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tagboat::model::image::{Digest, ImageName, Tag};
use tagboat::model::signature::SignatureVerdict;
use tagboat::model::tags::{FactKind, ImageTags, Platform, TagFacts};
use tagboat::registry::{SourceError, TagSource};
use tagboat::signature::Requirement;

use super::Client;
use crate::simulation::session::Round;
use crate::simulation::setting::IMAGES;
use crate::simulation::world::short;

fn position(image: &ImageName) -> usize {
    IMAGES.iter().position(|name| *name == image.as_str()).expect("nothing else is followed")
}

impl TagSource for Client {
    fn tags<'a>(&'a self, image: &'a ImageName) -> BoxFuture<'a, Result<Arc<ImageTags>, SourceError>> {
        let index = position(image);
        let failed = |round: &mut Round| {
            round.asks();
            round.failed_lists.insert(index);
        };
        let answer = self.call(&format!("the list of {}", short(index)), false, failed, |world, id| {
            let tags: BTreeSet<String> = world.registry[index].keys().cloned().collect();
            let list = tags.iter().map(String::as_str).collect();
            let round = &mut world.sessions[id].round;
            round.asks();
            round.lists.insert(index, tags);
            Arc::new(ImageTags { list, ..ImageTags::default() })
        });
        Box::pin(ready(answer.map_err(SourceError::from)))
    }

    fn facts<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        kind: FactKind,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        let index = position(image);
        let key = (index, tag.as_str().to_owned());
        // What is asked once the heads were looked at is for the notes, and decides nothing.
        let failed = |round: &mut Round| {
            if !round.has_heads {
                round.failed_facts.insert(key);
            }
        };
        let answer = self.call("asking about a tag", false, failed, |world, id| {
            let tagged = world.registry[index].get(tag.as_str()).cloned();
            let tagged = tagged.ok_or_else(|| SourceError::Failed(format!("{tag} is not there")))?;
            if kind == FactKind::Pushed {
                world.sessions[id].round.pushed.insert((index, tag.as_str().to_owned()), tagged.pushed);
            }
            world.sessions[id].round.digests.insert((index, tag.as_str().to_owned(), tagged.digest.clone()));
            let digest: Digest = tagged.digest.parse().unwrap();
            Ok(match kind {
                FactKind::Digest => TagFacts { digest: Some(digest), ..TagFacts::default() },
                FactKind::Image => TagFacts {
                    digest: Some(digest),
                    created: Some(tagged.pushed),
                    platforms: Some(vec![Platform("linux/amd64".to_owned())]),
                    ..TagFacts::default()
                },
                FactKind::Pushed => {
                    TagFacts { pushed: Some(tagged.pushed), pushed_digest: Some(digest), ..TagFacts::default() }
                }
            })
        });
        Box::pin(ready(answer.unwrap_or_else(|lost| Err(lost.into()))))
    }

    fn signed<'a>(
        &'a self,
        _: &'a ImageName,
        _: &'a Tag,
        _: &'a Digest,
        _: &'a Requirement,
    ) -> BoxFuture<'a, Result<SignatureVerdict, SourceError>> {
        Box::pin(ready(Err(SourceError::Failed("nothing is signed here".to_owned()))))
    }
}
