//! What an operator changes while the nodes run.

use weir_log::frame::FRAME_VERSION;
use weir_log::jetstream::Settings;
use weir_log::{Allowed, Log};

use crate::helpers::{admin, open_with, refusal, runtime, settings, wait_until};
use crate::nats::Nats;

fn with_types(nats: &Nats, types: &str) -> Settings {
    let fingerprint = [("event_types".to_owned(), types.to_owned())].into();
    Settings { fingerprint, ..settings(&nats.url(), 1) }
}

#[test]
fn a_newer_version_of_frames_is_written_only_when_an_operator_says_so() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let with_types = with_types(&nats, "click");
    assert_eq!(open_with(&runtime, &with_types).frames().allowed().frame_version, FRAME_VERSION, "a new cluster");

    // A cluster that an older weir has created.
    let context = admin(&runtime, &nats);
    let set_version = |version: Option<&str>| {
        let mut config = runtime.block_on(context.get_stream("WEIR")).unwrap().cached_info().config.clone();
        match version {
            Some(version) => config.metadata.insert("weir.frame_version".to_owned(), version.to_owned()),
            None => config.metadata.remove("weir.frame_version"),
        };
        runtime.block_on(context.update_stream(&config)).unwrap();
    };
    set_version(None);
    let (first, second) = (open_with(&runtime, &with_types), open_with(&runtime, &with_types));
    assert_eq!(first.frames().allowed().frame_version, 1);
    let error = runtime.block_on(first.allow_frame_version(FRAME_VERSION + 1)).unwrap_err().to_string();
    assert!(error.contains("give 1 to 2"), "{error}");
    runtime.block_on(first.allow_frame_version(FRAME_VERSION)).unwrap();
    assert_eq!(first.frames().allowed().frame_version, FRAME_VERSION);
    wait_until("the other node follows", || second.frames().allowed().frame_version == FRAME_VERSION);

    set_version(Some("3"));
    let error = refusal(&runtime, &with_types);
    assert!(error.contains("have version 3, and this version reads up to 2; use a newer weir"), "{error}");
    wait_until("a node that runs writes what it knows", || second.status().frames.frame_version == 3);
    assert_eq!(second.frames().allowed().frame_version, FRAME_VERSION);
}

#[test]
fn an_event_type_is_taken_when_all_nodes_know_it_and_an_operator_says_so() {
    let Some(nats) = Nats::start(1, "") else { return };
    let runtime = runtime();
    let old = open_with(&runtime, &with_types(&nats, "click,view"));
    let new = open_with(&runtime, &with_types(&nats, "click,view,buy"));
    assert_eq!(new.frames().allowed(), Allowed { frame_version: FRAME_VERSION, event_types: 2 });
    for wrong in ["click,buy", "view,click", "click,viewed,buy"] {
        let error = refusal(&runtime, &with_types(&nats, wrong));
        assert!(error.contains("event_types is click,view in the stream"), "{error}");
    }
    let names = ["click", "view", "buy"].map(str::to_owned);
    let error = runtime.block_on(new.allow_event_types(&names[1..])).unwrap_err().to_string();
    assert!(error.contains("give click,view and the new ones"), "{error}");
    runtime.block_on(new.allow_event_types(&names)).unwrap();
    assert_eq!(new.frames().allowed().event_types, 3);
    wait_until("the other node follows", || old.frames().allowed().event_types == 3);
    let error = refusal(&runtime, &with_types(&nats, "click,view"));
    assert!(error.contains("event_types is click,view,buy in the stream and click,view now"), "{error}");
    drop(open_with(&runtime, &with_types(&nats, "click,view,buy,sell")));
}
