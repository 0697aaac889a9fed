//! Which images of a round are looked into, where a pass may look into no more of them: those of the first tags, whichever registry
//! tells first where its tags point.
//!
//! Entry points: [`Line::new`] and [`Turn::take`]. Asks nobody.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::model::image::Digest;

/// The wishes of a round, in their order.
pub(super) struct Line {
    waiting: Mutex<Waiting>,
}

struct Waiting {
    /// How many more images may be looked into.
    left: usize,
    /// What each wish turned out to need, once that is known.
    places: Vec<Option<Need>>,
    /// The first place of which it is not known.
    next: usize,
    /// How many images are looked into for the places before that.
    taken: usize,
    /// Whether the content is looked into, for the places before that.
    known: BTreeMap<Digest, bool>,
}

enum Need {
    /// None is to be looked into.
    Nothing,
    /// That of this content, where its digest is known; who waits for the word is told.
    Image(Option<Digest>, Option<oneshot::Sender<bool>>),
}

/// The place of one wish. Dropped, it needs nothing.
pub(super) struct Turn<'a> {
    line: &'a Line,
    place: usize,
    is_told: bool,
}

impl Line {
    /// Makes one of so many wishes, for which so many images may be looked into.
    pub(super) fn new(wishes: usize, left: usize) -> Self {
        let places = std::iter::repeat_with(|| None).take(wishes).collect();
        Self { waiting: Mutex::new(Waiting { left, places, next: 0, taken: 0, known: BTreeMap::new() }) }
    }

    /// Returns the place of a wish.
    pub(super) fn turn(&self, place: usize) -> Turn<'_> {
        Turn { line: self, place, is_told: false }
    }

    fn tell(&self, place: usize, need: Need) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.places[place] = Some(need);
        waiting.go_on();
    }
}

impl Turn<'_> {
    /// Whether an image may be looked into. Waits until that is known, which it is at once as long as there is enough for all.
    pub(super) async fn take(mut self, digest: Option<&Digest>) -> bool {
        self.is_told = true;
        let (sender, receiver) = oneshot::channel();
        let is_enough = {
            let waiting = self.line.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.taken + (self.place - waiting.next) < waiting.left
        };
        self.line.tell(self.place, Need::Image(digest.cloned(), (!is_enough).then_some(sender)));
        is_enough || receiver.await.unwrap_or(false)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_told {
            self.line.tell(self.place, Need::Nothing);
        }
    }
}

impl Waiting {
    /// Decides on every place before which nothing is unknown any more.
    fn go_on(&mut self) {
        while let Some(need) = self.places.get_mut(self.next).and_then(Option::take) {
            self.next += 1;
            let Need::Image(digest, sender) = need else { continue };
            let same = digest.as_ref().and_then(|digest| self.known.get(digest)).copied();
            let is_taken = same.unwrap_or(self.taken < self.left);
            if same.is_none() {
                self.taken += usize::from(is_taken);
                self.known.extend(digest.map(|digest| (digest, is_taken)));
            }
            // Whoever does not wait any more needs no word.
            let _unheard = sender.map(|sender| sender.send(is_taken));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn digest(digit: char) -> Digest {
        format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
    }

    #[test]
    fn the_first_in_line_are_taken_whoever_comes_first() {
        let line = Line::new(5, 2);
        let (a, b, c) = (digest('a'), digest('b'), digest('c'));
        let mut last = Box::pin(line.turn(4).take(Some(&c)));
        let mut same = Box::pin(line.turn(3).take(Some(&b)));
        assert_eq!((last.as_mut().now_or_never(), same.as_mut().now_or_never()), (None, None));
        // Enough for this one, whatever the first turns out to need.
        assert_eq!(line.turn(1).take(Some(&b)).now_or_never(), Some(true));
        drop(line.turn(2));
        assert_eq!(last.as_mut().now_or_never(), None, "the first may need one");
        assert_eq!(line.turn(0).take(Some(&a)).now_or_never(), Some(true));
        assert_eq!((last.now_or_never(), same.now_or_never()), (Some(false), Some(true)));
    }

    #[test]
    fn what_the_first_do_not_need_is_left_to_the_others() {
        let line = Line::new(3, 1);
        let mut last = Box::pin(line.turn(2).take(None));
        assert_eq!(last.as_mut().now_or_never(), None);
        drop((line.turn(0), line.turn(1)));
        assert_eq!(last.now_or_never(), Some(true));
    }
}
