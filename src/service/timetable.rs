//! Which repository's pass is due: the schedule, gates that open, webhooks, what it follows, back-off, and how many run at once.
//!
//! Owns the state, and reads no clock: every call is told the present moment. Runs nothing itself: what is due is asked for
//! at a queue, and begins when the queue says so. What other processes ran counts as if it had run here.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::config::service::{Schedule, Service};
use crate::model::commit::CommitId;
use crate::model::image::ImageName;
use crate::queue::row::Row;
use crate::queue::{Ask, Cause};
use crate::service::room::{self, Expected, HOLDS_A_PLACE, Room, Running};
use crate::service::schedule::{self, Share, later};

/// The time after a pass before a webhook or a gate may begin the next one: what comes meanwhile is merged into it.
const AFTER_SUCCESS: SignedDuration = SignedDuration::from_secs(1);

/// The same after a pass that failed.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(10);

/// The back-off after the first failure; it doubles with each further one in a row.
const FIRST_BACK_OFF: SignedDuration = SignedDuration::from_secs(10);

/// The longest back-off.
const LONGEST_BACK_OFF: SignedDuration = SignedDuration::from_mins(30);

/// The time after which a pass that was asked for and has not begun is asked for again: whoever had it may be gone.
const ASKED_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// How many passes run at once, unless the configuration says otherwise.
const AT_ONCE: u32 = 4;

/// A clock that goes back by more than this was set; anything less is its ordinary correction.
const SET_BACK: SignedDuration = SignedDuration::from_secs(2);

/// What is planned for a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outlook {
    /// Whether a pass runs now.
    pub(super) is_running: bool,
    /// When the next one is due.
    pub(super) next: Option<Timestamp>,
    /// Why then.
    pub(super) cause: Option<Cause>,
}

/// How a pass ended, as far as the next one depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// It went through.
    Done {
        /// When something that waits may move.
        earliest: Option<Timestamp>,
        /// The images that the repository follows.
        images: BTreeSet<ImageName>,
        /// The repositories whose environments come before one of its own.
        follows: BTreeSet<String>,
        /// The newest commits of its branches.
        tips: Vec<CommitId>,
        /// Whether it put something on them itself.
        has_landed: bool,
    },
    /// It failed as a whole.
    Failed,
}

/// One repository.
#[derive(Debug)]
struct Entry {
    schedule: Schedule,
    share: Share,
    /// The host of its Git remote, or the repository itself where that is on this machine.
    host: String,
    /// Whether its last pass took long.
    is_slow: bool,
    /// Whether the pass that runs was expected to take long.
    began_slow: bool,
    /// Whether Git has answered the pass that runs.
    is_answered: bool,
    next: Option<Timestamp>,
    /// When something that waits may move.
    earliest: Option<Timestamp>,
    /// When a pass that somebody asked for may begin, and why.
    hastened: Option<(Timestamp, Cause)>,
    /// How often somebody has asked for one.
    wishes: u64,
    /// When it was asked for at the queue, if it has not begun since.
    asked: Option<Timestamp>,
    /// Whether it is looked at because the service started.
    is_starting: bool,
    begun: Option<Timestamp>,
    ended: Option<Timestamp>,
    is_running: bool,
    /// Taken out of the configuration while its pass runs.
    is_retired: bool,
    failures: u32,
    /// What it follows, once a pass has told.
    images: Option<BTreeSet<ImageName>>,
    /// The repositories that it follows.
    follows: BTreeSet<String>,
    /// The newest commits of its branches, once a pass has told.
    tips: Option<Vec<CommitId>>,
    /// When a pass ended that found or made them others than before.
    moved: Option<Timestamp>,
}

impl Entry {
    fn new(url: &str, schedule: Schedule, now: Timestamp, count: usize) -> Self {
        let share = Share::of(url);
        let next = Some(schedule::first(&schedule, now, share, count));
        Self {
            schedule,
            share,
            host: room::host(url).to_owned(),
            is_slow: false,
            began_slow: false,
            is_answered: false,
            next,
            earliest: None,
            hastened: None,
            wishes: 0,
            asked: None,
            is_starting: true,
            begun: None,
            ended: None,
            is_running: false,
            is_retired: false,
            failures: 0,
            images: None,
            follows: BTreeSet::new(),
            tips: None,
            moved: None,
        }
    }

    /// Returns when its next pass is due, and why.
    fn due(&self) -> Option<(Timestamp, Cause)> {
        if self.is_running {
            return None;
        }
        let schedule = if self.is_starting { Cause::Start } else { Cause::Schedule };
        [self.next.map(|next| (next, schedule)), self.earliest.map(|earliest| (earliest, Cause::Gate)), self.hastened]
            .into_iter()
            .flatten()
            .min_by_key(|(moment, _)| *moment)
    }

    /// Returns when it is to be asked for at the queue.
    fn to_ask(&self) -> Option<Timestamp> {
        let (due, _) = self.due()?;
        Some(self.asked.map_or(due, |asked| due.max(later(asked, ASKED_AGAIN_AFTER))))
    }

    /// Plans the next pass after one that began and ended at these moments.
    fn plan(&mut self, begun: Timestamp, ended: Timestamp, earliest: Option<Timestamp>, count: usize) {
        (self.begun, self.ended) = (Some(begun), Some(ended));
        (self.asked, self.is_starting) = (None, false);
        self.next = match self.failures {
            0 => schedule::next(&self.schedule, begun, ended, self.share, count),
            // Whatever the schedule says: one that begins once a day would make a day of a moment's trouble. It also finds
            // what the failed one could not tell of: when something that waits may move.
            failures => Some(later(ended, back_off(failures))),
        };
        self.is_slow = ended >= later(begun, HOLDS_A_PLACE);
        let rest = rest_of(self);
        self.earliest = earliest.filter(|moment| *moment > ended).map(|moment| moment.max(rest));
        self.hastened = self.hastened.map(|(moment, cause)| (moment.max(rest), cause));
    }
}

/// What passes of a repository have told of it.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The images that it follows.
    pub(super) images: Option<BTreeSet<ImageName>>,
    /// The repositories that it follows.
    pub(super) follows: BTreeSet<String>,
    /// The newest commits of its branches.
    pub(super) tips: Option<Vec<CommitId>>,
}

/// All repositories.
#[derive(Debug)]
pub(super) struct Timetable {
    entries: BTreeMap<String, Entry>,
    most_at_once: usize,
    running: usize,
    /// The hosts of Git remotes that did not answer the last pass that asked for long.
    silent: BTreeSet<String>,
    /// When each host answered last.
    answered: BTreeMap<String, Timestamp>,
    is_stopping: bool,
    latest: Timestamp,
}

impl Timetable {
    /// Makes a table without any repository.
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            entries: BTreeMap::new(),
            most_at_once: 1,
            running: 0,
            silent: BTreeSet::new(),
            answered: BTreeMap::new(),
            is_stopping: false,
            latest: now,
        }
    }

    /// Takes what a configuration says; repositories that were there already keep what is known of them. Returns
    /// the URLs of those that are gone.
    pub(super) fn configure(&mut self, service: &Service, now: Timestamp) -> Vec<String> {
        let at_once = service.limits.concurrent_passes.unwrap_or(AT_ONCE);
        self.most_at_once = usize::try_from(at_once).unwrap_or(usize::MAX).max(1);
        let count = service.repositories.len();
        for repository in &service.repositories {
            let schedule = repository.schedule.as_ref().unwrap_or(&service.schedule).clone();
            let Some(entry) = self.entries.get_mut(&repository.url) else {
                self.entries.insert(repository.url.clone(), Entry::new(&repository.url, schedule, now, count));
                continue;
            };
            entry.is_retired = false;
            if entry.schedule != schedule {
                entry.schedule = schedule;
                if entry.begun.is_some() {
                    entry.next = schedule::next(&entry.schedule, now, now, entry.share, count);
                }
            }
        }
        let is_gone = |url: &String| !service.repositories.iter().any(|repository| repository.url == *url);
        let gone: Vec<String> = self.entries.keys().filter(|url| is_gone(url)).cloned().collect();
        for url in &gone {
            match self.entries.get_mut(url) {
                Some(entry) if entry.is_running => entry.is_retired = true,
                _ => drop(self.entries.remove(url)),
            }
        }
        let hosts: BTreeSet<&String> = self.entries.values().map(|entry| &entry.host).collect();
        self.silent.retain(|host| hosts.contains(host));
        self.answered.retain(|host, _| hosts.contains(host));
        gone
    }

    /// Returns every pass that is due and is to be asked for now, the longest overdue first.
    pub(super) fn due(&mut self, now: Timestamp) -> Vec<Ask> {
        self.notice_a_clock_set_back(now);
        if self.is_stopping {
            return Vec::new();
        }
        let mut asks = Vec::new();
        for url in self.to_ask(now) {
            let Some(entry) = self.entries.get_mut(&url) else { continue };
            let Some((moment, mut cause)) = entry.due() else { continue };
            if let Some((_, why)) = entry.hastened.filter(|(hastened, _)| *hastened <= now) {
                // Of what nobody else knows of the queue is told.
                cause = why;
            }
            let is_repeated = entry.asked.replace(now).is_some();
            asks.push(Ask { repository: url, cause, moment, is_repeated, after: entry.begun, wish: entry.wishes });
        }
        asks.sort_by_key(|ask| ask.moment);
        asks
    }

    /// Returns whose passes are to be asked for now. What takes long is not, before there is room for it: others that share the queue may
    /// have some. What nobody else knows of is, in any case.
    fn to_ask(&self, now: Timestamp) -> Vec<String> {
        let mut room = self.room(now);
        let due = |(url, entry): (&'_ String, &'_ Entry)| {
            let (moment, _) = entry.due()?;
            let is_news = entry.hastened.is_some_and(|(hastened, _)| hastened <= now);
            (entry.to_ask()? <= now).then(|| (moment, is_news, url.clone()))
        };
        let mut due: Vec<(Timestamp, bool, String)> = self.entries.iter().filter_map(due).collect();
        due.sort_by_key(|(moment, ..)| *moment);
        let mut urls = Vec::new();
        for (_, is_news, url) in due {
            let Some(entry) = self.entries.get(&url) else { continue };
            let expected = room.expected(&entry.host, entry.is_slow);
            if room.holds(&entry.host, expected) {
                room.fill(&entry.host, expected);
            } else if expected != Expected::Quick && !is_news {
                continue;
            }
            urls.push(url);
        }
        urls
    }

    /// Returns the hosts that keep passes waiting, and have answered none lately.
    fn silent(&self, now: Timestamp) -> BTreeSet<&str> {
        let is_long_ago = |moment: Timestamp| now >= later(moment, HOLDS_A_PLACE);
        let waits = |entry: &&Entry| entry.is_running && !entry.is_answered && entry.begun.is_some_and(is_long_ago);
        let hosts = self.entries.values().filter(waits).map(|entry| &entry.host);
        let silent = hosts.filter(|host| self.answered.get(*host).is_none_or(|moment| is_long_ago(*moment)));
        silent.chain(&self.silent).map(String::as_str).collect()
    }

    /// Returns the places for passes.
    fn room(&self, now: Timestamp) -> Room<'_> {
        let running = |entry: &'_ Entry| entry.begun.filter(|_| entry.is_running);
        let passes = self.entries.values().filter_map(|entry| {
            let begun = running(entry)?;
            Some(Running { host: &entry.host, begun, is_slow: entry.began_slow })
        });
        Room::of(self.most_at_once, passes, self.silent(now), now)
    }

    /// Returns how many more passes may begin at most.
    pub(super) fn free(&self, now: Timestamp) -> usize {
        if self.is_stopping { 0 } else { self.room(now).free() }
    }

    /// Returns whether a pass may begin now, of any repository.
    pub(super) fn leave(&self, now: Timestamp) -> impl Fn(&str) -> bool {
        let room = self.room(now);
        move |url| {
            let may =
                |entry: &Entry| !entry.is_running && room.holds(&entry.host, room.expected(&entry.host, entry.is_slow));
            !self.is_stopping && self.entries.get(url).is_some_and(may)
        }
    }

    /// Notes that Git has answered the pass that runs. Returns whether its host was silent.
    pub(super) fn answered(&mut self, url: &str, now: Timestamp) -> bool {
        let silent = self.silent(now);
        let was_silent = self.entries.get(url).is_some_and(|entry| silent.contains(entry.host.as_str()));
        if let Some(entry) = self.entries.get_mut(url).filter(|entry| entry.is_running) {
            entry.is_answered = true;
            self.silent.remove(&entry.host);
            self.answered.insert(entry.host.clone(), now);
        }
        was_silent
    }

    /// Notes that the queue keeps what webhooks asked for, up to one: it need not be remembered here any more.
    pub(super) fn kept(&mut self, url: &str, wish: u64) {
        if let Some(entry) = self.entries.get_mut(url).filter(|entry| entry.wishes == wish) {
            entry.hastened = None;
        }
    }

    /// Asks anew for everything that is due and has not begun.
    pub(super) fn ask_again(&mut self) {
        self.entries.values_mut().for_each(|entry| entry.asked = None);
    }

    /// Whether something has happened since the last pass that one is to look into: somebody has asked for it, or something that waited
    /// may move.
    pub(super) fn has_news(&self, url: &str, now: Timestamp) -> bool {
        let entry = self.entries.get(url);
        entry.is_some_and(|entry| entry.hastened.is_some() || entry.earliest.is_some_and(|earliest| earliest <= now))
    }

    /// Begins a pass; returns false where none may begin.
    pub(super) fn begin(&mut self, url: &str, now: Timestamp) -> bool {
        if !self.leave(now)(url) {
            return false;
        }
        let silent = self.silent(now);
        let is_slow = |entry: &Entry| entry.is_slow || silent.contains(entry.host.as_str());
        let began_slow = self.entries.get(url).is_some_and(is_slow);
        let Some(entry) = self.entries.get_mut(url) else { return false };
        (entry.is_running, entry.began_slow, entry.is_answered) = (true, began_slow, false);
        entry.begun = Some(now);
        (entry.earliest, entry.hastened, entry.asked) = (None, None, None);
        self.running += 1;
        true
    }

    /// Takes what another process tells of a repository, unless more is known here.
    pub(super) fn learn(&mut self, url: &str, row: &Row) {
        let count = self.entries.len();
        let Some(entry) = self.entries.get_mut(url) else { return };
        if entry.is_running || entry.begun.is_some_and(|begun| begun >= row.began) {
            return;
        }
        entry.failures = row.failures;
        if let Some(images) = &row.images {
            entry.images = Some(images.clone());
        }
        // What was asked for after that pass began may not have been there when it looked.
        entry.hastened = entry.hastened.filter(|(moment, _)| *moment > row.began);
        entry.follows = row.follows.clone();
        if row.tips.is_some() && entry.tips.is_some() && entry.tips != row.tips {
            entry.moved = Some(row.ended);
        }
        entry.tips = row.tips.clone().or(entry.tips.take());
        entry.plan(row.began, row.ended, row.earliest, count);
    }

    /// Looks at every repository soon, as at a start.
    pub(super) fn start(&mut self, now: Timestamp) {
        let count = self.entries.len();
        for entry in self.entries.values_mut().filter(|entry| !entry.is_running) {
            let first = schedule::first(&entry.schedule, now, entry.share, count);
            entry.is_starting = true;
            entry.next = Some(entry.next.map_or(first, |next| next.min(first)));
        }
    }

    /// Returns when [`Timetable::due`] has something to ask for, if nothing else happens before.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        if self.is_stopping {
            return None;
        }
        let now = self.latest;
        let coming = self.entries.values().filter_map(Entry::to_ask).filter(|moment| *moment > now);
        let due = self.to_ask(now).into_iter().filter_map(|url| self.entries.get(&url)?.to_ask());
        // What waits for room has it when something that runs turns out to take long.
        let is_waiting = self.waiting(now) > 0;
        let begun =
            self.entries.values().filter(|entry| entry.is_running && is_waiting).filter_map(|entry| entry.begun);
        let aside = begun.map(|begun| later(begun, HOLDS_A_PLACE)).filter(|moment| *moment > now);
        coming.chain(due).chain(aside).min()
    }

    /// Returns how many passes are due and find no room.
    pub(super) fn waiting(&self, now: Timestamp) -> usize {
        self.entries.values().filter(|entry| entry.due().is_some_and(|(moment, _)| moment <= now)).count()
    }

    /// Notes how a pass ended. Returns how many have failed in a row, or nothing for a repository that is gone.
    pub(super) fn end(&mut self, url: &str, how: Ended, now: Timestamp) -> Option<u32> {
        let count = self.entries.len();
        let entry = self.entries.get_mut(url).filter(|entry| entry.is_running)?;
        self.running -= 1;
        if entry.is_retired {
            self.entries.remove(url);
            return None;
        }
        entry.is_running = false;
        let begun = entry.begun.unwrap_or(now);
        if how == Ended::Failed && !entry.is_answered && now >= later(begun, HOLDS_A_PLACE) {
            let has_answered = self.answered.get(&entry.host).is_some_and(|moment| *moment >= begun);
            if !has_answered {
                self.silent.insert(entry.host.clone());
            }
        }
        let mut has_moved = false;
        let earliest = match how {
            Ended::Done { earliest, images, follows, tips, has_landed } => {
                entry.failures = 0;
                entry.images = Some(images);
                entry.follows = follows;
                let known = entry.tips.replace(tips);
                has_moved = has_landed || known.is_some() && known != entry.tips;
                if has_moved {
                    entry.moved = Some(now);
                }
                earliest
            }
            Ended::Failed => {
                entry.failures = entry.failures.saturating_add(1);
                None
            }
        };
        // What was asked for while it ran may have come after it looked.
        entry.plan(begun, now, earliest, count);
        let failures = entry.failures;
        // What it follows may have moved behind its back, when nobody knew yet that it follows that.
        let behind = |other: &String| self.entries.get(other)?.moved.filter(|moved| *moved > begun);
        if self.entries.get(url).is_some_and(|entry| entry.follows.iter().any(|other| behind(other).is_some())) {
            self.hasten_for(url, Cause::Before, now);
        }
        if has_moved {
            let follow = |(other, entry): (&String, &Entry)| entry.follows.contains(url).then(|| other.clone());
            let followers: Vec<String> = self.entries.iter().filter_map(follow).collect();
            followers.iter().for_each(|other| self.hasten_for(other, Cause::Before, now));
        }
        Some(failures)
    }

    /// Asks for a pass of a repository soon. Whatever else asks before it begins is merged into it.
    pub(super) fn hasten(&mut self, url: &str, now: Timestamp) {
        self.hasten_for(url, Cause::Webhook, now);
    }

    /// Asks for a pass soon, for a reason of its own.
    pub(super) fn hasten_for(&mut self, url: &str, cause: Cause, now: Timestamp) {
        if let Some(entry) = self.entries.get_mut(url) {
            let moment = now.max(rest_of(entry));
            // What was asked for before may have begun elsewhere by now.
            (entry.wishes, entry.asked) = (entry.wishes.wrapping_add(1), None);
            let known = entry.hastened.filter(|(known, _)| *known <= moment);
            entry.hastened = Some(known.unwrap_or((moment, cause)));
        }
    }

    /// Returns every repository with the images that it follows; `None` where no pass has told yet.
    pub(super) fn followed(&self) -> impl Iterator<Item = (&String, Option<&BTreeSet<ImageName>>)> {
        self.entries.iter().map(|(url, entry)| (url, entry.images.as_ref()))
    }

    /// Returns what a repository follows and where it stands, once a pass has told.
    pub(super) fn told(&self, url: &str) -> Option<Told> {
        let Entry { images, follows, tips, .. } = self.entries.get(url)?;
        Some(Told { images: images.clone(), follows: follows.clone(), tips: tips.clone() })
    }

    /// Returns what is planned for a repository; `None` where it is not watched.
    pub(super) fn outlook(&self, url: &str) -> Option<Outlook> {
        let entry = self.entries.get(url)?;
        let due = entry.due();
        Some(Outlook { is_running: entry.is_running, next: due.map(|(at, _)| at), cause: due.map(|(_, why)| why) })
    }

    /// Ends new work.
    pub(super) fn stop(&mut self) {
        self.is_stopping = true;
    }

    /// Brings moments that a wrong clock set far ahead back into reach.
    fn notice_a_clock_set_back(&mut self, now: Timestamp) {
        let was_set_back = later(now, SET_BACK) < self.latest;
        self.latest = now;
        if !was_set_back {
            return;
        }
        tracing::warn!("the clock was set back: passes are planned anew");
        let count = self.entries.len();
        for entry in self.entries.values_mut() {
            let planned = schedule::next(&entry.schedule, now, now, entry.share, count);
            entry.next = entry.next.into_iter().chain(planned).min();
            (entry.ended, entry.asked) = (None, None);
            entry.hastened = entry.hastened.map(|(moment, cause)| (moment.min(now), cause));
        }
    }
}

/// Returns when a webhook or a gate may begin the next pass at the earliest.
fn rest_of(entry: &Entry) -> Timestamp {
    let rest = if entry.failures == 0 { AFTER_SUCCESS } else { AFTER_FAILURE };
    entry.ended.map_or(Timestamp::MIN, |ended| later(ended, rest))
}

fn back_off(failures: u32) -> SignedDuration {
    let doubled = 2_i32.saturating_pow(failures.saturating_sub(1).min(20));
    FIRST_BACK_OFF.saturating_mul(doubled).min(LONGEST_BACK_OFF)
}

#[cfg(test)]
mod tests;
