//! Logins that cost something to get: kept until they are to be renewed, and fetched once for all who wait.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::registry::credentials::error::CredentialError;
use crate::registry::credentials::{Credential, Secret};

/// A login is renewed this long before it ends, or at half of its life where that is shorter.
const AHEAD: Duration = Duration::from_secs(300);

/// How long a login that is refused is kept all the same: whoever refuses it would refuse the next one, too, and
/// five hundred images would ask for five hundred.
const REFUSED_AGE: Duration = Duration::from_secs(60);

/// How long a failure is told again without another try.
const FAILURE_LIFE: Duration = Duration::from_secs(30);

/// How long it holds that there is no login.
const NOTHING_LIFE: Duration = Duration::from_secs(60);

/// Longer than this nothing is kept, whatever a server says.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

/// A login as it was fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) secret: Secret,
    /// Where it comes from, and what to do when a registry refuses it; see [`Credential`].
    pub(super) origin: String,
    pub(super) advice: &'static str,
    /// How long it holds from now on.
    pub(super) life: Duration,
}

#[derive(Debug)]
enum State {
    Held { credential: Option<Arc<Credential>>, inputs: u64, fetched: Instant, renew: Instant, end: Instant },
    Failed { error: CredentialError, inputs: u64, when: Instant },
}

type Slot = Arc<tokio::sync::Mutex<Option<State>>>;

/// The logins of one kind, by what they are for.
#[derive(Debug)]
pub(super) struct Logins<K> {
    slots: Mutex<HashMap<K, Slot>>,
}

impl<K> Default for Logins<K> {
    fn default() -> Self {
        Self { slots: Mutex::default() }
    }
}

impl<K: Eq + Hash + fmt::Debug> Logins<K> {
    fn slot(&self, key: K) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key).or_default())
    }

    /// Returns the login that is held, or fetches one. `inputs` is a fingerprint of the files that it is made of:
    /// when they change, it is fetched anew. That there is none is kept, too.
    pub(super) async fn get(
        &self,
        key: K,
        inputs: u64,
        fetch: impl AsyncFnOnce() -> Result<Option<Fetched>, CredentialError>,
    ) -> Result<Option<Arc<Credential>>, CredentialError> {
        let slot = self.slot(key);
        let mut state = slot.lock().await;
        let now = Instant::now();
        match &*state {
            Some(State::Held { credential, inputs: of, renew, .. }) if *of == inputs && now < *renew => {
                return Ok(credential.clone());
            }
            Some(State::Failed { error, inputs: of, when }) if *of == inputs && when.elapsed() < FAILURE_LIFE => {
                return Err(error.clone());
            }
            _ => {}
        }
        match fetch().await {
            Ok(found) => {
                let now = Instant::now();
                let life = found.as_ref().map_or(NOTHING_LIFE, |found| found.life.min(LONGEST_LIFE));
                let credential =
                    found.map(|Fetched { secret, origin, advice, .. }| Arc::new(Credential { secret, origin, advice }));
                let renew = now + (life - AHEAD.min(life / 2));
                let held = credential.clone();
                *state = Some(State::Held { credential: held, inputs, fetched: now, renew, end: now + life });
                Ok(credential)
            }
            Err(error) => match &mut *state {
                // Renewed ahead of its end so that this costs nothing: it serves on, and is tried again a little later.
                Some(State::Held { credential, inputs: of, renew, end, .. }) if *of == inputs && now < *end => {
                    tracing::warn!(%error, "a login could not be renewed ahead of its end; the old one serves on");
                    *renew = (now + FAILURE_LIFE).min(*end);
                    Ok(credential.clone())
                }
                _ => {
                    *state = Some(State::Failed { error: error.clone(), inputs, when: now });
                    Err(error)
                }
            },
        }
    }

    /// Forgets a login that was refused, unless it is new or somebody has renewed it already.
    pub(super) fn forget(&self, refused: &Credential) {
        let slots: Vec<Slot> = {
            let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.values().map(Arc::clone).collect()
        };
        for slot in slots {
            // One that is locked is being fetched anew.
            let Ok(mut state) = slot.try_lock() else { continue };
            let is_it = matches!(&*state, Some(State::Held { credential, fetched, .. })
                if credential.as_ref().is_some_and(|held| held.is_same_secret(refused)) && fetched.elapsed() >= REFUSED_AGE);
            if is_it {
                *state = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn password(text: &str, life: Duration) -> Option<Fetched> {
        let secret = Secret::Password { user: "u".to_owned(), password: text.into() };
        Some(Fetched { secret, origin: "a test".to_owned(), advice: "", life })
    }

    fn shown(found: Result<Option<Arc<Credential>>, CredentialError>) -> String {
        use secrecy::ExposeSecret as _;
        match found.map(|found| found.map(|found| found.secret.clone())) {
            Ok(Some(Secret::Password { password, .. })) => password.expose_secret().to_owned(),
            Ok(other) => format!("{other:?}"),
            Err(error) => format!("error: {error}"),
        }
    }

    #[tokio::test]
    async fn fifty_who_wait_cost_one_fetch() {
        let (logins, fetches) = (Logins::default(), AtomicUsize::new(0));
        let fetch = async || {
            fetches.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(password("p", HOUR))
        };
        let found = join_all((0..50).map(|_| logins.get("key", 0, fetch))).await;
        assert!(found.into_iter().all(|found| shown(found) == "p"));
        assert_eq!(fetches.into_inner(), 1);
    }

    #[tokio::test]
    async fn is_fetched_anew_at_its_end_or_when_its_files_change() {
        let logins = Logins::default();
        assert_eq!(shown(logins.get("key", 1, async || Ok(password("one", HOUR))).await), "one");
        assert_eq!(shown(logins.get("key", 1, async || Ok(password("two", HOUR))).await), "one");
        assert_eq!(shown(logins.get("key", 2, async || Ok(password("three", Duration::ZERO))).await), "three");
        assert_eq!(shown(logins.get("key", 2, async || Ok(password("four", HOUR))).await), "four");
    }

    #[tokio::test]
    async fn a_failure_is_told_again_without_another_try_until_its_files_change() {
        let logins = Logins::default();
        let fails = async || Err(CredentialError::Missing("nothing there".to_owned()));
        assert_eq!(shown(logins.get("key", 1, fails).await), "error: nothing there");
        assert_eq!(shown(logins.get("key", 1, async || Ok(password("p", HOUR))).await), "error: nothing there");
        assert_eq!(shown(logins.get("key", 2, async || Ok(password("p", HOUR))).await), "p");
    }

    #[tokio::test]
    async fn an_old_login_serves_on_while_it_cannot_be_renewed_ahead_of_its_end() {
        let logins = Logins::default();
        logins.get("key", 0, async || Ok(password("old", HOUR))).await.unwrap();
        if let Some(State::Held { renew, .. }) = &mut *logins.slot("key").lock().await {
            *renew = Instant::now();
        }
        let fails = async || Err(CredentialError::Missing("not now".to_owned()));
        assert_eq!(shown(logins.get("key", 0, fails).await), "old");
        if let Some(State::Held { renew, end, .. }) = &mut *logins.slot("key").lock().await {
            (*renew, *end) = (Instant::now(), Instant::now());
        }
        assert_eq!(shown(logins.get("key", 0, fails).await), "error: not now");
    }

    #[tokio::test]
    async fn a_login_that_is_refused_is_fetched_anew_unless_it_is_new() {
        let logins = Logins::default();
        let held = logins.get("key", 0, async || Ok(password("one", HOUR))).await.unwrap().unwrap();
        logins.forget(&held);
        assert_eq!(shown(logins.get("key", 0, async || Ok(password("two", HOUR))).await), "one");
        if let Some(State::Held { fetched, .. }) = &mut *logins.slot("key").lock().await {
            *fetched = Instant::now().checked_sub(REFUSED_AGE).unwrap();
        }
        logins.forget(&held);
        assert_eq!(shown(logins.get("key", 0, async || Ok(password("two", HOUR))).await), "two");
    }
}
