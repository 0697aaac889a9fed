//! One request with all its tries: held back where a limit asks for it, tried again within a budget, counted.
//!
//! Every request of the client goes through [`RegistryClient::exchange`], those to login servers included.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::time::Instant;

use crate::http::client::{Answer, Call};
use crate::http::error::HttpError;
use crate::http::retry::{RetryPolicy, Tries};
use crate::http::target::host_of;
use crate::model::exchange::{Ending, Exchange, System};
use crate::registry::client::breaker::{Breaker, Leave};
use crate::registry::client::failure::Failure;
use crate::registry::client::gate::{Cause, Held};
use crate::registry::client::host::Host;
use crate::registry::client::meter::Kind;
use crate::registry::client::{RegistryClient, Visit};
use crate::registry::settings::RetryBudget;

/// What is left of a host's budget for further tries in one pass.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<Spent>);

#[derive(Debug, Default)]
struct Spent {
    tries: u32,
    time: Duration,
    is_told: bool,
    /// Until when a wait lasts that holds everybody back.
    shared: Option<Instant>,
}

impl Budget {
    /// Whether a wait that holds everybody back begins with this, and is not the one under way: it is taken from the
    /// budget once, by whoever ran into it first.
    fn begins(&self, now: Instant, wait: Duration) -> bool {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.shared.is_some_and(|ends| now < ends) {
            return false;
        }
        spent.shared = Some(now + wait);
        true
    }

    /// Takes one more try after a wait, as long as both are left.
    fn take(&self, wait: Duration, budget: &RetryBudget, host: &str) -> bool {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.tries < budget.tries && spent.time + wait <= budget.time {
            spent.tries += 1;
            spent.time += wait;
            return true;
        }
        if !spent.is_told {
            spent.is_told = true;
            tracing::warn!(
                host,
                tries = spent.tries,
                waited_ms = u64::try_from(spent.time.as_millis()).unwrap_or(u64::MAX),
                "this pass has used up its further tries for the host: its errors are final now"
            );
        }
        false
    }

    /// Makes everything available again, for the next pass.
    pub(super) fn renew(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Spent::default();
    }
}

impl RegistryClient {
    /// Makes a request: waits for its turn where a limit holds it back, and tries again as long as that makes sense.
    ///
    /// How it went is remembered: of an error here, of an answer by whoever has read its body.
    pub(super) async fn exchange(&self, visit: &Visit<'_>, kind: Kind, call: &Call) -> Result<Answer, Failure> {
        let breaker = visit.host.breaker(kind);
        let mut tries = Tries::default();
        loop {
            let leave = breaker.enter(&visit.host.name, &*self.clock).await?;
            let error = match self.try_once(visit, kind, call).await? {
                Ok(answer) => {
                    // Whatever the body will be like: the host is there. Of login servers the body tells, which is short.
                    if matches!(leave, Leave::Probe(_)) && kind != Kind::Token {
                        breaker.note(None, self.clock.instant());
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let policy = if matches!(leave, Leave::Probe(_)) { &RetryPolicy::NONE } else { &self.limits.retry };
            match self.pause(visit, kind, &mut tries, policy, error).await {
                Ok(()) => visit.host.meter.retry(),
                Err(error) => return Err(self.final_error(visit, breaker, call, error)),
            }
        }
    }

    async fn try_once(&self, visit: &Visit<'_>, kind: Kind, call: &Call) -> Result<Result<Answer, HttpError>, Failure> {
        let host = visit.host;
        self.listen(host);
        if let Some(until) = host.gate.given_up(kind) {
            return Err(self.held_back(visit, kind, Held { until, cause: Cause::Asked }));
        }
        let ticket = host.gate.admit(kind, self.ends(visit), self.pass_ends()).await;
        let ticket = ticket.map_err(|held| self.held_back(visit, kind, held))?;
        visit.add_paced(ticket.paced);
        host.meter.waited(ticket.paced + ticket.waited);
        let ends = self.ends(visit);
        if self.clock.instant() >= ends {
            // Nothing was sent: whoever asks for patience is not down.
            return Err(if self.is_over() {
                self.not_in_time(host)
            } else {
                HttpError::Deadline { host: host.name.clone() }.into()
            });
        }
        host.meter.request(kind);
        let call = Call { deadline: ends, retry: RetryPolicy::NONE, ..call.clone() };
        let begun = Instant::now();
        let outcome = self.http.send(&call).await;
        let ending = match &outcome {
            Ok(answer) => Ending::of_status(answer.status.as_u16()),
            Err(error) => error.ending(),
        };
        self.witness.tell(&Exchange {
            system: System::Registry,
            host: &host.name,
            kind: kind.as_str(),
            ending,
            took: begun.elapsed(),
            remaining: None,
        });
        match &outcome {
            // What another host tells, to which this one redirects, is of its own limits.
            Ok(answer) if answer.is_elsewhere => host.gate.answered(&ticket, &HeaderMap::new()),
            Ok(answer) => host.gate.answered(&ticket, &answer.headers),
            Err(HttpError::Throttled { status, wait, .. }) => {
                let is_limit = status.as_u16() == 429;
                if is_limit {
                    host.meter.throttled();
                }
                // A server error with a time is the whole host's; a login server's and an API's is its own.
                let lane = (is_limit || matches!(kind, Kind::Token | Kind::Api)).then_some(kind);
                host.gate.throttled(lane, *wait, self.limits.retry.first_wait);
            }
            Err(_) => {}
        }
        self.speak(host);
        Ok(outcome.map(|answer| answer.counted(host.meter.bytes())))
    }

    /// Takes what other processes know of a host's limits.
    fn listen(&self, host: &Host) {
        let Some(grapevine) = &self.grapevine else { return };
        if let Some((number, words)) = grapevine.news(&host.name, host.heard.load(Ordering::Relaxed)) {
            host.heard.store(number, Ordering::Relaxed);
            host.gate.hear_others(&words);
        }
    }

    /// Tells other processes what is known of a host's limits.
    fn speak(&self, host: &Host) {
        let Some(grapevine) = &self.grapevine else { return };
        let words = host.gate.words();
        if !words.is_empty() {
            grapevine.tell(&host.name, words);
        }
    }

    /// Waits before the next try, or gives the error back when there is to be none.
    async fn pause(
        &self,
        visit: &Visit<'_>,
        kind: Kind,
        tries: &mut Tries,
        policy: &RetryPolicy,
        error: HttpError,
    ) -> Result<(), HttpError> {
        let host = visit.host;
        tracing::debug!(host = host.name, %error, "no answer");
        // What lies elsewhere for good, lists, manifests and blobs, is asked for again; a web site in place of an API is not.
        if matches!(kind, Kind::Other | Kind::Api) && matches!(error, HttpError::Elsewhere { .. }) {
            return Err(error);
        }
        let is_held_by_gate = matches!(error, HttpError::Throttled { .. });
        let wait = tries.next(error.clone(), policy)?;
        let until = self.clock.instant() + wait;
        if until >= self.ends(visit) || host.breaker(kind).is_down(self.clock.instant()) {
            return Err(error);
        }
        let shared = match &error {
            HttpError::Throttled { wait: named, .. } => {
                let named = named.filter(|named| *named >= policy.first_wait);
                Some(named.unwrap_or(wait).min(wait))
            }
            _ => None,
        };
        let is_under_way = shared.is_some_and(|wait| !host.budget(kind).begins(self.clock.instant(), wait));
        if !is_under_way && !host.budget(kind).take(wait, &self.limits.retry_budget, &host.name) {
            return Err(error);
        }
        // What the registry asked for holds everybody back, this request included: the gate waits.
        if !is_held_by_gate {
            host.meter.waited(wait);
            self.clock.wait_until(until).await;
        }
        Ok(())
    }

    /// Remembers what an error says of the host, and puts one that the end of the pass made into its words.
    fn final_error(&self, visit: &Visit<'_>, breaker: &Breaker, call: &Call, error: HttpError) -> Failure {
        if matches!(error, HttpError::Deadline { .. }) && self.is_over() {
            return self.not_in_time(visit.host);
        }
        // What another host does, to which it redirects, is not its fault: it is there.
        let is_own = match &error {
            HttpError::Elsewhere { .. } => false,
            HttpError::Deadline { host } => *host == visit.host.name || *host == host_of(&call.url),
            _ => true,
        };
        breaker.note(is_own.then_some(&error), self.clock.instant());
        error.into()
    }

    /// Remembers how reading an answer of the host ended.
    pub(super) fn note(&self, visit: &Visit<'_>, error: Option<&HttpError>) {
        self.note_of(visit, Kind::Other, error);
    }

    /// Remembers how reading an answer of the host or, for tokens, of its login server ended.
    pub(super) fn note_of(&self, visit: &Visit<'_>, kind: Kind, error: Option<&HttpError>) {
        // That a pass ends says nothing about the host.
        if !(matches!(error, Some(HttpError::Deadline { .. })) && self.is_over()) {
            visit.host.breaker(kind).note(error, self.clock.instant());
        }
    }

    /// Returns when the time of an image's request is over: its own, or that of the pass.
    pub(super) fn ends(&self, visit: &Visit<'_>) -> Instant {
        let own = visit.deadline + visit.paced();
        self.pass_ends().map_or(own, |pass| own.min(pass))
    }

    fn held_back(&self, visit: &Visit<'_>, kind: Kind, held: Held) -> Failure {
        if self.is_over() {
            return self.not_in_time(visit.host);
        }
        let wait = held.until.saturating_duration_since(self.clock.instant());
        let until = self.clock.now().checked_add(wait).unwrap_or(jiff::Timestamp::MAX);
        let until = until.round(jiff::Unit::Second).unwrap_or(until);
        let host = visit.host.name.clone();
        let what = kind.words();
        match held.cause {
            Cause::Asked => Failure::Paused { host, what, until },
            Cause::Spent(told) => Failure::Spent { host, what, told, until },
            Cause::Pace => self.not_in_time(visit.host),
            Cause::Late => HttpError::Deadline { host }.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_of_many_begins_once() {
        let (budget, now, wait) = (Budget::default(), Instant::now(), Duration::from_secs(25));
        let begun = (0..16).filter(|late| budget.begins(now + Duration::from_secs(*late), wait)).count();
        assert_eq!(begun, 1);
        // When it is over, whoever is turned away again begins another one.
        assert!(budget.begins(now + wait, wait) && !budget.begins(now + wait + wait / 2, wait));
        budget.renew();
        assert!(budget.begins(now + wait, wait));
    }
}
