//! How many orders are followed at once, so that those about repositories that hang hold up no others.
//!
//! Entry point: [`Places::take`]. Follows nothing itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// How many orders are followed at once.
const MOST: usize = 16;

/// How many of them may be about repositories of one host.
const MOST_OF_ONE: usize = 2;

/// The orders that are followed.
#[derive(Default)]
pub(in crate::service) struct Places {
    /// How many, by host.
    taken: Mutex<BTreeMap<String, usize>>,
    ended: Notify,
}

/// One that is followed; it is over when this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    host: String,
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many are followed.
    pub(in crate::service) fn count(&self) -> usize {
        self.taken().values().sum()
    }

    /// Waits until one may have ended.
    pub(in crate::service) async fn ended(&self) {
        self.ended.notified().await;
    }

    fn try_take(self: &Arc<Self>, host: &str) -> Option<Place> {
        let mut taken = self.taken();
        let of_host = taken.get(host).copied().unwrap_or_default();
        if of_host >= MOST_OF_ONE || taken.values().sum::<usize>() >= MOST {
            return None;
        }
        taken.insert(host.to_owned(), of_host + 1);
        Some(Place { places: Arc::clone(self), host: host.to_owned() })
    }

    /// Waits for a place, and no longer than so.
    pub(super) async fn take(self: &Arc<Self>, host: &str, patience: Duration) -> Option<Place> {
        let waits = async {
            loop {
                let ended = self.ended.notified();
                let mut ended = std::pin::pin!(ended);
                // What ends from here on is noticed.
                ended.as_mut().enable();
                if let Some(place) = self.try_take(host) {
                    return place;
                }
                ended.await;
            }
        };
        timeout(patience, waits).await.ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.host);
            }
        }
        drop(taken);
        self.places.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn orders_that_hang_on_one_host_hold_up_none_on_another() {
        let places = Arc::new(Places::default());
        let patience = Duration::from_secs(20);
        let hanging = [places.take("a", patience).await.unwrap(), places.take("a", patience).await.unwrap()];
        assert!(places.take("a", patience).await.is_none());
        let good = places.take("b", patience).await;
        assert!(good.is_some());
        assert_eq!(places.count(), 3);
        let of_task = Arc::clone(&places);
        let waits = tokio::spawn(async move { of_task.take("a", patience).await.is_some() });
        tokio::task::yield_now().await;
        drop(hanging);
        assert!(waits.await.unwrap());
        drop(good);
        assert_eq!(places.count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn all_of_them_are_bounded() {
        let places = Arc::new(Places::default());
        let mut taken = Vec::new();
        for number in 0..MOST {
            taken.push(places.take(&number.to_string(), Duration::ZERO).await.unwrap());
        }
        assert!(places.take("another", Duration::from_secs(1)).await.is_none());
    }
}
