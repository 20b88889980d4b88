// node ci/screenshot.mjs URL FILE [WIDTH HEIGHT SCHEME]: takes a screenshot of the page at URL in headless Chromium, as
// soon as the page shows live metrics. HEIGHT 0 is the whole page. SCHEME is light or dark.

import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";

const [url, file, width = "1440", height = "0", scheme = "light"] = process.argv.slice(2);
const SETTLED_MS = 12_000;
const DEADLINE_MS = 60_000;

const driver = spawn("chromedriver", ["--port=0"], { stdio: ["ignore", "pipe", "inherit"] });
try {
  const port = await new Promise((resolve, reject) => {
    driver.on("error", reject);
    driver.on("exit", () => reject(new Error("chromedriver ended")));
    driver.stdout.on("data", (text) => {
      const started = /started successfully on port ([0-9]+)/.exec(text);
      if (started) resolve(started[1]);
    });
  });
  await takeScreenshot(`http://127.0.0.1:${port}`);
} finally {
  driver.kill();
}

async function takeScreenshot(driverUrl) {
  const send = async (method, path, body) => {
    const response = await fetch(driverUrl + path, { method, body: body && JSON.stringify(body) });
    const { value } = await response.json();
    if (!response.ok) throw new Error(value.message);
    return value;
  };
  const args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=en-GB"];
  const { sessionId } = await send("POST", "/session", {
    capabilities: { alwaysMatch: { "goog:chromeOptions": { args } } },
  });
  const session = `/session/${sessionId}`;
  const cdp = (cmd, params) => send("POST", `${session}/goog/cdp/execute`, { cmd, params });
  const run = (script) => send("POST", `${session}/execute/sync`, { script, args: [] });
  const resize = (height) =>
    cdp("Emulation.setDeviceMetricsOverride", { width: Number(width), height, deviceScaleFactor: 1, mobile: false });
  try {
    await cdp("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
    await resize(Number(height) || 900);
    await send("POST", `${session}/url`, { url });
    const deadline = Date.now() + DEADLINE_MS;
    while (
      !(await run(
        "return document.querySelector('.chart-line') !== null && document.documentElement.dataset.connection === 'live'",
      ))
    ) {
      if (Date.now() > deadline) throw new Error("the page shows no live metrics");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // The ingest rates cover ten seconds.
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
    if (Number(height) === 0) await resize(await run("return document.documentElement.scrollHeight"));
    const { data } = await cdp("Page.captureScreenshot", { format: "png", optimizeForSpeed: false });
    writeFileSync(file, Buffer.from(data, "base64"));
  } finally {
    await send("DELETE", session);
  }
}
