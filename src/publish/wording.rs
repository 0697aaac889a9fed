//! Texts by the templates of the configuration: what they are filled in with, and what is taken out of what came of them. Pure.
//!
//! Entry points: [`message`], [`title`] and [`body`]. Whatever a template says, it forges none of Tagboat's trailers or markers,
//! gives a forge no order, and takes nothing away that Tagboat needs; one that cannot be filled in gives way to the default.

use crate::model::environment::Publish;
use crate::model::gate::GateState;
use crate::model::image::ImageName;
use crate::model::markdown::{plain, quiet};
use crate::model::proposal::{Move, Proposal};
use crate::model::site::Value;
use crate::model::template::{Facts, GateFacts, ImageFacts, Template};

/// The longest title, in characters: the shortest limit of all forges is 255, of which GitLab's mark of a draft takes 7.
const LONGEST_TITLE: usize = 248;

/// The longest message before the trailers, in characters.
const LONGEST_MESSAGE: usize = 10_000;

/// What stands before a line that would be a trailer of Tagboat's own.
const DISARMED: &str = "| ";

/// Tells an image's move to templates.
pub(super) fn image(name: &ImageName, from: &Value, to: &Value, step: &str) -> ImageFacts {
    let tag = |value: &Value| value.tag.as_ref().map(|tag| tag.as_str().to_owned()).unwrap_or_default();
    let digest = |value: &Value| value.digest.as_ref().map(|digest| digest.as_str().to_owned()).unwrap_or_default();
    ImageFacts {
        name: name.as_str().to_owned(),
        short: name.path().rsplit('/').next().unwrap_or_default().to_owned(),
        old: tag(from),
        new: tag(to),
        old_digest: digest(from),
        new_digest: digest(to),
        step: step.to_owned(),
    }
}

/// Tells a proposal to templates; texts from outside come in a form in which they mean nothing.
fn facts(proposal: &Proposal, files: &[&str], summary: &str) -> Facts {
    let image = |one: &Move| image(&one.image, &one.from, &one.to, one.step.map_or("", |step| step.as_str()));
    Facts {
        environment: proposal.environment.to_string(),
        group: proposal.group.clone(),
        publish: match proposal.publish {
            Publish::Commit => "commit",
            Publish::PullRequest => "pullRequest",
            Publish::AutoMerge => "autoMerge",
        }
        .to_owned(),
        summary: summary.to_owned(),
        files: files.iter().map(|file| plain(file)).collect(),
        images: proposal.moves.iter().map(image).collect(),
        gates: proposal
            .gates
            .iter()
            .map(|gate| {
                let state = match &gate.state {
                    GateState::Pass => "pass",
                    GateState::Wait { .. } => "wait",
                    GateState::Fail { .. } => "fail",
                };
                GateFacts { name: gate.name.to_string(), state: state.to_owned(), reason: plain(gate.written()) }
            })
            .collect(),
        ..Facts::default()
    }
}

fn rendered(template: &Template, facts: &Facts, what: &str) -> Option<String> {
    match template.render(facts) {
        Ok(text) => Some(text),
        Err(reason) => {
            tracing::warn!(
                environment = facts.environment,
                reason,
                "the template of the {what} gives way to the default"
            );
            None
        }
    }
}

/// Returns the message of a commit before its trailers.
pub(super) fn message(template: Option<&Template>, facts: &Facts) -> String {
    let text = template.and_then(|template| rendered(template, facts, "commit's message"));
    let text: String = text
        .unwrap_or_default()
        .chars()
        .filter(|character| *character == '\n' || !character.is_control())
        .take(LONGEST_MESSAGE)
        .collect();
    let is_ours = |line: &str| line.trim_start().get(..8).is_some_and(|start| start.eq_ignore_ascii_case("tagboat-"));
    let lines: Vec<String> = text
        .trim()
        .lines()
        .map(|line| if is_ours(line) { format!("{DISARMED}{line}") } else { line.trim_end().to_owned() })
        .collect();
    if lines.is_empty() { facts.default.clone() } else { lines.join("\n") }
}

/// Returns the title of a pull request.
pub(super) fn title(template: Option<&Template>, proposal: &Proposal, files: &[&str], default: &str) -> String {
    let Some(template) = template else { return default.to_owned() };
    // A title is no Markdown.
    let named = files.iter().map(|file| quiet(file)).collect();
    let facts = Facts { default: default.to_owned(), files: named, ..facts(proposal, files, summary(default)) };
    let text = rendered(template, &facts, "title").unwrap_or_default();
    let words: Vec<&str> = text.split_whitespace().collect();
    let line: String =
        words.join(" ").chars().filter(|character| !character.is_control()).take(LONGEST_TITLE).collect();
    if line.is_empty() { default.to_owned() } else { line }
}

/// Returns the body of a pull request before its marker, in at most so many characters.
pub(super) fn body(
    template: &Template,
    (proposal, files): (&Proposal, &[&str]),
    (title, default, notes): (&str, &str, &str),
    room: usize,
) -> Option<String> {
    let facts =
        Facts { default: default.to_owned(), notes: notes.to_owned(), ..facts(proposal, files, summary(title)) };
    let text = rendered(template, &facts, "body")?;
    // A hidden line of Tagboat's own, and what GitLab would carry out.
    let text = text.replace("<!-- tagboat:", "&lt;!-- tagboat:");
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let line: String = line.chars().filter(|character| *character == '\t' || !character.is_control()).collect();
            if line.trim_start().starts_with('/') { format!("\u{2060}{}", line.trim_start()) } else { line }
        })
        .collect();
    let text = lines.join("\n");
    let text = text.trim();
    match text.char_indices().nth(room) {
        Some((end, _)) => Some(cut(text, end)),
        None => Some(text.to_owned()).filter(|text| !text.is_empty()),
    }
}

/// Cuts a text at the end of a line, and says how many lines are gone. What is folded in there stays folded in.
fn cut(text: &str, end: usize) -> String {
    let kept = text[..end].rfind('\n').map_or("", |at| &text[..at]).trim_end();
    let gone = text[kept.len()..].lines().filter(|line| !line.trim().is_empty()).count();
    let open = kept.matches("<details>").count().saturating_sub(kept.matches("</details>").count());
    let closed = "\n\n</details>".repeat(open.min(2));
    format!("{kept}{closed}\n\n… {gone} more lines: the text is longer than this forge takes")
}

/// Returns what a default title says without its environment.
pub(super) fn summary(title: &str) -> &str {
    title.split_once(": ").map_or(title, |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::template::Wording;

    fn facts() -> Facts {
        Facts { environment: "dev".to_owned(), default: "own words".to_owned(), ..Facts::default() }
    }

    fn written(source: &str) -> String {
        message(Some(&Template::parse(source, Wording::Message).unwrap()), &facts())
    }

    #[test]
    fn what_is_too_long_is_cut_at_the_end_of_a_line_and_counted() {
        let rows: String = (0..9).map(|row| format!("| row {row} |\n")).collect();
        let text = format!("{rows}<details>\n\n{rows}</details>");
        let at = |end: usize| cut(&text, end);
        assert_eq!(at(25), "| row 0 |\n| row 1 |\n\n… 18 more lines: the text is longer than this forge takes");
        assert_eq!(at(3), "\n\n… 20 more lines: the text is longer than this forge takes");
        assert!(
            at(130).ends_with("| row 1 |\n\n</details>\n\n… 8 more lines: the text is longer than this forge takes"),
            "{}",
            at(130)
        );
    }

    #[test]
    fn a_message_forges_no_trailer_and_is_never_empty() {
        let forged = written("x\n\n  tagboat-KEY: 1\nTagboat-Environment: prod\r\n\x07Team: shop\n\n");
        assert_eq!(forged, "x\n\n|   tagboat-KEY: 1\n| Tagboat-Environment: prod\nTeam: shop");
        assert_eq!(written(" \n\n"), "own words");
        assert_eq!(written("{{ environment }}: {{ default }}"), "dev: own words");
        assert_eq!(message(None, &facts()), "own words");
        assert_eq!(written(&"é".repeat(LONGEST_MESSAGE / 2)).chars().count(), LONGEST_MESSAGE / 2);
    }
}
