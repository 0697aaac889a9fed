//! What a forge denies for good: it is ordered once, and again where something changes that may be why, or after a while. The same on every
//! forge.
//!
//! `denied!(KIND)` makes one test of each.

use std::sync::Arc;

use tagboat::forge::turns::{Impulse, Turns};
use tagboat::model::proposal::Action;

use crate::forge::scenarios::Kind;
use crate::forge::turns::{APPS, Seen, Stage, at};
use crate::support::forge::{Protection, Stands};

const AUTO: &str = "  - name: apps\n    files: [apps/**]\n    publish: autoMerge\n";
const GATED: &str =
    "  - name: apps\n    files: [apps/**]\n    publish: autoMerge\n    gates: {windows: [{hours: \"00:00-23:59\"}]}\n";

/// How a forge is told to merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    AtOnce,
    ByQueue,
    ByItself,
}

impl Way {
    /// Lists those that a kind of forge has.
    fn of(kind: Kind) -> Vec<Self> {
        let has_queue = kind.below != "forge/";
        [Self::AtOnce, Self::ByItself].into_iter().chain(has_queue.then_some(Self::ByQueue)).collect()
    }

    /// Starts with pull requests that the forge refuses to merge, each order of which was denied once.
    async fn denied(self, kind: Kind) -> Stage {
        let style = if self == Self::ByItself { "{nativeAutoMerge: true}" } else { "{}" };
        let stage = Stage::styled(kind, style, AUTO);
        stage.routine("08:00").await;
        let [passed, running, _] = kind.words;
        let word = if self == Self::ByItself { running } else { passed };
        APPS.iter().for_each(|app| stage.report(&stage.of("apps", app).sha, "build", word));
        let required = if self == Self::ByItself { vec!["build".to_owned()] } else { Vec::new() };
        stage.store.kept().denies_merging = true;
        stage.store.kept().protection = Protection { queue: self == Self::ByQueue, required, ..Protection::default() };
        let seen = stage.routine("08:01").await;
        assert!(seen.writes().len() >= APPS.len(), "{self:?}: {:#?}", seen.requests);
        says_so(&seen);
        stage
    }
}

/// Counts the orders and everything else that is written.
fn writes(seen: &Seen) -> usize {
    seen.writes().len()
}

#[track_caller]
fn says_so(seen: &Seen) {
    assert_eq!(seen.outcome.proposals.len(), APPS.len());
    for one in &seen.outcome.proposals {
        let reason = one.reason.as_deref().unwrap_or_default();
        assert!(reason.contains("; it is ordered again once anything about it changes, or after 0"), "{reason}");
        assert_eq!(one.action, Action::Unchanged, "{reason}");
    }
}

fn bodies(stage: &Stage) -> Vec<String> {
    APPS.iter().map(|app| stage.of("apps", app).body).collect()
}

pub(super) async fn what_is_denied_is_not_ordered_again_while_nothing_changes(kind: Kind) {
    for way in Way::of(kind) {
        let stage = way.denied(kind).await;
        let before = bodies(&stage);
        let seen = stage.routine("08:02").await;
        assert_eq!(writes(&seen), 0, "{way:?}: {:#?}", seen.requests);
        says_so(&seen);
        for _ in 0..12 {
            let dry = stage.foresee("08:03").await;
            dry.is_quiet();
            says_so(&dry);
            let seen = stage.routine("08:03").await;
            seen.is_quiet();
            says_so(&seen);
        }
        // As by a webhook about whatever else, or about what this wrote itself.
        for _ in 0..3 {
            let seen = stage.pass(Impulse::News, "08:04").await;
            assert_eq!(writes(&seen), 0, "{way:?}: {:#?}", seen.requests);
            says_so(&seen);
        }
        assert_eq!(bodies(&stage), before, "{way:?}");
    }
}

pub(super) async fn what_is_denied_is_ordered_again_by_processes_only_in_its_time(kind: Kind) {
    for way in Way::of(kind) {
        let mut stage = way.denied(kind).await;
        let mut orders = Vec::new();
        for minute in 2..35 {
            let time = format!("08:{minute:02}");
            let bytes = stage.turns.kept("acme/gitops", at(&time), None).unwrap();
            stage.turns = Arc::<Turns>::default();
            stage.turns.restore("acme/gitops", &bytes, at(&time));
            let seen = stage.routine(&time).await;
            says_so(&seen);
            if writes(&seen) > 0 {
                assert_eq!(writes(&seen), APPS.len(), "{way:?}: nothing but the orders: {:#?}", seen.requests);
                orders.push(minute);
            } else if minute > 2 && !orders.contains(&(minute - 1)) {
                seen.is_quiet();
            }
        }
        assert_eq!(orders, [11, 31], "{way:?}");
    }
}

pub(super) async fn what_is_denied_is_ordered_again_where_something_changes_about_it(kind: Kind) {
    for way in Way::of(kind) {
        let stage = way.denied(kind).await;
        stage.routine("08:02").await;
        let web = stage.of("apps", "web").number;
        stage.store.change(web, |pull| pull.labels.extend(["reviewed".to_owned()]));
        let seen = stage.routine("08:03").await;
        assert_eq!(writes(&seen), 1, "{way:?}: that one alone: {:#?}", seen.requests);
        assert_eq!(writes(&stage.routine("08:04").await), 0, "{way:?}");
        stage.store.repository.land("main", &[("readme", "moved")], "By hand", 2);
        let seen = stage.routine("08:05").await;
        assert_eq!(writes(&seen), APPS.len(), "{way:?}: {:#?}", seen.requests);
        assert_eq!(writes(&stage.routine("08:06").await), 0, "{way:?}");
        let seen = stage.pass(Impulse::Everything, "08:06").await;
        assert_eq!(writes(&seen), APPS.len(), "{way:?}: {:#?}", seen.requests);
        // It lets them by now, which it tells nowhere.
        stage.store.kept().denies_merging = false;
        assert_eq!(writes(&stage.routine("08:07").await), 0, "{way:?}");
        stage.routine("08:17").await;
        stage.store.refresh();
        let kept = stage.store.kept().clone();
        let done = match way {
            Way::AtOnce => kept.pulls.iter().filter(|pull| pull.state == Stands::Merged).count(),
            Way::ByQueue => kept.queued.len(),
            Way::ByItself => kept.armed.len(),
        };
        assert_eq!(done, APPS.len(), "{way:?}");
        stage.routine("08:18").await;
        for _ in 0..3 {
            stage.routine("08:19").await.is_quiet();
        }
    }
}

/// What takes back an order that may have been heard heeds that it was not.
pub(super) async fn what_is_denied_and_then_held_is_left_alone(kind: Kind) {
    for way in Way::of(kind) {
        let stage = way.denied(kind).await;
        stage.routine("08:02").await;
        for app in APPS {
            let number = stage.of("apps", app).number;
            stage.store.change(number, |pull| pull.labels.extend(["tagboat/hold".to_owned()]));
        }
        stage.routine("08:03").await;
        let before = bodies(&stage);
        for _ in 0..3 {
            assert_eq!(writes(&stage.routine("08:04").await), 0, "{way:?}");
        }
        assert!(before.iter().all(|body| !body.contains("queued") && !body.contains("armed")), "{way:?}: {before:?}");
        let kept = stage.store.kept().clone();
        assert_eq!((kept.queued.as_slice(), kept.armed.as_slice()), (&[][..], &[][..]), "{way:?}");
    }
}

pub(super) async fn a_status_that_is_denied_is_not_set_again_while_nothing_changes(kind: Kind) {
    let stage = Stage::new(kind, GATED);
    stage.store.kept().denies_statuses = true;
    stage.routine("08:00").await;
    APPS.iter().for_each(|app| stage.report(&stage.of("apps", app).sha, "build", kind.words[1]));
    let statuses = |seen: &Seen| seen.writes().iter().filter(|line| line.contains("/statuses/")).count();
    let mut set = Vec::new();
    for minute in 1..25 {
        let seen = stage.routine(&format!("08:{minute:02}")).await;
        assert_eq!(writes(&seen), statuses(&seen), "{:#?}", seen.requests);
        if statuses(&seen) > 0 {
            set.push((minute, statuses(&seen)));
        } else if minute > 3 && set.iter().all(|(at, _)| *at != minute - 1) {
            seen.is_quiet();
        }
    }
    assert_eq!(set, [(10, 4)]);
    stage.store.kept().denies_statuses = false;
    let seen = stage.pass(Impulse::Everything, "08:25").await;
    assert_eq!(statuses(&seen), 4, "{:#?}", seen.requests);
    assert_eq!(stage.store.kept().checks.iter().filter(|row| row.name == "tagboat/windows").count(), 4);
}

/// Makes one test of each on a kind of forge.
macro_rules! denied {
    ($kind:expr) => {
        $crate::forge::denied::denied! { @ $kind;
            what_is_denied_is_not_ordered_again_while_nothing_changes
            what_is_denied_is_ordered_again_by_processes_only_in_its_time
            what_is_denied_is_ordered_again_where_something_changes_about_it
            what_is_denied_and_then_held_is_left_alone
            a_status_that_is_denied_is_not_set_again_while_nothing_changes
        }
    };
    (@ $kind:expr; $($name:ident)*) => {
        mod denied {
            $(
                #[tokio::test]
                async fn $name() {
                    $crate::forge::denied::$name($kind).await;
                }
            )*
        }
    };
}
pub(super) use denied;
