//! Maps with one member for each attribute. Their names depend on the configuration, so serde and the schema are by
//! hand.

use crate::placeholder::{ATTRIBUTE, OrderedMembers, member_for_each_attribute};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// The number of events by value. The keys are sorted, and no count is 0.
pub type Counts = BTreeMap<String, u64>;

/// One member `by_<attribute>` for each configured attribute, in the configured order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breakdowns(pub Vec<(String, Counts)>);

/// One member for each attribute of `group_by`, in the requested order. The values of unknown users are null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupValues(pub Vec<(String, Option<String>)>);

/// The prefix of the name of a breakdown. The name of the attribute follows it.
const PREFIX: &str = "by_";

impl Serialize for Breakdowns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (attribute, counts) in &self.0 {
            map.serialize_entry(&format!("{PREFIX}{attribute}"), counts)?;
        }
        map.end()
    }
}

impl Serialize for GroupValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(attribute, value)| (attribute, value)))
    }
}

impl<'de> Deserialize<'de> for Breakdowns {
    /// Ignores members that are not breakdowns, such as those of a newer server.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let OrderedMembers(members) = OrderedMembers::<Value>::deserialize(deserializer)?;
        let breakdowns = members.into_iter().filter_map(|(name, value)| {
            let attribute = name.strip_prefix(PREFIX)?.to_owned();
            Some((attribute, serde_json::from_value(value).ok()?))
        });
        Ok(Self(breakdowns.collect()))
    }
}

impl<'de> Deserialize<'de> for GroupValues {
    /// Ignores members that are not values of attributes, such as those of a newer server.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let OrderedMembers(members) = OrderedMembers::<Value>::deserialize(deserializer)?;
        let values = members.into_iter().filter_map(|(attribute, value)| match value {
            Value::Null => Some((attribute, None)),
            Value::String(value) => Some((attribute, Some(value))),
            _ => None,
        });
        Ok(Self(values.collect()))
    }
}

impl PartialSchema for Breakdowns {
    fn schema() -> RefOr<Schema> {
        member_for_each_attribute(&format!("{PREFIX}{ATTRIBUTE}"), Counts::schema()).into()
    }
}

impl ToSchema for Breakdowns {}

impl PartialSchema for GroupValues {
    /// No attribute is required, because only those of `group_by` are present.
    fn schema() -> RefOr<Schema> {
        let value = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        ObjectBuilder::new().property(ATTRIBUTE, value).into()
    }
}

impl ToSchema for GroupValues {}
