//! The life of pull requests with the real program on every forge, over Git's HTTP: what is told here step by step is
//! killed and doubled in the modules beside.

mod killed;
mod newer;
mod reached;
mod together;

use std::cell::RefCell;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use self::newer::{
    CLOSED_WITH_ITS_ENVIRONMENT, HELD_ANEW_ON_A_BASE_THAT_MOVED, HELD_BY_THE_BASE_IN_THE_END, PROPOSED_TO_BE_HELD,
    REFUSED_AND_THEN_COMMITTED, RETURNED_ONTO_A_PROTECTED_BASE, ROLLED_BACK_ON_A_BRANCH_OF_ITS_OWN,
};
use crate::program::{World, deployment};
use crate::support::forge::{CheckRow, Kept, NOW, Stands, Store, gitea, github, gitlab, serve};
use crate::support::gate::Gate;
use crate::support::git_server::{GitServer, Rules};
use crate::support::repository::Repository;

/// A forge, and how the program is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    GitHub,
    GitLab,
    Gitea,
    Plain,
}

/// What happens between two passes.
type Change = fn(&Life);

/// A story: what the one environment says beside its files, and what happens before each pass.
struct Story {
    environment: &'static str,
    /// Where it is told: everywhere, but for what a place cannot do at all; each of the lists says what that is.
    places: &'static [Place],
    /// What comes before, undisturbed where another story disturbs it already.
    before: &'static [Change],
    steps: &'static [Change],
}

/// What can be told everywhere. Where a forge has a button or a label, plain Git has its head branch: a person refuses by taking back
/// there what it brings, and by removing it has it made anew.
const ALL: &[Place] = &[Place::GitHub, Place::GitLab, Place::Gitea, Place::Plain];
/// Not on plain Git: nobody there tells that a head must stand on the newest commit of the base.
const WITH_RULES: &[Place] = FORGES;
/// Not on plain Git: nobody is there who could merge later by himself, or take that back.
const WITH_AUTO_MERGE: &[Place] = FORGES;
/// Not on plain Git: a server for `git` alone makes no commits that it could sign.
const WITH_COMMITS: &[Place] = FORGES;
/// Not on plain Git: nobody reports there what became of a commit, so nothing is known to have failed.
const WITH_REPORTS: &[Place] = FORGES;
/// Not on Gitea and Forgejo, which have no merge queue, and not on plain Git.
const WITH_QUEUE: &[Place] = &[Place::GitHub, Place::GitLab];

const FORGES: &[Place] = &[Place::GitHub, Place::GitLab, Place::Gitea];

const PLAIN: &str = "    publish: pullRequest\n    reviewers: [ada]\n";
const LABELLED: &str = "    publish: pullRequest\n    reviewers: [ada]\npullRequest: {labels: [images]}\n";
const AUTO: &str = "    publish: autoMerge\n";
const GATED: &str = "    publish: autoMerge\n    gates: {freezes: [{from: 2020-01-01, to: 2200-01-01}]}\n";

const NATIVE: &str = "    publish: autoMerge\npullRequest: {nativeAutoMerge: true}\n";
const SIGNED: &str = "    publish: pullRequest\ncommit: {sign: forge}\n";

fn nothing(_: &Life) {}

fn newer(life: &Life) {
    life.world.push("acme/web", "1.6.0");
}

/// Every wait is over.
fn no_wait(life: &Life) {
    life.person_writes(".tagboat.yaml", &life.config(&GATED.replace("2200-", "2021-")));
}

fn another_image(life: &Life) {
    life.world.push("acme/api", "2.0.0");
    life.world.push("acme/api", "2.1.0");
    life.person_writes("prod/api.yaml", &deployment(&life.image("acme/api:2.0.0")));
}

fn checks_pass(life: &Life) {
    let pulls = life.kept().pulls.clone();
    for pull in pulls.iter().filter(|pull| pull.state == Stands::Open) {
        let (sha, name, word) = (pull.sha.clone(), "build".to_owned(), "success".to_owned());
        life.kept().checks.push(CheckRow { sha, name, word, text: String::new(), at: NOW, is_run: true });
    }
}

/// A person refuses it.
fn close(life: &Life) {
    if life.place == Place::Plain {
        let base = String::from_utf8(life.store.repository.show("main", "prod/web.yaml")).unwrap();
        life.person_writes_to(&life.head(), "prod/web.yaml", &base);
        return;
    }
    life.store.change(1, |pull| pull.state = Stands::Closed);
}

/// A person wants it again.
fn label(life: &Life, name: &str) {
    if life.place == Place::Plain {
        life.store.repository.git(&["update-ref", "-d", &format!("refs/heads/{}", life.head())]);
        return;
    }
    life.store.change(1, |pull| {
        pull.labels.insert(name.to_owned());
    });
}

/// The stories, each told wherever it can happen.
const OPENED_RENEWED_AND_CLOSED: Story =
    Story { environment: LABELLED, places: ALL, before: &[], steps: &[nothing, newer, newer_by_hand] };
const MERGED_ONCE_ITS_GATES_OPEN: Story =
    Story { environment: GATED, places: ALL, before: &[], steps: &[nothing, checks_then_no_wait] };
const TWO_MERGED_AT_ONCE: Story =
    Story { environment: AUTO, places: ALL, before: &[another_image], steps: &[checks_pass] };
const REFUSED_UNTIL_SOMETHING_NEWER_COMES: Story =
    Story { environment: PLAIN, places: ALL, before: &[nothing], steps: &[close_then_newer] };
const TRIED_AGAIN_BY_A_LABEL: Story =
    Story { environment: PLAIN, places: ALL, before: &[nothing], steps: &[close_for_retry] };
const REFUSED_WHATEVER_CHANGES_AROUND_IT: Story =
    Story { environment: PLAIN, places: ALL, before: &[nothing], steps: &[close_and_change_all] };
const TAKEN_UP_UNDER_ITS_OLD_NAME: Story =
    Story { environment: PLAIN, places: ALL, before: &[nothing], steps: &[another_prefix] };
const MOVED_TO_ANOTHER_BRANCH: Story =
    Story { environment: PLAIN, places: ALL, before: &[nothing], steps: &[another_branch] };
const GOES_ON_AFTER_A_SQUASH: Story =
    Story { environment: PLAIN, places: ALL, before: &[nothing], steps: &[fixed_and_squashed] };
const MERGED_THOUGH_IT_WAS_ORDERED: Story =
    Story { environment: AUTO, places: ALL, before: &[nothing, promote], steps: &[checks_pass] };
const MADE_ANEW_BY_A_LABEL: Story = Story { environment: PLAIN, places: ALL, before: &[nothing], steps: &[for_rebase] };

const LEFT_TO_WHOEVER_PUSHED: Story =
    Story { environment: PLAIN, places: ALL, before: &[nothing], steps: &[push_to_its_branch] };

const PUT_INTO_THE_QUEUE: Story = Story { environment: AUTO, places: WITH_QUEUE, before: &[nothing], steps: &[queued] };
const MADE_ANEW_BEFORE_ITS_MERGE: Story =
    Story { environment: AUTO, places: WITH_RULES, before: &[nothing], steps: &[behind] };
const MERGED_BY_THE_FORGE_OR_TAKEN_BACK: Story =
    Story { environment: NATIVE, places: WITH_AUTO_MERGE, before: &[nothing], steps: &[required_check_runs, newer] };
const SIGNED_BY_THE_FORGE: Story =
    Story { environment: SIGNED, places: WITH_COMMITS, before: &[], steps: &[nothing, newer] };
const REPLACED_BY_A_GROUP: Story =
    Story { environment: PLAIN, places: ALL, before: &[another_image], steps: &[grouped] };
const ROLLED_BACK_BY_ORDER: Story = Story { environment: PLAIN, places: ALL, before: &[], steps: &[roll_back] };
const PROMOTED_BY_ORDER: Story = Story { environment: PLAIN, places: ALL, before: &[nothing], steps: &[promote] };

fn queued(life: &Life) {
    checks_pass(life);
    life.kept().protection.queue = true;
}

fn behind(life: &Life) {
    checks_pass(life);
    life.kept().protection.strict = true;
    life.person_writes("readme", "other\n");
}

/// Nothing is waited for but a check that the base requires; GitLab requires its pipeline as a whole.
fn required_check_runs(life: &Life) {
    let (name, word) = match life.place {
        Place::GitHub => ("build", "in_progress"),
        Place::GitLab => ("pipeline", "running"),
        _ => ("build", "pending"),
    };
    let sha = life.kept().pulls[0].sha.clone();
    let mut kept = life.kept();
    kept.protection.required = vec![name.to_owned()];
    let (name, word) = ("build".to_owned(), word.to_owned());
    kept.checks.push(CheckRow { sha, name, word, text: String::new(), at: NOW, is_run: true });
}

fn grouped(life: &Life) {
    let groups = format!("{PLAIN}groups: [{{name: shop, images: ['{}/acme/*']}}]\n", life.world.registry.host());
    life.person_writes(".tagboat.yaml", &life.config(&groups));
}

fn roll_back(life: &Life) {
    newer_by_hand(life);
    newer(life);
    life.orders(&["rollback", "prod", &life.image("acme/web"), "--reason", "loses sessions"]);
}

/// In the place of what stands.
fn promote(life: &Life) {
    newer(life);
    life.orders(&["promote", &life.image("acme/web:1.6.0"), "--to", "prod", "--now", "--reason", "outage"]);
}

/// What stands is on the base branch by a person's hand.
fn newer_by_hand(life: &Life) {
    life.person_writes("prod/web.yaml", &deployment(&life.image("acme/web:1.6.0")));
}

fn checks_then_no_wait(life: &Life) {
    checks_pass(life);
    no_wait(life);
}

fn close_then_newer(life: &Life) {
    close(life);
    assert_eq!(life.settle(), [""; 0], "what a person closed is refused");
    newer(life);
}

fn close_for_retry(life: &Life) {
    close(life);
    label(life, "tagboat/retry");
}

/// The base runs something else by then, its branches are called otherwise, and its body was written over.
fn close_and_change_all(life: &Life) {
    close(life);
    life.world.push("acme/web", "1.4.1");
    life.person_writes("prod/web.yaml", &deployment(&life.image("acme/web:1.4.1")));
    assert_eq!(life.settle(), [""; 0], "what a person closed is refused");
    life.person_writes(".tagboat.yaml", &life.config(&format!("{PLAIN}{PREFIX}")));
    assert_eq!(life.settle(), [""; 0], "what a person closed is refused under any name");
    if life.place != Place::Plain {
        life.store.change(1, |pull| pull.body = "no".to_owned());
        assert_eq!(life.settle(), [""; 0], "what a person closed is refused whatever it says");
    }
    newer(life);
}

const PREFIX: &str = "pullRequest: {branchPrefix: tagboat/bots-, labels: [images]}\n";

fn another_prefix(life: &Life) {
    life.person_writes(".tagboat.yaml", &life.config(&format!("{PLAIN}{PREFIX}")));
    newer(life);
}

fn another_branch(life: &Life) {
    life.store.repository.git(&["branch", "live", "main"]);
    life.person_writes(".tagboat.yaml", &life.config(&format!("    branch: live\n{PLAIN}")));
}

/// A person's fix on the head branch is squashed onto the base, by the forge where there is one.
fn fixed_and_squashed(life: &Life) {
    let git = |arguments: &[&str]| life.store.repository.git(arguments);
    let head = life.head();
    life.person_writes_to(&head, "notes", "mine\n");
    life.settle();
    let tree = git(&["rev-parse", &format!("{head}^{{tree}}")]);
    let made = git(&["commit-tree", &tree, "-p", "main", "-m", "prod: update web (#1)"]);
    git(&["update-ref", "refs/heads/main", &made]);
    if life.place != Place::Plain {
        life.store.change(1, |pull| (pull.state, pull.merged) = (Stands::Merged, Some(made.clone())));
    }
    newer(life);
}

fn push_to_its_branch(life: &Life) {
    life.person_writes_to(&life.head(), "notes", "mine\n");
}

fn for_rebase(life: &Life) {
    life.person_writes("readme", "other\n");
    label(life, "tagboat/rebase");
}

/// Makes a test of each story on each forge.
macro_rules! stories {
    ($told:path; $($name:ident $story:ident)*) => {
        $crate::program::life::stories! { @ $told; github GitHub; $($name $story)* }
        $crate::program::life::stories! { @ $told; gitlab GitLab; $($name $story)* }
        $crate::program::life::stories! { @ $told; gitea Gitea; $($name $story)* }
        $crate::program::life::stories! { @ $told; plain Plain; $($name $story)* }
    };
    (@ $told:path; $module:ident $place:ident; $($name:ident $story:ident)*) => {
        mod $module {
            use $crate::program::life::{Place, $($story),*};

            $(#[test]
            fn $name() {
                if $story.places.contains(&Place::$place) {
                    $told(Place::$place, &$story);
                }
            })*
        }
    };
}
use stories;

/// A program, a Git server and a forge behind one gate.
struct Life {
    world: World,
    place: Place,
    gate: Gate,
    store: Arc<Store>,
    _server: GitServer,
    url: String,
    forge_url: String,
    /// What a person orders in this step, before any pass.
    order: RefCell<Vec<String>>,
}

/// Returns a body without what it was turned from: only the pass that turned it knows that, which is needed only while it does so.
fn without_was(body: &str) -> String {
    let Some((before, (_, after))) =
        body.split_once("\"was\":{").and_then(|(before, rest)| Some((before, rest.split_once("},")?)))
    else {
        return body.to_owned();
    };
    format!("{before}{after}")
}

/// Everything outside of the program at one moment: the repository, what the forge remembers, the caches.
struct Saved {
    kept: Kept,
    folder: tempfile::TempDir,
}

impl Life {
    fn begin(place: Place, story: &Story) -> Self {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        let name = if place == Place::GitLab { "acme/platform/gitops.git" } else { "acme/gitops.git" };
        let config = config(&world, story.environment);
        let web = world.deployment("acme/web:1.4.0");
        let bare = world.scratch.bare(name, &[(".tagboat.yaml", &config), ("prod/web.yaml", &web)]);
        bare.git(&["config", "http.receivepack", "true"]);
        let gate = Gate::default();
        let server = GitServer::start_behind(&gate, &world.scratch.path(""), Rules::default());
        let url = server.url(name);
        let store = Store::over(bare.folder);
        let (router, below) = match place {
            Place::GitHub => (github::router(Arc::clone(&store)), "api/v3"),
            Place::GitLab => (gitlab::router(Arc::clone(&store)), "gitlab"),
            Place::Gitea => (gitea::router(Arc::clone(&store)), "forge"),
            Place::Plain => (axum::Router::new(), ""),
        };
        let forge_url = format!("{}/{below}", serve(gate.guard(router)));
        Self { world, place, gate, store, _server: server, url, forge_url, order: RefCell::default() }
    }

    /// Tells the story step by step: of each step, `disturb` is given what was before, and what must come of it.
    fn tell(place: Place, story: &Story, disturb: impl Fn(&Self, &Saved, &dyn Fn(&str))) {
        let life = Self::begin(place, story);
        // Without checks and labels to wait for, plain Git has merged before the step that merges elsewhere.
        let calm = if place == Place::Plain { 0 } else { story.before.len() };
        for (index, step) in story.before.iter().chain(story.steps).enumerate() {
            life.order.borrow_mut().clear();
            step(&life);
            let before = life.save();
            let written = life.settle();
            if index < calm {
                continue;
            }
            assert!(!written.is_empty() || place == Place::Plain, "{place:?}, step {index}: nothing is done here");
            let (expected, after) = (life.told(), life.save());
            disturb(&life, &before, &|how| {
                life.settle();
                let told = life.told();
                assert!(told == expected, "{place:?}, step {index}, {how}: {told:#?}\nexpected {expected:#?}");
            });
            life.restore(&after);
        }
    }

    fn config(&self, environment: &str) -> String {
        config(&self.world, environment)
    }

    /// Returns the one head branch.
    fn head(&self) -> String {
        self.store.repository.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/tagboat/"])
    }

    fn image(&self, name: &str) -> String {
        format!("{}/{name}", self.world.registry.host())
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.store.kept()
    }

    fn person_writes(&self, file: &str, text: &str) {
        self.person_writes_to("main", file, text);
    }

    fn person_writes_to(&self, branch: &str, file: &str, text: &str) {
        let work = tempfile::tempdir().unwrap();
        let work = Repository { folder: work.path().to_owned() };
        std::fs::create_dir_all(&work.folder).unwrap();
        let from = self.store.repository.folder.display().to_string();
        work.git(&["clone", "--quiet", "--branch", branch, &from, "."]);
        work.commit_files(&[(file, text)], "By hand", 2);
        work.git(&["push", "--quiet", "origin", branch]);
        std::fs::remove_dir_all(&work.folder).unwrap();
    }

    /// Lets this step begin with an order.
    fn orders(&self, arguments: &[&str]) {
        *self.order.borrow_mut() = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    }

    /// Starts what a step begins with, with a cache of this name: the order, if there is one, else a run.
    fn start(&self, cache: &str) -> Child {
        let order = self.order.borrow();
        let order: Vec<&str> = order.iter().map(String::as_str).collect();
        self.command(if order.is_empty() { &["run"] } else { &order }, &self.url, cache).spawn().unwrap()
    }

    /// Returns a call on the repository by an address, with a cache of this name.
    #[expect(clippy::disallowed_methods, reason = "the program is started to be killed")]
    fn command(&self, arguments: &[&str], url: &str, cache: &str) -> Command {
        let (forge, token) = match self.place {
            Place::GitHub => ("github", "token"),
            Place::GitLab => ("gitlab", gitlab::TOKEN),
            Place::Gitea => ("gitea", gitea::TOKEN),
            Place::Plain => ("plain", ""),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagboat"));
        command.args(arguments).args(["--repo", url, "--branch", "main", "--forge", forge]);
        if self.place != Place::Plain {
            command.args(["--forge-url", &self.forge_url]);
        }
        command.current_dir(self.world.tree()).env_clear().envs(self.world.variables());
        command.env("XDG_CACHE_HOME", self.world.scratch.path(cache)).env("TAGBOAT_TOKEN", token);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Gives the order, if there is one, and runs until a pass writes nothing any more; returns what was written.
    #[track_caller]
    fn settle(&self) -> Vec<String> {
        let writes = |arguments: &[&str]| {
            self.gate.disarm();
            let child = self.command(arguments, &self.url, "cache").stderr(Stdio::piped()).spawn().unwrap();
            let ended = child.wait_with_output().unwrap();
            let (said, written) = (String::from_utf8_lossy(&ended.stderr), self.gate.disarm());
            // What was released before is held no more.
            let is_done = arguments[0] == "release" && said.contains("nothing holds");
            assert!(
                is_done || ended.status.code() == Some(0),
                "{arguments:?} after {written:#?}: {said}{:#?}",
                self.told()
            );
            written
        };
        let order = self.order.borrow();
        let order: Vec<&str> = order.iter().map(String::as_str).collect();
        let mut written = if order.is_empty() { Vec::new() } else { writes(&order) };
        for _ in 0..6 {
            let further = writes(&["run"]);
            if further.is_empty() {
                return written;
            }
            written.extend(further);
        }
        panic!("six passes, and each still writes: {written:#?}, {:#?}", self.told());
    }

    /// Tells everything that people see, without what differs between two clocks.
    fn told(&self) -> Vec<String> {
        let git = |arguments: &[&str]| self.store.repository.git(arguments);
        let mut told: Vec<String> =
            git(&["log", "--first-parent", "--format=main %T %s", "main"]).lines().map(str::to_owned).collect();
        if self.store.at("live").is_some() {
            told.push(git(&["log", "--first-parent", "--format=live %T %s", "live"]));
        }
        let heads = git(&["for-each-ref", "--format=%(refname:short)", "refs/heads/tagboat/"]);
        for head in heads.lines() {
            let commits = git(&["log", "--format=%T %B", &format!("main..{head}")]);
            told.push(format!("{head} {commits}"));
        }
        self.store.refresh();
        let kept = self.kept();
        told.push(format!("queued {:?}, armed {:?}", kept.queued, kept.armed));
        told.push(format!("labels {:?}", kept.labels.iter().flatten().collect::<Vec<_>>()));
        for pull in &kept.pulls {
            told.push(format!(
                "{} {:?} {} -> {} `{}` {:?} comments {:?} reviewers {:?}\n{}",
                pull.number,
                pull.state,
                pull.head,
                pull.base,
                pull.title,
                pull.labels,
                pull.comments,
                pull.reviewers,
                without_was(&pull.body)
            ));
            let mut newest = std::collections::BTreeMap::new();
            for check in kept.checks.iter().filter(|check| check.sha == pull.sha) {
                newest.insert(&check.name, (&check.word, &check.text));
            }
            told.extend(newest.iter().map(|check| format!("{} {check:?}", pull.number)));
        }
        told
    }

    fn save(&self) -> Saved {
        let folder = tempfile::tempdir().unwrap();
        copy(&self.store.repository.folder, &folder.path().join("bare"));
        copy(&self.world.scratch.path("cache"), &folder.path().join("cache"));
        Saved { kept: self.kept().clone(), folder }
    }

    fn restore(&self, saved: &Saved) {
        let (bare, cache) = (&self.store.repository.folder, self.world.scratch.path("cache"));
        for (from, to) in [("bare", bare), ("cache", &cache)] {
            drop(std::fs::remove_dir_all(to));
            copy(&saved.folder.path().join(from), to);
        }
        // Another mirror remembers what is undone here, and would take it for a forced push.
        drop(std::fs::remove_dir_all(self.world.scratch.path("another")));
        *self.kept() = saved.kept.clone();
    }
}

fn config(world: &World, environment: &str) -> String {
    let text = world.config().replace("name: dev", "name: prod").replace("dev/**", "prod/**");
    let labels = if environment.contains("pullRequest: {") { "" } else { "pullRequest: {labels: [images]}\n" };
    text.replace("    publish: commit\n", environment) + labels
}

/// Copies a folder with what is in it; nothing is made where there is none.
fn copy(from: &Path, to: &Path) {
    let Ok(entries) = std::fs::read_dir(from) else { return };
    std::fs::create_dir_all(to).unwrap();
    for entry in entries {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}
