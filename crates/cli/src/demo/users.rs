//! The users: a reference table that changes a little from time to time.

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use weir_api::{Attributes, ReferenceTable};

/// One of this many users gets a new value when the table changes.
const USERS_PER_CHANGE: usize = 50;

/// The users of the table, with their values of the attributes.
#[derive(Debug)]
pub(super) struct DemoUsers {
    attributes: Vec<Attribute>,
    /// For each user, the index of the value of each attribute.
    values: Vec<Vec<usize>>,
    rng: SmallRng,
}

#[derive(Debug)]
struct Attribute {
    name: String,
    values: Vec<String>,
}

/// The id of a user.
pub(super) fn user_id(user: u32) -> String {
    format!("user-{user:05}")
}

impl DemoUsers {
    pub(super) fn new(attributes: &[String], users: u32, seed: u64) -> Self {
        let attributes: Vec<_> = attributes.iter().map(|name| Attribute::new(name)).collect();
        let mut rng = SmallRng::seed_from_u64(seed);
        let draw = |_| attributes.iter().map(|attribute| attribute.draw(&mut rng)).collect();
        let values = (0..users).map(draw).collect();
        Self { attributes, values, rng }
    }

    /// Changes the first attribute, such as the plan, of some users.
    pub(super) fn change_some(&mut self) {
        for _ in 0..self.values.len().div_ceil(USERS_PER_CHANGE) {
            let user = self.rng.random_range(0..self.values.len());
            self.values[user][0] = self.attributes[0].draw(&mut self.rng);
        }
    }

    /// The table with this timestamp.
    pub(super) fn table(&self, ts: String) -> ReferenceTable {
        let user = |(user, values): (usize, &Vec<usize>)| {
            let attributes = self.attributes.iter().zip(values);
            let attributes = attributes.map(|(attribute, value)| {
                let Attribute { name, values } = attribute;
                (name.clone(), values[*value].clone())
            });
            (user_id(user as u32), Attributes(attributes.collect()))
        };
        ReferenceTable { user_metadata: self.values.iter().enumerate().map(user).collect(), ts }
    }
}

impl Attribute {
    /// An attribute with values that suit its name, or that contain its name.
    fn new(name: &str) -> Self {
        let values = match name {
            "plan" | "tier" => ["free", "pro", "team", "enterprise"].map(str::to_owned).to_vec(),
            "region" | "zone" => ["eu", "us", "apac", "latam"].map(str::to_owned).to_vec(),
            _ => (1..=4).map(|number| format!("{name}-{number}")).collect(),
        };
        Self { name: name.to_owned(), values }
    }

    /// The index of a random value. Each value is half as likely as the value before it.
    fn draw(&self, rng: &mut SmallRng) -> usize {
        (0..self.values.len() - 1).find(|_| rng.random_bool(0.5)).unwrap_or(self.values.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_user_has_every_attribute() {
        let table = DemoUsers::new(&["plan".into(), "colour".into()], 200, 1).table("T".into());
        assert_eq!((table.ts.as_str(), table.user_metadata.len()), ("T", 200));
        let values =
            |name: &str| table.user_metadata.values().map(|user| user.0[name].as_str()).collect::<BTreeSet<_>>();
        assert_eq!(values("plan"), BTreeSet::from(["enterprise", "free", "pro", "team"]));
        assert_eq!(values("colour"), BTreeSet::from(["colour-1", "colour-2", "colour-3", "colour-4"]));
    }

    #[test]
    fn a_change_is_of_a_few_users_and_of_the_first_attribute() {
        let mut users = DemoUsers::new(&["plan".into(), "region".into()], 1_000, 1);
        let before = users.table("T".into()).user_metadata;
        users.change_some();
        let after = users.table("T".into()).user_metadata;
        let changed: Vec<_> = before.iter().filter(|(id, user)| after[*id] != **user).collect();
        assert!((1..=20).contains(&changed.len()));
        assert!(changed.into_iter().all(|(id, user)| after[id].0["region"] == user.0["region"]));
    }
}
