//! The body of a pull request: what a reviewer asks, in Markdown that every forge shows alike.
//!
//! Entry points: [`title`] and [`body`]. Pure. Everything from outside is escaped: no mention, no closing
//! keyword, no HTML and no marker of Tagboat's own comes through a tag, a name or a reason.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::model::change::Change;
use crate::model::environment::Publish;
use crate::model::gate::{Gate, GateState};
use crate::model::marker;
use crate::model::proposal::{Move, Proposal};
use crate::model::pull_request::Marker;
use crate::model::site::Value;
use crate::model::template::Template;
use crate::publish::wording;

/// How many digits of a digest are shown.
const DIGEST_DIGITS: usize = 12;

/// The longest text from outside that is shown whole, in characters.
const LONGEST: usize = 300;

/// Returns the title of a pull request.
pub fn title(proposal: &Proposal) -> String {
    let environment = &proposal.environment;
    match proposal.moves.as_slice() {
        [one] => {
            let short = one.image.path().rsplit('/').next().unwrap_or_default();
            match (&one.from.tag, &one.to.tag) {
                (Some(old), Some(new)) if old == new => format!("{environment}: renew the digest of {short} {new}"),
                (_, Some(new)) => format!("{environment}: update {short} to {new}"),
                _ => format!("{environment}: update {short}"),
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
    /// Compare links and release notes, made safe already.
    pub notes: &'a str,
    /// The most characters.
    pub limit: usize,
}

/// Writes a body; rows that do not fit are counted.
pub fn body(proposal: &Proposal, changes: &[Change], writing: &Writing<'_>) -> String {
    let hidden = marker::write(&Marker {
        key: writing.key.to_owned(),
        environment: proposal.environment.clone(),
        group: proposal.group.clone(),
        withdrawn: false,
    });
    let text = usual(proposal, changes, writing.notes, writing.limit.saturating_sub(hidden.chars().count() + 4));
    let templated = writing.template.and_then(|template| {
        let room = writing.limit.saturating_sub(hidden.chars().count() + 100);
        wording::body(template, (proposal, &files(changes)), (&title(proposal), &text, writing.notes), room)
    });
    format!("{}\n\n{hidden}\n", templated.as_deref().unwrap_or(&text).trim_end())
}

/// Names the files that change, each once.
pub(super) fn files(changes: &[Change]) -> Vec<&str> {
    let files: BTreeSet<&str> = changes.iter().map(|change| change.file.as_str()).collect();
    files.into_iter().collect()
}

/// Writes the body that stands without a template.
fn usual(proposal: &Proposal, changes: &[Change], notes: &str, limit: usize) -> String {
    let mut text = String::from("| image | from | to | step |\n| --- | --- | --- | --- |\n");
    let foot = foot(proposal);
    let room = limit.saturating_sub(foot.chars().count() + 200);
    // What nobody must know goes first.
    let notes = if notes.chars().count() < room / 2 { notes } else { "" };
    let room = room - notes.chars().count();
    let moves: Vec<String> = proposal.moves.iter().map(move_row).collect();
    rows(&mut text, &moves, room, "| … | {n} more | | |\n");
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
pub fn ordered(proposal: &Proposal, changes: &[Change], message: &str, key: &str, limit: usize) -> String {
    let told: Vec<&str> = message
        .lines()
        .skip(1)
        .filter(|line| !line.starts_with("Tagboat-") && !line.starts_with("- ") && !line.is_empty())
        .collect();
    let told: String = told.iter().map(|line| format!("{}\n\n", plain(line))).collect();
    let rest = limit.saturating_sub(told.chars().count());
    // Its gates were judged when it was ordered: from there on it is a person's to merge.
    let by_hand = Proposal { publish: Publish::PullRequest, ..proposal.clone() };
    let writing = Writing { key, template: None, notes: "", limit: rest };
    format!("{told}{}", body(&by_hand, changes, &writing))
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

fn move_row(step: &Move) -> String {
    let size = step.step.map_or("", |step| step.as_str());
    format!("| {} | {} | {} | {size} |\n", code(step.image.as_str()), value(&step.from), value(&step.to))
}

fn value(value: &Value) -> String {
    let digest = value.digest.as_ref().map(|digest| {
        let (_, digits) = digest.as_str().split_once(':').unwrap_or(("", digest.as_str()));
        format!("@{}", digits.get(..DIGEST_DIGITS).unwrap_or(digits))
    });
    let tag = value.tag.as_ref().map_or("", |tag| tag.as_str());
    code(&format!("{tag}{}", digest.unwrap_or_default()))
}

/// Writes the gates, and what happens next.
fn foot(proposal: &Proposal) -> String {
    let mut text = String::new();
    if !proposal.gates.is_empty() {
        text.push_str("\n**Gates**\n\n");
        for gate in &proposal.gates {
            text.push_str(&gate_row(gate));
        }
    }
    let next = match proposal.publish {
        Publish::AutoMerge => "Tagboat merges this once every gate and every check has passed.",
        Publish::PullRequest | Publish::Commit => "A person merges this.",
    };
    let _infallible = write!(
        text,
        "\n{next} Closing it refuses this version until something newer comes; the label `tagboat/hold` leaves it as it \
         is, `tagboat/retry` takes a refusal back, `tagboat/rebase` makes its branch anew.\n"
    );
    text
}

fn gate_row(gate: &Gate) -> String {
    let (mark, said) = match &gate.state {
        GateState::Pass => ("x", String::new()),
        GateState::Wait { until: Some(until), reason } => (" ", format!(": {}, until {until}", plain(reason))),
        GateState::Wait { until: None, reason } => (" ", format!(": {}", plain(reason))),
        GateState::Fail { reason } => (" ", format!(": failed: {}", plain(reason))),
    };
    format!("- [{mark}] `{}`{said}\n", gate.name)
}

/// Writes a text from outside as code, which no forge looks into for mentions, links or HTML.
fn code(text: &str) -> String {
    let shown: String = text
        .chars()
        .take(LONGEST)
        .map(|character| match character {
            '`' => '\'',
            '|' => '¦',
            '\n' | '\r' | '\t' => ' ',
            other if other.is_control() => '\u{fffd}',
            other => other,
        })
        .collect();
    if shown.is_empty() { String::new() } else { format!("`{shown}`") }
}

/// Writes a text from outside as prose in which nothing means anything.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::new();
    let mut before = ['\0'; 2];
    for character in text.chars().take(LONGEST) {
        // Neither `https://…` nor `GH-1` may become a link that a closing keyword could stand before.
        // GitLab carries out a line that begins with `/merge`: no slash that begins a word stays one.
        let is_action = character == '/' && (before[1] == '\0' || before[1].is_whitespace());
        let is_link = is_action
            || (character == '/' && before[1] == ':')
            || (character == '-' && before.map(|letter| letter.to_ascii_lowercase()) == ['g', 'h']);
        if is_link {
            shown.push('\u{2060}');
        }
        before = [before[1], character];
        match character {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            // A word joiner keeps a mention or a reference to an issue from being one.
            '@' | '#' | '!' => {
                shown.push(character);
                shown.push('\u{2060}');
            }
            '*' | '_' | '[' | ']' | '|' | '\\' | '~' => {
                shown.push('\\');
                shown.push(character);
            }
            '\n' | '\r' | '\t' => shown.push(' '),
            other if other.is_control() => shown.push('\u{fffd}'),
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_means_nothing() {
        assert_eq!(code("a`b|c\n@x"), "`a'b¦c @x`");
        assert_eq!(plain("closes #1 @acme <b>"), "closes #\u{2060}1 @\u{2060}acme &lt;b&gt;");
        assert_eq!(plain("fixes https://x/1 gh-2"), "fixes https:\u{2060}//x/1 gh\u{2060}-2");
        assert!(!plain("<!-- tagboat: {} -->").contains("<!--"));
        assert_eq!(plain("/merge and /close\n/close a/b"), "\u{2060}/merge and \u{2060}/close \u{2060}/close a/b");
        assert_eq!(code("/merge\n/close"), "`/merge /close`");
    }
}
