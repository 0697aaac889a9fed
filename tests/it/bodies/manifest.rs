//! Manifests: where references are found, and what an edit does to a file.

use std::ops::Range;

use granit_parser::{Event, Parser};
use tagboat::edit::{Edited, Order, edit_file};
use tagboat::manifest::{self, FileScan, Limits, Surroundings};
use tagboat::model::change::Change;
use tagboat::model::environment::EnvironmentName;
use tagboat::model::file::RepoPath;
use tagboat::model::policy::Pin;
use tagboat::model::site::{Site, SlotRole, Value};

const DIGEST: &str = "sha256:cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd";

/// A tag that plain YAML would read as another number, so that edits come by the code that adds quotes.
const TAG: &str = "1.20";

/// Scans a file whose path is the input's first line.
pub(crate) fn scan_named(input: &[u8]) {
    if let Some((path, bytes)) = named(input) {
        scan(&path, bytes);
    }
}

/// Scans and edits a file whose path is the input's first line.
pub(crate) fn edit_named(input: &[u8]) {
    if let Some((path, bytes)) = named(input) {
        edit(&path, bytes);
    }
}

fn named(input: &[u8]) -> Option<(RepoPath, &[u8])> {
    let (name, bytes) = super::head_and_rest(input)?;
    Some((RepoPath::new(name)?, bytes))
}

/// Scans: what is found lies within the file, in order, between whole characters.
pub(crate) fn scan(file: &RepoPath, bytes: &[u8]) -> FileScan {
    let found = manifest::scan(file, bytes, &Surroundings::default(), &Limits::default());
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(found.sites.is_empty(), "references in what is no text: {:?}", found.sites);
        return found;
    };
    for site in &found.sites {
        assert_eq!(site.file, *file);
        assert!(text.is_char_boundary(site.offset), "{site:?}");
        assert!(!site.slots.is_empty() || site.skipped.is_some(), "nothing to write to, and no reason: {site:?}");
        for slot in &site.slots {
            assert!(slot.token.start <= slot.span.start && slot.span.end <= slot.token.end, "{slot:?}");
            for edge in [slot.token.start, slot.token.end, slot.span.start, slot.span.end] {
                assert!(text.is_char_boundary(edge), "{slot:?}");
            }
            let says_tag = site.skipped.is_none() && slot.role == SlotRole::Tag;
            if let (true, Some(tag)) = (says_tag, &site.value.tag) {
                assert_eq!(&text[slot.span.clone()], tag.as_str(), "{site:?}");
            }
        }
    }
    assert!(found.sites.is_sorted_by_key(|site| site.offset), "{:?}", found.sites);
    found
}

/// Scans and moves every reference, once to another tag and once to a tag with its digest.
pub(crate) fn edit(file: &RepoPath, bytes: &[u8]) {
    let found = scan(file, bytes);
    for (tag, pin) in [(TAG, Pin::AsWritten), ("1.5.0", Pin::Digest)] {
        let to = Value { tag: Some(tag.parse().unwrap()), digest: Some(DIGEST.parse().unwrap()) };
        move_all(file, bytes, &found.sites, &to, pin);
    }
}

fn move_all(file: &RepoPath, bytes: &[u8], sites: &[Site], to: &Value, pin: Pin) {
    let edited = order(file, bytes, sites, to, pin);
    assert_eq!(edited.file.is_some(), !edited.changes.is_empty());
    let Some(edit) = &edited.file else { return };
    assert_eq!(edit.before, bytes);
    assert_eq!(rebuilt(bytes, &edited.changes), edit.after, "the changes do not give the new file");
    let lines_added = edited.changes.iter().filter(|change| change.replaces.is_empty() && change.with.contains('\n'));
    let line_ends = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(line_ends(&edit.after), line_ends(bytes) + lines_added.count());

    let fresh = scan(file, &edit.after).sites;
    assert_eq!(fresh.len(), sites.len(), "other references than before");
    for (before, after) in sites.iter().zip(&fresh) {
        let is_target = |order: &Value| after.value.tag == order.tag || before.value.tag.is_none();
        let is_changed = edited.changes.iter().any(|change| touches(before, change));
        assert_eq!((&before.image, before.format), (&after.image, after.format));
        if is_changed {
            assert!(is_target(to), "{before:?}\n{after:?}");
            assert!(before.value.digest.is_none() || after.value.digest == to.digest, "{before:?}\n{after:?}");
        } else if pin == Pin::AsWritten {
            assert_eq!(before.value, after.value, "nothing there was to change");
        }
        if pin == Pin::AsWritten {
            let starts = |site: &Site| site.slots.iter().map(|slot| slot.token.start).collect::<Vec<_>>();
            let moved: Vec<usize> = starts(before).iter().map(|at| shifted(*at, &edited.changes)).collect();
            assert_eq!(moved, starts(after), "found at another place");
        }
    }
    let again = order(file, &edit.after, &fresh, to, pin);
    assert_eq!(again.file, None, "a second edit changes something");
    if pin == Pin::AsWritten && is_yaml(file) {
        compare_parses(bytes, &edit.after, &edited.changes);
    }
}

fn order(file: &RepoPath, bytes: &[u8], sites: &[Site], to: &Value, pin: Pin) -> Edited {
    let environment = EnvironmentName::from("test");
    let orders: Vec<Order<'_>> = sites
        .iter()
        .filter(|site| site.image.is_some())
        .map(|site| Order { site, to, pin, environment: &environment, group: "group", step: None })
        .collect();
    edit_file(file, bytes, &Surroundings::default(), &Limits::default(), &orders)
}

fn touches(site: &Site, change: &Change) -> bool {
    site.slots.iter().any(|slot| slot.token.start <= change.bytes.start && change.bytes.end <= slot.token.end)
}

/// Where an offset lies after the changes before it.
fn shifted(offset: usize, changes: &[Change]) -> usize {
    let before = changes.iter().filter(|change| change.bytes.end <= offset);
    let (out, into) = before.fold((0, 0), |(out, into), change| (out + change.bytes.len(), into + change.with.len()));
    offset - out + into
}

/// Applies the reported changes to the old bytes.
pub(crate) fn rebuilt(before: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut after = Vec::new();
    let mut at = 0;
    for change in changes {
        assert_eq!(&before[change.bytes.clone()], change.replaces.as_bytes());
        after.extend_from_slice(&before[at..change.bytes.start]);
        after.extend_from_slice(change.with.as_bytes());
        at = change.bytes.end;
    }
    after.extend_from_slice(&before[at..]);
    after
}

fn is_yaml(file: &RepoPath) -> bool {
    file.extension().is_some_and(|extension| matches!(extension, "yaml" | "yml" | "json"))
}

/// A file that parses must parse after its edit, and to the same but for the scalars that hold a change.
fn compare_parses(before: &[u8], after: &[u8], changes: &[Change]) {
    let Some(old) = events(before) else { return };
    let new = events(after).expect("what parsed before parses after the edit");
    assert_eq!(old.len(), new.len(), "another number of nodes");
    for (old, new) in old.iter().zip(&new) {
        let holds = |change: &Change| old.span.start <= change.bytes.start && change.bytes.end <= old.span.end;
        assert_eq!(old.around, new.around);
        if !(old.is_scalar && changes.iter().any(holds)) {
            assert_eq!(old.value, new.value, "a value that was not to change");
        }
    }
}

/// What the parser says of one place.
struct Place {
    span: Range<usize>,
    /// All but a scalar's value and its quotes.
    around: String,
    value: String,
    is_scalar: bool,
}

fn events(bytes: &[u8]) -> Option<Vec<Place>> {
    const MARK: &[u8] = b"\xef\xbb\xbf";
    let base = if bytes.starts_with(MARK) { MARK.len() } else { 0 };
    let text = std::str::from_utf8(&bytes[base..]).ok()?;
    let options = granit_parser::options! { emit_anchor_events: true };
    let mut places = Vec::new();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.ok()?;
        let span = span.byte_range().map_or(0..0, |span| span.start + base..span.end + base);
        let place = match event {
            Event::Scalar(value, style, anchor, tag) => Place {
                span,
                around: format!("scalar {anchor} {tag:?}"),
                value: format!("{style:?} {value}"),
                is_scalar: true,
            },
            other => Place { span, around: format!("{other:?}"), value: String::new(), is_scalar: false },
        };
        places.push(place);
    }
    Some(places)
}
