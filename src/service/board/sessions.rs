//! Sessions of users, and what keeps other sites and guessers out: tokens of forms, and a limit of logins.
//!
//! Kept in memory: a restart asks everybody to log in again. A session is known by the digest of its token alone.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};

use crate::service::board::door::Door;

/// The cookie of a session.
pub(super) const COOKIE: &str = "tagboat_session";

/// How long a session lasts.
pub(super) const LIFE: SignedDuration = SignedDuration::from_hours(12);

/// The most sessions at once; the oldest goes first.
const MOST_SESSIONS: usize = 1_000;

/// How many logins may fail in [`PERIOD`]: of one name from one address, and of one address.
const MOST_FAILURES: (u32, u32) = (5, 50);

/// The time in which failures are counted.
const PERIOD: SignedDuration = SignedDuration::from_mins(5);

/// The most names and addresses whose failures are counted; beyond, nobody may log in until the period is over.
const MOST_COUNTED: usize = 10_000;

struct Session {
    user: String,
    /// The hash of the password at the login: a session ends when that changes.
    hash: String,
    ends: Timestamp,
}

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Visitor {
    /// Who.
    pub(super) user: String,
    /// What forms must send along.
    pub(super) token: String,
    /// Whether there is a session that can be ended.
    pub(super) has_session: bool,
}

/// Failures of logins in a period.
#[derive(Default)]
struct Failures {
    since: Timestamp,
    counts: HashMap<(IpAddr, Option<String>), u32>,
}

/// All sessions.
pub(super) struct Sessions {
    /// What tokens of forms are made with.
    key: hmac::Key,
    open: Mutex<HashMap<Vec<u8>, Session>>,
    failures: Mutex<Failures>,
}

impl Sessions {
    /// Makes it without any session.
    pub(super) fn new() -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &random());
        Self { key, open: Mutex::default(), failures: Mutex::default() }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Session>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a session; returns its token.
    fn begin(&self, user: &str, hash: &str, now: Timestamp) -> String {
        let token = URL_SAFE_NO_PAD.encode(random());
        let mut open = self.open();
        open.retain(|_, session| now < session.ends);
        if open.len() >= MOST_SESSIONS {
            let oldest = open.iter().min_by_key(|(_, session)| session.ends).map(|(token, _)| token.clone());
            oldest.map(|oldest| open.remove(&oldest));
        }
        let ends = now.checked_add(LIFE).unwrap_or(now);
        open.insert(name(&token), Session { user: user.to_owned(), hash: hash.to_owned(), ends });
        token
    }

    /// Ends the session of a token.
    pub(super) fn end(&self, token: &str) {
        self.open().remove(&name(token));
    }

    /// Returns whose session a token is, as long as that user is there with the same password.
    pub(super) fn visitor(&self, door: &Door, token: &str, now: Timestamp) -> Option<Visitor> {
        let Door::Users(users, _) = door else { return None };
        let open = self.open();
        let session = open.get(&name(token)).filter(|session| now < session.ends)?;
        (users.get(&session.user) == Some(&session.hash)).then(|| Visitor {
            user: session.user.clone(),
            token: self.token_for(token),
            has_session: true,
        })
    }

    /// Returns the token that forms of whom a proxy names must send along.
    pub(super) fn named(&self, user: String) -> Visitor {
        let token = self.token_for(&format!("named {user}"));
        Visitor { user, token, has_session: false }
    }

    fn token_for(&self, what: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, what.as_bytes()).as_ref())
    }

    /// Whether one more login may be tried.
    pub(super) fn may_try(&self, peer: IpAddr, user: &str, now: Timestamp) -> bool {
        let mut failures = self.failures(now);
        let count = |key: (IpAddr, Option<String>)| failures.counts.get(&key).copied().unwrap_or_default();
        let (of_name, of_address) = (count((peer, Some(user.to_owned()))), count((peer, None)));
        if of_name >= MOST_FAILURES.0 || of_address >= MOST_FAILURES.1 || failures.counts.len() >= MOST_COUNTED {
            return false;
        }
        // Counted before it is known: many at once are many, too.
        *failures.counts.entry((peer, Some(user.to_owned()))).or_default() += 1;
        *failures.counts.entry((peer, None)).or_default() += 1;
        true
    }

    /// Looks at a password, which takes a while; returns the token of a new session where it holds.
    pub(super) fn log_in(
        &self,
        door: &Door,
        peer: IpAddr,
        user: &str,
        password: &str,
        now: Timestamp,
    ) -> Option<String> {
        let Door::Users(users, _) = door else { return None };
        let hash = users.get(user);
        // A longer one would be cut off, and hold for every password that begins like it.
        let fits = password.len() <= 72;
        let holds = bcrypt::verify(password.as_bytes(), self.compared(users, user)?).unwrap_or(false);
        let hash = hash.filter(|_| holds && fits)?;
        let mut failures = self.failures(now);
        failures.counts.remove(&(peer, Some(user.to_owned())));
        if let Some(count) = failures.counts.get_mut(&(peer, None)) {
            *count = count.saturating_sub(1);
        }
        drop(failures);
        Some(self.begin(user, hash, now))
    }

    /// Returns the hash that a user's password is compared with. An unknown one is compared with somebody's, always the same, so that it
    /// takes as long as a known one, whatever the hashes cost.
    fn compared<'a>(&self, users: &'a BTreeMap<String, String>, user: &str) -> Option<&'a str> {
        let somebody = || {
            let tag = hmac::sign(&self.key, format!("nobody {user}").as_bytes());
            let number = tag.as_ref().iter().take(4).fold(0, |number, byte| number << 8 | usize::from(*byte));
            users.values().nth(number.checked_rem(users.len())?)
        };
        users.get(user).or_else(somebody).map(String::as_str)
    }

    fn failures(&self, now: Timestamp) -> MutexGuard<'_, Failures> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.duration_since(failures.since);
        if age >= PERIOD || age.is_negative() {
            *failures = Failures { since: now, counts: HashMap::new() };
        }
        failures
    }
}

impl Visitor {
    /// Whether a form comes from a page of this visitor's.
    pub(super) fn sent(&self, token: &str) -> bool {
        verify_slices_are_equal(self.token.as_bytes(), token.as_bytes()).is_ok()
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).expect("the system gives random bytes, or no TLS would work either");
    bytes
}

fn name(token: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, token.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(password: &str) -> Door {
        let hash = bcrypt::hash(password, 8).unwrap();
        Door::Users(BTreeMap::from([("robin".to_owned(), hash)]), Vec::new())
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn a_session_lasts_until_its_end_or_until_the_password_changes() {
        let (sessions, now) = (Sessions::new(), Timestamp::UNIX_EPOCH);
        let (door, changed) = (door("correct horse"), door("correct horse"));
        assert_eq!(sessions.log_in(&door, HERE, "robin", "battery staple", now), None);
        assert_eq!(sessions.log_in(&door, HERE, "nobody", "correct horse", now), None);
        let token = sessions.log_in(&door, HERE, "robin", "correct horse", now).unwrap();
        let visitor = sessions.visitor(&door, &token, now).unwrap();
        assert!(visitor.user == "robin" && visitor.sent(&visitor.token.clone()) && !visitor.sent("guess"));
        assert_eq!(sessions.visitor(&door, "guess", now), None);
        assert_eq!(sessions.visitor(&changed, &token, now), None);
        assert_eq!(sessions.visitor(&door, &token, now + LIFE), None);
        sessions.end(&token);
        assert_eq!(sessions.visitor(&door, &token, now), None);
    }

    #[test]
    fn whoever_guesses_waits() {
        let (sessions, now) = (Sessions::new(), Timestamp::UNIX_EPOCH);
        let tries = (0..20).filter(|_| sessions.may_try(HERE, "robin", now)).count();
        assert_eq!(tries, 5);
        let others = (0..100).filter(|number| sessions.may_try(HERE, &format!("user-{number}"), now)).count();
        assert_eq!(others, 45);
        assert!(sessions.may_try(HERE, "robin", now + PERIOD));
    }

    #[test]
    fn an_unknown_name_costs_what_a_known_one_does() {
        let sessions = Sessions::new();
        let users = |cost: u32| ["robin", "kim"].map(|name| (name.to_owned(), format!("$2y${cost}$of {name}"))).into();
        for cost in [11, 14] {
            let users: BTreeMap<String, String> = users(cost);
            assert_eq!(sessions.compared(&users, "robin"), Some(users["robin"].as_str()));
            for name in ["nobody", "", "root"] {
                let hash = sessions.compared(&users, name).unwrap();
                assert!(hash.starts_with(&format!("$2y${cost}$")), "{hash}");
                assert_eq!(sessions.compared(&users, name), Some(hash), "it costs the same each time");
            }
        }
    }

    #[test]
    fn a_password_beyond_what_is_hashed_does_not_hold() {
        let long = "x".repeat(72);
        let (sessions, door) = (Sessions::new(), door(&long));
        let now = Timestamp::UNIX_EPOCH;
        assert!(sessions.log_in(&door, HERE, "robin", &format!("{long}y"), now).is_none());
        assert!(sessions.log_in(&door, HERE, "robin", &long, now).is_some());
    }

    #[test]
    fn the_oldest_session_makes_room() {
        let (sessions, now) = (Sessions::new(), Timestamp::UNIX_EPOCH);
        let first = sessions.begin("robin", "hash", now);
        for _ in 0..MOST_SESSIONS {
            sessions.begin("robin", "hash", now + SignedDuration::from_secs(1));
        }
        let door = Door::Users(BTreeMap::from([("robin".to_owned(), "hash".to_owned())]), Vec::new());
        assert_eq!(sessions.open().len(), MOST_SESSIONS);
        assert_eq!(sessions.visitor(&door, &first, now), None);
    }
}
