//! Lists of names with reasons, where many share a reason; numbers with their nouns.

use std::collections::BTreeMap;
use std::io;

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
    let mut order: Vec<(String, Vec<&str>)> = Vec::new();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (name, reason) in rows {
        let position = *known.entry(reason).or_insert_with_key(|reason| {
            order.push((reason.clone(), Vec::new()));
            order.len() - 1
        });
        order[position].1.push(name);
    }
    for (reason, names) in order {
        if names.len() <= NAMED {
            for name in names {
                named(page, tone, name, &reason)?;
            }
            continue;
        }
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

/// Writes a name and its reason, wrapped.
pub(super) fn named(page: &mut Page<'_>, tone: Tone, name: &str, reason: &str) -> io::Result<()> {
    page.prose(2, 4, &[(tone, &format!("{name}:")), (Tone::Plain, reason)])
}

/// Returns an image's name as people write it, without the host and folder that are meant anyway.
pub(super) fn familiar(image: &str) -> &str {
    let short = image.strip_prefix("docker.io/").unwrap_or(image);
    short.strip_prefix("library/").filter(|_| short.len() < image.len()).unwrap_or(short)
}
