use super::*;
use crate::json;
use std::collections::BTreeMap;
use std::fmt::Write;

const DAY: &str = r#""2025-10-08T00:00:00Z""#;
const DAY_MS: i64 = 1_759_881_600_000;

fn keys() -> HashKeys {
    HashKeys::from_seed(&[7; 32])
}

fn attributes() -> Box<[Box<str>]> {
    ["plan", "region"].map(Box::from).into()
}

/// The table and `ts`, or the pointer and the detail of the error.
fn read(base: Option<&Arc<UserTable>>, body: &str) -> Result<(Arc<UserTable>, i64), (String, String)> {
    let (attributes, keys, mut body) = (attributes(), keys(), body.as_bytes().to_vec());
    let reader = TableReader { attributes: &attributes, keys: &keys, base };
    let candidate = json::with_nodes(&mut body, &mut json::Scratch::default(), |nodes| reader.read(nodes));
    let candidate = candidate.expect("the test's body is JSON");
    candidate.map(|candidate| (candidate.table, candidate.ts_ms)).map_err(|fault| (fault.pointer, fault.detail))
}

fn put(users: &str) -> Result<(Arc<UserTable>, i64), (String, String)> {
    read(None, &format!(r#"{{"user_metadata":{users},"ts":{DAY}}}"#))
}

fn patch(base: &Arc<UserTable>, users: &str) -> Result<(Arc<UserTable>, i64), (String, String)> {
    read(Some(base), &format!(r#"{{"user_metadata":{users},"ts":{DAY}}}"#))
}

fn values(table: &UserTable, id: &str) -> Option<Vec<String>> {
    let group = table.group_of(keys().user(id));
    (group != UNKNOWN).then(|| (0..2).map(|attribute| table.value(group, attribute).to_owned()).collect())
}

fn content<'a>(table: &UserTable, ids: &[&'a str]) -> BTreeMap<&'a str, String> {
    ids.iter().filter_map(|id| Some((*id, values(table, id)?.join(" ")))).collect()
}

/// Ada (pro eu), Bob (free us).
fn base() -> Arc<UserTable> {
    put(r#"{"ada":{"plan":"pro","region":"eu"},"bob":{"plan":"free","region":"us"}}"#).unwrap().0
}

/// Asserts the error of a body that is read as a whole table.
#[track_caller]
fn assert_fault(body: &str, pointer: &str, detail: &str) {
    assert_eq!(read(None, body).map(|_| ()), Err((pointer.to_owned(), detail.to_owned())), "{body}");
}

/// Asserts the error of a `user_metadata`, which is the same in a whole table and in a patch.
#[track_caller]
fn assert_users_fault(users: &str, pointer: &str, detail: &str) {
    let expected = Err((format!("/user_metadata{pointer}"), detail.to_owned()));
    assert_eq!(put(users).map(|_| ()), expected, "PUT {users}");
    assert_eq!(patch(&base(), users).map(|_| ()), expected, "PATCH {users}");
}

#[test]
fn a_table_is_read_and_unknown_members_are_ignored_even_if_repeated() {
    let body = format!(
        r#"{{"x":{{"ts":5}},"ts":{DAY},"x":[{{}}],"user_metadata":{{
            "ada":{{"plan":"pro","note":{{"plan":"free"}},"region":"eu","note":[[],{{}},null,1e9]}},
            "bob":{{"region":"us","":0,"plan":"free","Plan":1,"Plan":2}}}},"x":null}}"#
    );
    let (table, ts_ms) = read(None, &body).unwrap();
    assert_eq!(ts_ms, DAY_MS);
    assert_eq!(table.users(), 2);
    assert_eq!(values(&table, "ada").unwrap(), ["pro", "eu"]);
    assert_eq!(values(&table, "bob").unwrap(), ["free", "us"]);
}

#[test]
fn a_table_may_be_empty() {
    assert_eq!(put("{}").unwrap().0.users(), 0);
}

#[test]
fn names_and_values_compare_as_decoded_strings() {
    let (table, _) = read(
        None,
        concat!(
            r#"{"user_met\u0061data":{"\u0061d\u0061":{"pl\u0061n":"pr\u006f","region":"\ud83c\udf0a"}},"#,
            r#""\u0074s":"2025-10-08T00:00:00\u005a"}"#
        ),
    )
    .unwrap();
    assert_eq!(values(&table, "ada").unwrap(), ["pro", "🌊"]);
    assert_users_fault(
        r#"{"ada":{"plan":"pro","region":"eu"},"\u0061da":{}}"#,
        "/ada",
        "the user is given more than once",
    );
}

#[test]
fn the_body_must_be_an_object() {
    for body in ["[]", "null", "7", "\"x\"", "true", "[{}]"] {
        assert_fault(body, "", "the body is not an object");
        assert_eq!(read(Some(&base()), body).err().unwrap().0, "", "{body}");
    }
}

#[test]
fn the_users_must_be_an_object_also_in_a_patch() {
    for users in ["[]", "null", "7", "\"x\"", "false"] {
        assert_users_fault(users, "", "user_metadata is not an object");
    }
}

#[test]
fn a_user_must_be_an_object() {
    for user in ["[]", "7", "\"x\"", "true"] {
        assert_users_fault(&format!(r#"{{"ada":{user}}}"#), "/ada", "the user is not an object");
    }
    assert_eq!(put(r#"{"ada":null}"#).map(|_| ()).unwrap_err().0, "/user_metadata/ada");
}

#[test]
fn a_user_id_has_1_to_256_bytes_after_unescaping() {
    let user = |id: &str| format!(r#"{{"{id}":{{"plan":"pro","region":"eu"}}}}"#);
    let (max, long) = ("x".repeat(256), "x".repeat(257));
    assert_users_fault(&user(""), "/", "the user id is empty");
    assert_users_fault(&user(&long), &format!("/{long}"), "the user id is longer than 256 bytes");
    let wide = "é".repeat(129);
    assert_users_fault(&user(&wide), &format!("/{wide}"), "the user id is longer than 256 bytes");
    for (id, written) in [(max.clone(), max.clone()), (max, "\\u0078".repeat(256)), ("é".repeat(128), "é".repeat(128))]
    {
        assert!(values(&put(&user(&written)).unwrap().0, &id).is_some(), "{id}");
    }
    assert_users_fault(r#"{"":null}"#, "/", "the user id is empty");
}

#[test]
fn an_attribute_is_a_string_of_1_to_128_bytes() {
    let user = |region: &str| format!(r#"{{"ada":{{"plan":"pro","region":{region}}}}}"#);
    for region in ["null", "7", "true", "[]", "{}", r#"["eu"]"#, r#"{"region":"eu"}"#] {
        assert_users_fault(&user(region), "/ada/region", "region is not a string");
    }
    assert_users_fault(&user("\"\""), "/ada/region", "region is empty");
    let long = format!("\"{}\"", "x".repeat(129));
    assert_users_fault(&user(&long), "/ada/region", "region is longer than 128 bytes");
    assert!(put(&user(&format!("\"{}\"", "é".repeat(64)))).is_ok());
    assert!(put(&user("\"\\u0000\"")).is_ok());
}

#[test]
fn the_timestamp_is_an_rfc_3339_string() {
    for (ts, detail) in [
        ("null", "ts is not a string"),
        ("1759881600000", "ts is not a string"),
        ("{}", "ts is not a string"),
        ("\"\"", "ts is not an RFC 3339 date-time"),
        ("\"yesterday\"", "ts is not an RFC 3339 date-time"),
        ("\"2025-10-08\"", "ts is not an RFC 3339 date-time"),
    ] {
        let body = format!(r#"{{"user_metadata":{{}},"ts":{ts}}}"#);
        assert_fault(&body, "/ts", detail);
        assert_eq!(read(Some(&base()), &body).map(|_| ()), Err(("/ts".into(), detail.into())), "{ts}");
    }
}

#[test]
fn a_repeated_known_member_is_an_error() {
    let twice = "is given more than once";
    assert_fault(
        &format!(r#"{{"user_metadata":{{}},"user_metadata":7,"ts":{DAY}}}"#),
        "/user_metadata",
        &format!("user_metadata {twice}"),
    );
    assert_fault(&format!(r#"{{"ts":{DAY},"ts":{DAY},"user_metadata":{{}}}}"#), "/ts", &format!("ts {twice}"));
    assert_users_fault(r#"{"ada":{"plan":"pro","region":"eu","plan":"pro"}}"#, "/ada/plan", &format!("plan {twice}"));
    let ada = r#""ada":{"plan":"pro","region":"eu"}"#;
    for again in [ada, r#""ada":null"#, r#""ada":{}"#] {
        assert_users_fault(&format!("{{{ada},{again}}}"), "/ada", &format!("the user {twice}"));
    }
    for id in ["ada", "eve"] {
        let users = format!(r#"{{"{id}":null,"{id}":{{"plan":"pro","region":"eu"}}}}"#);
        let fault = patch(&base(), &users).map(|_| ()).unwrap_err();
        assert_eq!(fault, (format!("/user_metadata/{id}"), format!("the user {twice}")));
    }
}

#[test]
fn missing_members_are_reported_in_the_order_of_the_attributes() {
    assert_fault("{}", "/user_metadata", "user_metadata is missing");
    assert_fault(&format!(r#"{{"ts":{DAY}}}"#), "/user_metadata", "user_metadata is missing");
    assert_fault(r#"{"user_metadata":{}}"#, "/ts", "ts is missing");
    assert_users_fault(r#"{"eve":{}}"#, "/eve/plan", "plan is missing");
    assert_users_fault(r#"{"eve":{"plan":"pro"}}"#, "/eve/region", "region is missing");
    assert_users_fault(r#"{"eve":{"region":"eu"}}"#, "/eve/plan", "plan is missing");
    assert_eq!(read(Some(&base()), "{}").map(|_| ()), Err(("/ts".into(), "ts is missing".into())));
}

#[test]
fn the_first_error_in_document_order_is_reported() {
    // Within a user, a missing attribute is an error at the end of the object.
    assert_users_fault(r#"{"eve":{"region":7}}"#, "/eve/region", "region is not a string");
    assert_users_fault(r#"{"eve":{"region":"eu","region":7}}"#, "/eve/region", "region is given more than once");
    assert_users_fault(r#"{"eve":{"region":"eu"},"":{}}"#, "/eve/plan", "plan is missing");
    assert_users_fault(r#"{"":{"plan":7},"eve":7}"#, "/", "the user id is empty");
    // Among the members of the body, missing members come last.
    assert_fault(r#"{"user_metadata":{"eve":7}}"#, "/user_metadata/eve", "the user is not an object");
    assert_fault(r#"{"ts":7}"#, "/ts", "ts is not a string");
    assert_fault(r#"{"ts":7,"user_metadata":7}"#, "/ts", "ts is not a string");
    assert_fault(r#"{"user_metadata":{"eve":{}},"ts":7}"#, "/user_metadata/eve/plan", "plan is missing");
    assert_fault(
        r#"{"user_metadata":{},"user_metadata":{},"ts":7}"#,
        "/user_metadata",
        "user_metadata is given more than once",
    );
}

#[test]
fn a_pointer_ends_before_a_name_that_is_too_long_to_quote() {
    let users = |len: usize| format!(r#"{{"{}":{{}}}}"#, "~".repeat(len));
    let (most, detail) = (limits::POINTER_NAME_BYTES_MAX, "the user id is longer than 256 bytes");
    assert_users_fault(&users(most), &format!("/{}", "~0".repeat(most)), detail);
    assert_users_fault(&users(most + 1), "", detail);
}

#[test]
fn pointers_escape_tildes_and_slashes() {
    assert_users_fault(r#"{"a/b~c":7}"#, "/a~1b~0c", "the user is not an object");
    assert_users_fault(r#"{"~1":{"plan":7}}"#, "/~01/plan", "plan is not a string");
    assert_users_fault(r#"{"\"é\u0000 ":7}"#, "/\"é\0 ", "the user is not an object");
}

#[test]
fn a_patch_merges_the_members_given_and_null_deletes_a_user() {
    let (table, _) = patch(
        &base(),
        r#"{"ada":{"plan":"free"},"bob":null,"eve":{"region":"asia","plan":"pro"},"stranger":null,"note":null}"#,
    )
    .unwrap();
    assert_eq!(table.users(), 2);
    assert_eq!(
        content(&table, &["ada", "bob", "eve", "stranger"]),
        [("ada", "free eu".into()), ("eve", "pro asia".into())].into()
    );
    assert_eq!(content(&base(), &["ada", "bob"]), [("ada", "pro eu".into()), ("bob", "free us".into())].into());
}

#[test]
fn a_patch_may_change_nothing() {
    let base = base();
    let same = read(Some(&base), &format!(r#"{{"ts":{DAY}}}"#)).unwrap().0;
    assert!(Arc::ptr_eq(&same, &base), "the table is not copied");
    for users in ["{}", r#"{"ada":{}}"#, r#"{"ada":{"note":null},"stranger":null}"#, r#"{"bob":{"region":"us"}}"#] {
        assert!(patch(&base, users).unwrap().0.same_content(&base), "{users}");
    }
}

#[test]
fn a_patch_must_not_leave_a_user_incomplete() {
    assert_users_fault(r#"{"ada":{"plan":null}}"#, "/ada/plan", "plan is not a string");
    assert_users_fault(r#"{"eve":{"plan":"pro","region":null}}"#, "/eve/region", "region is not a string");
    let fault = patch(&base(), r#"{"ada":{},"eve":{"region":"eu"}}"#).map(|_| ()).unwrap_err();
    assert_eq!(fault, ("/user_metadata/eve/plan".into(), "plan is missing".into()));
}

#[test]
fn a_patch_removes_groups_and_values_without_users() {
    let base = base();
    assert_eq!(base.groups(), 3);
    let (table, _) = patch(&base, r#"{"bob":{"plan":"pro","region":"eu"}}"#).unwrap();
    assert_eq!((table.users(), table.groups()), (2, 2));
    assert_eq!(patch(&base, r#"{"bob":null,"ada":null}"#).unwrap().0.groups(), 1);
}

/// Users `u-0`, `u-1`, … with these values.
fn users(values: impl IntoIterator<Item = (usize, usize)>) -> String {
    let mut text = String::from("{");
    for (user, (plan, region)) in values.into_iter().enumerate() {
        let comma = if user == 0 { "" } else { "," };
        write!(text, r#"{comma}"u-{user}":{{"plan":"p{plan}","region":"r{region}"}}"#).unwrap();
    }
    text + "}"
}

#[test]
fn the_limit_of_values_is_reported_at_the_value() {
    let max = limits::ATTRIBUTE_VALUES_MAX;
    let full = put(&users((0..max).map(|n| (n, n)))).unwrap().0;
    let detail = "the table would hold more than 4096 distinct values of an attribute";
    let fault = put(&users((0..=max).map(|n| (0, n)))).map(|_| ()).unwrap_err();
    assert_eq!(fault, (format!("/user_metadata/u-{max}/region"), detail.into()));

    let more = |users: &str| patch(&full, users).map(|(table, _)| table.users());
    let fault = Err(("/user_metadata/eve/plan".into(), detail.into()));
    assert_eq!(more(r#"{"eve":{"plan":"new","region":7}}"#), fault, "the value comes before the members after it");
    assert_eq!(more(r#"{"eve":{"plan":"p7","region":"r8"}}"#), Ok(max + 1));
    assert_eq!(more(r#"{"eve":{"plan":"new","region":"new"},"u-9":null}"#), Ok(max), "the limit applies to the result");
    assert_eq!(more(r#"{"u-9":{"plan":"new"}}"#), Ok(max));
    // Values that a user keeps also count: here u-9 keeps p9.
    let fault = more(r#"{"eve":{"plan":"new","region":"r0"},"u-9":{"region":"r0"}}"#);
    assert_eq!(fault, Err(("/user_metadata/u-9/plan".into(), detail.into())));
}

#[test]
fn the_limit_of_groups_is_reported_at_the_user() {
    let max = limits::GROUPS_MAX;
    let groups = |count| (0..count).map(|n| (n % 1_000, n / 1_000));
    let full = put(&users(groups(max))).unwrap().0;
    assert_eq!(full.groups(), max + 1);
    let detail = "the table would hold more than 16384 distinct combinations of attribute values";
    let fault = put(&users(groups(max + 1))).map(|_| ()).unwrap_err();
    assert_eq!(fault, (format!("/user_metadata/u-{max}"), detail.into()));

    let more = |users: &str| patch(&full, users).map(|(table, _)| table.groups());
    let fault = Err(("/user_metadata/eve".into(), detail.into()));
    assert_eq!(more(r#"{"eve":{"plan":"p999","region":"r16"}}"#), fault);
    assert_eq!(
        more(r#"{"eve":{"plan":"p999","region":"r16"},"u-0":null}"#),
        Ok(max + 1),
        "the limit applies to the result"
    );
    assert_eq!(more(r#"{"eve":{"plan":"p0","region":"r0"}}"#), Ok(max + 1));
}
