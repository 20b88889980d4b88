//! The state of each user, in a hash table by the user's key. A second way leads to it by the user's index.

use crate::key::UserKey;
use crate::prefetch::prefetch;
use crate::timeline::live_second::LiveSecond;
use crate::timeline::segmented_vec::SegmentedVec;

/// Sub-tables, chosen by a part of the hash. Each is small when it grows, so no single event pays for the growth of
/// all.
const TABLES: usize = 256;
const TABLE_BITS: u32 = TABLES.trailing_zeros();

/// Cells of the smallest sub-table.
const CELLS_MIN: usize = 8;

/// The most cells of a sub-table: a [`PackedPosition`] has no bits for more. No memory holds as many users.
const CELLS_MAX: usize = 1 << (u32::BITS - TABLE_BITS);

/// The maximum load: this many of every eight cells may be occupied. With more, a user is less often in the first cell
/// that a search looks at.
const OCCUPIED_OF_EIGHT: usize = 5;

/// The index of an empty cell. No user has it.
const NO_USER: u32 = u32::MAX;

/// All that a fold reads and writes of a user, in half a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(32))]
pub(crate) struct UserCell {
    pub(crate) key: UserKey,
    /// The user's index, or [`NO_USER`].
    index: u32,
    /// The user's group under the timeline's generation.
    pub(crate) group: u32,
    /// The last second up to the clock in which the user has an event. The user is counted in the `last_seen` of that
    /// second.
    pub(crate) last_seen: LiveSecond,
    /// The last second in which the user has an event, seconds ahead of the clock included.
    pub(crate) last_event: LiveSecond,
}

/// Open addressing with linear probing (Knuth, TAOCP 6.4, algorithms L and R). Two cells share a cache line. Of 100
/// users, 76 (at the maximum load) to 90 (at half of it) are in the line that a search looks at first.
pub(crate) struct UserCells {
    tables: Box<[CellTable]>,
    /// By user index. The position of a free index has no meaning.
    positions: SegmentedVec<PackedPosition>,
    /// Cells of all tables.
    cells: usize,
}

/// A cell of a sub-table.
#[derive(Clone, Copy)]
pub(crate) struct Position {
    table: usize,
    at: usize,
}

/// A position in four bytes.
#[derive(Clone, Copy)]
struct PackedPosition(u32);

impl UserCell {
    const EMPTY: Self = Self {
        key: UserKey::ZERO,
        index: NO_USER,
        group: 0,
        last_seen: LiveSecond::NEVER,
        last_event: LiveSecond::NEVER,
    };

    /// A user whose first event is in second `last_event`.
    pub(crate) fn new(key: UserKey, index: u32, group: u32, last_event: LiveSecond) -> Self {
        debug_assert_ne!(index, NO_USER);
        Self { key, index, group, last_seen: LiveSecond::NEVER, last_event }
    }

    #[inline]
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Records an event in a second.
    #[inline]
    pub(crate) fn note_event(&mut self, second: LiveSecond) {
        if self.last_event.is_before(second) {
            self.last_event = second;
        }
    }

    /// Makes a second, which is not ahead of the clock, the user's last second if it is later than that. Returns the
    /// last second until now in that case.
    #[inline]
    pub(crate) fn advance_last_seen(&mut self, second: LiveSecond) -> Option<LiveSecond> {
        debug_assert!(!self.last_event.is_before(second), "the user has an event in this second");
        self.last_seen.is_before(second).then(|| std::mem::replace(&mut self.last_seen, second))
    }

    fn is_empty(&self) -> bool {
        self.index == NO_USER
    }
}

impl UserCells {
    pub(crate) fn new() -> Self {
        let tables: Box<[_]> = (0..TABLES).map(|_| CellTable::new(CELLS_MIN)).collect();
        Self { tables, positions: SegmentedVec::new(), cells: TABLES * CELLS_MIN }
    }

    /// Prefetches what [`position`](Self::position) will read.
    #[inline]
    pub(crate) fn prefetch(&self, key: UserKey) {
        let table = &self.tables[table_of(key)];
        prefetch(table.cells.as_ptr().wrapping_add(table.home(key)));
    }

    /// Prefetches the cell of a user index.
    #[inline]
    pub(crate) fn prefetch_index(&self, user: u32) {
        let Position { table, at } = self.positions[user].unpacked();
        prefetch(self.tables[table].cells.as_ptr().wrapping_add(at));
    }

    /// The position of a user's cell, if the user has one. It is valid until the next insertion or removal.
    #[inline]
    pub(crate) fn position(&self, key: UserKey) -> Option<Position> {
        let table = table_of(key);
        self.tables[table].find(key).map(|at| Position { table, at })
    }

    /// The cell at a position.
    #[inline]
    pub(crate) fn at(&mut self, Position { table, at }: Position) -> &mut UserCell {
        &mut self.tables[table].cells[at]
    }

    /// The cell of a user index that is in use.
    #[inline]
    pub(crate) fn cell(&mut self, user: u32) -> &mut UserCell {
        let Position { table, at } = self.positions[user].unpacked();
        let cell = &mut self.tables[table].cells[at];
        debug_assert_eq!(cell.index, user, "a user index in use has a cell");
        cell
    }

    /// The sub-tables.
    pub(crate) fn tables(&self) -> &[CellTable] {
        &self.tables
    }

    pub(crate) fn tables_mut(&mut self) -> &mut [CellTable] {
        &mut self.tables
    }

    /// Whether the user index has a cell.
    #[cfg(test)]
    pub(crate) fn has_cell(&self, user: u32) -> bool {
        let Position { table, at } = self.positions[user].unpacked();
        self.tables[table].cells.get(at).is_some_and(|cell| cell.index == user)
    }

    /// The key of a user index that has a cell.
    pub(crate) fn key(&self, user: u32) -> Option<UserKey> {
        let Position { table, at } = self.positions[user].unpacked();
        self.tables[table].cells.get(at).filter(|cell| cell.index == user).map(|cell| cell.key)
    }

    /// Adds the cell of a user who has none, and returns its position. The index is free, or one more than the last.
    pub(crate) fn insert(&mut self, cell: UserCell) -> Position {
        if cell.index == self.positions.len() {
            self.positions.push(PackedPosition(0));
        }
        let table = table_of(cell.key);
        let positions = &mut self.positions;
        self.cells += self.tables[table].insert(cell, |user, at| positions[user] = PackedPosition::new(table, at));
        self.positions[cell.index].unpacked()
    }

    /// Removes the cell of a user index that is in use.
    pub(crate) fn remove(&mut self, user: u32) {
        let Position { table, at } = self.positions[user].unpacked();
        let positions = &mut self.positions;
        self.cells -= self.tables[table].remove(at, |user, at| positions[user] = PackedPosition::new(table, at));
    }

    /// Removes the last user index, which is free.
    pub(crate) fn pop_index(&mut self) {
        self.positions.pop();
    }

    /// User indices, the free ones included.
    pub(crate) fn indices(&self) -> u32 {
        self.positions.len()
    }

    /// Memory that the table occupies with `len` users, or will occupy once all sub-tables have doubled. They double at
    /// nearly the same time. While one of them doubles, its cells exist twice.
    pub(crate) fn bytes(&self, len: usize) -> usize {
        let doubled = len * 2 * 8 / OCCUPIED_OF_EIGHT;
        let cells = self.cells.max(doubled);
        (cells + cells / TABLES) * size_of::<UserCell>() + self.positions.bytes()
    }

    #[cfg(test)]
    pub(crate) fn cells(&self) -> usize {
        self.cells
    }
}

impl PackedPosition {
    fn new(table: usize, at: usize) -> Self {
        debug_assert!(at < CELLS_MAX);
        Self((at << TABLE_BITS | table) as u32)
    }

    #[inline]
    fn unpacked(self) -> Position {
        Position { table: self.0 as usize & (TABLES - 1), at: self.0 as usize >> TABLE_BITS }
    }
}

/// The sub-table of a key, by bits that do not choose the cell.
#[inline]
fn table_of(key: UserKey) -> usize {
    key.hash64() as usize & (TABLES - 1)
}

/// The part of a key that chooses its cell.
#[inline]
pub(crate) fn order_of(key: UserKey) -> u32 {
    (key.hash64() >> 32) as u32
}

/// The first cell of a sub-table of `cells` cells that a key may be in. A larger table keeps the order.
#[inline]
fn home(key: UserKey, cells: usize) -> usize {
    (order_of(key) as usize * cells) >> 32
}

/// A sub-table. Its length is a power of two.
pub(crate) struct CellTable {
    cells: Box<[UserCell]>,
    /// Occupied cells.
    len: usize,
}

impl CellTable {
    /// Occupied cells.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The users, nearly in the order of [`order_of`]. The few whose cells follow the end of the table, at its start,
    /// are left out.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = UserKey> {
        let cells = self.cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty());
        cells.filter(|(at, cell)| self.home(cell.key) <= *at).map(|(_, cell)| cell.key)
    }

    /// All cells, and whether [`in_order`](Self::in_order) has them, too.
    pub(crate) fn cells_mut(&mut self) -> impl Iterator<Item = (&mut UserCell, bool)> {
        let cells = self.cells.len();
        let occupied = self.cells.iter_mut().enumerate().filter(|(_, cell)| !cell.is_empty());
        occupied.map(move |(at, cell)| {
            let is_in_order = home(cell.key, cells) <= at;
            (cell, is_in_order)
        })
    }

    fn new(cells: usize) -> Self {
        Self { cells: vec![UserCell::EMPTY; cells].into(), len: 0 }
    }

    #[inline]
    fn home(&self, key: UserKey) -> usize {
        home(key, self.cells.len())
    }

    #[inline]
    fn find(&self, key: UserKey) -> Option<usize> {
        let mut at = self.home(key);
        loop {
            let cell = &self.cells[at];
            if cell.key == key && !cell.is_empty() {
                return Some(at);
            }
            if cell.is_empty() {
                return None;
            }
            at = self.next(at);
        }
    }

    /// Adds a cell whose key is not in the table. Calls `moved` with each user whose cell is in another place now, the
    /// new one included. Returns the number of cells that the table has grown by.
    fn insert(&mut self, cell: UserCell, mut moved: impl FnMut(u32, usize)) -> usize {
        let cells = self.cells.len();
        if (self.len + 1) * 8 > cells * OCCUPIED_OF_EIGHT {
            self.resize(cells * 2, &mut moved);
        }
        self.place(cell, &mut moved);
        self.len += 1;
        self.cells.len() - cells
    }

    fn place(&mut self, cell: UserCell, moved: &mut impl FnMut(u32, usize)) {
        let mut at = self.home(cell.key);
        while !self.cells[at].is_empty() {
            at = self.next(at);
        }
        self.cells[at] = cell;
        moved(cell.index, at);
    }

    /// Empties a cell, and moves the cells behind it up to the next empty one as near to their homes as possible. Calls
    /// `moved` with each of them. Returns the number of cells that the table has shrunk by.
    fn remove(&mut self, at: usize, mut moved: impl FnMut(u32, usize)) -> usize {
        let cells = self.cells.len();
        let mut hole = at;
        let mut at = self.next(at);
        while !self.cells[at].is_empty() {
            let cell = self.cells[at];
            if self.distance(self.home(cell.key), at) >= self.distance(hole, at) {
                self.cells[hole] = cell;
                moved(cell.index, hole);
                hole = at;
            }
            at = self.next(at);
        }
        self.cells[hole] = UserCell::EMPTY;
        self.len -= 1;
        if cells > CELLS_MIN && self.len < cells / 8 {
            self.resize((cells / 4).max(CELLS_MIN), &mut moved);
        }
        cells - self.cells.len()
    }

    fn resize(&mut self, cells: usize, moved: &mut impl FnMut(u32, usize)) {
        assert!(cells <= CELLS_MAX, "a sub-table has at most {CELLS_MAX} cells");
        let before = std::mem::replace(&mut self.cells, vec![UserCell::EMPTY; cells].into());
        before.into_iter().filter(|cell| !cell.is_empty()).for_each(|cell| self.place(cell, moved));
    }

    #[inline]
    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.cells.len() - 1)
    }

    /// Forward steps from one cell to another.
    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.cells.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A key in sub-table 0 with these upper bits. `low` tells keys apart that have the same home.
    fn key(upper: u32, low: u64) -> UserKey {
        UserKey::of_hash([low << 8, u64::from(upper) << 32])
    }

    fn cell(key: UserKey, index: u32) -> UserCell {
        UserCell::new(key, index, 7, LiveSecond::new(10))
    }

    fn index(cells: &mut UserCells, key: UserKey) -> Option<u32> {
        let position = cells.position(key)?;
        Some(cells.at(position).index)
    }

    #[test]
    fn a_cell_is_half_a_cache_line() {
        assert_eq!((size_of::<UserCell>(), align_of::<UserCell>()), (32, 32));
    }

    #[test]
    fn every_position_fits_into_four_bytes() {
        for (table, at) in [(0, 0), (1, 2), (0, CELLS_MAX - 1), (TABLES - 1, 0), (TABLES - 1, CELLS_MAX - 1)] {
            let unpacked = PackedPosition::new(table, at).unpacked();
            assert_eq!((unpacked.table, unpacked.at), (table, at));
        }
    }

    #[test]
    fn the_memory_is_that_of_the_cells_once_all_sub_tables_have_doubled() {
        let mut cells = UserCells::new();
        let cells_bytes = |cells: usize| (cells + cells / TABLES) * size_of::<UserCell>();
        let positions_bytes = SegmentedVec::<PackedPosition>::new().bytes();
        assert_eq!(cells.bytes(0), cells_bytes(TABLES * CELLS_MIN) + positions_bytes);
        assert_eq!(cells.bytes(10_000), cells_bytes(32_000) + positions_bytes, "twice at five eighths");
        (0..1_000).for_each(|n| _ = cells.insert(cell(key(n << 20, n.into()), n)));
        assert!(cells.cells() > TABLES * CELLS_MIN + 1_000 && cells.positions.bytes() > positions_bytes);
        assert_eq!(cells.bytes(0), cells_bytes(cells.cells()) + cells.positions.bytes());
        cells.remove(999);
        cells.pop_index();
        assert_eq!(cells.indices(), 999);
    }

    #[test]
    fn an_empty_table_finds_no_user() {
        let cells = UserCells::new();
        assert!([UserKey::ZERO, key(u32::MAX, 1)].into_iter().all(|key| cells.position(key).is_none()));
    }

    #[test]
    fn keys_with_the_same_home_are_distinguished() {
        let mut cells = UserCells::new();
        (0..10).for_each(|n| _ = cells.insert(cell(key(u32::MAX, n.into()), n)));
        assert!((0..10).all(|n| index(&mut cells, key(u32::MAX, n.into())) == Some(n) && cells.cell(n).index == n));
        assert!(cells.position(key(u32::MAX, 10)).is_none());
        cells.remove(3);
        assert!(cells.position(key(u32::MAX, 3)).is_none() && !cells.has_cell(3));
        assert!((0..10).filter(|n| *n != 3).all(|n| cells.key(n) == Some(key(u32::MAX, n.into()))));
    }

    #[test]
    fn a_table_is_at_most_five_eighths_full_and_shrinks_below_an_eighth() {
        let mut cells = UserCells::new();
        let others = cells.cells() - CELLS_MIN;
        let key = |n: u32| key(n.wrapping_mul(0x9e37_79b9), 0);
        let mut seen = vec![];
        for n in 0..13 {
            cells.insert(cell(key(n), n));
            seen.push(cells.cells() - others);
        }
        assert_eq!((seen[0], seen[4], seen[5], seen[9], seen[10]), (8, 8, 16, 16, 32));
        (4..13).for_each(|n| cells.remove(n));
        assert_eq!(cells.cells() - others, 32, "4 of 32 cells are occupied");
        cells.remove(3);
        assert_eq!(cells.cells() - others, 8, "3 of 32 cells were occupied");
        assert!((0..3).all(|n| index(&mut cells, key(n)) == Some(n)));
    }

    proptest! {
        /// The keys come from a few neighbourhoods at both ends of the table, so there are clusters, and some wrap.
        #[test]
        fn the_table_agrees_with_a_map(
            steps in prop::collection::vec(
                (0..40_u32, prop::sample::select(vec![0, 1 << 28, 3 << 29, u32::MAX - 50])),
                1..300,
            ),
        ) {
            let (mut cells, mut model, mut free) = (UserCells::new(), BTreeMap::new(), Vec::new());
            for (offset, base) in steps {
                let key = key(base + offset, 0);
                match model.remove(&(base + offset)) {
                    Some((_, index)) => {
                        cells.remove(index);
                        free.push(index);
                    }
                    None => {
                        let index = free.pop().unwrap_or(cells.indices());
                        cells.insert(cell(key, index));
                        model.insert(base + offset, (key, index));
                    }
                }
                for (key, held) in model.values() {
                    prop_assert_eq!(index(&mut cells, *key), Some(*held));
                    prop_assert_eq!(cells.key(*held), Some(*key));
                }
                prop_assert!(free.iter().all(|index| !cells.has_cell(*index)));
                let occupied = cells.tables[0].cells.iter().filter(|cell| !cell.is_empty()).count();
                prop_assert_eq!((occupied, cells.tables[0].len), (model.len(), model.len()));
            }
        }
    }
}
