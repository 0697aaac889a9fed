//! What the passes of a repository were told, as bytes for the next process that runs one.
//!
//! Entry points: [`Turns::kept`] and [`Turns::restore`]. The bytes hold questions, answers and hashes, and nothing by which anybody asks.
//! What cannot be read, is of another version or was told long ago is asked: it is as if nothing had been kept.

use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::forge::turns::denied::{Denials, Denied};
use crate::forge::turns::{Known, MOST, Memory, Question, Told, Turns, cost};

/// What tells these bytes from those of other versions.
const FORM: &str = concat!("2 ", env!("CARGO_PKG_VERSION"));

/// About the most bytes that are kept of one repository.
const MOST_KEPT: usize = 4 << 20;

/// How old an answer may be, in seconds: passes that come seldom ask for everything, and others see what has changed within this time.
pub(super) const OLDEST: i64 = 12 * 3_600;

#[derive(Serialize, Deserialize)]
struct Kept {
    form: String,
    /// From when on something may move without anybody's doing.
    until: Option<Timestamp>,
    /// What the pass has seen beside the answers.
    seen: Vec<[u8; 32]>,
    /// The one that was asked for longest ago comes first.
    answers: Vec<Answer>,
    /// What the forge has denied.
    denials: Vec<([u8; 32], Denied)>,
}

#[derive(Serialize, Deserialize)]
struct Answer {
    owner: u64,
    url: String,
    asked: Option<[u8; 32]>,
    second: i64,
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    /// Writes an answer down; one that is no text is asked for again.
    fn of(question: &Question, known: &Known, now: Timestamp) -> Option<Self> {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        Some(Self {
            owner: question.owner,
            url: question.url.to_string(),
            asked: question.body,
            second: known.second.unwrap_or_else(|| now.as_second()),
            status: known.told.status.as_u16(),
            headers: known.told.headers.iter().map(header).collect::<Option<_>>()?,
            body: std::str::from_utf8(&known.told.body).ok()?.to_owned(),
        })
    }

    fn read(self) -> Option<(Question, Told)> {
        let question = Question { owner: self.owner, url: self.url.parse().ok()?, body: self.asked };
        let header = |(name, value): &(String, String)| {
            Some((name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?))
        };
        let headers = self.headers.iter().map(header).collect::<Option<HeaderMap>>()?;
        let told = Told { status: StatusCode::from_u16(self.status).ok()?, headers, body: Bytes::from(self.body) };
        told.is_plain().then_some((question, told))
    }
}

impl Turns {
    /// Returns what the newest pass of a repository was told and what still holds of it, for another process; nothing where that spares no
    /// question and no order. From `until` on everything is to be asked.
    pub fn kept(&self, repository: &str, now: Timestamp, until: Option<Timestamp>) -> Option<Vec<u8>> {
        let store = self.store();
        let memory = store.repositories.get(repository)?;
        let mut known: Vec<_> = memory.answers.iter().filter(|(_, known)| known.pass == memory.pass).collect();
        known.sort_by_key(|(_, known)| known.asked);
        let mut room = MOST_KEPT;
        let answers = known.into_iter().filter_map(|(question, known)| {
            let left = room.checked_sub(cost(question, &known.told))?;
            let answer = Answer::of(question, known, now)?;
            room = left;
            Some(answer)
        });
        let answers: Vec<Answer> = answers.collect();
        let denials = memory.denials.kept();
        if answers.is_empty() && denials.is_empty() {
            return None;
        }
        let seen = memory.seen.iter().copied().collect();
        serde_json::to_vec(&Kept { form: FORM.to_owned(), until, seen, answers, denials }).ok()
    }

    /// Takes what another process was told, where no pass of the repository was here yet.
    pub fn restore(&self, repository: &str, bytes: &[u8], now: Timestamp) {
        let Some(mut kept) = read(bytes) else { return };
        if kept.until.is_some_and(|until| until <= now) {
            // Whoever asks for everything has still been denied what was ordered.
            kept.answers.clear();
        }
        let young = now.as_second() - OLDEST..=now.as_second();
        let mut store = self.store();
        let mut asked = store.asked;
        // The oldest one is asked for anyway.
        let held = kept.answers.into_iter().enumerate();
        let held = held.filter(|(place, answer)| *place == 0 || young.contains(&answer.second));
        let known = held.map(|(_, answer)| {
            asked += 1;
            let second = Some(answer.second);
            let (question, told) = answer.read()?;
            Some((question, Known { told, pass: 1, asked, second }))
        });
        let Some(answers) = known.collect::<Option<HashMap<_, _>>>() else { return };
        let bytes: usize = answers.iter().map(|(question, known)| cost(question, &known.told)).sum();
        if store.repositories.contains_key(repository) || store.bytes + bytes > MOST {
            return;
        }
        (store.asked, store.bytes) = (asked, store.bytes + bytes);
        let (seen, denials) = (kept.seen.into_iter().collect(), Denials::restored(kept.denials));
        let memory = Memory { pass: 1, answers, seen, denials, ..Memory::default() };
        store.repositories.insert(repository.to_owned(), memory);
    }
}

fn read(bytes: &[u8]) -> Option<Kept> {
    serde_json::from_slice(bytes).ok().filter(|kept: &Kept| kept.form == FORM)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::forge::turns::{Impulse, LONGEST, Turn};

    const PLACE: &str = "acme/gitops";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    fn question(number: usize) -> Question {
        Question::with(7, &format!("https://forge.example/{number}").parse().unwrap(), "query")
    }

    fn told(body: &[u8]) -> Told {
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-total-count"), HeaderValue::from_static("2"))]);
        Told { status: StatusCode::OK, headers, body: Bytes::copy_from_slice(body) }
    }

    /// Asks all these questions in a pass; returns which were not answered by what was told before.
    fn ask(turn: &Turn, questions: usize, body: &[u8]) -> Vec<usize> {
        turn.sees(&[b"list"]);
        let asked = |number: &usize| match turn.recall(&question(*number)) {
            Some(before) => {
                assert_eq!(before, told(body));
                false
            }
            None => {
                turn.keep(question(*number), told(body));
                true
            }
        };
        (0..questions).filter(asked).collect()
    }

    /// Runs a pass in a process of its own; returns what it asked, and what it keeps.
    fn process(bytes: Option<&[u8]>, now: Timestamp, until: Option<Timestamp>) -> (Vec<usize>, Option<Vec<u8>>) {
        let turns: Arc<Turns> = Arc::default();
        bytes.into_iter().for_each(|bytes| turns.restore(PLACE, bytes, now));
        let asked = ask(&turns.begin(PLACE, Impulse::Routine, at(0)), 3, b"{}");
        (asked, turns.kept(PLACE, now, until))
    }

    #[test]
    fn processes_that_follow_each_other_ask_in_turns() {
        let (asked, mut bytes) = process(None, at(0), None);
        assert_eq!(asked, [0, 1, 2]);
        for (pass, oldest) in [0, 1, 2, 0, 1].into_iter().enumerate() {
            let (asked, next) = process(bytes.as_deref(), at(600 * pass as i64), None);
            assert_eq!(asked, [oldest]);
            bytes = next;
        }
    }

    #[test]
    fn what_was_told_long_ago_or_later_than_now_is_asked_and_all_of_it_where_something_may_move() {
        let (_, bytes) = process(None, at(0), None);
        let (asked, bytes) = process(bytes.as_deref(), at(OLDEST - 1), None);
        assert_eq!(asked, [0]);
        assert_eq!(process(bytes.as_deref(), at(OLDEST), None).0, [1]);
        let (asked, bytes) = process(bytes.as_deref(), at(OLDEST + 1), None);
        assert_eq!(asked, [1, 2]);
        assert_eq!(process(bytes.as_deref(), at(0), None).0, [0, 1, 2], "the clock was put back");

        let (_, bytes) = process(None, at(0), Some(at(60)));
        assert_eq!(process(bytes.as_deref(), at(59), None).0, [0]);
        assert_eq!(process(bytes.as_deref(), at(60), None).0, [0, 1, 2]);
    }

    #[test]
    fn what_is_not_whole_counts_for_nothing_and_what_is_here_already_stays() {
        let bytes = process(None, at(0), None).1.unwrap();
        for end in 0..bytes.len() {
            assert_eq!(process(Some(&bytes[..end]), at(0), None).0, [0, 1, 2], "{end}");
        }
        let turns: Arc<Turns> = Arc::default();
        assert_eq!(ask(&turns.begin(PLACE, Impulse::Routine, at(0)), 3, b"newer"), [0, 1, 2]);
        turns.restore(PLACE, &bytes, at(0));
        assert_eq!(ask(&turns.begin(PLACE, Impulse::Routine, at(0)), 3, b"newer"), [0]);
    }

    #[test]
    fn what_was_told_before_something_was_done_is_not_kept_nor_what_is_no_text_nor_more_than_there_is_room_for() {
        let turns: Arc<Turns> = Arc::default();
        let kept = |turns: &Turns| turns.kept(PLACE, at(0), None);
        let turn = turns.begin(PLACE, Impulse::Routine, at(0));
        ask(&turn, 3, b"{}");
        assert!(kept(&turns).is_some() && turn.may_act());
        assert_eq!((kept(&turns), turns.kept("acme/other", at(0), None)), (None, None));
        ask(&turns.begin(PLACE, Impulse::News, at(0)), 3, b"\xff");
        assert_eq!(kept(&turns), None);

        let long = vec![b'x'; LONGEST - 1024];
        ask(&turns.begin(PLACE, Impulse::News, at(0)), 10, &long);
        let (bytes, next) = (kept(&turns).unwrap(), Arc::<Turns>::default());
        assert!(bytes.len() < MOST_KEPT + (64 << 10), "{}", bytes.len());
        next.restore(PLACE, &bytes, at(0));
        assert_eq!(ask(&next.begin(PLACE, Impulse::Routine, at(0)), 10, &long), [0, 4, 5, 6, 7, 8, 9]);
    }
}
