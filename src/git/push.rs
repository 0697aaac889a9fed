//! Pushing by the `git` program, with the branch's expected place as a condition.
//!
//! The outcome is read from `--porcelain` lines and, where the remote said no, from where its branch stands
//! afterwards. The remote's words are handed on to people and decide nothing.

use std::ffi::OsStr;

use gix::ObjectId;

use crate::git::mirror::Mirror;
use crate::git::program::Program;
use crate::git::{GitError, Pushed, transfer};
use crate::model::environment::BranchName;

/// What one reference line of `git push --porcelain` says (git-push's manual, "Output").
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line {
    /// The remote's branch holds the commit.
    Arrived,
    /// `git` itself did not send it: the branch is not where the lease expects it.
    Held,
    /// The remote said no; its reason.
    Refused(String),
    /// The remote did not tell.
    Unknown,
}

/// Moves the remote's branch from `old` to `new`, if it still stands at `old`: `None` is no branch at all.
pub(super) fn push(
    program: &Program,
    mirror: &Mirror,
    branch: &BranchName,
    old: Option<ObjectId>,
    new: Option<ObjectId>,
) -> Result<Pushed, GitError> {
    let reference = format!("refs/heads/{branch}");
    let hex = |id: Option<ObjectId>| id.map(|id| id.to_string()).unwrap_or_default();
    // An empty place expects no branch, an empty source deletes it (git-push's manual).
    let lease = format!("--force-with-lease={reference}:{}", hex(old));
    let refspec = format!("{}:{reference}", hex(new));
    let url = mirror.argument();
    let arguments: [&OsStr; 9] = [
        "push".as_ref(),
        "--porcelain".as_ref(),
        "--no-verify".as_ref(),
        "--no-signed".as_ref(),
        "--recurse-submodules=no".as_ref(),
        lease.as_ref(),
        "--".as_ref(),
        &url,
        refspec.as_ref(),
    ];
    let finished = program.run(&arguments)?;
    let output = String::from_utf8_lossy(&finished.stdout);
    match output.lines().find_map(|line| parse(line, &reference)) {
        Some(Line::Arrived) => Ok(Pushed::Done),
        Some(Line::Held) => Ok(Pushed::Moved),
        Some(Line::Refused(reason)) => {
            // Servers refuse for a lost race, too. Where the branch stands tells which it was.
            let tip = match transfer::remote_tip(program, mirror, branch) {
                Ok(tip) => Some(tip),
                Err(GitError::NoBranch { .. }) => None,
                Err(error) => return Err(error),
            };
            match tip {
                tip if tip == new => Ok(Pushed::Done),
                tip if tip != old => Ok(Pushed::Moved),
                _ => Ok(Pushed::Forbidden(reasons(mirror, &finished.stderr, &reason))),
            }
        }
        Some(Line::Unknown) | None => {
            mirror.may_push()?;
            Err(GitError::Unreachable(mirror.words(&finished.stderr)))
        }
    }
}

fn parse(line: &str, reference: &str) -> Option<Line> {
    let mut fields = line.split('\t');
    let (flag, refs, summary) = (fields.next()?, fields.next()?, fields.next()?);
    if refs.rsplit(':').next() != Some(reference) {
        return None;
    }
    Some(match flag {
        " " | "+" | "*" | "=" | "-" => Line::Arrived,
        "!" => match summary.split_once(']') {
            Some(("[rejected", _)) => Line::Held,
            Some(("[remote rejected", reason)) => {
                Line::Refused(reason.trim().trim_start_matches('(').trim_end_matches(')').to_owned())
            }
            _ => Line::Unknown,
        },
        _ => Line::Unknown,
    })
}

/// Joins the reason of the reference with what the remote printed (lines that `git` marks `remote:`).
fn reasons(mirror: &Mirror, stderr: &[u8], reason: &str) -> String {
    let printed = String::from_utf8_lossy(stderr);
    let mut said: Vec<&str> = vec![reason];
    said.extend(printed.split(['\n', '\r']).filter_map(|line| line.strip_prefix("remote:")));
    mirror.words(said.join("\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_of_porcelain_line() {
        let reference = "refs/heads/main";
        let read = |line: &str| parse(line, reference);
        assert_eq!(read("To /srv/git/a.git"), None);
        assert_eq!(read("Done"), None);
        assert_eq!(read(" \tabc:refs/heads/main\t1..2"), Some(Line::Arrived));
        assert_eq!(read("=\tabc:refs/heads/main\t[up to date]"), Some(Line::Arrived));
        assert_eq!(read("*\tabc:refs/heads/main\t[new branch]"), Some(Line::Arrived));
        assert_eq!(read("!\tabc:refs/heads/main\t[rejected] (stale info)"), Some(Line::Held));
        assert_eq!(read("!\tabc:refs/heads/main\t[rejected] (fetch first)"), Some(Line::Held));
        assert_eq!(
            read("!\tabc:refs/heads/main\t[remote rejected] (pre-receive hook declined)"),
            Some(Line::Refused("pre-receive hook declined".to_owned()))
        );
        assert_eq!(read("!\tabc:refs/heads/main\t[remote failure] (remote failed to report)"), Some(Line::Unknown));
        assert_eq!(read("!\tabc:refs/heads/other\t[rejected] (stale info)"), None);
    }
}
