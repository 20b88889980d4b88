//! The page at `/` in a real browser, with a server process.

mod other_origins;

use crate::common::{Running, agent, array, event, table, user, weir};
use crate::webdriver::Browser;
use serde_json::{Value, json};
use ureq::http::Request;
use weir::{Clock, SystemClock, format_ms};

/// A server process with an address for the browser.
struct Weir(Running);

impl Weir {
    fn start() -> Self {
        Self::with("127.0.0.1:0", &[])
    }

    /// Starts a server at an address, with these environment variables.
    fn with(listen: &str, variables: &[(&str, &str)]) -> Self {
        Self(Running::start(weir(&["serve", "--listen", listen]).envs(variables.iter().copied())))
    }

    fn url(&self) -> String {
        self.0.url() + "/"
    }

    fn send(&self, method: &str, path: &str, body: String) {
        let request = Request::builder().method(method).uri(self.0.url() + path);
        let response = agent().run(request.body(body).unwrap()).unwrap();
        assert_eq!(response.status(), 200, "{response:?}");
    }

    /// Posts events of the present, given as `(user, type)`, with ids that start with `prefix`.
    fn post(&self, prefix: &str, events: &[(&str, &str)]) {
        let now = now();
        let events = events.iter().enumerate();
        let events = events.map(|(i, (user, kind))| event(format!("{prefix}-{i}")).user(user).kind(kind).ts(&now));
        self.send("POST", "/events", array(events));
    }

    fn put_users(&self, users: &[(&str, &str, &str)]) {
        let users = users.iter().map(|(id, plan, region)| user(id, plan, region));
        self.send("PUT", "/reference/users", table(users, now()));
    }
}

fn now() -> String {
    format_ms(SystemClock.now_ms())
}

const WIDE: (u32, u32) = (1440, 1000);

/// Opens the page in a browser, and waits for its first figures.
fn open_page(weir: &Weir, (width, height): (u32, u32)) -> Browser {
    let browser = Browser::start(width, height);
    browser.open(&weir.url());
    browser.wait_for("document.documentElement.dataset.connection === 'live'");
    browser
}

/// The bars of a breakdown, with their counts, in order.
fn bars(browser: &Browser, name: &str) -> Value {
    browser.value(&bars_expression(name))
}

fn bars_expression(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('[aria-labelledby=breakdown-{name}] .bar')].map((bar) => \
         [bar.querySelector('.bar-name').textContent, bar.querySelector('.bar-count').textContent])"
    )
}

fn wait_for_bars(browser: &Browser, name: &str, bars: &Value) {
    browser.wait_for(&format!("JSON.stringify({}) === {}", bars_expression(name), json!(bars.to_string())));
}

fn bar(name: &str, value: &str) -> String {
    format!("[aria-labelledby=breakdown-{name}] .bar[title=\"{value}\"]")
}

fn assert_no_complaints(browser: &Browser) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
#[ignore = "needs chromium and its driver"]
fn events_appear_as_they_arrive_and_rejected_ones_with_their_reasons() {
    let weir = Weir::start();
    let browser = open_page(&weir, WIDE);
    browser.wait_for_text("#total-events", "0");
    assert!(browser.is_visible("#empty"));
    assert!(browser.text("#command").starts_with(&format!("curl {}events --json ", weir.url())));
    browser.wait_for_text("#rejects-total", "No events have been rejected since the start.");

    let markup = "<img src=x onerror=document.title=1>";
    weir.post("e", &[("ann", "click"), ("ann", "click"), ("bob", "view")]);
    weir.post(markup, &[("ann", "click"), ("ann", "nonsense")]);
    browser.wait_for_text("#total-events", "4");
    assert!(!browser.is_visible("#empty"));
    assert_eq!([browser.text("#unique-users"), browser.text("#unknown-share")], ["2", "100.0%"]);
    wait_for_bars(&browser, "type", &json!([["click", "3"], ["view", "1"]]));
    browser.wait_for_text("#rejects-body .reject-code", "invalid_event");
    assert_eq!(browser.text("#rejects-body .reject-id"), format!("{markup}-1"));
    assert_eq!(browser.text("#rejects-body .reject-message"), "type is not one of the configured event types");
    assert_eq!(browser.value("document.querySelectorAll('main img').length"), 0);
    // Rates and percentiles need two readings of the server's metrics, and requests between them.
    let has_figures = |id: &str| format!("/[0-9]/.test(document.querySelector('{id}').textContent)");
    browser.wait_for(&has_figures("#rate-accepted"));
    weir.post("f", &[("ann", "nonsense")]);
    for id in ["#latency-p50", "#latency-p99", "#process"] {
        browser.wait_for(&has_figures(id));
    }
    assert!(!browser.is_visible("#ingest-problem"));
    // The line of the chart rises at the events.
    browser
        .wait_for("new Set(document.querySelector('.chart-line.rate').getAttribute('d').match(/,[0-9.]+/g)).size > 1");
    browser.click("#values summary");
    browser.wait_for("[...document.querySelectorAll('#values-body td')].some((cell) => Number(cell.textContent) > 0)");
    assert_no_complaints(&browser);
}

#[test]
#[ignore = "needs chromium and its driver"]
fn a_pressed_bar_is_a_filter_and_part_of_the_address() {
    let weir = Weir::start();
    weir.put_users(&[("ann", "pro", "eu"), ("bob", "free", "eu"), ("cat", "a&b=<i>", "us")]);
    weir.post("e", &[("ann", "click"), ("ann", "view"), ("bob", "click"), ("cat", "view"), ("dan", "view")]);
    let browser = open_page(&weir, WIDE);
    wait_for_bars(&browser, "plan", &json!([["pro", "2"], ["a&b=<i>", "1"], ["free", "1"], ["unknown user", "1"]]));
    assert!(!browser.is_visible("#filters"));

    // Between the press and the answer no bar moves. Otherwise a second press would hit another bar.
    let order = "[...document.querySelectorAll('[aria-labelledby=breakdown-plan] .bar-name')] \
        .map((name) => name.textContent).join()";
    browser.run(&format!(
        "window.orders = []; new MutationObserver(() => orders.push({order})) \
         .observe(document.querySelector('#breakdowns'), {{ subtree: true, childList: true, characterData: true }})"
    ));
    browser.click(&bar("plan", "free"));
    browser.wait_for_text("#total-events", "1");
    browser.click(&bar("plan", "free"));
    browser.wait_for_text("#total-events", "5");
    browser.wait_for("document.querySelectorAll('.chip').length === 0 && orders.length > 0");
    assert_eq!(browser.value("[...new Set(orders)]"), json!(["pro,a&b=<i>,free,unknown user"]));

    browser.click(&bar("plan", "pro"));
    browser.wait_for_text("#total-events", "2");
    browser.click(&bar("plan", "a&b=<i>"));
    browser.wait_for_text("#total-events", "3");
    browser.click(&bar("type", "view"));
    browser.wait_for_text("#total-events", "2");
    let pressed = "[...document.querySelectorAll('.bar[aria-pressed=true]')].map((bar) => bar.title).sort().join()";
    assert_eq!(browser.value(pressed), "a&b=<i>,pro,view");
    // A value that is filtered out keeps its bar, which ignores the filters of its own breakdown.
    browser.wait_for(&format!("JSON.stringify({}).includes('[\"click\",\"1\"]')", bars_expression("type")));
    wait_for_bars(&browser, "region", &json!([["eu", "1"], ["us", "1"]]));

    assert!(browser.url().ends_with("#plan=pro&plan=a%26b%3D%3Ci%3E&type=view"), "{}", browser.url());
    browser.reload();
    browser.wait_for_text("#total-events", "2");
    assert_eq!(browser.value("document.querySelectorAll('.chip').length"), 3);

    browser.click("button[aria-label='Remove the filter type: view']");
    browser.wait_for_text("#total-events", "3");
    browser.back();
    browser.wait_for_text("#total-events", "2");
    browser.click("#clear-filters");
    browser.wait_for_text("#total-events", "5");
    assert!(!browser.is_visible("#filters"));
    assert_no_complaints(&browser);
}

#[test]
#[ignore = "needs chromium and its driver"]
fn a_new_table_regroups_counted_events() {
    let weir = Weir::start();
    weir.put_users(&[("ann", "pro", "eu"), ("bob", "free", "us")]);
    weir.post("e", &[("ann", "click"), ("ann", "view"), ("bob", "click")]);
    let browser = open_page(&weir, WIDE);
    wait_for_bars(&browser, "plan", &json!([["pro", "2"], ["free", "1"]]));
    browser.wait_for_text("#reference-generation", "1");
    weir.put_users(&[("ann", "team", "eu")]);
    wait_for_bars(&browser, "plan", &json!([["team", "2"], ["unknown user", "1"]]));
    browser.wait_for_text("#reference-generation", "2");
    browser.wait_for_text("#reference-users", "1");
    assert_no_complaints(&browser);
}

#[test]
#[ignore = "needs chromium and its driver"]
fn the_page_shows_that_the_server_is_gone_and_reconnects_by_itself() {
    let weir = Weir::start();
    let address = weir.0.address;
    // The end of the chart, which the page queries each second, does not reach back to these events.
    let then_ms = SystemClock.now_ms() - 30_000;
    weir.send("POST", "/events", array([event("e-1").at_ms(then_ms), event("e-2").at_ms(then_ms)]));
    let browser = open_page(&weir, WIDE);
    browser.wait_for_text("#total-events", "2");
    browser.click("#values summary");
    let drawn =
        "[...document.querySelectorAll('#values-body td:first-of-type')].map((cell) => Number(cell.textContent))";
    browser.wait_for(&format!("{drawn}.includes(2)"));
    drop(weir);
    browser.wait_for("document.documentElement.dataset.connection === 'lost'");
    assert_eq!(
        [browser.text("#status-text"), browser.value("document.title").as_str().unwrap().to_owned()],
        ["Reconnecting", "weir"]
    );
    assert!(browser.is_visible("#notice") && browser.is_visible("#retry"));
    assert_eq!(browser.text("#total-events"), "2", "the last figures stay");

    let weir = Weir::with(&address.to_string(), &[]);
    browser.wait_for("document.documentElement.dataset.connection === 'live'");
    browser.wait_for_text("#total-events", "0");
    assert!(!browser.is_visible("#notice"));
    // The chart shows the new process too.
    browser.run(
        "window.drawings = 0; \
         new MutationObserver(() => drawings++).observe(document.querySelector('#values-body'), { childList: true })",
    );
    browser.wait_for("drawings >= 3");
    assert_eq!(browser.value(&format!("{drawn}.includes(2)")), false);
    weir.post("e", &[("ann", "click")]);
    browser.wait_for_text("#total-events", "1");
    assert_no_complaints(&browser);
}

#[test]
#[ignore = "needs chromium and its driver"]
fn the_page_asks_for_a_token_and_keeps_it_for_the_tab() {
    let tokens = [("WEIR_READ_TOKEN", "reader"), ("WEIR_ADMIN_TOKEN", "admin")];
    let weir = Weir::with("127.0.0.1:0", &tokens);
    weir.post("e", &[("ann", "click")]);
    let browser = Browser::start(WIDE.0, WIDE.1);
    browser.open(&weir.url());
    browser.wait_for("document.documentElement.dataset.connection === 'token'");
    browser.wait_for("document.activeElement.id === 'token'");
    for (token, problem) in
        [("non\u{200b}sense", "letters, digits"), ("nonsense", "invalid token"), ("admin", "does not have the role")]
    {
        browser.enter("#token", token);
        browser.click("#token-form button");
        browser.wait_for(&format!("document.querySelector('#token-problem').textContent.includes('{problem}')"));
    }
    const ENTER: &str = "\u{e007}";
    browser.enter("#token", &format!("reader{ENTER}"));
    browser.wait_for_text("#total-events", "1");
    assert!(!browser.is_visible("#token-panel"));
    assert_eq!(browser.value("document.activeElement.id"), "figures");
    browser.reload();
    browser.wait_for_text("#total-events", "1");
    assert_eq!(browser.url(), weir.url());
    browser.click("#forget-token");
    browser.wait_for("document.documentElement.dataset.connection === 'token'");
    assert_eq!(browser.value("sessionStorage.length"), 0);
    assert_no_complaints(&browser);
}

#[test]
#[ignore = "needs chromium and its driver"]
fn the_page_offers_the_windows_and_steps_that_the_server_answers() {
    let weir = Weir::with("127.0.0.1:0", &[("WEIR_RETENTION", "120")]);
    weir.post("e", &[("ann", "click")]);
    let browser = open_page(&weir, WIDE);
    let windows = "[...document.querySelectorAll('#windows input')].map((input) => input.value).join()";
    browser.wait_for(&format!("{windows} === '60,120'"));
    browser.wait_for("document.querySelector('#windows :checked').value === '120'");
    browser.click("#windows .choice");
    browser.wait_for_text("#window-shown", "in the last 1 min");
    browser.run(
        "const step = document.querySelector('#step'); step.value = '10'; \
         step.dispatchEvent(new Event('change', { bubbles: true }))",
    );
    browser.wait_for_text("#chart-step", "10 s per step, last 1 min");
    assert!(browser.url().ends_with("#window=60&step=10"), "{}", browser.url());
    let disabled = "[...document.querySelectorAll('#step option:disabled')].map((option) => option.value).join()";
    assert_eq!(browser.value(disabled), "60");
    assert_no_complaints(&browser);
}

#[test]
#[ignore = "needs chromium and its driver"]
fn the_page_fits_a_phone() {
    let weir = Weir::start();
    let long = "w".repeat(120);
    weir.put_users(&[("ann", &long, "eu"), ("bob", "free", &long)]);
    weir.post(&long, &[("ann", "click"), ("bob", "view"), ("bob", &long)]);
    let browser = open_page(&weir, (360, 740));
    browser.click(&bar("plan", &long));
    browser.wait_for_text("#total-events", "1");
    browser.wait_for("document.querySelector('.chart-line') && document.querySelector('#rejects-body tr')");
    for width in [320, 360, 768, 1440] {
        browser.resize(width, 740);
        browser.wait_for(&format!("innerWidth === {width}"));
        // The chart follows the width in a later frame.
        browser.wait_for("document.documentElement.scrollWidth === document.documentElement.clientWidth");
    }
    assert_no_complaints(&browser);
}

#[test]
#[ignore = "needs chromium and its driver"]
fn the_page_can_be_used_with_a_screen_reader_and_a_keyboard() {
    let weir = Weir::start();
    weir.put_users(&[("ann", "pro", "eu")]);
    weir.post("e", &[("ann", "click")]);
    let browser = open_page(&weir, WIDE);
    browser.wait_for("document.querySelector('.chart-line') && document.querySelector('.bar')");
    for landmark in ["header", "main", "footer", "h1"] {
        assert_eq!(browser.value(&format!("document.querySelectorAll('{landmark}').length")), 1, "{landmark}");
    }
    let nameless = browser.run(
        "const name = (node) => node.getAttribute('aria-label') || node.textContent.trim() \
           || [...(node.labels ?? [])].map((label) => label.textContent.trim()).join(''); \
         return [...document.querySelectorAll('button, select, input, summary, [role=slider], [role=region]')] \
           .filter((node) => !name(node) && !node.hasAttribute('aria-labelledby')).map((node) => node.outerHTML)",
    );
    assert_eq!(nameless, json!([]));
    let unnamed = "[...document.querySelectorAll('[aria-labelledby]')] \
        .filter((node) => !document.getElementById(node.getAttribute('aria-labelledby'))?.textContent.trim()).length";
    assert_eq!(browser.value(unnamed), 0);
    assert_eq!(browser.value("document.querySelectorAll('[role=status]').length"), 1);

    // The arrow keys move through the chart.
    let (left, home) = ("\u{e012}", "\u{e011}");
    browser.wait_for("document.querySelector('#chart').getAttribute('aria-valuetext').includes('events per second')");
    let last = browser.value("Number(document.querySelector('#chart').getAttribute('aria-valuemax'))");
    browser.enter("#chart", home);
    browser.wait_for("document.querySelector('#chart').getAttribute('aria-valuenow') === '0'");
    browser.enter("#chart", "\u{e010}");
    browser.enter("#chart", left);
    assert_eq!(
        browser.value("Number(document.querySelector('#chart').getAttribute('aria-valuenow')) >= 1"),
        last.as_i64() > Some(1)
    );
    assert!(browser.is_visible(".chart-tip"));

    // A bar keeps the focus while figures change. The space bar presses it.
    browser.run(&format!("document.querySelector({}).focus()", json!(bar("plan", "pro"))));
    weir.post("f", &[("bob", "view"), ("ann", "click"), ("ann", "click")]);
    browser.wait_for_text("#total-events", "4");
    assert_eq!(browser.value("document.activeElement.title"), "pro");
    browser.enter(&bar("plan", "pro"), " ");
    browser.wait_for_text("#total-events", "3");
    assert_eq!(browser.value("document.activeElement.title"), "pro");
    assert_eq!(bars(&browser, "plan")[0], json!(["pro", "3"]));
    assert_no_complaints(&browser);
}

#[test]
#[ignore = "needs chromium and its driver"]
fn the_page_polls_without_a_stream_and_shows_a_command_for_the_configured_types() {
    let weir = Weir::with("127.0.0.1:0", &[("WEIR_MAX_STREAMS", "0"), ("WEIR_EVENT_TYPES", "play,pause")]);
    let browser = open_page(&weir, WIDE);
    browser.wait_for("document.querySelector('#command').textContent.includes('\"type\": \"play\"')");
    weir.post("e", &[("ann", "play"), ("bob", "pause")]);
    browser.wait_for_text("#total-events", "2");
    assert!(!browser.is_visible("#notice"));
}
