//! The way in: what Flux and Argo CD Image Updater left in a repository, and what `migrate` and `init` make of it.

mod argocd;
mod charts;
mod detail;
mod flux;
mod migrate;
mod program;

use std::collections::BTreeMap;

use tagboat::config::repository::Repository;
use tagboat::git::BlobId;
use tagboat::manifest::Limits;
use tagboat::model::file::RepoPath;
use tagboat::model::outcome::{Outcome, ScanOutcome};
use tagboat::model::site::PassedOverReason;
use tagboat::observe::files::{Files, Listing};
use tagboat::pass::{Detail, Inputs, plan, report, scan, setup};

use crate::support::memory::MemoryTags;

/// The files of a repository, in memory.
#[derive(Clone, Default)]
pub(crate) struct Tree(BTreeMap<RepoPath, String>);

impl Tree {
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| (RepoPath::new(path).unwrap(), (*text).to_owned())).collect())
    }

    pub(crate) fn add(&mut self, path: &str, text: &str) {
        self.0.insert(RepoPath::new(path).unwrap(), text.to_owned());
    }

    pub(crate) fn scan(&self) -> ScanOutcome {
        scan(&Repository::without_configuration(), self, &setup::no_cache(), &Limits::default()).unwrap()
    }

    pub(crate) async fn plan(&self, config: &Repository, tags: &MemoryTags) -> Outcome {
        self.plan_in(Detail::EveryTag, config, tags).await
    }

    pub(crate) async fn plan_in(&self, detail: Detail, config: &Repository, tags: &MemoryTags) -> Outcome {
        let inputs = Inputs {
            config,
            files: self,
            base: None,
            past: None,
            editing: tagboat::pass::Editing::Together,
            others: &tagboat::pass::elsewhere::Others::new(),
            source: tags,
            branches: &tagboat::pass::view::Branches::new(),
            sources: &crate::support::sources::none(),
            cache: &setup::no_cache(),
            limits: &Limits::default(),
            now: "2026-11-20T09:00:00Z".parse().unwrap(),
            forge: Err("nobody is asked".to_owned()),
            detail,
            only: &[],
            awaited: tagboat::pass::hold::Awaited::default(),
            heard: tagboat::model::observation::Heard::default(),
            progress: &|_| {},
            turn: &tagboat::pass::Turn::default(),
        };
        report::outcome(plan(&inputs).await.unwrap(), config)
    }
}

impl Files for Tree {
    fn list(&self) -> Result<Listing, String> {
        Ok(Listing { files: self.0.keys().cloned().collect(), ..Listing::default() })
    }

    fn content(&self, _path: &RepoPath) -> Option<&BlobId> {
        None
    }

    fn read(&self, path: &RepoPath, _limit: u64) -> Result<Vec<u8>, PassedOverReason> {
        Ok(self.0[path].clone().into_bytes())
    }

    fn read_if_there(&self, path: &RepoPath, _limit: u64) -> Result<Option<Vec<u8>>, PassedOverReason> {
        Ok(self.0.get(path).map(|text| text.clone().into_bytes()))
    }
}

/// Each reference as `file:line image:tag policy`, or with the reason why it is not followed.
pub(crate) fn rows(found: &ScanOutcome) -> Vec<String> {
    let row = |one: &tagboat::model::outcome::ScannedReference| {
        let name = one.site.image.as_ref().map_or("?", |image| image.as_str());
        let said = match (&one.skipped, &one.policy) {
            (Some(reason), _) => format!("- {reason}"),
            (None, Some(policy)) => policy.clone(),
            (None, None) => String::new(),
        };
        format!("{}:{} {name}:{} {said}", one.site.file, one.site.position.line, one.site.value)
    };
    found.references.iter().map(row).collect()
}

/// Each change as `file:line old -> new`.
pub(crate) fn changes(outcome: &Outcome) -> Vec<String> {
    let row = |change: &tagboat::model::change::Change| {
        format!("{}:{} {} -> {}", change.file, change.position.line, change.replaces, change.with)
    };
    outcome.changes.iter().map(row).collect()
}
