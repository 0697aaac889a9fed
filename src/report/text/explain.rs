//! Why a tag was chosen, and why every other one was not.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::model::decision::{Decision, Reason, Verdict};
use crate::model::image::ImageName;
use crate::model::kept_back::KeptBack;
use crate::model::outcome::{Explanation, Trouble};
use crate::model::proposal::{Action, Way};
use crate::model::tags::{ImageTags, newest_first};
use crate::model::usage::Usage;
use crate::report::View;
use crate::report::candidates::{self, Candidate, State, Why};
use crate::report::text::ink::{Cut, Tone};
use crate::report::text::lists::{count, named};
use crate::report::text::outcome::{Passing, gates, short_value, split};
use crate::report::text::page::Page;
use crate::report::text::table::{self, Cell, Column};

/// How many tags of one reason are named unless all are asked for.
const NAMED: usize = 12;

/// How many reasons of one kind are told apart unless all are asked for: each young tag has a moment of its own.
const REASONS_OF_A_KIND: usize = 6;

/// Writes explanations, one for each environment; `images` holds the lists that they point into.
///
/// # Errors
///
/// Where the writer fails.
pub fn explain(
    explanations: &[Explanation],
    images: &BTreeMap<ImageName, Arc<ImageTags>>,
    troubles: &[Trouble],
    view: &View,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut page = Page::new(view, out);
    for explanation in explanations {
        let question = &explanation.decision.question;
        let tags = images.get(&question.image);
        let is_same = |other: &&Explanation| {
            let other = &other.decision.question;
            (&other.environment, &other.image) == (&question.environment, &question.image)
        };
        // Where one environment has several answers, which place each is about makes the difference.
        let is_one_of_several = explanations.iter().filter(is_same).count() > 1;
        one(&mut page, explanation, tags.map(|tags| &**tags), is_one_of_several)?;
    }
    if !troubles.is_empty() {
        page.title("Failed")?;
        for trouble in troubles {
            let (name, reason) = split(trouble);
            named(&mut page, Tone::Bad, &name, reason)?;
        }
    }
    if explanations.is_empty() && troubles.is_empty() {
        page.prose(0, 0, &[(Tone::Plain, "Nothing to explain: no reference to the image is followed.")])?;
    }
    page.finish()
}

/// Writes what registries were asked for it, a line each; nothing where none was asked.
///
/// # Errors
///
/// Where the writer fails.
pub fn asked(usage: &Usage, view: &View, out: &mut dyn io::Write) -> io::Result<()> {
    if usage.0.is_empty() || view.is_quiet() {
        return Ok(());
    }
    let mut page = Page::new(view, out);
    page.line("")?;
    page.prose(0, 0, &[(Tone::Strong, "Asked")])?;
    for (host, usage) in &usage.0 {
        named(&mut page, Tone::Strong, host, &usage.to_string())?;
    }
    page.finish()
}

fn one(
    page: &mut Page<'_>,
    explanation: &Explanation,
    tags: Option<&ImageTags>,
    is_one_of_several: bool,
) -> io::Result<()> {
    let list = tags.map(|tags| &tags.list);
    let decision = &explanation.decision;
    let question = &decision.question;
    page.gap()?;
    let (image, environment) = (question.image.as_str(), question.environment.as_str());
    page.prose(0, 2, &[(Tone::Strong, image), (Tone::Plain, "in"), (Tone::Strong, environment)])?;
    if is_one_of_several || page.view.is_verbose() {
        page.prose(2, 12, &[(Tone::Quiet, "where:"), (Tone::Plain, &explanation.places.join(", "))])?;
    }
    page.prose(2, 12, &[(Tone::Quiet, "policy:"), (Tone::Plain, &question.policy.to_string())])?;
    page.prose(2, 12, &[(Tone::Quiet, "current:"), (Tone::Plain, &short_value(&question.current))])?;
    let (tone, chosen, why) = match &decision.verdict {
        Verdict::Keep => (Tone::Plain, "none".to_owned(), nothing_better(decision, tags)),
        Verdict::Undecided(reason) => (Tone::Wait, "undecided:".to_owned(), reason.clone()),
        Verdict::Move { to, step } => {
            let why = step.map_or(String::new(), |step| format!("({} step)", step.as_str()));
            (Tone::Good, short_value(to), why)
        }
    };
    page.prose(2, 12, &[(Tone::Quiet, "chosen:"), (tone, &chosen), (Tone::Plain, &why)])?;
    if let Some(facts) = decision.chosen().and_then(|tag| tags?.facts.get(tag)) {
        let source = [&facts.labels.source, &facts.labels.revision].into_iter().flatten();
        let source = source.map(String::as_str).collect::<Vec<_>>().join(" at ");
        if !source.is_empty() {
            page.prose(2, 12, &[(Tone::Quiet, "source:"), (Tone::Plain, &source)])?;
        }
    }
    if let (Some(action), Some(reason)) = (explanation.action, &explanation.reason) {
        let word = match action {
            // What is held by itself says so beside `chosen`.
            Action::Held if decision.chosen().is_none() => None,
            Action::Held => Some("held:"),
            Action::Failed => Some("failed:"),
            _ => Some("waits:"),
        };
        if let Some(word) = word {
            page.prose(2, 12, &[(Tone::Quiet, word), (Tone::Wait, reason)])?;
        }
    }
    gates(page, &explanation.gates, Passing::Told)?;
    if let Some(earliest) = explanation.earliest {
        page.prose(2, 12, &[(Tone::Quiet, "earliest:"), (Tone::Plain, &earliest.to_string())])?;
    }
    ways(page, &explanation.ways)?;
    if let Some(watch) = &explanation.watch {
        let tone = if watch.has_failed() { Tone::Bad } else { Tone::Plain };
        page.prose(2, 12, &[(Tone::Quiet, "watch:"), (tone, &watch.told())])?;
    }
    let mut candidates = candidates::of(decision, list);
    if candidates.is_empty() {
        return Ok(());
    }
    page.line("")?;
    candidates.sort_by(|one, other| newest_first(one.tag, other.tag));
    if page.view.is_verbose() {
        // Words such as `latest` are not newer than any version.
        candidates.sort_by_key(|candidate| matches!(candidate.why, Why::Given(Reason::NotAVersion)));
        every(page, &candidates)
    } else {
        condensed(page, &candidates)
    }
}

/// Tells of every way to an environment of which one is enough; the gates of the one that counts stand above.
fn ways(page: &mut Page<'_>, ways: &[Way]) -> io::Result<()> {
    for way in ways {
        let (tone, verdict) = if way.counts { (Tone::Good, "counts:") } else { (Tone::Wait, "does not count:") };
        let next = way.next.as_ref().map_or_else(|| "nothing".to_owned(), short_value);
        let by = format!("by {}, {next}", way.before);
        page.prose(2, 12, &[(Tone::Quiet, "way:"), (Tone::Strong, &by), (tone, verdict), (Tone::Plain, &way.reason)])?;
        if !way.counts {
            gates(page, &way.gates, Passing::Told)?;
        }
    }
    Ok(())
}

/// Says why nothing was chosen, as far as one line can.
fn nothing_better(decision: &Decision, tags: Option<&ImageTags>) -> String {
    if let Some(kept) = tags.and_then(|tags| KeptBack::of(decision, tags)) {
        return format!("({} is kept back: {})", kept.tag, kept.reason);
    }
    let is_elsewhere = decision.rejected.iter().any(|(_, reason)| *reason == Reason::NotBefore);
    if is_elsewhere { "(nothing better is in the environment before)" } else { "(nothing better exists)" }.to_owned()
}

fn every(page: &mut Page<'_>, candidates: &[Candidate<'_>]) -> io::Result<()> {
    let columns = [Column::kept("", Cut::Middle), Column::new("", Cut::End)];
    let row = |candidate: &Candidate<'_>| {
        let (tone, word) = match candidate.state {
            State::Chosen => (Tone::Good, "chosen: "),
            State::Current => (Tone::Strong, ""),
            State::Rejected => (Tone::Plain, ""),
        };
        vec![Cell::toned(tone, candidate.tag), Cell::new(&format!("{word}{}", candidate.why))]
    };
    let rows: Vec<_> = candidates.iter().map(row).collect();
    table::write(page, 2, &columns, &rows)
}

fn condensed(page: &mut Page<'_>, candidates: &[Candidate<'_>]) -> io::Result<()> {
    let mut by_reason: BTreeMap<(u8, String), Vec<&Candidate<'_>>> = BTreeMap::new();
    for candidate in candidates {
        match candidate.state {
            State::Chosen => page.prose(
                2,
                4,
                &[(Tone::Good, &format!("{}:", candidate.tag)), (Tone::Plain, &format!("chosen, {}", candidate.why))],
            )?,
            State::Current => page.prose(
                2,
                4,
                &[(Tone::Strong, &format!("{}:", candidate.tag)), (Tone::Plain, &candidate.why.to_string())],
            )?,
            State::Rejected => {
                let key = (rank(candidate.why), candidate.why.to_string());
                by_reason.entry(key).or_default().push(candidate);
            }
        }
    }
    let mut groups: Vec<_> = by_reason.into_iter().collect();
    // Within a kind of reason, that of the newest tag comes first.
    groups.sort_by(|((one, _), tags), ((other, _), others)| {
        one.cmp(other).then_with(|| newest_first(tags[0].tag, others[0].tag))
    });
    let mut of_kind: BTreeMap<u8, usize> = BTreeMap::new();
    let mut is_cut = false;
    let mut left_out = 0;
    for ((rank, reason), tags) in &groups {
        let seen = of_kind.entry(*rank).or_default();
        *seen += 1;
        if *seen > REASONS_OF_A_KIND {
            left_out += tags.len();
            continue;
        }
        if let [single] = tags.as_slice() {
            page.prose(2, 4, &[(Tone::Strong, &format!("{}:", single.tag)), (Tone::Plain, reason)])?;
            continue;
        }
        let named: Vec<&str> = tags.iter().take(NAMED).map(|candidate| candidate.tag).collect();
        let mut names = named.join(", ");
        if tags.len() > NAMED {
            is_cut = true;
            names.push_str(", …");
        }
        let head = format!("{}:", count(tags.len(), "tag"));
        page.prose(2, 4, &[(Tone::Strong, &head), (Tone::Plain, &format!("{reason}:")), (Tone::Quiet, &names)])?;
    }
    if left_out > 0 {
        page.prose(2, 4, &[(Tone::Plain, &format!("{left_out} more for reasons like these"))])?;
    }
    if is_cut || left_out > 0 {
        page.prose(2, 4, &[(Tone::Quiet, "`-v` shows every tag.")])?;
    }
    Ok(())
}

/// Orders reasons by how near a tag came to being chosen.
fn rank(why: Why<'_>) -> u8 {
    match why {
        Why::Won(_) | Why::InUse => 0,
        Why::Undecided(_) | Why::Unnamed => 20,
        Why::Given(reason) => match reason {
            Reason::InUse => 0,
            Reason::Held(_) | Reason::Behind(_) | Reason::OtherBuild(_) => 1,
            Reason::TooYoung { .. } => 2,
            Reason::AgeUnknown => 3,
            Reason::PlatformMissing(_) => 4,
            Reason::SignatureMissing | Reason::SignatureWrong(_) => 5,
            Reason::Unknown(_) => 6,
            Reason::Outranked | Reason::NotBefore | Reason::NotNext => 7,
            Reason::SameVersion => 8,
            Reason::OutOfRange => 9,
            Reason::PreRelease => 10,
            Reason::Lower | Reason::Older => 11,
            Reason::Ignored => 12,
            Reason::NotMatched => 13,
            Reason::NotInFamily => 14,
            Reason::NothingToCompare | Reason::NotFollowed => 15,
            Reason::NotAVersion => 16,
        },
    }
}
