//! How commits and pull requests look: `commit:` and `pullRequest:`.
//!
//! Owns the checks of trailers, people and templates; nothing is rendered here.

use serde_json::{Value as Json, json};

use crate::config::fault::quote;
use crate::config::reader::{Field, Reader, Scalar};
use crate::config::repository::raw::{RawCommit, RawPullRequest};
use crate::config::scalars::word;
use crate::model::commit::{CommitStyle, Identity, Sign};
use crate::model::pull_request::{PullRequestStyle, Rebase};
use crate::model::template::{Template, Wording};

/// `Name <email>`.
#[derive(Debug, Clone)]
pub(crate) struct Person(pub(crate) Identity);

impl Scalar for Person {
    const WHAT: &'static str = "a name and an address like `Ship Bot <ship@acme.example>`";

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{} is not of the form `Name <address@host>`", quote(text));
        let (name, rest) = text.split_once('<').ok_or_else(wrong)?;
        let email = rest.trim_end().strip_suffix('>').ok_or_else(wrong)?;
        let name = name.trim();
        let refused = |character: char| character.is_control() || matches!(character, '<' | '>');
        let is_address = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        if name.is_empty() || text.len() > 300 || !is_address || name.contains(refused) {
            return Err(wrong());
        }
        if email.contains(|character: char| refused(character) || character.is_whitespace()) {
            return Err(wrong());
        }
        Ok(Self(Identity { name: name.to_owned(), email: email.to_owned() }))
    }

    fn schema() -> Json {
        json!({"type": "string", "pattern": "^[^<>]+ ?<[^<>@\\s]+@[^<>\\s]+>\\s*$"})
    }
}

/// How commits are signed.
#[derive(Debug, Clone)]
pub(crate) struct SignWord(pub(crate) Sign);

impl Scalar for SignWord {
    const WHAT: &'static str = "`ssh`, `gpg` or `forge`";

    fn parse(text: &str) -> Result<Self, String> {
        word(text, &[("ssh", Self(Sign::Ssh)), ("gpg", Self(Sign::Gpg)), ("forge", Self(Sign::Forge))])
    }

    fn schema() -> Json {
        json!({"enum": ["ssh", "gpg", "forge"]})
    }
}

/// When a head branch is made anew.
#[derive(Debug, Clone)]
pub(crate) struct RebaseWord(pub(crate) Rebase);

impl Scalar for RebaseWord {
    const WHAT: &'static str = "`conflict`, `needed` or `always`";

    fn parse(text: &str) -> Result<Self, String> {
        let words =
            [("conflict", Self(Rebase::Conflict)), ("needed", Self(Rebase::Needed)), ("always", Self(Rebase::Always))];
        word(text, &words)
    }

    fn schema() -> Json {
        json!({"enum": ["conflict", "needed", "always"]})
    }
}

/// Checks a template, and says what is wrong with it at its place.
fn template<T: AsRef<str>>(field: Field<T>, wording: Wording, reader: &mut Reader<'_>) -> Option<Template> {
    let given = field.given?;
    Template::parse(given.value.as_ref(), wording)
        .map_err(|fault| {
            let line = fault.line.map(|line| format!("line {line} of the template: ")).unwrap_or_default();
            reader.fault(given.span.clone(), format!("{line}{}", fault.reason), fault.hint);
        })
        .ok()
}

/// Turns `commit:` into the model's style.
pub(crate) fn commit(raw: RawCommit, reader: &mut Reader<'_>) -> CommitStyle {
    let mut trailers = Vec::new();
    for (key, value) in raw.trailers.value().map(|map| map.0).unwrap_or_default() {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if key.text.is_empty() || !key.text.bytes().all(is_token) {
            let message = format!("{} is no name of a trailer: letters, digits and `-`", quote(&key.text));
            reader.fault(key.span, message, None);
        } else if key.text.to_ascii_lowercase().starts_with("tagboat-") {
            let message = format!("{} is one of Tagboat's own trailers", quote(&key.text));
            reader.fault(key.span, message, Some("choose another name".to_owned()));
        } else {
            trailers.push((key.text, value.value.0));
        }
    }
    CommitStyle {
        message: template(raw.message, Wording::Message, reader),
        author: raw.author.value().map(|person| person.0).unwrap_or_default(),
        committer: raw.committer.value().map(|person| person.0),
        sign: raw.sign.value().map(|word| word.0),
        sign_off: raw.sign_off.value().unwrap_or(false),
        trailers,
    }
}

/// Turns `pullRequest:` into the model's style.
pub(crate) fn pull_request(raw: RawPullRequest, reader: &mut Reader<'_>) -> PullRequestStyle {
    let labels = raw.labels.value().map(|labels| labels.0).unwrap_or_default();
    let default = PullRequestStyle::default();
    PullRequestStyle {
        title: template(raw.title, Wording::Title, reader),
        body: template(raw.body, Wording::Body, reader),
        labels: labels.into_iter().map(|label| label.value.0).collect(),
        draft: raw.draft.value().unwrap_or(default.draft),
        branch_prefix: raw.branch_prefix.value().map_or(default.branch_prefix, |prefix| prefix.0),
        allow_no_checks: raw.allow_no_checks.value().unwrap_or(default.allow_no_checks),
        release_notes: raw.release_notes.value().unwrap_or(default.release_notes),
        rebase: raw.rebase.value().map_or(default.rebase, |word| word.0),
        native_auto_merge: raw.native_auto_merge.value().unwrap_or(default.native_auto_merge),
    }
}
