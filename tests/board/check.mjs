// Drives the board in a real browser: node check.mjs BINARY CHROMIUM MODULES [IMAGES]
//
// MODULES is a folder in which `puppeteer-core` and `axe-core` are installed; IMAGES a folder for screenshots. A registry on
// loopback and bare repositories are made for it, the real program serves them, and everything is taken away at the end.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

const [binary, chromium, modules, images] = process.argv.slice(2);
const load = createRequire(join(modules, "package.json"));
const puppeteer = load("puppeteer-core");
const axe = readFileSync(load.resolve("axe-core/axe.min.js"), "utf8");
const scratch = mkdtempSync(join(tmpdir(), "tagboat-board-"));
const failures = [];
const check = (holds, words) => {
  if (!holds) failures.push(words);
  console.log(`${holds ? "ok  " : "FAIL"} ${words}`);
};
const patience = 30_000;

// A registry that lists tags and tells the digest of each.
const tags = { "acme/web": ["1.4.0", "1.4.1", "1.5.0", "1.5.1-rc.1", "latest"], "acme/worker": ["2.0.0", "2.1.0"], "acme/api": ["3.2.0", "3.2.1", "4.0.0"], "acme/cache": ["7.2.0"] };
const registry = createServer((request, answer) => {
  const list = request.url.match(/^\/v2\/(.+)\/tags\/list/);
  if (list && tags[list[1]]) {
    answer.setHeader("content-type", "application/json");
    return answer.end(JSON.stringify({ name: list[1], tags: tags[list[1]] }));
  }
  answer.statusCode = request.url === "/v2/" ? 200 : 404;
  answer.end("{}");
});
await new Promise((ready) => registry.listen(0, "127.0.0.1", ready));
const host = `127.0.0.1:${registry.address().port}`;

// Bare repositories.
const environment = { PATH: process.env.PATH, HOME: scratch, XDG_CACHE_HOME: join(scratch, "cache"), GIT_CONFIG_NOSYSTEM: "1" };
const git = (folder, ...words) => execFileSync("git", ["-c", "user.name=Robin", "-c", "user.email=robin@acme.example", "-C", folder, ...words], { env: environment, stdio: ["ignore", "pipe", "pipe"] }).toString();
const deployment = (name, image) => `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ${name}}\nspec:\n  template:\n    spec:\n      containers:\n        - {name: ${name}, image: "${image}"}\n`;
const repository = (name, files, later = {}) => {
  const bare = join(scratch, "acme", `${name}.git`);
  const tree = join(scratch, `${name}-tree`);
  mkdirSync(bare, { recursive: true });
  mkdirSync(tree);
  git(bare, "init", "-q", "--bare", "-b", "main");
  git(tree, "init", "-q", "-b", "main");
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(tree, dirname(path)), { recursive: true });
    writeFileSync(join(tree, path), text);
  }
  git(tree, "add", "-A");
  git(tree, "commit", "-q", "-m", "manifests");
  for (const [path, text] of Object.entries(later)) {
    writeFileSync(join(tree, path), text);
    git(tree, "commit", "-q", "-a", "-m", `move ${path}`);
  }
  git(tree, "push", "-q", bare, "main");
  return bare;
};
const shop = { ".tagboat.yaml": `version: 1
images: [{match: "${host}/acme/*", semver: minor}]
environments:
  - {name: dev, files: ["dev/**"], publish: commit}
  - {name: staging, files: ["staging/**"], after: dev, gates: {soak: 2h}, publish: commit}
  - {name: prod, files: ["prod/**"], after: staging, gates: {soak: 24h, windows: [{days: mon-thu, hours: "09:00-16:00", zone: Europe/Berlin}], approvals: 1}, publish: pullRequest}
` };
// What runs where came one after the other, as promotion would have brought it.
const first = { web: "1.4.0", worker: "2.0.0", api: "3.2.0", cache: "7.2.0" };
const moves = { "dev/web.yaml": ["web", "1.4.1"], "staging/web.yaml": ["web", "1.4.1"], "dev/worker.yaml": ["worker", "2.1.0"] };
const later = Object.fromEntries(Object.entries(moves).map(([path, [image, tag]]) => [path, deployment(image, `${host}/acme/${image}:${tag}`)]));
for (const name of ["dev", "staging", "prod"]) {
  for (const [image, tag] of Object.entries(first)) shop[`${name}/${image}.yaml`] = deployment(image, `${host}/acme/${image}:${tag}`);
}
shop[".tagboat/holds.yaml"] = `version: 1\nholds:\n  - {image: "${host}/acme/web", tag: 1.4.9, environment: prod, by: robin, reason: leaks memory under load, until: "2027-06-01T00:00:00Z"}\n`;
const large = { ".tagboat.yaml": `version: 1\nimages: [{match: "${host}/acme/**", semver: minor}]\nenvironments:\n${[1, 2, 3, 4, 5, 6].map((number) => `  - {name: zone-${number}, files: ["zone-${number}/**"], publish: commit}\n`).join("")}` };
for (let image = 0; image < 200; image += 1) {
  const name = `service-${String(image).padStart(3, "0")}`;
  tags[`acme/many/${name}`] = ["1.0.0"];
  for (let zone = 1; zone <= 6; zone += 1) large[`zone-${zone}/${name}.yaml`] = deployment(name, `${host}/acme/many/${name}:1.0.0`);
}
const repositories = [repository("shop", shop, later), repository("infrastructure", { "readme.md": "nothing to follow" })];
const many = [repository("many", large)];

writeFileSync(join(scratch, "hook"), "hush\n");
writeFileSync(join(scratch, "users"), "robin:$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe\n");
const children = [];
const serve = async (name, urls, further, listen = "127.0.0.1:0") => {
  const file = join(scratch, `${name}.yaml`);
  const rows = urls.map((url) => `  - {url: "${url}", branch: main}\n`).join("");
  writeFileSync(file, `version: 1\nlisten: ${listen}\nschedule: every 1h\ncache: ${name}.db\nwebhooks: [{source: generic, secretFile: hook}]\n${further}repositories:\n${rows}`);
  const child = spawn(binary, ["serve", "--config", file, "--log-format", "json"], { env: environment, stdio: ["ignore", "ignore", "pipe"] });
  children.push(child);
  let ended = 0;
  return new Promise((ready, broken) => {
    let address;
    const late = setTimeout(() => broken(new Error(`${name} did not start`)), 120_000);
    createInterface(child.stderr).on("line", (line) => {
      const told = JSON.parse(line);
      if (told.message === "listening") address = `http://${told.address}`;
      if (told.message === "pass") ended += 1;
      if (ended === urls.length) { clearTimeout(late); ready(address); }
    });
    child.on("exit", () => broken(new Error(`${name} ended`)));
    child.name = name;
  });
};

let browser;
try {
  const [open, closed, full] = [await serve("open", repositories, "access: {usersFile: users}\n"), await serve("closed", repositories, ""), await serve("full", many, "")];
  const flags = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"];
  browser = await puppeteer.launch({ executablePath: chromium, headless: true, args: flags, userDataDir: join(scratch, "browser") });
  const complaints = [];
  const tab = async (colours = "light", width = 1180, height = 640) => {
    const page = await (await browser.createBrowserContext()).newPage();
    page.setDefaultTimeout(patience);
    page.on("console", (message) => ["error", "warn"].includes(message.type()) && complaints.push(`${page.url()}: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error}`));
    page.on("requestfailed", (request) => request.url().endsWith("/events") || complaints.push(`${request.url()}: ${request.failure()?.errorText}`));
    page.on("request", (request) => { const url = new URL(request.url()); if (!["127.0.0.1"].includes(url.hostname)) complaints.push(`asked elsewhere: ${request.url()}`); });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: colours }]);
    await page.setViewport({ width, height });
    return page;
  };
  const rows = await (await fetch(`${closed}/api/v1/repositories`)).json();
  const id = rows.find((row) => row.name.endsWith("shop")).id;
  const image = encodeURIComponent(`${host}/acme/web`);
  const promotion = (await (await fetch(`${closed}/api/v1/promotions?repository=${id}&environment=prod`)).json())[0]
    ?? (await (await fetch(`${closed}/api/v1/promotions?repository=${id}`)).json())[0];
  const pages = {
    overview: "/",
    promotions: "/promotions",
    promotion: `/promotion?repository=${id}&environment=${promotion.environment}&group=${encodeURIComponent(promotion.group)}`,
    image: `/image?repository=${id}&image=${image}`,
    passes: "/passes",
    pass: `/pass?repository=${id}&number=1`,
    repositories: "/repositories",
    repository: `/repository?repository=${id}`,
    holds: "/holds",
  };

  // Every page, light, dark and on a phone: no complaint, no sideways scroll, no serious fault of accessibility.
  const look = async (page, name, address, kind) => {
    const answer = await page.goto(address, { waitUntil: "load" });
    check(answer.status() === 200, `${name} (${kind}) loads`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    check(wide <= 0, `${name} (${kind}) does not scroll sideways${wide > 0 ? `: ${wide} px` : ""}`);
    // By the debugger, past the policy that forbids it to pages.
    await page.evaluate(axe);
    const found = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    const serious = found.violations.filter((one) => ["serious", "critical"].includes(one.impact));
    check(serious.length === 0, `${name} (${kind}) is accessible${serious.map((one) => `; ${one.id}: ${one.nodes[0].html} ${one.nodes[0].failureSummary}`).join("")}`);
  };
  // What is shown at first, no higher than the page.
  const picture = async (page, name) => {
    const { width, height } = page.viewport();
    const whole = await page.evaluate(() => document.querySelector("footer").getBoundingClientRect().bottom);
    await page.screenshot({ path: join(images, `board-${name}.png`), clip: { x: 0, y: 0, width, height: Math.min(height, Math.ceil(whole)) } });
  };
  if (images) mkdirSync(images, { recursive: true });
  for (const [kind, colours, width, height] of [["light", "light", 1180, 640], ["dark", "dark", 1180, 640], ["phone", "light", 390, 844]]) {
    const page = await tab(colours, width, height);
    for (const [name, path] of Object.entries(pages)) {
      await look(page, name, closed + path, kind);
      check(await page.$("form") === null, `${name} (${kind}) has no buttons without access`);
      if (images) await picture(page, `${name}-${kind}`);
    }
    await page.goto(`${closed}/nothing-here`);
    await page.close();
  }

  // The filter and keys.
  const page = await tab();
  await page.goto(closed + "/");
  await page.waitForFunction(() => !document.querySelector(".tools").hidden);
  // What is said aloud may be followed by something else at once, as when a pass ends.
  await page.evaluate(() => {
    const live = document.getElementById("live");
    globalThis.aloud = [];
    new MutationObserver(() => globalThis.aloud.push(live.textContent)).observe(live, { childList: true, characterData: true, subtree: true });
  });
  const number = () => page.evaluate(() => Number(document.body.dataset.count));
  const unread = await number();
  await page.keyboard.press("/");
  await page.keyboard.type("worker");
  // Nor does a page lose its words that is made fresh before they are said.
  await fetch(`${closed}/hooks/generic/hush`, { method: "POST" });
  await page.waitForFunction(() => [...document.querySelectorAll("tr[data-row]")].filter((row) => row.getClientRects().length).length === 1);
  check(new URL(page.url()).searchParams.get("q") === "worker", "the filter is part of the address");
  await page.waitForFunction(() => globalThis.aloud.some((text) => text.includes("1 of")));
  check(true, "the filter says how many rows it leaves");
  await page.waitForFunction((unread) => Number(document.body.dataset.count) > unread, {}, unread);
  await page.reload();
  await page.waitForFunction(() => [...document.querySelectorAll("tr[data-row]")].filter((row) => row.getClientRects().length).length === 1);
  check(true, "an address with a filter shows what it filters");
  await page.focus("#filter");
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.querySelectorAll("tr[data-row][hidden]").length === 0);
  check(true, "Esc clears the filter");
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await page.keyboard.press("j");
  await page.keyboard.press("k");
  const first = await page.evaluate(() => document.querySelector("[data-row].is-current") === document.querySelector("[data-row]"));
  check(first, "j and k move from row to row");
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  check(page.url().includes("/image?"), "Enter opens the row");

  // Timers run, and a pass arrives by itself.
  await page.goto(closed + pages.promotions);
  const timer = () => page.$eval("time[data-until]", (time) => time.textContent);
  await page.waitForFunction(() => /\d:\d\d/.test(document.querySelector("time[data-until]").textContent));
  const before = await timer();
  await page.waitForFunction((before) => document.querySelector("time[data-until]").textContent !== before, {}, before);
  check(true, "timers run");
  await page.goto(closed + "/");
  await page.evaluate(() => { globalThis.untouched = true; });
  tags["acme/web"].push("1.6.0");
  check((await fetch(`${closed}/hooks/generic/hush`, { method: "POST" })).status === 202, "a webhook is taken");
  await page.waitForFunction(() => document.querySelector("main").textContent.includes("1.6.0"));
  check(await page.evaluate(() => globalThis.untouched === true), "the live update arrives without loading the page again");

  // A page that has seen much goes on with a service that has only begun.
  const begun = await number();
  while (await number() < begun + 20) {
    const before = await number();
    await fetch(`${closed}/hooks/generic/hush`, { method: "POST" });
    await page.waitForFunction((before) => Number(document.body.dataset.count) > before, {}, before);
  }
  const old = children.find((child) => child.name === "closed");
  old.removeAllListeners("exit");
  await new Promise((ended) => { old.on("exit", ended); old.kill("SIGTERM"); });
  await page.waitForFunction(() => document.getElementById("live").textContent.includes("No connection"));
  check(true, "a page says that nobody answers");
  tags["acme/web"].push("1.7.0");
  await serve("closed", repositories, "", new URL(closed).host);
  await page.waitForFunction(() => document.querySelector("main").textContent.includes("1.7.0"));
  check(await page.evaluate(() => globalThis.untouched === true && !document.getElementById("live").textContent.includes("No connection")), "it goes on by itself when the service is there again");
  await page.close();

  // Two hundred images in six environments.
  const wide = await tab();
  const began = performance.now();
  await wide.goto(full + "/", { waitUntil: "load" });
  const cells = await wide.$$eval("tr[data-row] td", (cells) => cells.length);
  const spent = await wide.evaluate(() => {
    const begins = performance.now();
    const filter = document.getElementById("filter");
    filter.value = "service-19";
    filter.dispatchEvent(new Event("input"));
    document.body.getBoundingClientRect();
    return performance.now() - begins;
  });
  const answers = [];
  let bytes = 0;
  for (let turn = 0; turn < 20; turn += 1) {
    const begins = performance.now();
    bytes = (await (await fetch(full + "/")).arrayBuffer()).byteLength;
    answers.push(performance.now() - begins);
  }
  answers.sort((one, other) => one - other);
  check(bytes < 4_000_000, `its page has ${Math.round(bytes / 1024)} KiB, and is answered in ${answers[10].toFixed(1)} ms (median of 20, worst ${answers[19].toFixed(1)} ms)`);
  check(cells === 1200, `200 images × 6 environments are shown (${Math.round(performance.now() - began)} ms), and filtered (${Math.round(spent)} ms)`);
  await look(await tab("light", 390, 844), "large overview", full + "/", "phone");

  // Who logs in may act; others see no buttons.
  const user = await tab();
  await user.goto(open + pages.repository);
  check(await user.$("form[action^='/orders/']") === null, "nobody acts before they log in");
  await Promise.all([user.waitForNavigation(), user.click(".who a")]);
  await look(user, "login", user.url(), "light");
  await user.type("input[name=user]", "robin");
  await user.type("input[name=password]", "correct horse");
  await Promise.all([user.waitForNavigation(), user.click("main button")]);
  check(user.url() === open + pages.repository, "after the login the page before is shown");
  await Promise.all([user.waitForNavigation(), user.click("form.run button")]);
  check((await user.$eval("h1", (heading) => heading.textContent)) === "Done", "a pass can be begun");
  await user.goto(open + pages.image);
  await look(user, "image with buttons", open + pages.image, "light");
  await user.click("#hold-1 summary");
  await user.type("#hold-1 input[name=tag]", "1.9.9");
  await user.type("#hold-1 input[name=reason]", "seen <b>failing</b>");
  if (images) await picture(user, "order-light");
  await Promise.all([user.waitForNavigation(), user.click("#hold-1 button")]);
  check((await user.$eval("h1", (heading) => heading.textContent)) === "Done", "a version can be held");
  check(git(repositories[0], "show", "main:.tagboat/holds.yaml").includes("1.9.9"), "the hold is in Git");
  await user.goto(open + "/holds");
  await user.waitForFunction(() => document.querySelector("main").textContent.includes("seen <b>failing</b>"));
  await look(user, "holds with buttons", open + "/holds", "light");
  await Promise.all([user.waitForNavigation(), user.evaluate(() => [...document.querySelectorAll("tr[data-row]")].find((row) => row.textContent.includes("1.9.9")).querySelector("button").click())]);
  check(!git(repositories[0], "show", "main:.tagboat/holds.yaml").includes("1.9.9"), "the hold can be released");
  await user.goto(open + pages.holds);
  await Promise.all([user.waitForNavigation(), user.click(".who button")]);
  check(await user.$("form") === null, "after the logout there are no buttons");
  const expected = /nothing-here|status of 404/;
  const others = complaints.filter((complaint) => !expected.test(complaint) && !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE|ERR_ABORTED/.test(complaint));
  check(others.length === 0, `the browser complains of nothing${others.map((one) => `\n     ${one}`).join("")}`);
} catch (error) {
  failures.push(String(error));
  console.error(error);
} finally {
  await browser?.close();
  for (const child of children) { child.removeAllListeners("exit"); child.kill("SIGKILL"); }
  registry.close();
  registry.closeAllConnections();
  rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}
console.log(failures.length ? `${failures.length} failed` : "all hold");
process.exitCode = failures.length ? 1 : 0;
