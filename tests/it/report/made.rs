//! Made-up outcomes that the tests of reports share.

use std::collections::BTreeMap;
use std::sync::Arc;

use tagboat::model::change::{Change, FileEdit};
use tagboat::model::commit::CommitId;
use tagboat::model::decision::{Decision, Origin, Question, Reason, Verdict};
use tagboat::model::environment::Publish;
use tagboat::model::file::{Position, RepoPath};
use tagboat::model::gate::{Gate, GateName, GateState};
use tagboat::model::image::ImageName;
use tagboat::model::outcome::{
    Explanation, Finding, Landed, Outcome, ScanOutcome, ScannedReference, Severity, Skipped, Trouble,
};
use tagboat::model::policy::{Pin, Policy, Select, Step};
use tagboat::model::proposal::{Action, Move, Proposal};
use tagboat::model::site::{
    Format, PassedOver, PassedOverReason, ScalarStyle, Site, SkipReason, Slot, SlotRole, Value,
};
use tagboat::model::tags::{ImageTags, TagIndex, TagList};
use tagboat::model::watch::{Watch, WatchState};

pub(super) const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

pub(super) fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

pub(super) fn name(text: &str) -> ImageName {
    text.parse().unwrap()
}

pub(super) fn value(tag: &str) -> Value {
    Value { tag: Some(tag.parse().unwrap()), digest: None }
}

pub(super) fn pinned(tag: &str) -> Value {
    Value { digest: Some(DIGEST.parse().unwrap()), ..value(tag) }
}

pub(super) fn at(line: usize, column: usize) -> Position {
    Position { line, column }
}

pub(super) fn reference(file: &str, line: usize, image: &str, tag: &str) -> ScannedReference {
    let site = Site {
        branch: None,
        offset: 0,
        file: path(file),
        format: Format::Kubernetes,
        image: Some(name(image)),
        written: image.to_owned(),
        value: value(tag),
        slots: vec![Slot {
            role: SlotRole::Version,
            span: 312..312 + tag.len(),
            token: 290..312 + tag.len(),
            style: ScalarStyle::Plain,
        }],
        position: at(line, 34),
        named: Default::default(),
        uses: Vec::new(),
        marker: None,
        skipped: None,
    };
    ScannedReference {
        site,
        environment: Some("dev".into()),
        policy: Some("semver >=1.4.0 <2.0.0".to_owned()),
        skipped: None,
        note: None,
    }
}

pub(super) fn unfollowed(file: &str, line: usize, written: &str, skipped: SkipReason) -> ScannedReference {
    let mut reference = reference(file, line, "ghcr.io/acme/web", "1");
    reference.site.image = None;
    reference.site.written = written.to_owned();
    reference.site.value = Value::default();
    reference.site.slots.clear();
    ScannedReference { environment: None, policy: None, skipped: Some(skipped), ..reference }
}

pub(super) fn passed_over(file: &str, reason: PassedOverReason) -> PassedOver {
    PassedOver { file: file.to_owned(), reason }
}

pub(super) fn trouble(what: &str, place: Option<(&str, usize, usize)>, reason: &str) -> Trouble {
    Trouble {
        what: what.to_owned(),
        file: place.map(|(file, ..)| path(file)),
        position: place.map(|(_, line, column)| at(line, column)),
        reason: reason.to_owned(),
    }
}

pub(super) fn change(file: &str, line: usize, environment: &str, image: &str, from: &str, to: &str) -> Change {
    Change {
        file: path(file),
        position: at(line, 34),
        bytes: 312..312 + from.len(),
        replaces: from.to_owned(),
        with: to.to_owned(),
        environment: environment.into(),
        group: name(image).group_name(),
        image: name(image),
        from: value(from),
        to: value(to),
        step: Some(Step::Minor),
        published: None,
        uses: Vec::new(),
    }
}

pub(super) fn decision(
    image: &str,
    environment: &str,
    current: &str,
    verdict: Verdict,
    rejected: &[Reason],
) -> Decision {
    let rows = rejected.iter().zip(0..).map(|(reason, tag)| (TagIndex(tag), reason.clone()));
    Decision {
        question: Question {
            image: name(image),
            environment: environment.into(),
            policy: Arc::new(Policy::new(Select::Step(Step::Minor))),
            current: value(current),
            sites: vec![0],
            origin: Origin::Registry,
        },
        verdict,
        rejected: rows.collect(),
    }
}

pub(super) fn tags(list: &[&str]) -> Arc<ImageTags> {
    Arc::new(ImageTags { list: list.iter().copied().collect::<TagList>(), facts: BTreeMap::new(), lost: None })
}

pub(super) fn moves(to: &str) -> Verdict {
    Verdict::Move { to: value(to), step: Some(Step::Minor) }
}

pub(super) fn soaking() -> Vec<Gate> {
    let until = Some("2026-11-21T09:00:00Z".parse().unwrap());
    let gate = |name, state| Gate { name, state, facts: None, closes: None, lasting: None };
    vec![
        Gate {
            name: GateName::Checks,
            state: GateState::Pass,
            facts: Some("argocd/staging: success on commit 0a1b2c3d4e in staging".to_owned()),
            closes: None,
            lasting: None,
        },
        gate(GateName::Soak, GateState::Wait { until, reason: "in staging for 3 h of 24 h".to_owned() }),
        gate(GateName::Approvals, GateState::Wait { until: None, reason: "0 of 1".to_owned() }),
        gate(GateName::Query, GateState::Fail { reason: "0.2 is not < 0.01".to_owned() }),
    ]
}

pub(super) fn proposal(environment: &str, image: &str, action: Action) -> Proposal {
    Proposal {
        environment: environment.into(),
        group: name(image).group_name(),
        publish: Publish::Commit,
        branch: None,
        url: None,
        moves: vec![Move {
            image: name(image),
            from: value("1.4.0"),
            to: value("1.5.0"),
            step: Some(Step::Minor),
            pin: Pin::AsWritten,
            sites: vec![0],
            published: None,
        }],
        gates: Vec::new(),
        action,
        reason: None,
        earliest: None,
    }
}

/// Pull requests that stand, each waiting for something else.
pub(super) fn waiting() -> Outcome {
    let url = |number: usize| Some(format!("https://git.acme.example/acme/gitops/pulls/{number}"));
    let standing = |number, image: &str, publish, reason: Option<&str>, gates| Proposal {
        publish,
        url: url(number),
        reason: reason.map(str::to_owned),
        gates,
        ..proposal("prod", image, Action::Unchanged)
    };
    let (auto, person) = (Publish::AutoMerge, Publish::PullRequest);
    let missing = "required checks have not reported: e2e";
    let mut proposals = vec![
        standing(1, "ghcr.io/acme/api", auto, Some("checks failed: build (cancelled)"), Vec::new()),
        standing(2, "ghcr.io/acme/web", auto, Some(missing), Vec::new()),
        standing(3, "ghcr.io/acme/job", auto, Some(missing), Vec::new()),
        standing(4, "ghcr.io/acme/cron", auto, None, soaking()),
        standing(5, "ghcr.io/acme/mail", person, None, Vec::new()),
        standing(6, "ghcr.io/acme/shop", auto, Some("it has the label `tagboat/hold`"), Vec::new()),
        standing(7, "ghcr.io/acme/cart", auto, None, Vec::new()),
    ];
    proposals[5].action = Action::LeftAlone;
    proposals[6].action = Action::Enqueued;
    Outcome { proposals, ..Outcome::default() }
}

/// A pass in which everything happens once.
pub(super) fn outcome() -> Outcome {
    let web = "ghcr.io/acme/web";
    let mut outcome = Outcome::default();
    for folder in ["a", "b", "c"] {
        outcome.changes.push(change(&format!("envs/dev/{folder}/web.yaml"), 12, "dev", web, "1.4.0", "1.5.0"));
    }
    outcome.changes.push(change("envs/staging/nginx.yaml", 7, "staging", "nginx", "1.27.0", "1.29.1"));
    let lines = |tag: &str| {
        format!("spec:\n  containers:\n    - name: web\n      # the shop\n      image: {web}:{tag}\n      ports: []\n")
    };
    outcome.files.push(FileEdit {
        file: path("envs/dev/a/web.yaml"),
        before: lines("1.4.0").into_bytes(),
        after: lines("1.5.0").into_bytes(),
    });
    let reasons = [Reason::NotAVersion, Reason::InUse, Reason::OutOfRange];
    outcome.decisions.push(decision(web, "dev", "1.4.0", moves("1.5.0"), &reasons));
    outcome.decisions.push(decision(web, "prod", "1.4.0", Verdict::Keep, &reasons));
    outcome.images.insert(name(web), tags(&["latest", "1.4.0", "2.0.0", "1.5.0"]));
    outcome.proposals.push(proposal("dev", web, Action::Committed));
    outcome.proposals.push(Proposal {
        gates: soaking(),
        earliest: Some("2026-11-21T09:00:00Z".parse().unwrap()),
        ..proposal("prod", web, Action::Waiting)
    });
    outcome
        .skipped
        .push(Skipped { what: "docker.io/library/redis".to_owned(), reason: "not in the snapshot".to_owned() });
    outcome.errors.push(trouble("ghcr.io/acme/api", None, "the registry answered 503; try again later"));
    outcome.errors.push(trouble("envs/dev/x.yaml", Some(("envs/dev/x.yaml", 3, 4)), "the tag stands in an alias"));
    outcome
}

/// The same pass after a push.
pub(super) fn pushed() -> Outcome {
    let commit = CommitId("0123456789abcdef0123456789abcdef01234567".into());
    let message = "dev: move ghcr.io/acme/web to 1.5.0\n\nTagboat-Environment: dev\n".to_owned();
    Outcome { commits: vec![Landed { environment: "dev".into(), commit, message }], errors: Vec::new(), ..outcome() }
}

pub(super) fn scan() -> ScanOutcome {
    let mut found = ScanOutcome::default();
    found.references.push(reference("envs/dev/web.yaml", 12, "ghcr.io/acme/web", "1.4.0"));
    found.references.push(reference("envs/dev/web.yaml", 20, "nginx", "1.27.0-alpine"));
    let variable = SkipReason::Variable("${TAG}".to_owned());
    found.references.push(unfollowed("envs/dev/job.yaml", 9, "ghcr.io/acme/job:${TAG}", variable));
    for file in ["chart/templates/a.yaml", "chart/templates/b.yaml", "chart/templates/c.yaml"] {
        found.passed_over.push(passed_over(file, PassedOverReason::Template));
    }
    found.passed_over.push(passed_over("secrets.enc.yaml", PassedOverReason::Encrypted("SOPS")));
    found
}

/// A version that is watched, in some state.
pub(super) fn watch(state: WatchState) -> Watch {
    Watch {
        environment: "staging".into(),
        image: name("ghcr.io/acme/web"),
        group: "ghcr.io-acme-web".to_owned(),
        value: value("1.5.0"),
        commit: CommitId("0123456789abcdef0123456789abcdef01234567".into()),
        sites: Vec::new(),
        checks: vec!["argocd/staging".into(), "e2e/*".into()],
        until: "2026-11-20T08:30:00Z".parse().unwrap(),
        is_late: false,
        state,
        failed_before: Default::default(),
        not_looked_at: Default::default(),
    }
}

pub(super) fn explanation() -> Explanation {
    let reasons = [Reason::NotAVersion, Reason::InUse, Reason::OutOfRange];
    Explanation {
        decision: decision("ghcr.io/acme/web", "dev", "1.4.0", moves("1.5.0"), &reasons),
        places: vec!["envs/dev/web.yaml:12:34".to_owned()],
        gates: soaking(),
        next: Some(value("1.5.0")),
        action: Some(Action::Waiting),
        reason: None,
        earliest: Some("2026-11-21T09:00:00Z".parse().unwrap()),
        watch: None,
        ways: Vec::new(),
    }
}

pub(super) fn findings() -> Vec<Finding> {
    vec![
        Finding {
            severity: Severity::Error,
            rule: "unknown-policy",
            message: "the marker names the policy `semverr`, which does not exist".to_owned(),
            hint: Some("did you mean `semver`?".to_owned()),
            file: Some("envs/dev/web.yaml".to_owned()),
            away: None,
            position: Some(at(12, 34)),
        },
        Finding {
            severity: Severity::Warning,
            rule: "unmatched-rule",
            message: "the rule matches no image".to_owned(),
            hint: None,
            file: None,
            away: None,
            position: None,
        },
    ]
}

pub(super) fn text(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut written = Vec::new();
    write(&mut written).unwrap();
    String::from_utf8(written).unwrap()
}
