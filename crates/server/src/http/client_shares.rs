//! Fair shares: one client cannot hold all places of a queue.

use crate::client::Client;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts the places that each network holds, up to a limit. Its memory is bounded by the number of places.
#[derive(Clone, Debug)]
pub(crate) struct ClientShares {
    max: usize,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A place of one client. Dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Share(Option<(ClientShares, IpAddr)>);

impl ClientShares {
    /// Shares of at most `max` places.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, held: Arc::default() }
    }

    /// A place for a client, unless its network holds its whole share. An unknown client has no share of its own.
    pub(crate) fn try_acquire(&self, client: &Client) -> Option<Share> {
        let Some(network) = client.network() else { return Some(Share(None)) };
        let mut held = self.held();
        let places = held.entry(network).or_default();
        (*places < self.max).then(|| {
            *places += 1;
            Share(Some((self.clone(), network)))
        })
    }

    /// A panic cannot leave the counts inconsistent, so a poisoned lock is used.
    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((shares, network)) = &self.0 else { return };
        let mut held = shares.held();
        if let Some(places) = held.get_mut(network) {
            *places -= 1;
            if *places == 0 {
                held.remove(network);
            }
        }
    }
}
