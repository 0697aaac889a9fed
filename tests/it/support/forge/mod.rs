//! What every fake forge keeps: pull requests over a real bare repository, checks, comments, faults, and a log of requests.
//!
//! A fake of one forge is a router over [`Store`] that speaks that forge's protocol; merges are made by the real `git`.

pub(crate) mod description;
pub(crate) mod gitea;
pub(crate) mod github;
pub(crate) mod gitlab;
pub(crate) mod graphql;
pub(crate) mod rest;
pub(crate) mod runs;
pub(crate) mod sheet;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Body;
use axum::http::Response;

use crate::support::repository::Repository;

/// What a pull request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stands {
    Open,
    Closed,
    Merged,
}

/// A pull request as the forge keeps it.
#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub(crate) number: u64,
    pub(crate) state: Stands,
    pub(crate) head: String,
    pub(crate) base: String,
    /// The head commit, as it was when the branch was last seen.
    pub(crate) sha: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) labels: BTreeSet<String>,
    pub(crate) comments: Vec<String>,
    pub(crate) reviewers: Vec<String>,
    /// Who judged which commit how, in the forge's own word, oldest first.
    pub(crate) reviews: Vec<(String, String, String)>,
    pub(crate) draft: bool,
    pub(crate) merged: Option<String>,
    /// Larger is later.
    pub(crate) updated: u64,
}

/// A check run or commit status, in the forge's own words.
#[derive(Debug, Clone)]
pub(crate) struct CheckRow {
    pub(crate) sha: String,
    pub(crate) name: String,
    pub(crate) word: String,
    pub(crate) text: String,
    /// When it came to that.
    pub(crate) at: &'static str,
    /// Whether it is a check run where the forge tells the two apart.
    pub(crate) is_run: bool,
}

/// A pipeline of a forge that has such, with the words of its jobs.
#[derive(Debug, Clone)]
pub(crate) struct PipelineRow {
    /// The commit that it ran on.
    pub(crate) sha: String,
    pub(crate) reference: String,
    pub(crate) word: &'static str,
    pub(crate) jobs: Vec<(&'static str, &'static str)>,
}

/// A deployment as the forge keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeploymentRow {
    pub(crate) sha: String,
    pub(crate) environment: String,
    pub(crate) task: String,
    pub(crate) text: String,
    /// The words of its statuses, oldest first.
    pub(crate) states: Vec<String>,
}

/// When everything happens on a fake forge of which nobody says more.
pub(crate) const NOW: &str = "2026-11-20T08:00:00Z";

/// What goes wrong with one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This status, and nothing is done.
    Before(u16),
    /// What was asked is done, and answered with this status.
    After(u16),
    /// What was asked is done, and the answer breaks off.
    Lost,
    /// What was asked is done, and the answer does not come while anybody waits for it.
    Slow,
    /// An object without anything in it, as of a proxy that answers in its place; nothing is done.
    Odd,
    /// Too many requests; come back after a minute.
    Limited,
    /// Too many requests; come back after so many seconds.
    Busy(u32),
    /// Too many writes, told in the forge's own way beside 429.
    Secondary,
    /// Somebody else makes the repository's label of this name, and then it is done.
    Labelled(&'static str),
    /// A person pushes to the head of every open pull request, and then it is done.
    Pushed,
    /// Every open pull request is merged, and then it is done.
    Merged,
    /// This status with what GitHub says of it: the code of an error, and the page that explains it.
    Refused { status: u16, code: Option<&'static str>, page: &'static str },
    /// A person does this to every open pull request, and then it is done.
    Meanwhile(Deed),
}

/// What a person does while a pass looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Labels it so that nothing is done about it.
    Holds,
    /// Makes it a draft.
    Drafts,
    /// Closes it.
    Closes,
    /// Points it at the branch `live`.
    Retargets,
    /// Holds the version that it brings, on the base branch.
    HoldsVersion,
    /// Holds it on the branch `main`, whatever its base is.
    HoldsOnMain,
    /// Proposes to go back in an environment before, on a head branch.
    ProposesRollback,
    /// Proposes to hold the version that it brings, on a head branch.
    ProposesHold,
    /// Changes a file of the base branch that has nothing to do with it.
    Notes,
    /// Takes back every approval of it.
    Disapproves,
    /// Takes an environment before back to an earlier version.
    GoesBackBefore,
    /// The same on the branch `main`, whatever its base is.
    GoesBackOnMain,
}

/// The next request of this method whose path contains this text meets the fault.
#[derive(Debug, Clone)]
pub(crate) struct Trap {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) fault: Fault,
}

/// How the base branch is protected.
#[derive(Debug, Clone, Default)]
pub(crate) struct Protection {
    /// Checks that must pass.
    pub(crate) required: Vec<String>,
    /// Checks that must pass by a rule of the repository or its organization, where the forge tells the two apart.
    pub(crate) ruled: Vec<String>,
    /// Approvals that must be there.
    pub(crate) approvals: u32,
    /// Whether there is a merge queue, by a rule where the forge tells the two apart.
    pub(crate) queue: bool,
    /// Whether there is one by the protection of the branch itself.
    pub(crate) classic_queue: bool,
    /// Whether a head must stand on the newest commit of the base.
    pub(crate) strict: bool,
    /// Whether its history must be a straight line, by the protection of the branch itself.
    pub(crate) linear: bool,
}

/// Whether a forge that makes a commit keeps the modes of its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Modes {
    Kept,
    Plain,
}

/// Everything a fake remembers.
#[derive(Clone, Default)]
pub(crate) struct Kept {
    pub(crate) pulls: Vec<Pull>,
    pub(crate) checks: Vec<CheckRow>,
    /// Pipelines, oldest first, where the forge has such: the number of one is its place, from 1.
    pub(crate) pipelines: Vec<PipelineRow>,
    /// Check runs in suites of their own, oldest first, where the forge has suites.
    pub(crate) suites: Vec<runs::SuiteRow>,
    /// Suites without any check run.
    pub(crate) silent: Vec<runs::SilentRow>,
    /// Whether the credential may pass by the protection of the base.
    pub(crate) passes: bool,
    /// Whether GraphQL is of a server before those with merge queues.
    pub(crate) is_old: bool,
    /// Whether GraphQL does not show what started a suite.
    pub(crate) withholds_starts: bool,
    /// What of a branch GraphQL does not show.
    pub(crate) withholds_of_base: Option<&'static str>,
    pub(crate) requests: Vec<String>,
    pub(crate) traps: Vec<Trap>,
    pub(crate) protection: Protection,
    /// For how many questions the forge has not worked out whether a pull request can be merged.
    pub(crate) unknown: u32,
    /// How many listings still show what was before the last change.
    pub(crate) stale: u32,
    /// How many listings still show as open what is merged or closed.
    pub(crate) late: u32,
    /// How many answers about the branch of a pull request do.
    pub(crate) late_of_heads: u32,
    pub(crate) queued: Vec<u64>,
    /// Which left the merge queue without being merged, and why; the place is the hour of the day.
    pub(crate) left: Vec<(u64, &'static str)>,
    /// Those that the forge merges by itself once it may.
    pub(crate) armed: Vec<u64>,
    /// The releases of `acme/web`, the newest first: tag and text.
    pub(crate) releases: Vec<(String, String)>,
    /// Where the forge keeps them.
    pub(crate) deployments: Vec<DeploymentRow>,
    /// What it was told to say when it merges them by itself.
    pub(crate) armed_words: Option<(String, String)>,
    /// Whether the repository allows no other way to merge than to squash, into a commit that has the title alone.
    pub(crate) squashes: bool,
    /// Whether it allows no other way to merge than to move the base to the head, where the forge knows that.
    pub(crate) forwards: bool,
    /// Whether the forge signs none of the commits that it makes.
    pub(crate) signs_nothing: bool,
    /// The labels that were made in the repository, where the forge tells them by number; `None` for one that was taken away.
    pub(crate) labels: Vec<Option<String>>,
    /// Whether the credential may change nothing.
    pub(crate) reads_only: bool,
    /// Whether the forge denies every order to merge, for a reason that it tells nowhere else.
    pub(crate) denies_merging: bool,
    /// Whether it denies every commit status.
    pub(crate) denies_statuses: bool,
    /// Whether its owner is not among those who may merge into the base, where the forge tells.
    pub(crate) may_not_merge: bool,
    /// Whether its owner may push, where the forge tells.
    pub(crate) pushes: bool,
    /// The role of its owner and its scopes, where the forge tells.
    pub(crate) role: Option<u64>,
    /// Whether its owner has that role by a group that was invited, or needs none.
    pub(crate) is_invited: bool,
    pub(crate) is_admin: bool,
    pub(crate) scopes: Option<&'static str>,
    /// Whether the base branch takes pushes and merges from Maintainers alone.
    pub(crate) is_protected: bool,
    /// Who is asked to review by nobody, since they have no part in the repository.
    pub(crate) outsiders: Vec<&'static str>,
    /// Whose the credential is.
    pub(crate) login: Option<&'static str>,
    /// The tokens of the App's installation that were revoked; the next one is another.
    pub(crate) revoked: BTreeSet<String>,
    /// What the App's installation may do, where that is not the usual.
    pub(crate) permissions: Option<serde_json::Value>,
    /// When a token of the App's installation ends, where that is soon.
    pub(crate) token_ends: Option<String>,
    /// What is added to the usual number of the App's installation.
    pub(crate) reinstalled: u64,
    clock: u64,
}

/// A forge with one repository, `acme/gitops`.
pub(crate) struct Store {
    pub(crate) repository: Repository,
    kept: Mutex<Kept>,
    /// Told of what was done whose answer does not come.
    slow: tokio::sync::Notify,
}

impl Store {
    /// Stands on a bare repository.
    pub(crate) fn over(folder: PathBuf) -> Arc<Self> {
        Arc::new(Self { repository: Repository { folder }, kept: Mutex::default(), slow: tokio::sync::Notify::new() })
    }

    /// Gives what is remembered.
    pub(crate) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }

    /// Keeps back an answer until whoever asked has gone.
    pub(crate) async fn answer_slowly(&self) -> Response<Body> {
        self.slow.notify_one();
        std::future::pending().await
    }

    /// Waits for something that is done and whose answer does not come.
    pub(crate) async fn is_slow(&self) {
        self.slow.notified().await;
    }

    /// Lets happen what a fault says of others.
    pub(crate) fn happen(&self, fault: Option<Fault>) {
        match fault {
            Some(Fault::Pushed) => self.person_pushes(),
            Some(Fault::Labelled(name)) => self.kept().labels.push(Some(name.to_owned())),
            Some(Fault::Merged) => {
                let pulls = self.kept().pulls.clone();
                for pull in pulls.iter().filter(|pull| pull.state == Stands::Open) {
                    self.merge(pull.number);
                }
            }
            Some(Fault::Meanwhile(deed)) => {
                let pulls = self.kept().pulls.clone();
                for pull in pulls.iter().filter(|pull| pull.state == Stands::Open) {
                    self.person_does(deed, pull);
                }
            }
            _ => {}
        }
    }

    fn person_does(&self, deed: Deed, pull: &Pull) {
        const EARLIER: &str = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/web:1.4.0\n";

        const HELD: &str =
            "version: 1\nholds:\n  - image: ghcr.io/acme/web\n    tag: 1.5.0\n    by: Ada\n    reason: it leaks\n";
        let says = |branch: &str, path: &str, text: &str, message: &str| {
            let files = [(path.to_owned(), text.as_bytes().to_vec())];
            self.make(branch, &self.at(&pull.base).unwrap(), &files, message, Modes::Plain);
        };
        let writes_to = |branch: &str, path: &str, text: &str| says(branch, path, text, "By hand");
        let writes = |path: &str, text: &str| writes_to(&pull.base, path, text);
        match deed {
            Deed::Holds => self.change(pull.number, |pull| {
                pull.labels.insert("Tagboat/Hold".to_owned());
            }),
            Deed::Drafts => self.change(pull.number, |pull| pull.draft = true),
            Deed::Closes => self.change(pull.number, |pull| pull.state = Stands::Closed),
            Deed::Retargets => self.change(pull.number, |pull| pull.base = "live".to_owned()),
            Deed::HoldsVersion => writes(".tagboat/holds.yaml", HELD),
            Deed::HoldsOnMain => writes_to("main", ".tagboat/holds.yaml", HELD),
            Deed::ProposesRollback => {
                let told = "dev: roll web back\n\nTagboat-Environment: dev\nTagboat-Order: rollback\n";
                says("tagboat/dev/ghcr.io-acme-web", ".tagboat/holds.yaml", HELD, told);
            }
            Deed::ProposesHold => writes_to("tagboat/@holds", ".tagboat/holds.yaml", HELD),
            Deed::Disapproves => self.change(pull.number, |pull| pull.reviews.clear()),
            Deed::Notes => writes("notes", "nothing to do with it\n"),
            Deed::GoesBackBefore => writes("dev/web.yaml", EARLIER),
            Deed::GoesBackOnMain => writes_to("main", "dev/web.yaml", EARLIER),
        }
    }

    /// Pushes a person's commit to the head of every open pull request.
    fn person_pushes(&self) {
        let pulls = self.kept().pulls.clone();
        for pull in pulls.iter().filter(|pull| pull.state == Stands::Open) {
            let tree = format!("{}^{{tree}}", pull.sha);
            let pushed = self.repository.git(&["commit-tree", &tree, "-p", &pull.sha, "-m", "By hand"]);
            self.repository.git(&["update-ref", &format!("refs/heads/{}", pull.head), &pushed]);
        }
    }

    /// Looks at the branches: an open pull request's head is where its branch is, and one whose branch is gone is closed. What the
    /// forge was told to merge by itself it merges once it may.
    pub(crate) fn refresh(&self) {
        self.look_at_branches();
        let armed: Vec<u64> = self.kept().armed.clone();
        for number in armed {
            let pull = self.pull(number);
            let has_rule = !self.kept().protection.required.is_empty();
            if pull.state == Stands::Open && has_rule && self.has_required(&pull, "success") {
                self.merge_by_itself(number);
            }
        }
    }

    /// Merges what it was told to merge by itself, with the words that it was told.
    pub(crate) fn merge_by_itself(&self, number: u64) {
        let (title, text) = self.kept().armed_words.clone().unwrap_or_default();
        self.merge_saying(number, (&title, &text));
    }

    fn look_at_branches(&self) {
        let mut kept = self.kept();
        for index in 0..kept.pulls.len() {
            let pull = &kept.pulls[index];
            if pull.state != Stands::Open {
                continue;
            }
            let at = self.at(&pull.head);
            if at.as_deref() == Some(&pull.sha) {
                continue;
            }
            let number = kept.pulls[index].number;
            if kept.queued.contains(&number) {
                kept.queued.retain(|queued| *queued != number);
                kept.left.push((number, "branch_pushed"));
            }
            kept.touch(index, |pull| match at {
                Some(sha) => pull.sha = sha,
                None => pull.state = Stands::Closed,
            });
        }
    }

    /// Lets a merge queue throw a pull request out.
    pub(crate) fn throw_out(&self, number: u64, why: &'static str) {
        let mut kept = self.kept();
        assert!(kept.queued.contains(&number), "it is in the queue");
        kept.queued.retain(|queued| *queued != number);
        kept.left.push((number, why));
    }

    /// Returns where a branch is.
    pub(crate) fn at(&self, branch: &str) -> Option<String> {
        self.repository.at(branch)
    }

    /// Opens a pull request; `Err` says why not.
    pub(crate) fn open(&self, mut pull: Pull) -> Result<Pull, String> {
        let Some(sha) = self.at(&pull.head) else { return Err(format!("no branch {}", pull.head)) };
        if self.repository.git(&["rev-list", "--count", &format!("{}..{sha}", pull.base)]) == "0" {
            return Err("no commits between them".to_owned());
        }
        let mut kept = self.kept();
        if kept.pulls.iter().any(|other| other.state == Stands::Open && other.head == pull.head) {
            return Err(format!("A pull request already exists for acme:{}.", pull.head));
        }
        pull.number = kept.pulls.len() as u64 + 1;
        pull.sha = sha;
        kept.pulls.push(pull);
        let index = kept.pulls.len() - 1;
        kept.touch(index, |_| {});
        Ok(kept.pulls[index].clone())
    }

    /// Whether a head does not stand on the newest commit of its base.
    pub(crate) fn is_behind(&self, pull: &Pull) -> bool {
        self.repository.output(&["merge-base", "--is-ancestor", &pull.base, &pull.sha]).is_none()
    }

    /// Whether every check that is required has succeeded at a head, in this word.
    pub(crate) fn has_required(&self, pull: &Pull, success: &str) -> bool {
        let kept = self.kept();
        let of = |name: &String| kept.checks.iter().rev().find(|row| row.sha == pull.sha && row.name == *name);
        kept.protection
            .required
            .iter()
            .chain(&kept.protection.ruled)
            .all(|name| of(name).is_some_and(|row| row.word == success))
    }

    /// Whether a pull request has a conflict with its base.
    pub(crate) fn conflicts(&self, pull: &Pull) -> bool {
        self.merged_tree(pull).is_none()
    }

    /// Makes the commit that merges a pull request into its base, on no branch.
    pub(crate) fn merge_aside(&self, pull: &Pull) -> String {
        let tree = self.merged_tree(pull).unwrap();
        self.repository.git(&["commit-tree", &tree, "-p", &pull.base, "-p", &pull.sha, "-m", "Merged results"])
    }

    fn merged_tree(&self, pull: &Pull) -> Option<String> {
        let tree = self.repository.output(&["merge-tree", "--write-tree", &pull.base, &pull.sha])?;
        tree.lines().next().map(str::to_owned)
    }

    /// Merges a pull request into its base, and returns the commit; `None` on a conflict.
    pub(crate) fn merge(&self, number: u64) -> Option<String> {
        self.merge_saying(number, ("", ""))
    }

    /// Merges a pull request by a merge commit, or squashes it, with a title and a text where they are not empty.
    pub(crate) fn merge_saying(&self, number: u64, (title, text): (&str, &str)) -> Option<String> {
        let pull = self.pull(number);
        let (tree, base) = (self.merged_tree(&pull)?, self.at(&pull.base)?);
        let Kept { squashes, forwards, .. } = *self.kept();
        let title = match title {
            "" if squashes => format!("{} (#{number})", pull.title),
            "" => format!("Merge pull request #{number}"),
            title => title.to_owned(),
        };
        let message = format!("{title}\n\n{text}");
        let mut arguments = vec!["commit-tree", &tree, "-p", &base, "-m", &message];
        arguments.extend((!squashes).then_some(["-p", &pull.sha]).into_iter().flatten());
        let merged = if forwards { pull.sha.clone() } else { self.repository.git(&arguments) };
        self.repository.git(&["update-ref", &format!("refs/heads/{}", pull.base), &merged, &base]);
        self.change(number, |pull| {
            pull.state = Stands::Merged;
            pull.merged = Some(merged.clone());
        });
        Some(merged)
    }

    /// Makes a commit as the forge itself, signed unless it signs nothing, and moves a branch to it. `modes` tells whether
    /// files keep theirs.
    pub(crate) fn make(
        &self,
        branch: &str,
        parent: &str,
        files: &[(String, Vec<u8>)],
        message: &str,
        modes: Modes,
    ) -> String {
        let kept = self.kept();
        let git = |arguments: &[&str]| self.repository.git(arguments);
        git(&["read-tree", parent]);
        let aside = self.repository.folder.with_extension("made");
        for (path, content) in files {
            std::fs::write(&aside, content).unwrap();
            let blob = git(&["hash-object", "-w", &aside.display().to_string()]);
            let listed = git(&["ls-tree", parent, path]);
            let mode = match modes {
                Modes::Kept => listed.split(' ').next().filter(|mode| !mode.is_empty()).unwrap_or("100644"),
                Modes::Plain => "100644",
            };
            git(&["update-index", "--add", "--cacheinfo", &format!("{mode},{blob},{path}")]);
        }
        let tree = git(&["write-tree"]);
        let who = "The Forge <forge@forge.example> 1767225600 +0000";
        let armour = "-----BEGIN PGP SIGNATURE-----\n \n aGVsbG8=\n -----END PGP SIGNATURE-----";
        let signature = if kept.signs_nothing { String::new() } else { format!("gpgsig {armour}\n") };
        let text = format!("tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n{signature}\n{message}");
        std::fs::write(&aside, text).unwrap();
        let made = git(&["hash-object", "-t", "commit", "-w", &aside.display().to_string()]);
        git(&["update-ref", &format!("refs/heads/{branch}"), &made]);
        made
    }

    /// Changes a pull request.
    pub(crate) fn change(&self, number: u64, change: impl FnOnce(&mut Pull)) {
        self.kept().touch(usize::try_from(number).unwrap() - 1, change);
    }

    /// Lets a pull request be listed as if it had not changed since.
    pub(crate) fn rewind(&self, number: u64, updated: u64) {
        self.kept().pulls[usize::try_from(number).unwrap() - 1].updated = updated;
    }

    /// Adds a comment, and returns its id.
    pub(crate) fn comment(&self, number: u64, text: &str) -> u64 {
        // In one step: two that comment at once have an id each.
        let mut at = 0;
        self.change(number, |pull| {
            at = pull.comments.len();
            pull.comments.push(text.to_owned());
        });
        comment_id(number, at)
    }

    /// Removes a comment, unless somebody else has: two may take the same one away.
    pub(crate) fn uncomment(&self, id: u64) {
        let at = usize::try_from(id % 1000).unwrap();
        self.change(id / 1000, |pull| {
            pull.comments.truncate(if pull.comments.len() == at + 1 { at } else { usize::MAX });
        });
    }

    /// Returns a pull request.
    pub(crate) fn pull(&self, number: u64) -> Pull {
        self.kept().pulls[usize::try_from(number).unwrap() - 1].clone()
    }

    /// Notes a request, and returns the fault that it meets.
    pub(crate) fn met(&self, method: &str, path_and_query: &str) -> Option<Fault> {
        let mut kept = self.kept();
        kept.requests.push(format!("{method} {path_and_query}"));
        let path = path_and_query.split('?').next().unwrap_or_default();
        let index = kept.traps.iter().position(|trap| trap.method == method && path.contains(trap.path))?;
        Some(kept.traps.remove(index).fault)
    }

    /// Sets a trap.
    pub(crate) fn trap(&self, method: &'static str, path: &'static str, fault: Fault) {
        self.kept().traps.push(Trap { method, path, fault });
    }

    /// Takes the requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.kept().requests)
    }
}

impl Kept {
    /// Notes that the forge merges one by itself.
    pub(crate) fn arm(&mut self, number: u64) {
        if !self.armed.contains(&number) {
            self.armed.push(number);
        }
    }

    /// Lets a listing lag behind what was merged or closed, as often as it is to.
    pub(crate) fn lag(&mut self, pulls: &mut [Pull], is_wide: bool) {
        let late = if is_wide { &mut self.late } else { &mut self.late_of_heads };
        if *late > 0 && pulls.iter().any(|pull| pull.state != Stands::Open) {
            *late -= 1;
            pulls.iter_mut().for_each(|pull| (pull.state, pull.merged) = (Stands::Open, None));
        }
    }

    fn touch(&mut self, index: usize, change: impl FnOnce(&mut Pull)) {
        self.clock += 1;
        let clock = self.clock;
        let pull = &mut self.pulls[index];
        change(pull);
        pull.updated = clock;
    }
}

/// Whether a forge takes a title for a draft's, and the title without what says so.
pub(crate) fn drafted(title: &str, prefixes: &[&str]) -> (bool, String) {
    let says = |prefix: &&&str| title.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix));
    match prefixes.iter().find(says) {
        Some(prefix) => (true, title[prefix.len()..].trim_start().to_owned()),
        None => (false, title.to_owned()),
    }
}

/// Returns the id of a pull request's comment by its place.
pub(crate) fn comment_id(number: u64, at: usize) -> u64 {
    number * 1000 + at as u64
}

/// Serves a router on loopback until the test's process ends, and returns `http://host:port`.
pub(crate) fn serve(router: Router) -> String {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (told, telling) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
    });
    format!("http://{}", telling.recv().unwrap())
}
