//! The job summary: what a pass did, in Markdown tables, as whoever opens the run reads it first.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::model::gate::GateState;
use crate::model::markdown::{code, plain};
use crate::model::outcome::{Finding, Outcome, Severity};
use crate::model::proposal::{Action, Proposal};
use crate::model::site::Value;
use crate::report::Base;
use crate::report::text::Occasion;

/// The most rows of a table; the rest is counted. GitHub shows no summary of more than 1 MiB, and takes none of it then.
const MOST_ROWS: usize = 500;

/// How many digits of a digest are shown.
const DIGEST_DIGITS: usize = 12;

/// Writes the summary of a pass.
pub fn summary(outcome: &Outcome, occasion: Occasion) -> String {
    let title = match occasion {
        Occasion::Plan | Occasion::DryRun => "What would change",
        Occasion::Update | Occasion::Run => "What changed",
    };
    let mut text = format!("### Tagboat: {}\n\n", title.to_lowercase());
    let changes = changes(outcome);
    if changes.is_empty() {
        text.push_str("Nothing.\n\n");
    } else {
        table(&mut text, &["environment", "image", "from", "to", "step", "where"], &changes);
    }
    let proposals: Vec<_> = outcome.proposals.iter().filter(|one| one.url.is_some() || one.branch.is_some()).collect();
    if !proposals.is_empty() {
        text.push_str("#### Pull requests\n\n");
        let rows: Vec<Vec<String>> = proposals.into_iter().map(pull_request).collect();
        table(&mut text, &["environment", "group", "", "pull request"], &rows);
    }
    let gates: Vec<Vec<String>> = outcome.proposals.iter().flat_map(gates).collect();
    if !gates.is_empty() {
        text.push_str("#### Waiting\n\n");
        table(&mut text, &["environment", "group", "for", "why"], &gates);
    }
    let kept = outcome.kept_back();
    let kept = kept.iter().filter(|(_, kept)| !kept.is_held());
    let kept: Vec<Vec<String>> = kept
        .map(|(decision, kept)| {
            let asked = &decision.question;
            let (environment, image) = (code(asked.environment.as_str()), code(asked.image.as_str()));
            vec![environment, image, code(&kept.tag), plain(&kept.reason.to_string())]
        })
        .collect();
    if !kept.is_empty() {
        text.push_str("#### Kept back\n\n");
        table(&mut text, &["environment", "image", "version", "why"], &kept);
    }
    if !outcome.errors.is_empty() {
        text.push_str("#### Failed\n\n");
        let rows: Vec<Vec<String>> = outcome
            .errors
            .iter()
            .map(|error| {
                let place = match (&error.file, error.position) {
                    (Some(file), Some(at)) => format!("{}:{}", code(file.as_str()), at.line),
                    (Some(file), None) => code(file.as_str()),
                    (None, _) => String::new(),
                };
                vec![code(&error.what), place, plain(&error.reason)]
            })
            .collect();
        table(&mut text, &["what", "where", "why"], &rows);
    }
    if !outcome.skipped.is_empty() {
        let number = outcome.skipped.len();
        let _infallible = writeln!(text, "<details><summary>Skipped: {number}</summary>\n");
        let rows: Vec<Vec<String>> =
            outcome.skipped.iter().map(|skipped| vec![code(&skipped.what), plain(&skipped.reason)]).collect();
        table(&mut text, &["what", "why"], &rows);
        text.push_str("</details>\n\n");
    }
    text
}

/// Writes the summary of a check.
pub fn findings(findings: &[Finding], base: &Base<'_>) -> String {
    let mut text = String::from("### Tagboat: check\n\n");
    if findings.is_empty() {
        text.push_str("No findings.\n\n");
        return text;
    }
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| {
            let severity = match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            let file = base.of(finding).or_else(|| finding.place()).map(|file| code(&file)).unwrap_or_default();
            let place = finding.position.map(|at| format!("{file}:{}", at.line)).unwrap_or(file);
            let hint = finding.hint.as_ref().map(|hint| format!(" ({})", plain(hint))).unwrap_or_default();
            vec![severity.to_owned(), place, format!("{}{hint}", plain(&finding.message))]
        })
        .collect();
    table(&mut text, &["", "where", "what"], &rows);
    text
}

fn table(text: &mut String, head: &[&str], rows: &[Vec<String>]) {
    let _infallible = writeln!(text, "| {} |\n|{}", head.join(" | "), " --- |".repeat(head.len()));
    for row in rows.iter().take(MOST_ROWS) {
        let _infallible = writeln!(text, "| {} |", row.join(" | "));
    }
    text.push('\n');
    if let Some(more) = rows.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        let _infallible = writeln!(text, "… and {more} more.\n");
    }
}

/// Returns a row for each image that moves alike in an environment.
fn changes(outcome: &Outcome) -> Vec<Vec<String>> {
    let mut rows: BTreeMap<_, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for change in &outcome.changes {
        let key = (&change.environment, &change.image, &change.from, &change.to);
        let (_, places) = rows.entry(key).or_insert_with(|| {
            let row = vec![
                code(change.environment.as_str()),
                code(change.image.as_str()),
                value(&change.from),
                value(&change.to),
                change.step.map_or("", |step| step.as_str()).to_owned(),
            ];
            (row, Vec::new())
        });
        let place = format!("{}:{}", code(change.file.as_str()), change.position.line);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let row = |(mut row, places): (Vec<String>, Vec<String>)| {
        row.push(match places.as_slice() {
            [one] => one.clone(),
            [one, rest @ ..] => format!("{one} and {} more", rest.len()),
            [] => String::new(),
        });
        row
    };
    rows.into_values().map(row).collect()
}

fn value(value: &Value) -> String {
    let digest = value.digest.as_ref().map(|digest| {
        let (_, digits) = digest.as_str().split_once(':').unwrap_or(("", digest.as_str()));
        format!("@{}", digits.get(..DIGEST_DIGITS).unwrap_or(digits))
    });
    let tag = value.tag.as_ref().map_or("", |tag| tag.as_str());
    code(&format!("{tag}{}", digest.unwrap_or_default()))
}

fn pull_request(proposal: &Proposal) -> Vec<String> {
    let link = match (&proposal.url, &proposal.branch) {
        // The forge's own address: it is shown where it has the form of one.
        (Some(url), _) if url.starts_with("https://") && !url.contains(|sign: char| " <>()|\"".contains(sign)) => {
            url.clone()
        }
        (Some(url), _) => code(url),
        (None, Some(branch)) => code(branch),
        (None, None) => String::new(),
    };
    vec![code(proposal.environment.as_str()), code(&proposal.group), proposal.action.as_str().to_owned(), link]
}

/// Returns a row for each gate that does not pass, or for what else a proposal waits for.
fn gates(proposal: &Proposal) -> Vec<Vec<String>> {
    let (environment, group) = (code(proposal.environment.as_str()), code(&proposal.group));
    let mut rows = Vec::new();
    for gate in &proposal.gates {
        let why = match &gate.state {
            GateState::Pass => continue,
            GateState::Wait { until: Some(until), reason } => format!("{}, until {until}", plain(reason)),
            GateState::Wait { until: None, reason } => plain(reason),
            GateState::Fail { reason } => format!("failed: {}", plain(reason)),
        };
        rows.push(vec![environment.clone(), group.clone(), code(gate.name.as_str()), why]);
    }
    let is_stuck = proposal.is_waiting() || matches!(proposal.action, Action::Held | Action::LeftAlone);
    if is_stuck && let Some(reason) = proposal.why() {
        let what = match proposal.action {
            Action::Unchanged | Action::Enqueued => "being merged",
            other => other.as_str(),
        };
        rows.push(vec![environment, group, what.to_owned(), plain(reason)]);
    }
    rows
}
