//! What replicas tell each other beside their passes: what registries allow, and what they answered.
//!
//! Limits only ever hold back, so that a checksum is enough for them. Answers decide, and are shared where each can be proved
//! to come from one that has the secret. Nothing here fails a pass: what cannot be had in a moment is not there.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::kv::{Operation, UpdateErrorKind};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::cache::Elsewhere;
use crate::clock::Clock;
use crate::queue::nats::places::{Places, key};
use crate::queue::row::MAX_BYTES;
use crate::queue::sealed::Seal;
use crate::registry::grapevine::{Grapevine, LaneWord, ToldWord};

/// The version of the form of limits.
const FORM: u32 = 1;

/// The longest word about a host, in bytes.
const MAX_WORD: usize = 8 << 10;

/// The most hosts of which words are kept.
const MOST_HOSTS: usize = 1_000;

/// The most answers that wait to be left; further ones are not shared.
const MOST_WAITING: usize = 2_000;

/// How long what is to be told is gathered.
const GATHERED_FOR: Duration = Duration::from_millis(250);

/// How long an answer of another replica is waited for.
const FETCH_TIME: Duration = Duration::from_secs(1);

/// How long nothing is asked for after that was too long.
const FETCH_PAUSE: Duration = Duration::from_secs(10);

/// What all replicas together have told a receiver of notifications, of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// This, in the version with this number.
    Row(Vec<u8>, u64),
    /// Nothing that can be believed; what stands there has this number.
    Nothing(u64),
    /// Nobody knows: the server cannot be reached, or keeps nothing of that kind.
    Unreachable,
}

/// Whether something is kept for all replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is.
    Yes,
    /// Somebody else has kept another one meanwhile.
    Overtaken,
    /// Nobody knows.
    Unreachable,
}

/// What replicas tell each other.
pub struct Sharing {
    seal: Arc<Seal>,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    places: Option<Arc<Places>>,
    number: u64,
    heard: HashMap<String, (u64, Vec<LaneWord>)>,
    limits: HashMap<String, Vec<LaneWord>>,
    answers: HashMap<String, Vec<u8>>,
    paused_until: Option<Instant>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawWord {
    form: u32,
    host: String,
    lanes: Vec<RawLane>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLane {
    kind: String,
    pause: Option<Timestamp>,
    told: Option<RawTold>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTold {
    remaining: u64,
    limit: Option<u64>,
    window: Option<u64>,
    at: Timestamp,
    reset: Option<u64>,
}

impl Sharing {
    pub(super) fn new(seal: Arc<Seal>, clock: Arc<dyn Clock>, runtime: Handle) -> Self {
        Self { seal, clock, runtime, state: Mutex::default(), wake: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses a connection.
    pub(super) fn joined(&self, places: &Arc<Places>) {
        if let (Err(reason), true) = (&places.answers, self.seal.proves_origin()) {
            tracing::warn!(reason, "answers of registries are not shared: the server gives no room for them");
        }
        if let (Err(reason), true) = (&places.told, self.seal.proves_origin()) {
            tracing::warn!(reason, "what was notified is not shared: the server gives no room for it");
        }
        self.state().places = Some(Arc::clone(places));
        self.wake.notify_one();
    }

    /// Lets go of it.
    pub(super) fn lost(&self) {
        self.state().places = None;
    }

    /// Takes what somebody put into the bucket of limits.
    pub(super) fn heard(&self, key_of_host: &str, sealed: &[u8]) {
        let word = self.seal.open(&format!("limits/{key_of_host}"), sealed).and_then(read_word);
        let Some((host, lanes)) = word.filter(|(host, _)| key(host) == key_of_host) else {
            tracing::warn!("what another replica tells of a registry's limits cannot be believed");
            return;
        };
        let mut state = self.state();
        if state.heard.len() < MOST_HOSTS || state.heard.contains_key(&host) {
            state.number += 1;
            let number = state.number;
            state.heard.insert(host, (number, lanes));
        }
    }

    /// Tells what is to be told, for as long as a connection holds.
    pub(super) async fn send(&self, places: &Places) -> Result<Infallible, String> {
        loop {
            self.wake.notified().await;
            let (limits, answers) = {
                let mut state = self.state();
                (std::mem::take(&mut state.limits), std::mem::take(&mut state.answers))
            };
            for (host, lanes) in limits {
                let key = key(&host);
                let sealed = self.seal.seal(&format!("limits/{key}"), &write_word(host, lanes));
                put(&places.limits, &key, sealed).await;
            }
            if let Ok(bucket) = &places.answers {
                for (name, value) in answers {
                    put(bucket, &name, self.seal.seal(&name, &value)).await;
                }
            }
            sleep(GATHERED_FOR).await;
        }
    }

    /// Returns where what decides is kept, if it may be believed.
    fn places(&self) -> Option<Arc<Places>> {
        let state = self.state();
        let is_paused = state.paused_until.is_some_and(|until| self.clock.instant() < until);
        let places = state.places.as_ref()?;
        (self.seal.proves_origin() && !is_paused).then(|| Arc::clone(places))
    }

    /// Returns where answers are, if they may be believed.
    fn answers(&self) -> Option<Arc<Places>> {
        self.places().filter(|places| places.answers.is_ok())
    }

    /// Asks the server something, and blocks for a moment at most. Nothing is asked for a while after that was too long.
    fn wait_for<T: Send + 'static, E: Send + 'static>(
        &self,
        question: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = sync_channel(1);
        self.runtime.spawn(async move {
            // Whoever asked may have given up.
            drop(sender.try_send(question.await));
        });
        let answer = receiver.recv_timeout(FETCH_TIME).ok().and_then(Result::ok);
        if answer.is_none() {
            self.state().paused_until = Some(self.clock.instant() + FETCH_PAUSE);
        }
        answer
    }

    /// Returns what all replicas have told a receiver of notifications. It blocks for a moment.
    pub fn told(&self, name: &str) -> Told {
        let (Some(places), of_task) = (self.places().filter(|places| places.told.is_ok()), name.to_owned()) else {
            return Told::Unreachable;
        };
        let question = async move {
            match &places.told {
                Ok(bucket) => bucket.entry(of_task).await.map_err(|error| error.to_string()),
                Err(reason) => Err(reason.clone()),
            }
        };
        match self.wait_for(question) {
            Some(Some(entry)) => {
                let row = self.seal.open(&told_name(name), &entry.value).filter(|_| entry.operation == Operation::Put);
                row.map_or(Told::Nothing(entry.revision), |row| Told::Row(row.to_vec(), entry.revision))
            }
            Some(None) => Told::Nothing(0),
            None => Told::Unreachable,
        }
    }

    /// Leaves for all replicas what a receiver of notifications was told, in place of the version with that number alone. It
    /// blocks for a moment.
    pub fn keep_told(&self, name: &str, row: &[u8], before: u64) -> Kept {
        let Some(places) = self.places().filter(|places| places.told.is_ok() && row.len() <= MAX_BYTES) else {
            return Kept::Unreachable;
        };
        let (sealed, of_task) = (self.seal.seal(&told_name(name), row), name.to_owned());
        let question = async move {
            match &places.told {
                Ok(bucket) => match bucket.update(of_task, Bytes::from(sealed), before).await {
                    Ok(_) => Ok(Kept::Yes),
                    Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(Kept::Overtaken),
                    Err(error) => Err(error.to_string()),
                },
                Err(reason) => Err(reason.clone()),
            }
        };
        // That it could not be left may cost somebody a second message.
        self.wait_for(question).unwrap_or(Kept::Unreachable)
    }
}

/// Leaves a value. That it could not be left costs somebody a request.
async fn put(bucket: &async_nats::jetstream::kv::Store, key: &str, value: Vec<u8>) {
    if let Err(error) = bucket.put(key, Bytes::from(value)).await {
        tracing::debug!(%error, key, "a value could not be shared");
    }
}

/// Returns the name under which a row of what was told is sealed.
fn told_name(name: &str) -> String {
    format!("told/{name}")
}

fn write_word(host: String, lanes: Vec<LaneWord>) -> Vec<u8> {
    let told = |told: ToldWord| RawTold {
        remaining: told.remaining,
        limit: told.limit,
        window: told.window.map(|window| window.as_secs()),
        at: told.at,
        // A part of a second is a whole one: it is better to ask too late.
        reset: told.reset.map(|reset| reset.as_secs() + u64::from(reset.subsec_nanos() > 0)),
    };
    let lane = |word: LaneWord| RawLane { kind: word.kind, pause: word.pause, told: word.told.map(told) };
    let raw = RawWord { form: FORM, host, lanes: lanes.into_iter().map(lane).collect() };
    serde_json::to_vec(&raw).expect("plain texts and numbers can be written")
}

fn read_word(bytes: &[u8]) -> Option<(String, Vec<LaneWord>)> {
    if bytes.len() > MAX_WORD {
        return None;
    }
    let raw: RawWord = serde_json::from_slice(bytes).ok().filter(|raw: &RawWord| raw.form == FORM)?;
    let told = |told: RawTold| ToldWord {
        remaining: told.remaining,
        limit: told.limit,
        window: told.window.map(Duration::from_secs),
        at: told.at,
        reset: told.reset.map(Duration::from_secs),
    };
    let lane = |lane: RawLane| LaneWord { kind: lane.kind, pause: lane.pause, told: lane.told.map(told) };
    Some((raw.host, raw.lanes.into_iter().map(lane).collect()))
}

impl Grapevine for Sharing {
    fn tell(&self, host: &str, words: Vec<LaneWord>) {
        let mut state = self.state();
        if state.limits.len() < MOST_HOSTS || state.limits.contains_key(host) {
            state.limits.insert(host.to_owned(), words);
            drop(state);
            self.wake.notify_one();
        }
    }

    fn news(&self, host: &str, known: u64) -> Option<(u64, Vec<LaneWord>)> {
        let state = self.state();
        state.heard.get(host).filter(|(number, _)| *number > known).cloned()
    }
}

impl Elsewhere for Sharing {
    fn fetch(&self, name: &str) -> Option<Vec<u8>> {
        let places = self.answers()?;
        let of_task = name.to_owned();
        let question = async move {
            match &places.answers {
                Ok(bucket) => bucket.get(of_task).await.map_err(|error| error.to_string()),
                Err(reason) => Err(reason.clone()),
            }
        };
        let sealed = self.wait_for(question)??;
        self.seal.open(name, &sealed).map(<[u8]>::to_vec)
    }

    fn leave(&self, name: &str, value: &[u8]) {
        if value.len() > MAX_BYTES || self.answers().is_none() {
            return;
        }
        let mut state = self.state();
        if state.answers.len() < MOST_WAITING {
            state.answers.insert(name.to_owned(), value.to_vec());
            drop(state);
            self.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_about_limits_read_back_and_what_is_none_is_nothing() {
        let words = vec![LaneWord {
            kind: "manifest".to_owned(),
            pause: Some("2026-11-20T08:00:00Z".parse().unwrap()),
            told: Some(ToldWord {
                remaining: 3,
                limit: Some(100),
                window: Some(Duration::from_secs(21_600)),
                at: "2026-11-20T07:59:00Z".parse().unwrap(),
                reset: None,
            }),
        }];
        let bytes = write_word("docker.io".to_owned(), words.clone());
        assert_eq!(read_word(&bytes), Some(("docker.io".to_owned(), words)));
        let text = String::from_utf8(bytes).unwrap();
        for broken in
            [text.replace("\"form\":1", "\"form\":9"), text.replace("3", "-3"), "[".repeat(MAX_WORD), String::new()]
        {
            assert_eq!(read_word(broken.as_bytes()), None, "{broken}");
        }
        assert_eq!(read_word(&vec![b' '; MAX_WORD + 1]), None);
    }
}
