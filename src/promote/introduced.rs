//! Where soak counts from the introduction: which of the versions that the environments before have had comes next.
//!
//! Entry points: [`Search::introduced`] for one image, and [`Search::together`] for a group, which takes nothing but what
//! every environment before has run together at some moment. Whether anything stands against a version is asked of
//! [`Search::admit`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::decision::Decision;
use crate::model::environment::{Environment, EnvironmentName};
use crate::model::gate::{GateSpec, SoakCount};
use crate::model::history::Timeline;
use crate::model::proposal::Move;
use crate::model::site::Value;
use crate::promote::candidates::{Candidate, Search, judge, predecessors, runs};
use crate::promote::gates;
use crate::promote::running::Running;

/// Whether soak counts from the introduction in an environment.
pub(super) fn counts(environment: &Environment) -> bool {
    environment.gates.iter().any(|gate| matches!(gate, GateSpec::Soak { count: SoakCount::Introduced, .. }))
}

/// What the members of a group come to where they are chosen together.
pub(super) enum Together {
    /// What each comes to by itself is all there is to say.
    Alone,
    /// What each comes to, in their order.
    Chosen(Vec<Candidate>),
    /// No combination that ran together may come, in words.
    Apart(String),
}

/// What a version of one member comes to, as part of a combination.
#[derive(Clone)]
enum Part {
    /// It stands here already.
    Keep,
    /// It may come; since when it has been in every environment before.
    Move(Box<Move>, Timestamp),
    /// It may not.
    Not,
}

/// What stood at some places of an environment after each commit that changed it.
struct Course {
    /// How many commits are newer, and what stood from then on; newest first. `None` where that was not one version.
    stood: Vec<(usize, Option<Value>)>,
    /// What stood before all of them.
    first: Option<Value>,
}

impl Course {
    fn of(timeline: &Timeline, running: Option<&Value>) -> Self {
        let one = |values: &BTreeSet<Value>| values.first().filter(|_| values.len() == 1).cloned();
        let stood = timeline.shifts.iter().map(|shift| (shift.word.depth, one(&shift.to))).collect();
        let first = timeline.shifts.last().map_or_else(|| running.cloned(), |shift| one(&shift.from));
        Self { stood, first }
    }

    /// Returns what stood when a commit had come.
    fn at(&self, depth: usize) -> Option<&Value> {
        // Depths grow from the newest shift to the oldest.
        let newer = self.stood.partition_point(|(own, _)| *own < depth);
        self.stood.get(newer).map_or(self.first.as_ref(), |(_, value)| value.as_ref())
    }
}

impl Search<'_> {
    /// Returns the newest version that every environment before has had for long enough, else the oldest that is on its way;
    /// never one that was taken back there. `running` is what all of them run, where that is one version.
    pub(super) fn introduced(
        &self,
        decision: &Decision,
        environment: &Environment,
        running: Option<Move>,
    ) -> Option<Move> {
        let Some(common) = self.common(decision, environment, running.as_ref()) else { return running };
        let mut candidates: Vec<(Move, Timestamp)> = common
            .into_iter()
            .filter_map(|(value, since)| match judge(self.observation, decision, &value) {
                Candidate::Move(step) => Some((*step, since)),
                _ => None,
            })
            .collect();
        // The newest last, also where two came at the same moment.
        candidates.reverse();
        candidates.sort_by_key(|(_, since)| *since);
        let over = candidates.iter().rposition(|(_, since)| self.is_over(environment, *since));
        let chosen = over.unwrap_or(0);
        if chosen < candidates.len() { Some(candidates.swap_remove(chosen).0) } else { running }
    }

    /// Finds the combination of versions that comes next to a group: the newest that every environment before has run
    /// together and of which each member has been there for long enough, else the first that will have been. `alone` is
    /// what each member comes to by itself.
    pub(super) fn together(
        &mut self,
        environment: &Environment,
        members: &[&Decision],
        alone: &[&Candidate],
    ) -> Together {
        let moves = |candidate: &&&Candidate| !matches!(candidate, Candidate::Keep);
        let is_unknown = |candidate: &&Candidate| matches!(candidate, Candidate::Undecided(_));
        if members.len() < 2 || !alone.iter().any(|one| moves(&one)) || alone.iter().any(is_unknown) {
            return Together::Alone;
        }
        let mut running = Vec::new();
        for member in members {
            let step = match self.running(member, environment) {
                Running::One(value) => match judge(self.observation, member, &value) {
                    Candidate::Move(step) => Some(*step),
                    Candidate::Undecided(_) => return Together::Alone,
                    _ => None,
                },
                Running::Apart(_) => None,
                Running::Not(_) => return Together::Alone,
            };
            running.push(step);
        }
        // One that stands where it should has a past all the same, and all are asked for at once.
        let untold: Vec<String> =
            members.iter().filter_map(|member| self.untold(environment, &member.question.image)).collect();
        if let Some(reason) = untold.into_iter().next() {
            return Together::Apart(reason);
        }
        let Some(combinations) = self.combinations(environment, members) else { return Together::Alone };
        let common: Vec<BTreeMap<Value, Timestamp>> = members
            .iter()
            .zip(&running)
            .map(|(member, running)| self.common(member, environment, running.as_ref()).unwrap_or_default())
            .map(|common| common.into_iter().collect())
            .collect();
        let mut known: Vec<BTreeMap<&Value, Part>> = vec![BTreeMap::new(); members.len()];
        let mut soonest: Option<(Timestamp, Vec<Part>)> = None;
        for combination in &combinations {
            let parts: Vec<Part> = combination
                .iter()
                .enumerate()
                .map(|(at, value)| {
                    let part = || self.part(environment, members[at], value, &common[at]);
                    known[at].entry(value).or_insert_with(part).clone()
                })
                .collect();
            let last = parts.iter().filter_map(|part| match part {
                Part::Move(_, since) => Some(*since),
                Part::Keep | Part::Not => None,
            });
            let Some(last) = last.max().filter(|_| !parts.iter().any(|part| matches!(part, Part::Not))) else {
                continue;
            };
            if self.is_over(environment, last) {
                return Together::Chosen(parts.into_iter().map(Part::candidate).collect());
            }
            if soonest.as_ref().is_none_or(|(since, _)| last < *since) {
                soonest = Some((last, parts));
            }
        }
        match soonest {
            Some((_, parts)) => Together::Chosen(parts.into_iter().map(Part::candidate).collect()),
            None => {
                let before: Vec<&str> = predecessors(environment).map(EnvironmentName::as_str).collect();
                Together::Apart(format!("nothing that ran together in {} may come here", before.join(" and ")))
            }
        }
    }

    /// Says what a version of a member comes to; `common` is what counts of it, with since when.
    fn part(
        &self,
        environment: &Environment,
        member: &Decision,
        value: &Value,
        common: &BTreeMap<Value, Timestamp>,
    ) -> Part {
        match judge(self.observation, member, value) {
            Candidate::Keep => Part::Keep,
            Candidate::Move(step) => {
                // What all of them run is known as it is written here, which may be without the digest.
                let Some(since) = common.get(value).or_else(|| common.get(&step.to)).copied() else { return Part::Not };
                match self.admit(environment, *step) {
                    Candidate::Move(step) => Part::Move(step, since),
                    _ => Part::Not,
                }
            }
            _ => Part::Not,
        }
    }

    /// Returns every combination of versions that all environments before have run together, newest first: one version for
    /// each member. `None` where there is no history to tell.
    fn combinations(&self, environment: &Environment, members: &[&Decision]) -> Option<Vec<Vec<Value>>> {
        let mut found: Option<Vec<Vec<Value>>> = None;
        for before in predecessors(environment) {
            let mut courses: Vec<Vec<Course>> = Vec::new();
            for member in members {
                let question = &member.question;
                let timeline = self.past(before, &question.image)?.timeline.as_ref()?;
                let pasts = self.matching.pasts(environment, before, (&question.image, &question.sites), timeline);
                let runs = runs(self.observation, self.decisions, before, &question.image);
                courses.push(match pasts {
                    Some(pasts) => pasts.iter().map(|(running, part)| Course::of(part, Some(running))).collect(),
                    None => vec![Course::of(timeline, runs.first().copied().filter(|_| runs.len() == 1))],
                });
            }
            let depths = courses.iter().flatten().flat_map(|course| course.stood.iter().map(|(depth, _)| *depth));
            let mut moments: BTreeSet<usize> = depths.collect();
            // Before all of them.
            moments.insert(usize::MAX);
            let of = |courses: &Vec<Course>, depth: usize| -> Option<Value> {
                let mut stood = courses.iter().map(|course| course.at(depth));
                let first = stood.next()??;
                stood.all(|other| other == Some(first)).then(|| first.clone())
            };
            let mut seen = BTreeSet::new();
            let mut ran: Vec<Vec<Value>> = Vec::new();
            for depth in moments {
                let combination: Option<Vec<Value>> = courses.iter().map(|courses| of(courses, depth)).collect();
                ran.extend(combination.filter(|combination| seen.insert(combination.clone())));
            }
            found = Some(match found {
                None => ran,
                Some(others) => others.into_iter().filter(|combination| seen.contains(combination)).collect(),
            });
        }
        found
    }

    /// Whether the soak of what came at a moment is over.
    fn is_over(&self, environment: &Environment, since: Timestamp) -> bool {
        let time: Option<SignedDuration> = environment.gates.iter().find_map(|gate| match gate {
            GateSpec::Soak { time, .. } => Some(*time),
            _ => None,
        });
        time.and_then(|time| since.checked_add(time).ok()).is_some_and(|over| over <= self.observation.now)
    }

    /// Returns what every environment before has had of the image and what still counts, with since when all have; `None`
    /// where there is no history to tell. `running` is what all of them run, where that is one version.
    fn common(
        &self,
        decision: &Decision,
        environment: &Environment,
        running: Option<&Move>,
    ) -> Option<Vec<(Value, Timestamp)>> {
        let image = &decision.question.image;
        let mut common: Option<Vec<(Value, Timestamp)>> = None;
        for before in predecessors(environment) {
            let past = self.past(before, image)?;
            let timeline = past.timeline.as_ref()?;
            let is_held =
                |value: &Value| past.hold_on(value).is_some() || self.hold_on(environment, image, value).is_some();
            // Where it runs different versions, what was introduced at other places than the counterparts is none of theirs.
            let is_several = runs(self.observation, self.decisions, before, image).len() > 1;
            let own = (image, decision.question.sites.as_slice());
            let pasts = if is_several {
                self.matching.pasts(environment, before, own, timeline).unwrap_or_default()
            } else {
                Vec::new()
            };
            let mut heres: Vec<Vec<(Value, Timestamp)>> = Vec::new();
            for (standing, timeline) in &pasts {
                let mut here = gates::introduced(timeline, is_held);
                if !is_held(standing) && !here.iter().any(|(value, _)| value == standing) {
                    here.push((standing.clone(), timeline.since(standing)));
                }
                heres.push(here);
            }
            if !is_several {
                heres.push(gates::introduced(timeline, is_held));
            }
            for mut here in heres {
                // What came there before something that failed here had its turn.
                if let Some(failed) = self.went_back(environment, decision, timeline) {
                    here.retain(|(_, since)| *since > failed);
                }
                if let Some(running) = &running
                    && !here.iter().any(|(value, _)| *value == running.to)
                {
                    here.insert(0, (running.to.clone(), timeline.since(&timeline.known_as(&running.to))));
                }
                common = Some(match common {
                    None => here,
                    Some(others) => {
                        let both = |(value, time): (Value, Timestamp)| {
                            let (_, other) = here.iter().find(|(known, _)| *known == value)?;
                            Some((value, time.max(*other)))
                        };
                        others.into_iter().filter_map(both).collect()
                    }
                });
            }
        }
        Some(common.unwrap_or_default())
    }
}

impl Part {
    fn candidate(self) -> Candidate {
        match self {
            Self::Move(step, _) => Candidate::Move(step),
            Self::Keep | Self::Not => Candidate::Keep,
        }
    }
}
