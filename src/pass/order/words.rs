//! What the trailers of an order say, and the command that would give it again. Believes none of it.
//!
//! Entry points: [`Words::read`] and [`Words::command`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::brought::Told;
use crate::model::commit::{
    TRAILER_BY, TRAILER_DATED, TRAILER_FAILED, TRAILER_HOLD, TRAILER_IMAGE, TRAILER_ORDER, TRAILER_PUBLISH,
    TRAILER_REASON, TRAILER_SKIP,
};
use crate::model::environment::{EnvironmentName, Publish};
use crate::model::gate::GateName;
use crate::model::history::Ordered;
use crate::model::image::{ImageName, Tag};
use crate::model::site::Value;
use crate::observe::history::kept;
use crate::publish::plan::NOTE;

/// The longest reason that a command repeats, in characters.
const LONGEST_REASON: usize = 120;

/// What is held, and where.
pub(super) type Held = (ImageName, Tag, Option<EnvironmentName>);

/// What the trailers of an order say.
pub(super) struct Words<'a> {
    pub(super) environment: EnvironmentName,
    pub(super) order: Ordered,
    /// What moves: the image, from which version as it was written, and to which one.
    pub(super) steps: Vec<(ImageName, String, Value)>,
    /// When what comes was published, as far as it was known.
    pub(super) dated: BTreeMap<(ImageName, String), Timestamp>,
    /// What is held from then on.
    pub(super) holds: Vec<Held>,
    /// Whether it goes beyond what any pass does: past a gate, or with a hold.
    pub(super) is_bold: bool,
    pub(super) is_merged: bool,
    /// The gates that it was not to wait for.
    pub(super) skipped: BTreeSet<GateName>,
    /// Whether it names a gate, or holds something, in words that nobody knows here.
    pub(super) has_unknown: bool,
    pub(super) by: Option<&'a str>,
    pub(super) reason: Option<&'a str>,
    /// What failed, of a return that nobody ordered.
    pub(super) failed: Option<&'a str>,
    /// What else it tells.
    pub(super) notes: Vec<&'a str>,
}

impl<'a> Words<'a> {
    /// Reads a message; `None` where it is no order.
    pub(super) fn read(message: &'a str) -> Option<Self> {
        let of =
            |name: &'static str| message.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": "));
        let step = |line: &str| {
            let (image, (moved, to)) = (line.split(' ').next()?, line.rsplit_once(" -> ")?);
            let from = moved.strip_prefix(image)?.trim().trim_matches('"');
            Some((image.parse().ok()?, from.to_owned(), value(to)?))
        };
        let dated = |line: &str| {
            let mut parts = line.split(' ');
            let (image, time) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            Some(((image, parts.next()?.to_owned()), time))
        };
        let gates: Vec<&str> = of(TRAILER_SKIP).flat_map(|names| names.split(", ")).collect();
        let skipped: BTreeSet<GateName> =
            GateName::ALL.into_iter().filter(|gate| gates.contains(&gate.as_str())).collect();
        let is_known = |name: &&str| skipped.iter().any(|gate| gate.as_str() == *name);
        let holds: Vec<_> = of(TRAILER_HOLD).map(hold).collect();
        Some(Self {
            environment: Told::by(message).environment?,
            order: [Ordered::Rollback, Ordered::Promote]
                .into_iter()
                .find(|order| of(TRAILER_ORDER).next() == Some(order.as_str()))?,
            steps: of(TRAILER_IMAGE).map(step).collect::<Option<_>>()?,
            dated: of(TRAILER_DATED).filter_map(dated).collect(),
            is_bold: of(TRAILER_SKIP).chain(of(TRAILER_HOLD)).next().is_some(),
            has_unknown: !gates.iter().all(is_known) || holds.iter().any(Option::is_none),
            holds: holds.into_iter().flatten().collect(),
            skipped,
            is_merged: of(TRAILER_PUBLISH).next() == Some(Publish::AutoMerge.as_str()),
            by: of(TRAILER_BY).next(),
            reason: of(TRAILER_REASON).next(),
            failed: of(TRAILER_FAILED).next(),
            notes: message.lines().filter_map(|line| line.strip_prefix(NOTE)).collect(),
        })
    }

    /// Says what is waited for.
    pub(super) fn told(&self) -> String {
        if let Some(failed) = self.failed {
            return format!("a person merges it: it goes back, since this failed: {}", kept(failed));
        }
        let what = match self.order {
            Ordered::Rollback => "to go back",
            Ordered::Promote => "it",
        };
        let by = self.by.map(kept).unwrap_or_else(|| "somebody".to_owned());
        let reason = self.reason.map(|reason| format!(": {}", kept(reason))).unwrap_or_default();
        format!("a person merges it: {by} ordered {what}{reason}")
    }

    /// Whether it brings one tag, as every order to promote does, also that of a group.
    pub(super) fn is_of_one_tag(&self) -> bool {
        self.steps.windows(2).all(|two| two[0].2.tag == two[1].2.tag)
    }

    /// Returns the command that would give the order again, where its environment publishes in a certain way. Whether the environments
    /// before were to be passed by stands in no trailer: the command says so itself where that is missing.
    pub(super) fn command(&self, group: &str, publish: Publish) -> String {
        let environment = quoted(self.environment.as_str());
        let images: BTreeSet<&ImageName> = self.steps.iter().map(|(image, ..)| image).collect();
        let tags: BTreeSet<&Tag> = self.steps.iter().filter_map(|(.., to)| to.tag.as_ref()).collect();
        let image = images.first().map_or("IMAGE", |image| image.as_str());
        let tag = (tags.len() == 1).then(|| tags.first().map(|tag| tag.as_str())).flatten();
        let what = if images.len() == 1 { image } else { group };
        let mut text = match self.order {
            Ordered::Rollback => {
                let to = tag.map(|tag| format!(" --to {}", quoted(tag))).unwrap_or_default();
                format!("tagboat rollback {environment} {}{to}", quoted(what))
            }
            Ordered::Promote => {
                let version = format!("{what}:{}", tag.unwrap_or("TAG"));
                format!("tagboat promote {} --to {environment}", quoted(&version))
            }
        };
        if !self.skipped.is_empty() {
            let names: Vec<&str> = self.skipped.iter().map(|gate| gate.as_str()).collect();
            text.push_str(&format!(" --skip {}", names.join(",")));
        }
        let is_of_a_person = publish == Publish::AutoMerge && !self.is_bold && !self.is_merged;
        if publish == Publish::Commit || is_of_a_person {
            text.push_str(" --publish pullRequest");
        }
        if let Some(reason) = self.reason.filter(|_| self.failed.is_none()) {
            let reason: String = reason.chars().filter(|letter| !letter.is_control()).take(LONGEST_REASON).collect();
            text.push_str(&format!(" --reason {}", quoted(&reason)));
        }
        text
    }
}

/// Reads a version as trailers write it.
pub(super) fn value(text: &str) -> Option<Value> {
    match text.trim().split_once('@') {
        Some((tag, digest)) => Some(Value { tag: Some(tag.parse().ok()?), digest: Some(digest.parse().ok()?) }),
        None => Some(Value { tag: Some(text.trim().parse().ok()?), digest: None }),
    }
}

/// Reads what is held as trailers write it.
fn hold(text: &str) -> Option<Held> {
    let (version, environment) = match text.split_once(" in ") {
        Some((version, environment)) => (version, Some(EnvironmentName::from(environment))),
        None => (text, None),
    };
    let (image, tag) = version.rsplit_once(':')?;
    Some((image.parse().ok()?, tag.parse().ok()?, environment))
}

/// Writes a word for a shell: nothing in it means anything there.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._/:@,+-".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_gives_the_same_order_again_and_a_shell_finds_nothing_else_in_it() {
        let message = "prod: promote web to 1.5.0\n\nTagboat-Environment: prod\nTagboat-Image: ghcr.io/acme/web 1.4.0 -> \
                       1.5.0@sha256:0000000000000000000000000000000000000000000000000000000000000000\nTagboat-Order: \
                       promote\nTagboat-Skip: soak, windows\nTagboat-By: ada\nTagboat-Reason: it's $(late) `now`\n";
        let words = Words::read(message).unwrap();
        let expected =
            "tagboat promote ghcr.io/acme/web:1.5.0 --to prod --skip soak,windows --reason 'it'\\''s $(late) `now`'";
        assert_eq!(words.command("web", Publish::PullRequest), expected);
        assert!(!words.has_unknown && words.is_bold);
        let back =
            message.replace("promote", "rollback").replace("Tagboat-Skip: soak, windows", "Tagboat-Hold: x:1 in prod");
        let words = Words::read(&back).unwrap();
        let expected =
            "tagboat rollback prod ghcr.io/acme/web --to 1.5.0 --publish pullRequest --reason 'it'\\''s $(late) `now`'";
        assert_eq!(words.command("web", Publish::Commit), expected);
        assert_eq!(words.holds, [("x".parse().unwrap(), "1".parse().unwrap(), Some("prod".into()))]);
    }

    #[test]
    fn a_gate_or_a_hold_that_nobody_knows_is_not_dropped_in_silence() {
        let order = "Tagboat-Environment: prod\nTagboat-Image: web 1 -> 2\nTagboat-Order: promote\n";
        assert!(!Words::read(order).unwrap().has_unknown);
        for odd in ["Tagboat-Skip: soak, tides", "Tagboat-Hold: nothing"] {
            assert!(Words::read(&format!("{order}{odd}\n")).unwrap().has_unknown, "{odd}");
        }
    }
}
