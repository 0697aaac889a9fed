//! Digests where none stands: a line after the tag's, the one place where a line is ever inserted.
//!
//! Where tag and digest have keys of their own (`newTag` of Kustomize, `tag` of Helm values and of an
//! `OCIRepository`), the new line takes the indentation and the line end of the tag's. Everything else is refused.

use crate::edit::Order;
use crate::edit::splice::{Kind, Splice, target};
use crate::manifest::yaml::tree::{NodeId, Role, Tree};
use crate::manifest::yaml::{Detail, build, split};
use crate::manifest::{Limits, Surroundings, is_surely_yaml};
use crate::model::file::{RepoPath, Span};
use crate::model::image::Digest;
use crate::model::site::{Format, ScalarStyle, SlotRole};

/// Adds digests to one file; parses a chunk of it only once while orders come in its order.
pub(super) struct Pins<'a> {
    path: &'a RepoPath,
    text: &'a str,
    limits: &'a Limits,
    surroundings: &'a Surroundings,
    /// Whether the file is no template, once that was asked.
    is_yaml: Option<bool>,
    chunks: Option<Vec<Span>>,
    parsed: Option<(usize, Tree<'a>)>,
}

impl<'a> Pins<'a> {
    /// Starts with nothing parsed.
    pub(super) fn new(path: &'a RepoPath, text: &'a str, limits: &'a Limits, surroundings: &'a Surroundings) -> Self {
        Self { path, text, limits, surroundings, is_yaml: None, chunks: None, parsed: None }
    }

    /// Returns the splice that adds the order's digest.
    ///
    /// # Errors
    ///
    /// The reason why there is no place for one.
    pub(super) fn digest(&mut self, order: &Order<'_>) -> Result<Splice, String> {
        let refuse = |reason: &str| Err(format!("a digest cannot be added: {reason}"));
        let Some(digest) = target(order).digest else { return refuse("none is known") };
        let Some(slot) = order.site.slots.first().filter(|slot| slot.role == SlotRole::Tag) else {
            return refuse("a chart's version has none beside it");
        };
        if order.site.format == Format::Marked {
            return refuse("its marker stands beside a tag alone");
        }
        let is_yaml = || is_surely_yaml(self.path, self.text, self.surroundings, self.limits);
        if !*self.is_yaml.get_or_insert_with(is_yaml) {
            return refuse("the file is a template or no YAML");
        }
        if !order.site.uses.is_empty() {
            return refuse("the tag is used in several places through an alias");
        }
        let text = self.text;
        let tree = self.tree(slot.span.start)?;
        let node = tree.scalar_at(slot.span.start).filter(|node| tree.span(*node) == slot.token);
        let Some((node, key, map)) = node.and_then(|node| match tree.role(node) {
            Role::Value(key) => Some((node, key, tree.parent(node)?)),
            _ => None,
        }) else {
            return refuse("the tag stands in YAML within another scalar");
        };
        if !matches!(tree.text(key), Some("tag" | "newTag")) || tree.own(map, "hub").is_some() {
            return refuse("no key for one is known beside this one");
        }
        if let Some((name, present)) = ["digest", "sha"].iter().find_map(|name| Some((*name, tree.own(map, name)?))) {
            return fill(tree, present, name, &digest).ok_or_else(|| {
                format!(
                    "a digest cannot be added: `{name}` is there with nothing to write into: make it `{name}: \"\"`"
                )
            });
        }
        if text[tree.span(map)].starts_with('{') {
            return refuse("the map is written in braces on one line");
        }
        line(text, &tree.span(key), &tree.span(node), &digest)
            .ok_or_else(|| "a digest cannot be added: the tag's line holds something else, too".to_owned())
    }

    /// Returns the tree of the chunk around an offset.
    fn tree(&mut self, offset: usize) -> Result<&Tree<'a>, String> {
        let changed = || "the file has changed since it was scanned".to_owned();
        let text = self.text;
        let chunks = self.chunks.get_or_insert_with(|| split::chunks(text));
        let at = chunks.partition_point(|chunk| chunk.end <= offset);
        let known = self.parsed.take().filter(|(chunk, _)| *chunk == at);
        let parsed = match known {
            Some(parsed) => parsed,
            None => {
                let chunk = chunks.get(at).ok_or_else(changed)?;
                let tree = build::parse(text, chunk, self.limits, Detail::Nodes).map_err(|_fault| changed())?;
                (at, tree)
            }
        };
        Ok(&self.parsed.insert(parsed).1)
    }
}

/// Writes into an empty value: `digest: ""`, `digest: null`.
fn fill(tree: &Tree<'_>, node: NodeId, name: &str, digest: &Digest) -> Option<Splice> {
    let (style, text, token) = (tree.style(node)?, tree.text(node)?, tree.span(node));
    let span = match style {
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted if token.len() == 2 => token.start + 1..token.start + 1,
        ScalarStyle::Plain if tree.filled(node).is_none() && !text.is_empty() && !token.is_empty() => token.clone(),
        _ => return None,
    };
    // `sha` holds the digits alone.
    let value = match digest.as_str().split_once(':') {
        Some((_, digits)) if name == "sha" => digits.to_owned(),
        _ => digest.as_str().to_owned(),
    };
    Some(Splice { span, token, style, written: value.clone(), value, kind: Kind::Fill })
}

/// Makes the line after the tag's: nothing but a comment may follow the tag, nothing but dashes stand before its key.
fn line(text: &str, key: &Span, value: &Span, digest: &Digest) -> Option<Splice> {
    let line_start = text[..key.start].rfind(['\n', '\r']).map_or(0, |end| end + 1);
    let lead = text[line_start..key.start].trim_start_matches('\u{feff}');
    let body = text.get(key.start..value.end)?;
    if !lead.bytes().all(|byte| matches!(byte, b' ' | b'-')) || body.contains(['\n', '\r']) {
        return None;
    }
    let rest = &text[value.end..];
    let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
    let after = rest[..length].trim_start_matches([' ', '\t']);
    if !after.is_empty() && !after.starts_with('#') {
        return None;
    }
    let indent = " ".repeat(lead.len());
    let (end, tail) = (value.end + length, &rest[length..]);
    let line_break = ["\r\n", "\n", "\r"].into_iter().find(|line_break| tail.starts_with(line_break));
    let value = digest.as_str().to_owned();
    let (at, written) = match line_break {
        Some(line_break) => (end + line_break.len(), format!("{indent}digest: {value}{line_break}")),
        // The last line has no end; the line before it tells which one the file uses.
        None => {
            let line_break = if text[..line_start].ends_with("\r\n") { "\r\n" } else { "\n" };
            (end, format!("{line_break}{indent}digest: {value}"))
        }
    };
    Some(Splice { span: at..at, token: at..at, style: ScalarStyle::Plain, value, written, kind: Kind::Line })
}
