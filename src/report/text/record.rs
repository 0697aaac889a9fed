//! The record for people: what happened, what stands where and what comes next, and the delivery figures.

use std::collections::BTreeSet;
use std::io;

use jiff::SignedDuration;

use crate::model::environment::EnvironmentName;
use crate::model::gate::GateState;
use crate::model::image::ImageName;
use crate::model::proposal::Action;
use crate::model::record::{Delivery, Entry, Figures, History, Kind, Running, Spread, Status};
use crate::model::site::Value;
use crate::report::View;
use crate::report::text::holds::table_of;
use crate::report::text::ink::{Cut, Tone};
use crate::report::text::kept_back;
use crate::report::text::lists::{count, familiar, named, reasons};
use crate::report::text::outcome::{Passing, gates, short_value, split};
use crate::report::text::page::Page;
use crate::report::text::table::{self, Cell, Column};

/// From so many columns on, commits are shown.
const WIDE: usize = 110;

/// Writes what happened, newest first.
///
/// # Errors
///
/// Where the writer fails.
pub fn history(history: &History, view: &View, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(view, out);
    let columns = [
        Column::kept("time", Cut::End),
        Column::kept("commit", Cut::End),
        Column::kept("environment", Cut::Middle),
        Column::new("image", Cut::Middle),
        Column::kept("from", Cut::Middle),
        Column::kept("to", Cut::Middle),
        Column::kept("what", Cut::End),
        Column::new("by", Cut::End),
    ];
    let mut rows: Vec<Vec<Cell>> = history.entries.iter().map(row).collect();
    let mut columns = columns.to_vec();
    if is_narrow(view) {
        without(&mut columns, &mut rows, 1);
    }
    table::write(&mut page, 0, &columns, &rows)?;
    let mut told: Vec<(&str, &str)> = Vec::new();
    for entry in &history.entries {
        if let Some(reason) = &entry.reason
            && !told.contains(&(entry.commit.short(), reason))
        {
            told.push((entry.commit.short(), reason));
        }
    }
    if !told.is_empty() {
        page.title("Why")?;
        told.into_iter().try_for_each(|(commit, reason)| named(&mut page, Tone::Wait, commit, reason))?;
    }
    page.gap()?;
    let summary = match history.entries.len() {
        0 => "Nothing happened in that time.".to_owned(),
        1 => "1 entry.".to_owned(),
        several => format!("{several} entries."),
    };
    page.prose(0, 0, &[(Tone::Strong, &summary)])?;
    page.finish()
}

fn row(entry: &Entry) -> Vec<Cell> {
    let value = |value: &Option<Value>| value.as_ref().map(short_value).unwrap_or_default();
    let tone = match entry.kind {
        Kind::Rollback | Kind::Hold => Tone::Wait,
        Kind::Hotfix | Kind::Manual => Tone::Strong,
        Kind::Update | Kind::Promotion | Kind::Release => Tone::Plain,
    };
    // Who ordered it, not whose commit it is: that is Tagboat's.
    let who = entry.by.as_ref().unwrap_or(&entry.author);
    let by = match &entry.pull_request {
        Some(pull_request) => format!("{who} {pull_request}"),
        None => who.clone(),
    };
    vec![
        Cell::toned(Tone::Quiet, &minute(entry.time)),
        Cell::toned(Tone::Quiet, entry.commit.short()),
        Cell::new(entry.environment.as_ref().map_or("every", |name| name.as_str())),
        Cell::toned(Tone::Strong, familiar(entry.image.as_str())),
        Cell::new(&value(&entry.from)),
        Cell::toned(Tone::Good, &value(&entry.to)),
        Cell::toned(tone, entry.kind.as_str()),
        Cell::new(&by),
    ]
}

/// Whether commits have no room beside everything else; JSON, CSV and wider terminals have them.
fn is_narrow(view: &View) -> bool {
    view.columns() < WIDE && !view.is_verbose()
}

/// Leaves out a column.
fn without(columns: &mut Vec<Column>, rows: &mut [Vec<Cell>], position: usize) {
    columns.remove(position);
    for row in rows {
        row.remove(position);
    }
}

fn day(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

fn minute(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// Writes what every environment runs, what comes next and what it waits for.
///
/// # Errors
///
/// Where the writer fails.
pub fn status(status: &Status, view: &View, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(view, out);
    let columns = [
        Column::kept("environment", Cut::Middle),
        Column::new("image", Cut::Middle),
        Column::kept("version", Cut::Middle),
        Column::kept("since", Cut::End),
        Column::kept("commit", Cut::End),
        Column::kept("next", Cut::Middle),
        Column::kept("", Cut::End),
    ];
    let all = || status.environments.iter().flat_map(|(name, rows)| rows.iter().map(move |row| (name, row)));
    let rows: Vec<Vec<Cell>> = all()
        .map(|(name, row)| {
            let (since, commit) = match &row.brought {
                Some((commit, time)) if is_narrow(view) => (day(*time), commit.short().to_owned()),
                Some((commit, time)) => (minute(*time), commit.short().to_owned()),
                None => (status.cut.map(|cut| format!("before {}", day(cut))).unwrap_or_default(), String::new()),
            };
            vec![
                Cell::new(name.as_str()),
                Cell::toned(Tone::Strong, familiar(row.image.as_str())),
                Cell::new(&short_value(&row.value)),
                Cell::toned(Tone::Quiet, &since),
                Cell::toned(Tone::Quiet, &commit),
                Cell::toned(Tone::Good, &row.to.as_ref().map(short_value).unwrap_or_default()),
                Cell::toned(Tone::Wait, word(row)),
            ]
        })
        .collect();
    let mut rows = rows;
    let mut columns = columns.to_vec();
    let parted = parted(status);
    if is_narrow(view) {
        without(&mut columns, &mut rows, 4);
    }
    if !parted.is_empty() {
        columns.insert(2, Column::new("where", Cut::Middle));
        for (cells, (name, row)) in rows.iter_mut().zip(all()) {
            let files = if parted.contains(&(name, &row.image)) { files(row) } else { String::new() };
            cells.insert(2, Cell::new(&files));
        }
    }
    let whose = |name: &EnvironmentName, row: &Running| {
        let image = familiar(row.image.as_str());
        if parted.contains(&(name, &row.image)) {
            format!("{name} {image} ({})", files(row))
        } else {
            format!("{name} {image}")
        }
    };
    // The one that there is need not stand in each row.
    let only = status.environments.first().filter(|_| status.environments.len() == 1).map(|(name, _)| name);
    if only.is_some() {
        without(&mut columns, &mut rows, 0);
    }
    table::write(&mut page, 0, &columns, &rows)?;
    let waiting: Vec<_> = all().filter_map(|(name, row)| Some((name, row, row.next.as_deref()?))).collect();
    let waiting: Vec<_> = waiting.into_iter().filter(|(_, _, next)| waits(next)).collect();
    if !waiting.is_empty() {
        page.title("Waiting")?;
        for (name, row, next) in waiting {
            let to = row.to.as_ref().map(short_value).unwrap_or_default();
            let earliest = next.earliest.map(|time| format!("earliest {}", minute(time)));
            let said = next.reason.iter().cloned().chain(earliest).collect::<Vec<_>>().join("; ");
            // The version stands before it already.
            let said = said.strip_prefix(&format!("{to} is ")).unwrap_or(&said);
            let what = format!("{} {to}", whose(name, row));
            named(&mut page, Tone::Wait, &what, said)?;
            gates(&mut page, &next.gates, Passing::Left)?;
        }
    }
    let watched: Vec<_> = all().filter_map(|(name, row)| Some((name, row, row.watch.as_ref()?))).collect();
    if !watched.is_empty() {
        page.title("Watched")?;
        for (name, row, watch) in watched {
            let tone = if watch.has_failed() { Tone::Bad } else { Tone::Wait };
            let what = format!("{} {}", whose(name, row), short_value(&row.value));
            named(&mut page, tone, &what, &watch.told())?;
        }
    }
    let kept: Vec<_> = all().filter_map(|(name, row)| Some((name, &row.image, row.kept_back.as_ref()?))).collect();
    kept_back::write(&mut page, kept.into_iter(), only.is_none())?;
    // What could not be asked about has its row where it failed.
    let failed: BTreeSet<&str> = status.errors.iter().map(|error| error.what.as_str()).collect();
    for (title, of) in [("Drift", drift as fn(&Running) -> Option<&str>), ("Not to be moved", blocked)] {
        let is_told = |row: &Running| row.blocked.is_some() && failed.contains(row.image.as_str());
        let rows = all().filter(|(_, row)| !is_told(row)).filter_map(|(name, row)| Some((name, row, of(row)?)));
        let rows: Vec<(String, String)> =
            rows.map(|(name, row, reason)| (whose(name, row), reason.to_owned())).collect();
        if !rows.is_empty() {
            page.title(title)?;
            let rows = rows.iter().map(|(what, reason)| (what.as_str(), reason.clone()));
            reasons(&mut page, "image", Tone::Wait, rows)?;
        }
    }
    let held = status.all_holds();
    if !held.is_empty() {
        page.gap()?;
        table_of(&mut page, &held)?;
    }
    if !status.errors.is_empty() {
        page.title("Failed")?;
        let rows: Vec<(String, &str)> = status.errors.iter().map(split).collect();
        let rows = rows.iter().map(|(what, reason)| (what.as_str(), (*reason).to_owned()));
        reasons(&mut page, "target", Tone::Bad, rows)?;
    }
    page.gap()?;
    let images = all().count();
    let moving = all().filter(|(_, row)| row.next.is_some()).count();
    let drifting = all().filter(|(_, row)| row.drift.is_some()).count();
    let environments = match only {
        Some(name) => format!("environment {name}"),
        None => count(status.environments.len(), "environment"),
    };
    let mut summary = format!("{}, {environments}: {moving} to move", count(images, "image reference"));
    if drifting > 0 {
        summary.push_str(&format!(", {drifting} adrift"));
    }
    page.prose(0, 0, &[(Tone::Strong, &format!("{summary}."))])?;
    page.finish()
}

/// Returns the images that have several rows in one environment: each says where.
fn parted(status: &Status) -> BTreeSet<(&EnvironmentName, &ImageName)> {
    let mut seen = BTreeSet::new();
    let all = status.environments.iter().flat_map(|(name, rows)| rows.iter().map(move |row| (name, &row.image)));
    all.filter(|key| !seen.insert(*key)).collect()
}

/// Names the files of a row: the first, and how many more.
fn files(row: &Running) -> String {
    match row.files.as_slice() {
        [] => String::new(),
        [only] => only.to_string(),
        [first, more @ ..] => format!("{first} and {} more", more.len()),
    }
}

fn drift(row: &Running) -> Option<&str> {
    row.drift.as_deref()
}

fn blocked(row: &Running) -> Option<&str> {
    row.blocked.as_deref()
}

fn waits(next: &crate::model::proposal::Proposal) -> bool {
    matches!(next.action, Action::Waiting | Action::Held | Action::LeftAlone)
        || next.gates.iter().any(|gate| gate.state != GateState::Pass)
}

/// Says in a word how it is with what comes next.
fn word(row: &Running) -> &'static str {
    match row.next.as_deref() {
        None if row.drift.is_some() => "drift",
        None if row.kept_back.is_some() => "kept back",
        None => "",
        Some(next) if next.action == Action::Held => "held",
        Some(next) if waits(next) => "waits",
        Some(next) if next.action == Action::Opened => "by pull request",
        Some(_) => "next pass",
    }
}

/// Writes the delivery figures.
///
/// # Errors
///
/// Where the writer fails.
pub fn delivery(delivery: &Delivery, view: &View, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(view, out);
    let columns = [
        Column::kept("environment", Cut::Middle),
        Column::kept("deployments", Cut::End),
        Column::kept("a day", Cut::End),
        Column::kept("failures", Cut::End),
        Column::kept("time to restore", Cut::End),
    ];
    let rows: Vec<Vec<Cell>> = delivery
        .environments
        .iter()
        .map(|figures| {
            let rate = figures.change_failure_rate.map(|rate| format!("{:.0} %", rate * 100.0)).unwrap_or_default();
            vec![
                Cell::toned(Tone::Strong, figures.environment.as_str()),
                Cell::new(&figures.deployments.to_string()),
                Cell::new(&format!("{:.2}", figures.per_day)),
                Cell::new(&rate),
                Cell::new(&spread(&figures.time_to_restore)),
            ]
        })
        .collect();
    table::write(&mut page, 0, &columns, &rows)?;
    lead_times(&mut page, delivery)?;
    page.gap()?;
    let period = format!("From {} to {}, in UTC.", minute(delivery.from), minute(delivery.to));
    page.prose(0, 0, &[(Tone::Strong, &period)])?;
    for definition in DEFINITIONS {
        page.prose(0, 0, &[(Tone::Quiet, definition)])?;
    }
    page.finish()
}

/// What the figures mean; `docs/promotion.md` says it at length.
const DEFINITIONS: [&str; 4] = [
    "Durations: the median, and below which nine of ten lie. Times are committer times.",
    "Lead time: until the commit that brought a version here, from when its image was published (where a commit's trailer \
     tells, which is how many are dated), and from the commit that brought it to the first environment.",
    "Failures: the part of the deployments of which a version was taken back.",
    "Time to restore: from such a deployment until the commit that took it back.",
];

/// Writes how long versions took; nothing where none is known.
fn lead_times(page: &mut Page<'_>, delivery: &Delivery) -> io::Result<()> {
    let is_known = |figures: &&Figures| figures.lead_time.median.is_some() || figures.from_image.median.is_some();
    let rows: Vec<Vec<Cell>> = delivery
        .environments
        .iter()
        .filter(is_known)
        .map(|figures| {
            let (known, all) = figures.dated;
            vec![
                Cell::toned(Tone::Strong, figures.environment.as_str()),
                Cell::new(&spread(&figures.from_image)),
                Cell::new(&format!("{known} of {all}")),
                Cell::new(&spread(&figures.lead_time)),
            ]
        })
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let columns = [
        Column::kept("environment", Cut::Middle),
        Column::kept("from the image", Cut::End),
        Column::kept("dated", Cut::End),
        Column::kept("from the first environment", Cut::End),
    ];
    page.title("Lead time")?;
    table::write(page, 0, &columns, &rows)
}

fn spread(spread: &Spread) -> String {
    match (spread.median, spread.p90) {
        (Some(median), Some(p90)) => format!("{} / {}", length(median), length(p90)),
        _ => String::new(),
    }
}

/// Writes a duration in its two largest units.
fn length(time: SignedDuration) -> String {
    let seconds = time.as_secs();
    match seconds {
        i64::MIN..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}
