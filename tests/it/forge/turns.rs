//! Passes that follow each other, as those of a service: what one in which nothing has changed asks, and what it does not do on what it was
//! not told now. The same on every forge.
//!
//! `turns!(KIND)` makes one test of each.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use tagboat::forge::turns::{Impulse, Turn, Turns};
use tagboat::git::Remote;
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::url::RemoteUrl;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::model::watch::WatchState;
use tagboat::pass::propose::Publishing;
use tagboat::pass::run::Mode;

use crate::forge::scenarios::{Kind, Lasting};
use crate::support::forge::{CheckRow, Fault, NOW, Protection, Pull, Stands, Store, serve};
use crate::support::memory::MemoryTags;
use crate::support::passes::Passing;
use crate::support::repository::{Scratch, environment};

/// Images of pull requests that Tagboat merges: each waits for something else.
pub(super) const APPS: [&str; 4] = ["web", "api", "worker", "job"];

/// What is watched in `dev`, waits for a check in `staging`, and for an approval in `live`.
const ENVIRONMENTS: &str = "  - name: apps\n    files: [apps/**]\n    publish: autoMerge\n  - name: dev\n    files: [dev/**]\n    \
                            publish: commit\n    deployments: true\n    onFailure: {checks: [argocd/dev], within: 20h}\n  - name: staging\n    \
                            files: [staging/**]\n    after: dev\n    publish: commit\n    gates: {checks: [e2e]}\n  - name: \
                            live\n    files: [live/**]\n    publish: autoMerge\n    gates: {approvals: 1}\n";

/// A repository on a forge that one process looks after.
pub(super) struct Stage {
    pub(super) kind: Kind,
    scratch: Scratch,
    tags: MemoryTags,
    pub(super) store: Arc<Store>,
    forge: Lasting,
    pub(super) turns: Arc<Turns>,
}

/// What a pass came to, with its requests.
pub(super) struct Seen {
    pub(super) outcome: Outcome,
    pub(super) requests: Vec<String>,
}

impl Seen {
    pub(super) fn writes(&self) -> Vec<&String> {
        let is_question = |line: &String| line.starts_with("GET ") || line.starts_with("QUERY ");
        self.requests.iter().filter(|line| !is_question(line)).collect()
    }

    /// What is said of each proposal, and of what is watched.
    fn says(&self) -> Vec<String> {
        let proposals = self.outcome.proposals.iter().map(|one| format!("{one:?}"));
        proposals.chain(self.outcome.watches.iter().map(|watch| format!("{watch:?}"))).collect()
    }

    #[track_caller]
    pub(super) fn is_quiet(&self) {
        assert!(self.requests.len() <= 2 && self.writes().is_empty(), "{:#?}", self.requests);
    }
}

impl Stage {
    pub(super) fn new(kind: Kind, environments: &str) -> Self {
        Self::styled(kind, "{rebase: conflict}", environments)
    }

    pub(super) fn styled(kind: Kind, style: &str, environments: &str) -> Self {
        let mut config = "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\n".to_owned();
        write!(config, "pullRequest: {style}\nenvironments:\n{environments}").unwrap();
        let mut files = vec![(".tagboat.yaml".to_owned(), config)];
        let tags = MemoryTags::default();
        let others = ["dev", "staging", "live"].map(|folder| (folder, "site"));
        for (folder, image) in APPS.map(|image| ("apps", image)).into_iter().chain(others) {
            let text =
                format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: ghcr.io/acme/{image}:1.4.0\n");
            files.push((format!("{folder}/{image}.yaml"), text));
            tags.set(&format!("ghcr.io/acme/{image}"), ["1.4.0", "1.5.0"]);
        }
        let scratch = Scratch::new();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let store = Store::over(scratch.bare("gitops.git", &files).folder);
        let forge = (kind.lasting)(&serve((kind.router)(Arc::clone(&store))));
        Self { kind, scratch, tags, store, forge, turns: Arc::default() }
    }

    /// Runs a pass at a time of the day.
    pub(super) async fn pass(&self, impulse: Impulse, time: &str) -> Seen {
        let seen = self.try_pass(impulse, time).await;
        assert_eq!(seen.outcome.errors, []);
        seen
    }

    pub(super) async fn try_pass(&self, impulse: Impulse, time: &str) -> Seen {
        self.pass_as(self.turns.begin("acme/gitops", impulse, at(time)), Mode::Act, time).await
    }

    /// Foresees what the next pass would do, in a process of its own.
    pub(super) async fn foresee(&self, time: &str) -> Seen {
        let (turns, now) = (Arc::<Turns>::default(), at(time));
        if let Some(bytes) = self.turns.kept("acme/gitops", now, None) {
            turns.restore("acme/gitops", &bytes, now);
        }
        self.pass_as(turns.begin("acme/gitops", Impulse::Routine, at(time)), Mode::DryRun, time).await
    }

    async fn pass_as(&self, turn: Turn, mode: Mode, time: &str) -> Seen {
        let url = RemoteUrl::from_path(&self.store.repository.folder);
        let mirror = Mirror::open(&self.scratch.path("mirror"), url, Access::None, environment(None)).unwrap();
        self.store.requests();
        let passing = Passing {
            remote: Arc::new(mirror) as Arc<dyn Remote>,
            tags: &self.tags,
            now: &format!("2026-11-20T{time}:00Z"),
            publishing: Publishing::Forge((self.forge)(turn.clone())),
        };
        let outcome = passing.pass_in(turn, &tagboat::pass::setup::no_cache(), mode).await;
        Seen { outcome, requests: self.store.requests() }
    }

    pub(super) async fn routine(&self, time: &str) -> Seen {
        self.pass(Impulse::Routine, time).await
    }

    pub(super) fn of(&self, environment: &str, image: &str) -> Pull {
        self.store.refresh();
        let head = format!("tagboat/{environment}/ghcr.io-acme-{image}");
        let kept = self.store.kept();
        kept.pulls.iter().find(|pull| pull.head == head).unwrap_or_else(|| panic!("no {head}")).clone()
    }

    pub(super) fn report(&self, sha: &str, name: &str, word: &str) {
        let (sha, name, word) = (sha.to_owned(), name.to_owned(), word.to_owned());
        let is_run = self.kind.words.contains(&word.as_str());
        self.store.kept().checks.push(CheckRow { sha, name, word, text: String::new(), at: NOW, is_run });
    }

    /// Reviews the head of a pull request, without the list telling that anything has changed.
    fn review(&self, pull: &Pull, word: &str) {
        let row = ("ada".to_owned(), word.to_owned(), pull.sha.clone());
        self.store.change(pull.number, |pull| pull.reviews.push(row));
        self.store.rewind(pull.number, pull.updated);
    }

    pub(super) fn brought(&self, file: &str) -> String {
        self.store.repository.git(&["log", "-1", "--first-parent", "--format=%H", "main", "--", file])
    }

    pub(super) fn runs(&self, file: &str) -> String {
        let text = String::from_utf8(self.store.repository.show("main", file)).unwrap();
        text.trim_end().rsplit(':').next().unwrap().to_owned()
    }

    /// Lets all of it wait, each for something else, until a pass finds nothing to do; returns what that pass asked and says.
    async fn settled(&self) -> Seen {
        self.routine("08:00").await;
        let [passed, running, _] = self.kind.words;
        self.report(&self.of("apps", "web").sha, "build", running);
        self.report(&self.of("apps", "api").sha, "build", passed);
        self.review(&self.of("apps", "api"), self.kind.reviews[1]);
        self.report(&self.of("apps", "worker").sha, "build", passed);
        self.report(&self.of("live", "site").sha, "build", passed);
        self.report(&self.brought("dev/site.yaml"), "argocd/dev", running);
        self.store.kept().protection = Protection { strict: true, ..Protection::default() };
        self.store.repository.land("main", &[("readme", "moved")], "By hand", 2);
        self.routine("08:01").await;
        let seen = self.pass(Impulse::News, "08:02").await;
        assert!(seen.writes().is_empty() && seen.requests.len() > 4, "{:#?}", seen.requests);
        seen
    }
}

/// Returns a time of the day of all these passes.
pub(super) fn at(time: &str) -> Timestamp {
    format!("2026-11-20T{time}:00Z").parse().unwrap()
}

fn questions(requests: &[String]) -> BTreeSet<String> {
    requests.iter().cloned().collect()
}

pub(super) async fn a_pass_in_which_nothing_has_changed_asks_twice_at_most(kind: Kind) {
    let stage = Stage::new(kind, ENVIRONMENTS);
    let settled = stage.settled().await;
    let reason = |image: &str| {
        let found = settled
            .outcome
            .proposals
            .iter()
            .find(|one| one.group.ends_with(image) && one.environment.as_str() != "dev");
        found.and_then(|one| one.reason.clone()).unwrap_or_default()
    };
    assert!(reason("web").contains("checks are not done: build"), "{}", reason("web"));
    assert!(reason("api").contains("changes are requested by ada"), "{}", reason("api"));
    assert!(reason("worker").contains("behind"), "{}", reason("worker"));
    assert!(reason("job").contains("no check has reported"), "{}", reason("job"));
    assert_eq!(settled.outcome.watches[0].state, WatchState::Watching);

    let all = questions(&settled.requests);
    let mut asked = BTreeSet::new();
    for _ in 0..all.len() {
        let seen = stage.routine("08:03").await;
        seen.is_quiet();
        assert_eq!(seen.says(), settled.says(), "what waits says why, as before");
        asked.extend(questions(&seen.requests));
    }
    assert_eq!(asked, all, "each has its turn");
}

pub(super) async fn a_pass_that_something_has_hastened_asks_for_everything(kind: Kind) {
    let stage = Stage::new(kind, ENVIRONMENTS);
    let settled = stage.settled().await;
    stage.routine("08:03").await.is_quiet();
    let web = stage.of("apps", "web");
    stage.store.kept().protection = Protection::default();
    stage.report(&web.sha, "build", kind.words[0]);
    let seen = stage.pass(Impulse::News, "08:04").await;
    assert_eq!(stage.of("apps", "web").state, Stands::Merged, "{:#?}", seen.requests);
    assert!(seen.requests.len() >= settled.requests.len(), "{:#?}", seen.requests);
}

pub(super) async fn what_turns_green_is_seen_in_its_turn_and_merged_at_the_head_that_was_judged(kind: Kind) {
    let stage = Stage::new(kind, ENVIRONMENTS);
    let settled = stage.settled().await;
    stage.store.kept().protection = Protection::default();
    for _ in 0..settled.requests.len() {
        stage.routine("08:03").await;
    }
    // What is not protected any more was merged; the others wait as before.
    assert_eq!(stage.of("apps", "worker").state, Stands::Merged);
    let web = stage.of("apps", "web");
    assert_eq!(web.state, Stands::Open);
    let most = stage.pass(Impulse::News, "08:04").await.requests.len();
    stage.routine("08:04").await.is_quiet();
    stage.report(&web.sha, "build", kind.words[0]);
    let mut passes = 0;
    let seen = loop {
        let seen = stage.routine("08:05").await;
        passes += 1;
        if seen.outcome.proposals.iter().any(|one| one.action == Action::Merged) {
            break seen;
        }
        seen.is_quiet();
        assert!(passes <= most, "its turn never came");
    };
    assert_eq!(stage.of("apps", "web").state, Stands::Merged);
    let (method, path) = kind.merging;
    let merges: Vec<usize> = (0..seen.requests.len())
        .filter(|at| seen.requests[*at].starts_with(method) && seen.requests[*at].contains(path))
        .collect();
    assert_eq!(merges.len(), 1, "{:#?}", seen.requests);
    let told = |line: &String| line.starts_with("GET ") && line.contains(&web.sha);
    assert!(seen.requests[..merges[0]].iter().any(told), "{:#?}", seen.requests);
    for (environment, image) in [("apps", "api"), ("apps", "job"), ("live", "site")] {
        assert_eq!(stage.of(environment, image).state, Stands::Open, "{image}");
    }
}

pub(super) async fn what_fails_goes_back_when_its_turn_comes(kind: Kind) {
    let stage = Stage::new(kind, ENVIRONMENTS);
    let settled = stage.settled().await;
    stage.routine("08:03").await.is_quiet();
    assert_eq!(stage.runs("dev/site.yaml"), "1.5.0");
    stage.report(&stage.brought("dev/site.yaml"), "argocd/dev", kind.words[2]);
    for passes in 0.. {
        assert!(passes <= settled.requests.len(), "its turn never came");
        let seen = stage.routine("08:04").await;
        if stage.runs("dev/site.yaml") == "1.4.0" {
            break;
        }
        seen.is_quiet();
    }
    stage.routine("08:05").await;
    assert_eq!((stage.runs("dev/site.yaml").as_str(), stage.runs("staging/site.yaml").as_str()), ("1.4.0", "1.4.0"));
}

/// The gate's check is remembered as passed when the approval comes, and has failed meanwhile.
pub(super) async fn nothing_is_merged_on_a_success_that_was_told_before(kind: Kind) {
    let environments = "  - name: dev\n    files: [dev/**]\n    publish: commit\n  - name: live\n    files: [live/**]\n    \
                        after: dev\n    publish: autoMerge\n    gates: {checks: [e2e], approvals: 1}\n";
    let stage = Stage::new(kind, environments);
    stage.routine("08:00").await;
    let brought = stage.brought("dev/site.yaml");
    stage.report(&brought, "e2e", kind.words[0]);
    for _ in 0..2 {
        stage.routine("08:01").await;
    }
    let live = stage.of("live", "site");
    stage.report(&live.sha, "build", kind.words[0]);
    // The list does not tell of what says it first, and then it does.
    for is_listed in [false, true] {
        for _ in 0..6 {
            stage.routine("08:02").await;
        }
        stage.routine("08:02").await.is_quiet();
        stage.report(&brought, "e2e", kind.words[2]);
        stage.review(&live, kind.reviews[0]);
        if is_listed {
            stage.store.change(live.number, |pull| pull.title.push('!'));
        }
        for _ in 0..6 {
            stage.routine("08:03").await;
            assert_eq!(stage.of("live", "site").state, Stands::Open, "{is_listed}");
        }
        stage.report(&brought, "e2e", kind.words[0]);
        if !is_listed {
            stage.store.change(live.number, |pull| pull.reviews.clear());
            stage.store.rewind(live.number, live.updated);
        }
    }
    for _ in 0..6 {
        stage.routine("08:04").await;
    }
    assert_eq!(stage.of("live", "site").state, Stands::Merged);
}

/// What the base requires is remembered of one that a person holds up, and requires more by the time that the check of another passes.
pub(super) async fn nothing_is_merged_on_rules_that_were_told_before(kind: Kind) {
    let apps = "  - name: apps\n    files: [apps/**]\n    publish: autoMerge\n";
    let [passed, running, _] = kind.words;
    for passes in 0..3 {
        let stage = Stage::new(kind, apps);
        stage.routine("08:00").await;
        stage.report(&stage.of("apps", "web").sha, "build", running);
        stage.report(&stage.of("apps", "api").sha, "build", passed);
        stage.review(&stage.of("apps", "api"), kind.reviews[1]);
        for _ in 0..3 {
            stage.routine("08:01").await;
        }
        for _ in 0..passes {
            stage.routine("08:02").await.is_quiet();
        }
        stage.store.kept().protection = Protection { required: vec!["sec".to_owned()], ..Protection::default() };
        stage.report(&stage.of("apps", "web").sha, "build", passed);
        for _ in 0..12 {
            let seen = stage.routine("08:03").await;
            assert!(seen.writes().is_empty(), "{passes}: {:#?}", seen.requests);
        }
    }
}

/// Whichever question's turn it is when all that waits turns green.
pub(super) async fn a_dry_run_foresees_what_a_pass_would_do_and_asks_for_no_more(kind: Kind) {
    let apps = "  - name: apps\n    files: [apps/**]\n    publish: autoMerge\n";
    let [passed, running, _] = kind.words;
    let actions = |seen: &Seen| seen.outcome.proposals.iter().map(|one| one.action).collect::<Vec<Action>>();
    for turn in 0..APPS.len() {
        let stage = Stage::styled(kind, "{rebase: needed}", apps);
        stage.routine("08:00").await;
        APPS.iter().for_each(|app| stage.report(&stage.of("apps", app).sha, "build", running));
        stage.store.kept().protection = Protection { strict: true, ..Protection::default() };
        stage.store.repository.land("main", &[("readme", "moved")], "By hand", 2);
        for _ in 0..3 + turn {
            stage.routine("08:01").await;
        }
        let dry = stage.foresee("08:02").await;
        dry.is_quiet();
        assert_eq!(stage.foresee("08:02").await.requests, dry.requests, "it leaves everything as it is");
        assert_eq!(stage.routine("08:02").await.requests, dry.requests);
        APPS.iter().for_each(|app| stage.report(&stage.of("apps", app).sha, "build", passed));
        for passes in 0.. {
            let (dry, seen) = (stage.foresee("08:03").await, stage.routine("08:03").await);
            assert_eq!(actions(&dry), actions(&seen));
            if actions(&dry).contains(&Action::Updated) {
                break;
            }
            assert!(passes <= 2 * APPS.len(), "its turn never came");
        }
    }
    // What the forge has in hand already it need not be asked about all at once.
    let stage = Stage::styled(kind, "{rebase: conflict, nativeAutoMerge: true}", apps);
    stage.routine("08:00").await;
    APPS.iter().for_each(|app| stage.report(&stage.of("apps", app).sha, "build", running));
    stage.store.kept().protection.required = vec!["build".to_owned()];
    for _ in 0..30 {
        stage.routine("08:01").await;
    }
    assert_eq!(stage.store.kept().armed.len(), APPS.len());
    let dry = stage.foresee("08:02").await;
    dry.is_quiet();
    assert_eq!(actions(&dry), [Action::Enqueued; 4]);
}

/// The check is remembered as passed while the soak lasts, and has failed when that is over.
pub(super) async fn nothing_is_committed_on_a_success_that_was_told_before(kind: Kind) {
    let environments = "  - name: dev\n    files: [dev/**]\n    publish: commit\n  - name: staging\n    files: [staging/**]\n    \
                        after: dev\n    publish: commit\n    gates: {checks: [e2e, lint], soak: 1h}\n  - name: live\n    \
                        files: [live/**]\n    publish: autoMerge\n    gates: {approvals: 1}\n";
    let stage = Stage::new(kind, environments);
    stage.routine("08:00").await;
    let brought = stage.brought("dev/site.yaml");
    ["e2e", "lint"].iter().for_each(|name| stage.report(&brought, name, kind.words[0]));
    for _ in 0..8 {
        stage.routine("08:30").await;
    }
    stage.routine("08:30").await.is_quiet();
    stage.report(&brought, "e2e", kind.words[2]);
    let seen = stage.routine("09:30").await;
    assert_eq!(stage.runs("staging/site.yaml"), "1.4.0", "{:#?}", seen.requests);
    let told = |line: &&String| line.starts_with("GET ") && line.contains(&brought);
    assert!(seen.requests.iter().filter(told).count() > 0, "it was asked then: {:#?}", seen.requests);
    stage.report(&brought, "e2e", kind.words[0]);
    for _ in 0..8 {
        stage.routine("09:40").await;
    }
    assert_eq!(stage.runs("staging/site.yaml"), "1.5.0");
}

/// A mistaken answer says nothing about the next pass: what failed to answer is asked until it does.
pub(super) async fn what_could_not_be_asked_is_asked_by_the_next_pass(kind: Kind) {
    let stage = Stage::new(kind, ENVIRONMENTS);
    let settled = stage.settled().await;
    for _ in 0..settled.requests.len() {
        for _ in 0..3 {
            stage.store.trap("GET", "/commits/", Fault::Before(503));
        }
        let seen = stage.try_pass(Impulse::Routine, "08:03").await;
        assert!(seen.writes().is_empty(), "{:#?}", seen.requests);
        stage.store.kept().traps.clear();
    }
    for _ in 0..settled.requests.len() {
        stage.routine("08:04").await;
    }
    let seen = stage.routine("08:04").await;
    seen.is_quiet();
    assert_eq!(seen.says(), settled.says());
}

/// Each pass has but the bytes of the one before it, as a `run` on schedule.
pub(super) async fn passes_of_processes_that_follow_each_other_ask_twice_at_most(kind: Kind) {
    let mut stage = Stage::new(kind, ENVIRONMENTS);
    let settled = stage.settled().await;
    let all = questions(&settled.requests);
    let mut asked = BTreeSet::new();
    for _ in 0..all.len() {
        let now = NOW.parse().unwrap();
        let bytes = stage.turns.kept("acme/gitops", now, None).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(!text.contains("hush"), "{text}");
        stage.turns = Arc::default();
        stage.turns.restore("acme/gitops", &bytes, now);
        let seen = stage.routine("08:03").await;
        seen.is_quiet();
        assert_eq!(seen.says(), settled.says(), "what waits says why, as before");
        asked.extend(questions(&seen.requests));
    }
    assert_eq!(asked, all, "each has its turn");
}

/// Makes one test of each on a kind of forge.
macro_rules! turns {
    ($kind:expr) => {
        $crate::forge::turns::turns! { @ $kind;
            a_pass_in_which_nothing_has_changed_asks_twice_at_most
            a_pass_that_something_has_hastened_asks_for_everything
            what_turns_green_is_seen_in_its_turn_and_merged_at_the_head_that_was_judged
            what_fails_goes_back_when_its_turn_comes
            nothing_is_merged_on_a_success_that_was_told_before
            nothing_is_committed_on_a_success_that_was_told_before
            what_could_not_be_asked_is_asked_by_the_next_pass
            passes_of_processes_that_follow_each_other_ask_twice_at_most
            a_dry_run_foresees_what_a_pass_would_do_and_asks_for_no_more
        }
    };
    (@ $kind:expr; $($name:ident)*) => {
        mod turns {
            $(
                #[tokio::test]
                async fn $name() {
                    $crate::forge::turns::$name($kind).await;
                }
            )*
        }
    };
}
pub(super) use turns;
