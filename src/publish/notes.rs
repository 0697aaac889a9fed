//! Where a version comes from: compare links and release notes, as a section of a pull request's body. Pure.
//!
//! Entry points: [`source`], [`between`] and [`section`]. Everything that an image's author wrote is shown so that it means nothing:
//! no mention, no closing keyword, no HTML, no link and no marker comes out of a release note.

use std::fmt::Write as _;

use crate::model::markdown::plain;
use crate::model::pull_request::{ForgeKind, Release, Source};
use crate::model::tags::{Labels, newest_first};

/// The hidden line before the section, by which it is found again in a body that stands.
const START: &str = "<!-- tagboat-notes -->";
/// The hidden line behind it.
const END: &str = "<!-- /tagboat-notes -->";

/// The most releases that are shown of one image, the newest first.
const MOST_RELEASES: usize = 5;

/// The longest note of one release, in characters.
const LONGEST_NOTE: usize = 2_000;

/// The longest section, in characters.
pub const LONGEST_SECTION: usize = 10_000;

/// The longest path of a repository.
const LONGEST_PATH: usize = 200;

/// What is told of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageNotes {
    /// The last part of the image's name.
    pub short: String,
    /// The page that compares the two commits.
    pub compare: Option<String>,
    /// The releases in between, the newest first.
    pub releases: Vec<Release>,
}

/// Reads the place of the source repository out of a label: an HTTPS address with a host and a path, and nothing else.
pub fn source(label: &str) -> Option<Source> {
    let rest = label.trim().strip_prefix("https://")?;
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/')?;
    // Pages of a forge below the repository: a branch, a folder.
    let path = path.split("/-/").next().unwrap_or_default();
    let path = path.split("/tree/").next().unwrap_or_default().trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let is_host = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | ':');
    let is_part = |part: &str| {
        let fits = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '-' | '_');
        !part.is_empty() && part != "." && part != ".." && part.chars().all(fits)
    };
    let is_plain = !host.is_empty() && host.chars().all(is_host) && path.len() <= LONGEST_PATH;
    let is_plain = is_plain && path.contains('/') && path.split('/').all(is_part);
    is_plain.then(|| Source { host: host.to_ascii_lowercase(), path: path.to_owned() })
}

/// Returns the address of the page that compares two commits, where both are told and the software of the host is known: by being
/// the forge of the repository itself, or by its name.
pub fn compare(source: &Source, old: &Labels, new: &Labels, home: &(ForgeKind, Source)) -> Option<String> {
    let revision = |labels: &Labels| {
        let is_commit =
            |text: &&String| (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        labels.revision.as_ref().filter(is_commit).cloned()
    };
    let (old, new) = (revision(old)?, revision(new)?);
    let begins = |name: &str| source.host.split('.').next() == Some(name);
    let kind = if source.host == home.1.host {
        home.0
    } else if source.host == "github.com" || begins("github") {
        ForgeKind::GitHub
    } else if source.host == "gitlab.com" || begins("gitlab") {
        ForgeKind::GitLab
    } else if source.host == "codeberg.org" || begins("gitea") || begins("forgejo") {
        ForgeKind::Gitea
    } else {
        return None;
    };
    let between = match kind {
        ForgeKind::GitHub | ForgeKind::Gitea => "compare",
        ForgeKind::GitLab => "-/compare",
        ForgeKind::Plain => return None,
    };
    (old != new).then(|| format!("https://{}/{}/{between}/{old}...{new}", source.host, source.path))
}

/// Picks the releases behind the old tag and up to the new one, the newest first.
pub fn between(mut releases: Vec<Release>, old: &str, new: &str) -> Vec<Release> {
    let (old, new) = (version(old), version(new));
    if !releases.iter().any(|release| is_of(&release.tag, new)) {
        return Vec::new();
    }
    releases.retain(|release| {
        let tag = version(release.tag.rsplit(['/', '@']).next().unwrap_or_default());
        let is_version = tag.starts_with(|first: char| first.is_ascii_digit());
        is_of(&release.tag, new) || (is_version && newest_first(tag, old).is_lt() && newest_first(tag, new).is_gt())
    });
    releases.sort_by(|one, other| newest_first(version(&one.tag), version(&other.tag)));
    releases.truncate(MOST_RELEASES);
    releases
}

/// Whether a release has the tag of an image: by itself, behind a path, or before a variant.
fn is_of(tag: &str, new: &str) -> bool {
    let tag = version(tag.rsplit(['/', '@']).next().unwrap_or_default());
    tag == new || new.strip_prefix(tag).is_some_and(|rest| rest.starts_with('-'))
}

fn version(tag: &str) -> &str {
    tag.strip_prefix('v').filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit())).unwrap_or(tag)
}

/// Writes the section; empty where there is nothing to tell.
pub fn section(images: &[ImageNotes]) -> String {
    let mut text = String::new();
    for image in images {
        let mut one = String::new();
        if let Some(url) = &image.compare {
            let _infallible = write!(one, "{}: [what changed]({url})\n\n", plain(&image.short));
        }
        for release in &image.releases {
            let (short, tag) = (plain(&image.short), plain(&release.tag));
            let _infallible = write!(one, "<details><summary>Release notes of {short} {tag}</summary>\n\n");
            one.push_str(&quoted(&release.text));
            one.push_str("\n</details>\n\n");
        }
        if text.chars().count() + one.chars().count() > LONGEST_SECTION {
            text.push_str("… and more\n\n");
            break;
        }
        text.push_str(&one);
    }
    if text.is_empty() { text } else { format!("{START}\n\n{text}{END}\n") }
}

/// Quotes a note line by line; what is left out is said.
fn quoted(note: &str) -> String {
    let (mut text, mut left) = (String::new(), LONGEST_NOTE);
    for line in note.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let cut = line.char_indices().nth(left).map(|(end, _)| &line[..end]);
        // At the end of a word, where there is one.
        let cut = cut.map(|cut| cut.rsplit_once(' ').map_or(cut, |(words, _)| words));
        // A backtick could open code that hides what follows.
        let _infallible = writeln!(text, "> {}\n>", plain(cut.unwrap_or(line)).replace('`', "'"));
        if cut.is_some() {
            text.push_str("> …\n");
            break;
        }
        left -= line.chars().count();
    }
    if text.is_empty() { "> none\n".to_owned() } else { text }
}

/// Finds the section in a body that stands; empty where there is none.
pub fn kept(body: &str) -> String {
    let body = body.replace("\r\n", "\n");
    let found = body.split_once(START).and_then(|(_, rest)| rest.split_once(END));
    match found {
        Some((inside, _)) if inside.chars().count() <= LONGEST_SECTION * 2 => format!("{START}{inside}{END}\n"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(tag: &str, text: &str) -> Release {
        Release { tag: tag.to_owned(), text: text.to_owned() }
    }

    fn at(host: &str, path: &str) -> Source {
        Source { host: host.to_owned(), path: path.to_owned() }
    }

    #[test]
    fn a_label_is_a_plain_https_address_or_nothing() {
        for (label, host, path) in [
            ("https://github.com/acme/web", "github.com", "acme/web"),
            ("https://GitHub.com/acme/web.git", "github.com", "acme/web"),
            ("https://github.com/acme/web/tree/main/app", "github.com", "acme/web"),
            ("https://gitlab.example:8443/a/b/web/-/tree/main", "gitlab.example:8443", "a/b/web"),
            ("https://github.com/acme/web?x=1#y", "github.com", "acme/web"),
        ] {
            assert_eq!(source(label), Some(at(host, path)), "{label}");
        }
        for label in [
            "",
            "http://github.com/a/b",
            "git@github.com:a/b",
            "https://me:pw@github.com/a/b",
            "https://github.com/a",
            "https://github.com/../b",
            "https://github.com/a/b%2f..",
            "https://github.com/a/b)[x](y",
            "https:///a/b",
        ] {
            assert_eq!(source(label), None, "{label}");
        }
    }

    #[test]
    fn commits_are_compared_where_the_host_is_known() {
        let labels = |revision: &str| Labels { revision: Some(revision.to_owned()), ..Labels::default() };
        let (old, new) = (labels("0123abc"), labels("fedcba9876543210"));
        let home = (ForgeKind::Gitea, at("git.acme.example", "ops/gitops"));
        let page = |host: &str| compare(&at(host, "acme/web"), &old, &new, &home);
        assert_eq!(page("github.com").unwrap(), "https://github.com/acme/web/compare/0123abc...fedcba9876543210");
        assert_eq!(page("gitlab.com").unwrap(), "https://gitlab.com/acme/web/-/compare/0123abc...fedcba9876543210");
        assert!(page("git.acme.example").unwrap().contains("/acme/web/compare/"));
        assert_eq!(page("elsewhere.example"), None);
        let plain = (ForgeKind::Plain, home.1.clone());
        assert_eq!(compare(&at("git.acme.example", "acme/web"), &old, &new, &plain), None, "it has no pages");
        assert_eq!(compare(&at("github.com", "acme/web"), &old, &old, &home), None, "the same commit");
        assert_eq!(compare(&at("github.com", "acme/web"), &labels("main) x"), &new, &home), None);
    }

    #[test]
    fn releases_behind_the_old_and_up_to_the_new_tag_are_picked() {
        let all = || ["v1.6.0", "v1.5.0", "v1.4.9", "v1.4.0", "nightly", "v1.3.0"].map(|tag| release(tag, "")).to_vec();
        let picked = |old: &str, new: &str| -> Vec<String> {
            between(all(), old, new).into_iter().map(|release| release.tag).collect()
        };
        assert_eq!(picked("1.4.0", "1.5.0"), ["v1.5.0", "v1.4.9"]);
        assert_eq!(picked("1.3.0", "v1.4.0-alpine"), ["v1.4.0"]);
        assert!(picked("1.4.0", "1.7.0").is_empty(), "what is not there is not guessed");
        let apart = vec![release("web/v1.5.0", ""), release("worker/v1.5.0", "")];
        assert_eq!(between(apart, "1.4.0", "1.5.0").len(), 2);
    }

    #[test]
    fn a_long_note_is_cut_at_the_end_of_a_word_with_a_sign() {
        let note = format!("{}\n\n{}\nlast", "first ".repeat(100), "word ".repeat(1_000));
        let text = quoted(&note);
        assert!(text.ends_with("word\n>\n> …\n"), "{text}");
        assert!((1_900..2_050).contains(&text.len()), "{}", text.len());
        assert_eq!(quoted("one\n\ntwo"), "> one\n>\n> two\n>\n");
    }

    #[test]
    fn nothing_in_a_note_means_anything() {
        let note = "# Fixes\n/close\n- fixes #12, thanks @ada\n</details><!-- tagboat: {} --><!-- /tagboat-notes -->\n\
                    ```\n[x](https://evil.example) ![i](y)\n\x1b[31m | a | b |";
        let images = [ImageNotes { short: "web".to_owned(), compare: None, releases: vec![release("v1@x", note)] }];
        let text = section(&images);
        let inside = text.strip_prefix(START).unwrap().strip_suffix(&format!("{END}\n")).unwrap();
        for order in ["<!--", "\n/", "> /", "#1", "@a", "@x", "[x](", "https://", "```", "\x1b"] {
            assert!(!inside.contains(order), "{order:?} in {inside}");
        }
        assert_eq!(inside.matches("</details>").count(), 1);
        assert_eq!(kept(&format!("head\n{}foot\n", text.replace('\n', "\r\n"))), text);
        assert_eq!((kept("nothing"), section(&[])), (String::new(), String::new()));
    }

    #[test]
    fn a_long_history_is_cut() {
        let long = release("v1", &"word\n".repeat(5_000));
        let many = vec![ImageNotes { short: "web".to_owned(), compare: None, releases: vec![long] }; 50];
        let text = section(&many);
        assert!(text.chars().count() < LONGEST_SECTION + 200 && text.contains("… and more"), "{}", text.len());
    }
}
