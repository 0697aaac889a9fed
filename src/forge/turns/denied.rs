//! What a forge has denied: the very same order is not given again while nothing is known that could change the answer.
//!
//! Entry points: [`Order::denied`] and [`Order::deny`]. What could change it is up to who orders, and tells one order from another. Since not
//! all of that is told by a forge, each one is given again after a while, and after twice as long each time. Keeps no order that was taken.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::forge::ForgeError;
use crate::forge::turns::{Turn, hash};

/// After how long what was denied once is ordered again, in seconds; where something has happened meanwhile, also what was denied more often. A
/// trouble that passes by itself is over by then.
const SOONEST: i64 = 600;

/// The longest time in which nothing is ordered again, in seconds: for as long an answer may count, too.
const LATEST: i64 = super::kept::OLDEST;

/// The most orders that are remembered of a repository.
const MOST: usize = 1_000;

/// An order, with everything that is known to decide whether a forge takes it.
#[derive(Debug, Clone)]
pub struct Order {
    turn: Turn,
    key: [u8; 32],
}

/// What a denial means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Means {
    /// It is no error.
    Waits,
    /// See [`ForgeError::Skip`].
    Skip,
    /// See [`ForgeError::Stop`].
    Stop,
}

/// How a forge denied an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    words: String,
    means: Means,
}

impl Denial {
    /// Makes one that is no error: the forge says in these words that it does not do it.
    pub fn of(words: String) -> Self {
        Self { words, means: Means::Waits }
    }

    /// Makes one of an error; `None` where the forge was not heard.
    pub fn of_error(error: &ForgeError) -> Option<Self> {
        match error {
            ForgeError::Later { .. } => None,
            ForgeError::Skip(words) => Some(Self { words: words.clone(), means: Means::Skip }),
            ForgeError::Stop(words) => Some(Self { words: words.clone(), means: Means::Stop }),
        }
    }

    /// Returns it in other words.
    #[must_use]
    pub fn worded(self, worded: impl FnOnce(&str) -> String) -> Self {
        Self { words: worded(&self.words), ..self }
    }

    /// Returns the forge's words.
    ///
    /// # Errors
    ///
    /// Those with which the forge denied it, where that was one.
    pub fn told(self) -> Result<String, ForgeError> {
        match self.means {
            Means::Waits => Ok(self.words),
            Means::Skip => Err(ForgeError::Skip(self.words)),
            Means::Stop => Err(ForgeError::Stop(self.words)),
        }
    }
}

/// A denial as it is remembered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Denied {
    denial: Denial,
    /// When, in seconds since 1970.
    second: i64,
    /// After how many seconds it is ordered again, if nothing happens.
    wait: i64,
}

impl Denied {
    /// Whether it counts, with whatever has happened since or without.
    fn counts(&self, now: i64, is_quiet: bool) -> bool {
        let wait = if is_quiet { self.wait } else { SOONEST };
        // Where the clock was put back nobody knows.
        (self.second..self.second + wait).contains(&now)
    }

    fn until(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.second + self.wait).ok()
    }
}

/// The denials of a repository.
#[derive(Debug, Default)]
pub(super) struct Denials(HashMap<[u8; 32], Denied>);

impl Denials {
    /// Lets every order be given again.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns them for another process.
    pub(super) fn kept(&self) -> Vec<([u8; 32], Denied)> {
        self.0.iter().map(|(order, denied)| (*order, denied.clone())).collect()
    }

    /// Takes those of another process.
    pub(super) fn restored(kept: Vec<([u8; 32], Denied)>) -> Self {
        Self(kept.into_iter().take(MOST).collect())
    }

    fn hear(&mut self, order: [u8; 32], denial: Denial, now: i64) {
        let before = self.0.remove(&order);
        // What was not ordered again for so long nobody wants any more.
        self.0.retain(|_, denied| (denied.second..denied.second + 2 * LATEST).contains(&now));
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, denied)| denied.second).map(|(order, _)| *order)
        {
            self.0.remove(&oldest);
        }
        let wait = before.map_or(SOONEST, |before| (2 * before.wait).min(LATEST));
        self.0.insert(order, Denied { denial, second: now, wait });
    }
}

impl Order {
    /// Makes one that is given in a pass, out of the number of whoever gives it and of what tells it from others.
    pub fn of(turn: &Turn, asker: u64, parts: &[&str]) -> Self {
        let asker = asker.to_be_bytes();
        let parts: Vec<&[u8]> = [&asker[..]].into_iter().chain(parts.iter().map(|part| part.as_bytes())).collect();
        Self { turn: turn.clone(), key: hash(&parts) }
    }

    /// Returns how the forge has denied the very same one, while that counts, and until when it does at most. Whoever gives it nevertheless
    /// says by [`Order::deny`] or [`Order::take`] what came of it, where that was heard.
    pub fn denied(&self) -> Option<(Denial, Timestamp)> {
        let pass = self.turn.0.as_ref()?;
        let is_quiet = pass.state().is_quiet;
        let store = pass.turns.store();
        let denied = store.repositories.get(&pass.repository)?.denials.0.get(&self.key)?;
        denied.counts(pass.second, is_quiet).then(|| Some((denied.denial.clone(), denied.until()?)))?
    }

    /// Takes note that it was denied. Returns until when it is not given again at most.
    pub fn deny(&self, denial: Denial) -> Option<Timestamp> {
        let pass = self.turn.0.as_ref()?;
        let mut store = pass.turns.store();
        let denials = &mut store.repositories.get_mut(&pass.repository)?.denials;
        denials.hear(self.key, denial, pass.second);
        denials.0.get(&self.key)?.until()
    }

    /// Takes note that it was taken.
    pub fn take(&self) {
        let Some(pass) = &self.turn.0 else { return };
        if let Some(memory) = pass.turns.store().repositories.get_mut(&pass.repository) {
            memory.denials.0.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::forge::turns::{Impulse, Turns};

    const PLACE: &str = "acme/gitops";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn order(turn: &Turn, number: usize) -> Order {
        Order::of(turn, 7, &["merge", &number.to_string()])
    }

    fn no() -> Denial {
        Denial::of("no".to_owned())
    }

    /// Runs a pass in a process of its own, in which this is ordered and denied; returns what it keeps.
    fn process(bytes: Option<&[u8]>, now: Timestamp) -> (bool, Option<Vec<u8>>) {
        let turns: Arc<Turns> = Arc::default();
        bytes.into_iter().for_each(|bytes| turns.restore(PLACE, bytes, now));
        let turn = turns.begin(PLACE, Impulse::Routine, now);
        let is_due = order(&turn, 1).denied().is_none();
        if is_due {
            turn.may_act();
            order(&turn, 1).deny(no());
        }
        (is_due, turns.kept(PLACE, now, Some(now)))
    }

    #[test]
    fn what_was_denied_is_ordered_again_after_twice_as_long_each_time() {
        let (mut bytes, mut due) = (None, Vec::new());
        for minute in 0..=3 * 1_440 {
            let (is_due, next) = process(bytes.as_deref(), at(60 * minute));
            bytes = next;
            due.extend(is_due.then_some(minute));
        }
        assert_eq!(due, [0, 10, 30, 70, 150, 310, 630, 1270, 1990, 2710, 3430, 4150]);
    }

    #[test]
    fn another_order_is_given_and_all_are_where_somebody_asks_for_that() {
        let turns: Arc<Turns> = Arc::default();
        let turn = turns.begin(PLACE, Impulse::Routine, at(0));
        assert_eq!(order(&turn, 1).deny(no()), Some(at(SOONEST)));
        let denied = |impulse, number, second| order(&turns.begin(PLACE, impulse, at(second)), number).denied();
        assert_eq!(denied(Impulse::Routine, 1, 1), Some((no(), at(SOONEST))));
        assert_eq!(denied(Impulse::Routine, 2, 1), None);
        assert!(Order::of(&turn, 8, &["merge", "1"]).denied().is_none(), "another may be let");
        assert_eq!(denied(Impulse::Routine, 1, -1), None, "the clock was put back");
        assert!(denied(Impulse::News, 1, 1).is_some(), "what happens says nothing of this one");
        assert_eq!(denied(Impulse::Everything, 1, 1), None);
        assert_eq!(denied(Impulse::Routine, 1, 1), None);
        let alone = order(&Turn::default(), 1);
        assert_eq!((alone.deny(no()), alone.denied()), (None, None));
    }

    #[test]
    fn what_was_denied_often_is_ordered_sooner_where_something_has_happened() {
        let turns: Arc<Turns> = Arc::default();
        let begin = |impulse, second| turns.begin(PLACE, impulse, at(second));
        for second in [0, SOONEST, 3 * SOONEST] {
            order(&begin(Impulse::Routine, second), 1).deny(no());
        }
        let denied = |impulse, second| order(&begin(impulse, 3 * SOONEST + second), 1).denied().is_some();
        assert!(denied(Impulse::Routine, 4 * SOONEST - 1) && !denied(Impulse::Routine, 4 * SOONEST));
        assert!(denied(Impulse::News, SOONEST - 1) && !denied(Impulse::News, SOONEST));
        let turn = begin(Impulse::Routine, 4 * SOONEST);
        assert!(order(&turn, 1).denied().is_some());
        turn.doubt();
        assert_eq!(order(&turn, 1).denied(), None, "an answer was another one");
    }

    #[test]
    fn what_was_taken_is_forgotten_and_only_so_much_is_kept() {
        let turns: Arc<Turns> = Arc::default();
        let begin = |second: usize| turns.begin(PLACE, Impulse::Routine, at(second as i64));
        order(&begin(0), 0).deny(no());
        order(&begin(1), 0).take();
        assert_eq!(order(&begin(1), 0).denied(), None);
        for number in 0..=MOST {
            order(&begin(number / 10), number).deny(no());
        }
        let turn = begin(MOST / 10);
        assert_eq!((0..=MOST).filter(|number| order(&turn, *number).denied().is_some()).count(), MOST);
        order(&begin(2 * LATEST as usize + MOST), MOST + 1).deny(no());
        assert_eq!(turns.store().repositories[PLACE].denials.0.len(), 1);
    }

    #[test]
    fn an_error_stays_one_and_what_was_not_heard_is_none() {
        let later = ForgeError::Later { after: None, reason: "down".to_owned() };
        assert_eq!(Denial::of_error(&later), None);
        for error in [ForgeError::Skip("no".to_owned()), ForgeError::Stop("no".to_owned())] {
            assert_eq!(Denial::of_error(&error).unwrap().told(), Err(error));
        }
        assert_eq!(Denial::of("no".to_owned()).told(), Ok("no".to_owned()));
    }
}
