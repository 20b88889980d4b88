//! `/reference/users` and `/reference/users/{user_id}`.

use crate::placeholder::{ATTRIBUTE, OrderedMembers, member_for_each_attribute};
use serde::de::{Deserializer, Error as _};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A reference table: the attributes of users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"user_metadata": {"u-123": {"{attribute}": "some"}}, "ts": "2025-10-08T12:00:00.000Z"}))]
pub struct ReferenceTable {
    /// The attributes of each user, by user id.
    pub user_metadata: BTreeMap<String, Attributes>,
    /// The time at which the table was correct (RFC 3339). An older table never replaces a newer one.
    #[schema(format = DateTime)]
    pub ts: String,
}

/// The attributes of a user, by name. The configured attributes are required; other members are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(pub BTreeMap<String, String>);

/// A merge patch (RFC 7396) of the reference table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "user_metadata": {"u-123": {"{attribute}": "other"}, "u-9": null}, "ts": "2025-10-08T12:00:01.000Z"
}))]
pub struct ReferencePatch {
    /// The changes, by user id. Null deletes the user.
    pub user_metadata: BTreeMap<String, UserPatch>,
    /// The time at which the patched table was correct (RFC 3339).
    #[schema(format = DateTime)]
    pub ts: String,
}

/// The change of one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum UserPatch {
    /// Adds the user, or changes these attributes of the user.
    Change(AttributesPatch),
    /// Null: deletes the user from the table.
    Delete,
}

/// The attributes of a user that change, by name. A new user needs all configured attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttributesPatch(pub BTreeMap<String, String>);

/// The response to a change of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceUpdated {
    /// A message for people.
    #[serde(default)]
    #[schema(required)]
    pub message: Cow<'static, str>,
    /// The current generation.
    pub generation: u64,
    /// The number of users in the table.
    pub users: usize,
}

/// A summary of the current table, without its users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceSummary {
    /// The number of the current generation; 0 before the first table.
    pub generation: u64,
    /// The timestamp of the table; null before the first table.
    #[schema(required, format = DateTime)]
    pub ts: Option<String>,
    /// The number of users in the table.
    pub users: usize,
    /// The names of the configured attributes, in the configured order.
    pub attributes: Vec<String>,
}

/// A user of the current table: the id, and then one member for each attribute, in the configured order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserResponse {
    /// The id of the user.
    pub user_id: String,
    /// The names and values of the attributes.
    pub attributes: Vec<(String, String)>,
}

impl Serialize for UserResponse {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.attributes.len()))?;
        map.serialize_entry(USER_ID, &self.user_id)?;
        for (name, value) in &self.attributes {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for UserResponse {
    /// Ignores members that are not text, such as those of a newer server.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let OrderedMembers(members) = OrderedMembers::<Value>::deserialize(deserializer)?;
        let texts = members.into_iter().filter_map(|(name, value)| match value {
            Value::String(text) => Some((name, text)),
            _ => None,
        });
        let mut attributes: Vec<_> = texts.collect();
        let at = attributes.iter().position(|(name, _)| name == USER_ID);
        let (_, user_id) = attributes.remove(at.ok_or_else(|| D::Error::missing_field(USER_ID))?);
        Ok(Self { user_id, attributes })
    }
}

/// The only member of a user whose name does not depend on the configuration.
const USER_ID: &str = "user_id";

/// The schema of a string.
fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

impl PartialSchema for Attributes {
    fn schema() -> RefOr<Schema> {
        member_for_each_attribute(ATTRIBUTE, text().min_length(Some(1)).max_length(Some(128))).into()
    }
}

impl ToSchema for Attributes {}

impl PartialSchema for AttributesPatch {
    fn schema() -> RefOr<Schema> {
        let value = text().min_length(Some(1)).max_length(Some(128));
        ObjectBuilder::new().property(ATTRIBUTE, value).into()
    }
}

impl ToSchema for AttributesPatch {}

impl PartialSchema for UserResponse {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .property(USER_ID, text())
            .required(USER_ID)
            .property(ATTRIBUTE, text())
            .required(ATTRIBUTE)
            .examples([json!({ USER_ID: "u-123", ATTRIBUTE: "some" })])
            .into()
    }
}

impl ToSchema for UserResponse {
    fn name() -> Cow<'static, str> {
        "User".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_id_first_and_the_attributes_in_order() {
        let attributes = [("tier", "gold"), ("plan", "pro")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let user = UserResponse { user_id: "u-1".to_owned(), attributes: attributes.to_vec() };
        let json = serde_json::to_string(&user).unwrap();
        assert_eq!(json, r#"{"user_id":"u-1","tier":"gold","plan":"pro"}"#);
        assert_eq!(serde_json::from_str::<UserResponse>(&json).unwrap(), user);
        let newer = json.replace('{', r#"{"since":7,"#);
        assert_eq!(
            serde_json::from_str::<UserResponse>(&newer).unwrap(),
            user,
            "members of a newer server are ignored"
        );
        assert!(serde_json::from_str::<UserResponse>(r#"{"tier":"gold"}"#).is_err());
    }

    #[test]
    fn null_deletes_a_user() {
        let json = r#"{"user_metadata":{"u-1":{"plan":"pro"},"u-9":null},"ts":"T"}"#;
        let patch: ReferencePatch = serde_json::from_str(json).unwrap();
        assert_eq!(patch.user_metadata["u-9"], UserPatch::Delete);
        assert_eq!(serde_json::to_string(&patch).unwrap(), json);
    }
}
