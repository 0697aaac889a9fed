//! Rows of the record: `history`, `status` and `report`.

use std::io;

use jiff::SignedDuration;

use crate::model::commit::CommitId;
use crate::model::environment::EnvironmentName;
use crate::model::image::{Digest, Tag};
use crate::model::record::{Delivery, Entry, History, Running, Spread, Status};
use crate::model::site::Value;
use crate::report::json::sink::Sink;
use crate::report::json::{errors, gates, hold, value, watch};

/// Writes what happened.
///
/// # Errors
///
/// Where the writer fails.
pub fn history(history: &History, out: &mut dyn io::Write) -> io::Result<()> {
    let mut sink = Sink::new(out);
    sink.raw("{\"entries\":[");
    sink.rows(&history.entries, entry)?;
    sink.raw("]}\n");
    sink.finish()
}

fn entry(sink: &mut Sink<'_>, entry: &Entry) {
    let optional = |sink: &mut Sink<'_>, found: &Option<Value>| match found {
        Some(found) => value(sink, found),
        None => {
            sink.raw("null");
        }
    };
    sink.raw("{\"time\":").display(&entry.time);
    sink.raw(",\"commit\":").string(entry.commit.as_str());
    sink.raw(",\"environment\":").optional(entry.environment.as_ref().map(EnvironmentName::as_str));
    sink.raw(",\"image\":").string(entry.image.as_str());
    optional(sink.raw(",\"from\":"), &entry.from);
    optional(sink.raw(",\"to\":"), &entry.to);
    sink.raw(",\"kind\":").string(entry.kind.as_str());
    sink.raw(",\"author\":").string(&entry.author);
    sink.raw(",\"pullRequest\":").optional(entry.pull_request.as_deref());
    sink.raw(",\"reason\":").optional(entry.reason.as_deref());
    sink.raw(",\"by\":").optional(entry.by.as_deref()).raw("}");
}

/// Writes what every environment runs.
///
/// # Errors
///
/// Where the writer fails.
pub fn status(status: &Status, out: &mut dyn io::Write) -> io::Result<()> {
    let mut sink = Sink::new(out);
    sink.raw("{\"environments\":[");
    sink.fallible_rows(&status.environments, |sink, (name, images)| {
        sink.raw("{\"name\":").string(name.as_str());
        sink.raw(",\"images\":[");
        sink.rows(images, running)?;
        sink.raw("]}");
        Ok(())
    })?;
    sink.raw("],\n\"holds\":[");
    sink.rows(&status.all_holds(), hold)?;
    errors(&mut sink, &status.errors)?;
    sink.finish()
}

fn running(sink: &mut Sink<'_>, row: &Running) {
    sink.raw("{\"image\":").string(row.image.as_str());
    sink.raw(",\"group\":").string(&row.group);
    sink.raw(",\"tag\":").optional(row.value.tag.as_ref().map(Tag::as_str));
    sink.raw(",\"digest\":").optional(row.value.digest.as_ref().map(Digest::as_str));
    sink.raw(",\"files\":[");
    for (number, file) in row.files.iter().enumerate() {
        sink.raw(if number == 0 { "" } else { "," }).string(file.as_str());
    }
    sink.raw("],\"since\":").optional_display(row.brought.as_ref().map(|(_, time)| time));
    sink.raw(",\"commit\":").optional(row.brought.as_ref().map(|(commit, _): &(CommitId, _)| commit.as_str()));
    sink.raw(",\"next\":");
    match &row.next {
        None => {
            sink.raw("null");
        }
        Some(next) => {
            sink.raw("{\"tag\":").optional(row.to.as_ref().and_then(|to| to.tag.as_ref()).map(Tag::as_str));
            sink.raw(",\"action\":").string(next.action.as_str());
            sink.raw(",\"gates\":[");
            gates(sink, &next.gates);
            sink.raw("],\"earliest\":").optional_display(next.earliest);
            sink.raw(",\"reason\":").optional(next.why());
            sink.raw(",\"url\":").optional(next.url.as_deref()).raw("}");
        }
    }
    sink.raw(",\"keptBack\":");
    match &row.kept_back {
        None => {
            sink.raw("null");
        }
        Some(kept) => {
            sink.raw("{\"tag\":").string(&kept.tag);
            sink.raw(",\"reason\":").display(&kept.reason);
            sink.raw(",\"until\":").optional_display(kept.until()).raw("}");
        }
    }
    sink.raw(",\"drift\":").optional(row.drift.as_deref());
    watch(sink, row.watch.as_ref());
    sink.raw("}");
}

/// Writes the delivery figures; durations are seconds, rates are parts of one.
///
/// # Errors
///
/// Where the writer fails.
pub fn delivery(delivery: &Delivery, out: &mut dyn io::Write) -> io::Result<()> {
    let mut sink = Sink::new(out);
    sink.raw("{\"from\":").display(&delivery.from);
    sink.raw(",\"to\":").display(&delivery.to);
    sink.raw(",\"environments\":[");
    sink.rows(&delivery.environments, |sink, figures| {
        sink.raw("{\"name\":").string(figures.environment.as_str());
        sink.raw(",\"deployments\":").number(figures.deployments);
        sink.raw(",\"perDay\":").raw(&format!("{:.4}", figures.per_day));
        spread(sink.raw(",\"leadTime\":"), &figures.lead_time);
        spread(sink.raw(",\"leadTimeFromImage\":"), &figures.from_image);
        sink.raw(",\"dated\":{\"known\":").number(figures.dated.0).raw(",\"of\":").number(figures.dated.1).raw("}");
        let rate = figures.change_failure_rate.map(|rate| format!("{rate:.4}"));
        sink.raw(",\"changeFailureRate\":").raw(rate.as_deref().unwrap_or("null"));
        spread(sink.raw(",\"timeToRestore\":"), &figures.time_to_restore);
        sink.raw("}");
    })?;
    sink.raw("]}\n");
    sink.finish()
}

fn spread(sink: &mut Sink<'_>, spread: &Spread) {
    let seconds =
        |time: Option<SignedDuration>| time.map_or_else(|| "null".to_owned(), |time| time.as_secs().to_string());
    sink.raw("{\"median\":").raw(&seconds(spread.median));
    sink.raw(",\"p90\":").raw(&seconds(spread.p90)).raw("}");
}
