//! One connection's life: what is pulled, heard and renewed while it holds.
//!
//! Entry point: [`live`], which ends with the reason when anything breaks. Nothing is mended here: the next connection
//! opens everything anew.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::kv::{Operation, Store};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::queue::nats::places::{Asked, Places};
use crate::queue::nats::{Inner, Job, words};

/// How long one question for work may stay open.
const PULL_TIME: Duration = Duration::from_secs(20);

/// How often the server says that such a question is still open.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long hearing what is known already may take.
const CATCH_UP_TIME: Duration = Duration::from_secs(10);

/// After which time a job or wish that cannot be followed now is offered again.
const LATER: Duration = Duration::from_secs(1);

/// The same for a repository that is not watched here: others may know it, while a new configuration is rolled out.
const ELSEWHERE: Duration = Duration::from_secs(5);

/// How often a job for a repository that nobody seems to know is offered.
const MOST_OFFERS: i64 = 100;

/// Ways to renew a lease within it: one may be lost.
const RENEWALS: u32 = 3;

/// Lives until something breaks, and says what.
pub(super) async fn live(inner: &Arc<Inner>) -> Result<Infallible, String> {
    let (broken, mut breaks) = mpsc::channel(1);
    let client = inner.settings.servers.connect(&inner.settings.replica, broken).await?;
    let places = Arc::new(Places::open(client, &inner.settings).await?);
    let (passes, is_first) = places.passes().await?;
    let wishes = places.wishes().await?;
    let mut rows = Heard::of(&places.rows).await?;
    rows.catch_up(|key, value| inner.row(key, value)).await?;
    let mut limits = Heard::of(&places.limits).await?;
    inner.joined(&places, is_first);
    tokio::select! {
        ended = pull_passes(inner, &places, &passes) => ended,
        ended = pull_wishes(&places, &wishes) => ended,
        ended = renew(inner, &places) => ended,
        ended = rows.follow(|key, value| inner.row(key, value)) => ended,
        ended = limits.follow(|key, value| inner.sharing.heard(key, value)) => ended,
        ended = inner.sharing.send(&places) => ended,
        reason = breaks.recv() => Err(reason.unwrap_or_default()),
    }
}

/// What a bucket holds, and what is put there.
struct Heard {
    watch: async_nats::jetstream::kv::Watch,
    /// How many values were there before.
    before: u64,
}

impl Heard {
    async fn of(bucket: &Store) -> Result<Self, String> {
        let before = bucket.status().await.map_err(|error| words(&error))?.values();
        let watch = bucket.watch_with_history(">").await.map_err(|error| words(&error))?;
        Ok(Self { watch, before })
    }

    async fn next(&mut self, hear: &mut impl FnMut(&str, &[u8])) -> Result<bool, String> {
        let entry = self.watch.next().await.ok_or("a bucket cannot be followed any more")?;
        let entry = entry.map_err(|error| words(&error))?;
        if entry.operation == Operation::Put {
            hear(&entry.key, &entry.value);
        }
        Ok(entry.delta == 0)
    }

    /// Hears everything that is there already.
    async fn catch_up(&mut self, mut hear: impl FnMut(&str, &[u8])) -> Result<(), String> {
        let all = async {
            while self.before > 0 && !self.next(&mut hear).await? {}
            Ok(())
        };
        timeout(CATCH_UP_TIME, all).await.unwrap_or_else(|_elapsed| Err("a bucket is not read in time".to_owned()))
    }

    /// Hears whatever comes.
    async fn follow(&mut self, mut hear: impl FnMut(&str, &[u8])) -> Result<Infallible, String> {
        loop {
            self.next(&mut hear).await?;
        }
    }
}

/// Returns the next message within a question's time.
async fn pull(consumer: &PullConsumer) -> Result<Option<Message>, String> {
    let question = consumer.batch().max_messages(1).expires(PULL_TIME).heartbeat(HEARTBEAT);
    let mut batch = question.messages().await.map_err(|error| words(&error))?;
    batch.next().await.transpose().map_err(|error| words(&*error))
}

async fn answer(message: &Message, kind: async_nats::jetstream::AckKind) -> Result<(), String> {
    message.ack_with(kind).await.map_err(|error| words(&*error))
}

fn offered_again(after: Duration) -> async_nats::jetstream::AckKind {
    async_nats::jetstream::AckKind::Nak(Some(after))
}

/// Takes passes as long as there is room for them.
async fn pull_passes(inner: &Inner, places: &Places, consumer: &PullConsumer) -> Result<Infallible, String> {
    loop {
        inner.has_room().await;
        let Some(message) = pull(consumer).await? else { continue };
        let info = message.info().map_err(|error| words(&*error))?;
        let (offers, identity) = (info.delivered, (info.stream_sequence, info.published.unix_timestamp_nanos()));
        let key = message.subject.rsplit('.').next().unwrap_or_default();
        // Who gives one back has not begun it.
        let is_taken_over = offers > 1 && offers - 1 > places.returns(key, identity).await;
        let kind = match inner.job(&message, identity, is_taken_over) {
            Job::Held => continue,
            Job::Busy => offered_again(LATER),
            Job::Unknown if offers > MOST_OFFERS => async_nats::jetstream::AckKind::Term,
            Job::Unknown => offered_again(ELSEWHERE),
        };
        answer(&message, kind).await?;
        places.note_return(key, identity).await;
    }
}

/// Turns wishes that wait beside another pass into passes, once that one is over.
async fn pull_wishes(places: &Places, consumer: &PullConsumer) -> Result<Infallible, String> {
    loop {
        let Some(message) = pull(consumer).await? else { continue };
        let key = message.subject.rsplit('.').next().unwrap_or_default();
        let kind = match places.ask_in_turn(key).await? {
            Asked::Kept | Asked::Before => async_nats::jetstream::AckKind::Ack,
            Asked::Refused => offered_again(LATER),
        };
        answer(&message, kind).await?;
    }
}

/// Renews the leases of everything that is held here.
async fn renew(inner: &Inner, places: &Places) -> Result<Infallible, String> {
    let mut ticks = interval(inner.settings.lease / RENEWALS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for reply in inner.held() {
            let sent = places.client.publish(reply, Bytes::from_static(b"+WPI")).await;
            sent.map_err(|error| words(&error))?;
        }
    }
}
