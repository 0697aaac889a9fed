//! The tokens of a host: by scope and credential, shared by all who wait, and by all scopes where the registry hands
//! out one token for several.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use crate::registry::credentials::Credential;

/// How many scopes are remembered; past it, those that nobody waits for are forgotten.
const MOST_SCOPES: usize = 10_000;

/// How long a login that was refused is not shown again.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// For how many scopes a login is forbidden, and for none allowed, before it counts as wrong: token servers say 403
/// to a wrong login, and to a right one for which a repository is not.
const DOUBTED_AFTER: usize = 3;

/// For how many images new tokens are refused, and for none taken, before the registry is left alone.
const FUTILE_AFTER: usize = 10;

/// How many logins of a host are remembered as shown: one, or one for each of some paths.
const MOST_LOGINS: usize = 16;

/// What a token may be asked for beside `pull`: Azure wants `metadata_read` for tag lists. Asked for together, one
/// token serves both; anything else is asked for as the registry says.
const READING: [&str; 2] = ["pull", "metadata_read"];

/// A token, when it stops to be used, and for whom it was given out.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) value: SecretString,
    pub(super) until: Instant,
    pub(super) credential: Option<Arc<Credential>>,
}

impl Token {
    /// Whether it still serves somebody with this credential.
    pub(super) fn serves(&self, credential: Option<&Credential>) -> bool {
        let same = match (&self.credential, credential) {
            (None, None) => true,
            (Some(one), Some(other)) => one.is_same_secret(other),
            _ => false,
        };
        same && Instant::now() < self.until
    }

    fn is_same(&self, other: &Self) -> bool {
        self.value.expose_secret() == other.value.expose_secret()
    }
}

/// A scope's token. Locked while it is being fetched, so that everybody waits for one request.
pub(super) type TokenSlot = tokio::sync::Mutex<Option<Token>>;

/// Tokens, and what is known of logins.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    slots: Mutex<HashMap<String, Arc<TokenSlot>>>,
    /// Held while a login is tried for the first time.
    pub(super) first: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The logins that were right, the last ones: some paths may have one of their own.
    proven: Vec<Arc<Credential>>,
    refused: Option<(Instant, Arc<Credential>)>,
    /// A login that was forbidden, for these scopes and never right.
    doubted: Option<(Arc<Credential>, HashSet<String>)>,
    /// The last one that was fetched, with its scope.
    last: Option<(String, Token)>,
    shared: Option<Token>,
    /// Set when a shared token was refused after all.
    never_shared: bool,
    /// Whether the registry has asked for `metadata_read`.
    metadata_read: bool,
    /// The logins that were shown, the last ones.
    logins: Vec<Arc<Credential>>,
    /// Whether a token was ever taken.
    is_taken: bool,
    /// The images whose new tokens were refused one after the other, and when the last one was.
    futile: Option<(Instant, HashSet<String>)>,
}

impl Tokens {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn slot(&self, scope: &str) -> Arc<TokenSlot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MOST_SCOPES && !slots.contains_key(scope) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        Arc::clone(slots.entry(scope.to_owned()).or_default())
    }

    /// Returns the scope for an image after a challenge for another one. A scope that names no repository is that of
    /// all (`aws` in Amazon's public gallery).
    pub(super) fn scope_for(&self, challenged: Option<&str>, repository: &str) -> String {
        match challenged {
            Some(scope)
                if !scope.split(' ').any(|part| part.starts_with("repository:") || part.starts_with("registry:")) =>
            {
                scope.to_owned()
            }
            _ => self.reading(repository),
        }
    }

    fn reading(&self, repository: &str) -> String {
        let actions = if self.known().metadata_read { "pull,metadata_read" } else { "pull" };
        format!("repository:{repository}:{actions}")
    }

    /// Returns the scope to ask for after a challenge for this very repository: all that reading wants, where the
    /// registry wants a part of it.
    pub(super) fn widened(&self, scope: &str, repository: &str) -> String {
        let actions = scope.strip_prefix("repository:").and_then(|rest| rest.strip_prefix(repository));
        match actions.and_then(|rest| rest.strip_prefix(':')) {
            Some(actions) if actions.split(',').all(|action| READING.contains(&action)) => {
                self.known().metadata_read |= actions.contains("metadata_read");
                self.reading(repository)
            }
            _ => scope.to_owned(),
        }
    }

    /// Returns the token that serves all scopes, if there is one.
    pub(super) fn shared(&self) -> Option<Token> {
        self.known().shared.clone()
    }

    /// Remembers that a token was refused, in case it was thought to serve all scopes.
    pub(super) fn share_no_more(&self, refused: &Token) {
        let mut known = self.known();
        if known.shared.as_ref().is_some_and(|shared| shared.is_same(refused)) {
            known.shared = None;
            known.never_shared = Instant::now() < refused.until;
        }
    }

    /// Remembers a token that was fetched. The same one for two scopes serves all: it is the user's, not the scope's.
    pub(super) fn remember(&self, scope: &str, token: &Token) {
        let mut known = self.known();
        token.credential.iter().for_each(|login| keep(&mut known.proven, login));
        known.refused = None;
        known.doubted = None;
        let again = known.last.as_ref().is_some_and(|(of, last)| of != scope && last.is_same(token));
        if again && !known.never_shared {
            known.shared = Some(token.clone());
        }
        known.last = Some((scope.to_owned(), token.clone()));
    }

    /// Returns the tokens that are held, as they may come back in an answer.
    pub(super) fn shown(&self) -> Vec<String> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let held = slots.values().filter_map(|slot| slot.try_lock().ok()?.as_ref().map(|token| token.value.clone()));
        let mut tokens: Vec<SecretString> = held.collect();
        let known = self.known();
        tokens.extend(known.last.iter().map(|(_, token)| token).chain(&known.shared).map(|token| token.value.clone()));
        let logins = known.logins.iter().flat_map(|login| login.shown());
        tokens.iter().map(|token| token.expose_secret().to_owned()).chain(logins).collect()
    }

    /// Remembers a login that is about to be shown, since it may come back in an answer.
    pub(super) fn show(&self, login: &Arc<Credential>) {
        keep(&mut self.known().logins, login);
    }

    /// Remembers that a token was taken, so that those which are not are those of single images.
    pub(super) fn taken(&self) {
        let mut known = self.known();
        known.is_taken = true;
        known.futile = None;
    }

    /// Remembers that a new token for a login was refused for an image. Returns how many were in a row, where none was
    /// ever taken and that is told for the first time.
    pub(super) fn not_taken(&self, repository: &str) -> Option<usize> {
        let mut known = self.known();
        if known.is_taken {
            return None;
        }
        let (when, images) = known.futile.get_or_insert_with(|| (Instant::now(), HashSet::new()));
        if when.elapsed() >= REFUSED_FOR {
            images.clear();
        }
        *when = Instant::now();
        let is_new = images.len() < FUTILE_AFTER && images.insert(repository.to_owned());
        (is_new && images.len() == FUTILE_AFTER).then_some(FUTILE_AFTER)
    }

    /// Returns for how many images new tokens were just refused, where that is so many that no other is worth a request.
    pub(super) fn futile(&self) -> Option<usize> {
        let known = self.known();
        let (when, images) = known.futile.as_ref()?;
        (images.len() >= FUTILE_AFTER && when.elapsed() < REFUSED_FOR).then_some(images.len())
    }

    /// Remembers that a login was refused for one scope; returns whether it has been for so many that it is thought to
    /// be wrong: a login that is right elsewhere is right before that, mostly.
    pub(super) fn doubt(&self, credential: &Arc<Credential>, scope: &str) -> bool {
        let mut known = self.known();
        match &mut known.doubted {
            Some((doubted, scopes)) if doubted.is_same_secret(credential) => {
                scopes.insert(scope.to_owned());
                scopes.len() >= DOUBTED_AFTER
            }
            other => {
                *other = Some((Arc::clone(credential), HashSet::from([scope.to_owned()])));
                false
            }
        }
    }

    /// Whether a credential was right before.
    pub(super) fn is_proven(&self, credential: &Credential) -> bool {
        self.known().proven.iter().any(|proven| proven.is_same_secret(credential))
    }

    /// Whether a credential is from where one came that was right: this one may have been renewed, as clouds do hourly.
    pub(super) fn is_proven_place(&self, credential: &Credential) -> bool {
        self.known().proven.iter().any(|proven| proven.origin == credential.origin)
    }

    /// Remembers that a login is right, whatever single repositories say to it.
    pub(super) fn prove(&self, credential: &Arc<Credential>) {
        let mut known = self.known();
        keep(&mut known.proven, credential);
        known.doubted = None;
    }

    /// Remembers that a login is wrong.
    pub(super) fn remember_refused(&self, credential: Arc<Credential>) {
        let mut known = self.known();
        known.refused = Some((Instant::now(), credential));
        // After its minute it is tried anew.
        known.doubted = None;
    }

    pub(super) fn was_just_refused(&self, credential: &Credential) -> bool {
        let known = self.known();
        known
            .refused
            .as_ref()
            .is_some_and(|(when, refused)| when.elapsed() < REFUSED_FOR && refused.is_same_secret(credential))
    }
}

/// Adds a login to the last ones.
fn keep(logins: &mut Vec<Arc<Credential>>, login: &Arc<Credential>) {
    if logins.iter().any(|known| known.is_same_secret(login)) {
        return;
    }
    if logins.len() >= MOST_LOGINS {
        logins.remove(0);
    }
    logins.push(Arc::clone(login));
}

/// A number of seconds, which some registries write as text or with a fraction. Anything else counts as none said.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(from = "serde_json::Value")]
pub(super) struct Seconds(pub(super) u64);

impl From<serde_json::Value> for Seconds {
    fn from(value: serde_json::Value) -> Self {
        let number = match &value {
            serde_json::Value::String(text) => text.trim().parse().ok(),
            other => other.as_f64(),
        };
        Self(number.map_or(60, |number| number.clamp(0.0, 31_536_000.0) as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_that_names_no_repository_is_that_of_all_images() {
        let tokens = Tokens::default();
        for (challenged, expected) in [
            (None, "repository:acme/web:pull"),
            (Some("repository:other/one:pull"), "repository:acme/web:pull"),
            (Some("repository:other/one:pull repository:base/one:pull"), "repository:acme/web:pull"),
            (Some("aws"), "aws"),
            (Some("registry:catalog:*"), "repository:acme/web:pull"),
        ] {
            assert_eq!(tokens.scope_for(challenged, "acme/web"), expected);
        }
    }

    #[test]
    fn what_reading_wants_is_asked_for_at_once_and_anything_else_as_it_is() {
        let tokens = Tokens::default();
        let widened = |scope: &str| tokens.widened(scope, "acme/web");
        assert_eq!(widened("repository:acme/web:pull"), "repository:acme/web:pull");
        assert_eq!(widened("repository:acme/web:metadata_read"), "repository:acme/web:pull,metadata_read");
        assert_eq!(widened("repository:acme/web:pull"), "repository:acme/web:pull,metadata_read");
        for scope in ["repository:acme/web:pull,push", "repository:mirror/acme/web:pull", "aws", "registry:catalog:*"] {
            assert_eq!(widened(scope), scope);
        }
        assert_eq!(tokens.scope_for(Some("repository:x/y:pull"), "a/b"), "repository:a/b:pull,metadata_read");
    }
}
