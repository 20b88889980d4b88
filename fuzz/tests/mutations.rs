//! Every target on its seeds, and on a fixed number of mutations of them.

#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use weir_fuzz::mutate::{Random, mutate};
use weir_fuzz::{TARGETS, Target};

/// Mutated inputs for each target.
const MUTATIONS: u64 = 50_000;

fn check(target: &Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.check)(input))) {
        eprintln!("{} fails on b\"{}\"", target.name, input.escape_ascii());
        resume_unwind(panic);
    }
}

/// The seeds, in the order of their names.
fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/seeds")).join(target.name);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn run(target: &Target) {
    let seeds = seeds(target);
    assert!(!seeds.is_empty());
    for seed in &seeds {
        check(target, seed);
    }
    for number in 0..MUTATIONS {
        let mut random = Random::new(number);
        let mut input = seeds[random.below(seeds.len())].clone();
        mutate(&mut input, target.words, &mut random);
        check(target, &input);
    }
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
}
