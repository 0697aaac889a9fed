//! The past of single places: one image may stand at several of an environment, and each has its own.
//!
//! Entry point: [`Timeline::parted`]. Which place was which before a file was moved is the walk's to tell; where it
//! cannot, a place has several pasts, and nobody chooses among them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::history::{Aside, Shift, Timeline};
use crate::model::site::{Spot, Value};

/// What one commit did to places: the same to all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The places, as they are found today; of one that is gone, as it was found last.
    pub spots: BTreeSet<Spot>,
    /// What stood there before; `None` where nothing of the image did.
    pub from: Option<Value>,
    /// What stood there after it; `None` where nothing of the image did.
    pub to: Option<Value>,
}

/// A commit that changed at which places values stand, and neither what runs nor what gave way to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// The commit.
    pub shift: Shift,
    /// How many shifts of the line are newer.
    pub newer: usize,
}

/// Places that have one and the same past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The places.
    pub spots: BTreeSet<Spot>,
    /// What stood there.
    pub timeline: Timeline,
}

/// Which changes concern a place: positions among the shifts of the line, and beside it, with those of their changes.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Touched {
    on_line: Vec<(usize, usize)>,
    beside: Vec<(usize, usize)>,
}

impl Timeline {
    /// Tells the past of each of some places that run one version now; places with the same past come together.
    pub fn parted(&self, spots: &BTreeSet<Spot>, current: &Value) -> Vec<Part> {
        let line = self.with_spread();
        let mut touched: BTreeMap<&Spot, Touched> = spots.iter().map(|spot| (spot, Touched::default())).collect();
        let mut note = |shift: &Shift, at: usize, is_beside: bool| {
            for (index, change) in shift.changes.iter().enumerate() {
                // The smaller of both is gone through.
                let both: Vec<&Spot> = if change.spots.len() < spots.len() {
                    change.spots.iter().filter(|spot| spots.contains(*spot)).collect()
                } else {
                    spots.iter().filter(|spot| change.spots.contains(*spot)).collect()
                };
                for spot in both {
                    if let Some(touched) = touched.get_mut(spot) {
                        let list = if is_beside { &mut touched.beside } else { &mut touched.on_line };
                        list.push((at, index));
                    }
                }
            }
        };
        for (at, (shift, _)) in line.iter().enumerate() {
            note(shift, at, false);
        }
        for (at, aside) in self.asides.iter().enumerate() {
            note(&aside.shift, at, true);
        }
        let mut parts: BTreeMap<Touched, BTreeSet<Spot>> = BTreeMap::new();
        for (spot, touched) in touched {
            parts.entry(touched).or_default().insert(spot.clone());
        }
        let part = |(touched, spots)| {
            let mut timeline = self.only(&line, &touched, current);
            self.settle(&mut timeline, (&line, &touched), (&spots, current));
            Part { spots, timeline }
        };
        parts.into_iter().map(part).collect()
    }

    /// Lets the newest commit that brought what runs to any place have brought it to some, where none did and it did not
    /// stand there before all of them either: it is lost which places they were, and nothing has run since before it came.
    fn settle(
        &self,
        part: &mut Self,
        (line, touched): (&[(&Shift, usize)], &Touched),
        (spots, current): (&BTreeSet<Spot>, &Value),
    ) {
        let is_digest = |value: &Value| match (&value.digest, &current.digest) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        let is_it = |value: &Value| value.tag == current.tag && is_digest(value);
        let has_stood = |spot: &Spot| self.stood.get(spot).is_some_and(|stood| stood.iter().any(is_it));
        if part.deployed(&part.known_as(current)).is_some() || spots.iter().all(has_stood) {
            return;
        }
        let comes = |(at, (shift, _)): (usize, &(&Shift, usize))| {
            let from_other = |from: &Option<Value>| !from.as_ref().is_some_and(is_it);
            let mut came =
                shift.changes.iter().filter(|change| from_other(&change.from)).filter_map(|change| change.to.as_ref());
            let in_place = || shift.steps.iter().find(|(left, came)| is_it(came) && !is_it(left)).map(|(_, came)| came);
            let anew = || shift.to.iter().find(|value| is_it(value) && !shift.from.contains(*value));
            Some((at, came.find(|value| is_it(value)).or_else(in_place).or_else(anew)?.clone()))
        };
        let Some((at, value)) = line.iter().enumerate().find_map(comes) else { return };
        let newer: BTreeSet<usize> = touched.on_line.iter().map(|(at, _)| *at).filter(|own| *own < at).collect();
        let mut shift = reduced(line[at].0, &[]);
        shift.to.insert(value);
        part.shifts.insert(newer.len(), shift);
        for aside in part.asides.iter_mut().filter(|aside| aside.newer > newer.len()) {
            aside.newer += 1;
        }
    }

    /// Returns the shifts and what only spread, newest first, each with how many shifts are newer.
    fn with_spread(&self) -> Vec<(&Shift, usize)> {
        let mut line = Vec::with_capacity(self.shifts.len() + self.spread.len());
        let mut spread = self.spread.iter().peekable();
        for (newer, shift) in self.shifts.iter().enumerate() {
            while let Some(only) = spread.next_if(|only| only.newer <= newer) {
                line.push((&only.shift, only.newer));
            }
            line.push((shift, newer));
        }
        line.extend(spread.map(|only| (&only.shift, only.newer)));
        line
    }

    /// Returns what the chosen changes alone come to.
    fn only(&self, line: &[(&Shift, usize)], touched: &Touched, current: &Value) -> Self {
        let mut shifts: Vec<Shift> = Vec::new();
        let mut newer_of: Vec<usize> = Vec::new();
        for of_one in touched.on_line.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((shift, newer)) = of_one.first().and_then(|(at, _)| line.get(*at)) else { continue };
            shifts.push(reduced(shift, of_one));
            newer_of.push(*newer);
        }
        let mut asides: Vec<Aside> = Vec::new();
        for of_one in touched.beside.chunk_by(|(one, _), (other, _)| one == other) {
            let Some(aside) = of_one.first().and_then(|(at, _)| self.asides.get(*at)) else { continue };
            let newer = newer_of.iter().filter(|newer| **newer < aside.newer).count();
            let standing = match newer.checked_sub(1).and_then(|last| shifts.get(last)) {
                Some(last) => last.from.clone(),
                None => BTreeSet::from([current.clone()]),
            };
            asides.push(Aside { shift: reduced(&aside.shift, of_one), standing, newer, was_here: aside.was_here });
        }
        let (spread, stood) = (Vec::new(), BTreeMap::new());
        Self { shifts, asides, spread, stood, oldest: self.oldest, whole: self.whole }
    }
}

/// Returns a shift as the chosen changes alone make it.
fn reduced(shift: &Shift, chosen: &[(usize, usize)]) -> Shift {
    let changes: Vec<Change> = chosen.iter().filter_map(|(_, index)| shift.changes.get(*index)).cloned().collect();
    let step = |change: &Change| Some((change.from.clone()?, change.to.clone()?)).filter(|(from, to)| from != to);
    let is_new =
        |value: &Value| changes.iter().any(|change| change.from.is_none() && change.to.as_ref() == Some(value));
    Shift {
        // What came to a place out of nothing is new there, also where it went from another one that became it.
        from: changes.iter().filter_map(|change| change.from.clone()).filter(|value| !is_new(value)).collect(),
        to: changes.iter().filter_map(|change| change.to.clone()).collect(),
        steps: changes.iter().filter_map(step).collect(),
        changes: Vec::new(),
        commit: shift.commit.clone(),
        by: shift.by.clone(),
        word: shift.word.clone(),
        ..*shift
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::commit::CommitId;
    use crate::model::file::RepoPath;
    use crate::model::history::{Mover, Word};
    use crate::model::image::Tag;

    fn value(tag: &str) -> Value {
        Value { tag: Some(tag.parse::<Tag>().unwrap()), digest: None }
    }

    fn spot(file: &str) -> Spot {
        Spot { file: RepoPath::new(file).unwrap(), ordinal: 0 }
    }

    /// A commit that raised what one place ran from 1.4.0 to 1.5.0, so many seconds after the beginning.
    fn raised(seconds: i64, spots: &[Spot]) -> Shift {
        let (from, to) = (value("1.4.0"), value("1.5.0"));
        let time =
            "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_secs(seconds);
        Shift {
            commit: CommitId::of_none(),
            time,
            landed: time,
            by: Mover::Tagboat,
            word: Word::default(),
            steps: BTreeSet::from([(from.clone(), to.clone())]),
            changes: vec![Change {
                spots: spots.iter().cloned().collect(),
                from: Some(from.clone()),
                to: Some(to.clone()),
            }],
            from: BTreeSet::from([from]),
            to: BTreeSet::from([to]),
        }
    }

    #[test]
    fn what_no_commit_brought_to_a_place_where_it_did_not_stand_before_them_all_came_with_the_newest_that_brought_it() {
        let known = spot("a.yaml");
        let shifts = vec![raised(20, &[]), raised(10, std::slice::from_ref(&known))];
        let oldest = "2026-01-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap();
        let mut timeline =
            Timeline { shifts, asides: Vec::new(), spread: Vec::new(), stood: BTreeMap::new(), oldest, whole: true };
        let since = |timeline: &Timeline, file: &str| {
            let parts = timeline.parted(&BTreeSet::from([spot(file)]), &value("1.5.0"));
            let past = &parts.first().unwrap().timeline;
            assert_eq!(past.deployed(&value("1.5.0")).is_some(), past.since(&value("1.5.0")) > oldest);
            past.since(&value("1.5.0")).duration_since(oldest).as_secs()
        };
        assert_eq!((since(&timeline, "a.yaml"), since(&timeline, "b.yaml")), (10, 20));
        // It stood there before, and nothing has happened there since.
        timeline.stood.insert(spot("b.yaml"), BTreeSet::from([value("1.5.0")]));
        assert_eq!((since(&timeline, "a.yaml"), since(&timeline, "b.yaml")), (10, 0));
        // Something else did.
        timeline.stood.insert(spot("b.yaml"), BTreeSet::from([value("1.4.0")]));
        assert_eq!(since(&timeline, "b.yaml"), 20);
    }
}
