//! What a change brings, whatever stood there before: the versions of its images, by which a refusal is known again.
//!
//! Entry point: [`Brought`]. Versions are compared as they are written, tag and digest; it does not say which one is newer.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::commit::{TRAILER_ENVIRONMENT, TRAILER_IMAGE, TRAILER_KEY, TRAILER_ORDER};
use crate::model::environment::EnvironmentName;
use crate::model::image::ImageName;
use crate::model::site::Value;

/// The versions that a change brings, by image. Empty of what a person ordered and of what goes back: those are known by their
/// keys alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Brought(BTreeMap<String, BTreeSet<String>>);

impl Brought {
    /// Returns what some moves bring.
    pub fn of<'a>(moves: impl IntoIterator<Item = (&'a ImageName, &'a Value)>) -> Self {
        moves.into_iter().map(|(image, to)| (image.to_string(), to.to_string())).collect()
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

    /// Whether nothing newer came for what both bring: they have an image in common, and of each such image this brings no
    /// version that the other one does not. Who refuses a group refuses its images also where they come alone, and who
    /// refuses an image refuses the group that it comes with; once one of what was refused has something newer, all may come.
    pub fn is_no_news_to(&self, other: &Self) -> bool {
        let mut common = self.0.iter().filter_map(|(image, own)| Some((own, other.0.get(image)?))).peekable();
        let is_known = |version: &String, known: &BTreeSet<String>| known.iter().any(|other| is_same(version, other));
        common.peek().is_some() && common.all(|(own, known)| own.iter().all(|version| is_known(version, known)))
    }
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
        let is_order = of(TRAILER_ORDER).next().is_some();
        let step = |line: &str| {
            let (image, (_, to)) = (line.split(' ').next()?, line.rsplit_once(" -> ")?);
            Some((image.to_owned(), to.trim().to_owned()))
        };
        Self {
            environment: of(TRAILER_ENVIRONMENT).next_back().map(|name| name.trim().into()),
            key: of(TRAILER_KEY).next_back().map(|key| key.trim().to_owned()),
            brought: if is_order { Brought::default() } else { of(TRAILER_IMAGE).filter_map(step).collect() },
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
}
