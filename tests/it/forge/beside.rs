//! What lies beside the base branch: environments on branches of their own that go back, and those of another repository
//! on a forge of its own; told once for every forge.
//!
//! `beside!(KIND)` makes one test of each.

use std::collections::BTreeSet;
use std::sync::Arc;

use tagboat::forge::turns::{Impulse, Turns};
use tagboat::git::Remote;
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::url::RemoteUrl;
use tagboat::manifest::Limits;
use tagboat::model::environment::BranchName;
use tagboat::model::gate::GateState;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::Turn;
use tagboat::pass::elsewhere::{Neighbour, Neighbours};
use tagboat::pass::propose::Publishing;
use tagboat::pass::run::{Mode, Run, run};

use crate::forge::scenarios::Kind;
use crate::support::forge::{CheckRow, NOW, Stands, Store, serve};
use crate::support::memory::MemoryTags;
use crate::support::passes::on_plain_git;
use crate::support::repository::{Repository, Scratch, environment};

const WEB: &str = "ghcr.io/acme/web";

fn manifest(tag: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}:{tag}\n")
}

/// A repository on a forge of its own.
struct Place {
    kind: Kind,
    store: Arc<Store>,
    address: String,
    mirror: std::path::PathBuf,
}

impl Place {
    fn new(kind: Kind, scratch: &Scratch, bare: Repository) -> Self {
        let mirror = scratch.path(&format!("mirror-{}", fastrand::u64(..)));
        let store = Store::over(bare.folder);
        let address = serve((kind.router)(Arc::clone(&store)));
        Self { kind, store, address, mirror }
    }

    fn remote(&self) -> Arc<dyn Remote> {
        let url = RemoteUrl::from_path(&self.store.repository.folder);
        Arc::new(Mirror::open(&self.mirror, url, Access::None, environment(None)).unwrap())
    }

    fn publishing(&self) -> Publishing {
        Publishing::Forge((self.kind.client)(&self.address))
    }

    fn report(&self, sha: &str, name: &str, word: usize) {
        let (sha, name, word) = (sha.to_owned(), name.to_owned(), self.kind.words[word].to_owned());
        let at = "2026-11-20T08:05:00Z";
        self.store.kept().checks.push(CheckRow { sha, name, word, text: String::new(), at, is_run: true });
    }

    fn runs(&self, branch: &str) -> String {
        let text = String::from_utf8(self.store.repository.show(branch, "apps/web.yaml")).unwrap();
        text.trim_end().rsplit(':').next().unwrap().to_owned()
    }

    fn tip(&self, branch: &str) -> String {
        self.store.repository.tip(branch)
    }

    async fn pass(&self, time: &str, neighbours: &Neighbours<'_>) -> Outcome {
        self.pass_in(Turn::default(), self.publishing(), time, neighbours).await
    }

    async fn pass_in(&self, turn: Turn, publishing: Publishing, time: &str, neighbours: &Neighbours<'_>) -> Outcome {
        let tags = MemoryTags::default();
        tags.set(WEB, ["1.4.0", "1.5.0"]);
        run(&Run {
            remote: self.remote(),
            branch: &BranchName::from("main"),
            config: None,
            neighbours,
            source: &tags,
            sources: &crate::support::sources::none(),
            cache: &tagboat::pass::setup::no_cache(),
            limits: &Limits::default(),
            now: format!("2026-11-20T{time}:00Z").parse().unwrap(),
            clock: &tagboat::clock::FixedClock(format!("2026-11-20T{time}:00Z").parse().unwrap()),
            publishing,
            mode: Mode::Act,
            detail: tagboat::pass::Detail::EveryTag,
            only: &[],
            progress: &|_| {},
            read_config: &|_| {},
            turn,
        })
        .await
        .unwrap()
    }
}

/// `dev` on the base, and `staging` on a branch of its own, watched, where 1.5.0 came at 08:00 and failed at 08:05.
async fn failed_on_a_branch(kind: Kind, returns: &str) -> (Scratch, Place) {
    let config = format!(
        "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\nenvironments:\n  - name: dev\n    files: [apps/**]\n    \
         publish: commit\n  - name: staging\n    branch: env/staging\n    files: [apps/**]\n    after: dev\n    publish: commit\n    \
         onFailure: {{checks: [argocd/staging], within: 30m, publish: {returns}}}\n"
    );
    let scratch = Scratch::new();
    let bare = scratch.bare("gitops.git", &[(".tagboat.yaml", &config), ("apps/web.yaml", &manifest("1.4.0"))]);
    bare.git(&["branch", "--quiet", "env/staging", "main"]);
    let place = Place::new(kind, &scratch, bare);
    place.pass("08:00", &tagboat::pass::elsewhere::nobody).await;
    assert_eq!((place.runs("main"), place.runs("env/staging")), ("1.5.0".to_owned(), "1.5.0".to_owned()));
    place.report(&place.tip("env/staging"), "argocd/staging", 2);
    (scratch, place)
}

async fn pass(place: &Place, time: &str) -> Outcome {
    place.pass(time, &tagboat::pass::elsewhere::nobody).await
}

fn message(place: &Place, branch: &str) -> String {
    place.store.repository.git(&["log", "-1", "--format=%B", branch])
}

fn changed(place: &Place, branch: &str) -> String {
    place.store.repository.git(&["show", "--format=", "--name-only", branch])
}

pub(super) async fn what_fails_on_a_branch_of_its_own_goes_back_there_and_is_held_on_the_base(kind: Kind) {
    let (_scratch, place) = failed_on_a_branch(kind, "commit").await;
    let outcome = pass(&place, "08:10").await;
    assert_eq!(outcome.errors, []);
    assert_eq!((place.runs("main"), place.runs("env/staging")), ("1.5.0".to_owned(), "1.4.0".to_owned()));
    assert_eq!(
        (changed(&place, "main"), changed(&place, "env/staging")),
        (".tagboat/holds.yaml".into(), "apps/web.yaml".into())
    );
    let (hold, back) = (message(&place, "main"), message(&place, "env/staging"));
    assert!(hold.contains(&format!("Tagboat-Hold: {WEB}:1.5.0 in staging")), "{hold}");
    assert!(back.contains("Tagboat-Order: rollback\n") && back.contains("Tagboat-Failed: argocd/staging: "), "{back}");
    let tips = (place.tip("main"), place.tip("env/staging"));
    for time in ["08:12", "08:50"] {
        assert_eq!(pass(&place, time).await.errors, []);
        assert_eq!((place.tip("main"), place.tip("env/staging")), tips, "a further pass does nothing");
    }
}

pub(super) async fn a_return_by_pull_request_is_made_to_the_branch_and_held_on_the_base_at_once(kind: Kind) {
    let (_scratch, place) = failed_on_a_branch(kind, "autoMerge").await;
    let outcome = pass(&place, "08:10").await;
    assert_eq!(outcome.errors, []);
    assert_eq!((changed(&place, "main"), place.runs("env/staging")), (".tagboat/holds.yaml".into(), "1.5.0".into()));
    let head = "tagboat/staging/ghcr.io-acme-web";
    assert_eq!((changed(&place, head), place.runs(head)), ("apps/web.yaml".into(), "1.4.0".into()));
    assert_eq!(place.store.repository.git(&["merge-base", head, "env/staging"]), place.tip("env/staging"));
    let (main, made) = (place.tip("main"), place.tip(head));
    pass(&place, "08:12").await;
    assert_eq!((place.tip("main"), place.tip(head)), (main, made.clone()), "a further pass makes nothing anew");
    place.report(&made, "build", 0);
    pass(&place, "08:14").await;
    assert_eq!(place.runs("env/staging"), "1.4.0");
    pass(&place, "08:16").await;
    assert_eq!((place.runs("env/staging"), place.store.kept().pulls.len()), ("1.4.0".into(), 1));
    assert!(matches!(place.store.kept().pulls[0].state, Stands::Merged));
}

/// Takes no push to any branch but this one.
const ONLY: &str = "#!/bin/sh\n[ \"$1\" = refs/heads/env/staging ] || { echo protected; exit 1; }\n";
/// Takes no push to the base.
const PROTECTED: &str = "#!/bin/sh\n[ \"$1\" != refs/heads/main ] || { echo protected; exit 1; }\n";

pub(super) async fn what_goes_back_on_a_branch_is_proposed_to_be_held_where_the_base_takes_no_push(kind: Kind) {
    let (_scratch, place) = failed_on_a_branch(kind, "commit").await;
    let tips = (place.tip("main"), place.tip("env/staging"));
    place.store.repository.hook("update", ONLY);
    let outcome = pass(&place, "08:08").await;
    assert_eq!((place.tip("main"), place.tip("env/staging")), tips, "what nothing holds would come again");
    let back = outcome.proposals.iter().find(|one| one.environment.as_str() == "staging").unwrap();
    assert_eq!(back.action, Action::Failed, "{back:?}");
    assert!(back.reason.as_deref().unwrap().contains("protected"), "{back:?}");

    place.store.repository.hook("update", PROTECTED);
    let outcome = pass(&place, "08:10").await;
    assert_eq!(outcome.errors, []);
    assert_eq!((place.tip("main"), place.runs("env/staging")), (tips.0, "1.4.0".to_owned()));
    let holds = outcome.proposals.iter().find(|one| one.branch.as_deref() == Some("tagboat/@holds")).unwrap();
    assert_eq!((holds.action, holds.url.is_some()), (Action::Opened, true));
    assert_eq!(changed(&place, "tagboat/@holds"), ".tagboat/holds.yaml");
    assert!(message(&place, "tagboat/@holds").contains(&format!("Tagboat-Hold: {WEB}:1.5.0 in staging")));
    let tip = place.tip("env/staging");
    for time in ["08:12", "08:50"] {
        assert_eq!(pass(&place, time).await.errors, []);
        assert_eq!((place.tip("env/staging"), place.store.kept().pulls.len()), (tip.clone(), 1), "it stays back");
    }
}

/// The same commit is in both repositories; what each forge says of it differs.
pub(super) async fn checks_of_another_repository_are_asked_of_its_own_forge(kind: Kind) {
    let scratch = Scratch::new();
    let theirs = "version: 1\nimages: [{match: ghcr.io/acme/*, semver: 1.x}]\nenvironments: [{name: staging, files: [apps/**]}]\n";
    let bare = scratch.bare("platform.git", &[(".tagboat.yaml", theirs), ("apps/web.yaml", &manifest("1.4.0"))]);
    let people = Repository { folder: scratch.path("people") };
    let (from, to) = (bare.folder.display().to_string(), people.folder.display().to_string());
    bare.git(&["clone", "--quiet", &from, &to]);
    let brought = people.commit_files(&[("apps/web.yaml", &manifest("1.5.0"))], "By hand", 2);
    people.git(&["push", "--quiet", "origin", "main"]);
    let shop = scratch.empty("shop.git");
    let ours = "version: 1\nimages: [{match: ghcr.io/acme/*, semver: 1.x}]\nenvironments:\n  - name: prod\n    files: [prod/**]\n    \
                after: {repository: https://git.acme.example/acme/platform, environment: staging}\n    publish: commit\n    \
                gates: {checks: [argocd/staging]}\n";
    people.commit_files(&[(".tagboat.yaml", ours), ("prod/web.yaml", &manifest("1.4.0"))], "A fork", 3);
    people.git(&["push", "--quiet", &shop.folder.display().to_string(), "main"]);
    let (platform, shop) = (Place::new(kind, &scratch, bare), Place::new(kind, &scratch, shop));
    let open = |url: &str| {
        assert_eq!(url, "https://git.acme.example/acme/platform");
        let (remote, publishing) = (platform.remote(), platform.publishing());
        Ok(Neighbour { remote, branch: BranchName::from("main"), publishing })
    };
    let prod = || String::from_utf8(shop.store.repository.show("main", "prod/web.yaml")).unwrap();
    let says = |outcome: &Outcome| outcome.proposals.last().unwrap().gates[0].state.clone();
    // Here that commit is a fork's, and nobody's proof.
    shop.report(&brought, "argocd/staging", 0);
    let GateState::Wait { reason, .. } = says(&shop.pass("08:00", &open).await) else { panic!("it waits") };
    assert!(reason.contains(&brought[..10]) && reason.contains("to staging of https://git.acme.example"), "{reason}");
    platform.report(&brought, "argocd/staging", 2);
    let GateState::Fail { reason } = says(&shop.pass("08:10", &open).await) else { panic!("it fails") };
    assert!(reason.contains(&brought[..10]), "{reason}");
    assert_eq!(prod(), manifest("1.4.0"));
    platform.report(&brought, "argocd/staging", 0);
    shop.pass("08:20", &open).await;
    assert_eq!(prod(), manifest("1.5.0"));
    assert!(platform.store.requests().iter().all(|line| line.starts_with("GET ")), "{:?}", platform.store.requests());
}

/// This one is on plain Git, whose base Tagboat moves itself. The check is remembered as passed until the window opens, and has failed then.
pub(super) async fn nothing_moves_on_what_the_forge_of_another_repository_told_before(kind: Kind) {
    let scratch = Scratch::new();
    let theirs = "version: 1\nimages: [{match: ghcr.io/acme/*, semver: 1.x}]\nenvironments: [{name: staging, files: [apps/**]}]\n";
    let files = [(".tagboat.yaml", theirs), ("apps/web.yaml", &manifest("1.5.0"))];
    let platform = Place::new(kind, &scratch, scratch.bare("platform.git", &files));
    let ours = "version: 1\nimages: [{match: ghcr.io/acme/*, semver: 1.x}]\nenvironments:\n  - name: prod\n    files: [apps/**]\n    \
                after: {repository: https://git.acme.example/acme/platform, environment: staging}\n    publish: autoMerge\n    \
                gates: {checks: [argocd/staging], windows: [{hours: \"09:00-10:00\"}]}\n";
    let files = [(".tagboat.yaml", ours), ("apps/web.yaml", &manifest("1.4.0"))];
    let shop = Place::new(kind, &scratch, scratch.bare("shop.git", &files));
    let (turns, forge) = (Arc::<Turns>::default(), (kind.lasting)(&platform.address));
    let pass = async |time: &str| {
        let turn = turns.begin("shop", Impulse::Routine, NOW.parse().unwrap());
        let publishing = Publishing::Forge(forge(turn.clone()));
        let open = |_: &str| {
            let (remote, publishing) = (platform.remote(), publishing.clone());
            Ok(Neighbour { remote, branch: BranchName::from("main"), publishing })
        };
        platform.store.requests();
        assert_eq!(shop.pass_in(turn, on_plain_git(), time, &open).await.errors, []);
        platform.store.requests()
    };
    let brought = platform.tip("main");
    // What is said of a later one would count as well.
    platform.store.repository.land("main", &[("readme", "moved")], "By hand", 2);
    let says = |word: usize| {
        // Reports of before would fill a page of their own.
        platform.store.kept().checks.clear();
        platform.report(&brought, "argocd/staging", word);
    };
    for number in 0..4 {
        says(0);
        // Whosever turn it is then.
        let mut asked = BTreeSet::new();
        for passes in 0..10 + number {
            let requests = pass("08:10").await;
            if passes > 5 {
                assert_eq!(requests.len(), 1, "{requests:?}");
                asked.extend(requests);
            }
        }
        assert_eq!(asked.len(), if kind.below.is_empty() { 4 } else { 2 }, "each in its turn: {asked:?}");
        says(2);
        pass("09:10").await;
        assert_eq!(shop.runs("main"), "1.4.0", "{number}");
    }
    says(0);
    for _ in 0..6 {
        pass("09:20").await;
    }
    assert_eq!(shop.runs("main"), "1.5.0");
}

/// Makes one test of each for a kind of forge.
macro_rules! beside {
    ($kind:expr) => {
        $crate::forge::beside::beside! { @ $kind;
            what_fails_on_a_branch_of_its_own_goes_back_there_and_is_held_on_the_base
            a_return_by_pull_request_is_made_to_the_branch_and_held_on_the_base_at_once
            what_goes_back_on_a_branch_is_proposed_to_be_held_where_the_base_takes_no_push
            checks_of_another_repository_are_asked_of_its_own_forge
            nothing_moves_on_what_the_forge_of_another_repository_told_before
        }
    };
    (@ $kind:expr; $($name:ident)*) => {
        mod beside {
            $(
                #[tokio::test]
                async fn $name() {
                    $crate::forge::beside::$name($kind).await;
                }
            )*
        }
    };
}
pub(super) use beside;
