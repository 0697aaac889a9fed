//! What a pass did or would do: the changes, the diff, what waits, what was passed by, and what to do next.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::model::decision::{Decision, Verdict};
use crate::model::environment::EnvironmentName;
use crate::model::gate::{Gate, GateState};
use crate::model::image::ImageName;
use crate::model::outcome::{Outcome, Trouble};
use crate::model::policy::Step;
use crate::model::proposal::{Action, Move, Proposal};
use crate::model::site::Value;
use crate::report::View;
use crate::report::text::diff;
use crate::report::text::ink::{Cut, Tone};
use crate::report::text::kept_back;
use crate::report::text::lists::{alike, count, familiar, lines, named, reasons};
use crate::report::text::page::Page;
use crate::report::text::table::{self, Cell, Column};

/// How many digits of a digest are shown.
const DIGEST_DIGITS: usize = 8;

/// How many moves of one proposal are named.
const MOVES_NAMED: usize = 3;

/// Where the whole answer is.
const EXPLAIN: &str = "`tagboat explain IMAGE` tells what an image waits for.";

/// Where the answer is when a person took something over or refused it.
const THEIRS: &str = "`tagboat run --dry-run` tells what pull requests and head branches say; `tagboat explain IMAGE` tells what else an image \
                      waits for.";

/// Which command's outcome is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// `plan`.
    Plan,
    /// `update`.
    Update,
    /// `run`.
    Run,
    /// `run --dry-run`.
    DryRun,
}

impl Occasion {
    /// Whether nothing was written.
    pub(in crate::report) fn is_preview(self) -> bool {
        matches!(self, Self::Plan | Self::DryRun)
    }
}

/// Writes what `plan`, `update` or `run` did or would do.
///
/// # Errors
///
/// Where the writer fails.
pub fn outcome(outcome: &Outcome, occasion: Occasion, view: &View, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(view, out);
    let updates = updates(outcome);
    changes(&mut page, outcome, &updates)?;
    if occasion.is_preview() && !view.is_quiet() && !outcome.files.is_empty() {
        page.gap()?;
        diff::first(&mut page, &outcome.files)?;
    }
    commits(&mut page, outcome)?;
    proposals(&mut page, outcome, occasion)?;
    waits(&mut page, outcome)?;
    watched(&mut page, outcome)?;
    not_yet(&mut page, outcome)?;
    passed_by(&mut page, outcome)?;
    if let Some(held) = outcome.holds.as_deref().filter(|held| !held.is_empty()) {
        page.gap()?;
        super::holds::table_of(&mut page, held)?;
    }
    page.gap()?;
    let (summary, hint) = summary(outcome, occasion, updates.len());
    page.prose(0, 0, &[(Tone::Strong, &summary)])?;
    if !outcome.may_follow.is_empty() {
        let names: Vec<&str> = outcome.may_follow.iter().map(EnvironmentName::as_str).collect();
        let text = format!("Then, in the same run, may follow: {}.", names.join(", "));
        page.prose(0, 0, &[(Tone::Plain, &text)])?;
    }
    if let Some(hint) = hint {
        page.prose(0, 0, &[(Tone::Plain, hint)])?;
    }
    page.finish()
}

/// What one row of the table of changes is about.
///
/// The number is the environment's place in the order in which changes come, which is the configuration's.
type Update<'a> = (usize, &'a EnvironmentName, &'a ImageName, &'a Value, &'a Value);

/// Where an update stands.
struct Places<'a> {
    step: Option<Step>,
    lines: BTreeSet<(&'a str, usize)>,
}

/// Gathers equal moves: one row for an image that moves alike in many files.
fn updates(outcome: &Outcome) -> BTreeMap<Update<'_>, Places<'_>> {
    let mut updates: BTreeMap<Update<'_>, Places<'_>> = BTreeMap::new();
    let mut order: Vec<&EnvironmentName> = Vec::new();
    for change in &outcome.changes {
        let place = order.iter().position(|environment| **environment == change.environment).unwrap_or_else(|| {
            order.push(&change.environment);
            order.len() - 1
        });
        let key = (place, &change.environment, &change.image, &change.from, &change.to);
        let places = updates.entry(key).or_insert(Places { step: change.step, lines: BTreeSet::new() });
        places.lines.insert((change.file.as_str(), change.position.line));
    }
    updates
}

fn changes(page: &mut Page<'_>, outcome: &Outcome, updates: &BTreeMap<Update<'_>, Places<'_>>) -> io::Result<()> {
    let environments: BTreeSet<_> = outcome.decisions.iter().map(|decision| &decision.question.environment).collect();
    let environments: BTreeSet<_> = environments.into_iter().chain(updates.keys().map(|key| key.1)).collect();
    let has_several = environments.len() > 1;
    let columns = [
        Column::kept("environment", Cut::Middle),
        Column::new("image", Cut::Middle),
        Column::kept("from", Cut::Middle),
        Column::kept("to", Cut::Middle),
        Column::kept("step", Cut::Middle),
        Column::new("where", Cut::Start),
    ];
    let mut rows = Vec::with_capacity(updates.len());
    for ((_, environment, image, from, to), places) in updates {
        let tone = if places.step == Some(Step::Major) { Tone::Wait } else { Tone::Plain };
        let (from, to) = short_move(from, to);
        // Everything is asked for: a row for each place instead of their number.
        let split: Vec<_> = places.lines.iter().map(|place| BTreeSet::from([*place])).collect();
        let lines = if page.view.is_verbose() { split.as_slice() } else { std::slice::from_ref(&places.lines) };
        for lines in lines {
            let mut row = Vec::with_capacity(columns.len());
            if has_several {
                row.push(Cell::new(environment.as_str()));
            }
            row.push(Cell::toned(Tone::Strong, familiar(image.as_str())));
            row.push(Cell::new(&from));
            row.push(Cell::toned(Tone::Good, &to));
            row.push(Cell::toned(tone, places.step.map_or("", Step::as_str)));
            row.push(Cell::toned(Tone::Quiet, &whereabouts(lines)));
            rows.push(row);
        }
    }
    table::write(page, 0, &columns[usize::from(!has_several)..], &rows)?;
    shared(page, outcome)
}

/// Says of changes behind an anchor which other places change along.
fn shared(page: &mut Page<'_>, outcome: &Outcome) -> io::Result<()> {
    let mut told = BTreeSet::new();
    for change in outcome.changes.iter().filter(|change| !change.uses.is_empty()) {
        if told.insert((&change.file, &change.uses)) {
            let at = format!("{}:{}", change.file, change.position.line);
            let lines = lines(&change.uses);
            page.prose(0, 2, &[(Tone::Quiet, &format!("{at} is used by aliases at line {lines} as well"))])?;
        }
    }
    Ok(())
}

fn whereabouts(lines: &BTreeSet<(&str, usize)>) -> String {
    let files: BTreeSet<&str> = lines.iter().map(|(file, _)| *file).collect();
    match (lines.first(), files.len(), lines.len()) {
        (None, ..) => String::new(),
        (Some((file, line)), 1, 1) => format!("{file}:{line}"),
        (Some((file, _)), 1, places) => format!("{file} ({places} places)"),
        (Some(_), files, _) => count(files, "file"),
    }
}

/// Returns a value as people tell it apart: the tag, and the beginning of a digest.
pub(super) fn short_value(value: &Value) -> String {
    let digest = value.digest.as_ref().map(|digest| {
        let (_, digits) = digest.as_str().split_once(':').unwrap_or(("", digest.as_str()));
        digits.get(..DIGEST_DIGITS).unwrap_or(digits)
    });
    match (&value.tag, digest) {
        (Some(tag), Some(digest)) => format!("{tag}@{digest}"),
        (Some(tag), None) => tag.to_string(),
        (None, Some(digest)) => format!("@{digest}"),
        (None, None) => "no tag".to_owned(),
    }
}

/// Returns both ends of a move; digests only where the tag alone does not tell them apart.
fn short_move(from: &Value, to: &Value) -> (String, String) {
    match (&from.tag, &to.tag) {
        (Some(old), Some(new)) if old != new => (old.to_string(), new.to_string()),
        _ => (short_value(from), short_value(to)),
    }
}

pub(super) fn commits(page: &mut Page<'_>, outcome: &Outcome) -> io::Result<()> {
    if outcome.commits.is_empty() {
        return Ok(());
    }
    page.title("Commits")?;
    let columns = [Cut::End, Cut::Middle, Cut::End].map(|cut| Column::new("", cut));
    let row = |environment: &str, commit: &str, message: &str| {
        let subject = message.lines().next().unwrap_or("");
        vec![Cell::toned(Tone::Wait, commit), Cell::new(environment), Cell::new(subject)]
    };
    let rows: Vec<_> = outcome
        .commits
        .iter()
        .map(|landed| row(landed.environment.as_str(), landed.commit.short(), &landed.message))
        .collect();
    table::write(page, 2, &columns, &rows)
}

/// Says what is done in words, since the words of JSON are those of a program.
fn deed(action: Action, occasion: Occasion) -> Option<&'static str> {
    let (done, would) = match action {
        Action::Opened => ("opened", "open"),
        Action::Updated => ("updated", "update"),
        Action::Merged => ("merged", "merge"),
        Action::Enqueued => ("handed to the forge to merge", "hand to the forge to merge"),
        Action::Closed => ("closed", "close"),
        Action::Committed | Action::Unchanged | Action::Waiting | Action::Held | Action::LeftAlone | Action::Failed => {
            return None;
        }
    };
    Some(if occasion.is_preview() { would } else { done })
}

fn proposals(page: &mut Page<'_>, outcome: &Outcome, occasion: Occasion) -> io::Result<()> {
    // What `update` writes lies in the folder, and no pull request stands for it.
    if occasion == Occasion::Update {
        return Ok(());
    }
    let rows = outcome.proposals.iter();
    let rows: Vec<_> =
        rows.filter_map(|proposal| deed(proposal.action, occasion).map(|deed| (proposal, deed))).collect();
    if rows.is_empty() {
        return Ok(());
    }
    // What was opened on a forge has an address; on plain Git a branch stands for it.
    let is_plain = occasion == Occasion::Run && rows.iter().all(|(proposal, _)| proposal.url.is_none());
    page.title(if is_plain { "Head branches" } else { "Pull requests" })?;
    for (proposal, deed) in rows {
        let deed = match proposal.action {
            Action::Opened if is_plain => "pushed",
            Action::Closed if is_plain => "deleted",
            _ => deed,
        };
        let head = format!("{deed}: {}, {}", proposal.environment, proposal.group);
        let whereto = proposal.url.as_deref().or(proposal.branch.as_deref()).unwrap_or("");
        let reason = proposal.reason.as_ref().map(|reason| format!("({reason})")).unwrap_or_default();
        page.prose(2, 4, &[(Tone::Plain, &head), (Tone::Quiet, whereto), (Tone::Plain, &reason)])?;
        gates(page, &proposal.gates, Passing::Left)?;
    }
    Ok(())
}

/// Tells what is watched after it came, and what failed.
fn watched(page: &mut Page<'_>, outcome: &Outcome) -> io::Result<()> {
    if outcome.watches.is_empty() {
        return Ok(());
    }
    page.title("Watched")?;
    outcome.watches.iter().try_for_each(|watch| {
        let tone = if watch.has_failed() { Tone::Bad } else { Tone::Wait };
        let what = format!("{} {} {}", watch.environment, familiar(watch.image.as_str()), short_value(&watch.value));
        named(page, tone, &what, &watch.told())
    })
}

/// Whether a proposal does not get on.
fn is_stuck(proposal: &Proposal) -> bool {
    matches!(proposal.action, Action::Waiting | Action::Held | Action::LeftAlone)
}

/// Whether its pull request stands and waits.
fn is_open_waiting(proposal: &Proposal) -> bool {
    proposal.action == Action::Unchanged && proposal.is_waiting()
}

fn waits(page: &mut Page<'_>, outcome: &Outcome) -> io::Result<()> {
    // What failed has its own row where the reason stands.
    let is_told = |proposal: &Proposal| proposal.action == Action::Failed && !outcome.errors.is_empty();
    let stuck: Vec<_> = outcome
        .proposals
        .iter()
        .filter(|proposal| (is_stuck(proposal) || is_open_waiting(proposal)) && !is_told(proposal))
        .collect();
    if stuck.is_empty() {
        return Ok(());
    }
    page.title("Waiting")?;
    // What waits for one and the same reason is told together.
    let alike = |one: &&Proposal, other: &&Proposal| {
        (&one.environment, one.action, &one.reason, one.earliest, &one.gates, &one.url)
            == (&other.environment, other.action, &other.reason, other.earliest, &other.gates, &other.url)
    };
    for together in stuck.chunk_by(alike) {
        let proposal = together[0];
        let (word, tone) = match proposal.action {
            Action::Held => ("held", Tone::Wait),
            Action::LeftAlone => ("left alone", Tone::Wait),
            _ => ("waits", Tone::Wait),
        };
        let mut spans = vec![(Tone::Strong, format!("{}:", proposal.environment))];
        let moves = moves(together.iter().flat_map(|proposal| &proposal.moves));
        spans.push((Tone::Plain, if moves.is_empty() { proposal.group.clone() } else { moves }));
        let word = if together.len() > 1 && word == "waits" { "wait" } else { word };
        spans.push((tone, word.to_owned()));
        if let Some(reason) = proposal.why() {
            spans.push((Tone::Plain, format!("({reason})")));
        }
        let is_told = |gate: &Gate| matches!(gate.state, GateState::Wait { until, .. } if until == proposal.earliest);
        if let Some(earliest) = proposal.earliest.filter(|_| !proposal.gates.iter().any(is_told)) {
            spans.push((Tone::Plain, format!("until {earliest} at the earliest")));
        }
        // Where it stands, for whoever wants to look, merge or close it; what nobody opened has no address.
        if let Some(url) = &proposal.url {
            spans.push((Tone::Quiet, url.clone()));
        }
        let spans: Vec<(Tone, &str)> = spans.iter().map(|(tone, text)| (*tone, text.as_str())).collect();
        page.prose(2, 4, &spans)?;
        gates(page, &proposal.gates, Passing::Left)?;
    }
    Ok(())
}

fn moves<'a>(moves: impl Iterator<Item = &'a Move> + Clone) -> String {
    let number = moves.clone().count();
    let named = moves.take(MOVES_NAMED).map(|step| {
        let (from, to) = short_move(&step.from, &step.to);
        format!("{} {from} → {to}", familiar(step.image.as_str()))
    });
    let mut text = named.collect::<Vec<_>>().join(", ");
    if number > MOVES_NAMED {
        text.push_str(&format!(" and {} more", number - MOVES_NAMED));
    }
    text
}

/// Whether gates that pass are written, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passing {
    /// They are, with what they pass on.
    Told,
    /// Only where everything is asked for.
    Left,
}

/// Writes gates as a checklist.
pub(super) fn gates(page: &mut Page<'_>, gates: &[Gate], passing: Passing) -> io::Result<()> {
    for gate in gates {
        let (tone, mark, text) = match &gate.state {
            GateState::Pass if passing == Passing::Left && !page.view.is_verbose() => continue,
            GateState::Pass => match &gate.facts {
                Some(facts) => (Tone::Good, "passes:", facts.clone()),
                None => (Tone::Good, "passes", String::new()),
            },
            GateState::Wait { until: Some(until), reason } => (Tone::Wait, "waits", format!("until {until}: {reason}")),
            GateState::Wait { until: None, reason } => (Tone::Wait, "waits:", reason.clone()),
            GateState::Fail { reason } => (Tone::Bad, "fails:", reason.clone()),
        };
        page.prose(4, 6, &[(Tone::Strong, gate.name.as_str()), (tone, mark), (Tone::Plain, &text)])?;
    }
    Ok(())
}

/// Tells which better versions do not come, unless a row among what was passed by does.
fn not_yet(page: &mut Page<'_>, outcome: &Outcome) -> io::Result<()> {
    let kept = outcome.kept_back();
    let kept = kept.iter().filter(|(_, kept)| !kept.is_held());
    let kept: Vec<_> = kept.map(|(of, kept)| (&of.question.environment, &of.question.image, kept)).collect();
    let environments: BTreeSet<_> = outcome.decisions.iter().map(|decision| &decision.question.environment).collect();
    kept_back::write(page, kept.into_iter(), environments.len() > 1)
}

fn passed_by(page: &mut Page<'_>, outcome: &Outcome) -> io::Result<()> {
    let told: BTreeSet<&str> = outcome
        .skipped
        .iter()
        .map(|row| row.what.as_str())
        .chain(outcome.errors.iter().map(|row| row.what.as_str()))
        .collect();
    let is_told = |image: &str| {
        let is_of_it =
            |what: &&str| what.strip_prefix(image).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'));
        told.iter().any(is_of_it)
    };
    // An image without an answer has a row already where the pass knew whose fault it is.
    let undecided = outcome.decisions.iter().filter_map(|decision| match &decision.verdict {
        Verdict::Undecided(reason) if !is_told(decision.question.image.as_str()) => {
            Some((decision.question.image.as_str(), format!("undecided: {reason}")))
        }
        _ => None,
    });
    let skipped = outcome.skipped.iter().map(|row| (row.what.as_str(), row.reason.clone()));
    let mut rows = skipped.chain(undecided).peekable();
    if rows.peek().is_some() && !page.view.is_quiet() {
        page.title("Skipped")?;
        alike(page, "target", Tone::Plain, rows)?;
    }
    failures(page, outcome)
}

/// Returns the proposals that failed.
fn unpublished(outcome: &Outcome) -> impl Iterator<Item = &Proposal> {
    outcome.proposals.iter().filter(|proposal| proposal.action == Action::Failed)
}

/// Writes what could not be published, and every target that failed.
fn failures(page: &mut Page<'_>, outcome: &Outcome) -> io::Result<()> {
    if !outcome.errors.is_empty() || unpublished(outcome).next().is_some() {
        page.title("Failed")?;
        for proposal in unpublished(outcome) {
            let moves = moves(proposal.moves.iter());
            let what = format!("{}: {}", proposal.environment, if moves.is_empty() { &proposal.group } else { &moves });
            // What failed for all of a branch has a row of its own.
            let is_news = |reason: &&String| !outcome.errors.iter().any(|error| error.reason == **reason);
            let reason = proposal.reason.as_ref().filter(is_news).map_or("not published", String::as_str);
            named(page, Tone::Bad, &what, reason)?;
        }
        let rows: Vec<(String, &str)> = outcome.errors.iter().map(split).collect();
        let rows = rows.iter().map(|(name, reason)| (name.as_str(), (*reason).to_owned()));
        reasons(page, "target", Tone::Bad, rows)?;
    }
    Ok(())
}

/// Splits a failure into what failed, with its place, and why.
pub(super) fn split(error: &Trouble) -> (String, &str) {
    let place = match (&error.file, error.position) {
        (Some(file), Some(at)) => format!("{file}:{}:{}: ", at.line, at.column),
        (Some(file), None) => format!("{file}: "),
        (None, _) => String::new(),
    };
    let is_file = error.file.as_ref().is_some_and(|file| file.as_str() == error.what);
    let what = if is_file { place.trim_end_matches(": ").to_owned() } else { format!("{place}{}", error.what) };
    (what, &error.reason)
}

fn summary(outcome: &Outcome, occasion: Occasion, updates: usize) -> (String, Option<&'static str>) {
    let stuck = outcome.proposals.iter().filter(|proposal| is_stuck(proposal) || is_open_waiting(proposal)).count();
    let mut rest = String::new();
    // What failed for all of a branch is one failure, however many proposals it is the reason of.
    let is_own =
        |proposal: &&Proposal| !outcome.errors.iter().any(|error| proposal.reason.as_ref() == Some(&error.reason));
    let failed = outcome.errors.len() + unpublished(outcome).filter(is_own).count();
    let kept = outcome.kept_back().iter().filter(|(_, kept)| !kept.is_held()).count();
    for (number, word) in
        [(stuck, "waiting"), (kept, "kept back"), (outcome.skipped.len(), "skipped"), (failed, "failed")]
    {
        if number > 0 {
            rest.push_str(&format!(", {number} {word}"));
        }
    }
    if updates == 0 {
        return idle(outcome, occasion, stuck, &rest);
    }
    let files: BTreeSet<&str> = outcome.changes.iter().map(|change| change.file.as_str()).collect();
    let what = format!("{} in {}", count(updates, "update"), count(files.len(), "file"));
    match occasion {
        Occasion::Plan => (format!("{what}{rest}."), Some("Run `tagboat update` to write them.")),
        Occasion::DryRun => (format!("{what}{rest}."), Some("Run it without `--dry-run` to publish them.")),
        Occasion::Update => (
            format!("Wrote {} to {}{rest}.", count(updates, "update"), count(files.len(), "file")),
            Some("Look at them with `git diff`, then commit."),
        ),
        Occasion::Run if outcome.commits.is_empty() => (format!("{what}{rest}."), None),
        Occasion::Run => (format!("Pushed {}: {what}{rest}.", count(outcome.commits.len(), "commit")), None),
    }
}

/// Says why nothing is changed.
fn idle(outcome: &Outcome, occasion: Occasion, stuck: usize, rest: &str) -> (String, Option<&'static str>) {
    let kept_back = outcome.kept_back();
    let stay = |decision: &&Decision| decision.verdict == Verdict::Keep;
    let references = |decision: &Decision| decision.question.sites.len().max(1);
    let behind: usize = kept_back.iter().map(|(decision, _)| *decision).filter(stay).map(references).sum();
    let newest = outcome.decisions.iter().filter(stay).map(references).sum::<usize>() - behind;
    let rest = rest.strip_prefix(", ").map_or(String::new(), |rest| format!(" ({rest})"));
    // `explain`, `status` and `plan` do not look there, or not everywhere.
    let has_theirs = outcome.proposals.iter().any(|proposal| proposal.action == Action::LeftAlone);
    let explain = if has_theirs { THEIRS } else { EXPLAIN };
    if unpublished(outcome).next().is_some() {
        return (format!("Nothing was published{rest}."), None);
    }
    // What was closed was done, whatever else there is nothing to do about.
    let closed: Vec<_> = outcome.proposals.iter().filter(|proposal| proposal.action == Action::Closed).collect();
    if !closed.is_empty() && occasion != Occasion::Update {
        let is_plain = occasion == Occasion::Run && closed.iter().all(|proposal| proposal.url.is_none());
        let (verb, number) = match (is_plain, closed.len()) {
            (false, number) => ("Closed", count(number, "pull request")),
            (true, 1) => ("Deleted", "1 head branch".to_owned()),
            (true, number) => ("Deleted", format!("{number} head branches")),
        };
        let said =
            if occasion.is_preview() { format!("{number} to close{rest}.") } else { format!("{verb} {number}{rest}.") };
        return (said, (stuck > 0 || !kept_back.is_empty()).then_some(explain));
    }
    if newest > 0 && stuck == 0 {
        let (verb, whose) = if newest == 1 { ("is", "its") } else { ("are", "their") };
        let references = count(newest, "reference");
        let all = format!("{references} {verb} at the newest version {whose} policy allows{rest}");
        return match kept_back.is_empty() {
            true => (format!("Nothing to do: {all}."), None),
            false => (format!("Nothing to do now: {all}."), Some(explain)),
        };
    }
    if stuck > 0 || !kept_back.is_empty() {
        return (format!("Nothing to do now{rest}."), Some(explain));
    }
    let handed = outcome.proposals.iter().filter(|proposal| proposal.action == Action::Enqueued).count();
    if handed > 0 {
        let (number, merges) = (count(handed, "pull request"), if handed == 1 { "merges" } else { "merge" });
        return (format!("Nothing else to do: the forge {merges} {number}{rest}."), None);
    }
    let standing = outcome.proposals.iter().filter(|proposal| proposal.action == Action::Unchanged).count();
    if standing > 0 {
        return (format!("Nothing to do: {} up to date{rest}.", count(standing, "pull request")), None);
    }
    if outcome.proposals.iter().any(|proposal| proposal.action == Action::Closed) {
        return (format!("Nothing else to do{rest}."), None);
    }
    if !outcome.errors.is_empty() || !outcome.decisions.is_empty() {
        return (format!("Nothing could be decided{rest}."), None);
    }
    // An order whose end is there already.
    if outcome.holds.is_some() && !outcome.skipped.is_empty() {
        return (format!("Nothing to do: it is so already{rest}."), None);
    }
    let hint = "`tagboat scan` lists every reference, and why it is not followed.";
    (format!("Nothing to do: no reference is followed{rest}."), Some(hint))
}
