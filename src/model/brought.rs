//! What a change brings, whatever stood there before: the versions of its images, by which a refusal is known again.
//!
//! Entry point: [`Brought`]. Versions are compared as they are written, tag and digest; it does not say which one is newer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use crate::model::commit::{TRAILER_ENVIRONMENT, TRAILER_FAILED, TRAILER_IMAGE, TRAILER_KEY, TRAILER_ORDER};
use crate::model::environment::EnvironmentName;
use crate::model::image::ImageName;
use crate::model::site::Value;

/// The versions that a change brings, by image; of what goes back by itself each with the one that it leaves, for whoever refuses a
/// version has not refused to go back to it from a worse one. Empty of what a person ordered: that is known by its key alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brought(BTreeMap<String, BTreeSet<String>>);

impl Brought {
    /// Returns what some moves bring.
    pub fn of<'a>(moves: impl IntoIterator<Item = (&'a ImageName, &'a Value)>) -> Self {
        moves.into_iter().map(|(image, to)| (image.to_string(), to.to_string())).collect()
    }

    /// Returns what some moves bring that go back by themselves: each with what it leaves.
    pub fn back<'a>(moves: impl IntoIterator<Item = (&'a ImageName, &'a Value, &'a Value)>) -> Self {
        moves.into_iter().map(|(image, from, to)| (image.to_string(), left(from, to))).collect()
    }

    /// Whether it names no image.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the images.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns every image with each of its versions.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(image, versions)| versions.iter().map(|version| (image.as_str(), version.as_str())))
    }

    /// Returns every image with each of its versions that come, and do not go back.
    pub fn coming(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs().filter(|(_, version)| !version.starts_with(LEAVES))
    }

    /// Whether nothing newer came for what both bring: they have an image in common, and of each such image this brings no
    /// version that the other one does not. Who refuses a group refuses its images also where they come alone, and who
    /// refuses an image refuses the group that it comes with; once one of what was refused has something newer, all may come.
    pub fn is_no_news_to(&self, other: &Self) -> bool {
        let mut common = self.0.iter().filter_map(|(image, own)| Some((own, other.0.get(image)?))).peekable();
        let is_known = |version: &String, known: &BTreeSet<String>| known.iter().any(|other| is_same(version, other));
        common.peek().is_some() && common.all(|(own, known)| own.iter().all(|version| is_known(version, known)))
    }
}

/// What leads the version that is left by what goes back; no tag begins so.
const LEAVES: char = '<';

/// Writes what goes back, without spaces.
fn left(from: impl Display, to: impl Display) -> String {
    format!("{LEAVES}{from}>{to}")
}

impl FromIterator<(String, String)> for Brought {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Self {
        let mut found = Self::default();
        for (image, version) in pairs {
            found.0.entry(image).or_default().insert(version);
        }
        found
    }
}

/// Whether two versions are one: a digest that one of them does not name may be that of the other.
fn is_same(one: &str, other: &str) -> bool {
    match (one.split_once('@'), other.split_once('@')) {
        (Some((tag, _)), None) => tag == other,
        (None, Some((tag, _))) => tag == one,
        _ => one == other,
    }
}

/// What the trailers of a commit tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The environment.
    pub environment: Option<EnvironmentName>,
    /// The hash of what it changes.
    pub key: Option<String>,
    /// What it brings.
    pub brought: Brought,
}

impl Told {
    /// Reads a commit's message.
    pub fn by(message: &str) -> Self {
        let of =
            |name: &'static str| message.lines().filter_map(move |line| line.strip_prefix(name)?.strip_prefix(": "));
        let (is_order, goes_back) = (of(TRAILER_ORDER).next().is_some(), of(TRAILER_FAILED).next().is_some());
        let step = |line: &str| {
            let (before, to) = line.rsplit_once(" -> ")?;
            let (image, from) = before.split_once(' ').unwrap_or((before, ""));
            let (from, to) = (from.trim_matches('"'), to.trim());
            Some((image.to_owned(), if goes_back { left(from, to) } else { to.to_owned() }))
        };
        let is_known = !is_order || goes_back;
        Self {
            environment: of(TRAILER_ENVIRONMENT).next_back().map(|name| name.trim().into()),
            key: of(TRAILER_KEY).next_back().map(|key| key.trim().to_owned()),
            brought: if is_known { of(TRAILER_IMAGE).filter_map(step).collect() } else { Brought::default() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought(pairs: &[(&str, &str)]) -> Brought {
        pairs.iter().map(|(image, version)| ((*image).to_owned(), (*version).to_owned())).collect()
    }

    #[test]
    fn who_refuses_versions_refuses_them_alone_and_together_until_one_of_them_is_newer() {
        let both = brought(&[("web", "1.5.0"), ("api", "2.1.0")]);
        for same in [
            &both,
            &brought(&[("web", "1.5.0")]),
            &brought(&[("api", "2.1.0"), ("worker", "3.0.0")]),
            &brought(&[("web", "1.5.0@sha256:aa")]),
        ] {
            assert!(same.is_no_news_to(&both), "{same:?}");
        }
        for other in [
            brought(&[("web", "1.5.0"), ("api", "2.2.0")]),
            brought(&[("web", "1.5.0"), ("web", "1.5.0-alpine")]),
            brought(&[("worker", "3.0.0")]),
            Brought::default(),
        ] {
            assert!(!other.is_no_news_to(&both), "{other:?}");
        }
        let built_anew = |digest: &str| brought(&[("web", &format!("1.5.0@sha256:{digest}"))]);
        assert!(!built_anew("bb").is_no_news_to(&built_anew("aa")));
    }

    #[test]
    fn a_commit_tells_what_it_brings_and_an_order_only_its_key() {
        let message = "prod: update web\n\n- web\n\nTagboat-Environment: prod\nTagboat-Image: ghcr.io/acme/fixes \"gh-1\" -> \
                       gh-2@sha256:aa\nTagboat-Key: k\n";
        let told = Told::by(message);
        assert_eq!(told.brought, brought(&[("ghcr.io/acme/fixes", "gh-2@sha256:aa")]));
        assert_eq!((told.environment, told.key.as_deref()), (Some("prod".into()), Some("k")));
        let told = Told::by(&format!("{message}Tagboat-Order: promote\n"));
        assert!(told.brought.is_empty() && told.key.is_some());
    }

    #[test]
    fn what_goes_back_is_told_with_what_it_leaves_and_is_none_of_what_comes() {
        let message = "prod: roll web back to 1.4.0\n\nTagboat-Environment: prod\nTagboat-Image: ghcr.io/acme/web 1.5.0 -> \
                       1.4.0\nTagboat-Image: ghcr.io/acme/fixes \"gh-2\" -> gh-1\nTagboat-Order: rollback\n\
                       Tagboat-Failed: deploy/prod failed\n";
        let value = |tag: &str| Value { tag: Some(tag.parse().unwrap()), digest: None };
        let back =
            |image: &str, from: &str, to: &str| Brought::back([(&image.parse().unwrap(), &value(from), &value(to))]);
        let (told, web) = (Told::by(message).brought, back("ghcr.io/acme/web", "1.5.0", "1.4.0"));
        for part in [&web, &back("ghcr.io/acme/fixes", "gh-2", "gh-1")] {
            assert!(part.is_no_news_to(&told) && part.coming().next().is_none(), "{part:?}");
        }
        for other in [back("ghcr.io/acme/web", "1.6.0", "1.4.0"), back("ghcr.io/acme/web", "1.5.0", "1.3.0")] {
            assert!(!other.is_no_news_to(&told), "{other:?}");
        }
        let forward = brought(&[("ghcr.io/acme/web", "1.4.0")]);
        assert!(!forward.is_no_news_to(&told) && !web.is_no_news_to(&forward));
        assert_eq!(forward.coming().count(), 1);
    }
}
