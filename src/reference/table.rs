//! The table of users of a generation, and its builder.
//!
//! A table may hold ten million users, but only a few thousand distinct combinations of attribute values. So a user is
//! one entry of a hash table, with the number of a group, and a group is one row of value numbers.

use crate::key::UserKey;
use crate::limits;
use hashbrown::HashTable;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

/// The group of the users who are not in the table.
pub(super) const UNKNOWN: u32 = 0;

/// The most attributes that can be configured.
pub(super) const ATTRIBUTES_MAX: usize = *limits::ATTRIBUTES.end();

/// The values of a group: for each attribute, the number of its value. Elements beyond the configured attributes are
/// zero.
pub(super) type Row = [u32; ATTRIBUTES_MAX];

/// Users and their groups. Every group and every value belongs to at least one user.
pub(super) struct UserTable {
    users: HashTable<(UserKey, u32)>,
    /// Group `g` is row `g - 1`.
    rows: Vec<Row>,
    /// The distinct values of each attribute.
    values: Vec<Vec<String>>,
    /// Memory that the table occupies.
    bytes: usize,
}

impl UserTable {
    /// A table without users.
    pub(super) fn empty(attributes: usize) -> Self {
        TableBuilder::new(attributes).build()
    }

    /// Memory that a table with this content occupies; O(values).
    fn bytes_of(users: &HashTable<(UserKey, u32)>, rows: &Vec<Row>, values: &[Vec<String>]) -> usize {
        let texts = |values: &Vec<String>| {
            values.capacity() * size_of::<String>() + values.iter().map(String::capacity).sum::<usize>()
        };
        users.allocation_size() + rows.capacity() * size_of::<Row>() + values.iter().map(texts).sum::<usize>()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Each user and its group.
    pub(super) fn entries(&self) -> impl Iterator<Item = (UserKey, u32)> {
        self.users.iter().copied()
    }

    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    /// Groups, the group of unknown users included.
    pub(super) fn groups(&self) -> usize {
        self.rows.len() + 1
    }

    /// The user's group; [`UNKNOWN`] for a user who is not in the table.
    pub(super) fn group_of(&self, key: UserKey) -> u32 {
        // The upper half of a key is already a hash, so it is not hashed again.
        self.users.find(key.hash64(), |(user, _)| *user == key).map_or(UNKNOWN, |&(_, group)| group)
    }

    /// The value of an attribute in a group other than [`UNKNOWN`].
    pub(super) fn value(&self, group: u32, attribute: usize) -> &str {
        let number = self.rows[group as usize - 1][attribute];
        &self.values[attribute][number as usize]
    }

    /// Whether both tables hold the same users with the same values; O(users). Their groups may have different numbers.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        let attributes = self.values.len();
        let mut counterparts = vec![UNKNOWN; self.groups()];
        let same_user = |&(key, group): &(UserKey, u32)| {
            let theirs = other.group_of(key);
            if theirs == UNKNOWN {
                return false;
            }
            let counterpart = &mut counterparts[group as usize];
            if *counterpart == UNKNOWN && (0..attributes).all(|a| self.value(group, a) == other.value(theirs, a)) {
                *counterpart = theirs;
            }
            *counterpart == theirs
        };
        self.users.len() == other.users.len() && self.users.iter().all(same_user)
    }
}

/// The table would exceed a limit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LimitExceeded {
    what: &'static str,
    max: usize,
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the table would hold more than {} {}", self.max, self.what)
    }
}

/// A table that is being built. It knows the users that were inserted and those that were deleted.
pub(super) struct TableBuilder {
    /// Deleted users are in the group [`UNKNOWN`].
    users: HashTable<(UserKey, u32)>,
    /// Users without the deleted ones.
    live: usize,
    users_max: usize,
    rows: Interner<Row>,
    values: Vec<Interner<String>>,
}

impl TableBuilder {
    pub(super) fn new(attributes: usize) -> Self {
        let values = || Interner::new("distinct values of an attribute", limits::ATTRIBUTE_VALUES_MAX);
        Self {
            users: HashTable::new(),
            live: 0,
            users_max: limits::REFERENCE_USERS_MAX,
            rows: Interner::new("distinct combinations of attribute values", limits::GROUPS_MAX),
            values: std::iter::repeat_with(values).take(attributes).collect(),
        }
    }

    /// Starts from the users of `base` except those of `without`, and from the values that are still in use; O(users of
    /// `base`).
    pub(super) fn from_base(base: &UserTable, without: impl Iterator<Item = UserKey>) -> Self {
        let mut builder = Self::new(base.values.len());
        let mut users = base.users.clone();
        for key in without {
            if let Ok(user) = users.find_entry(key.hash64(), |(user, _)| *user == key) {
                user.remove();
            }
        }
        let mut renumbered = vec![UNKNOWN; base.groups()];
        for (_, group) in &mut users {
            let number = &mut renumbered[*group as usize];
            if *number == UNKNOWN {
                *number =
                    builder.copy_group(base, *group).expect("a part of a table is within the limits of the whole");
            }
            *group = *number;
        }
        builder.live = users.len();
        builder.users = users;
        builder
    }

    /// Copies a group of `base`.
    fn copy_group(&mut self, base: &UserTable, group: u32) -> Result<u32, LimitExceeded> {
        let mut row = Row::default();
        for (attribute, number) in row.iter_mut().take(base.values.len()).enumerate() {
            *number = self.value(attribute, base.value(group, attribute))?;
        }
        self.group(&row)
    }

    /// Whether the user was inserted or deleted.
    pub(super) fn contains(&self, key: UserKey) -> bool {
        self.users.find(key.hash64(), |(user, _)| *user == key).is_some()
    }

    /// The number of a value, for a [`Row`].
    pub(super) fn value(&mut self, attribute: usize, value: &str) -> Result<u32, LimitExceeded> {
        self.values[attribute].number(value)
    }

    fn group(&mut self, row: &Row) -> Result<u32, LimitExceeded> {
        Ok(self.rows.number(row)? + 1)
    }

    /// Inserts a user that the builder does not [contain](Self::contains).
    pub(super) fn insert(&mut self, key: UserKey, row: &Row) -> Result<(), LimitExceeded> {
        if self.live == self.users_max {
            return Err(LimitExceeded { what: "users", max: self.users_max });
        }
        let group = self.group(row)?;
        self.live += 1;
        self.push(key, group);
        Ok(())
    }

    /// Deletes a user that the builder does not [contain](Self::contains): the table will not contain it either.
    pub(super) fn delete(&mut self, key: UserKey) {
        self.push(key, UNKNOWN);
    }

    fn push(&mut self, key: UserKey, group: u32) {
        self.users.insert_unique(key.hash64(), (key, group), |(user, _)| user.hash64());
    }

    pub(super) fn build(mut self) -> UserTable {
        if self.live < self.users.len() {
            self.users.retain(|&mut (_, group)| group != UNKNOWN);
        }
        self.users.shrink_to_fit(|(user, _)| user.hash64());
        let rows = self.rows.into_items();
        let values: Vec<Vec<String>> = self.values.into_iter().map(Interner::into_items).collect();
        UserTable { bytes: UserTable::bytes_of(&self.users, &rows, &values), users: self.users, rows, values }
    }
}

/// Distinct items, numbered from 0 in the order of their first use.
struct Interner<T> {
    /// Clients choose the items, so this needs the keyed hash of the standard library.
    numbers: HashMap<T, u32>,
    what: &'static str,
    max: usize,
}

impl<T: Eq + Hash> Interner<T> {
    fn new(what: &'static str, max: usize) -> Self {
        Self { numbers: HashMap::new(), what, max }
    }

    fn number<Q>(&mut self, item: &Q) -> Result<u32, LimitExceeded>
    where
        T: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = T> + ?Sized,
    {
        if let Some(&number) = self.numbers.get(item) {
            return Ok(number);
        }
        let number = self.numbers.len();
        if number == self.max {
            return Err(LimitExceeded { what: self.what, max: self.max });
        }
        self.numbers.insert(item.to_owned(), number as u32);
        Ok(number as u32)
    }

    /// The items in the order of their numbers.
    fn into_items(self) -> Vec<T> {
        let mut items: Vec<(T, u32)> = self.numbers.into_iter().collect();
        items.sort_unstable_by_key(|&(_, number)| number);
        items.into_iter().map(|(item, _)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::HashKeys;

    fn key(id: &str) -> UserKey {
        HashKeys::from_seed(&[7; 32]).user(id)
    }

    fn insert(builder: &mut TableBuilder, id: &str, values: &[&str]) -> Result<(), LimitExceeded> {
        let mut row = Row::default();
        for (attribute, value) in values.iter().enumerate() {
            row[attribute] = builder.value(attribute, value)?;
        }
        builder.insert(key(id), &row)
    }

    fn table(users: &[(&str, [&str; 2])]) -> UserTable {
        let mut builder = TableBuilder::new(2);
        for (id, values) in users {
            insert(&mut builder, id, values).unwrap();
        }
        builder.build()
    }

    fn values(table: &UserTable, id: &str) -> Option<[String; 2]> {
        let group = table.group_of(key(id));
        (group != UNKNOWN).then(|| [0, 1].map(|attribute| table.value(group, attribute).to_owned()))
    }

    #[test]
    fn users_with_the_same_values_share_a_group() {
        let table = table(&[("a", ["pro", "eu"]), ("b", ["eu", "pro"]), ("c", ["pro", "eu"])]);
        assert_eq!((table.users(), table.groups()), (3, 3));
        assert_eq!(table.group_of(key("a")), table.group_of(key("c")));
        assert_ne!(table.group_of(key("a")), table.group_of(key("b")));
        assert_eq!(table.group_of(key("d")), UNKNOWN);
        assert_eq!(values(&table, "b"), Some(["eu", "pro"].map(str::to_owned)));
    }

    #[test]
    fn tables_are_compared_by_content_and_not_by_numbering() {
        let (a, b, c) = (("a", ["pro", "eu"]), ("b", ["free", "eu"]), ("c", ["pro", "eu"]));
        let ours = table(&[a, b, c]);
        assert!(ours.same_content(&table(&[b, c, a])));
        for other in [
            &[a, b][..],
            &[a, b, ("d", ["pro", "eu"])],
            &[a, b, ("c", ["pro", "us"])],
            &[a, b, ("c", ["free", "eu"])],
            &[("a", ["free", "eu"]), ("b", ["pro", "eu"]), c],
            &[],
        ] {
            let other = table(other);
            assert!(!ours.same_content(&other));
            assert!(!other.same_content(&ours));
        }
        assert!(UserTable::empty(2).same_content(&table(&[])));
    }

    #[test]
    fn groups_and_values_without_users_are_removed() {
        let base = table(&[("a", ["pro", "eu"]), ("b", ["free", "us"]), ("c", ["free", "eu"])]);
        let kept = TableBuilder::from_base(&base, [key("b"), key("stranger")].into_iter()).build();
        assert_eq!((kept.users(), kept.groups()), (2, 3));
        assert_eq!(kept.values[1], ["eu"]);
        assert!(kept.same_content(&table(&[("a", ["pro", "eu"]), ("c", ["free", "eu"])])));
    }

    #[test]
    fn a_deleted_user_is_known_to_the_builder_and_not_in_the_table() {
        let mut builder = TableBuilder::from_base(&table(&[("a", ["pro", "eu"])]), std::iter::empty());
        assert!(builder.contains(key("a")) && !builder.contains(key("b")));
        builder.delete(key("b"));
        assert!(builder.contains(key("b")));
        let table = builder.build();
        assert_eq!((table.users(), table.group_of(key("b"))), (1, UNKNOWN));
    }

    #[test]
    fn the_limit_of_users_does_not_count_deleted_ones() {
        let mut builder =
            TableBuilder::from_base(&table(&[("a", ["pro", "eu"]), ("b", ["pro", "eu"])]), [key("b")].into_iter());
        builder.users_max = 2;
        builder.delete(key("b"));
        assert_eq!(insert(&mut builder, "c", &["pro", "eu"]), Ok(()));
        let full = insert(&mut builder, "d", &["pro", "eu"]).unwrap_err();
        assert_eq!(full.to_string(), "the table would hold more than 2 users");
        assert_eq!(builder.build().users(), 2);
    }
}
