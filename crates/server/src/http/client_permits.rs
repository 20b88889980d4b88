//! Permits for each client, so that one client cannot hold all of a shared capacity.

use crate::client::Client;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts the permits that each network holds, up to a limit. The memory is bounded by the shared capacity, because a
/// network without permits has no entry.
#[derive(Clone, Debug)]
pub(crate) struct ClientPermits {
    max: usize,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A permit of one client. Dropping it releases it.
#[derive(Debug)]
pub(crate) struct ClientPermit(Option<(ClientPermits, IpAddr)>);

impl ClientPermits {
    /// At most `max` permits for each client; at least one.
    pub(crate) fn new(max: usize) -> Self {
        debug_assert!(max > 0, "a network without permits would get an entry");
        Self { max, held: Arc::default() }
    }

    /// A permit for a client, unless its network holds all of its permits. An unknown client is not counted.
    pub(crate) fn try_acquire(&self, client: &Client) -> Option<ClientPermit> {
        let Some(network) = client.network() else { return Some(ClientPermit(None)) };
        let mut held = self.held();
        let permits = held.entry(network).or_default();
        (*permits < self.max).then(|| {
            *permits += 1;
            ClientPermit(Some((self.clone(), network)))
        })
    }

    /// A panic cannot leave the counts inconsistent, so a poisoned lock is used.
    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        let Some((permits, network)) = &self.0 else { return };
        let mut held = permits.held();
        if let Some(count) = held.get_mut(network) {
            *count -= 1;
            if *count == 0 {
                held.remove(network);
            }
        }
    }
}
