//! Runs every target on its seeds, on the corpus that the fuzzer has collected, if there is one, and on mutations of
//! both. `WEIR_FUZZ_MUTATIONS` sets the number of mutations for each target.

#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use weir_fuzz::mutate::{Random, mutate};
use weir_fuzz::{TARGETS, Target};

/// The number of mutated inputs for each target if the environment does not set it.
const MUTATIONS: u64 = 50_000;

fn check(target: &Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.check)(input))) {
        eprintln!("{} fails on b\"{}\"", target.name, input.escape_ascii());
        resume_unwind(panic);
    }
}

/// The inputs of a folder, in the order of their names.
fn inputs(folder: &str, target: &Target) -> std::io::Result<Vec<Vec<u8>>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target.name);
    let mut paths: Vec<_> = std::fs::read_dir(folder)?.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    Ok(paths.iter().map(|path| std::fs::read(path).unwrap()).collect())
}

fn run(target: &Target) {
    let mut seeds = inputs("seeds", target).unwrap();
    assert!(!seeds.is_empty());
    seeds.extend(inputs("corpus", target).unwrap_or_default());
    for seed in &seeds {
        check(target, seed);
    }
    let mutations = std::env::var("WEIR_FUZZ_MUTATIONS").map_or(MUTATIONS, |count| count.parse().unwrap());
    for number in 0..mutations {
        let mut random = Random::new(number);
        let mut input = seeds[random.below(seeds.len())].clone();
        mutate(&mut input, target.words, &mut random);
        check(target, &input);
    }
    println!("{} seeds and {mutations} mutations of them", seeds.len());
}

macro_rules! tests {
    ($($name:ident,)*) => {
        $(
            #[test]
            fn $name() {
                run(TARGETS.iter().find(|target| target.name == stringify!($name)).unwrap());
            }
        )*

        #[test]
        fn every_target_is_run() {
            assert_eq!(TARGETS.map(|target| target.name), [$(stringify!($name)),*]);
        }
    };
}

tests! {
    events_json,
    events_ndjson,
    timestamp,
    reference,
    merge_patch,
    query,
    header,
    entity_tags,
    compressed,
    frame,
}
