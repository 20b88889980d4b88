//! Placeholders in the OpenAPI schemas for names that depend on the configuration of the server.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;
use utoipa::openapi::schema::{Object, ObjectBuilder};
use utoipa::openapi::{RefOr, Schema};

/// The placeholder for an attribute. A member or a parameter with it in the name stands for one of each configured
/// attribute.
pub const ATTRIBUTE: &str = "{attribute}";

/// The placeholder for a configured event type, in the name of a member or in a value.
pub const EVENT_TYPE: &str = "{event_type}";

/// An object with one required member for each configured attribute.
pub(crate) fn member_for_each_attribute(name: &str, schema: impl Into<RefOr<Schema>>) -> Object {
    ObjectBuilder::new().property(name, schema).required(name).build()
}

/// The members of a JSON object, in their order.
pub(crate) struct OrderedMembers<V>(pub(crate) Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for OrderedMembers<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for MembersVisitor<V> {
            type Value = OrderedMembers<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OrderedMembers<V>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(OrderedMembers(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}
