//! The public interface of the library, compared with a snapshot. So a review shows each change of the interface.
//!
//! `WEIR_BLESS=1 cargo test --test public_api` writes the snapshot anew.

#![allow(clippy::unwrap_used, reason = "a panic in a test is the report")]

use quote::ToTokens as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use syn::{Attribute, Block, Fields, File, ImplItem, Item, TraitItem, Type, UseTree, Visibility, parse_quote};

/// The sources of the engine.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");

/// The interface as Rust without function bodies.
const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/public-api.txt");

/// The number of types that fits a screen.
const TYPES_MAX: usize = 45;

#[test]
fn the_public_interface_is_that_of_the_snapshot() {
    let interface = interface();
    if std::env::var_os("WEIR_BLESS").is_some() {
        fs::write(SNAPSHOT, &interface).unwrap();
    }
    let snapshot = fs::read_to_string(SNAPSHOT).unwrap_or_default();
    let added: Vec<_> = interface.lines().filter(|line| !snapshot.lines().any(|known| known == *line)).collect();
    let removed: Vec<_> = snapshot.lines().filter(|line| !interface.lines().any(|new| new == *line)).collect();
    assert!(interface == snapshot, "the public interface has changed: added {added:#?}, removed {removed:#?}");
}

#[test]
fn the_list_of_public_types_fits_a_screen() {
    let exported = exported();
    assert!((10..=TYPES_MAX).contains(&exported.len()), "{exported:?}");
}

/// The names that `lib.rs` exports.
fn exported() -> BTreeSet<String> {
    let lib = syn::parse_file(&fs::read_to_string(Path::new(SOURCES).join("lib.rs")).unwrap()).unwrap();
    let mut names = BTreeSet::new();
    for item in lib.items {
        if let Item::Use(item) = item
            && matches!(item.vis, Visibility::Public(_))
        {
            collect_names(&item.tree, &mut names);
        }
    }
    names
}

fn collect_names(tree: &UseTree, names: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => collect_names(&path.tree, names),
        UseTree::Name(name) => _ = names.insert(name.ident.to_string()),
        UseTree::Group(group) => group.items.iter().for_each(|tree| collect_names(tree, names)),
        UseTree::Rename(_) | UseTree::Glob(_) => panic!("an export names each item, and does not rename it"),
    }
}

/// The exported items and their methods, sorted by name.
fn interface() -> String {
    let exported = exported();
    let mut items: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for path in sources(Path::new(SOURCES)) {
        let file = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        for item in file.items {
            if let Some((name, item)) = public(item).filter(|(name, _)| exported.contains(name)) {
                items.entry(name).or_default().push(item);
            }
        }
    }
    for name in &exported {
        let is_defined = |item: &Item| !matches!(item, Item::Impl(_));
        assert_eq!(items[name].iter().filter(|item| is_defined(item)).count(), 1, "definitions of {name}");
    }
    for of_name in items.values_mut() {
        of_name.sort_by_key(|item| (matches!(item, Item::Impl(_)), item.to_token_stream().to_string()));
    }
    prettyplease::unparse(&File { shebang: None, attrs: vec![], items: items.into_values().flatten().collect() })
}

/// Every source file that is not a test.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The public part of an item, and the name that it belongs to.
fn public(item: Item) -> Option<(String, Item)> {
    match item {
        Item::Fn(mut item) if is_public(&item.vis) => {
            item.attrs.retain(is_shown);
            *item.block = empty();
            Some((item.sig.ident.to_string(), Item::Fn(item)))
        }
        Item::Struct(mut item) if is_public(&item.vis) => {
            item.attrs.retain(is_shown);
            hide_private(&mut item.fields);
            Some((item.ident.to_string(), Item::Struct(item)))
        }
        Item::Enum(mut item) if is_public(&item.vis) => {
            item.attrs.retain(is_shown);
            for variant in &mut item.variants {
                variant.attrs.retain(is_shown);
                variant.fields.iter_mut().for_each(|field| field.attrs.retain(is_shown));
            }
            Some((item.ident.to_string(), Item::Enum(item)))
        }
        Item::Trait(mut item) if is_public(&item.vis) => {
            item.attrs.retain(is_shown);
            for item in &mut item.items {
                if let TraitItem::Fn(function) = item {
                    function.attrs.retain(is_shown);
                    function.default = function.default.as_ref().map(|_| empty());
                }
            }
            Some((item.ident.to_string(), Item::Trait(item)))
        }
        Item::Impl(mut item) => {
            let name = type_name(&item.self_ty)?;
            item.attrs.retain(is_shown);
            if item.trait_.is_some() {
                item.items.clear();
            } else {
                item.items = item.items.into_iter().filter_map(public_member).collect();
            }
            let has_content = item.trait_.is_some() || !item.items.is_empty();
            has_content.then_some((name, Item::Impl(item)))
        }
        _ => None,
    }
}

fn public_member(item: ImplItem) -> Option<ImplItem> {
    match item {
        ImplItem::Fn(mut item) if is_public(&item.vis) => {
            item.attrs.retain(is_shown);
            item.block = empty();
            Some(ImplItem::Fn(item))
        }
        ImplItem::Const(mut item) if is_public(&item.vis) => {
            item.attrs.retain(is_shown);
            item.expr = parse_quote!(..);
            Some(ImplItem::Const(item))
        }
        _ => None,
    }
}

fn hide_private(fields: &mut Fields) {
    match fields {
        Fields::Named(fields) => {
            let public = std::mem::take(&mut fields.named).into_iter().filter(|field| is_public(&field.vis));
            fields.named = public
                .map(|mut field| {
                    field.attrs.retain(is_shown);
                    field
                })
                .collect();
        }
        Fields::Unnamed(fields) if fields.unnamed.iter().any(|field| !is_public(&field.vis)) => fields.unnamed.clear(),
        _ => {}
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Whether an attribute is part of the interface.
fn is_shown(attribute: &Attribute) -> bool {
    ["derive", "non_exhaustive", "must_use"].iter().any(|name| attribute.path().is_ident(name))
}

fn empty() -> Block {
    parse_quote!({})
}

fn type_name(of: &Type) -> Option<String> {
    let Type::Path(path) = of else { return None };
    Some(path.path.segments.last()?.ident.to_string())
}
