//! A phase: which generations a claimant looks for, and which it claims in.
//!
//! ```text
//! phase          looks for                                     claims in
//! steady     n   n-1 in all tables, n in the older tables      n
//! emptied    n   n in the older tables                         n
//! bridging   n   n in the older tables                         n, and if inserted there n+1
//! steady   n+1   n in all tables                               n+1
//! growing    n   as before                                     n in the old table, and if inserted there n in the new
//! ```
//!
//! Phases follow each other in this order; growing comes only after steady or emptied, and leads back to it. Claimants
//! of two successive phases may run at the same time. Why exactly one of them inserts an id:
//!
//! - Steady and emptied, emptied and bridging, steady and growing: all of them decide where the first of the two phases
//!   claims.
//! - Bridging and the next steady phase: a claimant of bridging needs n and n+1. A claimant of steady needs the id to
//!   be absent in n, and needs n+1. Only one of them inserts in n+1. The others get "duplicate", and one has won: an
//!   id that is in n+1 was inserted there by a claimant that needed nothing else.
//! - Growing and the phase after it: likewise, with the two tables in place of the two generations.
//! - Two phases that are not successive: their claimants never run at the same time, and the second sees everything
//!   that the first has inserted.
//!
//! Emptied comes between steady and bridging because bridging fills cells of the half that held generation n-1. A
//! claimant of the steady phase still looks for the ids in these cells. It must be gone before the first of them is
//! overwritten.

use super::generation::Generation;
use super::table::{Reads, Table};
use std::sync::Arc;

/// The state of the rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The previous generation is still remembered.
    Steady,
    /// The previous generation is forgotten.
    Emptied,
    /// A new generation begins.
    Bridging,
    /// A new table takes over.
    Growing,
}

/// A table and what is read in it.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) table: Arc<Table>,
    pub(crate) reads: Reads,
}

/// Where ids are inserted.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) table: Arc<Table>,
    pub(crate) generation: Arc<Generation>,
}

#[derive(Clone)]
pub(crate) struct Phase {
    pub(crate) kind: Kind,
    /// Tables in which ids are not inserted any more.
    pub(crate) older: Vec<View>,
    /// What is read in the table of `current`.
    pub(crate) reads: Reads,
    pub(crate) previous: Option<Arc<Generation>>,
    pub(crate) current: Place,
    /// Where ids are also inserted.
    pub(crate) next: Option<Place>,
    /// The current generation ends at this log time.
    pub(crate) ends_ms: i64,
    /// The next step is due when log time is later than this.
    pub(crate) due_after_ms: i64,
    /// An id whose claim has this time or an earlier one may have been forgotten.
    pub(crate) floor_ms: i64,
}

impl Phase {
    /// The first phase of a new backend. Its generation ends before any log time, unless generations never end.
    pub(crate) fn first(current: Place, ends_ms: i64) -> Self {
        Self {
            kind: Kind::Emptied,
            older: Vec::new(),
            reads: Reads::none(),
            previous: None,
            current,
            next: None,
            ends_ms,
            due_after_ms: ends_ms,
            floor_ms: i64::MIN,
        }
    }

    /// Steady to emptied: the previous generation is forgotten.
    pub(crate) fn emptied(&self, floor_ms: i64) -> Self {
        let mut phase = Self { kind: Kind::Emptied, floor_ms, due_after_ms: self.ends_ms, ..self.clone() };
        if let Some(forgotten) = phase.previous.take() {
            phase.older.iter_mut().for_each(|view| view.reads.remove(&forgotten));
            phase.older.retain(|view| !view.reads.is_empty());
            phase.reads.remove(&forgotten);
        }
        phase
    }

    /// Emptied to bridging: ids are also inserted for the next generation.
    pub(crate) fn bridging(&self, next: Place) -> Self {
        Self { kind: Kind::Bridging, next: Some(next), due_after_ms: i64::MIN, ..self.clone() }
    }

    /// Steady or emptied to growing: ids are also inserted in a new table.
    pub(crate) fn growing(&self, table: Arc<Table>) -> Self {
        let next = Place { table, generation: Arc::clone(&self.current.generation) };
        Self { kind: Kind::Growing, next: Some(next), due_after_ms: i64::MIN, ..self.clone() }
    }

    /// Bridging to steady: the next generation, which ends at `ends_ms`, is the current one. The previous one is due
    /// after `due_after_ms`.
    pub(crate) fn rotated(&self, ends_ms: i64, due_after_ms: i64) -> Self {
        let previous = Arc::clone(&self.current.generation);
        Self { kind: Kind::Steady, previous: Some(previous), ends_ms, due_after_ms, ..self.with_next_as_current() }
    }

    /// Growing to steady or emptied: the new table is the current one.
    pub(crate) fn grown(&self, due_after_ms: i64) -> Self {
        let kind = if self.previous.is_some() { Kind::Steady } else { Kind::Emptied };
        Self { kind, due_after_ms, ..self.with_next_as_current() }
    }

    /// The next place becomes the current one, and the generation that was claimed in the current place is read there.
    fn with_next_as_current(&self) -> Self {
        let mut phase = self.clone();
        let Some(next) = phase.next.take() else { return phase };
        phase.reads.insert(&self.current.generation);
        if self.new_table().is_some() {
            let reads = std::mem::replace(&mut phase.reads, Reads::none());
            phase.older.push(View { table: Arc::clone(&self.current.table), reads });
        }
        phase.current = next;
        phase
    }

    /// The table that takes over from the current one.
    pub(crate) fn new_table(&self) -> Option<&Arc<Table>> {
        let table = &self.next.as_ref()?.table;
        (!Arc::ptr_eq(table, &self.current.table)).then_some(table)
    }

    /// The number of tables that claims look at.
    pub(crate) fn tables(&self) -> usize {
        self.older.len() + 1 + usize::from(self.new_table().is_some())
    }

    /// The number of remembered ids.
    pub(crate) fn ids(&self) -> usize {
        let current = &self.current.generation;
        let of_previous =
            self.previous.as_ref().map_or(0, |previous| previous.ids().saturating_sub(current.also_in_previous()));
        of_previous + current.ids()
    }
}
