//! Since when a tag has been known to point to a digest.
//!
//! What counts is the moment at which a pass of this cache first learnt that this very tag of this image points to
//! this very digest, by asking for it. That a name stood in a list does not count: whoever may push can move a tag
//! to something newer without its name changing. The moment is the clock's, whatever `--at` says.

use std::collections::BTreeMap;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use sha2::{Digest as _, Sha256};

use crate::cache::rows::{seal, unseal};
use crate::cache::{Cache, Key32, name};
use crate::model::image::{Digest, ImageName, Tag};

const TABLE: &str = "ages";

/// In place of a digest, in the row that holds a push time.
const PUSHED: &str = "";

/// In place of a tag, which is never empty, in the row that holds when push times are asked for again.
const NO_TAG: &str = "";

/// How long nobody asks again who did not tell twice; from then on twice as long each time.
const FIRST_REST: i64 = 60;

/// And at most.
const LONGEST_REST: i64 = 3600;

/// A tag that was found to point to a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointed {
    /// The image.
    pub image: ImageName,
    /// The tag.
    pub tag: Tag,
    /// The digest.
    pub digest: Digest,
}

/// What earlier passes learnt about the age of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Age {
    /// When it was pushed, as the registry said.
    Pushed(Timestamp),
    /// Since when it has pointed to the digest that it pointed to last.
    FirstSeen(Timestamp, Digest),
}

impl Age {
    /// Returns the moment from which the age counts.
    pub fn since(&self) -> Timestamp {
        match self {
            Self::Pushed(since) | Self::FirstSeen(since, _) => *since,
        }
    }
}

/// One row: since when, and the last moment at which the tag was found to have come there.
#[derive(Debug, Clone, Copy)]
struct Row {
    since: i64,
    latest: i64,
}

impl Cache {
    /// Returns what earlier passes learnt about the ages of an image's tags.
    ///
    /// A tag may have moved since. It is then younger than this says, never older: so it tells for certain that a tag
    /// is too young, and never that it is old enough.
    pub fn ages(&self, image: &ImageName) -> BTreeMap<Tag, Age> {
        let rows = self.read(|connection| rows_of(connection, image)).unwrap_or_default();
        let today = self.today();
        let stale: Vec<&Stored> = rows.iter().filter(|row| row.used < today).collect();
        if !stale.is_empty() {
            self.write(|transaction| stale.iter().try_for_each(|row| touch(transaction, image, row, today)));
        }
        self.count(1, usize::from(!rows.is_empty()));
        let mut ages: BTreeMap<Tag, (i64, Age)> = BTreeMap::new();
        for stored in rows {
            let (Some(tag), Some(row)) = (stored.tag.parse::<Tag>().ok(), stored.row(image)) else { continue };
            let Ok(since) = Timestamp::from_second(row.since) else { continue };
            let (latest, age) = match stored.digest.as_str() {
                // What the registry itself says outweighs what was seen.
                PUSHED => (i64::MAX, Age::Pushed(since)),
                text => match text.parse() {
                    Ok(digest) => (row.latest, Age::FirstSeen(since, digest)),
                    Err(_) => continue,
                },
            };
            match ages.get(&tag) {
                Some((other, _)) if *other >= latest => {}
                _ => drop(ages.insert(tag, (latest, age))),
            }
        }
        ages.into_iter().map(|(tag, (_, age))| (tag, age)).collect()
    }

    /// Notes to what tags were found to point, and returns for each since when it has been known; `None` where the
    /// cache cannot remember.
    pub fn saw(&self, pointed: &[Pointed]) -> Vec<Option<Timestamp>> {
        let now = self.second();
        let known = self
            .read(|connection| pointed.iter().map(|one| latest(connection, one)).collect::<rusqlite::Result<Vec<_>>>());
        let Some(known) = known else { return vec![None; pointed.len()] };
        self.count(pointed.len(), known.iter().flatten().count());
        let new: Vec<&Pointed> =
            pointed.iter().zip(&known).filter(|(_, since)| since.is_none()).map(|(one, _)| one).collect();
        let told: Vec<Option<i64>> = new.iter().map(|one| self.known_elsewhere(one)).collect();
        let mut learnt = Vec::with_capacity(new.len());
        let written = new.is_empty()
            || self.write(|transaction| {
                for (one, told) in new.iter().zip(&told) {
                    let since = told.map_or(now, |since| since.min(now));
                    learnt.push(note(transaction, one, (since, now), self.today())?);
                }
                Ok(())
            });
        if written && let Some(elsewhere) = &self.elsewhere {
            for ((one, told), since) in new.iter().zip(&told).zip(&learnt) {
                if told.is_none_or(|told| *since < told) {
                    elsewhere.leave(&name_of(one), &since.to_le_bytes());
                }
            }
        }
        let mut learnt = learnt.into_iter().filter(|_| written);
        let since = known.into_iter().map(|since| since.or_else(|| learnt.next()));
        since.map(|since| since.and_then(|since| Timestamp::from_second(since).ok())).collect()
    }

    /// Returns since when other processes have known that a tag points to a digest.
    fn known_elsewhere(&self, one: &Pointed) -> Option<i64> {
        let value = self.elsewhere.as_ref()?.fetch(&name_of(one))?;
        Some(i64::from_le_bytes(value.try_into().ok()?))
    }

    /// Returns the digest to which a tag pointed when an earlier pass asked; it may point elsewhere by now.
    pub fn pointed(&self, image: &ImageName, tag: &Tag) -> Option<Digest> {
        self.read(|connection| last(connection, image, tag))?.and_then(|(digest, _)| digest.parse().ok())
    }

    /// Keeps when tags were pushed, as the registry said.
    pub fn keep_pushed(&self, rows: &[(ImageName, Tag, Timestamp)]) {
        if rows.is_empty() {
            return;
        }
        let today = self.today();
        self.write(|transaction| {
            rows.iter().try_for_each(|(image, tag, pushed)| {
                let row = Row { since: pushed.as_second(), latest: pushed.as_second() };
                put(transaction, (image.as_str(), tag.as_str(), PUSHED), row, today)
            })
        });
    }

    /// Whether it is time to ask somebody again who did not tell when an image's tags were pushed: the next pass does,
    /// and later ones ever less often.
    pub fn is_asked_again(&self, image: &ImageName) -> bool {
        let row = self.read(|connection| rest(connection, image)).flatten();
        row.is_none_or(|row| row.since <= self.second())
    }

    /// Notes that nobody told when tags of images were pushed.
    pub fn keep_untold<'a>(&self, images: impl IntoIterator<Item = &'a ImageName>) {
        let images: Vec<&ImageName> = images.into_iter().collect();
        if images.is_empty() {
            return;
        }
        let (now, today) = (self.second(), self.today());
        self.write(|transaction| {
            images.iter().try_for_each(|image| {
                // In place of the moment, how often nobody told.
                let times = rest(transaction, image)?.map_or(0, |row| row.latest.clamp(0, 16));
                let wait = if times == 0 { 0 } else { (FIRST_REST << (times - 1)).min(LONGEST_REST) };
                put(transaction, (image.as_str(), NO_TAG, PUSHED), Row { since: now + wait, latest: times + 1 }, today)
            })
        });
    }

    /// Returns the present second; a part of one counts as whole, so that nothing is ever older than it is.
    fn second(&self) -> i64 {
        let now = self.clock.now();
        let whole = now.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil));
        whole.unwrap_or(now).as_second()
    }
}

/// Returns the name under which processes tell each other the age of a tag.
fn name_of(one: &Pointed) -> String {
    name(TABLE, &key((one.image.as_str(), one.tag.as_str(), one.digest.as_str())))
}

/// A row as it lies in the table.
struct Stored {
    tag: String,
    digest: String,
    used: i64,
    value: Vec<u8>,
}

impl Stored {
    fn row(&self, image: &ImageName) -> Option<Row> {
        open((image.as_str(), &self.tag, &self.digest), self.value.clone())
    }
}

fn rows_of(connection: &Connection, image: &ImageName) -> rusqlite::Result<Vec<Stored>> {
    let mut statement = connection.prepare_cached("SELECT tag, digest, used, value FROM ages WHERE image = ?1")?;
    let rows = statement.query_map([image.as_str()], |row| {
        Ok(Stored { tag: row.get(0)?, digest: row.get(1)?, used: row.get(2)?, value: row.get(3)? })
    })?;
    rows.collect()
}

/// Returns from when on push times of an image are asked for again, and how often nobody told them.
fn rest(connection: &Connection, image: &ImageName) -> rusqlite::Result<Option<Row>> {
    let mut statement =
        connection.prepare_cached("SELECT value FROM ages WHERE image = ?1 AND tag = '' AND digest = ''")?;
    let value = statement.query_row([image.as_str()], |row| row.get(0)).optional()?;
    Ok(value.and_then(|value| open((image.as_str(), NO_TAG, PUSHED), value)))
}

/// Returns since when a tag has been known to point to a digest, unless it pointed elsewhere in between.
fn latest(connection: &Connection, one: &Pointed) -> rusqlite::Result<Option<i64>> {
    let last = last(connection, &one.image, &one.tag)?;
    Ok(last.filter(|(digest, _)| digest == one.digest.as_str()).map(|(_, row)| row.since))
}

/// Returns where a tag was last found to point.
fn last(connection: &Connection, image: &ImageName, tag: &Tag) -> rusqlite::Result<Option<(String, Row)>> {
    let mut statement =
        connection.prepare_cached("SELECT digest, value FROM ages WHERE image = ?1 AND tag = ?2 AND digest <> ''")?;
    let mut rows = statement.query(params![image.as_str(), tag.as_str()])?;
    let mut last: Option<(String, Row)> = None;
    while let Some(stored) = rows.next()? {
        let digest: String = stored.get(0)?;
        let Some(row) = open((image.as_str(), tag.as_str(), &digest), stored.get(1)?) else { continue };
        if last.as_ref().is_none_or(|(_, other)| other.latest < row.latest) {
            last = Some((digest, row));
        }
    }
    Ok(last)
}

/// Notes that a tag has come to point to a digest; one where it has been before keeps its first time.
fn note(transaction: &Transaction<'_>, one: &Pointed, (first, now): (i64, i64), today: i64) -> rusqlite::Result<i64> {
    let place = (one.image.as_str(), one.tag.as_str(), one.digest.as_str());
    let query = "SELECT value FROM ages WHERE image = ?1 AND tag = ?2 AND digest = ?3";
    let mut statement = transaction.prepare_cached(query)?;
    let before = statement.query_row(params![place.0, place.1, place.2], |row| row.get(0)).optional()?;
    let before = before.and_then(|value| open(place, value));
    let since = before.map_or(first, |row| row.since.min(first));
    put(transaction, place, Row { since, latest: now }, today)?;
    Ok(since)
}

/// Writes a row: image, tag and digest.
fn put(transaction: &Transaction<'_>, place: (&str, &str, &str), row: Row, today: i64) -> rusqlite::Result<()> {
    let insert = "INSERT OR REPLACE INTO ages (image, tag, digest, used, value) VALUES (?1, ?2, ?3, ?4, ?5)";
    let value = [row.since.to_le_bytes(), row.latest.to_le_bytes()].concat();
    let value = seal(TABLE, &key(place), &value);
    transaction.prepare_cached(insert)?.execute(params![place.0, place.1, place.2, today, value])?;
    Ok(())
}

fn touch(transaction: &Transaction<'_>, image: &ImageName, stored: &Stored, today: i64) -> rusqlite::Result<()> {
    let update = "UPDATE ages SET used = ?4 WHERE image = ?1 AND tag = ?2 AND digest = ?3";
    let place = params![image.as_str(), stored.tag, stored.digest, today];
    transaction.prepare_cached(update)?.execute(place)?;
    Ok(())
}

/// Reads a row's value; one that is not whole counts as not there.
fn open(place: (&str, &str, &str), value: Vec<u8>) -> Option<Row> {
    let value = unseal(TABLE, &key(place), value)?;
    let (since, latest) = value.split_first_chunk::<8>()?;
    Some(Row { since: i64::from_le_bytes(*since), latest: i64::from_le_bytes(latest.try_into().ok()?) })
}

fn key((image, tag, digest): (&str, &str, &str)) -> Key32 {
    let hash = [image, tag, digest].iter().fold(Sha256::new(), |hash, part| hash.chain_update(part).chain_update([0]));
    Key32(hash.finalize().into())
}
