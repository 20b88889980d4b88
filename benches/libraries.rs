//! How often the answers of libraries differ from the answers of weir's own parsers. The fuzz targets check the own
//! parsers against the contract and the RFCs. The inputs are the seeds of the fuzz targets and mutations of the seeds:
//! 300,000, or the number in the first argument.
//!
//! ```sh
//! cargo run --release -p weir-benches --bin libraries
//! ```

use headers::{ContentEncoding, ETag, Header, IfMatch, IfNoneMatch};
use http::HeaderValue;
use mime::{Mime, MimeIter};
use std::fmt::Debug;
use std::path::Path;
use weir_fuzz::mutate::{Random, mutate};
use weir_fuzz::{ENTITY_TAGS, HEADER, QUERY, Target};
use weir_server::internals::{self, BodyCoding};

const MUTATIONS: u64 = 300_000;

/// The answers of weir and of a library to one input.
type Answers = [String; 2];

fn main() {
    let mutations = std::env::args().nth(1).map_or(MUTATIONS, |count| count.parse().expect("a number of mutations"));
    println!("| grammar | library | answers that differ | deciding input | weir | library |");
    println!("|---|---|---:|---|---|---|");
    let compare = |grammar, library, target: &Target, answers: fn(&[u8]) -> Answers, deciding: &[u8]| {
        let share = differing(target, answers, mutations);
        let [own, theirs] = answers(deciding);
        assert_ne!(own, theirs, "{grammar}");
        println!("| {grammar} | {library} | {share:.1} % | `{}` | {own} | {theirs} |", deciding.escape_ascii());
    };
    compare("query string", "form_urlencoded", &QUERY, query, b"plan=%ff");
    compare("`Content-Type`", "mime", &HEADER, media_type, b"application/json ; charset=utf-8");
    compare("`Accept`", "mime", &HEADER, accept, b"text/plain ; q=0.1, application/json; q=0.5");
    compare("`Content-Encoding`", "headers", &HEADER, coding, b"GZIP");
    compare("`If-Match`", "headers", &ENTITY_TAGS, if_match, b"\"\xff\", \"7\"");
    compare("`If-None-Match`", "headers", &ENTITY_TAGS, if_none_match, b"\"\xff\", \"7\"");
}

/// The share of inputs for which the two answers differ, in percent.
fn differing(target: &Target, answers: fn(&[u8]) -> Answers, mutations: u64) -> f64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target.name);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("seeds").map(|entry| entry.expect("seed").path()).collect();
    paths.sort();
    let seeds: Vec<_> = paths.iter().map(|path| std::fs::read(path).expect("seed")).collect();
    let mutated = (0..mutations).map(|number| {
        let mut random = Random::new(number);
        let mut input = seeds[random.below(seeds.len())].clone();
        mutate(&mut input, target.words, &mut random);
        input
    });
    let inputs = seeds.iter().cloned().chain(mutated);
    let differing = inputs.map(|input| answers(&input)).filter(|[own, theirs]| own != theirs).count();
    100.0 * differing as f64 / (seeds.len() as f64 + mutations as f64)
}

fn answers(own: impl Debug, theirs: impl Debug) -> Answers {
    [format!("{own:?}"), format!("{theirs:?}")]
}

/// The values of a header field, one per line, without the white space around them, which HTTP removes.
fn fields(input: &[u8]) -> Vec<HeaderValue> {
    let lines = input.split(|byte| *byte == b'\n');
    lines.filter_map(|line| HeaderValue::from_bytes(line.trim_ascii()).ok()).collect()
}

fn query(input: &[u8]) -> Answers {
    let Ok(query) = str::from_utf8(input) else { return answers((), ()) };
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let own = internals::parameters(query).map(|(name, value)| (text(&name), text(&value)));
    let pairs = form_urlencoded::parse(input);
    let theirs = pairs.map(|(name, value)| (text(name.as_bytes()), text(value.as_bytes())));
    answers(own.collect::<Vec<_>>(), theirs.collect::<Vec<_>>())
}

fn is_utf8(media_type: &Mime) -> bool {
    media_type.params().all(|(name, value)| name != "charset" || value == "utf-8")
}

fn media_type(input: &[u8]) -> Answers {
    let fields = fields(input);
    let theirs = match &fields[..] {
        [] => Some("application/json"),
        [field] => field.to_str().ok().and_then(|text| text.parse::<Mime>().ok()).filter(is_utf8).and_then(|given| {
            ["application/json", "application/x-ndjson"].into_iter().find(|known| *known == given.essence_str())
        }),
        _ => None,
    };
    answers(internals::media_type(&fields).ok(), theirs)
}

/// The type, subtype and version of each form that a client may prefer.
const FORMS: [(&str, &str, Option<&str>); 3] = [
    ("application", "json", None),
    ("application", "openmetrics-text", Some("1.0.0")),
    ("text", "plain", Some("0.0.4")),
];

/// The library only parses the ranges. How a range matches a form stays weir's own rule.
fn accept(input: &[u8]) -> Answers {
    let fields = fields(input);
    let ranges: Vec<Mime> =
        fields.iter().filter_map(|field| field.to_str().ok()).flat_map(MimeIter::new).filter_map(Result::ok).collect();
    let mut best = (0, 0);
    for (index, form) in FORMS.into_iter().enumerate() {
        let weight = ranges.iter().filter_map(|range| rank(range, form)).max().unwrap_or_default().2;
        if weight > best.1 {
            best = (index, weight);
        }
    }
    answers(internals::preferred(&fields), best.0)
}

fn rank(range: &Mime, (kind, subtype, version): (&str, &str, Option<&str>)) -> Option<(u8, bool, u16)> {
    let specificity = match (range.type_().as_str(), range.subtype().as_str()) {
        ("*", "*") => 0,
        (given, "*") if given == kind => 1,
        (given, named) if given == kind && named == subtype => 2,
        _ => return None,
    };
    let given = range.get_param("version").map(|given| given.as_str());
    let is_known = given.is_none_or(|given| Some(given) == version) && is_utf8(range);
    let weight = range.get_param("q").map_or(Some(1_000), |weight| thousandths(weight.as_str()));
    weight.filter(|_| is_known).map(|weight| (specificity, given.is_some(), weight))
}

fn thousandths(weight: &str) -> Option<u16> {
    let is_plain = weight.starts_with(['0', '1']) && weight.len() <= 5 && weight.as_bytes().get(1) != Some(&b'0');
    let thousandths = is_plain.then(|| weight.parse::<f64>().ok()).flatten()? * 1_000.0;
    (thousandths <= 1_000.0).then_some(thousandths.round() as u16)
}

/// The library says whether a coding is in the list, but not how many codings there are.
fn coding(input: &[u8]) -> Answers {
    let fields = fields(input);
    let canonical = |name| BodyCoding::negotiate(&[HeaderValue::from_static(name)]).ok();
    let theirs = match ContentEncoding::decode(&mut fields.iter()) {
        Ok(_) if fields.iter().all(HeaderValue::is_empty) => canonical("identity"),
        Ok(listed) => match ["gzip", "x-gzip", "zstd", "identity"].map(|name| listed.contains(name)) {
            [true, false, false, false] | [false, true, false, false] => canonical("gzip"),
            [false, false, true, false] => canonical("zstd"),
            [false, false, false, true] => canonical("identity"),
            _ => None,
        },
        Err(_) => None,
    };
    answers(BodyCoding::negotiate(&fields).ok(), theirs)
}

/// The generations that the conditions are checked against.
const GENERATIONS: [u64; 4] = [0, 7, 8, u64::MAX];

fn etag(generation: u64) -> ETag {
    format!("\"{generation}\"").parse().expect("an entity tag")
}

/// At generation 0 there is no table, so `*` matches nothing.
fn is_none(fields: &[HeaderValue], generation: u64) -> bool {
    generation == 0 && matches!(fields, [field] if field == "*")
}

fn if_match(input: &[u8]) -> Answers {
    let fields = fields(input);
    let own = internals::preconditions(&fields, &[]).if_match;
    let theirs = IfMatch::decode(&mut fields.iter()).ok().filter(|_| !fields.is_empty());
    let holds = |generation| {
        let holds = theirs.as_ref().is_none_or(|tags| tags.precondition_passes(&etag(generation)));
        holds && !is_none(&fields, generation)
    };
    answers(GENERATIONS.map(|number| own.as_ref().is_none_or(|tags| tags.matches(number))), GENERATIONS.map(holds))
}

fn if_none_match(input: &[u8]) -> Answers {
    let fields = fields(input);
    let own = internals::preconditions(&[], &fields).if_none_match;
    let theirs = IfNoneMatch::decode(&mut fields.iter()).ok().filter(|_| !fields.is_empty());
    let holds = |generation| {
        let holds = theirs.as_ref().is_none_or(|tags| tags.precondition_passes(&etag(generation)));
        holds || is_none(&fields, generation)
    };
    answers(GENERATIONS.map(|number| !own.as_ref().is_some_and(|tags| tags.matches(number))), GENERATIONS.map(holds))
}
