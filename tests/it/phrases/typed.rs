//! Reasons that have a type: a sample of each. The matches below name every variant, so that a new one stops the compiler here.

use tagboat::model::decision::Reason;
use tagboat::model::proposal::Action;
use tagboat::model::site::{PassedOverReason, SkipReason};
use tagboat::model::tags::Platform;
use tagboat::report::exit::Exit;

/// What each of them says, with `…` where it fills something in.
pub(super) fn said() -> Vec<String> {
    let reasons = reasons().into_iter().map(|reason| reason.to_string());
    let skipped = skipped().into_iter().map(|reason| reason.to_string());
    let passed = passed_over().into_iter().map(|reason| reason.to_string());
    let actions = actions().into_iter().map(|action| action.as_str().to_owned());
    reasons.chain(skipped).chain(passed).chain(actions).filter(|said| said != "…").collect()
}

/// The exit codes with their names in the page.
pub(super) fn exits() -> Vec<(u8, &'static str)> {
    let name = |exit: Exit| match exit {
        Exit::Done => "done",
        Exit::Failed => "failed",
        Exit::Usage => "usage",
        Exit::Partial => "partial",
        Exit::Changes => "changes",
    };
    let all = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Partial, Exit::Changes];
    all.into_iter().map(|exit| (exit.code(), name(exit))).collect()
}

/// What fills a gap.
fn gap() -> String {
    "…".to_owned()
}

fn reasons() -> Vec<Reason> {
    let platform = Platform("linux/amd64".to_owned());
    let all = vec![
        Reason::InUse,
        Reason::NotAVersion,
        Reason::NothingToCompare,
        Reason::NotFollowed,
        Reason::NotInFamily,
        Reason::NotMatched,
        Reason::Ignored,
        Reason::OutOfRange,
        Reason::PreRelease,
        Reason::Lower,
        Reason::Older,
        Reason::Outranked,
        Reason::SameVersion,
        Reason::TooYoung { until: "2026-11-21T09:00:00Z".parse().unwrap(), untold: None },
        Reason::AgeUnknown,
        Reason::PlatformMissing(platform),
        Reason::SignatureMissing,
        Reason::SignatureWrong(gap().into()),
        Reason::NotBefore,
        Reason::Held(gap().into()),
        Reason::Behind(gap().into()),
        Reason::Unknown(gap().into()),
        Reason::NotNext,
        Reason::OtherBuild(gap().into()),
    ];
    let place = |reason: &Reason| match reason {
        Reason::InUse => 0,
        Reason::NotAVersion => 1,
        Reason::NothingToCompare => 2,
        Reason::NotFollowed => 3,
        Reason::NotInFamily => 4,
        Reason::NotMatched => 5,
        Reason::Ignored => 6,
        Reason::OutOfRange => 7,
        Reason::PreRelease => 8,
        Reason::Lower => 9,
        Reason::Older => 10,
        Reason::Outranked => 11,
        Reason::SameVersion => 12,
        Reason::TooYoung { .. } => 13,
        Reason::AgeUnknown => 14,
        Reason::PlatformMissing(_) => 15,
        Reason::SignatureMissing => 16,
        Reason::SignatureWrong(_) => 17,
        Reason::NotBefore => 18,
        Reason::Held(_) => 19,
        Reason::Unknown(_) => 21,
        Reason::Behind(_) => 20,
        Reason::NotNext => 22,
        Reason::OtherBuild(_) => 23,
    };
    assert_each_has_a_sample(&all, place, 24);
    all
}

fn skipped() -> Vec<SkipReason> {
    let all = vec![
        SkipReason::Variable(gap()),
        SkipReason::Template,
        SkipReason::NoTag,
        SkipReason::DigestOnly,
        SkipReason::NotAReference(gap()),
        SkipReason::NoName,
        SkipReason::DuplicateKey(gap()),
        SkipReason::Alias(gap()),
        SkipReason::Unmarked("…"),
        SkipReason::Ignored,
        SkipReason::FaultyMarker(gap()),
        SkipReason::NamedPolicy(gap()),
        SkipReason::NoRule,
        SkipReason::NoEnvironment,
        SkipReason::Unsupported(gap()),
    ];
    let place = |reason: &SkipReason| match reason {
        SkipReason::Variable(_) => 0,
        SkipReason::Template => 1,
        SkipReason::NoTag => 2,
        SkipReason::DigestOnly => 3,
        SkipReason::NotAReference(_) => 4,
        SkipReason::NoName => 5,
        SkipReason::DuplicateKey(_) => 6,
        SkipReason::Alias(_) => 7,
        SkipReason::Unmarked(_) => 8,
        SkipReason::Ignored => 9,
        SkipReason::FaultyMarker(_) => 10,
        SkipReason::NamedPolicy(_) => 11,
        SkipReason::NoRule => 12,
        SkipReason::NoEnvironment => 13,
        SkipReason::Unsupported(_) => 14,
    };
    assert_each_has_a_sample(&all, place, 15);
    all
}

fn passed_over() -> Vec<PassedOverReason> {
    let all = vec![
        PassedOverReason::Encrypted("SOPS"),
        PassedOverReason::Binary,
        PassedOverReason::NotUtf8,
        PassedOverReason::TooLarge { size: 2, limit: 1 },
        PassedOverReason::Template,
        PassedOverReason::Broken { position: None, reason: gap() },
        PassedOverReason::TooComplex(gap()),
        PassedOverReason::Link(gap()),
        PassedOverReason::LinkWithin,
        PassedOverReason::NotAFile,
        PassedOverReason::Submodule,
        PassedOverReason::Unreadable(gap()),
    ];
    let place = |reason: &PassedOverReason| match reason {
        PassedOverReason::Encrypted(_) => 0,
        PassedOverReason::Binary => 1,
        PassedOverReason::NotUtf8 => 2,
        PassedOverReason::TooLarge { .. } => 3,
        PassedOverReason::Template => 4,
        PassedOverReason::Broken { .. } => 5,
        PassedOverReason::TooComplex(_) => 6,
        PassedOverReason::Link(_) => 7,
        PassedOverReason::LinkWithin => 8,
        PassedOverReason::NotAFile => 9,
        PassedOverReason::Submodule => 10,
        PassedOverReason::Unreadable(_) => 11,
    };
    assert_each_has_a_sample(&all, place, 12);
    all
}

fn actions() -> Vec<Action> {
    use Action::{Closed, Committed, Enqueued, Failed, Held, LeftAlone, Merged, Opened, Unchanged, Updated, Waiting};
    let all = vec![Committed, Opened, Updated, Unchanged, Merged, Enqueued, Closed, Waiting, Held, LeftAlone, Failed];
    let place = |action: &Action| match action {
        Committed => 0,
        Opened => 1,
        Updated => 2,
        Unchanged => 3,
        Merged => 4,
        Enqueued => 5,
        Closed => 6,
        Waiting => 7,
        Held => 8,
        LeftAlone => 9,
        Failed => 10,
    };
    assert_each_has_a_sample(&all, place, 11);
    all
}

/// Each variant, numbered by a match that names them all, stands in the list.
fn assert_each_has_a_sample<T>(all: &[T], place: impl Fn(&T) -> usize, count: usize) {
    let places: Vec<usize> = all.iter().map(place).collect();
    assert_eq!(places, (0..count).collect::<Vec<_>>(), "a variant has no sample");
}
