//! Markers: `# tagboat: semver=1.x` on the line of a reference or alone on the line above.
//!
//! What a marker says is [`crate::policy::inline`]'s business. A marker makes its line a reference in any file:
//! where no format explains the line, it is read by itself. Flux's `{"$imagepolicy": …}` is a marker of YAML files;
//! what it names is looked up by [`crate::manifest::foreign`].

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::manifest::doubtful;
use crate::manifest::finder::Found;
use crate::manifest::foreign::flux;
use crate::manifest::reference::{self, Reading};
use crate::manifest::yaml::tree::{Comment, Tree};
use crate::model::file::Span;
use crate::model::image::{ImageName, shorten};
use crate::model::site::{Format, MarkedPart, Marker, ScalarStyle, SkipReason, Slot, SlotRole, Value};
use crate::policy::inline::{self, Said};

/// The word that a marker begins with.
pub(crate) const WORD: &str = "tagboat:";

/// What may stand before the word in a comment, in any language.
const LEADERS: [&str; 6] = ["#", "//", "/*", "<!--", "--", ";"];

/// What may close such a comment.
const CLOSERS: [&str; 4] = ["*/}}", "*/ -}}", "*/", "-->"];

/// How many lines without a marker are listed of one template.
const MAX_UNMARKED: usize = 1000;

/// Why they are not followed.
const TEMPLATE_LINE: &str = "in a template only lines with a marker are changed";

/// What ends a word beside white space.
const CUTS: &str = "\"'`,;=()[]{}<>";

/// Whether a text may hold a marker.
pub(crate) fn stands_in(text: &str) -> bool {
    [WORD, flux::MARKER].iter().any(|word| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some())
}

/// A marker and the line that it speaks about.
struct Marked {
    marker: Option<Marker>,
    /// The image whose tag stands there, where the marker names it.
    image: Option<ImageName>,
    line: Span,
}

/// Gives finds their markers; a marked line on which nothing was found is read by itself.
///
/// `tree` is what was parsed, where something was: it tells what a marked line alone holds.
pub(crate) fn attach(text: &str, chunk: &Span, comments: &[Comment], tree: Option<&Tree<'_>>, finds: &mut Vec<Found>) {
    for marked in give(text, chunk, comments, finds) {
        let says_nothing = match &marked.marker {
            Some(Marker::Ignore) => true,
            // Names are never changed, so that there is nothing to follow on a line that holds one alone.
            Some(Marker::Named(reference)) => reference.part == MarkedPart::Name,
            Some(Marker::Policy(_) | Marker::Faulty(_)) | None => false,
        };
        if !says_nothing {
            finds.push(read_line(text, marked, tree));
        }
    }
    if let Some(tree) = tree {
        join_digests(tree, finds);
    }
}

/// Puts a digest that a marker `:digest` stands beside to the tag of the same object that a marker `:tag` of the same
/// policy stands beside, so that both move together.
fn join_digests(tree: &Tree<'_>, finds: &mut Vec<Found>) {
    let part = |find: &Found, wanted: MarkedPart| match &find.marker {
        Some(Marker::Named(reference)) if reference.part == wanted => {
            Some((reference.namespace.clone(), reference.name.clone()))
        }
        _ => None,
    };
    let root = |at: usize| tree.roots().partition_point(|root| tree.span(*root).start <= at);
    let mut tags: HashMap<(usize, (String, String)), BTreeMap<usize, usize>> = HashMap::new();
    for (index, find) in finds.iter().enumerate() {
        let has_tag = find.slots.len() == 1 && find.slots[0].role == SlotRole::Tag && find.value.digest.is_none();
        if let Some(name) = part(find, MarkedPart::Tag).filter(|_| has_tag) {
            tags.entry((root(find.offset()), name)).or_default().insert(find.offset(), index);
        }
    }
    if tags.is_empty() {
        return;
    }
    let mut joined = vec![false; finds.len()];
    for index in 0..finds.len() {
        let is_alone = finds[index].value.tag.is_none() && finds[index].slots.len() == 1;
        let Some(name) = part(&finds[index], MarkedPart::Digest).filter(|_| is_alone) else { continue };
        let at = finds[index].offset();
        let Some(of_it) = tags.get_mut(&(root(at), name)) else { continue };
        // The nearest tag that has no digest yet; in most objects there is one alone.
        let around = [of_it.range(..at).next_back(), of_it.range(at..).next()];
        let nearest = around.into_iter().flatten().min_by_key(|(tag, _)| tag.abs_diff(at));
        let Some((place, tag)) = nearest.map(|(place, tag)| (*place, *tag)) else { continue };
        let is_of_another = finds[tag].image.is_some() && finds[index].image.is_some();
        if is_of_another && finds[tag].image != finds[index].image {
            continue;
        }
        of_it.remove(&place);
        let mut slot = finds[index].slots.remove(0);
        slot.role = SlotRole::Digest;
        let digest = finds[index].value.digest.take();
        finds[tag].slots.push(slot);
        finds[tag].value.digest = digest;
        joined[index] = true;
    }
    let mut at = 0..;
    finds.retain(|_| !at.next().is_some_and(|at: usize| joined[at]));
}

/// Gives finds their markers, and leaves alone what else is marked.
pub(crate) fn note(text: &str, finds: &mut [Found]) {
    give(text, &(0..text.len()), &comments(text), finds);
}

/// Gives finds their markers; returns those that stand beside no find.
fn give(text: &str, chunk: &Span, comments: &[Comment], finds: &mut [Found]) -> Vec<Marked> {
    let mut alone = Vec::new();
    let mut places: Vec<(usize, usize)> = finds
        .iter()
        .enumerate()
        .flat_map(|(index, find)| {
            find.slots.iter().map(|slot| slot.span.start).chain([find.at]).map(move |at| (at, index))
        })
        .collect();
    places.sort_unstable();
    for comment in comments {
        let Some(marked) = read(text, comment.span.clone(), chunk) else { continue };
        let first = places.partition_point(|(at, _)| *at < marked.line.start);
        let here: Vec<usize> =
            places[first..].iter().take_while(|(at, _)| *at < marked.line.end).map(|(_, index)| *index).collect();
        // Of several references on the line those of the image that the marker names are meant.
        let is_of_it = |index: &usize| marked.image.is_some() && finds[*index].image == marked.image;
        let of_it: Vec<usize> = here.iter().copied().filter(is_of_it).collect();
        for index in if of_it.is_empty() { &here } else { &of_it } {
            let find = &mut finds[*index];
            let marker = match &marked.image {
                Some(image) => {
                    name(find, image).map_or_else(|reason| Some(Marker::Faulty(reason)), |()| marked.marker.clone())
                }
                None => marked.marker.clone(),
            };
            let follows = matches!(marker, Some(Marker::Policy(_) | Marker::Named(_)) | None);
            if let Some(marker) = &marker {
                let earlier = find.marker.take();
                find.marker = Some(both(earlier, marker));
            }
            if follows && matches!(find.skipped, Some(SkipReason::Unmarked(_))) {
                find.skipped = find.value.tag.is_none().then_some(SkipReason::DigestOnly);
            }
        }
        if here.is_empty() {
            alone.push(marked);
        }
    }
    alone
}

/// Gives a find the image that its marker names: where the file itself does not say whose tag it is.
fn name(find: &mut Found, image: &ImageName) -> Result<(), String> {
    match &find.image {
        Some(own) if own == image => return Ok(()),
        Some(own) => return Err(format!("it names {image}, and what stands there is of {own}")),
        None => {}
    }
    let is_of_the_name = matches!(
        find.skipped,
        Some(SkipReason::NoName | SkipReason::Variable(_) | SkipReason::Template | SkipReason::NotAReference(_))
    );
    if !find.slots.is_empty() && is_of_the_name {
        find.image = Some(image.clone());
        find.written = image.to_string();
        find.skipped = find.value.tag.is_none().then_some(SkipReason::DigestOnly);
    }
    Ok(())
}

/// Returns what two markers beside one reference say together: tag and digest may each name the same policy.
fn both(earlier: Option<Marker>, marker: &Marker) -> Marker {
    match (earlier, marker) {
        (Some(Marker::Named(one)), Marker::Named(other))
            if (&one.namespace, &one.name) != (&other.namespace, &other.name) =>
        {
            Marker::Faulty(format!("it names both {} and {}", shorten(&one.to_string()), shorten(&other.to_string())))
        }
        (Some(Marker::Named(one)), Marker::Named(other)) if other.part != MarkedPart::Tag => Marker::Named(one),
        // Tagboat's own marker goes before another tool's.
        (Some(own @ (Marker::Ignore | Marker::Policy(_) | Marker::Faulty(_))), Marker::Named(_)) => own,
        (_, marker) => marker.clone(),
    }
}

/// Reads the lines with Flux's markers of a text that is not parsed: a template of YAML.
pub(crate) fn flux_lines(text: &str) -> Vec<Found> {
    let whole = 0..text.len();
    let mut found = Vec::new();
    for at in memchr::memmem::find_iter(text.as_bytes(), flux::MARKER.as_bytes()) {
        let line = line_around(text, at);
        let before = text[line.start..at].trim_end_matches(['"', '{', ' ', '\t']);
        if !before.ends_with('#') {
            continue;
        }
        let is_name = |marker: &Option<Marker>| matches!(marker, Some(Marker::Named(reference)) if reference.part == MarkedPart::Name);
        if let Some(marked) = read(text, line.start + before.len() - 1..line.end, &whole)
            && !is_name(&marked.marker)
        {
            found.push(read_line(text, marked, None));
        }
    }
    found
}

/// Lists the lines of a template that hold a reference and no marker: what an `image` key names, and what is a whole
/// reference by its looks.
pub(crate) fn unmarked_lines(text: &str, marked: &[Found]) -> Vec<Found> {
    let mut known: HashSet<usize> = marked.iter().map(|find| line_around(text, find.at).start).collect();
    known.extend(marked.iter().flat_map(|find| &find.slots).map(|slot| line_around(text, slot.span.start).start));
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() && found.len() < MAX_UNMARKED {
        let span = line_around(text, at);
        at = next_line(text, span.end).map_or(text.len(), |next| next.start);
        let line = &text[span.clone()];
        let body = line.trim_start_matches([' ', '\t', '-', '\u{feff}']);
        // A name that a marker is beside was read, and a reference that is left alone stays so.
        if known.contains(&span.start)
            || body.starts_with(['#', '/'])
            || line.contains(WORD)
            || line.contains(flux::MARKER)
        {
            continue;
        }
        let Some(value) = referring(body) else { continue };
        let mut reading = reference::read(value);
        reading.skipped = Some(SkipReason::Unsupported(TEMPLATE_LINE.to_owned()));
        found.push(Found::from_line(Format::Marked, span.start + (line.len() - body.len()), reading, None));
    }
    found
}

/// Returns the reference that a line of a template holds.
fn referring(line: &str) -> Option<&str> {
    if let Some((key, value)) = line.split_once(':')
        && doubtful::says_image(key)
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-\"'".contains(&byte))
    {
        let value = value.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        let read = reference::read(value);
        if read.version.is_some() || (value.contains("{{") && value.contains([':', '/'])) {
            return Some(value);
        }
    }
    words(line).map(|word| &line[word]).find(|word| doubtful::is_probably_one(word, false))
}

/// Reads the marked lines of a text that is not parsed.
pub(crate) fn marked_lines(text: &str) -> Vec<Found> {
    let whole = 0..text.len();
    let marked = comments(text).into_iter().filter_map(|comment| read(text, comment.span, &whole));
    marked.map(|marked| read_line(text, marked, None)).collect()
}

/// Finds the comments that may be markers in a text that is not parsed: the word, with something before it that
/// opens a comment in some language, up to the end of the line.
pub(crate) fn comments(text: &str) -> Vec<Comment> {
    let mut found = Vec::new();
    let mut read_to = 0;
    for at in memchr::memmem::find_iter(text.as_bytes(), WORD.as_bytes()) {
        // One marker a line: the first.
        if at < read_to {
            continue;
        }
        let line = line_around(text, at);
        read_to = line.end;
        let before = text[line.start..at].trim_end_matches([' ', '\t']);
        if let Some(leader) = LEADERS.iter().find(|leader| before.ends_with(**leader)) {
            found.push(Comment { span: line.start + before.len() - leader.len()..line.end });
        }
    }
    found
}

/// Reads one comment; `None` where it is no marker.
fn read(text: &str, comment: Span, chunk: &Span) -> Option<Marked> {
    let raw = text.get(comment.clone())?;
    let body = LEADERS.iter().find_map(|leader| raw.strip_prefix(leader))?.trim();
    let Said { marker, image } = match body.strip_prefix(WORD) {
        Some(said) => {
            let said = said.trim();
            inline::read(CLOSERS.iter().find_map(|closer| said.strip_suffix(closer)).unwrap_or(said).trim_end())
        }
        None => Said { marker: Some(flux::marker(body)?), image: None },
    };
    let own = line_around(text, comment.start);
    let opener = text[own.start..comment.start].trim_matches(['{', '-', ' ', '\t', '\u{feff}']);
    let line = if opener.is_empty() {
        let next = next_line(text, own.end)?;
        if next.start >= chunk.end {
            return None;
        }
        next
    } else {
        own.start..comment.start
    };
    Some(Marked { marker, image, line })
}

/// Reads a marked line by itself: exactly one reference must stand on it, or what the marker says stands there.
fn read_line(text: &str, marked: Marked, tree: Option<&Tree<'_>>) -> Found {
    let line = &text[marked.line.clone()];
    let names_a_part = matches!(&marked.marker, Some(Marker::Named(reference)) if reference.part != MarkedPart::Whole);
    if names_a_part {
        return read_part(text, marked, tree);
    }
    let is_meant = |reading: &Reading| marked.image.as_ref().is_none_or(|image| reading.image.as_ref() == Some(image));
    let candidates = words(line).filter_map(|word| {
        let reading = reference::read(&line[word.clone()]);
        reading.version.clone().map(|version| (word.start + version.start..word.start + version.end, reading))
    });
    let mut candidates = candidates.filter(|(_, reading)| is_meant(reading));
    let first = candidates.next();
    // Beside a tag that stands alone the marker names the image; a line may hold the whole reference all the same.
    if first.is_none() && marked.image.is_some() {
        drop(candidates);
        return read_part(text, marked, tree);
    }
    let (reading, slot) = match (first, candidates.next()) {
        (Some((version, reading)), None) => {
            let span = marked.line.start + version.start..marked.line.start + version.end;
            let slot = Slot { role: SlotRole::Version, span: span.clone(), token: span, style: ScalarStyle::Raw };
            (reading, Some(slot))
        }
        (Some(_), Some(_)) => {
            (unread(line, SkipReason::Unsupported("several references stand on the marked line".to_owned())), None)
        }
        (None, _) => (unread(line, why_none(line)), None),
    };
    let at = marked.line.start + (line.len() - line.trim_start().len());
    let mut found = Found::from_line(Format::Marked, at, reading, slot);
    found.marker = marked.marker;
    found
}

/// Reads a line that holds a tag alone, as its marker says: the last word is the tag.
fn read_part(text: &str, marked: Marked, tree: Option<&Tree<'_>>) -> Found {
    let line = &text[marked.line.clone()];
    let at = marked.line.start + (line.len() - line.trim_start().len());
    let read = last_word(line).map(|word| match is_code(line, &word) {
        true => (Err(SkipReason::Template), word),
        false => (reference::read_version(&line[word.clone()]), word),
    });
    let (reading, slot) = match read {
        Some((Ok(value), word)) => {
            let skipped = if value.tag.is_some() { SkipReason::NoName } else { SkipReason::DigestOnly };
            let span = marked.line.start + word.start..marked.line.start + word.end;
            let reading = Reading {
                image: None,
                written: shorten(&line[word]),
                value: value.clone(),
                version: None,
                skipped: Some(skipped),
            };
            let role = if value.digest.is_some() { SlotRole::Version } else { SlotRole::Tag };
            let (token, style) = token(tree, &span).unwrap_or((span.clone(), ScalarStyle::Raw));
            (reading, Some(Slot { role, span, token, style }))
        }
        Some((Err(reason), _)) => (unread(line, reason), None),
        None => (unread(line, why_none(line)), None),
    };
    let mut found = Found::from_line(Format::Marked, at, reading, slot);
    found.marker = match &marked.image {
        Some(image) => name(&mut found, image).map_or_else(|reason| Some(Marker::Faulty(reason)), |()| marked.marker),
        None => marked.marker,
    };
    found
}

/// Returns the last word of a line. Of a variable it is the default, and behind one what follows the name's `:`.
fn last_word(line: &str) -> Option<Span> {
    let last = all_words(line).last()?;
    if is_literal(line, &last) {
        return Some(last);
    }
    let (before, word, after) = (&line[..last.start], &line[last.clone()], &line[last.end..]);
    if before.ends_with(['}', ')']) && !after.starts_with(['{', '(', '[', '<']) {
        let colon = word.split('@').next()?.rfind(':')?;
        return Some(last.start + colon + 1..last.end);
    }
    let (_, default) = word.split_once(":-")?;
    (before.ends_with("${") && after.starts_with('}')).then(|| last.end - default.len()..last.end)
}

/// Whether a word is a name within an expression of a template, and no text in quotes there.
fn is_code(line: &str, word: &Span) -> bool {
    let before = &line[..word.start];
    let is_within = before.rfind("{{").is_some_and(|open| !before[open..].contains("}}"));
    is_within && !before.ends_with(['"', '\'', '`'])
}

/// Returns the scalar that holds a stretch of text and nothing else, so that an edit knows its quotes.
fn token(tree: Option<&Tree<'_>>, span: &Span) -> Option<(Span, ScalarStyle)> {
    let tree = tree?;
    let node = tree.scalar_at(span.start)?;
    let style = tree.style(node)?;
    let token = tree.span(node);
    let inner = match style {
        ScalarStyle::Plain => token.clone(),
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => token.start + 1..token.end.checked_sub(1)?,
        _ => return None,
    };
    (inner == *span).then_some((token, style))
}

fn unread(line: &str, skipped: SkipReason) -> Reading {
    let written = shorten(line.trim());
    Reading { image: None, written, value: Value::default(), version: None, skipped: Some(skipped) }
}

fn why_none(line: &str) -> SkipReason {
    reference::placeholder(line)
        .unwrap_or_else(|| SkipReason::NotAReference("no reference with a tag stands on the marked line".to_owned()))
}

/// Cuts a line into words at blanks, quotes and brackets; leaves out those that touch a variable or an expression.
fn words(line: &str) -> impl Iterator<Item = Span> {
    all_words(line).filter(|word| is_literal(line, word))
}

fn all_words(line: &str) -> impl Iterator<Item = Span> {
    let is_cut = |c: char| c.is_whitespace() || CUTS.contains(c);
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + line[at..].find(|c| !is_cut(c))?;
        let end = line[start..].find(is_cut).map_or(line.len(), |length| start + length);
        at = end;
        Some(start..end)
    })
}

/// Whether a word stands for itself, and touches neither a variable nor an expression.
fn is_literal(line: &str, word: &Span) -> bool {
    let (before, after) = (&line[..word.start], &line[word.end..]);
    !before.ends_with(['}', ')', ']', '>'])
        && !before.ends_with("${")
        && !before.ends_with("$(")
        && !after.starts_with(['{', '(', '[', '<'])
}

/// Returns the line around an offset, without its end.
fn line_around(text: &str, at: usize) -> Span {
    let bytes = text.as_bytes();
    let start = memchr::memrchr2(b'\n', b'\r', &bytes[..at]).map_or(0, |end| end + 1);
    let end = memchr::memchr2(b'\n', b'\r', &bytes[at..]).map_or(text.len(), |length| at + length);
    start..end
}

/// Returns the line after the one that ends at an offset.
fn next_line(text: &str, end: usize) -> Option<Span> {
    let rest = &text.as_bytes()[end..];
    let skip = match rest {
        [b'\r', b'\n', ..] => 2,
        [_, ..] => 1,
        [] => return None,
    };
    Some(line_around(text, end + skip))
}
