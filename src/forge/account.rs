//! What one user or App may ask of one forge, whichever repository it is about: how fast it writes, and until when it asks nothing.
//!
//! Entry point: [`Account`]. Asks nobody, and reads no clock: every call is told the present moment.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::forge::ForgeError;
use crate::forge::github::pace::Pace;

/// What is waited after a refusal for speed that names no time (GitHub's documentation: at least a minute; GitLab's limits count by the
/// minute as they come).
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// The limits of one user or App on one forge. Clients of several repositories share it.
#[derive(Debug, Default)]
pub struct Account {
    pace: Mutex<Pace>,
    /// Until when the forge wants to hear nothing.
    quiet: Mutex<Option<Timestamp>>,
}

impl Account {
    /// Takes the place of one write in the pace; returns how long to wait before asking again where there is none now.
    pub(super) fn write(&self, now: Timestamp) -> Option<Duration> {
        let mut pace = lock(&self.pace);
        let wait = pace.wait(now);
        if wait.is_none() {
            pace.note(now);
        }
        wait
    }

    /// Remembers that a forge wants to hear nothing for a while, and says so.
    pub(super) fn be_quiet(&self, forge: &str, now: Timestamp, wait: Duration) -> ForgeError {
        let until = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        let mut quiet = lock(&self.quiet);
        // What another repository was told may be longer.
        *quiet = Some(quiet.map_or(until, |known| known.max(until)));
        later(forge, until, wait)
    }

    /// Refuses while a forge wants to hear nothing.
    ///
    /// # Errors
    ///
    /// [`ForgeError::Later`] until then.
    pub(super) fn check_quiet(&self, forge: &str, now: Timestamp) -> Result<(), ForgeError> {
        match *lock(&self.quiet) {
            Some(until) => match Duration::try_from(until.duration_since(now)) {
                // Forges count in whole seconds.
                Ok(wait) if !wait.is_zero() => Err(later(forge, until, Duration::from_secs(wait.as_secs() + 1))),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }
}

fn later(forge: &str, until: Timestamp, wait: Duration) -> ForgeError {
    let until = until.round(jiff::Unit::Second).unwrap_or(until);
    ForgeError::Later { after: Some(wait), reason: format!("{forge} wants no request before {until}") }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_to_wait_longer_waits_longer_and_then_goes_on() {
        let account = Account::default();
        let at = |second: i64| Timestamp::from_second(1_790_000_000 + second).unwrap();
        assert!(account.check_quiet("GitHub", at(0)).is_ok());
        account.be_quiet("GitHub", at(0), Duration::from_secs(600));
        account.be_quiet("GitHub", at(1), Duration::from_secs(60));
        assert!(matches!(account.check_quiet("GitHub", at(599)), Err(ForgeError::Later { after: Some(_), .. })));
        assert!(account.check_quiet("GitHub", at(600)).is_ok());
    }

    #[test]
    fn writes_of_all_repositories_count_together_from_when_they_are_begun() {
        let account = std::sync::Arc::new(Account::default());
        let now = Timestamp::from_second(1_790_000_000).unwrap();
        let write = |_| {
            let account = std::sync::Arc::clone(&account);
            std::thread::spawn(move || (0..40).filter(|_| account.write(now).is_none()).count())
        };
        let writers: Vec<_> = (0..4).map(write).collect();
        assert_eq!(writers.into_iter().map(|writer| writer.join().unwrap()).sum::<usize>(), 76);
        assert_eq!(account.write(now), Some(Duration::from_secs(60)));
    }
}
