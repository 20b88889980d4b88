//! The parser of a PUT or PATCH body: one pass over its JSON nodes, to a table or to the first error in document order.

use super::error::ReferenceError;
use super::generation::Candidate;
use super::table::{ATTRIBUTES_MAX, LimitExceeded, Row, TableBuilder, UNKNOWN, UserTable};
use crate::json::{self, Node, StaticNode};
use crate::key::{HashKeys, UserKey};
use crate::{event, limits};
use std::ops::RangeInclusive;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Reads a body.
pub(super) struct TableReader<'a> {
    pub(super) attributes: &'a [Box<str>],
    pub(super) keys: &'a HashKeys,
    /// The table that the body is a merge patch of (RFC 7396); none for a body that is a whole table. There are only
    /// two differences: a patch may omit what `base` has, and it may delete a user with null.
    pub(super) base: Option<&'a Arc<UserTable>>,
}

/// An error and its position: a JSON Pointer (RFC 6901), relative to the value that is being read. Each enclosing
/// object prepends its part.
#[derive(Debug)]
pub(super) struct Fault {
    pointer: String,
    detail: String,
}

impl Fault {
    fn here(detail: impl Into<String>) -> Self {
        Self { pointer: String::new(), detail: detail.into() }
    }

    /// The same error, relative to the object that has it in member `name`.
    ///
    /// If the name is too long to be quoted, the pointer ends before it: an answer must not grow with a hostile name.
    fn within(self, name: &str) -> Self {
        if name.len() > limits::POINTER_NAME_BYTES_MAX {
            return Self { pointer: String::new(), ..self };
        }
        let token = name.replace('~', "~0").replace('/', "~1");
        Self { pointer: format!("/{token}{}", self.pointer), ..self }
    }
}

impl From<LimitExceeded> for Fault {
    fn from(error: LimitExceeded) -> Self {
        Self::here(error.to_string())
    }
}

impl From<Fault> for ReferenceError {
    fn from(Fault { pointer, detail }: Fault) -> Self {
        Self::Invalid { pointer, detail }
    }
}

const USERS: &str = "user_metadata";
const TS: &str = "ts";

impl TableReader<'_> {
    /// The table that results from the body; O(body) and, for a patch, O(users of the base).
    pub(super) fn read(&self, body: &[Node<'_>]) -> Result<Candidate, Fault> {
        let (mut table, mut ts_ms) = (None, None);
        for (name, value) in members("the body", body)? {
            match name {
                USERS => once(&mut table, name, || self.users(value))?,
                TS => once(&mut ts_ms, name, || timestamp(value))?,
                _ => {}
            }
        }
        let table = table.or_else(|| self.base.cloned()).ok_or_else(|| missing(USERS))?;
        Ok(Candidate { ts_ms: ts_ms.ok_or_else(|| missing(TS))?, table })
    }

    fn users(&self, value: &[Node<'_>]) -> Result<Arc<UserTable>, Fault> {
        let users = members(USERS, value)?;
        let mut table = match self.base {
            None => TableBuilder::new(self.attributes.len()),
            // The users that the patch names are removed first, so the limits apply to the result. After that, a user
            // that the builder contains was named by the patch before.
            Some(base) => TableBuilder::from_base(base, users.clone().map(|(id, _)| self.keys.user(id))),
        };
        for (id, value) in users {
            self.user(id, value, &mut table).map_err(|fault| fault.within(id))?;
        }
        Ok(Arc::new(table.build()))
    }

    fn user(&self, id: &str, value: &[Node<'_>], table: &mut TableBuilder) -> Result<(), Fault> {
        check_len("the user id", id, &limits::ID_BYTES)?;
        let key = self.keys.user(id);
        if table.contains(key) {
            return Err(Fault::here("the user is given more than once"));
        }
        if self.base.is_some() && value.first() == Some(&Node::Static(StaticNode::Null)) {
            table.delete(key);
            return Ok(());
        }
        let row = self.row(key, value, table)?;
        Ok(table.insert(key, &row)?)
    }

    /// The values of one user, in the order of the attributes.
    fn row(&self, key: UserKey, value: &[Node<'_>], table: &mut TableBuilder) -> Result<Row, Fault> {
        let mut given = [None; ATTRIBUTES_MAX];
        for (name, value) in members("the user", value)? {
            if let Some(attribute) = self.attributes.iter().position(|attribute| **attribute == *name) {
                once(&mut given[attribute], name, || {
                    let text = string(name, value)?;
                    check_len(name, text, &limits::ATTRIBUTE_VALUE_BYTES)?;
                    Ok(table.value(attribute, text)?)
                })?;
            }
        }
        let mut row = Row::default();
        for (attribute, name) in self.attributes.iter().enumerate() {
            row[attribute] = match given[attribute] {
                Some(number) => number,
                None => {
                    let text = self.inherited(key, attribute).ok_or_else(|| missing(name))?;
                    table.value(attribute, text).map_err(|error| Fault::from(error).within(name))?
                }
            };
        }
        Ok(row)
    }

    /// The value in the base of a member that the patch omits.
    fn inherited(&self, key: UserKey, attribute: usize) -> Option<&str> {
        let base = self.base?;
        let group = base.group_of(key);
        (group != UNKNOWN).then(|| base.value(group, attribute))
    }
}

/// Reads a member that may occur in its object only once.
fn once<T>(slot: &mut Option<T>, name: &str, read: impl FnOnce() -> Result<T, Fault>) -> Result<(), Fault> {
    let read = || match slot {
        Some(_) => Err(Fault::here(format!("{name} is given more than once"))),
        None => read(),
    };
    *slot = Some(read().map_err(|fault| fault.within(name))?);
    Ok(())
}

fn missing(name: &str) -> Fault {
    Fault::here(format!("{name} is missing")).within(name)
}

fn timestamp(value: &[Node<'_>]) -> Result<i64, Fault> {
    let text = string(TS, value)?;
    event::parse_ms(text.as_bytes()).ok_or_else(|| Fault::here("ts is not an RFC 3339 date-time"))
}

fn string<'i>(name: &str, value: &[Node<'i>]) -> Result<&'i str, Fault> {
    match value.first() {
        Some(Node::String(text)) => Ok(text),
        _ => Err(Fault::here(format!("{name} is not a string"))),
    }
}

fn check_len(name: &str, text: &str, bytes: &RangeInclusive<usize>) -> Result<(), Fault> {
    if text.len() < *bytes.start() {
        return Err(Fault::here(format!("{name} is empty")));
    }
    if text.len() > *bytes.end() {
        return Err(Fault::here(format!("{name} is longer than {} bytes", bytes.end())));
    }
    Ok(())
}

fn members<'t, 'i>(name: &str, value: &'t [Node<'i>]) -> Result<Members<'t, 'i>, Fault> {
    match value.split_first() {
        Some((Node::Object { count, .. }, rest)) => Ok(Members { rest: &rest[..*count] }),
        _ => Err(Fault::here(format!("{name} is not an object"))),
    }
}

/// The members of an object: a name and the nodes of its value.
#[derive(Clone)]
struct Members<'t, 'i> {
    rest: &'t [Node<'i>],
}

impl<'t, 'i> Iterator for Members<'t, 'i> {
    type Item = (&'i str, &'t [Node<'i>]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.rest.split_first()?;
        let Node::String(name) = *name else { unreachable!("the names of an object's members are strings") };
        let (value, rest) = rest.split_at(json::extent(&rest[0]));
        self.rest = rest;
        Some((name, value))
    }
}
