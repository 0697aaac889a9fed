//! Environments: which files they hold, what comes before them, and how a change reaches them.
//!
//! Owns the data and the question "whose file is this"; gates are judged in `crate::promote`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jiff::SignedDuration;

use crate::model::checks::CheckName;
use crate::model::file::Position;
use crate::model::gate::GateSpec;
use crate::model::glob::PathGlobs;

/// An environment's name: letters, digits, `-`, `_` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnvironmentName(pub Arc<str>);

impl EnvironmentName {
    /// Returns the name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for EnvironmentName {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// The name of a branch, without `refs/heads/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BranchName(pub Arc<str>);

impl BranchName {
    /// Returns the name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for BranchName {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

/// How a change is brought to the base branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Publish {
    /// A commit on the base branch.
    Commit,
    /// A pull request that a person merges.
    #[default]
    PullRequest,
    /// A pull request that Tagboat merges when every gate passes.
    AutoMerge,
}

impl Publish {
    /// Returns the word in configuration and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::PullRequest => "pullRequest",
            Self::AutoMerge => "autoMerge",
        }
    }
}

/// An environment that must run a version first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predecessor {
    /// An environment of the same repository.
    Here(EnvironmentName),
    /// An environment of another watched repository, by the repository's URL.
    Elsewhere {
        /// The other repository's URL as `service.yaml` writes it.
        repository: Arc<str>,
        /// The environment there.
        environment: EnvironmentName,
        /// What it is called here: no environment of this repository can be called so.
        name: EnvironmentName,
        /// Where the configuration names it.
        at: Position,
    },
}

impl Predecessor {
    /// Returns an environment of another repository; `at` is where the configuration names it.
    pub fn elsewhere(repository: &str, environment: EnvironmentName, at: Position) -> Self {
        let name = EnvironmentName(format!("{environment} of {repository}").into());
        Self::Elsewhere { repository: repository.into(), environment, name, at }
    }

    /// Returns the name by which it is known here.
    pub fn name(&self) -> &EnvironmentName {
        match self {
            Self::Here(name) | Self::Elsewhere { name, .. } => name,
        }
    }
}

/// What is watched after a merge, and how to go back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnFailure {
    /// The commit statuses to watch.
    pub checks: Vec<CheckName>,
    /// For how long.
    pub within: SignedDuration,
    /// How the return is published.
    pub publish: Publish,
}

/// One environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// The files that belong to it.
    pub files: PathGlobs,
    /// Its own branch, where it does not live on the repository's.
    pub branch: Option<BranchName>,
    /// What must run a version before; empty for an environment that takes versions from registries.
    pub after: Vec<Predecessor>,
    /// Whether one of them is enough.
    pub after_any: bool,
    /// What a promotion into it waits for.
    pub gates: Vec<GateSpec>,
    /// How a change reaches it.
    pub publish: Publish,
    /// How many of its pull requests may be open at once, where that is bounded.
    pub max_open: Option<u64>,
    /// Who is asked to review.
    pub reviewers: Vec<String>,
    /// What is watched after a merge.
    pub on_failure: Option<OnFailure>,
    /// Whether the forge is told what reaches it, as deployments.
    pub deployments: bool,
    /// The line of the configuration file on which it begins, from 1.
    pub line: usize,
    /// The column there, from 1, in characters.
    pub column: usize,
}

/// All environments of a repository, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Environments(pub Vec<Environment>);

impl Environments {
    /// Returns the environments that claim a path on a branch, `None` being the base: none, one, or by a mistake several.
    pub fn claiming<'a>(
        &'a self,
        branch: Option<&'a BranchName>,
        path: &'a str,
    ) -> impl Iterator<Item = &'a Environment> {
        let own = self.0.iter().filter(move |environment| environment.branch.as_ref() == branch);
        own.filter(move |environment| environment.files.matches(path))
    }

    /// Returns the environment of a path on a branch, `None` being the base; files that two claim are refused before.
    pub fn of<'a>(&'a self, branch: Option<&'a BranchName>, path: &'a str) -> Option<&'a Environment> {
        self.claiming(branch, path).next()
    }

    /// Returns the branches beside the base on which environments live.
    pub fn branches(&self) -> BTreeSet<BranchName> {
        self.0.iter().filter_map(|environment| environment.branch.clone()).collect()
    }

    /// Returns the URLs of the other repositories whose environments come before one of these.
    pub fn repositories(&self) -> BTreeSet<Arc<str>> {
        let all = self.0.iter().flat_map(|environment| &environment.after);
        all.filter_map(|before| match before {
            Predecessor::Here(_) => None,
            Predecessor::Elsewhere { repository, .. } => Some(Arc::clone(repository)),
        })
        .collect()
    }

    /// Takes the environments that name the base branch itself for what they are: its own.
    pub fn settle_on(&mut self, base: &BranchName) {
        for environment in self.0.iter_mut().filter(|environment| environment.branch.as_ref() == Some(base)) {
            environment.branch = None;
        }
    }

    /// Returns the environment of a name.
    pub fn named(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.0.iter().find(|environment| environment.name == *name)
    }

    /// Returns the single environment `default` that holds all files where no file says anything.
    ///
    /// It is published by commit, which is what a plan of it means; a run without a configuration refuses anyway.
    pub fn without_configuration() -> Self {
        Self::single(Publish::Commit)
    }

    /// Returns the single environment `default` that holds all files where a configuration names none.
    pub fn single(publish: Publish) -> Self {
        let files = PathGlobs::parse(&["**"]).expect("`**` is a glob");
        Self(vec![Environment {
            name: "default".into(),
            files,
            branch: None,
            after: Vec::new(),
            after_any: false,
            gates: Vec::new(),
            publish,
            max_open: None,
            reviewers: Vec::new(),
            on_failure: None,
            deployments: false,
            line: 0,
            column: 0,
        }])
    }
}
