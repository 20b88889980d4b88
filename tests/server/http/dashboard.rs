//! The page at `/` and its files.

use crate::common::{Reply, Server, problem, repository};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use weir_api::Role;

/// The files of the page, as they are in the repository.
fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(repository("dashboard")).unwrap().map(|entry| entry.unwrap().path());
    let is_served = |path: &PathBuf| path.is_file() && !path.ends_with("package.json");
    let files: Vec<_> = entries.filter(is_served).collect();
    assert!(files.len() > 10, "{files:?}");
    files
}

fn name(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

/// Where a file is served.
fn path_of(file: &Path) -> String {
    if name(file) == "index.html" { "/".to_owned() } else { format!("/dashboard/{}", name(file)) }
}

fn is_page(reply: &Reply) -> bool {
    reply.status == 200 && reply.text().starts_with("<!doctype html>")
}

/// The texts between each `before` and the next `after`.
fn between<'a>(text: &'a str, before: &'a str, after: char) -> impl Iterator<Item = &'a str> {
    text.split(before).skip(1).filter_map(move |rest| Some(rest.split_once(after)?.0))
}

#[test]
fn every_file_is_served_unchanged_with_its_type() {
    let server = Server::start();
    for file in files() {
        let reply = server.get(&path_of(&file));
        assert_eq!((reply.status, &reply.body), (200, &fs::read(&file).unwrap()), "{file:?}");
        let expected = match file.extension().unwrap().to_str().unwrap() {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            other => panic!("{other}"),
        };
        assert_eq!(reply.header("content-type"), expected, "{file:?}");
    }
}

#[test]
fn every_answer_restricts_the_page_to_its_own_files() {
    let server = Server::start();
    for file in files() {
        let reply = server.get(&path_of(&file));
        let policy: BTreeSet<_> = reply.header("content-security-policy").split("; ").collect();
        let expected = BTreeSet::from([
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ]);
        assert_eq!(policy, expected, "{file:?}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
        assert_eq!(reply.header("cache-control"), "no-cache");
    }
}

#[test]
fn an_entity_tag_depends_on_the_content_and_saves_the_transfer() {
    let server = Server::start();
    let mut tags = BTreeSet::new();
    for file in files() {
        let path = path_of(&file);
        let full = server.get(&path);
        let tag = full.header("etag").to_owned();
        let strong = tag.strip_prefix("W/").expect("compressed files have other bytes");
        assert!(strong.len() > 3 && strong.starts_with('"') && strong.ends_with('"'), "{tag}");
        for known in [tag.as_str(), strong, &format!("\"7\", {tag}"), "*"] {
            let reply = server.get_with(&[("if-none-match", known)], &path);
            assert_eq!(
                (reply.status, reply.body.len(), reply.header("etag")),
                (304, 0, tag.as_str()),
                "{path} {known}"
            );
            assert_eq!((reply.header("cache-control"), reply.header("vary")), ("no-cache", "accept-encoding"));
            assert_eq!(reply.header("content-type"), "");
        }
        let reply = server.get_with(&[("if-none-match", "\"7\"")], &path);
        assert_eq!((reply.status, reply.body), (200, full.body), "{path}");
        tags.insert(tag);
    }
    assert_eq!(tags.len(), files().len());
    assert_eq!(
        server.get("/").header("etag"),
        Server::start().get("/").header("etag"),
        "another server has the same tag"
    );
}

#[test]
fn head_tells_the_length_without_the_body() {
    let server = Server::start();
    for file in files() {
        let (full, head) = (server.get(&path_of(&file)), server.head(&path_of(&file)));
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), full.body.len().to_string());
        assert_eq!(head.header("etag"), full.header("etag"));
    }
}

#[test]
fn the_page_needs_no_token() {
    let server = Server::builder().tokens(&Role::ALL.map(|role| (role, "secret"))).start();
    assert!(is_page(&server.get("/")));
    for file in files() {
        assert_eq!(server.get(&path_of(&file)).status, 200, "{file:?}");
    }
    assert_eq!(server.get("/metrics").status, 401);
    assert_eq!(server.get("/dashboard").status, 401);
    assert_eq!(server.request("PUT", "/", &[], Some(b"{}")).status, 401);
}

#[test]
fn no_other_file_is_served() {
    let server = Server::start();
    for path in
        ["/dashboard/", "/dashboard/nothing.js", "/dashboard/tests/sse.test.js", "/dashboard/../Cargo.toml", "/main.js"]
    {
        assert_eq!(server.get(path).problem(), problem(404, "not_found"), "{path}");
    }
    for path in ["/", "/dashboard/main.js"] {
        let reply = server.request("POST", path, &[], Some(b"{}"));
        assert_eq!(reply.problem(), problem(405, "method_not_allowed"), "{path}");
        assert_eq!(reply.header("allow"), "GET,HEAD", "{path}");
    }
}

#[test]
fn every_file_that_another_file_names_is_served() {
    let server = Server::start();
    let mut named = BTreeSet::new();
    let page = server.get("/").text().to_owned();
    let names = between(&page, "src=\"", '"').chain(between(&page, "rel=\"stylesheet\" href=\"", '"'));
    let names = names.chain(between(&page, "rel=\"icon\" href=\"", '"'));
    // The names are relative, so that they also work under a path prefix.
    named.extend(names.map(|name| format!("/{name}")));
    assert!(named.len() >= 3, "{named:?}");
    for file in files().iter().filter(|file| name(file).ends_with(".js")) {
        let text = fs::read_to_string(file).unwrap();
        let imports: Vec<_> = between(&text, "from \"", '"').collect();
        assert_eq!(imports.len(), text.lines().filter(|line| line.starts_with("import ")).count(), "{file:?}");
        named.extend(imports.iter().map(|import| format!("/dashboard/{}", import.strip_prefix("./").unwrap())));
    }
    for path in &named {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    let unused: Vec<_> =
        files().iter().map(|file| path_of(file)).filter(|path| path != "/" && !named.contains(path)).collect();
    assert!(unused.is_empty(), "no file names {unused:?}");
}

#[test]
fn no_file_names_another_host_or_makes_markup_of_data() {
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        // The name of an XML namespace is not an address.
        let text = text.replace("http://www.w3.org/2000/svg", "");
        for outside in ["http:", "https:", "\"//", "'//", "url(//", "@import", "wss:"] {
            assert!(!text.contains(outside), "{outside} in {file:?}");
        }
        for unsafe_use in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "style=\"",
            "onclick",
        ] {
            assert!(!text.contains(unsafe_use), "{unsafe_use} in {file:?}");
        }
    }
    let page = fs::read_to_string(repository("dashboard/index.html")).unwrap();
    assert!(!page.contains("<style"));
    assert!(between(&page, "<script", '>').all(|attributes| attributes.contains("src=")));
}
