//! Who the users are: a reference table that changes a little from time to time.

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Map, Value, json};

/// Of so many users one gets a new value when the table changes.
const USERS_PER_CHANGE: usize = 50;

/// The users of the table and their attributes' values.
#[derive(Debug)]
pub(super) struct People {
    attributes: Vec<Attribute>,
    /// The index of each user's value of each attribute.
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

impl People {
    pub(super) fn new(attributes: &[String], users: u32, seed: u64) -> Self {
        let attributes: Vec<_> = attributes.iter().map(|name| Attribute::new(name)).collect();
        let mut rng = SmallRng::seed_from_u64(seed);
        let draw = |_| attributes.iter().map(|attribute| attribute.draw(&mut rng)).collect();
        let values = (0..users).map(draw).collect();
        Self { attributes, values, rng }
    }

    /// Some users change: the first attribute, as a plan does, gets another value.
    pub(super) fn change(&mut self) {
        for _ in 0..self.values.len().div_ceil(USERS_PER_CHANGE) {
            let user = self.rng.random_range(0..self.values.len());
            self.values[user][0] = self.attributes[0].draw(&mut self.rng);
        }
    }

    /// The body of `PUT /reference/users`.
    pub(super) fn table(&self, ts: &str) -> String {
        let user = |(user, values): (usize, &Vec<usize>)| {
            let attributes = self.attributes.iter().zip(values);
            let attributes = attributes
                .map(|(attribute, value)| (attribute.name.clone(), Value::from(attribute.values[*value].as_str())));
            (user_id(user as u32), Value::Object(attributes.collect()))
        };
        let users: Map<String, Value> = self.values.iter().enumerate().map(user).collect();
        json!({"user_metadata": users, "ts": ts}).to_string()
    }
}

impl Attribute {
    /// An attribute with values that suit its name, or at least tell it.
    fn new(name: &str) -> Self {
        let values = match name {
            "plan" | "tier" => ["free", "pro", "team", "enterprise"].map(str::to_owned).to_vec(),
            "region" | "zone" => ["eu", "us", "apac", "latam"].map(str::to_owned).to_vec(),
            _ => (1..=4).map(|number| format!("{name}-{number}")).collect(),
        };
        Self { name: name.to_owned(), values }
    }

    /// The first value for every second user, the next for every second of the rest, and so on.
    fn draw(&self, rng: &mut SmallRng) -> usize {
        (0..self.values.len() - 1).find(|_| rng.random_bool(0.5)).unwrap_or(self.values.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn table(people: &People) -> Value {
        serde_json::from_str(&people.table("T")).unwrap()
    }

    #[test]
    fn every_user_has_every_attribute() {
        let people = People::new(&["plan".into(), "colour".into()], 200, 1);
        let table = table(&people);
        assert_eq!(table["ts"], "T");
        let users = table["user_metadata"].as_object().unwrap();
        assert_eq!(users.len(), 200);
        let values = |name: &str| users.values().map(|user| user[name].as_str().unwrap()).collect::<BTreeSet<_>>();
        assert_eq!(values("plan"), BTreeSet::from(["enterprise", "free", "pro", "team"]));
        assert_eq!(values("colour"), BTreeSet::from(["colour-1", "colour-2", "colour-3", "colour-4"]));
    }

    #[test]
    fn a_change_is_of_a_few_users_and_of_the_first_attribute() {
        let mut people = People::new(&["plan".into(), "region".into()], 1_000, 1);
        let (before, _) = (table(&people), people.change());
        let after = table(&people);
        let users = before["user_metadata"].as_object().unwrap();
        let changed = users.iter().filter(|(id, user)| after["user_metadata"][id.as_str()] != **user);
        assert!((1..=20).contains(&changed.clone().count()));
        assert!(changed.into_iter().all(|(id, user)| after["user_metadata"][id]["region"] == user["region"]));
    }
}
