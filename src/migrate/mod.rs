//! The way in: what a repository holds already, turned into the text of a `.tagboat.yaml`.
//!
//! Entry points: [`flux::draft`], [`argocd::draft`], [`renovate::draft`] and [`start::draft`], each giving a [`Draft`],
//! and [`Draft::text`]. Pure; nothing is written here. What cannot be carried over is a [`Note`], never left out.

pub mod argocd;
pub mod flux;
pub mod layout;
pub mod renovate;
pub mod start;
mod text;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::manifest::foreign::{Foreign, Origin};
use crate::model::environment::Publish;
use crate::model::file::RepoPath;
use crate::model::image::shorten;
use crate::model::policy::Policy;
use crate::model::site::Site;

/// What was seen of a repository.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// Every reference, with the policies that act beside it.
    pub sites: &'a [Site],
    /// Every file.
    pub files: &'a [RepoPath],
    /// The objects of other updaters.
    pub foreign: &'a Foreign,
}

/// Something that could not be carried over, or that a person must know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// The file and the line that it is about.
    pub place: Option<(RepoPath, usize)>,
    /// What, in words.
    pub text: String,
}

impl Note {
    /// Makes a note about an object.
    fn at(origin: &Origin, text: impl Into<String>) -> Self {
        Self { place: Some((origin.file.clone(), origin.position.line)), text: text.into() }
    }

    /// Makes a note about a reference.
    fn on(site: &Site, text: impl Into<String>) -> Self {
        Self { place: Some((site.file.clone(), site.position.line)), text: text.into() }
    }

    /// Makes a note about no place in particular.
    fn general(text: impl Into<String>) -> Self {
        Self { place: None, text: text.into() }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((file, line)) = &self.place {
            write!(formatter, "{}:{line}: ", shorten(file.as_str()))?;
        }
        formatter.write_str(&self.text)
    }
}

/// A rule to write.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftRule {
    /// The glob over image names.
    pub images: String,
    /// What holds for them.
    pub policy: Policy,
    /// What to say of it, a line each.
    pub comments: Vec<String>,
}

/// An environment to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftEnvironment {
    /// Its name.
    pub name: String,
    /// Its globs over files.
    pub files: Vec<String>,
    /// The environments that it comes after.
    pub after: Vec<String>,
    /// How its changes are published.
    pub publish: Publish,
    /// What to say of it, a line each.
    pub comments: Vec<String>,
}

/// A further place of references to write: globs over files, and a regular expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftFormat {
    /// Its globs over files.
    pub files: Vec<String>,
    /// Its regular expression.
    pub regex: String,
}

/// A configuration to write.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    /// What stands at the top, a line each.
    pub heading: Vec<String>,
    /// The rules in their order.
    pub rules: Vec<DraftRule>,
    /// The environments in their order.
    pub environments: Vec<DraftEnvironment>,
    /// Folders with references that no environment holds.
    pub outside: Vec<String>,
    /// Further places of references.
    pub formats: Vec<DraftFormat>,
    /// The author of commits: name and address.
    pub author: Option<(String, String)>,
    /// The message of commits.
    pub message: Option<String>,
    /// What could not be carried over.
    pub notes: Vec<Note>,
}

impl Draft {
    /// Whether nothing was found that a configuration could be made of.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.notes.is_empty()
    }
}

/// Returns the author where both parts can stand in a configuration.
fn usable_author(author: &(String, String)) -> bool {
    let (name, email) = author;
    let is_plain = |text: &str| !text.contains(|c: char| c.is_control() || matches!(c, '<' | '>'));
    let is_address = email.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    is_plain(name)
        && is_plain(email)
        && is_address
        && !email.contains(char::is_whitespace)
        && !name.trim().is_empty()
        && name.len() + email.len() < 290
}
