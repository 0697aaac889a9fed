//! Better versions that do not come, with the reason: they wait, or something is wrong with them.
//!
//! Entry point: [`write`].

use std::io;

use crate::model::environment::EnvironmentName;
use crate::model::image::ImageName;
use crate::model::kept_back::KeptBack;
use crate::report::text::ink::Tone;
use crate::report::text::lists::{count, familiar, reasons};
use crate::report::text::page::Page;

/// How many reasons are told apart unless all are asked for: each young tag has a moment of its own.
const REASONS: usize = 6;

/// Writes a line for each version, or one for many of one reason.
pub(super) fn write<'a>(
    page: &mut Page<'_>,
    all: impl Iterator<Item = (&'a EnvironmentName, &'a ImageName, &'a KeptBack)>,
    has_several: bool,
) -> io::Result<()> {
    // What is alike in several environments is told together.
    let mut rows: Vec<(String, String, Vec<&str>)> = Vec::new();
    for (environment, image, kept) in all {
        let (what, reason) = (format!("{} of {}", kept.tag, familiar(image.as_str())), kept.reason.to_string());
        match rows.iter_mut().find(|(known, why, _)| *known == what && *why == reason) {
            Some((.., environments)) if environments.contains(&environment.as_str()) => {}
            Some((.., environments)) => environments.push(environment.as_str()),
            None => rows.push((what, reason, vec![environment.as_str()])),
        }
    }
    if rows.is_empty() || page.view.is_quiet() {
        return Ok(());
    }
    page.title("Kept back")?;
    let mut told: Vec<String> = Vec::new();
    for (_, reason, _) in &rows {
        if !told.contains(reason) && (told.len() < REASONS || page.view.is_verbose()) {
            told.push(reason.clone());
        }
    }
    let number = rows.len();
    rows.retain(|(_, reason, _)| told.contains(reason));
    let left_out = number - rows.len();
    let rows: Vec<(String, String)> = rows
        .into_iter()
        .map(|(what, reason, environments)| {
            (if has_several { format!("{what} in {}", environments.join(", ")) } else { what }, reason)
        })
        .collect();
    reasons(page, "version", Tone::Wait, rows.iter().map(|(what, reason)| (what.as_str(), reason.clone())))?;
    if left_out > 0 {
        let more = format!("{} for reasons like these; `-v` shows all", count(left_out, "more version"));
        page.prose(2, 4, &[(Tone::Plain, &more)])?;
    }
    Ok(())
}
