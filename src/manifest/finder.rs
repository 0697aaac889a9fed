//! Collects what the formats find in one chunk, and turns nodes into slots with exact bytes.
//!
//! The formats say which node means what; the rules that hold for all of them (aliases, duplicate keys,
//! escapes, block scalars) live here. No format's key is named here.

pub(crate) mod named;
mod wrapped;

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::manifest::finder::wrapped::moved;
use crate::manifest::reference::{self, Reading};
use crate::manifest::yaml::embedded::Embedded;
use crate::manifest::yaml::tree::{NodeId, Shape, Tree};
use crate::manifest::yaml::{Detail, Fault, build, split};
use crate::manifest::{Limits, contents, marker, template};
use crate::model::file::Span;
use crate::model::image::{ImageName, shorten};
use crate::model::site::{Format, Named, ScalarStyle, SkipReason, Slot, SlotRole, Value};

/// In how many places an anchored value may be used before its sites are no longer followed.
const MAX_USES: usize = 256;

/// How many uses are noted for all sites of a chunk together.
const MAX_USES_TOGETHER: usize = 50_000;

/// A site before its offsets became lines and columns.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) format: Format,
    pub(crate) image: Option<ImageName>,
    pub(crate) written: String,
    pub(crate) value: Value,
    pub(crate) slots: Vec<Slot>,
    /// Where to point when there is no slot.
    pub(crate) at: usize,
    /// What names it; of a text within the chunk, there.
    pub(crate) named: Named,
    pub(crate) uses: Vec<usize>,
    pub(crate) marker: Option<crate::model::site::Marker>,
    pub(crate) skipped: Option<SkipReason>,
    /// The nodes that hold tag and digest.
    nodes: Vec<NodeId>,
    /// Further nodes that must not stand twice: the names.
    names: Vec<NodeId>,
}

impl Found {
    /// Makes a find that no node stands behind, such as a marked line.
    pub(crate) fn from_line(format: Format, at: usize, reading: Reading, slot: Option<Slot>) -> Self {
        Self {
            format,
            image: reading.image,
            written: reading.written,
            value: reading.value,
            slots: slot.into_iter().collect(),
            at,
            named: Named::default(),
            uses: Vec::new(),
            marker: None,
            skipped: reading.skipped,
            nodes: Vec::new(),
            names: Vec::new(),
        }
    }

    /// Returns where the find begins.
    pub(crate) fn offset(&self) -> usize {
        self.slots.first().map_or(self.at, |slot| slot.span.start)
    }
}

/// The parts of a reference that stands in several keys.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// The name, already joined with its registry; `None` where it stands elsewhere.
    pub(crate) name: Option<String>,
    /// The keys that the name was read from.
    pub(crate) names: Vec<NodeId>,
    /// The key that holds the tag, or tag and digest.
    pub(crate) tag: Option<NodeId>,
    /// The key that holds the digest.
    pub(crate) digest: Option<NodeId>,
    /// The key that holds a chart's version, which is its tag but for `+`.
    pub(crate) chart_version: Option<NodeId>,
    /// What to call the reference where its name stands elsewhere.
    pub(crate) label: Option<String>,
    /// Why the reference is not followed, whatever it holds.
    pub(crate) skipped: Option<SkipReason>,
}

/// Collects the finds of one chunk.
pub(crate) struct Finder<'t, 'a> {
    /// The whole file.
    pub(crate) text: &'a str,
    /// The chunk's nodes.
    pub(crate) tree: &'t Tree<'a>,
    /// Whether the text is the value of a scalar of another one.
    is_embedded: bool,
    /// What was read before, and as what: mappings by a key of theirs, collections behind an alias, text as YAML.
    read_before: HashSet<(NodeId, String)>,
    found: Vec<Found>,
    duplicates: HashMap<NodeId, Vec<String>>,
    /// Of mappings that were asked, the value of the first key of each stem.
    stems: HashMap<NodeId, HashMap<&'t str, NodeId>>,
    /// What was reached by an alias.
    entered: HashSet<NodeId>,
}

impl<'t, 'a> Finder<'t, 'a> {
    /// Starts with nothing found.
    pub(crate) fn new(text: &'a str, tree: &'t Tree<'a>) -> Self {
        Self {
            text,
            tree,
            is_embedded: false,
            read_before: HashSet::new(),
            found: Vec::new(),
            duplicates: HashMap::new(),
            stems: HashMap::new(),
            entered: HashSet::new(),
        }
    }

    /// Returns the value of the first key of a mapping that has a stem; `stem_of` is the same for all calls.
    ///
    /// A mapping with ten thousand keys is read once, and not once for each of them.
    pub(crate) fn of_stem(
        &mut self,
        map: NodeId,
        stem: &str,
        stem_of: fn(&'t str) -> Option<&'t str>,
    ) -> Option<NodeId> {
        let tree = self.tree;
        let stems = self.stems.entry(map).or_insert_with(|| {
            let mut stems = HashMap::new();
            for (key, value) in tree.entries(map) {
                if let Some(stem) = tree.text(key).and_then(stem_of) {
                    stems.entry(stem).or_insert(value);
                }
            }
            stems
        });
        stems.get(stem).copied()
    }

    /// Whether a mapping was not yet asked about a key; one that stands twice is refused, and not looked up again.
    pub(crate) fn is_first(&mut self, mapping: NodeId, key: &str) -> bool {
        self.read_before.insert((mapping, key.to_owned()))
    }

    /// Whether a collection behind an alias was not yet read as the value of such a key.
    ///
    /// Read once, its finds stand for all of its uses; ten thousand aliases of a large one cost no more than one.
    pub(crate) fn is_new(&mut self, value: NodeId, key: &str) -> bool {
        match self.tree.shape(value) {
            Shape::Alias(target) if self.tree.style(target).is_none() => {
                self.read_before.insert((target, key.to_owned()))
            }
            _ => true,
        }
    }

    /// Takes a scalar that holds a whole reference; an empty one is nothing.
    pub(crate) fn reference(&mut self, node: NodeId, format: Format) {
        self.prefixed(node, "", format);
    }

    /// Takes a scalar whose text holds a whole reference from a byte on, as in `name=new:tag`.
    pub(crate) fn tail(&mut self, node: NodeId, from: usize, format: Format) {
        self.take(node, from, "", format, None);
    }

    /// Takes a scalar that looks like a reference where none is declared; a marker makes it followed.
    pub(crate) fn doubtful(&mut self, node: NodeId, from: usize, format: Format, place: &'static str) {
        self.take(node, from, "", format, Some(SkipReason::Unmarked(place)));
    }

    /// Lists a node that may hold references and is not looked into.
    pub(crate) fn unread(&mut self, node: NodeId, format: Format, reason: SkipReason) {
        let written = self.tree.key(node).map(shorten).unwrap_or_default();
        self.found.push(Found {
            format,
            image: None,
            written,
            value: Value::default(),
            slots: Vec::new(),
            at: self.tree.span(node).start,
            named: Named::default(),
            uses: Vec::new(),
            marker: None,
            skipped: Some(reason),
            nodes: Vec::new(),
            names: vec![node],
        });
    }

    /// Takes a scalar whose text is YAML; `read` finds the references of each of its documents.
    ///
    /// The spans are those of the file, so that edits go through the same splices and proofs as any other. A plain
    /// scalar is no such text.
    pub(crate) fn embedded(&mut self, node: NodeId, format: Format, read: fn(&mut Finder<'_, '_>, NodeId)) {
        let (outer, tree) = (self.text, self.tree);
        let target = tree.resolve(node);
        let (Some(style), Some(value)) = (tree.style(target), tree.filled(target)) else { return };
        // One word in quotes is the name of a file.
        let is_word = !value.contains(['\n', '{', '[', ':']);
        if style == ScalarStyle::Plain || is_word || !contents::may_hold(value.as_bytes()) {
            return;
        }
        if !self.read_before.insert((target, String::new())) {
            return;
        }
        if self.is_embedded {
            let reason = "YAML within YAML within YAML is not looked into".to_owned();
            return self.unread(target, format, SkipReason::Unsupported(reason));
        }
        let Some(places) = Embedded::of(outer, &tree.span(target), style, value) else {
            let reason = "YAML within quotes and with escapes is not looked into; a block scalar is".to_owned();
            return self.unread(target, format, SkipReason::Unsupported(reason));
        };
        for chunk in split::chunks(value) {
            let part = &value[chunk.clone()];
            let inner = match build::parse(value, &chunk, &Limits::default(), Detail::Comments) {
                Ok(inner) if template::has_braces(part) && template::is_one(value, &inner) => Err(SkipReason::Template),
                Ok(inner) => Ok(inner),
                Err(_) if template::looks_like_one(part) => Err(SkipReason::Template),
                Err(Fault::TooComplex(reason)) => Err(SkipReason::Unsupported(reason)),
                Err(Fault::Broken { reason, .. }) => {
                    Err(SkipReason::Unsupported(format!("the YAML in it cannot be parsed: {reason}")))
                }
            };
            match inner {
                Err(reason) => self.unread(target, format, reason),
                Ok(inner) => {
                    let mut finder = Finder { is_embedded: true, ..Finder::new(value, &inner) };
                    for root in inner.roots() {
                        read(&mut finder, *root);
                    }
                    let mut finds = finder.finish();
                    marker::attach(value, &chunk, inner.comments(), Some(&inner), &mut finds);
                    named::give(&inner, &mut finds);
                    self.found.extend(finds.into_iter().map(|find| moved(find, node, &places)));
                }
            }
        }
    }

    /// Takes a scalar that holds a whole reference but for its registry, which stands elsewhere.
    pub(crate) fn prefixed(&mut self, node: NodeId, registry: &str, format: Format) {
        self.take(node, 0, registry, format, None);
    }

    /// Takes a scalar that holds a whole reference but perhaps for its registry, and for its digest, which stands in a
    /// key of its own: tag and digest move together or not at all.
    pub(crate) fn with_digest(&mut self, node: NodeId, registry: &str, digest: Option<NodeId>, format: Format) {
        let before = self.found.len();
        self.take(node, 0, registry, format, None);
        let Some(digest) = digest else { return };
        let Some(mut found) = self.found.drain(before..).next() else { return };
        found.nodes.push(digest);
        match self.take_digest(digest, &mut found) {
            Ok(()) => found.slots.iter_mut().filter(|slot| slot.role == SlotRole::Version).for_each(|slot| {
                slot.role = SlotRole::Tag;
            }),
            Err(reason) => drop(found.skipped.get_or_insert(reason)),
        }
        self.found.push(found);
    }

    fn take(&mut self, node: NodeId, from: usize, registry: &str, format: Format, doubt: Option<SkipReason>) {
        let Some(text) = self.tree.filled(node) else { return };
        let target = self.tree.resolve(node);
        let Some(text) = self.trimmed(target, text).get(from..) else { return };
        let mut reading = reference::read(text);
        reading.version = reading.version.map(|version| version.start + from..version.end + from);
        if !registry.is_empty() && reading.image.is_some() {
            let name = format!("{}/{}", registry.trim_end_matches('/'), reading.written);
            match name.parse() {
                Ok(image) => reading.image = Some(image),
                Err(error) => {
                    reading.image = None;
                    reading.skipped = Some(SkipReason::NotAReference(error.to_string()));
                }
            }
            reading.written = shorten(&name);
        }
        let mut skipped = doubt.or(reading.skipped);
        let mut slots = Vec::new();
        if let Some(version) = reading.version {
            match self.slot(target, version, SlotRole::Version) {
                Ok(slot) => slots.push(slot),
                Err(reason) => skipped = Some(reason),
            }
        }
        self.found.push(Found {
            format,
            image: reading.image,
            written: reading.written,
            value: reading.value,
            slots,
            at: self.tree.span(target).start,
            named: Named::default(),
            uses: Vec::new(),
            marker: None,
            skipped,
            nodes: vec![node],
            names: Vec::new(),
        });
    }

    /// Takes a reference whose parts stand in several keys; `at` is where to point when it has neither tag nor digest.
    pub(crate) fn parts(&mut self, parts: &Parts, at: NodeId, format: Format) {
        let mut found = Found {
            format,
            image: None,
            written: parts.name.as_ref().or(parts.label.as_ref()).map(|name| shorten(name)).unwrap_or_default(),
            value: Value::default(),
            slots: Vec::new(),
            at: self.tree.span(at).start,
            named: Named::default(),
            uses: Vec::new(),
            marker: None,
            skipped: None,
            nodes: Vec::new(),
            names: parts.names.iter().copied().chain([at]).collect(),
        };
        if let Some(node) = parts.tag {
            found.nodes.push(node);
            if let Err(reason) = self.take_tag(node, &mut found) {
                found.skipped = Some(reason);
            }
        }
        if let Some(node) = parts.chart_version {
            found.nodes.push(node);
            if let Err(reason) = self.take_chart_version(node, &mut found) {
                found.skipped = Some(reason);
            }
        }
        if let Some(node) = parts.digest {
            found.nodes.push(node);
            if let Err(reason) = self.take_digest(node, &mut found) {
                found.skipped.get_or_insert(reason);
            }
        }
        match parts.name.as_deref().map(reference::read) {
            None => drop(found.skipped.get_or_insert(SkipReason::NoName)),
            Some(Reading { image: Some(image), value: Value { tag: None, digest: None }, written, .. }) => {
                found.image = Some(image);
                found.written = written;
            }
            Some(Reading { image: Some(image), written, .. }) => {
                found.image = Some(image);
                found.written = written;
                let reason = "a second tag or digest stands beside the one in the name".to_owned();
                found.skipped.get_or_insert(SkipReason::Unsupported(reason));
            }
            Some(Reading { skipped, .. }) => {
                found.skipped = found.skipped.or(skipped);
            }
        }
        if found.written.is_empty() && found.value == Value::default() {
            // A row says at least what stands there.
            let told = [parts.tag, parts.chart_version, parts.digest].into_iter().flatten();
            found.written = told.filter_map(|node| self.tree.filled(node)).next().map(shorten).unwrap_or_default();
        }
        if found.skipped.is_none() {
            found.skipped = match (&found.value.tag, &found.value.digest) {
                (None, None) => Some(SkipReason::NoTag),
                (None, Some(_)) => Some(SkipReason::DigestOnly),
                (Some(_), _) => None,
            };
        }
        if let Some(reason) = &parts.skipped {
            found.skipped = Some(reason.clone());
        }
        self.found.push(found);
    }

    fn take_chart_version(&self, node: NodeId, found: &mut Found) -> Result<(), SkipReason> {
        let Some(text) = self.tree.filled(node) else { return Ok(()) };
        let target = self.tree.resolve(node);
        let text = self.trimmed(target, text);
        found.value = reference::read_chart_version(text)?;
        // Who writes the tag of a version gets a tag again.
        let role = if text.contains('_') { SlotRole::Tag } else { SlotRole::ChartVersion };
        found.slots.push(self.slot(target, 0..text.len(), role)?);
        Ok(())
    }

    fn take_tag(&self, node: NodeId, found: &mut Found) -> Result<(), SkipReason> {
        let Some(text) = self.tree.filled(node) else { return Ok(()) };
        let target = self.tree.resolve(node);
        let text = self.trimmed(target, text);
        let value = reference::read_version(text)?;
        let role = if value.digest.is_some() { SlotRole::Version } else { SlotRole::Tag };
        // `tag: "@sha256:…"` leaves the `@` alone.
        let start = text.len() - text.trim_start_matches('@').len();
        let slot = self.slot(target, start..text.len(), role)?;
        found.value = value;
        found.slots.push(slot);
        Ok(())
    }

    fn take_digest(&self, node: NodeId, found: &mut Found) -> Result<(), SkipReason> {
        let Some(text) = self.tree.filled(node) else { return Ok(()) };
        let target = self.tree.resolve(node);
        let text = self.trimmed(target, text);
        let digest = reference::read_digest(text)?;
        if found.value.digest.is_some() {
            return Err(SkipReason::Unsupported("a digest stands beside the tag and in a key of its own".to_owned()));
        }
        let slot = self.slot(target, 0..text.len(), SlotRole::Digest)?;
        found.value.digest = Some(digest);
        found.slots.push(slot);
        Ok(())
    }

    /// Returns a scalar's text without what a block scalar ends with.
    fn trimmed<'x>(&self, node: NodeId, text: &'x str) -> &'x str {
        match self.tree.style(node) {
            Some(ScalarStyle::Literal | ScalarStyle::Folded) => text.trim_end_matches(['\n', '\r', ' ']),
            _ => text,
        }
    }

    /// Finds the bytes of a part that ends a scalar's value.
    ///
    /// The part must stand in the file as it is: behind an escape or across lines there is nothing to splice.
    fn slot(&self, node: NodeId, part: Range<usize>, role: SlotRole) -> Result<Slot, SkipReason> {
        let unsupported = |reason: &str| Err(SkipReason::Unsupported(reason.to_owned()));
        let (Some(style), Some(value)) = (self.tree.style(node), self.tree.text(node)) else {
            return unsupported("the value is no scalar");
        };
        let value = self.trimmed(node, value);
        let token = self.tree.span(node);
        let Some(raw) = self.text.get(token.clone()) else {
            return unsupported("the place of the value is unclear");
        };
        let inner = match style {
            ScalarStyle::Plain | ScalarStyle::Raw => 0..raw.len(),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted if raw.len() >= 2 => 1..raw.len() - 1,
            ScalarStyle::Literal | ScalarStyle::Folded => 0..raw.trim_end().len(),
            _ => return unsupported("the place of the value is unclear"),
        };
        let body = &raw[inner.clone()];
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let literal = if is_block {
            let line = body.rsplit(['\n', '\r']).next().unwrap_or(body);
            line.trim_start_matches(' ') == value
        } else {
            body == value || (part.start > 0 && body.ends_with(&value[part.start - 1..]))
        };
        if !literal {
            return unsupported("the tag does not stand in the file as it is: an escape or a line break is in the way");
        }
        let end = token.start + inner.end;
        Ok(Slot { role, span: end - part.len()..end, token, style })
    }

    /// Says of what the last call found why it is not followed, where nothing else says so.
    pub(crate) fn refuse_since(&mut self, count: usize, reason: &SkipReason) {
        for found in self.found.iter_mut().skip(count) {
            found.skipped.get_or_insert_with(|| reason.clone());
        }
    }

    /// Returns the node that an alias stands for, once: whatever else uses it is told by its uses.
    ///
    /// Without that, thousands of aliases of one large map would be thousands of walks over it.
    pub(crate) fn enter(&mut self, node: NodeId) -> Option<NodeId> {
        let target = self.tree.resolve(node);
        (target == node || self.entered.insert(target)).then_some(target)
    }

    /// Returns the nodes that what was found so far stands in.
    pub(crate) fn known(&self) -> HashSet<NodeId> {
        let nodes = self.found.iter().flat_map(|find| find.nodes.iter().chain(&find.names));
        nodes.map(|node| self.tree.resolve(*node)).collect()
    }

    /// Returns how many finds there are, not yet united.
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    /// Returns everything found, with aliases and duplicate keys judged.
    pub(crate) fn finish(mut self) -> Vec<Found> {
        let mut found = std::mem::take(&mut self.found);
        for find in &mut found {
            let way = find.nodes.iter().chain(&find.names).copied();
            if let Some(key) = way.into_iter().find_map(|node| self.duplicate_on_the_way(node)) {
                find.skipped = Some(SkipReason::DuplicateKey(shorten(&key)));
            }
        }
        self.note_uses(&mut found);
        unite(found)
    }

    /// Returns a key that stands twice in a mapping on the way from the root.
    fn duplicate_on_the_way(&mut self, node: NodeId) -> Option<String> {
        let mut at = node;
        loop {
            let parent = self.tree.parent(at)?;
            if let Some(key) = self.tree.key(at) {
                let tree = self.tree;
                let twice = self.duplicates.entry(parent).or_insert_with(|| duplicates(tree, parent));
                if twice.iter().any(|other| other == key) {
                    return Some(key.to_owned());
                }
            }
            at = parent;
        }
    }

    /// Notes every alias that stands for a slot's scalar or for something around it.
    fn note_uses(&self, found: &mut [Found]) {
        let mut by_target: HashMap<NodeId, Vec<usize>> = HashMap::new();
        for (alias, target) in self.tree.aliases() {
            by_target.entry(target).or_default().push(self.tree.span(alias).start);
        }
        if by_target.is_empty() {
            return;
        }
        let mut together = 0;
        for find in found {
            for node in &find.nodes {
                let mut at = Some(self.tree.resolve(*node));
                while let Some(id) = at {
                    if self.tree.is_anchored(id) {
                        find.uses.extend(by_target.get(&id).into_iter().flatten().take(MAX_USES + 1));
                    }
                    at = self.tree.parent(id).filter(|_| find.uses.len() <= MAX_USES);
                }
            }
            find.uses.sort_unstable();
            find.uses.dedup();
            if find.uses.len() > MAX_USES {
                find.uses.truncate(MAX_USES);
                find.skipped = Some(SkipReason::Alias(format!("it is used in more than {MAX_USES} places")));
            }
            together += find.uses.len();
            if together > MAX_USES_TOGETHER && !find.uses.is_empty() {
                find.uses.clear();
                find.skipped = Some(SkipReason::Alias("the document uses too many aliases".to_owned()));
            }
        }
    }
}

/// Returns the keys that stand more than once in a mapping.
fn duplicates(tree: &Tree<'_>, mapping: NodeId) -> Vec<String> {
    let mut keys: Vec<&str> = tree.entries(mapping).filter_map(|(key, _)| tree.text(key)).collect();
    keys.sort_unstable();
    let mut twice: Vec<String> =
        keys.windows(2).filter(|pair| pair[0] == pair[1] && pair[0] != "<<").map(|pair| pair[0].to_owned()).collect();
    twice.dedup();
    twice
}

/// Unites finds of the same bytes; where they mean different images, none of them is followed.
pub(crate) fn unite(found: Vec<Found>) -> Vec<Found> {
    let mut by_span: HashMap<Span, usize> = HashMap::new();
    let mut kept: Vec<Found> = Vec::new();
    for mut find in found {
        let earlier = find.slots.iter().find_map(|slot| by_span.get(&slot.span).copied());
        if let Some(index) = earlier {
            let first = &mut kept[index];
            first.uses.append(&mut find.uses);
            first.uses.sort_unstable();
            first.uses.dedup();
            if first.image == find.image && first.slots == find.slots {
                // What the configuration names is in doubt no longer.
                if find.format == Format::Configured && matches!(first.skipped, Some(SkipReason::Unmarked(_))) {
                    first.skipped = None;
                }
                first.skipped = first.skipped.take().or(find.skipped);
                continue;
            }
            let name = |find: &Found| find.image.as_ref().map_or("another image".to_owned(), ToString::to_string);
            let reason = SkipReason::Alias(format!("the same text stands for {} and {}", name(first), name(&find)));
            find.uses.clone_from(&first.uses);
            find.skipped = Some(reason.clone());
            first.skipped = Some(reason);
        }
        for slot in &find.slots {
            by_span.entry(slot.span.clone()).or_insert(kept.len());
        }
        kept.push(find);
    }
    kept
}
