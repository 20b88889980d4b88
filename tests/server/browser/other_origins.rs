//! Pages of other origins: of an origin that may use the server, and of one that may not.

use super::{WIDE, Weir, assert_no_complaints};
use crate::common::{Running, agent, eventually, repository, serve_page, serve_under, weir};
use crate::webdriver::Browser;
use serde_json::{Value, json};

/// The example page, at an address of its own.
fn page() -> String {
    let html = std::fs::read_to_string(repository("examples/tracker.html")).unwrap();
    format!("http://{}/", serve_page(html))
}

fn serve(origins: &str) -> Weir {
    Weir(Running::start(&mut weir(&["serve", "--listen", "127.0.0.1:0", "--cors-origins", origins])))
}

fn metrics(weir: &Weir) -> Value {
    let mut response = agent().get(weir.url() + "metrics").call().unwrap();
    serde_json::from_slice(&response.body_mut().read_to_vec().unwrap()).unwrap()
}

/// Runs a function in the page, and returns the text that its promise becomes.
fn evaluate(browser: &Browser, function: &str) -> String {
    browser.run(&format!(
        "window.outcome = undefined; ({function})().then((text) => {{ outcome = text; }}, \
         (error) => {{ outcome = `failed: ${{error.name}}`; }})"
    ));
    browser.wait_for("typeof outcome === 'string'");
    browser.value("outcome").as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs chromium and its driver"]
fn a_page_of_a_configured_origin_posts_events_and_reads_metrics() {
    let page = page();
    let weir = serve(page.trim_end_matches('/'));
    let browser = Browser::start(WIDE.0, WIDE.1);
    browser.open(&format!("{page}?server={}", weir.0.url()));
    eventually("the view arrives", || metrics(&weir)["by_type"] == json!({ "view": 1 }));
    browser.click("#buy");
    eventually("the purchase arrives", || metrics(&weir)["by_type"] == json!({ "purchase": 1, "view": 1 }));

    let url = weir.0.url();
    let event = r#"JSON.stringify({ event_id: "b", user_id: "u", type: "click", ts: new Date().toISOString() })"#;
    let beacon = format!("async () => String(navigator.sendBeacon('{url}/events', {event}))");
    assert_eq!(evaluate(&browser, &beacon), "true");
    eventually("the beacon arrives", || metrics(&weir)["by_type"]["click"] == 1);
    // This content type needs a preflight.
    let posted = evaluate(
        &browser,
        &format!(
            "async () => {{ const headers = {{ 'content-type': 'application/json', prefer: 'return=minimal' }}; \
             const response = await fetch('{url}/events', {{ method: 'POST', headers, body: {event} }}); \
             return response.headers.get('preference-applied') + (await response.text()); }}"
        ),
    );
    assert_eq!(posted, r#"return=minimal{"results":[],"accepted":0,"duplicates":1,"rejected":0}"#);
    let streamed = evaluate(
        &browser,
        &format!(
            "async () => {{ const response = await fetch('{url}/metrics/stream?window=60'); \
             const reader = response.body.pipeThrough(new TextDecoderStream()).getReader(); \
             let text = ''; while (!text.includes('event: metrics')) text += (await reader.read()).value; \
             await reader.cancel(); return text; }}"
        ),
    );
    assert!(streamed.starts_with("retry: 2000\n\n"), "{streamed}");
    let source = format!(
        "() => new Promise((done) => {{ const source = new EventSource('{url}/metrics/stream'); \
         source.addEventListener('metrics', (event) => {{ source.close(); done(event.data); }}); }})"
    );
    assert!(evaluate(&browser, &source).starts_with(r#"{"window_sec":300,"#));
    let put = format!("async () => (await fetch('{url}/reference/users', {{ method: 'PUT', body: '{{}}' }})).status");
    assert_eq!(evaluate(&browser, &put), "failed: TypeError");
}

#[test]
#[ignore = "needs chromium and its driver"]
fn a_page_of_another_origin_changes_nothing_and_reads_nothing() {
    let weir = serve("https://app.example");
    let browser = Browser::start(WIDE.0, WIDE.1);
    browser.open(&format!("{}?server={}", page(), weir.0.url()));
    let url = weir.0.url();
    let event = r#"JSON.stringify({ event_id: "b", user_id: "u", type: "click", ts: new Date().toISOString() })"#;
    for function in [
        format!("async () => (await fetch('{url}/events', {{ method: 'POST', body: {event} }})).text()"),
        format!("async () => (await fetch('{url}/metrics')).text()"),
    ] {
        assert_eq!(evaluate(&browser, &function), "failed: TypeError");
    }
    let blind = format!(
        "async () => {{ navigator.sendBeacon('{url}/events', {event}); \
         const response = await fetch('{url}/events', {{ method: 'POST', mode: 'no-cors', body: {event} }}); \
         return response.type; }}"
    );
    assert_eq!(evaluate(&browser, &blind), "opaque", "the request was answered");
    assert_eq!(metrics(&weir)["total_events"], 0);
}

#[test]
#[ignore = "needs chromium and its driver"]
fn the_dashboard_works_under_a_path_prefix() {
    let weir = Weir::start();
    weir.post("e", &[("ann", "click"), ("bob", "view")]);
    let proxy = serve_under("/tools/weir", weir.0.address);
    let browser = Browser::start(WIDE.0, WIDE.1);
    browser.open(&format!("http://{proxy}/tools/weir/"));
    browser.wait_for("document.documentElement.dataset.connection === 'live'");
    browser.wait_for_text("#total-events", "2");
    browser.wait_for_text("#rejects-total", "No events have been rejected since the start.");
    browser.wait_for("/[0-9]/.test(document.querySelector('#process').textContent)");
    assert_no_complaints(&browser);
}
