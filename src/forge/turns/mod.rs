//! Whose turn it is to be asked: in a pass in which nothing has changed, one question about a repository is asked again, and the others
//! are answered by what the pass before was told.
//!
//! Entry points: [`Turns::begin`] and [`Turn::may_act`]; of what a forge has denied, [`denied`]. Nothing may rest on what was not asked in the same pass: whoever is about to
//! change something asks first whether it may, and where it may not, the pass begins again and asks for everything. What the list of
//! pull requests begins with is never answered from here. Asks nobody.

pub mod denied;
mod kept;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::forge::turns::denied::Denials;

/// The most bytes that are kept of all repositories, with what an answer costs beside its body. What finds no room is asked in
/// each pass.
const MOST: usize = 32 << 20;

/// The longest answer that is kept.
const LONGEST: usize = 1 << 20;

/// About what an answer costs beside its URL and its body.
const BESIDE: usize = 512;

/// Why a pass begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Impulse {
    /// It was its time.
    Routine,
    /// Somebody said that something has happened: everything is asked.
    News,
    /// Somebody wants everything asked, and ordered again what the forge has denied.
    Everything,
}

/// What is asked, and by whom: another may be answered otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    owner: u64,
    url: Url,
    body: Option<[u8; 32]>,
}

impl Question {
    /// Asks for what stands at a URL.
    pub(super) fn of(owner: u64, url: &Url) -> Self {
        Self { owner, url: url.clone(), body: None }
    }

    /// Asks at a URL what the body says.
    pub(super) fn with(owner: u64, url: &Url, body: &str) -> Self {
        Self { owner, url: url.clone(), body: Some(hash(&[body.as_bytes()])) }
    }
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    /// The status.
    pub(super) status: StatusCode,
    /// The headers that are read.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) body: Bytes,
}

impl Told {
    /// Whether it is an answer, and not a trouble that may pass by itself.
    fn is_plain(&self) -> bool {
        matches!(self.status, StatusCode::OK | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
    }
}

#[derive(Debug)]
struct Known {
    told: Told,
    /// The newest pass that wanted it.
    pass: u64,
    /// Its place in the order in which everything was asked.
    asked: u64,
    /// When another process was told so, in seconds since 1970; nothing where it was this one.
    second: Option<i64>,
}

/// What passes of one repository were told.
#[derive(Debug, Default)]
struct Memory {
    /// The number of the newest pass. What changes in the middle of one begins another number: nothing that was told before holds for
    /// the next.
    pass: u64,
    answers: HashMap<Question, Known>,
    /// What the newest pass has seen beside the answers.
    seen: HashSet<[u8; 32]>,
    /// What the one before it had.
    seen_before: HashSet<[u8; 32]>,
    /// What the forge has denied.
    denials: Denials,
}

#[derive(Debug, Default)]
struct Store {
    repositories: HashMap<String, Memory>,
    bytes: usize,
    asked: u64,
}

impl Store {
    fn forget(&mut self, repository: &str, is_gone: impl Fn(&Question, &Known) -> bool) {
        let Some(memory) = self.repositories.get_mut(repository) else { return };
        let gone = memory.answers.extract_if(|question, known| is_gone(question, known));
        self.bytes -= gone.map(|(question, known)| cost(&question, &known.told)).sum::<usize>();
    }
}

/// What passes were told, of every repository.
#[derive(Debug, Default)]
pub struct Turns(Mutex<Store>);

impl Turns {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a pass of a repository, at a moment of the real clock.
    pub fn begin(self: &Arc<Self>, repository: &str, impulse: Impulse, now: Timestamp) -> Turn {
        let mut store = self.store();
        let memory = store.repositories.entry(repository.to_owned()).or_default();
        let before = memory.pass;
        memory.pass += 1;
        memory.seen_before = std::mem::take(&mut memory.seen);
        if impulse == Impulse::Everything {
            memory.denials.clear();
        }
        // What the pass before did not want nobody has looked at for longer.
        store.forget(repository, |_, known| known.pass != before || impulse != Impulse::Routine);
        let mut due: HashMap<u64, (u64, Question)> = HashMap::new();
        for (question, known) in store.repositories.get(repository).into_iter().flat_map(|memory| &memory.answers) {
            let oldest = due.entry(question.owner).or_insert_with(|| (known.asked, question.clone()));
            if known.asked < oldest.0 {
                *oldest = (known.asked, question.clone());
            }
        }
        drop(store);
        let due = due.into_iter().map(|(owner, (_, question))| (owner, question)).collect();
        let state = State { is_quiet: impulse == Impulse::Routine, due, ..State::default() };
        let (turns, repository) = (Arc::clone(self), repository.to_owned());
        Turn(Some(Arc::new(Pass { turns, repository, second: now.as_second(), state: Mutex::new(state) })))
    }

    /// Takes note that somebody else has seen something happen: the next pass asks for everything.
    pub fn doubt(&self, repository: &str) {
        self.store().forget(repository, |_, _| true);
    }
}

#[derive(Debug, Default)]
struct State {
    /// Whether nothing is known to have changed so far.
    is_quiet: bool,
    /// Whether something was answered that was not asked.
    has_recalled: bool,
    /// Whether something was to be done then.
    is_stale: bool,
    /// How often the pass has begun again.
    times_begun_again: u32,
    /// What is asked in this pass, by who asks: the question whose answer is the oldest.
    due: HashMap<u64, Question>,
}

#[derive(Debug)]
struct Pass {
    turns: Arc<Turns>,
    repository: String,
    /// When it began, in seconds since 1970.
    second: i64,
    state: Mutex<State>,
}

impl Pass {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stir(&self, state: &mut State) {
        state.is_quiet = false;
        if let Some(memory) = self.turns.store().repositories.get_mut(&self.repository) {
            memory.pass += 1;
        }
    }
}

/// One pass: what of it is asked, and what was told before. The default asks for everything, as a pass of its own does.
#[derive(Debug, Clone, Default)]
pub struct Turn(Option<Arc<Pass>>);

impl Turn {
    /// Takes note of something that has an influence on answers: where the pass before did not see the same, everything is asked.
    pub fn sees(&self, parts: &[&[u8]]) {
        let Some(pass) = &self.0 else { return };
        let mut state = pass.state();
        let is_new = pass.turns.store().repositories.get_mut(&pass.repository).is_some_and(|memory| {
            let print = hash(parts);
            memory.seen.insert(print);
            !memory.seen_before.contains(&print)
        });
        if is_new && state.is_quiet {
            pass.stir(&mut state);
        }
    }

    /// Says that something is about to be changed, and whether it may be: not where anything was answered that was not asked. From
    /// then on everything is asked.
    pub fn may_act(&self) -> bool {
        let Some(pass) = &self.0 else { return true };
        let mut state = pass.state();
        pass.stir(&mut state);
        state.is_stale |= state.has_recalled;
        !state.is_stale
    }

    /// Takes note that something is not as it was told: from now on everything is asked.
    pub(super) fn doubt(&self) {
        if let Some(pass) = &self.0 {
            pass.stir(&mut pass.state());
        }
    }

    /// Whether something was to be changed that may not be: what the pass has come to counts for nothing.
    pub fn is_stale(&self) -> bool {
        self.0.as_ref().is_some_and(|pass| pass.state().is_stale)
    }

    /// Whether something was answered that was not asked.
    pub fn has_recalled(&self) -> bool {
        self.0.as_ref().is_some_and(|pass| pass.state().has_recalled)
    }

    /// Begins the pass again, which asks for everything now.
    pub fn begin_again(&self) {
        if let Some(pass) = &self.0 {
            let mut state = pass.state();
            pass.stir(&mut state);
            (state.has_recalled, state.is_stale) = (false, false);
            state.times_begun_again += 1;
        }
    }

    /// Returns how often the pass has begun again: what was taken from an answer before that counts for nothing since.
    pub(super) fn times_begun_again(&self) -> u32 {
        self.0.as_ref().map_or(0, |pass| pass.state().times_begun_again)
    }

    /// Returns what was told to the pass before, unless it is to be asked.
    pub(super) fn recall(&self, question: &Question) -> Option<Told> {
        let pass = self.0.as_ref()?;
        let mut state = pass.state();
        if !state.is_quiet || state.due.get(&question.owner) == Some(question) {
            return None;
        }
        let mut store = pass.turns.store();
        let memory = store.repositories.get_mut(&pass.repository)?;
        let number = memory.pass;
        let known = memory.answers.get_mut(question)?;
        known.pass = number;
        state.has_recalled = true;
        Some(known.told.clone())
    }

    /// Keeps what was told for the next pass. Where that is something else than before, this one asks for everything from now on.
    pub(super) fn keep(&self, question: Question, told: Told) {
        let Some(pass) = &self.0 else { return };
        let mut state = pass.state();
        if state.due.get(&question.owner) == Some(&question) {
            state.due.remove(&question.owner);
        }
        let before = {
            let mut store = pass.turns.store();
            let memory = store.repositories.get_mut(&pass.repository);
            let before = memory.and_then(|memory| memory.answers.remove(&question));
            store.bytes -= before.as_ref().map_or(0, |before| cost(&question, &before.told));
            before
        };
        if state.is_quiet && before.is_some_and(|before| before.told != told) {
            pass.stir(&mut state);
        }
        let (cost, mut store) = (cost(&question, &told), pass.turns.store());
        if !told.is_plain() || told.body.len() > LONGEST || store.bytes + cost > MOST {
            return;
        }
        store.asked += 1;
        let asked = store.asked;
        if let Some(memory) = store.repositories.get_mut(&pass.repository) {
            memory.answers.insert(question, Known { told, pass: memory.pass, asked, second: None });
            store.bytes += cost;
        }
    }
}

/// Returns what of an answer is read, where it has this shape; else, as of a refusal, all of it.
pub(super) fn reduced<T: DeserializeOwned + Serialize>(body: &Bytes) -> Bytes {
    let read = serde_json::from_slice::<T>(body).ok();
    read.and_then(|read| serde_json::to_vec(&read).ok()).map_or_else(|| body.clone(), Bytes::from)
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let hash =
        parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part.len().to_be_bytes()).chain_update(part));
    hash.finalize().into()
}

fn cost(question: &Question, told: &Told) -> usize {
    let headers: usize = told.headers.values().map(HeaderValue::len).sum();
    BESIDE + question.url.as_str().len() + headers + told.body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(number: usize) -> Question {
        Question::of(1, &format!("https://forge.example/{number}").parse().unwrap())
    }

    fn told(text: &str) -> Told {
        Told { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::copy_from_slice(text.as_bytes()) }
    }

    /// Answers all these questions, as a forge would, where they are asked; returns which were.
    fn ask(turn: &Turn, questions: &[usize], says: &str) -> Vec<usize> {
        let asks = |number: &&usize| {
            let is_asked = turn.recall(&question(**number)).is_none();
            if is_asked {
                turn.keep(question(**number), told(says));
            }
            is_asked
        };
        questions.iter().filter(asks).copied().collect()
    }

    fn routine(turns: &Arc<Turns>) -> Turn {
        turns.begin("acme/gitops", Impulse::Routine, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_oldest_answer_is_asked_for_again_and_the_others_are_those_of_before() {
        let turns: Arc<Turns> = Arc::default();
        assert_eq!(ask(&routine(&turns), &[1, 2, 3], "a"), [1, 2, 3], "nothing is known");
        for oldest in [1, 2, 3, 1, 2] {
            let turn = routine(&turns);
            assert_eq!(ask(&turn, &[1, 2, 3], "a"), [oldest]);
            assert!(ask(&turn, &[1, 2, 3], "a").is_empty(), "each is asked once in a pass");
        }
        // Of each who asks, one.
        let (turn, other) = (routine(&turns), Question::of(2, &"https://forge.example/1".parse().unwrap()));
        assert!(turn.recall(&other).is_none());
        turn.keep(other.clone(), told("b"));
        assert_eq!(ask(&turn, &[1, 2, 3], "a"), [3]);
        let turn = routine(&turns);
        assert_eq!((turn.recall(&other), ask(&turn, &[1, 2, 3], "a")), (None, vec![1]));
        assert_eq!(turns.begin("acme/other", Impulse::Routine, Timestamp::UNIX_EPOCH).recall(&question(2)), None);
        assert_eq!(Turn::default().recall(&question(2)), None);
    }

    #[test]
    fn what_has_changed_has_the_rest_of_the_pass_and_the_next_one_ask_for_everything() {
        let turns: Arc<Turns> = Arc::default();
        let news: [&dyn Fn(&Turn); 3] =
            [&|turn| turn.sees(&[b"another list"]), &|turn| turn.doubt(), &|turn| assert!(turn.may_act())];
        for happens in news {
            ask(&turns.begin("acme/gitops", Impulse::News, Timestamp::UNIX_EPOCH), &[1, 2, 3], "a");
            let turn = routine(&turns);
            happens(&turn);
            assert_eq!(ask(&turn, &[1, 2, 3], "a"), [1, 2, 3]);
            assert_eq!(ask(&routine(&turns), &[1, 2, 3], "a").len(), 1);
        }
        // An answer that is another one.
        ask(&turns.begin("acme/gitops", Impulse::News, Timestamp::UNIX_EPOCH), &[1, 2, 3], "a");
        assert_eq!(ask(&routine(&turns), &[3, 1, 2], "b"), [1, 2]);
        assert_eq!(ask(&routine(&turns), &[3, 1, 2], "b"), [3, 1], "3 was told before that");
        turns.doubt("acme/gitops");
        assert_eq!(ask(&routine(&turns), &[1, 2, 3], "b"), [1, 2, 3]);
    }

    #[test]
    fn what_is_seen_in_each_pass_is_nothing_new() {
        let turns: Arc<Turns> = Arc::default();
        for asked in [3, 1, 1, 1] {
            let turn = routine(&turns);
            turn.sees(&[b"a", b"b"]);
            assert_eq!(ask(&turn, &[1, 2, 3], "a").len(), asked);
        }
        let turn = routine(&turns);
        turn.sees(&[b"ab"]);
        assert_eq!(ask(&turn, &[1, 2, 3], "a").len(), 3);
    }

    #[test]
    fn nothing_may_be_done_on_what_was_not_asked() {
        let turns: Arc<Turns> = Arc::default();
        ask(&routine(&turns), &[1, 2], "a");
        let turn = routine(&turns);
        ask(&turn, &[1, 2], "a");
        assert!(!turn.may_act() && turn.is_stale() && !turn.may_act());
        turn.begin_again();
        assert!(!turn.is_stale());
        assert_eq!(ask(&turn, &[1, 2], "a"), [1, 2]);
        assert!(turn.may_act() && !turn.is_stale());
        assert_eq!(ask(&routine(&turns), &[1, 2], "a"), [1, 2], "what was done may have changed it");
    }

    #[test]
    fn what_the_pass_before_did_not_want_or_was_no_answer_is_asked() {
        let turns: Arc<Turns> = Arc::default();
        ask(&routine(&turns), &[1, 2], "a");
        ask(&routine(&turns), &[1], "a");
        assert_eq!(ask(&routine(&turns), &[1, 2], "a"), [1, 2]);
        let trouble = Told { status: StatusCode::BAD_GATEWAY, ..told("") };
        routine(&turns).keep(question(1), trouble);
        assert_eq!(ask(&routine(&turns), &[1], "a"), [1]);
    }

    #[test]
    fn what_finds_no_room_is_asked_and_what_is_let_go_makes_some() {
        let turns: Arc<Turns> = Arc::default();
        let long = "x".repeat(LONGEST);
        let all: Vec<usize> = (0..40).collect();
        ask(&routine(&turns), &all, &long);
        let kept = MOST / (LONGEST + BESIDE);
        assert_eq!(ask(&routine(&turns), &all, &long).len(), all.len() - kept + 1);
        assert!(turns.store().bytes <= MOST);
        ask(&routine(&turns), &[50], &"x".repeat(LONGEST + 1));
        routine(&turns);
        assert_eq!(turns.store().bytes, 0);
    }
}
