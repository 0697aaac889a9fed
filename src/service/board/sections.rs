//! The sections of the overview, one for each repository: made when its last pass ended, and shown until the next one does.
//!
//! Entry point: [`Sections::all`]. Most of an overview is what it was a moment ago, and making it is by far the dearest page.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::service::board::memory::{Remembered, short};
use crate::service::board::view::{self, Overview};

/// How old a section may be that nothing happened to, in seconds: it tells ages, which the script keeps running.
const LONGEST: i64 = 30;

/// A section as it was made.
#[derive(Debug)]
struct Kept {
    /// The number of the pass that it tells of.
    pass: u64,
    /// The span of time in which it was made.
    span: i64,
    cells: usize,
    /// `None` where there was no room for it.
    text: Option<Arc<str>>,
}

/// The sections that were made, by the repositories' short names.
#[derive(Debug, Default)]
pub(super) struct Sections(Mutex<HashMap<String, Kept>>);

impl Sections {
    /// Returns the sections of as many repositories as there is room for, in so many cells, and the names of all others.
    ///
    /// # Errors
    ///
    /// What `make` says.
    pub(super) fn all<E>(
        &self,
        rows: &[(String, Remembered)],
        now: Timestamp,
        mut room: usize,
        make: impl Fn(&Overview) -> Result<String, E>,
    ) -> Result<(String, Vec<(String, String)>), E> {
        let mut before = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let mut after = HashMap::with_capacity(rows.len());
        let (mut text, mut others) = (String::new(), Vec::new());
        for (number, (url, row)) in rows.iter().enumerate() {
            let pass = row.newest();
            // They do not all become old at the same moment.
            let span = (now.as_second() + i64::try_from(number).unwrap_or_default() % LONGEST) / LONGEST;
            let known = before.remove(&row.slug).filter(|kept| kept.pass == pass);
            let mut overview = None;
            let cells = known.as_ref().map_or_else(
                || {
                    let made = overview.insert(view::overview(url, row));
                    made.images.len() * made.environments.len().max(1)
                },
                |kept| kept.cells,
            );
            // The first is always shown.
            let is_shown = cells <= room || text.is_empty();
            let section = if is_shown {
                room = room.saturating_sub(cells);
                let fresh = known.and_then(|kept| kept.text.filter(|_| kept.span == span));
                let section = match fresh {
                    Some(section) => section,
                    None => Arc::from(make(&overview.unwrap_or_else(|| view::overview(url, row)))?),
                };
                text.push_str(&section);
                Some(section)
            } else {
                others.push((short(url), row.slug.clone()));
                None
            };
            after.insert(row.slug.clone(), Kept { pass, span, cells, text: section });
        }
        // Of two who ask at once, either's is right.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = after;
        Ok((text, others))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;
    use crate::service::board::memory::{Memory, PassNote};
    use crate::service::figures::Figures;

    #[test]
    fn a_section_is_made_when_its_repository_had_a_pass_and_at_last_when_it_is_old() {
        let memory = Memory::default();
        memory.watch(["https://git.example/a/one", "https://git.example/a/two"].into_iter());
        let sections = Sections::default();
        let made = Cell::new(0);
        let at = |second: i64| Timestamp::from_second(1_790_000_010 + second).unwrap();
        let look = |second, room| {
            made.set(0);
            let make = |overview: &Overview| {
                made.set(made.get() + 1);
                Ok::<_, Infallible>(format!("[{}]", overview.name))
            };
            let (text, others) = sections.all(&memory.all(), at(second), room, make).unwrap();
            (text, others.len(), made.get())
        };
        assert_eq!(look(0, 10), ("[a/one][a/two]".to_owned(), 0, 2));
        assert_eq!(look(1, 10), ("[a/one][a/two]".to_owned(), 0, 0));
        let note = PassNote {
            began: at(0),
            milliseconds: 1,
            cause: "schedule",
            result: "done",
            requests: 0,
            figures: Figures::default(),
            log: Vec::new(),
            reason: None,
        };
        memory.note("https://git.example/a/two", note, None, 0);
        assert_eq!(look(2, 10), ("[a/one][a/two]".to_owned(), 0, 1), "of the one that had a pass");
        assert_eq!(look(3, 10).2, 0);
        assert_eq!(look(3 + LONGEST, 10).2, 2, "ages are told anew");
        memory.watch(["https://git.example/a/two"].into_iter());
        assert_eq!(look(4 + LONGEST, 10).0, "[a/two]");
        assert_eq!(sections.0.lock().unwrap().len(), 1, "what is gone is forgotten");
    }
}
