//! Snapshots: what a source said, as a JSON file that is read back in place of the network.
//!
//! The entry points are [`Snapshot::parse`], [`Snapshot::to_json`] and [`Recorder`]. A snapshot holds no
//! secret and no time of its own; the same observations give the same bytes.

mod parse;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::model::image::{Digest, ImageName, Tag};
use crate::model::signature::{SignatureFact, SignatureVerdict};
use crate::model::tags::{FactKind, ImageTags, Labels, TagFacts};
use crate::model::usage::Usage;
use crate::registry::{Heads, Inspections, Listed, SourceError, TagSource};
use crate::signature::Requirement;

pub use crate::registry::snapshot::parse::SnapshotError;

/// The recorded answers about images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    images: BTreeMap<ImageName, Arc<ImageTags>>,
    /// Images whose list could not be had, with the reason in words.
    failed: BTreeMap<ImageName, String>,
}

impl Snapshot {
    /// Reads a snapshot.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] with line and column, naming the image and tag of a bad row.
    pub fn parse(bytes: &[u8]) -> Result<Self, SnapshotError> {
        parse::parse(bytes)
    }

    /// Returns the images it holds.
    pub fn images(&self) -> impl Iterator<Item = (&ImageName, &Arc<ImageTags>)> {
        self.images.iter()
    }

    /// Adds an image, or replaces what is held of it.
    pub fn insert(&mut self, image: ImageName, tags: Arc<ImageTags>) {
        self.images.insert(image, tags);
    }

    /// Notes that an image's list could not be had.
    pub fn fail(&mut self, image: ImageName, reason: String) {
        self.failed.insert(image, reason);
    }

    /// Notes what a list lacks of an earlier one; nothing where the list is not held.
    pub fn lose(&mut self, image: &ImageName, loss: &str) {
        if let Some(tags) = self.images.get_mut(image) {
            Arc::make_mut(tags).lost = Some(loss.to_owned());
        }
    }

    /// Notes that a fact about a tag could not be had; nothing where the list is not held.
    pub fn fail_fact(&mut self, image: &ImageName, tag: &Tag, kind: FactKind, reason: &str) {
        if let Some(tags) = self.images.get_mut(image) {
            let facts = Arc::make_mut(tags).facts.entry(tag.clone()).or_default();
            facts.failed.insert(kind, reason.to_owned());
        }
    }

    /// Adds what is known of an image to what is held of it.
    pub fn add(&mut self, image: &ImageName, tags: &Arc<ImageTags>) {
        let held = self.images.insert(image.clone(), Arc::clone(tags));
        let Some(held) = held.filter(|held| !held.facts.is_empty()) else { return };
        let own = Arc::make_mut(self.images.get_mut(image).expect("it was put there right now"));
        for (tag, facts) in &held.facts {
            let known = own.facts.entry(tag.clone()).or_default();
            let later = std::mem::replace(known, facts.clone());
            merge(known, &later);
        }
    }

    /// Writes the snapshot: sorted, one tag on a line, with a line end at the end.
    pub fn to_json(&self) -> String {
        let mut json = String::from("{\"images\": {");
        let mut separator = "\n";
        for (image, tags) in &self.images {
            json.push_str(separator);
            separator = ",\n";
            json.push_str(&format!("  \"{image}\": {{\"tags\": {{"));
            let mut listed: Vec<&str> = tags.list.iter().map(|(_, tag)| tag).collect();
            listed.sort_unstable();
            listed.dedup();
            let none = TagFacts::default();
            // Both are sorted, so that one step through the facts finds each tag's own.
            let mut facts = tags.facts.iter().peekable();
            let mut between = "\n";
            for tag in listed {
                while facts.next_if(|(other, _)| other.as_str() < tag).is_some() {}
                let own = facts.next_if(|(other, _)| other.as_str() == tag).map_or(&none, |(_, facts)| facts);
                json.push_str(between);
                between = ",\n";
                json.push_str("    \"");
                json.push_str(tag);
                json.push_str("\": ");
                write_facts(&mut json, own);
            }
            json.push_str(if between == "\n" { "}" } else { "\n  }" });
            let (examples, count) = tags.list.invalid();
            if count > 0 {
                let examples: Vec<String> = examples.iter().map(|text| quoted(text)).collect();
                json.push_str(&format!(
                    ", \"invalid\": {{\"count\": {count}, \"examples\": [{}]}}",
                    examples.join(", ")
                ));
            }
            if let Some(lost) = &tags.lost {
                json.push_str(&format!(", \"lost\": {}", quoted(lost)));
            }
            json.push('}');
        }
        for (image, reason) in &self.failed {
            json.push_str(separator);
            separator = ",\n";
            json.push_str(&format!("  \"{image}\": {{\"error\": {}}}", quoted(reason)));
        }
        json.push_str(if separator == "\n" { "}}\n" } else { "\n}}\n" });
        json
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn write_facts(json: &mut String, facts: &TagFacts) {
    // Digests and times follow grammars that need no escaping; platforms come from registries and may.
    let mut fields = Vec::new();
    // What decided is recorded, whether this pass confirmed it or needed not to.
    let remembered = facts.not_before.filter(|_| facts.pushed.is_none() && facts.first_seen.is_none());
    let digest = facts.digest.as_ref().or(facts.seen_digest.as_ref().filter(|_| remembered.is_some()));
    fields.extend(digest.iter().map(|digest| format!("\"digest\": \"{digest}\"")));
    fields.extend(facts.created.iter().map(|time| format!("\"created\": \"{time}\"")));
    if let Some(platforms) = &facts.platforms {
        let rows: Vec<String> = platforms.iter().map(|platform| quoted(&platform.0)).collect();
        fields.push(format!("\"platforms\": [{}]", rows.join(", ")));
    }
    fields.extend(facts.pushed.iter().map(|time| format!("\"pushed\": \"{time}\"")));
    let seen = facts.first_seen.or(remembered);
    fields.extend(seen.iter().map(|time| format!("\"firstSeen\": \"{time}\"")));
    let Labels { source, revision, version } = &facts.labels;
    let labels = [("source", source), ("revision", revision), ("version", version)];
    let labels = labels.into_iter().filter_map(|(name, text)| Some(format!("\"{name}\": {}", quoted(text.as_ref()?))));
    let labels: Vec<String> = labels.collect();
    if !labels.is_empty() {
        fields.push(format!("\"labels\": {{{}}}", labels.join(", ")));
    }
    if !facts.failed.is_empty() {
        let rows: Vec<String> =
            facts.failed.iter().map(|(kind, reason)| format!("\"{}\": {}", word(*kind), quoted(reason))).collect();
        fields.push(format!("\"failed\": {{{}}}", rows.join(", ")));
    }
    if !facts.signatures.is_empty() {
        let mut rows: Vec<String> = facts.signatures.iter().map(signature_row).collect();
        rows.sort_unstable();
        fields.push(format!("\"signatures\": [{}]", rows.join(", ")));
    }
    json.push('{');
    json.push_str(&fields.join(", "));
    json.push('}');
}

/// The key of a kind of fact that could not be had.
fn word(kind: FactKind) -> &'static str {
    match kind {
        FactKind::Digest => "digest",
        FactKind::Image => "image",
        FactKind::Pushed => "pushed",
    }
}

fn signature_row(fact: &SignatureFact) -> String {
    let (word, reason) = match &fact.verdict {
        Ok(SignatureVerdict::Signed) => ("signed", None),
        Ok(SignatureVerdict::Missing) => ("missing", None),
        Ok(SignatureVerdict::Wrong(reason)) => ("wrong", Some(&**reason)),
        Err(reason) => ("failed", Some(reason.as_str())),
    };
    let reason = reason.map_or_else(String::new, |reason| format!(", \"reason\": {}", quoted(reason)));
    format!("{{\"digest\": \"{}\", \"by\": {}, \"verdict\": \"{word}\"{reason}}}", fact.digest, quoted(&fact.by))
}

impl TagSource for Snapshot {
    fn is_record(&self) -> bool {
        true
    }

    fn tags<'a>(&'a self, image: &'a ImageName) -> BoxFuture<'a, Result<Arc<ImageTags>, SourceError>> {
        let found = match (self.images.get(image), self.failed.get(image)) {
            (Some(tags), _) => Ok(Arc::clone(tags)),
            (None, Some(reason)) => Err(SourceError::Failed(reason.clone())),
            (None, None) => Err(SourceError::Unknown(image.clone())),
        };
        std::future::ready(found).boxed()
    }

    fn facts<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        kind: FactKind,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        let answer = match self.images.get(image) {
            None => Err(SourceError::Unknown(image.clone())),
            Some(tags) => {
                let facts = tags.facts.get(tag).cloned().unwrap_or_default();
                let (held, word) = match kind {
                    FactKind::Digest => (facts.digest.is_some(), "digest"),
                    FactKind::Image => {
                        (facts.created.is_some() || facts.platforms.is_some(), "creation time and platforms")
                    }
                    FactKind::Pushed => (facts.pushed.is_some() || facts.first_seen.is_some(), "push time"),
                };
                let missing = || {
                    format!(
                        "{image}:{tag}: the snapshot does not hold its {word}; record a new one, or ask the registry"
                    )
                };
                match facts.failed.get(&kind) {
                    Some(reason) => Err(SourceError::Failed(reason.clone())),
                    None if held => Ok(facts),
                    None if tags.list.find(tag.as_str()).is_none() => Err(SourceError::Absent(missing())),
                    None => Err(SourceError::Failed(missing())),
                }
            }
        };
        std::future::ready(answer).boxed()
    }

    fn signed<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        digest: &'a Digest,
        by: &'a Requirement,
    ) -> BoxFuture<'a, Result<SignatureVerdict, SourceError>> {
        let answer = match self.images.get(image) {
            None => Err(SourceError::Unknown(image.clone())),
            Some(tags) => {
                let facts = tags.facts.get(tag).map(|facts| facts.signatures.as_slice()).unwrap_or_default();
                let known = facts.iter().find(|fact| fact.digest == *digest && fact.by == by.by());
                match known.map(|fact| fact.verdict.clone()) {
                    Some(verdict) => verdict.map_err(SourceError::Failed),
                    None => Err(SourceError::Failed(format!(
                        "{image}:{tag}: the snapshot does not hold what its signatures say, as `verify` asks now; record a new one, or ask the registry"
                    ))),
                }
            }
        };
        std::future::ready(answer).boxed()
    }
}

/// A source that passes questions on and keeps every answer.
#[derive(Debug, Default)]
pub struct Recorder<S> {
    source: S,
    seen: Mutex<BTreeMap<ImageName, Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    tags: Option<Arc<ImageTags>>,
    facts: BTreeMap<Tag, TagFacts>,
}

impl<S: TagSource> Recorder<S> {
    /// Wraps a source.
    pub fn new(source: S) -> Self {
        Self { source, seen: Mutex::default() }
    }

    fn saw(&self, image: &ImageName, tags: &Arc<ImageTags>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.entry(image.clone()).or_default().tags = Some(Arc::clone(tags));
    }

    /// Returns what was observed so far. An image whose list could not be had is not in it.
    pub fn snapshot(&self) -> Snapshot {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut snapshot = Snapshot::default();
        for (image, seen) in seen.iter() {
            let Some(tags) = &seen.tags else { continue };
            let mut tags = Arc::clone(tags);
            if !seen.facts.is_empty() {
                let own = Arc::make_mut(&mut tags);
                seen.facts.iter().for_each(|(tag, facts)| merge(own.facts.entry(tag.clone()).or_default(), facts));
            }
            snapshot.insert(image.clone(), tags);
        }
        snapshot
    }
}

/// Adds what is newly known, and leaves what was known before where nothing is.
fn merge(known: &mut TagFacts, new: &TagFacts) {
    known.digest = new.digest.clone().or(known.digest.take());
    known.created = new.created.or(known.created);
    known.pushed = new.pushed.or(known.pushed);
    known.first_seen = new.first_seen.or(known.first_seen);
    known.not_before = new.not_before.or(known.not_before);
    known.seen_digest = new.seen_digest.clone().or(known.seen_digest.take());
    known.platforms = new.platforms.clone().or(known.platforms.take());
    if new.labels != Labels::default() {
        known.labels = new.labels.clone();
    }
    known.failed.extend(new.failed.iter().map(|(kind, reason)| (*kind, reason.clone())));
    new.signatures.iter().for_each(|fact| keep(known, fact));
}

/// Adds what signatures say, or replaces what they said of the same content for the same signers.
fn keep(known: &mut TagFacts, fact: &SignatureFact) {
    known.signatures.retain(|other| (&other.digest, &other.by) != (&fact.digest, &fact.by));
    known.signatures.push(fact.clone());
}

impl<S: TagSource> TagSource for Recorder<S> {
    fn tags<'a>(&'a self, image: &'a ImageName) -> BoxFuture<'a, Result<Arc<ImageTags>, SourceError>> {
        async move {
            let tags = self.source.tags(image).await?;
            self.saw(image, &tags);
            Ok(tags)
        }
        .boxed()
    }

    fn tags_again<'a>(
        &'a self,
        image: &'a ImageName,
        pages: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<Listed, SourceError>> {
        async move {
            let listed = self.source.tags_again(image, pages).await?;
            self.saw(image, &listed.tags);
            Ok(listed)
        }
        .boxed()
    }

    fn is_record(&self) -> bool {
        self.source.is_record()
    }

    fn facts<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        kind: FactKind,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        async move {
            let facts = self.source.facts(image, tag, kind).await?;
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            merge(seen.entry(image.clone()).or_default().facts.entry(tag.clone()).or_default(), &facts);
            Ok(facts)
        }
        .boxed()
    }

    fn image_of<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        digest: &'a Digest,
    ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
        async move {
            let facts = self.source.image_of(image, tag, digest).await?;
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            merge(seen.entry(image.clone()).or_default().facts.entry(tag.clone()).or_default(), &facts);
            Ok(facts)
        }
        .boxed()
    }

    fn begin_pass(&self) {
        self.source.begin_pass();
    }

    fn take_heads(&self, wanted: usize) -> Heads {
        self.source.take_heads(wanted)
    }

    fn inspections(&self) -> Inspections {
        self.source.inspections()
    }

    fn usage(&self) -> Usage {
        self.source.usage()
    }

    fn has_push_times(&self, image: &ImageName) -> bool {
        self.source.has_push_times(image)
    }

    fn count_cached(&self, image: &ImageName) {
        self.source.count_cached(image);
    }

    fn signed<'a>(
        &'a self,
        image: &'a ImageName,
        tag: &'a Tag,
        digest: &'a Digest,
        by: &'a Requirement,
    ) -> BoxFuture<'a, Result<SignatureVerdict, SourceError>> {
        async move {
            let answer = self.source.signed(image, tag, digest, by).await;
            let verdict = answer.clone().map_err(|error| error.to_string());
            let fact = SignatureFact { digest: digest.clone(), by: by.by().to_owned(), verdict };
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            keep(seen.entry(image.clone()).or_default().facts.entry(tag.clone()).or_default(), &fact);
            answer
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
