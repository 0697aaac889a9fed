//! Answering one question: the best candidate that the facts allow, and a reason for every other tag.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::decide::facts::{Facts, Finding, Missing, needs_facts};
use crate::decide::judge::Bench;
use crate::decide::reading::{Entry, Readings, in_use};
use crate::model::decision::{Decision, Question, Reason, Verdict};
use crate::model::image::Tag;
use crate::model::policy::{Pin, Select, Step};
use crate::model::rejections::Rejections;
use crate::model::site::Value;
use crate::model::tags::{ImageTags, newest_first};

/// How many images `newest` asks for their creation time: each costs two requests in every pass.
const MOST_AGES: usize = 500;

/// How many candidates of one question are asked about in a pass, from the best down. Builds may come every few
/// minutes, and `minAge` be a week.
const MOST_ASKED: usize = 64;

/// How many candidates of one question may turn out unsigned: each costs several requests in every pass.
const MOST_UNSIGNED: usize = 32;

/// What became of the candidates.
enum Choice {
    /// The position of the winner.
    Winner(usize),
    /// None is better.
    Nothing,
    /// Facts are missing.
    Open(Missing),
}

/// Answers a question.
pub(super) fn answer<'a>(question: &'a Question, readings: &mut Readings<'a>, facts: &mut Facts<'_>) -> Decision {
    let policy = &*question.policy;
    let entries = readings.by(policy);
    if let Select::Digest(followed) = &policy.select {
        let target = followed.as_ref().or(question.current.tag.as_ref());
        return follow(question, target, &entries, facts);
    }
    let Some(tag) = &question.current.tag else {
        return keep(question, Rejections::all(entries.len(), Reason::NothingToCompare));
    };
    let bench = Bench { policy, current: in_use(tag.as_str(), policy) };
    let mut candidates = Vec::new();
    let mut rejected = Rejections::all(entries.len(), Reason::Outranked);
    for (index, entry) in entries.iter().enumerate() {
        match bench.objection(entry) {
            Some(reason) => rejected.set(index, reason),
            None => candidates.push(index),
        }
    }
    let choice = if policy.select == Select::Newest {
        newest(&bench, &entries, &candidates, &mut rejected, facts)
    } else {
        best(&bench, &entries, &mut candidates, &mut rejected, facts)
    };
    match choice {
        Choice::Winner(index) => {
            let entry = &entries[index];
            let pinned = question.current.digest.is_some() || policy.pin == Pin::Digest;
            go(question, rejected, &entries, &parse(entry.text), bench.step(entry), pinned, facts)
        }
        Choice::Nothing if policy.pin == Pin::Digest && question.current.digest.is_none() => {
            if entries.iter().any(|entry| entry.text == tag.as_str()) {
                // A digest is as much of a change as a tag: what the policy asks of candidates holds for it, too.
                match facts.examine(tag, policy) {
                    Finding::Fits => go(question, rejected, &entries, tag, None, true, facts),
                    Finding::Missing(missing) => leave(question, rejected, explain(missing)),
                    // A person's word is no missing fact: what was proposed before is not left standing for it.
                    Finding::Unfit(reason @ Reason::Held(_)) => {
                        reject(&mut rejected, &entries, Some(tag.as_str()), &reason);
                        keep(question, rejected)
                    }
                    Finding::Unfit(reason) => {
                        let refused = refused(&rejected, facts.tags);
                        leave(question, rejected, format!("`{tag}` cannot be pinned: {reason}{refused}"))
                    }
                }
            } else {
                let reason = format!("`{tag}` is no longer listed, so there is no digest to pin");
                leave(question, rejected, reason)
            }
        }
        Choice::Nothing => keep(question, rejected),
        Choice::Open(missing) => leave(question, rejected, explain(missing)),
    }
}

/// Follows what a moving tag points to.
fn follow(question: &Question, target: Option<&Tag>, entries: &[Entry<'_>], facts: &mut Facts<'_>) -> Decision {
    let in_use = question.current.tag.as_ref().map(Tag::as_str);
    let mut rejected = Rejections::all(entries.len(), Reason::NotFollowed);
    reject(&mut rejected, entries, in_use, &Reason::InUse);
    let Some(target) = target else { return keep(question, rejected) };
    if !entries.iter().any(|entry| entry.text == target.as_str()) {
        return leave(question, rejected, format!("the tag `{target}` that is followed is not listed"));
    }
    let digest = match facts.digest(target) {
        Ok(digest) => digest,
        Err(missing) => return leave(question, rejected, explain(missing)),
    };
    if question.current.tag.as_ref() == Some(target) && question.current.digest.as_ref() == Some(&digest) {
        return keep(question, rejected);
    }
    let value = Value { tag: Some(target.clone()), digest: Some(digest) };
    let found = match facts.past_of_digest(&value) {
        Finding::Fits => facts.examine(target, &question.policy),
        other => other,
    };
    match found {
        Finding::Fits => go(question, rejected, entries, target, None, true, facts),
        Finding::Missing(missing) => leave(question, rejected, explain(missing)),
        Finding::Unfit(reason) => {
            reject(&mut rejected, entries, Some(target.as_str()), &reason);
            keep(question, rejected)
        }
    }
}

/// Returns the greatest candidate that the facts allow, and asks for no fact of a lesser one before.
fn best(
    bench: &Bench<'_>,
    entries: &[Entry<'_>],
    candidates: &mut [usize],
    rejected: &mut Rejections,
    facts: &mut Facts<'_>,
) -> Choice {
    let rank = |a: &usize, b: &usize| bench.rank(&entries[*a], &entries[*b]);
    if !needs_facts(bench.policy) {
        // Nearly always the greatest is free to go; only where it is held are the others put in order.
        let Some(winner) = candidates.iter().copied().max_by(rank) else { return Choice::Nothing };
        match facts.past(&parse(entries[winner].text)) {
            Finding::Fits => return Choice::Winner(winner),
            Finding::Missing(missing) => return Choice::Open(missing),
            Finding::Unfit(_) => {}
        }
    }
    candidates.sort_unstable_by(|a, b| rank(b, a));
    examine(bench, entries, candidates, rejected, facts)
}

fn examine(
    bench: &Bench<'_>,
    entries: &[Entry<'_>],
    candidates: &[usize],
    rejected: &mut Rejections,
    facts: &mut Facts<'_>,
) -> Choice {
    // The best is asked about alone; where it does not fit, as many more at once as did not fit so far. Signatures are
    // the last question about a candidate: of how many it goes on to others is for those that were unsigned. A record
    // costs nothing and is asked one by one, so that nothing is wanted of it that nobody asked then.
    let (mut asked, mut open, mut unsigned) = (0, 0, 0);
    for index in candidates {
        let tag = parse(entries[*index].text);
        if unsigned == MOST_UNSIGNED && open == 0 {
            let reason =
                format!("none of its {unsigned} newest candidates is signed as `verify` asks: narrow the rule");
            return Choice::Open(Missing::Failed(reason));
        }
        if asked + open >= MOST_ASKED && !facts.was_asked(&tag) {
            rejected.set(*index, Reason::Unknown(format!("not asked about after {MOST_ASKED} better ones").into()));
            continue;
        }
        match facts.examine(&tag, bench.policy) {
            Finding::Fits if open == 0 => return Choice::Winner(*index),
            Finding::Fits => break,
            Finding::Missing(Missing::Failed(reason)) if open == 0 => return Choice::Open(Missing::Failed(reason)),
            Finding::Missing(Missing::Failed(_)) => break,
            Finding::Missing(Missing::Asked) => {
                open += 1;
                let enough = if facts.lacks_signature_alone(&tag, bench.policy) { unsigned } else { asked };
                if open >= enough.max(1) || facts.observation.from_record {
                    break;
                }
            }
            Finding::Unfit(reason) => {
                let is_unsigned = matches!(reason, Reason::SignatureMissing | Reason::SignatureWrong(_));
                unsigned += usize::from(is_unsigned);
                asked += usize::from(is_unsigned || facts.was_asked(&tag));
                rejected.set(*index, reason);
            }
        }
    }
    if open > 0 { Choice::Open(Missing::Asked) } else { Choice::Nothing }
}

/// Returns the candidate that was created last, and after the one in use. Every age must be known for that.
fn newest(
    bench: &Bench<'_>,
    entries: &[Entry<'_>],
    candidates: &[usize],
    rejected: &mut Rejections,
    facts: &mut Facts<'_>,
) -> Choice {
    if candidates.is_empty() {
        return Choice::Nothing;
    }
    if candidates.len() > MOST_AGES {
        let count = candidates.len();
        let reason = format!("`newest` would ask {count} images for their age, more than {MOST_AGES}: narrow `tags`");
        return Choice::Open(Missing::Failed(reason));
    }
    if !entries.iter().any(|entry| entry.text == bench.current.text) {
        let reason = format!("`{}` is no longer listed, so its age is unknown", bench.current.text);
        return Choice::Open(Missing::Failed(reason));
    }
    let current = facts.created(&parse(bench.current.text));
    let mut open = current.as_ref().err().cloned();
    let mut ages: Vec<(Timestamp, usize)> = Vec::with_capacity(candidates.len());
    for index in candidates {
        match facts.created(&parse(entries[*index].text)) {
            Ok(Some(created)) => ages.push((created, *index)),
            Ok(None) => rejected.set(*index, Reason::Unknown("the image names no creation time".into())),
            // A failure outweighs what is only still to come.
            Err(missing) => open = Some(open.filter(|known| matches!(known, Missing::Failed(_))).unwrap_or(missing)),
        }
    }
    if let Some(missing) = open {
        return Choice::Open(missing);
    }
    let Ok(Some(in_use)) = current else {
        return Choice::Open(Missing::Failed("the image in use names no creation time".to_owned()));
    };
    for (created, index) in &ages {
        match created.cmp(&in_use) {
            Ordering::Less => rejected.set(*index, Reason::Older),
            Ordering::Equal => rejected.set(*index, Reason::SameVersion),
            Ordering::Greater => {}
        }
    }
    ages.retain(|(created, _)| *created > in_use);
    if !ages.is_empty()
        && let Err(missing) = facts.confirmed(&parse(bench.current.text))
    {
        return Choice::Open(missing);
    }
    ages.sort_unstable_by(|(created_a, a), (created_b, b)| {
        created_b.cmp(created_a).then_with(|| bench.rank_spelling(&entries[*b], &entries[*a]))
    });
    let order: Vec<usize> = ages.into_iter().map(|(_, index)| index).collect();
    examine(bench, entries, &order, rejected, facts)
}

/// Moves to a tag, with its digest where one is to be written.
fn go(
    question: &Question,
    mut rejected: Rejections,
    entries: &[Entry<'_>],
    tag: &Tag,
    step: Option<Step>,
    pinned: bool,
    facts: &mut Facts<'_>,
) -> Decision {
    let digest = match pinned.then(|| facts.digest(tag)).transpose() {
        Ok(digest) => digest,
        Err(missing) => return leave(question, rejected, explain(missing)),
    };
    rejected.retain(|rejected| entries[rejected.0 as usize].text != tag.as_str());
    let verdict = Verdict::Move { to: Value { tag: Some(tag.clone()), digest }, step };
    Decision { question: question.clone(), verdict, rejected }
}

fn keep(question: &Question, rejected: Rejections) -> Decision {
    Decision { question: question.clone(), verdict: Verdict::Keep, rejected }
}

fn leave(question: &Question, rejected: Rejections, reason: String) -> Decision {
    Decision { question: question.clone(), verdict: Verdict::Undecided(reason), rejected }
}

/// Names a tag that was refused for its signatures, of several the newest: somebody should look at that.
fn refused(rejected: &Rejections, tags: &ImageTags) -> String {
    let wrong = rejected.iter().filter_map(|(index, reason)| match reason {
        Reason::SignatureWrong(_) => Some((tags.list.at(index), reason)),
        _ => None,
    });
    let newest = wrong.min_by(|(one, _), (other, _)| newest_first(one, other));
    newest.map_or_else(String::new, |(tag, reason)| format!("; `{tag}` is refused: {reason}"))
}

fn explain(missing: Missing) -> String {
    match missing {
        Missing::Asked => "a fact that decides is still to be observed".to_owned(),
        Missing::Failed(reason) => reason,
    }
}

/// Gives every entry of one text a reason.
fn reject(rejected: &mut Rejections, entries: &[Entry<'_>], text: Option<&str>, reason: &Reason) {
    for (index, _) in entries.iter().enumerate().filter(|(_, entry)| Some(entry.text) == text) {
        rejected.set(index, reason.clone());
    }
}

fn parse(text: &str) -> Tag {
    text.parse().expect("a tag list holds tags that follow the grammar")
}
