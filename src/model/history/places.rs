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
        let part = |(touched, spots)| Part { spots, timeline: self.only(&line, &touched, current) };
        parts.into_iter().map(part).collect()
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
            asides.push(Aside { shift: reduced(&aside.shift, of_one), standing, newer });
        }
        Self { shifts, asides, spread: Vec::new(), oldest: self.oldest, whole: self.whole }
    }
}

/// Returns a shift as the chosen changes alone make it.
fn reduced(shift: &Shift, chosen: &[(usize, usize)]) -> Shift {
    let changes: Vec<Change> = chosen.iter().filter_map(|(_, index)| shift.changes.get(*index)).cloned().collect();
    let step = |change: &Change| Some((change.from.clone()?, change.to.clone()?)).filter(|(from, to)| from != to);
    Shift {
        from: changes.iter().filter_map(|change| change.from.clone()).collect(),
        to: changes.iter().filter_map(|change| change.to.clone()).collect(),
        steps: changes.iter().filter_map(step).collect(),
        changes: Vec::new(),
        commit: shift.commit.clone(),
        by: shift.by.clone(),
        word: shift.word.clone(),
        ..*shift
    }
}
