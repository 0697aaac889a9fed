//! The life of a pull request, told once for every forge: what people and registries do, and what must stand after each pass.
//!
//! `scenarios!(KIND)` makes one test of each. They see the fake's store alone, never a forge's protocol.

pub(in crate::forge) mod anew;
pub(in crate::forge) mod asking;
pub(in crate::forge) mod faults;
pub(in crate::forge) mod merging;
pub(in crate::forge) mod opening;
pub(in crate::forge) mod ordering;
pub(in crate::forge) mod people;
pub(in crate::forge) mod queueing;
pub(in crate::forge) mod refusing;
pub(in crate::forge) mod saying;
pub(in crate::forge) mod several;
pub(in crate::forge) mod signing;
pub(in crate::forge) mod staying;
pub(in crate::forge) mod texts;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use tagboat::cache::Cache;
use tagboat::clock::SystemClock;
use tagboat::forge::Forge;
use tagboat::git::Remote;
use tagboat::git::access::Access;
use tagboat::git::mirror::Mirror;
use tagboat::git::signing::{Keys, SshKey};
use tagboat::git::url::RemoteUrl;
use tagboat::model::outcome::Outcome;
use tagboat::model::proposal::Action;
use tagboat::pass::Turn;
use tagboat::pass::propose::Publishing;
use tagboat::pass::run::Mode;

use crate::support::forge::{CheckRow, NOW, Pull, Stands, Store, serve};
use crate::support::memory::MemoryTags;
use crate::support::passes::Passing;
use crate::support::repository::{Scratch, environment};

const WEB: &str = "ghcr.io/acme/web";
const HEAD: &str = "tagboat/prod/ghcr.io-acme-web";

/// Makes the client of each pass out of one that lives on.
pub(crate) type Lasting = Box<dyn Fn(Turn) -> Arc<dyn Forge>>;

/// One kind of forge: its fake, its client, and its words.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// Makes the fake's router.
    pub(crate) router: fn(Arc<Store>) -> Router,
    /// Makes a new client for the repository `acme/gitops` at an address.
    pub(crate) client: fn(&str) -> Arc<dyn Forge>,
    /// Makes one that lives on, and returns what makes that of each pass of it.
    pub(crate) lasting: fn(&str) -> Lasting,
    /// The forge's words for a check that passed, runs, and was cancelled.
    pub(crate) words: [&'static str; 3],
    /// The forge's words for a commit status that passed, and one that waits.
    pub(crate) statuses: [&'static str; 2],
    /// The forge's words for a review that approves, and one that asks for changes.
    pub(crate) reviews: [&'static str; 2],
    /// A path that only the opening of a pull request posts to.
    pub(crate) opening: &'static str,
    /// A part of the path that only a comment posts to.
    pub(crate) commenting: &'static str,
    /// Method and a part of the path of the merge.
    pub(crate) merging: (&'static str, &'static str),
    /// What stands before a repository's path in its address.
    pub(crate) below: &'static str,
    /// Method and a part of the path by which the forge makes a commit.
    pub(crate) committing: (&'static str, &'static str),
}

/// A repository on a forge, a registry, and Tagboat.
pub(crate) struct Stage {
    kind: Kind,
    pub(crate) scratch: Scratch,
    tags: MemoryTags,
    pub(crate) store: Arc<Store>,
    address: String,
    /// The operator's SSH key that commits are signed with.
    pub(crate) ssh: Option<String>,
    /// The file of the cache; `None` for none.
    pub(crate) cache: Option<PathBuf>,
}

const PLAIN: &str = "";
const AUTO: &str = "    publish: autoMerge\n";
const GATED: &str = "    publish: autoMerge\n    gates: {windows: [{hours: \"09:00-10:00\"}]}\n";

fn manifest(tag: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {WEB}:{tag}\n")
}

impl Stage {
    pub(crate) fn new(kind: Kind, environment: &str) -> Self {
        let config = format!(
            "version: 1\nimages:\n  - match: ghcr.io/acme/*\n    semver: 1.x\nenvironments:\n  - name: prod\n    \
             files: [prod/**]\n{environment}"
        );
        let scratch = Scratch::new();
        let bare = scratch.bare("gitops.git", &[(".tagboat.yaml", &config), ("prod/web.yaml", &manifest("1.4.0"))]);
        let store = Store::over(bare.folder);
        let address = serve((kind.router)(Arc::clone(&store)));
        let stage = Self { kind, scratch, tags: MemoryTags::default(), store, address, ssh: None, cache: None };
        stage.list(&["1.4.0", "1.5.0"]);
        stage
    }

    /// Starts with a pull request that would be merged by the next pass.
    pub(crate) async fn merging(kind: Kind) -> Self {
        let stage = Self::new(kind, AUTO);
        stage.acts(8).await;
        stage.check("build", kind.words[0]);
        stage
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn list(&self, tags: &[&str]) {
        self.tags.set(WEB, tags.iter().copied());
    }

    pub(crate) async fn outcome(&self, mirror: &str, hour: u32) -> Outcome {
        self.outcome_of(Mode::Act, mirror, hour).await
    }

    /// Runs a pass with a client that lives on from pass to pass, as that of a service does.
    async fn outcome_with(&self, forge: &Arc<dyn Forge>, hour: u32) -> Outcome {
        self.outcome_by(Arc::clone(forge), Mode::Act, "mirror", hour).await
    }

    async fn outcome_of(&self, mode: Mode, mirror: &str, hour: u32) -> Outcome {
        self.outcome_by((self.kind.client)(&self.address), mode, mirror, hour).await
    }

    async fn outcome_by(&self, forge: Arc<dyn Forge>, mode: Mode, mirror: &str, hour: u32) -> Outcome {
        let url = RemoteUrl::from_path(&self.store.repository.folder);
        let mirror = Mirror::open(&self.scratch.path(mirror), url, Access::None, environment(None)).unwrap();
        let cache = self.cache.as_ref().map(|path| Cache::open(path, Arc::new(SystemClock)));
        let remote: Arc<dyn Remote> = Arc::new(mirror.with_keys(self.keys()));
        let (cache, now) =
            (cache.unwrap_or_else(tagboat::pass::setup::no_cache), format!("2026-11-20T{hour:02}:00:00Z"));
        let passing = Passing { remote, tags: &self.tags, now: &now, publishing: Publishing::Forge(forge) };
        // Stories have many passes, and each of their futures would be as large.
        Box::pin(passing.pass_with(&cache, mode)).await
    }

    /// The keys that Tagboat signs with.
    fn keys(&self) -> Keys {
        let ssh = self.ssh.as_ref().map(|text| SshKey::read(&text.as_str().into()).map_err(|error| error.to_string()));
        Keys { ssh, gpg: None }
    }

    /// Runs a pass at an hour of the day; its one proposal's action, and the reason.
    pub(crate) async fn pass(&self, hour: u32) -> (Option<Action>, String) {
        let outcome = self.outcome("mirror", hour).await;
        let last = outcome.proposals.last();
        (last.map(|proposal| proposal.action), last.and_then(|one| one.reason.clone()).unwrap_or_default())
    }

    pub(crate) async fn acts(&self, hour: u32) -> Option<Action> {
        self.pass(hour).await.0
    }

    fn pulls(&self) -> Vec<Pull> {
        self.store.refresh();
        self.store.kept().pulls.clone()
    }

    fn only(&self) -> Pull {
        let pulls = self.pulls();
        assert_eq!(pulls.len(), 1, "{pulls:?}");
        pulls.into_iter().next().unwrap()
    }

    pub(crate) fn states(&self) -> Vec<Stands> {
        self.pulls().iter().map(|pull| pull.state).collect()
    }

    /// Reports a check on the head of the newest pull request.
    pub(crate) fn check(&self, name: &str, word: &str) {
        self.check_at(self.pulls().last().unwrap().sha.clone(), name, word);
    }

    /// Reports a check of any head.
    fn check_at(&self, sha: String, name: &str, word: &str) {
        let row =
            CheckRow { sha, name: name.to_owned(), word: word.to_owned(), text: String::new(), at: NOW, is_run: true };
        self.store.kept().checks.push(row);
    }

    fn close(&self, number: u64) {
        self.store.change(number, |pull| pull.state = Stands::Closed);
    }

    fn label(&self, number: u64, label: &str) {
        self.store.change(number, |pull| {
            pull.labels.insert(label.to_owned());
        });
    }

    /// Pushes a person's commit to a branch.
    fn push(&self, branch: &str, file: &str, text: &str) {
        self.store.repository.land(branch, &[(file, text)], "By hand", 2);
    }

    /// Changes the configuration, by a person's commit.
    fn reword(&self, change: impl FnOnce(&str) -> String) {
        let config = String::from_utf8(self.store.repository.show("main", ".tagboat.yaml")).unwrap();
        self.push("main", ".tagboat.yaml", &change(&config));
    }

    /// Returns the whole commit of a branch, as Git keeps it.
    fn commit(&self, branch: &str) -> String {
        self.store.repository.git(&["cat-file", "commit", branch])
    }

    /// Makes the head's commit anew with other headers; one that becomes empty is left out.
    fn amend(&self, change: impl Fn(&str) -> String) {
        let made = self.commit(HEAD);
        let (headers, message) = made.split_once("\n\n").unwrap();
        let headers: Vec<_> = headers.lines().map(change).filter(|line| !line.is_empty()).collect();
        let file = self.scratch.path("commit");
        std::fs::write(&file, format!("{}\n\n{message}\n", headers.join("\n"))).unwrap();
        let git = |arguments: &[&str]| self.store.repository.git(arguments);
        let commit = git(&["hash-object", "-t", "commit", "-w", &file.display().to_string()]);
        git(&["update-ref", &format!("refs/heads/{HEAD}"), &commit]);
    }

    pub(crate) fn runs(&self) -> String {
        let text = String::from_utf8(self.store.repository.show("main", "prod/web.yaml")).unwrap();
        text.trim_end().rsplit(':').next().unwrap().to_owned()
    }

    /// Takes the requests since the last call: all, and those that write.
    pub(in crate::forge) fn requests(&self) -> (usize, Vec<String>) {
        let all = self.store.requests();
        let writes = all.iter().filter(|line| !line.starts_with("GET ") && !line.starts_with("QUERY "));
        let writes = writes.cloned().collect();
        (all.len(), writes)
    }
}

/// Makes one test of each scenario on a kind of forge.
macro_rules! scenarios {
    ($kind:expr) => {
        $crate::forge::scenarios::scenarios! { @ $kind;
            anew:
                an_order_whose_files_changed_on_the_base_is_made_anew_with_its_hold
                an_order_on_the_branch_of_its_environment_is_made_anew_there
                a_label_has_an_order_of_every_kind_made_anew_in_the_same_words
                what_is_not_as_it_was_ordered_is_left_and_says_what_changed
                an_order_is_made_anew_at_the_places_that_it_names_and_at_no_other
                only_what_was_signed_here_is_signed_again
                what_the_forge_signs_is_ordered_again_and_not_made_anew
                what_an_order_said_of_its_gates_is_said_of_its_new_head_and_nothing_else
                an_order_that_was_closed_answers_who_asks_for_it_again
                the_same_order_for_another_reason_says_which;
            asking:
                a_long_list_is_read_whole_again_only_where_its_newest_page_changed
                a_run_of_its_own_asks_once_more_where_there_is_more_than_a_page
                a_proposed_hold_costs_no_list_of_its_own
                too_many_requests_without_a_wait_are_heeded_at_once;
            faults:
                a_listing_that_fails_changes_nothing
                an_opening_whose_answer_was_lost_is_not_repeated
                an_opening_that_failed_is_made_by_the_next_pass
                a_merge_whose_answer_was_lost_is_seen_by_the_next_pass
                a_listing_that_is_behind_opens_no_second_one
                a_listing_that_is_behind_a_merge_closes_nothing
                what_was_closed_or_merged_is_not_turned_into_something_newer
                a_label_or_a_push_that_the_list_did_not_tell_of_is_heeded
                what_was_closed_or_merged_is_not_opened_in_other_words
                two_passes_at_once_open_one;
            merging:
                proposes_and_merges_on_the_branch_of_the_environment
                waits_for_gates_and_checks_and_merges_the_head_that_was_judged
                a_push_between_judging_and_merging_merges_nothing
                a_push_right_before_it_is_merged_merges_nothing
                what_is_merged_while_a_pass_looks_is_not_opened_again
                what_a_person_does_while_a_pass_looks_stops_the_merge
                what_goes_back_before_while_a_pass_looks_stops_the_merge
                what_goes_back_on_another_branch_while_a_pass_looks_stops_the_merge
                what_goes_back_far_before_while_a_pass_looks_stops_the_merge
                what_is_held_on_the_base_while_a_pass_looks_stops_a_merge_into_another_branch
                a_look_says_what_would_be_merged_and_what_that_waits_for
                what_a_gate_said_that_is_gone_holds_nothing_up
                a_pass_that_waits_for_checks_asks_for_nothing_else
                a_pass_that_only_waits_asks_as_little_as_the_forge_allows
                what_is_merged_keeps_the_trailers_that_are_its_record
                names_a_check_that_was_cancelled_and_merges_nothing
                waits_while_somebody_asks_for_changes
                waits_while_the_forge_does_not_know_whether_it_can_be_merged
                a_head_that_is_behind_is_made_anew_where_the_base_wants_it
                what_a_merge_leaves_behind_is_made_anew_once_and_on_top_of_it
                pull_requests_beyond_the_limit_wait_for_their_turn
                several_that_touch_different_files_merge_in_one_pass
                a_look_says_what_is_merged_where_the_base_must_be_up_to_date
                an_environment_and_the_one_after_it_are_merged_in_one_pass
                groups_that_share_a_file_are_merged_one_after_the_other
                groups_that_share_a_file_lose_nothing_when_all_could_be_merged;
            opening:
                opens_one_and_then_leaves_it
                takes_something_newer_into_the_same_one
                what_joins_a_group_is_closed_and_names_what_replaces_it
                what_leaves_a_group_is_closed_and_names_all_that_replaces_it
                an_image_that_is_called_as_a_lock_of_git_s_is_proposed
                what_cannot_be_asked_about_stays_under_its_former_name
                what_was_closed_first_is_said_where_the_opening_fails
                a_list_that_has_lost_what_ran_keeps_nothing_that_runs_by_now
                what_comes_alone_stands_in_no_group_that_is_no_more
                rewrites_the_body_when_a_gate_opens
                closes_what_became_unnecessary_and_says_why
                what_is_to_be_replaced_stays_until_the_other_one_stands
                what_is_not_known_stays_open_under_a_group_of_another_name
                a_list_that_has_lost_what_runs_closes_nothing
                closes_what_is_held_and_says_by_whom_why_and_how_that_ends
                counts_what_is_open_whoever_has_it_in_hand
                what_is_to_be_replaced_leaves_its_turn_to_what_takes_its_place
                a_look_writes_nothing_into_the_mirror
                a_base_that_moved_elsewhere_burns_no_checks_unless_asked_for;
            ordering:
                what_was_ordered_stands_on_the_branch_of_its_own_image
                what_was_ordered_is_merged_by_a_later_pass_once_its_checks_pass
                an_order_that_was_overtaken_says_what_to_do_where_it_keeps_commits_away
                what_was_ordered_stands_until_it_is_approved
                a_rollback_that_was_ordered_is_a_persons_to_merge
                what_was_ordered_keeps_everything_else_away_when_its_image_joins_a_group
                a_downgrade_that_says_it_was_ordered_forward_is_a_persons_to_merge
                what_was_ordered_past_a_gate_is_a_persons_to_merge
                gates_that_hold_no_order_up_say_so_on_its_head
                what_was_ordered_and_is_too_young_is_a_persons_to_merge
                what_was_ordered_waits_for_a_window_that_has_closed
                what_only_says_that_it_was_ordered_is_made_anew_from_its_words
                what_was_ordered_where_a_person_merges_stays_theirs
                what_was_ordered_and_squashed_under_its_title_alone_keeps_nothing_away;
            people:
                heeds_a_person_who_closed_it_until_something_newer_comes
                opens_again_what_a_person_labels_for_a_retry
                takes_up_again_what_a_person_reopened
                merges_what_a_person_closed_and_opened_again
                leaves_alone_what_a_person_pushed_to
                answers_who_asks_by_a_label_for_what_somebody_has_pushed_to
                leaves_alone_what_lies_beneath_its_own_commit
                makes_anew_a_head_whose_base_was_moved_by_force
                leaves_alone_what_a_person_holds
                says_that_it_leaves_alone_what_nobody_wants_any_more
                a_comment_that_is_refused_holds_nothing_up
                a_comment_whose_answer_is_lost_is_said_by_the_next_pass
                a_status_that_is_refused_holds_nothing_up
                makes_anew_a_head_whose_message_somebody_changed
                goes_on_with_its_own_commit_that_somebody_made_anew
                goes_on_under_another_author
                commits_under_another_author_what_was_proposed_by_the_former_one
                what_an_environment_left_that_was_renamed_names_what_takes_its_place;
            refusing:
                stays_refused_when_the_base_is_edited_by_hand
                stays_refused_when_its_image_joins_a_group_or_leaves_one
                what_a_person_holds_or_has_pushed_to_comes_in_no_other_form
                what_a_person_holds_stays_away_when_its_environment_is_renamed
                what_a_person_has_in_hand_stays_away_when_its_environment_is_committed_elsewhere
                what_a_person_has_pushed_to_is_not_committed
                what_a_person_has_in_hand_comes_in_no_other_form_whatever_its_body_says
                what_somebody_has_pushed_to_goes_on_under_its_prefix_whatever_its_body_says
                a_branch_that_somebody_began_on_a_head_of_tagboat_s_stops_nothing
                what_is_wanted_stays_while_what_is_to_replace_it_waits_for_a_person
                stays_refused_under_another_prefix_and_as_a_commit
                stays_refused_when_a_person_has_written_another_body
                stays_refused_when_no_listing_tells_of_it_any_more
                remembers_on_which_branch_it_was_refused_and_asks_seldom
                keeps_the_branch_that_alone_tells_of_a_refusal
                the_newest_pull_request_decides_whether_a_version_is_refused
                a_copied_body_is_no_pull_request_of_tagboat_s
                a_copied_body_on_another_branch_refuses_nothing
                a_copied_body_on_a_branch_of_somebody_s_own_refuses_nothing
                what_is_open_into_the_former_branch_of_its_environment_is_closed
                what_a_person_holds_into_the_former_branch_stays_and_nothing_doubles_it
                what_a_person_points_at_another_base_is_theirs_and_comes_in_no_other_form
                what_stands_under_an_earlier_prefix_goes_on_there
                what_became_unnecessary_under_an_earlier_prefix_is_closed
                what_nobody_follows_any_more_under_an_earlier_prefix_is_closed
                what_an_environment_left_that_is_no_more_is_closed_under_an_earlier_prefix
                nothing_is_committed_while_pull_requests_may_not_be_read
                goes_on_once_a_person_s_fix_was_squashed_onto_the_base
                what_was_taken_back_on_its_branch_is_a_person_s_until_that_is_closed;
            saying:
                a_gate_takes_back_what_it_said_while_a_person_holds_it
                a_gate_takes_back_what_it_said_while_the_image_cannot_be_asked_about
                a_gate_takes_back_what_it_said_on_what_is_left_without_its_hidden_line
                a_status_that_is_refused_keeps_no_other_one_away
                what_stays_passed_is_not_taken_back
                a_check_of_others_whose_name_begins_as_a_gate_s_is_theirs
                the_gates_of_an_order_that_a_person_merges_are_judged_by_every_pass;
            several:
                a_run_on_another_base_leaves_what_the_first_one_has_opened
                what_another_base_has_given_up_is_closed
                two_configurations_of_one_repository_leave_each_other_s
                a_trial_with_a_configuration_of_its_own_closes_nothing_of_the_base_s
                an_order_takes_nothing_that_another_configuration_has_opened
                what_an_environment_left_is_known_where_somebody_has_merged_the_base_into_it;
            signing:
                commits_that_the_forge_signs_live_as_any_other
                what_a_person_adds_to_a_commit_of_the_forge_is_theirs
                the_base_takes_commits_that_the_forge_signs
                nothing_is_pushed_unsigned_where_the_forge_cannot_sign
                a_forge_commit_whose_answer_was_lost_is_found_again
                a_head_without_a_signature_is_made_anew_before_it_is_merged;
            staying:
                what_is_merged_is_merged_though_its_branch_may_not_be_removed
                what_is_closed_is_closed_though_its_branch_may_not_be_removed
                without_a_cache_a_branch_that_may_not_be_removed_is_no_failure_either;
            texts:
                titles_bodies_and_messages_follow_the_templates
                a_title_that_begins_as_a_draft_s_makes_no_draft
                a_title_is_cut_so_that_the_mark_of_a_draft_has_room
                what_stays_a_draft_says_that_a_person_marks_it_as_ready
                the_name_of_a_file_closes_nothing
                release_notes_of_the_same_forge_are_told_once_and_mean_nothing
                release_notes_that_cannot_be_had_hold_nothing_up
                release_notes_of_many_images_are_asked_for_ten_times_in_a_pass
                no_name_and_no_tag_closes_an_issue
                versions_are_linked_and_say_when_they_were_published
                a_body_is_cut_to_what_the_forge_takes;
        }
    };
    (@ $kind:expr; $($module:ident: $($name:ident)*;)*) => {
        $($(
            #[tokio::test]
            async fn $name() {
                $crate::forge::scenarios::$module::$name($kind).await;
            }
        )*)*
    };
}
pub(super) use scenarios;
