//! What a gate tells other processes that ask the same host, and what it takes from them.
//!
//! A word from elsewhere holds back for an hour at most and never lets anything through: of two pauses the longer counts,
//! of two numbers of what is left the smaller. So a false one costs time and nothing else.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::model::usage::ToldLimit;
use crate::registry::client::announced::Announced;
use crate::registry::client::gate::{Gate, LONGEST_PAUSE, LaneState, Told};
use crate::registry::grapevine::{LaneWord, ToldWord};

/// The kinds of requests, by their names in words; in the order of the lanes.
const NAMES: [&str; 7] = ["list", "head", "manifest", "blob", "token", "other", "api"];

impl Gate {
    /// Returns what is known of the host that others should know: pauses, and what is left where it is less than half.
    pub(in crate::registry::client) fn words(&self) -> Vec<LaneWord> {
        let (now, instant) = (self.clock.now(), self.clock.instant());
        let word = |(lane, name): (&super::Lane, &&'static str)| {
            let state = lane.state();
            let pause = state.paused_until.filter(|until| *until > instant).map(|until| later(now, until - instant));
            let told = state.told.as_ref().filter(|told| is_low(&told.limit.told)).map(|told| ToldWord {
                remaining: told.limit.told.remaining,
                limit: told.limit.told.limit,
                window: told.limit.told.window,
                at: earlier(now, instant.saturating_duration_since(told.since)),
                reset: told.limit.reset,
            });
            (pause.is_some() || told.is_some()).then(|| LaneWord { kind: (*name).to_owned(), pause, told })
        };
        self.lanes.iter().zip(&NAMES).filter_map(word).collect()
    }

    /// Takes what another process knows of the host.
    pub(in crate::registry::client) fn hear_others(&self, words: &[LaneWord]) {
        let (now, instant) = (self.clock.now(), self.clock.instant());
        for word in words {
            let Some(lane) = NAMES.iter().position(|name| *name == word.kind).map(|index| &self.lanes[index]) else {
                continue;
            };
            lane.state().hear(word, now, instant);
            lane.changed.notify_waiters();
        }
    }
}

impl LaneState {
    fn hear(&mut self, word: &LaneWord, now: Timestamp, instant: Instant) {
        let until = |moment: Timestamp| {
            let wait = Duration::try_from(moment.duration_since(now)).ok()?;
            Some(instant + wait.min(LONGEST_PAUSE))
        };
        if let Some(pause) = word.pause.and_then(until) {
            self.paused_until = Some(self.paused_until.map_or(pause, |known| known.max(pause)));
        }
        let Some(told) = &word.told else { return };
        let age = Duration::try_from(now.duration_since(told.at)).unwrap_or_default();
        let told_limit = ToldLimit { limit: told.limit, remaining: told.remaining, window: told.window };
        let limit = Announced { told: told_limit, reset: told.reset.map(|reset| reset.min(LONGEST_PAUSE)) };
        // What has been renewed since is no news.
        if limit.regain().is_none_or(|regain| regain <= age || regain > LONGEST_PAUSE) {
            return;
        }
        let Some(since) = instant.checked_sub(age) else { return };
        let is_less = self.told.as_ref().is_none_or(|known| known.limit.told.remaining > told.remaining);
        if is_less {
            let heard = self.told.as_ref().map_or(0, |known| known.heard);
            self.told = Some(Told { limit, since, heard });
        }
    }
}

/// Whether so little is left that others should hear of it.
fn is_low(told: &ToldLimit) -> bool {
    told.limit.is_none_or(|limit| told.remaining <= limit / 2)
}

fn later(moment: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    moment.checked_add(time).unwrap_or(Timestamp::MAX)
}

fn earlier(moment: Timestamp, time: Duration) -> Timestamp {
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    moment.checked_sub(time).unwrap_or(Timestamp::MIN)
}
