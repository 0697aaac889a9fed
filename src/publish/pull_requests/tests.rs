use super::*;
use crate::model::brought::Told;
use crate::model::commit::{CommitPlan, Identity};
use crate::model::gate::GateName;
use crate::model::marker;
use crate::model::pull_request::{Armed, CheckState, LABEL_RETRY, Marker, Number, State, Was};

const HEAD: &str = "tagboat/prod/web";

fn commit_id(text: &str) -> CommitId {
    CommitId(text.into())
}

fn head(key: &str) -> HeadBranch {
    HeadBranch {
        name: HEAD.into(),
        tip: commit_id("tip"),
        key: Some(key.to_owned()),
        images: BTreeSet::new(),
        files: BTreeSet::new(),
        told: Told { key: Some(key.to_owned()), environment: Some("prod".into()), ..Told::default() },
        undone: Vec::new(),
        is_own: true,
        has_own: true,
        made: Vec::new(),
        is_order: false,
        is_return: false,
        is_overtaken: false,
        is_fresh: true,
        is_on_tip: true,
    }
}

fn pull_request(number: u64, state: State, key: &str) -> PullRequest {
    let group = "web".to_owned();
    let marker = Marker {
        key: key.to_owned(),
        environment: "prod".into(),
        group,
        withdrawn: false,
        unfinished: false,
        left: false,
        base: None,
        home: None,
        said: None,
        armed: Armed::No,
        queued: None,
        what: None,
        instead: None,
        brought: Brought::default(),
        was: None,
    };
    PullRequest {
        number: Number(number),
        url: format!("https://forge.acme.example/{number}"),
        state,
        head: HEAD.into(),
        commit: commit_id("tip"),
        base: "main".into(),
        title: "title".to_owned(),
        body: marker::write(&marker),
        marker: Some(marker),
        labels: BTreeSet::new(),
        is_draft: false,
        is_armed: false,
        told: None,
    }
}

fn wanted(key: &str) -> Desired {
    let plan = CommitPlan {
        environment: "prod".into(),
        message: "message".to_owned(),
        author: Identity::default(),
        committer: Identity::default(),
        sign: None,
    };
    Desired {
        proposal: 0,
        environment: "prod".into(),
        group: "web".to_owned(),
        publish: Publish::AutoMerge,
        key: key.to_owned(),
        brought: Brought::default(),
        head: HEAD.into(),
        commit: PlannedCommit { plan, files: Vec::new(), key: key.to_owned(), closes: None },
        title: "title".to_owned(),
        body: "body".to_owned(),
        gates_pass: true,
        reviewers: Vec::new(),
        is_draft: false,
        is_order: false,
        statuses: Vec::new(),
        is_settled: true,
        max_open: None,
        rebase: Rebase::default(),
        approvals: 0,
        rests_on: RestsOn::default(),
        told: None,
    }
}

fn planned(desired: &[Desired], head: HeadBranch, pull_requests: Vec<PullRequest>) -> Vec<Course> {
    let (heads, mut pull_requests) = (vec![head], pull_requests);
    let Ok(()) = told::tell(&mut pull_requests, &heads, &|_| Ok::<_, std::convert::Infallible>(None));
    let standing = Standing { heads, pull_requests: Some(pull_requests), ..Standing::default() };
    plan(desired, &standing, "tagboat/", &Unsure::default())
}

/// The kinds of steps of the only course.
fn steps(courses: &[Course]) -> Vec<&'static str> {
    assert_eq!(courses.len(), 1);
    let kind = |step: &Step| match step {
        Step::Push { .. } => "push",
        Step::Rewrite { .. } => "rewrite",
        Step::Close { .. } => "close",
        Step::Delete { .. } => "delete",
        Step::Merge { .. } => "merge",
        Step::SetStatuses { .. } => "statuses",
        _ => "other",
    };
    courses[0].steps.iter().map(kind).collect()
}

#[test]
fn on_plain_git_no_step_asks_a_forge() {
    let (context, text) = (GateName::Soak.context(), "until 14:30".to_owned());
    let statuses = vec![Status { context, state: CheckState::Pending, text }];
    let mut seen = BTreeSet::new();
    let cases = [
        ("nothing stands", vec![], vec![wanted("new")]),
        ("it stands", vec![head("new")], vec![wanted("new")]),
        ("something older stands", vec![head("old")], vec![wanted("new")]),
        ("a gate waits", vec![head("old")], vec![Desired { gates_pass: false, ..wanted("new") }]),
        ("an order stands", vec![HeadBranch { is_order: true, ..head("old") }], vec![wanted("new")]),
        ("it is ordered", vec![head("old")], vec![Desired { is_order: true, ..wanted("new") }]),
        ("somebody has pushed", vec![HeadBranch { is_own: false, ..head("old") }], vec![wanted("new")]),
        ("too many stand", vec![head("old")], vec![Desired { max_open: Some(0), ..elsewhere() }]),
        ("nobody wants it", vec![head("old")], vec![]),
        ("nobody wants what somebody has pushed to", vec![HeadBranch { is_own: false, ..head("old") }], vec![]),
        ("nobody wants what was ordered", vec![HeadBranch { is_order: true, ..head("old") }], vec![]),
    ];
    for (case, heads, mut desired) in cases {
        desired.iter_mut().for_each(|wanted| wanted.statuses.clone_from(&statuses));
        let courses = plan(&desired, &Standing { heads, ..Standing::default() }, "tagboat/", &Unsure::default());
        for step in courses.iter().flat_map(|course| &course.steps) {
            seen.insert(match step {
                Step::Push { .. } => "push",
                Step::Delete { .. } => "delete",
                Step::Merge { pull_request: None, .. } => "merge",
                other => panic!("{case}: {other:?}"),
            });
        }
    }
    assert_eq!(seen, BTreeSet::from(["delete", "merge", "push"]));
}

/// What is wanted on another head branch.
fn elsewhere() -> Desired {
    Desired { group: "api".to_owned(), head: "tagboat/prod/api".into(), ..wanted("new") }
}

#[test]
fn what_is_open_for_something_newer_does_not_turn_into_what_was_refused() {
    let refused = pull_request(1, State::Closed, "old");
    let open = pull_request(2, State::Open, "new");
    let courses = planned(&[wanted("old")], head("new"), vec![refused.clone(), open.clone()]);
    assert_eq!(steps(&courses), ["close", "delete"]);
    assert_eq!(courses[0].action, Action::Closed);
    assert!(courses[0].reason.as_deref().unwrap_or_default().contains("closed by a person"));

    let mut retried = refused.clone();
    retried.labels.insert(LABEL_RETRY.to_owned());
    assert_eq!(steps(&planned(&[wanted("old")], head("new"), vec![retried, open])), ["push", "statuses", "rewrite"]);
    // A person opened it again: then it stands for what is asked for, whatever else was closed.
    let reopened = pull_request(3, State::Open, "old");
    assert_eq!(
        steps(&planned(&[wanted("old")], head("old"), vec![refused, reopened])),
        ["statuses", "rewrite", "merge"]
    );
}

#[test]
fn what_was_refused_and_came_back_beside_something_newer_goes_with_that() {
    let web = |versions: &[&str]| -> Brought {
        versions.iter().map(|version| ("ghcr.io/acme/web".to_owned(), (*version).to_owned())).collect()
    };
    let bringing = |number, state, key: &str, versions: &[&str], withdrawn| {
        let plain = pull_request(number, state, key);
        let marker = plain.marker.clone().map(|marker| Marker { brought: web(versions), withdrawn, ..marker }).unwrap();
        PullRequest { body: marker::write(&marker), marker: Some(marker), ..plain }
    };
    let wanted = Desired { brought: web(&["1.4.0"]), ..wanted("again") };
    let refused = bringing(1, State::Closed, "old", &["1.4.0"], false);
    let beside = |state, withdrawn| bringing(2, state, "both", &["1.4.0", "1.4.1"], withdrawn);
    let courses =
        planned(std::slice::from_ref(&wanted), head("both"), vec![refused.clone(), beside(State::Open, false)]);
    assert_eq!((courses[0].action, steps(&courses)), (Action::Closed, vec!["close", "delete"]));
    let courses =
        planned(std::slice::from_ref(&wanted), head("both"), vec![refused.clone(), beside(State::Closed, true)]);
    assert_eq!(courses[0].action, Action::LeftAlone);
    // Whoever has merged both wants both.
    let courses =
        planned(std::slice::from_ref(&wanted), head("both"), vec![refused.clone(), beside(State::Merged, false)]);
    assert_eq!(courses[0].action, Action::Opened);
    // Asked for again by itself, it is wanted again.
    let again = bringing(2, State::Open, "again", &["1.4.0"], false);
    assert_ne!(planned(&[wanted], head("again"), vec![refused, again])[0].action, Action::Closed);
}

#[test]
fn who_copies_a_body_takes_no_refusal_back() {
    let refused = pull_request(1, State::Closed, "key");
    let copied = |branch: &str| {
        let head = HeadBranch { name: branch.into(), tip: commit_id("theirs"), is_own: false, ..head("") };
        let copy = PullRequest { head: branch.into(), commit: head.tip.clone(), ..pull_request(2, State::Open, "key") };
        // Only what is called as a head branch would be is looked at.
        let heads = if branch.ends_with("/prod/web") { vec![head] } else { Vec::new() };
        let pull_requests = Some(vec![refused.clone(), copy]);
        let standing = Standing { heads, pull_requests, ..Standing::default() };
        plan(&[wanted("key")], &standing, "tagboat/", &Unsure::default())[0].action
    };
    for branch in ["docs", "docsprod/web", "prod/api", "docs/prod/web", "bots-prod/web"] {
        assert_eq!(copied(branch), Action::LeftAlone, "{branch}");
    }
    // What stood under Tagboat's own name does.
    let merged = pull_request(2, State::Merged, "key");
    assert_ne!(planned(&[wanted("key")], head("key"), vec![refused, merged])[0].action, Action::LeftAlone);
}

#[test]
fn what_a_killed_pass_pushed_is_refused_by_closing_it_though_the_body_tells_of_something_older() {
    let closed = pull_request(1, State::Closed, "old");
    let courses = planned(&[wanted("new")], head("new"), vec![closed.clone()]);
    assert_eq!((courses[0].action, steps(&courses)), (Action::LeftAlone, Vec::new()));
    // What was pushed since then is something that nobody has seen.
    let mut earlier = closed.clone();
    earlier.commit = commit_id("before");
    assert_eq!(planned(&[wanted("new")], head("new"), vec![earlier])[0].action, Action::Opened);
    assert_eq!(planned(&[wanted("newer")], head("new"), vec![closed])[0].action, Action::Opened);
}

#[test]
fn who_closes_a_pull_request_while_it_is_turned_into_something_newer_has_refused_what_stood_there() {
    let mut open = pull_request(1, State::Open, "old");
    let mut newer = wanted("new");
    newer.body = pull_request(1, State::Open, "new").body;
    let courses = planned(&[newer.clone()], head("old"), vec![open.clone()]);
    assert_eq!(steps(&courses), ["push", "statuses", "rewrite"]);
    let written = |courses: &[Course]| {
        let body = courses[0].steps.iter().find_map(|step| match step {
            Step::Rewrite { body, .. } => Some(body.clone()),
            _ => None,
        });
        body.unwrap()
    };
    let body = written(&courses);
    let marker = marker::read(&body).unwrap();
    assert_eq!(marker.was, Some(Was { key: "old".to_owned(), commit: commit_id("tip"), brought: Brought::default() }));
    // Closed before the push, it keeps the commit of then, and the words come after.
    let mut closed = pull_request(1, State::Closed, "new");
    (closed.body, closed.marker) = (body.clone(), Some(marker.clone()));
    let mut next = head("new");
    next.tip = commit_id("newer tip");
    let standing = |closed: &PullRequest| vec![closed.clone()];
    let refused = planned(&[wanted("old")], next.clone(), standing(&closed));
    assert_eq!((refused[0].action, steps(&refused)), (Action::LeftAlone, Vec::new()));
    // Closed later, it is the newer one that was refused, and nothing else.
    closed.commit = next.tip.clone();
    assert_eq!(planned(&[wanted("new")], next.clone(), standing(&closed))[0].action, Action::LeftAlone);
    assert_ne!(planned(&[wanted("old")], next.clone(), standing(&closed))[0].action, Action::LeftAlone);
    // The next pass says the same of what stays, so that it has nothing to do.
    open = PullRequest { state: State::Open, title: newer.title.clone(), ..closed };
    newer.publish = Publish::PullRequest;
    assert_eq!(steps(&planned(&[newer], next, vec![open])), [""; 0]);
}

#[test]
fn what_somebody_pushes_to_while_it_is_looked_at_is_neither_closed_nor_merged() {
    let mut moved = pull_request(1, State::Open, "key");
    moved.commit = commit_id("theirs");
    assert_eq!(planned(&[], head("key"), vec![moved.clone()]), []);
    let courses = planned(&[wanted("key")], head("key"), vec![moved]);
    assert_eq!(steps(&courses), ["statuses", "rewrite"]);
    assert!(courses[0].reason.as_deref().unwrap_or_default().contains("has moved"));
    assert_eq!(steps(&planned(&[], head("key"), vec![pull_request(1, State::Open, "key")])), ["close", "delete"]);
}

#[test]
fn what_a_person_ordered_takes_a_place_among_those_that_may_be_open_and_waits_for_none() {
    let (ordered, other) = (BranchName::from("tagboat/prod/api"), BranchName::from("tagboat/prod/worker"));
    let order = HeadBranch { name: ordered.clone(), is_order: true, ..head("order") };
    let open = PullRequest { head: ordered.clone(), ..pull_request(1, State::Open, "order") };
    let bounded = |head: &BranchName, is_order: bool| {
        let max_open = (!is_order).then_some(1);
        Desired { head: head.clone(), max_open, is_order, ..wanted("key") }
    };
    for pull_requests in [Some(vec![open]), None] {
        let standing = Standing { heads: vec![order.clone()], pull_requests, ..Standing::default() };
        let planned = |wanted: Desired| plan(&[wanted], &standing, "tagboat/", &Unsure::default()).remove(0);
        let course = planned(bounded(&other, false));
        assert_eq!((course.action, course.steps), (Action::Waiting, Vec::new()));
        assert_eq!(course.reason.as_deref(), Some("1 pull request of prod is open, and `maxOpen` is 1"));
        assert_eq!(planned(bounded(&other, true)).action, Action::Opened);
        assert_ne!(planned(bounded(&ordered, true)).action, Action::Waiting);
    }
}

#[test]
fn a_head_that_is_moved_without_a_new_word_is_noted_so_that_a_pass_which_is_killed_then_leaves_a_trace() {
    let mut open = pull_request(1, State::Open, "key");
    let same = Desired { body: open.body.clone(), publish: Publish::PullRequest, ..wanted("key") };
    let (stale, current) = (HeadBranch { is_fresh: false, ..head("key") }, head("key"));
    assert_eq!(steps(&planned(std::slice::from_ref(&same), current.clone(), vec![open.clone()])), [""; 0]);
    let courses = planned(std::slice::from_ref(&same), stale, vec![open.clone()]);
    assert_eq!(steps(&courses), ["rewrite", "push", "statuses", "rewrite"]);
    let bodies = courses[0].steps.iter().filter_map(|step| match step {
        Step::Rewrite { body, .. } => Some(body.clone()),
        _ => None,
    });
    let [noted, last] = bodies.collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(last, same.body);
    // Killed before it has said anything of the gates: the next pass does, although the head is as it should be.
    (open.marker, open.body) = (marker::read(&noted), noted);
    assert_eq!(steps(&planned(&[same], current, vec![open])), ["statuses", "rewrite"]);
}

#[test]
fn what_gates_say_now_is_noted_as_unsaid_first_so_that_words_which_come_back_hide_no_pass_that_was_killed() {
    let gate = |state, text: &str| Status { context: GateName::Windows.context(), state, text: text.to_owned() };
    let said = |key: &str, text: &str, state| {
        let body = format!("{text}\n\n{}", pull_request(1, State::Open, key).body);
        Desired { body, publish: Publish::PullRequest, statuses: vec![gate(state, text)], ..wanted(key) }
    };
    let (opens, waits) = (said("key", "passed", CheckState::Passed), said("key", "opens at nine", CheckState::Pending));
    let open = PullRequest { body: waits.body.clone(), ..pull_request(1, State::Open, "key") };
    let (current, stale) = (head("key"), HeadBranch { is_fresh: false, ..head("key") });
    let planned = |wanted: &Desired, head: &HeadBranch, open: &PullRequest| {
        planned(std::slice::from_ref(wanted), head.clone(), vec![open.clone()])
    };
    assert_eq!(steps(&planned(&waits, &current, &open)), [""; 0]);
    for (head, expected) in [
        (&current, ["rewrite", "statuses", "rewrite"].as_slice()),
        (&stale, ["rewrite", "push", "statuses", "rewrite"].as_slice()),
    ] {
        let courses = planned(&opens, head, &open);
        assert_eq!(steps(&courses), expected);
        let Step::Rewrite { body, .. } = &courses[0].steps[0] else { panic!("{:?}", courses[0].steps) };
        // Killed before its words are written: the next pass, in which the gate waits as it did, says that of the head again.
        let noted = PullRequest { body: body.clone(), marker: marker::read(body), ..open.clone() };
        let courses = planned(&waits, &current, &noted);
        assert_eq!(steps(&courses), ["statuses", "rewrite"]);
        let Step::Rewrite { body, .. } = &courses[0].steps[1] else { panic!("{:?}", courses[0].steps) };
        assert_eq!(*body, waits.body);
    }
    // What is merged in the same pass is merged by its last words.
    let courses = planned(&Desired { publish: Publish::AutoMerge, ..opens.clone() }, &current, &open);
    assert_eq!(steps(&courses), ["rewrite", "statuses", "rewrite", "merge"]);
    let Some(Step::Merge { pull_request: Some(merged), .. }) = courses[0].steps.last() else { panic!("{courses:?}") };
    assert_eq!(merged.body, opens.body);
    // A gate that stays as it is once it has passed takes no note, and neither does what brings something else.
    let soak = Status { context: GateName::Soak.context(), ..gate(CheckState::Passed, "passed") };
    let settled = Desired { statuses: vec![soak], ..opens };
    assert_eq!(steps(&planned(&settled, &current, &open)), ["statuses", "rewrite"]);
    let newer = said("newer", "passed", CheckState::Passed);
    assert_eq!(steps(&planned(&newer, &current, &open)), ["push", "statuses", "rewrite"]);
}

#[test]
fn what_gates_said_is_taken_back_where_what_is_wanted_was_refused_and_what_stands_has_lost_its_hidden_line() {
    let refused = pull_request(1, State::Closed, "old");
    let unmarked =
        PullRequest { body: "mine".to_owned(), marker: None, is_armed: true, ..pull_request(2, State::Open, "new") };
    let planned = |gate: GateName, open: &PullRequest| {
        let status = Status { context: gate.context(), state: CheckState::Pending, text: "waits".to_owned() };
        let wanted = Desired { statuses: vec![status], ..wanted("old") };
        let mut courses = planned(&[wanted], head("new"), vec![refused.clone(), open.clone()]);
        assert_eq!(courses.len(), 1);
        let course = courses.remove(0);
        assert!(course.reason.as_deref().unwrap_or_default().contains("closed by a person in #1"), "{course:?}");
        (course.action, course.steps)
    };
    let (action, steps) = planned(GateName::Windows, &unmarked);
    assert_eq!(action, Action::LeftAlone);
    let [Step::Disarm { .. }, Step::TakeBack { commit, why }] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!(*commit, unmarked.commit);
    assert_eq!(*why, "not asked: nothing of it is left to do, and its body has lost its hidden line");
    // What stays passed is not taken back, and what Tagboat still knows by its hidden line is closed.
    assert!(matches!(planned(GateName::Soak, &unmarked).1.as_slice(), [Step::Disarm { .. }]));
    assert_eq!(planned(GateName::Windows, &pull_request(2, State::Open, "new")).0, Action::Closed);
}

#[test]
fn an_order_of_which_no_pull_request_is_open_is_left_alone_with_what_is_to_be_done() {
    let order = HeadBranch { is_order: true, ..head("order") };
    let reason = |pull_requests| {
        let standing = Standing { heads: vec![order.clone()], pull_requests, ..Standing::default() };
        let course = plan(&[wanted("key")], &standing, "tagboat/", &Unsure::default()).remove(0);
        assert_eq!((course.action, course.steps), (Action::LeftAlone, Vec::new()));
        course.reason.unwrap_or_default()
    };
    let lacking = "no pull request is open for it: order it again, or remove the branch";
    assert!(reason(Some(Vec::new())).ends_with(lacking));
    // Plain Git has none; there the branch stands for it.
    assert!(reason(None).ends_with("it stays until it is merged, or the branch removed"));
    let open = pull_request(1, State::Open, "order");
    assert!(reason(Some(vec![open])).ends_with("it stays until it is merged, or the branch removed"));
}

#[test]
fn what_gates_said_of_what_stays_for_an_order_under_another_name_is_taken_back() {
    let former = BranchName::from("bots/prod/web");
    let of_web = |name: &BranchName, key| {
        let images = BTreeSet::from(["ghcr.io/acme/web".to_owned()]);
        HeadBranch { name: name.clone(), images, ..head(key) }
    };
    let order = HeadBranch { is_order: true, ..of_web(&HEAD.into(), "order") };
    let open = PullRequest { head: former.clone(), ..pull_request(2, State::Open, "key") };
    let planned = |gate: GateName, open: &PullRequest| {
        let mut wanted = Desired { head: former.clone(), body: open.body.clone(), ..wanted("key") };
        wanted.commit.plan.message = format!("message\n\n{TRAILER_IMAGE}: ghcr.io/acme/web 1.4.0 -> 1.5.0\n");
        let text = "passed".to_owned();
        wanted.statuses = vec![Status { context: gate.context(), state: CheckState::Passed, text }];
        let standing = Standing {
            heads: vec![order.clone(), of_web(&former, "key")],
            pull_requests: Some(vec![pull_request(1, State::Closed, "order"), open.clone()]),
            former: BTreeMap::from([(former.clone(), ("prod".into(), "web".to_owned()))]),
            ..Standing::default()
        };
        let mut courses = plan(&[wanted], &standing, "tagboat/", &Unsure::default());
        courses.retain(|course| course.head == former);
        assert_eq!((courses.len(), courses[0].action), (1, Action::LeftAlone));
        assert!(
            courses[0]
                .reason
                .as_deref()
                .unwrap_or_default()
                .starts_with("a person ordered what stands in tagboat/prod/web")
        );
        courses.remove(0).steps
    };
    let steps = planned(GateName::Freezes, &open);
    let [Step::Rewrite { body: first, .. }, Step::TakeBack { commit, why }, Step::Rewrite { body, .. }] =
        steps.as_slice()
    else {
        panic!("{steps:?}")
    };
    assert_eq!((commit, *why), (&open.commit, "not asked while a person has the same in hand elsewhere"));
    // The body notes that it was done, and what stays passed is not taken back.
    let noted = PullRequest { body: body.clone(), marker: marker::read(body), ..open.clone() };
    assert_eq!((planned(GateName::Freezes, &noted), planned(GateName::Soak, &open)), (Vec::new(), Vec::new()));
    // So does what comes before, that it was begun: a pass that is killed in between leaves it to the next one.
    let begun = PullRequest { body: first.clone(), marker: marker::read(first), ..open.clone() };
    let steps = planned(GateName::Freezes, &begun);
    assert!(matches!(steps.as_slice(), [Step::TakeBack { .. }, Step::Rewrite { body: last, .. }] if last == body));
}

#[test]
fn what_is_closed_for_a_hold_names_the_entry_by_its_own_tag() {
    let mut standing = Standing { heads: vec![head("key")], ..Standing::default() };
    standing.pull_requests = Some(vec![pull_request(1, State::Open, "key")]);
    let (image, tag) = ("ghcr.io/acme/web".parse().unwrap(), "1.5".parse().unwrap());
    let hold = Hold { environment: None, image, tag, digest: None, until: None, by: None, reason: None };
    standing.held.insert(HEAD.into(), ("ghcr.io/acme/web:1.5.0".to_owned(), HeldBy::Hold(hold, HeldIn::Base)));
    let courses = plan(&[], &standing, "tagboat/", &Unsure::default());
    let said = courses[0].steps.iter().find_map(|step| match step {
        Step::Close { comment, .. } => Some(comment.as_str()),
        _ => None,
    });
    let said = said.unwrap();
    assert!(said.contains("while `ghcr.io/acme/web:1.5.0` is held"), "{said}");
    assert!(said.contains("To release it: `tagboat release ghcr.io/acme/web:1.5`, or"), "{said}");
}
