//! The forge clients of one configuration: whoever asks again for the same repository as the same user gets the one that was made before.
//!
//! Entry point: [`Clients`]. With it live tokens that an App has fetched, what answers are remembered, and how fast each user may
//! write. A credential that has changed makes a new client. Asks nobody.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::cache::{Cache, Key32};
use crate::clock::{Clock as _, PassEnd, SystemClock};
use crate::config::environment::Environment;
use crate::forge::Desk;
use crate::forge::account::Account;
use crate::forge::gitea::Gitea;
use crate::forge::github::GitHub;
use crate::forge::github::vault::Vault;
use crate::forge::gitlab::GitLab;
use crate::forge::remembered::Remembered;
use crate::forge::turns::{Impulse, Turn, Turns};
use crate::http::client::HttpClient;
use crate::http::connection::{Connection, Connections};
use crate::model::exchange::{System, Witness};
use crate::model::outcome::Outcome;
use crate::pass::run::Mode;
use crate::pass::setup::SetupError;
use crate::pass::transport;

/// What tells one credential from another without being one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Print([u8; 32]);

impl Print {
    /// Returns the print of a credential's parts.
    pub(super) fn of(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// Returns the number of whoever asks by this credential for a repository below a base: the same in every process, and no
    /// credential is told by it.
    pub(super) fn asker(&self, (base, path): (&Url, &str)) -> u64 {
        let mut hash = Sha256::new().chain_update("asker").chain_update(self.0);
        for part in [base.as_str(), path] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hash.finalize().iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// The clients of one kind of forge: one for each repository, by the API's base and the path there.
#[derive(Debug)]
pub(super) struct Made<T>(Mutex<ByRepository<T>>);

type ByRepository<T> = HashMap<(Url, String), (Print, Arc<T>)>;

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Made<T> {
    /// Returns the client of a repository, made anew where there is none that asks as the same.
    pub(super) fn client(
        &self,
        (base, path): (&Url, &str),
        print: &Print,
        make: impl FnOnce() -> Result<T, SetupError>,
    ) -> Result<Arc<T>, SetupError> {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (base.clone(), path.to_owned());
        if let Some((known, client)) = made.get(&place)
            && known == print
        {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(make()?);
        made.insert(place, (print.clone(), Arc::clone(&client)));
        Ok(client)
    }
}

/// How a forge is reached.
struct Way {
    base: Url,
    connection: Connection,
    http: Arc<HttpClient>,
}

/// The clients that were made, for one pass each time that they are taken.
#[derive(Clone, Default)]
pub(super) struct Clients {
    shared: Arc<Shared>,
    ends: PassEnd,
    turn: Turn,
    kept: Option<Arc<dyn Vault>>,
}

#[derive(Default)]
struct Shared {
    witness: Witness,
    ways: Mutex<Vec<Way>>,
    accounts: Mutex<HashMap<(Url, Print), Arc<Account>>>,
    remembered: Arc<Remembered>,
    turns: Arc<Turns>,
    github: Made<GitHub>,
    gitlab: Made<GitLab>,
    gitea: Made<Gitea>,
}

impl Clients {
    /// Makes a place for clients that tell somebody of what they ask.
    pub(super) fn told_to(witness: Witness) -> Self {
        Self { shared: Arc::new(Shared { witness, ..Shared::default() }), ..Self::default() }
    }

    /// Returns the same for a pass that ends so, and asks for everything.
    pub(super) fn until(&self, ends: PassEnd) -> Self {
        Self { shared: Arc::clone(&self.shared), ends, turn: Turn::default(), kept: self.kept.clone() }
    }

    /// Returns the same, for a process that others follow: what Apps are given goes on to them.
    pub(super) fn kept_in(self, kept: Arc<dyn Vault>) -> Self {
        Self { kept: Some(kept), ..self }
    }

    /// Returns where the tokens of Apps outlive the process, if they do.
    pub(super) fn kept(&self) -> Option<Arc<dyn Vault>> {
        self.kept.clone()
    }

    /// Returns the same for a pass of a repository that begins now, and asks in turns.
    pub(super) fn in_turns(self, repository: &str, impulse: Impulse, now: Timestamp) -> Self {
        Self { turn: self.shared.turns.begin(repository, impulse, now), ..self }
    }

    /// Returns the same for a pass of a repository that begins now in a process of its own: it asks in turns with those before it, whose
    /// answers it takes out of the cache, or looks at there if it changes nothing.
    pub(super) fn in_turns_by(self, cache: &Cache, repository: &str, (impulse, mode): (Impulse, Mode)) -> Self {
        let now = cache.now();
        let kept = match mode {
            Mode::Act => cache.take_turns(&key(repository)),
            Mode::DryRun => cache.see_turns(&key(repository)),
        };
        if let Some(kept) = kept {
            self.shared.turns.restore(repository, &kept, now);
        }
        self.in_turns(repository, impulse, now)
    }

    /// Leaves in the cache what that pass was told, for the next one.
    pub(super) fn leave_turns(&self, cache: &Cache, repository: &str, outcome: &Outcome) {
        let now = cache.now();
        if let Some(kept) = self.shared.turns.kept(repository, now, outcome.next_move(now)) {
            cache.leave_turns(&key(repository), &kept);
        }
    }

    /// Returns what need not be asked in the pass.
    pub(super) fn turn(&self) -> &Turn {
        &self.turn
    }

    /// Takes note that somebody else has seen something happen to a repository.
    pub(super) fn doubt(&self, repository: &str) {
        self.shared.turns.doubt(repository);
    }

    /// Returns when the pass is over.
    pub(super) fn ends(&self) -> PassEnd {
        self.ends
    }

    /// Returns the clients of GitHub.
    pub(super) fn github(&self) -> &Made<GitHub> {
        &self.shared.github
    }

    /// Returns the clients of GitLab.
    pub(super) fn gitlab(&self) -> &Made<GitLab> {
        &self.shared.gitlab
    }

    /// Returns the clients of Gitea and Forgejo.
    pub(super) fn gitea(&self) -> &Made<Gitea> {
        &self.shared.gitea
    }

    /// Returns who is told of what is asked.
    pub(super) fn witness(&self) -> &Witness {
        &self.shared.witness
    }

    /// Returns what a client of one user below a base has in common with others.
    pub(super) fn desk(&self, base: &Url, user: &Print, connection: &Connection, environment: &Environment) -> Desk {
        let http = self.http(base, connection, environment);
        let mut accounts = self.shared.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has no client any more has changed its token.
        accounts.retain(|_, account| Arc::strong_count(account) > 1);
        let account = Arc::clone(accounts.entry((base.clone(), user.clone())).or_default());
        let (remembered, ends, turn) = (Arc::clone(&self.shared.remembered), PassEnd::default(), Turn::default());
        Desk { http, account, remembered, asker: None, ends, turn }
    }

    /// Returns the client by which the API below a base is reached, and other hosts as the environment says.
    fn http(&self, base: &Url, connection: &Connection, environment: &Environment) -> Arc<HttpClient> {
        let mut ways = self.shared.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = ways.iter().find(|way| way.base == *base && way.connection == *connection) {
            return Arc::clone(&way.http);
        }
        let mut connections = Connections::new(Connection::default(), transport::proxies(environment));
        connections.set(base, connection.clone());
        let http = HttpClient::over(connections, Arc::new(|| SystemClock.now()));
        let http = Arc::new(http.told_to(System::Forge, self.shared.witness.clone()));
        ways.push(Way { base: base.clone(), connection: connection.clone(), http: Arc::clone(&http) });
        http
    }
}

/// Returns the key under which the cache keeps what passes of a repository were told.
fn key(repository: &str) -> Key32 {
    Key32(Print::of(&["turns", repository]).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn whoever_asks_as_the_same_gets_the_same_and_another_credential_another() {
        let made: Made<u8> = Made::default();
        let forge = url("https://forge.example/");
        let client = |path: &str, token: &str, value| {
            *made.client((&forge, path), &Print::of(&["token", token]), || Ok(value)).unwrap()
        };
        assert_eq!((client("a/b", "one", 1), client("a/b", "one", 2), client("a/c", "one", 3)), (1, 1, 3));
        assert_eq!((client("a/b", "two", 4), client("a/b", "two", 5)), (4, 4));
        assert_eq!(made.0.lock().unwrap().len(), 2, "the one before is let go");
        assert_ne!(Print::of(&["a", "bc"]), Print::of(&["ab", "c"]));
    }

    #[test]
    fn whoever_asks_has_one_number_in_every_process_and_another_for_each_credential_and_place() {
        let asker = |token: &str, base: &str, path: &str| Print::of(&["token", token]).asker((&url(base), path));
        let one = asker("hush", "https://one.example/", "a/b");
        assert_eq!(one, asker("hush", "https://one.example/", "a/b"));
        let others = [
            ("hash", "https://one.example/", "a/b"),
            ("hush", "https://two.example/", "a/b"),
            ("hush", "https://one.example/", "a/c"),
        ];
        let mut numbers: Vec<u64> = others.iter().map(|(token, base, path)| asker(token, base, path)).collect();
        numbers.push(one);
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 4);
    }

    #[test]
    fn limits_are_a_user_s_on_one_forge_and_go_with_its_last_client() {
        let clients = Clients::default();
        let environment = Environment::of([("", ""); 0]);
        let desk = |base: &str, user: &str, proxy| {
            let connection = Connection { proxy, ..Connection::default() };
            clients.desk(&url(base), &Print::of(&[user]), &connection, &environment)
        };
        use crate::http::proxy::ProxyChoice::{Environment as Usual, Never};
        let one = desk("https://one.example/", "ada", Usual);
        let again = desk("https://one.example/", "ada", Usual);
        let (straight, bob) = (desk("https://one.example/", "ada", Never), desk("https://one.example/", "bob", Usual));
        let two = desk("https://two.example/", "ada", Usual);
        assert!(Arc::ptr_eq(&one.account, &again.account) && Arc::ptr_eq(&one.http, &again.http));
        assert!(Arc::ptr_eq(&one.account, &straight.account) && !Arc::ptr_eq(&one.http, &straight.http));
        assert!(!Arc::ptr_eq(&one.account, &bob.account) && Arc::ptr_eq(&one.http, &bob.http));
        assert!(!Arc::ptr_eq(&one.account, &two.account));
        assert_eq!(clients.shared.accounts.lock().unwrap().len(), 3);
        drop((one, again, straight, two));
        let _fresh = desk("https://one.example/", "cy", Usual);
        assert_eq!(clients.shared.accounts.lock().unwrap().len(), 2, "bob's and cy's");
    }
}
