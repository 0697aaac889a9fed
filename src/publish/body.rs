//! The body of a pull request: what a reviewer asks, in Markdown that every forge shows alike.
//!
//! Entry points: [`title`] and [`body`]. Pure. Everything from outside is escaped: no mention, no closing
//! keyword, no HTML and no marker of Tagboat's own comes through a tag, a name or a reason.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::model::brought::Brought;
use crate::model::change::Change;
use crate::model::commit::{CommitId, TRAILER_BY, TRAILER_HOLD};
use crate::model::environment::{BranchName, Environment, Predecessor, Publish};
use crate::model::gate::{Gate, GateState};
use crate::model::markdown::{code, plain};
use crate::model::marker;
use crate::model::proposal::{Move, Proposal};
use crate::model::pull_request::{Armed, Marker, Was};
use crate::model::site::Value;
use crate::model::template::Template;
use crate::publish::{links, wording};

/// How many digits of a digest are shown.
const DIGEST_DIGITS: usize = 12;

/// How many images are named where a body says what was proposed before.
const NAMED: usize = 3;

/// The longest text that says what is proposed, in characters, before the sign that some were cut.
const LONGEST_WHAT: usize = 100;

/// The characters that stay free for what was proposed before, in the text and in the marker, where `--` is six times as long, and
/// for the name of the base.
const ROOM_FOR_BEFORE: usize = 1_300 + marker::MOST_BROUGHT_BEFORE + marker::MOST_BASE;

/// The longest title; GitHub takes 256 characters, GitLab and Gitea 255, and some go for the mark of a draft.
const LONGEST_TITLE: usize = 240;

/// Returns the title of a pull request, on one line that every forge takes.
pub fn title(proposal: &Proposal) -> String {
    short(&whole_title(proposal))
}

/// Cuts a title to what every forge takes.
pub fn short(title: &str) -> String {
    match title.char_indices().nth(LONGEST_TITLE) {
        Some((end, _)) => format!("{}…", &title[..end]),
        None => title.to_owned(),
    }
}

fn whole_title(proposal: &Proposal) -> String {
    let environment = &proposal.environment;
    match proposal.moves.as_slice() {
        [one] => {
            let name = one.image.path().rsplit('/').next().unwrap_or_default();
            match (&one.from.tag, &one.to.tag) {
                (Some(old), Some(new)) if old == new => format!("{environment}: renew the digest of {name} at {new}"),
                (_, Some(new)) => format!("{environment}: update {name} to {new}"),
                _ => format!("{environment}: update {name}"),
            }
        }
        several => format!("{environment}: update {} ({} images)", proposal.group, several.len()),
    }
}

/// What a body is written with beside the proposal.
#[derive(Debug, Clone, Copy)]
pub struct Writing<'a> {
    /// The hash of the content.
    pub key: &'a str,
    /// The template, where there is one.
    pub template: Option<&'a Template>,
    /// What the configuration says of the environment.
    pub environment: Option<&'a Environment>,
    /// Compare links and release notes, made safe already.
    pub notes: &'a str,
    /// The most characters.
    pub limit: usize,
    /// Whether a person ordered it: then a pass neither refuses it nor makes it anew.
    pub is_order: bool,
}

/// Says where the versions come from.
fn origin(environment: &Environment) -> String {
    let name = plain(environment.name.as_str());
    let before: Vec<String> = environment
        .after
        .iter()
        .map(|before| match before {
            Predecessor::Here(name) => format!("**{}**", plain(name.as_str())),
            Predecessor::Elsewhere { repository, environment, .. } => {
                format!("**{}** of {}", plain(environment.as_str()), code(repository))
            }
        })
        .collect();
    match before.as_slice() {
        [] => format!("For **{name}**, from the registry.\n\n"),
        [one] => format!("For **{name}**, as {one} runs it.\n\n"),
        [first @ .., last] if environment.after_any => {
            format!("For **{name}**, as {} or {last} runs it.\n\n", first.join(", "))
        }
        [first @ .., last] => format!("For **{name}**, as {} and {last} run it.\n\n", first.join(", ")),
    }
}

/// Writes a body; rows that do not fit are counted.
pub fn body(proposal: &Proposal, changes: &[Change], writing: &Writing<'_>) -> String {
    let brought = Brought::of(changes.iter().map(|change| (&change.image, &change.to)));
    let hidden = hidden(proposal, writing.key, brought);
    let head = writing.environment.map(origin).unwrap_or_default();
    let room = writing.limit.saturating_sub(hidden.chars().count() + 4 + ROOM_FOR_BEFORE);
    let text = usual(head, (proposal, changes), writing, room);
    let templated = writing.template.and_then(|template| {
        let room = writing.limit.saturating_sub(hidden.chars().count() + 100 + ROOM_FOR_BEFORE);
        wording::body(template, (proposal, &files(changes)), (&title(proposal), &text, writing.notes), room)
    });
    format!("{}\n\n{hidden}\n", templated.as_deref().unwrap_or(&text).trim_end())
}

/// Writes the marker.
fn hidden(proposal: &Proposal, key: &str, brought: Brought) -> String {
    marker::write(&Marker {
        key: key.to_owned(),
        environment: proposal.environment.clone(),
        group: proposal.group.clone(),
        withdrawn: false,
        unfinished: false,
        left: false,
        base: None,
        home: None,
        said: None,
        armed: Armed::No,
        queued: None,
        what: Some(what(proposal)),
        instead: None,
        brought,
        was: None,
    })
}

/// Names what a proposal proposes in few words, whose characters need no escape.
fn what(proposal: &Proposal) -> String {
    let of = |step: &Move| {
        let name = step.image.path().rsplit('/').next().unwrap_or_default();
        match &step.to.tag {
            // With a word between them, as everywhere: `fixes gh-1` would be an order.
            Some(tag) => format!("{name} at {tag}"),
            None => name.to_owned(),
        }
    };
    let mut text: String = proposal.moves.iter().take(NAMED).map(of).collect::<Vec<_>>().join(", ");
    if let Some((end, _)) = text.char_indices().nth(LONGEST_WHAT) {
        text.truncate(end);
        text.push('…');
    }
    match proposal.moves.len().saturating_sub(NAMED) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// Notes in the marker of a body into which base branch its pull request is opened, and the base of the run that does so.
pub(super) fn into_base(body: &str, base: Option<&BranchName>, home: Option<&BranchName>) -> String {
    let home = home.filter(|home| Some(*home) != base).cloned();
    match marker::read(body) {
        Some(marker) => marker::replace(body, &Marker { base: base.cloned(), home, ..marker }),
        None => body.to_owned(),
    }
}

/// Adds to a body what the pull request proposed before, where that was something else, in its text and in its marker.
///
/// `turned` is the head commit that brought what was there before, where it is being turned into this.
pub(super) fn instead_of(body: &str, before: &Marker, turned: Option<&CommitId>) -> String {
    let Some(now) = marker::read(body) else { return body.to_owned() };
    let told = marker::write(&now);
    let is_same = before.key == now.key;
    let (key, brought) = (&before.key, &before.brought);
    let turned = turned.map(|commit| Was { key: key.clone(), commit: commit.clone(), brought: brought.clone() });
    let was = if is_same { before.was.clone() } else { turned };
    // Whoever has opened it: several runs may have the same environment on the same branch.
    let home = before.home.clone().or_else(|| now.home.clone());
    let now = Marker { armed: before.armed, queued: before.queued.clone(), home, was, ..now };
    // Of the same content the line stands already.
    let instead = if is_same { &before.instead } else { &before.what };
    let Some(instead) = instead.as_ref().filter(|instead| now.what.as_ref() != Some(instead)) else {
        return marker::replace(body, &now);
    };
    let (text, after) = body.rsplit_once(told.as_str()).unwrap_or((body, ""));
    let marker = marker::write(&Marker { instead: Some(instead.clone()), ..now });
    format!("{text}This takes the place of {}, which was proposed here before.\n\n{marker}{after}", code(instead))
}

/// Names the files that change, each once.
pub(super) fn files(changes: &[Change]) -> Vec<&str> {
    let files: BTreeSet<&str> = changes.iter().map(|change| change.file.as_str()).collect();
    files.into_iter().collect()
}

/// Writes the body that stands without a template.
fn usual(head: String, (proposal, changes): (&Proposal, &[Change]), writing: &Writing<'_>, limit: usize) -> String {
    let columns = Columns {
        has_steps: proposal.moves.iter().any(|step| step.step.is_some()),
        has_dates: proposal.moves.iter().any(|step| step.published.is_some()),
    };
    let mut text = head;
    text.push_str(&columns.row(["image", "from", "to"], "published", "step"));
    text.push_str(&columns.row(["---"; 3], "---", "---"));
    let foot = foot(proposal, writing.environment, writing.is_order);
    let room = limit.saturating_sub(foot.chars().count() + 200);
    // What nobody must know goes first.
    let notes = if writing.notes.chars().count() < room / 2 { writing.notes } else { "" };
    let room = room - notes.chars().count();
    let moves: Vec<String> = proposal.moves.iter().map(|step| move_row(step, &columns)).collect();
    rows(&mut text, &moves, room, &columns.row(["…", "{n} more", ""], "", ""));
    text.push_str("\n<details><summary>Where</summary>\n\n");
    let places: Vec<String> = changes
        .iter()
        .map(|change| {
            format!(
                "- {}:{}: {} → {}\n",
                code(change.file.as_str()),
                change.position.line,
                code(&change.replaces),
                code(&change.with)
            )
        })
        .collect();
    rows(&mut text, &places, room, "- … {n} more\n");
    text.push_str("\n</details>\n");
    if !notes.is_empty() {
        text.push('\n');
        text.push_str(notes);
    }
    text.push_str(&foot);
    text
}

/// Writes the body of what a person ordered: the words of its commit, without the trailers, before the usual ones.
pub fn ordered(
    proposal: &Proposal,
    changes: &[Change],
    (message, key): (&str, &str),
    environment: Option<&Environment>,
    limit: usize,
) -> String {
    // A later pass merges where the environment says so, and nowhere else.
    let is_merged = environment.is_some_and(|environment| environment.publish == Publish::AutoMerge);
    let publish = if is_merged { proposal.publish } else { Publish::PullRequest };
    let writing = Writing { key, template: None, environment, notes: "", limit, is_order: true };
    told((&Proposal { publish, ..proposal.clone() }, changes), message, Brought::default(), &writing)
}

/// Writes the body of what goes back by itself, likewise.
pub fn returned(
    proposal: &Proposal,
    changes: &[Change],
    (message, key): (&str, &str),
    environment: Option<&Environment>,
    limit: usize,
) -> String {
    let writing = Writing { key, template: None, environment, notes: "", limit, is_order: false };
    let brought = Brought::back(changes.iter().map(|change| (&change.image, &change.from, &change.to)));
    told((proposal, changes), message, brought, &writing)
}

fn told((proposal, changes): (&Proposal, &[Change]), message: &str, brought: Brought, writing: &Writing<'_>) -> String {
    let told: Vec<&str> = message
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with("Tagboat-") && !line.starts_with("- ") && !line.is_empty())
        .collect();
    let mut told: String = told.iter().map(|line| format!("{}\n\n", plain(line))).collect();
    let said = |name: &str| -> Vec<&str> {
        message.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).collect()
    };
    if let Some(by) = said(TRAILER_BY).first() {
        let _infallible = write!(told, "Ordered by {}.\n\n", plain(by));
    }
    let place = |held: &str| match held.split_once(" in ") {
        Some((version, environment)) => format!("{} in {}", code(version), plain(environment)),
        None => code(held),
    };
    let held: Vec<String> = said(TRAILER_HOLD).into_iter().map(place).collect();
    if !held.is_empty() {
        let (held, are) = (held.join(", "), if held.len() == 1 { "is" } else { "are" });
        let _infallible = write!(
            told,
            "{held} {are} held, there and in every environment after, while this is open and once it is merged, until somebody \
             releases it.\n\n"
        );
    }
    // The reason and the gates lead the line with their own names, so that nothing of them begins one.
    let hidden = hidden(proposal, writing.key, brought);
    let room = writing.limit.saturating_sub(hidden.chars().count() + 4 + ROOM_FOR_BEFORE);
    format!("{}\n\n{hidden}\n", usual(told, (proposal, changes), writing, room).trim_end())
}

/// Adds as many rows as there is room for, and says how many are left out.
fn rows(text: &mut String, rows: &[String], room: usize, more: &str) {
    let mut used = text.chars().count();
    for (index, row) in rows.iter().enumerate() {
        used += row.chars().count();
        if used > room {
            text.push_str(&more.replace("{n}", &(rows.len() - index).to_string()));
            return;
        }
        text.push_str(row);
    }
}

/// Which columns the table has beside what moves.
struct Columns {
    has_steps: bool,
    has_dates: bool,
}

impl Columns {
    fn row(&self, first: [&str; 3], date: &str, step: &str) -> String {
        let further = [(self.has_dates, date), (self.has_steps, step)];
        let further = further.into_iter().filter(|(is_there, _)| *is_there).map(|(_, cell)| cell);
        let cell = |cell: &str| if cell.is_empty() { " |".to_owned() } else { format!(" {cell} |") };
        format!("|{}\n", first.into_iter().chain(further).map(cell).collect::<String>())
    }
}

fn move_row(step: &Move, columns: &Columns) -> String {
    let linked = |value: &Value| {
        let page = value.tag.as_ref().and_then(|tag| links::page(&step.image, tag));
        match page {
            Some(page) => format!("[{}]({page})", self::value(value)),
            None => self::value(value),
        }
    };
    // A date and no number of days, which would be another one in each pass.
    let date = step.published.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
    let size = step.step.map_or("", |step| step.as_str());
    columns.row([&code(step.image.as_str()), &linked(&step.from), &linked(&step.to)], &date, size)
}

fn value(value: &Value) -> String {
    let digest = value.digest.as_ref().map(|digest| {
        let (_, digits) = digest.as_str().split_once(':').unwrap_or(("", digest.as_str()));
        format!("@{}", digits.get(..DIGEST_DIGITS).unwrap_or(digits))
    });
    let tag = value.tag.as_ref().map_or("", |tag| tag.as_str());
    code(&format!("{tag}{}", digest.unwrap_or_default()))
}

/// How an order is taken back.
const ORDER_TAKEN_BACK: &str = "Close it, and remove its branch: the order is taken back.";

/// Whether a body says that it stands for what a person ordered.
pub fn is_of_order(body: &str) -> bool {
    body.contains(ORDER_TAKEN_BACK)
}

/// What happens next.
const MERGED_BY_ITSELF: &str = "Tagboat merges this once every gate and every check has passed.";
/// The same where nothing merges by itself.
const MERGED_BY_A_PERSON: &str = "A person merges this.";

/// What happens next of a draft, for each of the two.
const OF_DRAFTS: [(&str, &str); 2] = [
    (
        MERGED_BY_ITSELF,
        "Tagboat merges this once a person has marked it as ready, and every gate and every check has passed.",
    ),
    (MERGED_BY_A_PERSON, "A person marks this as ready, and merges it."),
];

/// Says in a body what happens next of a draft.
pub(super) fn of_draft(body: &str) -> String {
    let place = |(usual, _): &(&str, &str)| body.rfind(&format!("\n{usual}"));
    match OF_DRAFTS.iter().filter_map(|both| Some((place(both)? + 1, both))).max() {
        Some((at, (usual, of_draft))) => format!("{}{of_draft}{}", &body[..at], &body[at + usual.len()..]),
        None => body.to_owned(),
    }
}

/// Writes the gates, what happens next, and what people can do.
fn foot(proposal: &Proposal, environment: Option<&Environment>, is_order: bool) -> String {
    let mut text = String::new();
    if !proposal.gates.is_empty() {
        text.push_str("\n**Gates**\n\n");
        for gate in &proposal.gates {
            text.push_str(&gate_row(gate));
        }
    }
    let next = match proposal.publish {
        Publish::AutoMerge => MERGED_BY_ITSELF,
        Publish::PullRequest | Publish::Commit => MERGED_BY_A_PERSON,
    };
    let reviewers = environment.map(|environment| environment.reviewers.as_slice()).unwrap_or_default();
    let asked: Vec<String> = reviewers.iter().map(|name| code(name)).collect();
    let asked = if asked.is_empty() { String::new() } else { format!(" To be reviewed by {}.", asked.join(", ")) };
    let (close, label) = match (is_order, proposal.publish) {
        (true, Publish::AutoMerge) => (
            ORDER_TAKEN_BACK,
            "\n- Label it `tagboat/hold` to keep it from being merged, `tagboat/rebase` to have its branch made anew on the base.",
        ),
        (true, _) => (ORDER_TAKEN_BACK, "\n- Label it `tagboat/rebase` to have its branch made anew on the base."),
        (false, _) => (
            "Close it: this version is refused until something newer comes.",
            "\n- Label it `tagboat/hold` to keep it as it is, `tagboat/rebase` to have its branch made anew, or, once closed, \
             `tagboat/retry` to take the refusal back.",
        ),
    };
    let _infallible = write!(
        text,
        "\n{next}{asked}\n\n<details><summary>What you can do</summary>\n\n\
         - {close}\n\
         - Push to its branch: from then on it is yours, and left alone.{label}\n\n</details>\n"
    );
    text
}

fn gate_row(gate: &Gate) -> String {
    let (mark, said) = match &gate.state {
        GateState::Pass => ("x", String::new()),
        GateState::Wait { until: Some(until), .. } => {
            (" ", format!(": {} (not before {until})", plain(gate.written())))
        }
        GateState::Wait { until: None, .. } => (" ", format!(": {}", plain(gate.written()))),
        GateState::Fail { .. } => (" ", format!(": failed: {}", plain(gate.written()))),
    };
    format!("- [{mark}] `{}`{said}\n", gate.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_cut_to_what_every_forge_takes() {
        assert_eq!(short("prod: update web to 1.5.0"), "prod: update web to 1.5.0");
        let cut = short(&"ü".repeat(300));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (LONGEST_TITLE + 1, true));
    }
}
