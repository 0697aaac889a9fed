//! Git: the mirror against real repositories, by path, HTTP and SSH.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod checkout;
mod ends;
mod history;
mod http;
mod local;
pub(crate) mod signing;
mod ssh;

use std::path::Path;

use jiff::Timestamp;
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::url::RemoteUrl;
use tagboat::git::{Pushed, Remote as _};
use tagboat::model::change::FileEdit;
use tagboat::model::commit::{CommitId, CommitPlan, Identity};
use tagboat::model::environment::BranchName;
use tagboat::model::file::RepoPath;

use crate::support::repository::{Repository, Scratch, environment};

const MESSAGE: &str = "Update web to 1.5.0\n\nTagboat-Environment: dev\nTagboat-Image: ghcr.io/acme/web 1.4.0 -> 1.5.0\n\
                       Tagboat-Key: 0123abcd\n";

/// Opens a mirror of a local repository.
pub(crate) fn mirror_of(scratch: &Scratch, name: &str, remote: &Repository) -> Mirror {
    let url = RemoteUrl::from_path(&remote.folder);
    Mirror::open(&scratch.path(name), url, Access::None, environment(None)).unwrap()
}

fn main_branch() -> BranchName {
    "main".into()
}

fn now() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

fn plan() -> CommitPlan {
    let author = Identity { name: "Tagböat".to_owned(), email: "bot@acme.example".to_owned() };
    CommitPlan { environment: "dev".into(), message: MESSAGE.to_owned(), committer: author.clone(), author, sign: None }
}

fn edit(file: &str, before: &str, after: &str) -> FileEdit {
    FileEdit { file: RepoPath::new(file).unwrap(), before: before.into(), after: after.into() }
}

/// Fetches, commits one edit on top, and pushes it.
fn land(mirror: &Mirror, file: &str, before: &str, after: &str) -> (CommitId, Pushed) {
    let base = mirror.fetch(&main_branch()).unwrap();
    let commit = mirror.commit(&base, &[edit(file, before, after)], &plan(), now()).unwrap();
    let pushed = mirror.push(&main_branch(), &base, &commit).unwrap();
    (commit, pushed)
}

/// Whether any file below a folder holds a text.
fn any_file_holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            any_file_holds(&path, text)
        } else {
            std::fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
        }
    })
}
