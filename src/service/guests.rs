//! Connections that are open, and which of them goes when there is no room for another.
//!
//! Entry point: [`Guests::enter`]. Who has asked for nothing yet, or asks for nothing more, makes room for who comes: the oldest
//! first. One address alone never takes all places. Reads and writes nothing itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;

/// The most connections at once.
pub(super) const MOST: usize = 256;

/// The most connections at once from one address: the rest is left to others, such as who asks whether we are alive.
const MOST_OF_ONE: usize = 192;

/// All connections.
#[derive(Default)]
pub(super) struct Guests {
    table: Mutex<Table>,
    /// Told when one has gone.
    gone: Notify,
}

#[derive(Default)]
struct Table {
    next: u64,
    rows: HashMap<u64, Row>,
}

struct Row {
    peer: IpAddr,
    /// How many requests are being answered.
    busy: usize,
    /// Told to go.
    leave: Arc<Notify>,
}

/// A connection that is open; its place is given back when it is dropped.
pub(super) struct Guest {
    guests: Arc<Guests>,
    number: u64,
    leave: Arc<Notify>,
}

/// What becomes of one that comes.
pub(super) enum Entered {
    /// It is let in.
    Guest(Guest),
    /// Its address has its share already, and all of it is in use.
    TooMany,
    /// There is no room, and nobody who could make some.
    Full,
}

/// A request that is being answered.
pub(super) struct Busy {
    guests: Arc<Guests>,
    number: u64,
}

impl Guests {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in, if there is or can be room.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Entered {
        let mut table = self.table();
        let of_peer = table.rows.values().filter(|row| row.peer == peer).count();
        let (has_room, of_whom, otherwise) = match of_peer {
            MOST_OF_ONE.. => (false, Some(peer), Entered::TooMany),
            _ => (table.rows.len() < MOST, None, Entered::Full),
        };
        if !has_room {
            let oldest = table.oldest_idle(of_whom);
            let Some(row) = oldest.and_then(|number| table.rows.remove(&number)) else { return otherwise };
            row.leave.notify_one();
        }
        let number = table.next;
        table.next += 1;
        let leave = Arc::new(Notify::new());
        table.rows.insert(number, Row { peer, busy: 0, leave: Arc::clone(&leave) });
        Entered::Guest(Guest { guests: Arc::clone(self), number, leave })
    }

    /// Waits until one has gone.
    pub(super) async fn gone(&self) {
        self.gone.notified().await;
    }
}

impl Table {
    fn oldest_idle(&self, peer: Option<IpAddr>) -> Option<u64> {
        let fits = |row: &Row| row.busy == 0 && peer.is_none_or(|peer| row.peer == peer);
        self.rows.iter().filter(|(_, row)| fits(row)).map(|(number, _)| *number).min()
    }
}

impl Guest {
    /// Waits until it has to go.
    pub(super) async fn leaves(&self) {
        self.leave.notified().await;
    }

    /// Notes that a whole head of a request has come.
    pub(super) fn asks(&self) -> Busy {
        if let Some(row) = self.guests.table().rows.get_mut(&self.number) {
            row.busy += 1;
        }
        Busy { guests: Arc::clone(&self.guests), number: self.number }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.guests.table().rows.remove(&self.number);
        self.guests.gone.notify_one();
    }
}

impl Busy {
    /// Lasts until the body of the answer has been handed on.
    pub(super) fn until_answered(self, answer: Response) -> Response {
        answer.map(|body| Body::new(Answering { body, _busy: self }))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(row) = self.guests.table().rows.get_mut(&self.number) {
            row.busy = row.busy.saturating_sub(1);
        }
    }
}

struct Answering {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn enter(guests: &Arc<Guests>, peer: IpAddr) -> Option<Guest> {
        match guests.enter(peer) {
            Entered::Guest(guest) => Some(guest),
            Entered::TooMany | Entered::Full => None,
        }
    }

    fn address(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[test]
    fn who_says_nothing_makes_room_for_who_comes_the_oldest_first() {
        let guests = Arc::new(Guests::default());
        let crowd: Vec<Guest> = (0..MOST).map(|number| enter(&guests, address((number % 5) as u8)).unwrap()).collect();
        let busy: Vec<Busy> = crowd[..10].iter().map(Guest::asks).collect();
        let probe = enter(&guests, address(99)).unwrap();
        let has_to_go = |guest: &Guest| guest.leaves().now_or_never().is_some();
        let gone: Vec<usize> = (0..MOST).filter(|number| has_to_go(&crowd[*number])).collect();
        assert_eq!(gone, [10], "the oldest that has not asked");
        assert!(!has_to_go(&probe));
        // Once answered it is one of the crowd again.
        drop(busy);
        drop(enter(&guests, address(99)));
        assert_eq!(guests.table().rows.len(), MOST - 1);
        drop((crowd, probe));
        assert!(guests.table().rows.is_empty());
    }

    #[test]
    fn one_address_leaves_room_for_others_whatever_it_does() {
        let guests = Arc::new(Guests::default());
        let crowd: Vec<Guest> = (0..MOST_OF_ONE).map(|_| enter(&guests, address(1)).unwrap()).collect();
        let busy: Vec<Busy> = crowd.iter().map(Guest::asks).collect();
        assert!(enter(&guests, address(1)).is_none(), "all of its places are in use");
        assert!(enter(&guests, address(2)).is_some());
        drop(busy);
        assert!(enter(&guests, address(1)).is_some());
    }
}
