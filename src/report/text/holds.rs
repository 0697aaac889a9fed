//! What is held: a row for each entry, and what an order changed.

use std::io;

use crate::model::hold::Hold;
use crate::model::outcome::Outcome;
use crate::model::proposal::{Action, Proposal};
use crate::report::View;
use crate::report::text::ink::{Cut, Tone};
use crate::report::text::lists::{count, familiar};
use crate::report::text::outcome::commits;
use crate::report::text::page::Page;
use crate::report::text::table::{self, Cell, Column};

/// Writes what `hold` or `release` did, and every hold that stands now.
///
/// # Errors
///
/// Where the writer fails.
pub fn holds(outcome: &Outcome, view: &View, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(view, out);
    let held = outcome.holds.as_deref().unwrap_or_default();
    table_of(&mut page, held)?;
    commits(&mut page, outcome)?;
    if let Some(proposal) = outcome.proposals.first() {
        return proposed(page, proposal);
    }
    page.gap()?;
    let done = match outcome.commits.len() {
        0 => "Nothing to change".to_owned(),
        pushed => format!("Pushed {}", count(pushed, "commit")),
    };
    let summary = match held.len() {
        0 => format!("{done}: nothing is held."),
        1 => format!("{done}: one version is held."),
        several => format!("{done}: {several} versions are held."),
    };
    page.prose(0, 0, &[(Tone::Strong, &summary)])?;
    page.finish()
}

/// Says what stands where the base took no direct push, and what is to be done with it.
fn proposed(mut page: Page<'_>, proposal: &Proposal) -> io::Result<()> {
    let place = match (&proposal.url, &proposal.branch) {
        (Some(url), _) => format!("the pull request {url}"),
        (None, Some(branch)) => format!("the branch {branch}"),
        (None, None) => "the pull request".to_owned(),
    };
    let deed = match proposal.action {
        Action::Closed => "Closed",
        Action::Unchanged => "It stands already, in",
        Action::Updated => "The branch takes no direct push: updated",
        _ if proposal.url.is_none() => "The base takes no direct push: pushed",
        _ => "The branch takes no direct push: opened",
    };
    page.gap()?;
    page.prose(0, 0, &[(Tone::Strong, &format!("{deed} {place}."))])?;
    if let Some(reason) = &proposal.reason {
        let mut letters = reason.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        page.prose(0, 0, &[(Tone::Plain, &format!("{first}{}.", letters.as_str()))])?;
    }
    page.finish()
}

/// Writes the holds as a table; nothing where there are none.
pub(super) fn table_of(page: &mut Page<'_>, holds: &[Hold]) -> io::Result<()> {
    let columns = [
        Column::kept("held", Cut::Middle),
        Column::kept("tag", Cut::Middle),
        Column::kept("environment", Cut::Middle),
        Column::kept("until", Cut::End),
        Column::new("by", Cut::End),
        Column::new("reason", Cut::End),
    ];
    let row = |hold: &Hold| {
        let until = hold.until.map_or_else(|| "released".to_owned(), |until| until.to_string());
        vec![
            Cell::toned(Tone::Strong, familiar(hold.image.as_str())),
            Cell::toned(Tone::Wait, hold.tag.as_str()),
            Cell::new(hold.environment.as_ref().map_or("every", |name| name.as_str())),
            Cell::toned(Tone::Quiet, &until),
            Cell::new(hold.by.as_deref().unwrap_or("")),
            Cell::new(hold.reason.as_deref().unwrap_or("")),
        ]
    };
    let rows: Vec<Vec<Cell>> = holds.iter().map(row).collect();
    table::write(page, 0, &columns, &rows)
}
