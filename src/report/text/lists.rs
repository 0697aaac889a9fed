//! Lists of names with reasons, where many share a reason; numbers with their nouns.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::model::file::Position;
use crate::report::text::ink::{Cut, Tone, clean, cut};
use crate::report::text::page::Page;

/// So many names with one reason are named each; more are counted.
const NAMED: usize = 2;

/// Returns a number with its noun, in the plural where there is not one.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Writes names with reasons: a line for each, or `12 files: reason` where many share one and the view does
/// not ask for every name. Reasons stand in the order in which they first come.
pub(super) fn reasons<'a>(
    page: &mut Page<'_>,
    noun: &str,
    tone: Tone,
    rows: impl Iterator<Item = (&'a str, String)>,
) -> io::Result<()> {
    grouped(page, noun, tone, rows, str::to_owned)
}

/// Writes names with reasons as [`reasons`] does; those that differ only in what they quote count as one reason
/// unless every row is asked for.
pub(super) fn alike<'a>(
    page: &mut Page<'_>,
    noun: &str,
    tone: Tone,
    rows: impl Iterator<Item = (&'a str, String)>,
) -> io::Result<()> {
    let kind = if page.view.is_verbose() { str::to_owned } else { kind_of };
    grouped(page, noun, tone, rows, kind)
}

/// Returns a reason without what it quotes, and without the name of a variable.
fn kind_of(reason: &str) -> String {
    const VARIABLE: &str = "holds the variable ";
    if reason.starts_with(VARIABLE) {
        return "holds a variable".to_owned();
    }
    let mut kind = String::with_capacity(reason.len());
    for (index, part) in reason.split('`').enumerate() {
        if index > 0 {
            kind.push('`');
        }
        kind.push_str(match index {
            // A single sign is of the rule, and not of what broke it.
            _ if index % 2 == 1 && part.chars().nth(1).is_some() => "…",
            _ => part,
        });
    }
    kind
}

fn grouped<'a>(
    page: &mut Page<'_>,
    noun: &str,
    tone: Tone,
    rows: impl Iterator<Item = (&'a str, String)>,
    kind: fn(&str) -> String,
) -> io::Result<()> {
    let mut order: Vec<Vec<(&str, String)>> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (name, reason) in rows {
        let position = *known.entry(kind(&reason)).or_insert_with(|| {
            order.push(Vec::new());
            order.len() - 1
        });
        order[position].push((name, reason));
    }
    for rows in order {
        if rows.len() <= NAMED {
            for (name, reason) in rows {
                named(page, tone, name, &reason)?;
            }
            continue;
        }
        let is_one = rows.iter().all(|(_, reason)| *reason == rows[0].1);
        let reason = if is_one { rows[0].1.clone() } else { kind(&rows[0].1) };
        let names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
        let some = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let number = count(names.len(), noun);
        let head = if page.view.is_verbose() { format!("{number}:") } else { format!("{number} ({some}, …):") };
        page.prose(2, 4, &[(tone, &head), (Tone::Plain, &reason)])?;
        if page.view.is_verbose() {
            for name in names {
                let room = page.view.columns() - 4;
                let line = format!("    {}", cut(&clean(name), room, Cut::Middle));
                page.line(&line)?;
            }
        }
    }
    Ok(())
}

/// Returns the lines of places, each once, in their order.
pub(super) fn lines(places: &[Position]) -> String {
    let lines: BTreeSet<usize> = places.iter().map(|at| at.line).collect();
    lines.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

/// Writes a name and its reason, wrapped.
pub(super) fn named(page: &mut Page<'_>, tone: Tone, name: &str, reason: &str) -> io::Result<()> {
    page.prose(2, 4, &[(tone, &format!("{name}:")), (Tone::Plain, reason)])
}

/// Returns an image's name as people write it, without the host and folder that are meant anyway.
pub(super) fn familiar(image: &str) -> &str {
    let short = image.strip_prefix("docker.io/").unwrap_or(image);
    short.strip_prefix("library/").filter(|_| short.len() < image.len()).unwrap_or(short)
}
