//! Many pull requests by one question to GraphQL: REST takes two for the checks of each, two for the rest, and two for the rules of a base.
//!
//! It tells who still waits, and for what. What is to be merged is asked for again by itself, by REST.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::PoisonError;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::forge::ForgeError;
use crate::forge::github::judging::{Asked, Now, Pushers, Told};
use crate::forge::github::merge::queue;
use crate::forge::github::{GitHub, raw, rollup};
use crate::model::commit::CommitId;
use crate::model::pull_request::{Glance, Number, PullRequest, as_called};

/// The most pull requests of one question.
const AT_ONCE: usize = 50;

/// What started runs of workflows, which not everybody is shown.
const STARTS: &str = "workflowRun";

/// What a base branch asks for, which not everybody is shown.
const RULES: [&str; 2] = ["refUpdateRule", "rules"];

/// What is asked of a pull request; one with more labels or reviews is not told whole.
const PULL: &str = "state isDraft headRefOid baseRefName mergeable mergeStateStatus \
                    labels(first: 100) { pageInfo { hasNextPage } nodes { name } } \
                    reviews(first: 100) { pageInfo { hasNextPage } \
                    nodes { state authorCanPushToRepository author { __typename login } commit { oid } } } \
                    isInMergeQueue isMergeQueueEnabled timelineItems(last: 1, itemTypes: REMOVED_FROM_MERGE_QUEUE_EVENT) \
                    { nodes { __typename ... on RemovedFromMergeQueueEvent { createdAt reason } } }";

/// What is asked of a base branch: its classic protection as whoever may read sees it, and the rules of rulesets.
const BASE: &str = "refUpdateRule { requiredStatusCheckContexts } \
                    rules(first: 100) { pageInfo { hasNextPage } nodes { type parameters { __typename \
                    ... on PullRequestParameters { requiredApprovingReviewCount } \
                    ... on RequiredStatusChecksParameters { requiredStatusChecks { context } } } } }";

/// What was told in this pass, by the number of a pull request and its head.
pub(super) type Glances = BTreeMap<(Number, CommitId), Glance>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pull {
    state: String,
    is_draft: bool,
    head_ref_oid: String,
    base_ref_name: String,
    mergeable: String,
    merge_state_status: String,
    labels: Page<raw::Label>,
    reviews: Page<Review>,
    /// Whether its base has a merge queue, also by classic protection.
    is_merge_queue_enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<T> {
    page_info: PageInfo,
    nodes: Vec<T>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
}

impl<T> Page<T> {
    /// Returns all of a list; `None` where there is more.
    fn whole(self) -> Option<Vec<T>> {
        (!self.page_info.has_next_page).then_some(self.nodes)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    state: String,
    author_can_push_to_repository: bool,
    author: Option<Author>,
    commit: Option<Commit>,
}

/// Who has written something.
#[derive(Debug, Deserialize)]
pub(super) struct Author {
    #[serde(rename = "__typename")]
    kind: String,
    login: String,
}

impl Author {
    /// Returns what REST calls it: an app by its name and this.
    pub(super) fn login(self) -> String {
        match self.kind.as_str() {
            "Bot" => format!("{}[bot]", self.login),
            _ => self.login,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Commit {
    oid: String,
}

impl Review {
    /// Reads it as REST tells it, beside who wrote it and whether they may push.
    fn into_raw(self) -> (raw::Review, Option<(String, bool)>) {
        let login = self.author.map(Author::login);
        let pusher = login.clone().map(|login| (login, self.author_can_push_to_repository));
        let review = raw::Review {
            user: login.map(|login| raw::User { login }),
            state: self.state,
            commit_id: self.commit.map(|commit| commit.oid),
            author_association: None,
        };
        (review, pusher)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Base {
    ref_update_rule: Option<RefUpdateRule>,
    /// `null` where they are not shown.
    rules: Option<Page<Rule>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefUpdateRule {
    required_status_check_contexts: Option<Vec<Option<String>>>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    #[serde(rename = "type")]
    kind: String,
    parameters: Option<Parameters>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    required_approving_review_count: Option<u32>,
    #[serde(default)]
    required_status_checks: Vec<raw::RequiredCheck>,
}

impl Rule {
    fn into_raw(self) -> raw::Rule {
        let parameters = self.parameters.unwrap_or_default();
        raw::Rule {
            kind: self.kind.to_ascii_lowercase(),
            parameters: raw::RuleParameters {
                required_status_checks: parameters.required_status_checks,
                required_approving_review_count: parameters.required_approving_review_count,
                // Asked for by whoever merges.
                strict_required_status_checks_policy: false,
                allowed_merge_methods: None,
            },
        }
    }
}

impl GitHub {
    /// Looks at pull requests at once, as far as that was not done since they were listed; without those that are not told whole, and without
    /// any where GraphQL does not tell.
    pub(super) async fn glanced(&self, pulls: &[PullRequest]) -> Result<BTreeMap<Number, Glance>, ForgeError> {
        let key = |pull: &PullRequest| (pull.number, pull.commit.clone());
        let known = self.glances.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let new: Vec<&PullRequest> = pulls.iter().filter(|pull| !known.contains_key(&key(pull))).collect();
        for some in new.chunks(AT_ONCE) {
            let (question, variables) = self.question(some);
            let said = match self.transport.ask_graphql(&question, variables, &[STARTS, RULES[0], RULES[1]]).await? {
                Ok(said) => said,
                Err(words) => {
                    tracing::debug!(words = words.join("; "), "GraphQL does not tell: each is asked for by itself");
                    break;
                }
            };
            let hides_starts = said.withheld.contains(&STARTS);
            let hides_rules = RULES.iter().any(|name| said.withheld.contains(name));
            let glance = |at: usize, pull: &PullRequest| {
                let glance = read((&said.data["repository"], hides_starts), (at, some), pull)?;
                Some(Glance { is_whole: glance.is_whole && !hides_rules, ..glance })
            };
            let told = some.iter().enumerate().filter_map(|(at, pull)| Some((key(pull), glance(at, pull)?)));
            self.glances.lock().unwrap_or_else(PoisonError::into_inner).extend(told);
        }
        let known = self.glances.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(pulls.iter().filter_map(|pull| Some((pull.number, known.get(&key(pull))?.clone()))).collect())
    }

    /// Forgets what was looked at.
    pub(super) fn look_anew(&self) {
        self.glances.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn question(&self, pulls: &[&PullRequest]) -> (String, Value) {
        let (mut declared, mut asked) = (String::new(), String::new());
        let mut variables = json!({"owner": self.owner, "name": self.name});
        for (at, pull) in pulls.iter().enumerate() {
            let _infallible = write!(declared, ", $p{at}: Int!, $c{at}: GitObjectID!");
            let _infallible = write!(
                asked,
                " p{at}: pullRequest(number: $p{at}) {{ {PULL} }} c{at}: object(oid: $c{at}) {{ {} }}",
                rollup::TOLD
            );
            variables[format!("p{at}")] = pull.number.0.into();
            variables[format!("c{at}")] = pull.commit.as_str().into();
        }
        for (at, base) in bases(pulls).iter().enumerate() {
            let _infallible = write!(declared, ", $b{at}: String!");
            let _infallible = write!(asked, " b{at}: ref(qualifiedName: $b{at}) {{ {BASE} }}");
            variables[format!("b{at}")] = format!("refs/heads/{base}").into();
        }
        let question = format!(
            "query($owner: String!, $name: String!{declared}) {{ repository(owner: $owner, name: $name) {{{asked} }} }}"
        );
        (question, variables)
    }
}

/// Names the base branches, in the order in which they are asked about.
fn bases<'a>(pulls: &[&'a PullRequest]) -> Vec<&'a str> {
    pulls.iter().map(|pull| pull.base.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Reads what was told of the pull request at a place; `None` where it is not told whole, or has another shape than documented.
fn read(
    (said, hides_starts): (&Value, bool),
    (at, all): (usize, &[&PullRequest]),
    pull: &PullRequest,
) -> Option<Glance> {
    let checks = rollup::checks(&said[format!("c{at}")], hides_starts)?;
    let queue = Some(queue(&said[format!("p{at}")])?);
    let Seen { now, reviews, pushers, has_queue } = seen(&said[format!("p{at}")])?;
    let base = bases(all).iter().position(|base| *base == pull.base.as_str())?;
    let mut asked = asked(&said[format!("b{base}")]);
    asked.iter_mut().for_each(|asked| asked.has_queue |= has_queue);
    // Where GitHub itself sees nothing in the way, what was read of its rules may be more than it asks of whoever looks.
    let is_free = matches!(now.state.as_deref(), Some("clean" | "unstable" | "has_hooks"));
    let has_asked = asked.is_some();
    let told = Told { asked: asked.clone().unwrap_or_default(), reviews, pushers, now, queue };
    let readiness = told.judge(pull, checks);
    let is_named = |name: &String| readiness.checks.iter().any(|check| check.name == *name);
    let is_held =
        readiness.approvals < asked.map_or(0, |asked| asked.approvals) || !readiness.required.iter().all(is_named);
    Some(Glance { is_whole: has_asked && !(is_free && is_held), readiness })
}

/// What is told of a pull request itself.
struct Seen {
    now: Now,
    reviews: Vec<raw::Review>,
    pushers: Pushers,
    has_queue: bool,
}

/// Reads a pull request, with REST's words, which are those of GraphQL in small letters, and its reviews.
fn seen(pull: &Value) -> Option<Seen> {
    let pull = Pull::deserialize(pull).ok()?;
    let now = Now {
        is_open: pull.state == "OPEN",
        is_draft: pull.is_draft,
        head: pull.head_ref_oid,
        base: pull.base_ref_name,
        labels: pull.labels.whole()?.into_iter().map(|label| as_called(&label.name)).collect(),
        mergeable: match pull.mergeable.as_str() {
            "MERGEABLE" => Some(true),
            "CONFLICTING" => Some(false),
            _ => None,
        },
        state: Some(pull.merge_state_status.to_ascii_lowercase()),
    };
    let (reviews, pushers): (Vec<_>, Vec<_>) = pull.reviews.whole()?.into_iter().map(Review::into_raw).unzip();
    let pushers = Pushers { told: pushers.into_iter().flatten().collect(), refusal: None };
    Some(Seen { now, reviews, pushers, has_queue: pull.is_merge_queue_enabled })
}

/// Reads what a base branch asks for; `None` where that is not shown whole.
fn asked(base: &Value) -> Option<Asked> {
    let base = Base::deserialize(base).ok()?;
    let classic = base.ref_update_rule.and_then(|rule| rule.required_status_check_contexts).unwrap_or_default();
    let mut asked = Asked::of(base.rules?.whole()?.into_iter().map(Rule::into_raw).collect());
    asked.add_classic(classic.into_iter().flatten());
    Some(asked)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::pull_request::{Queue, Readiness, State};

    const HEAD: &str = "1111111111111111111111111111111111111111";

    fn pull() -> PullRequest {
        let (number, base, head) = (Number(7), "main".into(), "tagboat/prod/web".into());
        PullRequest {
            number,
            url: String::new(),
            state: State::Open,
            head,
            commit: CommitId(HEAD.into()),
            base,
            title: String::new(),
            body: String::new(),
            labels: BTreeSet::new(),
            marker: None,
            is_draft: false,
            is_armed: false,
            told: None,
        }
    }

    /// What is the case, in the words of REST.
    struct Fact {
        pull: Value,
        reviews: Value,
        rules: Value,
        classic: Value,
    }

    fn fact() -> Fact {
        let pull = json!({
            "number": 7, "html_url": "", "state": "open", "title": "", "body": null, "draft": false, "merged_at": null,
            "merge_commit_sha": null, "labels": [{"name": "Tagboat/Hold"}, {"name": "other"}],
            "head": {"ref": "tagboat/prod/web", "sha": HEAD, "repo": null},
            "base": {"ref": "main", "sha": "0", "repo": null},
            "mergeable": true, "mergeable_state": "blocked", "auto_merge": null,
        });
        Fact { pull, reviews: json!([]), rules: json!([]), classic: json!([]) }
    }

    /// Of somebody who may push, or not; `may_push` is told beside a review by REST, and within it by GraphQL.
    fn review(who: &str, word: &str, may_push: bool, commit: &str) -> Value {
        json!({"user": {"login": who}, "state": word, "may_push": may_push, "commit_id": commit})
    }

    fn by_rest(fact: &Fact) -> Readiness {
        let read = |value: &Value| serde_json::from_value(value.clone()).unwrap();
        let mut asked = Asked::of(serde_json::from_value(fact.rules.clone()).unwrap());
        asked.add_classic(Vec::<String>::deserialize(&fact.classic).unwrap());
        let reviews: Vec<raw::Review> = serde_json::from_value(fact.reviews.clone()).unwrap();
        let now: raw::PullRequest = read(&fact.pull);
        let queue = Some(Queue::default());
        let pusher = |row: &Value| Some((row["user"]["login"].as_str()?.to_owned(), row["may_push"].as_bool()?));
        let told = fact.reviews.as_array().unwrap().iter().filter_map(pusher).collect();
        let pushers = Pushers { told, refusal: None };
        Told { asked, reviews, pushers, now: now.into_now(), queue }.judge(&pull(), Vec::new())
    }

    fn capital(value: &Value) -> Value {
        value.as_str().map(str::to_uppercase).into()
    }

    fn all(nodes: impl Iterator<Item = Value>) -> Value {
        json!({"pageInfo": {"hasNextPage": false}, "nodes": nodes.collect::<Vec<_>>()})
    }

    /// The same in the words of GraphQL.
    fn told(fact: &Fact) -> Value {
        let pull = &fact.pull;
        let state = if pull["merged_at"].is_null() { capital(&pull["state"]) } else { "MERGED".into() };
        let mergeable = match pull["mergeable"].as_bool() {
            Some(true) => "MERGEABLE",
            Some(false) => "CONFLICTING",
            None => "UNKNOWN",
        };
        let review = |row: &Value| {
            let author = row["user"]["login"].as_str().map(|login| match login.strip_suffix("[bot]") {
                Some(name) => json!({"__typename": "Bot", "login": name}),
                None => json!({"__typename": "User", "login": login}),
            });
            let commit = row["commit_id"].as_str().map(|oid| json!({"oid": oid}));
            json!({"state": row["state"], "authorCanPushToRepository": row["may_push"] == true, "author": author, "commit": commit})
        };
        let rule = |row: &Value| {
            let parameters = match row["type"].as_str().unwrap() {
                "pull_request" => json!({
                    "__typename": "PullRequestParameters",
                    "requiredApprovingReviewCount": row["parameters"]["required_approving_review_count"],
                }),
                "required_status_checks" => json!({
                    "__typename": "RequiredStatusChecksParameters",
                    "requiredStatusChecks": row["parameters"]["required_status_checks"],
                }),
                _ => Value::Null,
            };
            json!({"type": capital(&row["type"]), "parameters": parameters})
        };
        let rows = |value: &Value| value.as_array().unwrap().clone();
        json!({
            "p0": {
                "state": state, "isDraft": pull["draft"], "headRefOid": pull["head"]["sha"],
                "baseRefName": pull["base"]["ref"], "mergeable": mergeable,
                "mergeStateStatus": capital(&pull["mergeable_state"]),
                "labels": all(rows(&pull["labels"]).into_iter()),
                "isInMergeQueue": false, "isMergeQueueEnabled": false, "timelineItems": {"nodes": []},
                "reviews": all(rows(&fact.reviews).iter().map(review)),
            },
            "c0": {"statusCheckRollup": null, "checkSuites": all(std::iter::empty())},
            "b0": {
                "refUpdateRule": {"requiredStatusCheckContexts": fact.classic},
                "rules": all(rows(&fact.rules).iter().map(rule)),
            },
        })
    }

    fn by_graphql(fact: &Fact) -> Option<Glance> {
        let pull = pull();
        read((&told(fact), false), (0, &[&pull]), &pull)
    }

    fn with(change: impl Fn(&mut Fact)) -> Fact {
        let mut fact = fact();
        change(&mut fact);
        fact
    }

    fn facts() -> Vec<Fact> {
        let mut facts = vec![fact()];
        for state in ["behind", "blocked", "clean", "dirty", "draft", "has_hooks", "unknown", "unstable"] {
            for mergeable in [json!(true), json!(false), Value::Null] {
                for rules in [json!([]), json!([{"type": "merge_queue"}])] {
                    facts.push(with(|fact| {
                        fact.pull["mergeable_state"] = state.into();
                        fact.pull["mergeable"] = mergeable.clone();
                        fact.rules = rules.clone();
                    }));
                }
            }
        }
        let changes: [fn(&mut Fact); 5] = [
            |fact| fact.pull["state"] = "closed".into(),
            |fact| {
                fact.pull["state"] = "closed".into();
                fact.pull["merged_at"] = "2026-11-20T08:00:00Z".into();
            },
            |fact| fact.pull["draft"] = true.into(),
            |fact| fact.pull["head"]["sha"] = "2".into(),
            |fact| fact.pull["base"]["ref"] = "live".into(),
        ];
        facts.extend(changes.into_iter().map(with));
        let old = "2222222222222222222222222222222222222222";
        let histories = [
            json!([review("ada", "APPROVED", true, HEAD), review("ada", "COMMENTED", true, HEAD)]),
            json!([review("ada", "APPROVED", true, old), review("grace", "APPROVED", true, HEAD)]),
            json!([review("ada", "APPROVED", true, HEAD), review("ada", "CHANGES_REQUESTED", true, HEAD)]),
            json!([review("ada", "CHANGES_REQUESTED", false, old), review("ada", "DISMISSED", false, old)]),
            json!([review("ada", "CHANGES_REQUESTED", false, old), review("ada", "PENDING", false, HEAD)]),
            json!([review("helper[bot]", "CHANGES_REQUESTED", false, HEAD), review("helper", "APPROVED", true, HEAD)]),
            json!([review("ada", "APPROVED", false, HEAD), review("grace", "APPROVED", false, HEAD)]),
            json!([review("ada", "APPROVED", false, HEAD), review("grace", "APPROVED", true, HEAD)]),
            json!([{"user": null, "state": "APPROVED", "may_push": true, "commit_id": HEAD}]),
            json!([
                {"user": null, "state": "CHANGES_REQUESTED", "may_push": false, "commit_id": HEAD},
                {"user": null, "state": "APPROVED", "may_push": false, "commit_id": HEAD},
            ]),
            json!([{"user": {"login": "ada"}, "state": "APPROVED", "may_push": true, "commit_id": null}]),
        ];
        let count =
            |count: u32| json!({"type": "pull_request", "parameters": {"required_approving_review_count": count}});
        let check = |name: &str| json!({"type": "required_status_checks", "parameters": {"required_status_checks": [{"context": name}]}});
        for reviews in histories {
            for rules in [json!([]), json!([count(1)]), json!([count(1), count(2), check("e2e"), check("scan")])] {
                facts.push(with(|fact| {
                    (fact.reviews, fact.rules) = (reviews.clone(), rules.clone());
                    fact.classic = json!(["build"]);
                }));
            }
        }
        facts
    }

    #[test]
    fn both_ways_of_asking_are_judged_alike() {
        let facts = facts();
        assert!(facts.len() > 70);
        for fact in facts {
            let told = by_graphql(&fact).unwrap();
            assert_eq!(told.readiness, by_rest(&fact), "{} {} {}", fact.pull, fact.reviews, fact.rules);
        }
        let gone = |state: &str| json!({"user": null, "state": state, "may_push": false, "commit_id": HEAD});
        for (reviews, asking) in [
            (json!([gone("CHANGES_REQUESTED"), gone("APPROVED"), gone("DISMISSED")]), &["ghost"][..]),
            (json!([gone("DISMISSED"), gone("COMMENTED")]), &[]),
        ] {
            assert_eq!(by_rest(&with(|fact| fact.reviews = reviews.clone())).changes_requested, asking, "{reviews}");
        }
        let alone = by_rest(&with(|fact| fact.rules = json!([{"type": "merge_queue"}])));
        assert!(alone.queue.is_some() && alone.blocked.is_none() && alone.labels.contains("tagboat/hold"));
    }

    /// GraphQL tells of rulesets beside it, and of the box in the classic protection nowhere else.
    #[test]
    fn a_queue_of_classic_protection_is_one() {
        let pull = pull();
        let mut said = told(&fact());
        let judged = |said: &Value| read((said, false), (0, &[&pull]), &pull).unwrap().readiness;
        assert!(judged(&said).queue.is_none() && judged(&said).blocked.is_some());
        said["p0"]["isMergeQueueEnabled"] = true.into();
        assert!(judged(&said).queue.is_some() && judged(&said).blocked.is_none());
    }

    #[test]
    fn rules_that_are_not_shown_whole_or_that_nothing_is_held_up_by_decide_nothing() {
        let required = with(|fact| fact.classic = json!(["e2e"]));
        assert!(by_graphql(&required).unwrap().is_whole);
        let free = with(|fact| {
            fact.classic = json!(["e2e"]);
            fact.pull["mergeable_state"] = "clean".into();
        });
        assert!(!by_graphql(&free).unwrap().is_whole);
        let unheld = with(|fact| fact.pull["mergeable_state"] = "clean".into());
        assert!(by_graphql(&unheld).unwrap().is_whole);
        let pull = pull();
        for rules in [Value::Null, json!({"pageInfo": {"hasNextPage": true}, "nodes": []}), json!([])] {
            let mut said = told(&required);
            said["b0"]["rules"] = rules;
            assert!(!read((&said, false), (0, &[&pull]), &pull).unwrap().is_whole, "{said}");
        }
    }

    #[test]
    fn a_pull_request_that_is_not_told_whole_is_not_known() {
        let pull = pull();
        for path in ["/p0/reviews/pageInfo/hasNextPage", "/p0/labels/pageInfo/hasNextPage"] {
            let mut said = told(&fact());
            *said.pointer_mut(path).unwrap() = true.into();
            assert_eq!(read((&said, false), (0, &[&pull]), &pull), None, "{path}");
        }
        for path in [
            "/p0",
            "/c0",
            "/p0/reviews",
            "/p0/state",
            "/p0/isInMergeQueue",
            "/p0/isMergeQueueEnabled",
            "/c0/checkSuites",
        ] {
            let mut said = told(&fact());
            *said.pointer_mut(path).unwrap() = Value::Null;
            assert_eq!(read((&said, false), (0, &[&pull]), &pull), None, "{path}");
        }
    }
}
