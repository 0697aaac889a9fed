//! The stable JSON of the command line: one row a line, so that it diffs and greps well.
//!
//! Owns the names and the order of fields, entry points [`scan`], [`outcome`], [`explain`] and [`check`].
//! Rows go straight into a buffer that is handed on as it fills: no tree of values is ever built, since
//! a plan over a large repository names half a million rejected tags.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::model::environment::EnvironmentName;
use crate::model::file::Position;
use crate::model::gate::{Gate, GateState};
use crate::model::hold::Hold;
use crate::model::image::{Digest, ImageName, Tag};
use crate::model::outcome::{Explanation, Finding, Outcome, ScanOutcome, ScannedReference, Severity, Trouble};
use crate::model::policy::Step;
use crate::model::proposal::{Action, Proposal, Way};
use crate::model::site::Value;
use crate::model::tags::ImageTags;
use crate::model::usage::{RegistryUsage, Usage};
use crate::model::watch::{Watch, WatchState};
use crate::report::candidates;

mod decisions;
mod record;
mod sink;

pub use record::{delivery, history, status};

use decisions::Decisions;
use sink::Sink;

/// Writes what `scan` found.
///
/// # Errors
///
/// Where the writer fails.
pub fn scan(found: &ScanOutcome, out: &mut dyn io::Write) -> io::Result<()> {
    let mut sink = Sink::new(out);
    sink.raw("{\"references\":[");
    sink.rows(&found.references, reference)?;
    sink.raw("],\n\"passedOver\":[");
    sink.rows(&found.passed_over, |sink, row| {
        sink.raw("{\"file\":").string(&row.file);
        sink.raw(",\"reason\":").display(&row.reason).raw("}");
    })?;
    errors(&mut sink, &found.errors)?;
    sink.finish()
}

/// Writes what `plan`, `update` or `run` did or would do.
///
/// # Errors
///
/// Where the writer fails.
pub fn outcome(outcome: &Outcome, out: &mut dyn io::Write) -> io::Result<()> {
    let mut sink = Sink::new(out);
    sink.raw("{\"changes\":[");
    sink.rows(&outcome.changes, |sink, change| {
        sink.raw("{\"file\":").string(change.file.as_str());
        sink.raw(",\"line\":").number(change.position.line);
        sink.raw(",\"column\":").number(change.position.column);
        sink.raw(",\"bytes\":[").number(change.bytes.start).raw(",").number(change.bytes.end);
        sink.raw("],\"replaces\":").string(&change.replaces);
        sink.raw(",\"with\":").string(&change.with);
        sink.raw(",\"environment\":").string(change.environment.as_str());
        sink.raw(",\"group\":").string(&change.group);
        sink.raw(",\"image\":").string(change.image.as_str());
        value(sink.raw(",\"from\":"), &change.from);
        value(sink.raw(",\"to\":"), &change.to);
        sink.raw(",\"step\":").optional(change.step.map(Step::as_str));
        uses(sink, &change.uses);
        sink.raw("}");
    })?;
    sink.raw("],\n\"decisions\":[");
    let mut decisions = Decisions::default();
    sink.fallible_rows(&outcome.decisions, |sink, decision| {
        let tags = outcome.images.get(&decision.question.image);
        decisions.row(sink, decision, tags.map(|tags| &tags.list))
    })?;
    sink.raw("],\n\"proposals\":[");
    sink.rows(&outcome.proposals, proposal)?;
    sink.raw("],\n\"skipped\":[");
    sink.rows(&outcome.skipped, |sink, row| {
        sink.raw("{\"what\":").string(&row.what);
        sink.raw(",\"reason\":").string(&row.reason).raw("}");
    })?;
    if !outcome.watches.is_empty() {
        sink.raw("],\n\"watches\":[");
        sink.rows(&outcome.watches, |sink, row| {
            sink.raw("{\"environment\":").string(row.environment.as_str());
            sink.raw(",\"image\":").string(row.image.as_str());
            value(sink.raw(",\"version\":"), &row.value);
            watch(sink, Some(row));
            sink.raw("}");
        })?;
    }
    if let Some(holds) = &outcome.holds {
        sink.raw("],\n\"holds\":[");
        sink.rows(holds, hold)?;
    }
    errors(&mut sink, &outcome.errors)?;
    sink.finish()
}

fn hold(sink: &mut Sink<'_>, hold: &Hold) {
    sink.raw("{\"environment\":").optional(hold.environment.as_ref().map(EnvironmentName::as_str));
    sink.raw(",\"image\":").string(hold.image.as_str());
    sink.raw(",\"tag\":").string(hold.tag.as_str());
    sink.raw(",\"until\":").optional_display(hold.until);
    sink.raw(",\"by\":").optional(hold.by.as_deref());
    sink.raw(",\"reason\":").optional(hold.reason.as_deref()).raw("}");
}

/// Writes what `explain` says, an explanation for each environment, a candidate a line.
///
/// # Errors
///
/// Where the writer fails.
pub fn explain(
    explanations: &[Explanation],
    images: &BTreeMap<ImageName, Arc<ImageTags>>,
    usage: &Usage,
    troubles: &[Trouble],
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut sink = Sink::new(out);
    sink.raw("{\"explanations\":[");
    sink.fallible_rows(explanations, |sink, explanation| {
        let decision = &explanation.decision;
        let question = &decision.question;
        sink.raw("{\"image\":").string(question.image.as_str());
        sink.raw(",\"environment\":").string(question.environment.as_str());
        sink.raw(",\"places\":[");
        for (index, place) in explanation.places.iter().enumerate() {
            sink.raw(if index == 0 { "" } else { "," }).string(place);
        }
        sink.raw("],\"current\":").optional(question.current.tag.as_ref().map(Tag::as_str));
        sink.raw(",\"chosen\":").optional(decision.chosen().map(Tag::as_str));
        sink.raw(",\"candidates\":[");
        let tags = images.get(&question.image);
        let candidates = candidates::of(decision, tags.map(|tags| &tags.list));
        sink.rows(&candidates, |sink, candidate| {
            sink.raw("{\"tag\":").string(candidate.tag);
            sink.raw(",\"state\":").string(candidate.state.as_str());
            sink.raw(",\"reason\":").display(&candidate.why).raw("}");
        })?;
        sink.raw("],\"gates\":[");
        gates(sink, &explanation.gates);
        sink.raw("],\"next\":").optional(explanation.next.as_ref().and_then(|next| next.tag.as_ref()).map(Tag::as_str));
        sink.raw(",\"action\":").optional(explanation.action.map(Action::as_str));
        sink.raw(",\"reason\":").optional(explanation.reason.as_deref());
        sink.raw(",\"earliest\":").optional_display(explanation.earliest);
        watch(sink, explanation.watch.as_ref());
        ways(sink, &explanation.ways);
        sink.raw("}");
        Ok(())
    })?;
    sink.raw("],\n\"asked\":[");
    let asked: Vec<_> = usage.0.iter().collect();
    sink.rows(&asked, |sink, (host, usage)| self::asked(sink, host, usage))?;
    errors(&mut sink, troubles)?;
    sink.finish()
}

/// Every way to an environment of which one is enough; left out elsewhere.
fn ways(sink: &mut Sink<'_>, ways: &[Way]) {
    for (index, way) in ways.iter().enumerate() {
        sink.raw(if index == 0 { ",\"ways\":[" } else { "," });
        sink.raw("{\"after\":").string(way.before.as_str());
        sink.raw(",\"next\":").optional(way.next.as_ref().and_then(|next| next.tag.as_ref()).map(Tag::as_str));
        sink.raw(",\"gates\":[");
        gates(sink, &way.gates);
        sink.raw("],\"earliest\":").optional_display(way.earliest);
        sink.raw(",\"counts\":").raw(if way.counts { "true" } else { "false" });
        sink.raw(",\"reason\":").string(&way.reason).raw("}");
    }
    if !ways.is_empty() {
        sink.raw("]");
    }
}

/// Writes what `check` found.
///
/// # Errors
///
/// Where the writer fails.
pub fn check(findings: &[Finding], out: &mut dyn io::Write) -> io::Result<()> {
    let mut sink = Sink::new(out);
    sink.raw("{\"findings\":[");
    sink.rows(findings, |sink, finding| {
        let severity = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        sink.raw("{\"severity\":").string(severity);
        sink.raw(",\"rule\":").string(finding.rule);
        sink.raw(",\"message\":").string(&finding.message);
        sink.raw(",\"hint\":").optional(finding.hint.as_deref());
        sink.raw(",\"file\":").optional(finding.place().as_deref());
        sink.raw(",\"line\":").optional_number(finding.position.map(|at| at.line));
        sink.raw(",\"column\":").optional_number(finding.position.map(|at| at.column)).raw("}");
    })?;
    sink.raw("]}\n");
    sink.finish()
}

fn reference(sink: &mut Sink<'_>, reference: &ScannedReference) {
    let site = &reference.site;
    let bytes = site.bytes();
    sink.raw("{\"file\":").string(site.file.as_str());
    sink.raw(",\"line\":").number(site.position.line);
    sink.raw(",\"column\":").number(site.position.column);
    sink.raw(",\"bytes\":[").number(bytes.start).raw(",").number(bytes.end);
    sink.raw("],\"format\":").string(site.format.as_str());
    // A name that could not be read is shown as it is written, so that no reference is without one.
    let image = site.image.as_ref().map_or(site.written.as_str(), |image| image.as_str());
    sink.raw(",\"image\":").optional((!image.is_empty()).then_some(image));
    sink.raw(",\"tag\":").optional(site.value.tag.as_ref().map(Tag::as_str));
    sink.raw(",\"digest\":").optional(site.value.digest.as_ref().map(Digest::as_str));
    sink.raw(",\"environment\":").optional(reference.environment.as_ref().map(EnvironmentName::as_str));
    sink.raw(",\"policy\":").optional(reference.policy.as_deref());
    sink.raw(",\"skipped\":").optional_display(reference.skipped.as_ref());
    uses(sink, &site.uses);
    if let Some(note) = &reference.note {
        sink.raw(",\"note\":").string(note);
    }
    sink.raw("}");
}

/// Says where else the same text is used through an alias: beyond the common fields, and only there.
fn uses(sink: &mut Sink<'_>, uses: &[Position]) {
    if uses.is_empty() {
        return;
    }
    sink.raw(",\"uses\":[");
    for (index, at) in uses.iter().enumerate() {
        sink.raw(if index == 0 { "{\"line\":" } else { ",{\"line\":" }).number(at.line);
        sink.raw(",\"column\":").number(at.column).raw("}");
    }
    sink.raw("]");
}

fn value(sink: &mut Sink<'_>, value: &Value) {
    sink.raw("{\"tag\":").optional(value.tag.as_ref().map(Tag::as_str));
    sink.raw(",\"digest\":").optional(value.digest.as_ref().map(Digest::as_str)).raw("}");
}

fn proposal(sink: &mut Sink<'_>, proposal: &Proposal) {
    sink.raw("{\"environment\":").string(proposal.environment.as_str());
    sink.raw(",\"group\":").string(&proposal.group);
    sink.raw(",\"publish\":").string(proposal.publish.as_str());
    sink.raw(",\"branch\":").optional(proposal.branch.as_deref());
    sink.raw(",\"url\":").optional(proposal.url.as_deref());
    sink.raw(",\"action\":").string(proposal.action.as_str());
    sink.raw(",\"reason\":").optional(proposal.why());
    sink.raw(",\"gates\":[");
    gates(sink, &proposal.gates);
    sink.raw("]}");
}

fn gates(sink: &mut Sink<'_>, gates: &[Gate]) {
    for (index, gate) in gates.iter().enumerate() {
        let (state, until, reason) = match &gate.state {
            GateState::Pass => ("pass", None, None),
            GateState::Wait { until, reason } => ("wait", *until, Some(reason.as_str())),
            GateState::Fail { reason } => ("fail", None, Some(reason.as_str())),
        };
        sink.raw(if index == 0 { "{\"gate\":" } else { ",{\"gate\":" }).string(gate.name.as_str());
        sink.raw(",\"state\":").string(state);
        sink.raw(",\"until\":").optional_display(until);
        sink.raw(",\"reason\":").optional(reason);
        sink.raw(",\"facts\":").optional(gate.facts.as_deref()).raw("}");
    }
}

/// Writes how a version is watched, where it is.
fn watch(sink: &mut Sink<'_>, watch: Option<&Watch>) {
    sink.raw(",\"watch\":");
    let Some(watch) = watch else {
        sink.raw("null");
        return;
    };
    let (state, reason) = match &watch.state {
        WatchState::Watching => ("watching", None),
        WatchState::Failed(what) => ("failed", Some(what.as_str())),
        WatchState::Unknown(reason) => ("unknown", Some(reason.as_str())),
    };
    sink.raw("{\"state\":").string(state);
    sink.raw(",\"checks\":[");
    for (index, name) in watch.checks.iter().enumerate() {
        sink.raw(if index == 0 { "" } else { "," }).string(name.as_str());
    }
    sink.raw("],\"until\":").display(&watch.until);
    sink.raw(",\"reason\":").optional(reason).raw("}");
}

fn asked(sink: &mut Sink<'_>, host: &str, usage: &RegistryUsage) {
    sink.raw("{\"registry\":").string(host);
    for (name, number) in [
        (",\"lists\":", usage.lists),
        (",\"heads\":", usage.heads),
        (",\"manifests\":", usage.manifests),
        (",\"blobs\":", usage.blobs),
        (",\"tokens\":", usage.tokens),
        (",\"others\":", usage.others),
        (",\"cached\":", usage.cached),
        (",\"throttled\":", usage.throttled),
        (",\"retries\":", usage.retries),
        (",\"bytes\":", usage.bytes),
    ] {
        sink.raw(name).raw(&number.to_string());
    }
    sink.raw(",\"waited\":").raw(&format!("{:.3}", usage.waited.as_secs_f64()));
    sink.raw(",\"limit\":");
    match &usage.limit {
        None => sink.raw("null"),
        Some(told) => {
            let limit = told.limit.map_or("null".to_owned(), |limit| limit.to_string());
            let window = told.window.map_or("null".to_owned(), |window| window.as_secs().to_string());
            let remaining = told.remaining;
            sink.raw(&format!("{{\"limit\":{limit},\"remaining\":{remaining},\"window\":{window}}}"))
        }
    };
    sink.raw("}");
}

/// Writes the last field, and closes the object.
fn errors(sink: &mut Sink<'_>, errors: &[Trouble]) -> io::Result<()> {
    sink.raw("],\n\"errors\":[");
    sink.rows(errors, |sink, error| {
        sink.raw("{\"what\":").string(&error.what);
        if let Some(file) = &error.file {
            sink.raw(",\"file\":").string(file.as_str());
        }
        if let Some(position) = error.position {
            sink.raw(",\"line\":").number(position.line);
            sink.raw(",\"column\":").number(position.column);
        }
        sink.raw(",\"reason\":").string(&error.reason).raw("}");
    })?;
    sink.raw("]}\n");
    Ok(())
}
