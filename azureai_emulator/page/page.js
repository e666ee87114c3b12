"use strict";

const $ = (id) => document.getElementById(id);
const SWITCHES = {
  "429": "status=429;retry-after=1", "500": "500", "503": "503", "Slow": "latency=2", "Reset": "reset",
  "Cut stream": "cut-stream-after=3", "Error frame": "error-frame-after=3", "Malformed frame": "malformed-frame-after=3",
  "Drip": "drip", "CRLF": "framing=crlf",
};
const VERSIONS = { "serverless": "2024-05-01-preview", "models": "2024-05-01-preview", "openai-deployment": "2024-10-21" };
const POLL_MS = 1000;

let key = sessionStorage.getItem("key") || "";
const exchanges = new Map();
let deployments = [];
let history = [];

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined && text !== null) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
const keyHeaders = () => ({ "api-key": key, "Authorization": `Bearer ${key}`, "Content-Type": "application/json" });

async function call(path, method = "GET", body) {
  const options = { method, headers: keyHeaders(), body: body === undefined ? undefined : JSON.stringify(body) };
  const response = await fetch(path, options);
  const data = await response.json();
  if (!response.ok) {
    const error = new Error(data.error?.message || data.message || response.statusText);
    error.status = response.status;
    throw error;
  }
  return data;
}

async function open() {
  try {
    deployments = await call("/deployments");
  } catch (error) {
    $("login-error").textContent = key ? (error.status === 401 ? "The key is wrong." : error.message) : "";
    show(false);
    return;
  }
  sessionStorage.setItem("key", key);
  show(true);
  fillDeployments();
  await Promise.all([refresh(), showPending(call("/_emulator/faults"))]);
}

function show(opened) {
  $("app").hidden = $("forget").hidden = !opened;
  $("login").hidden = opened;
  if (!opened) $("key").focus();
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  open();
});

$("forget").addEventListener("click", () => {
  sessionStorage.removeItem("key");
  location.reload();
});

async function refresh() {
  const open = [...exchanges.values()].filter((item) => !item.done).map((item) => item.number);
  const after = open.length ? Math.min(...open) - 1 : Math.max(0, ...exchanges.keys());
  try {
    const { items, first } = await call(`/_emulator/exchanges?after=${after}`);
    for (const number of exchanges.keys()) if (number < first) forgetRow(number);
    items.forEach(showRow);
    $("empty").hidden = exchanges.size > 0;
    $("status").textContent = `${location.host} · ${exchanges.size} exchange${exchanges.size === 1 ? "" : "s"}`;
  } catch (error) {
    $("status").textContent = error.status === 401 ? "The key is no longer valid." : "The emulator does not answer.";
  }
}

function forgetRow(number) {
  exchanges.delete(number);
  $(`row-${number}`)?.remove();
}

function showRow(item) {
  const row = element("tr", null, { id: `row-${item.number}` });
  const time = element("td");
  const button = element("button", new Date(item.started * 1000).toLocaleTimeString([], { hour12: false }), { type: "button" });
  button.setAttribute("aria-label", `Open exchange ${item.number}`);
  time.append(button);
  const mood = item.status >= 400 ? "bad" : item.status ? "good" : "soft";
  row.append(
    time,
    element("td", item.deployment || "–"),
    element("td", item.route || item.path),
    element("td", item.status || "…", { class: mood }),
    element("td", item.tokens || "", { class: "number", title: "tokens" }),
    element("td", item.done ? `${(item.elapsed * 1000).toFixed(1)} ms` : "…", { class: "number" }),
  );
  row.addEventListener("click", () => openDetail(item.number));
  const old = $(`row-${item.number}`);
  const focused = old?.contains(document.activeElement);
  if (old) old.replaceWith(row);
  else $("rows").prepend(row);
  if (focused) button.focus();
  exchanges.set(item.number, item);
}

$("clear").addEventListener("click", async () => {
  await call("/_emulator/exchanges", "DELETE");
  [...exchanges.keys()].forEach(forgetRow);
  await refresh();
});

setInterval(() => {
  if ($("live").checked && !$("app").hidden && !document.hidden) refresh();
}, POLL_MS);

async function openDetail(number) {
  const item = await call(`/_emulator/exchanges/${number}`);
  $("detail-title").textContent = `${item.number} · ${item.method} ${item.path} · ${item.status || "no answer yet"}`;
  const body = $("detail-body");
  body.replaceChildren(
    ...part("Request", item.body === null ? "no body" : pretty(item.body)),
    ...frames(item),
    element("h3", "Request headers"), headerList({ ...item.query, ...item.headers }),
    element("h3", "Response headers"), headerList(item.response_headers),
    ...part("Command", item.curl),
  );
  body.append(copyButton(item.curl));
  if (!$("detail").open) $("detail").showModal();
  body.scrollTop = 0;
}

function part(title, text) {
  return [element("h3", title), element("pre", text, { tabindex: "0" })];
}

function frames(item) {
  if (!Array.isArray(item.response) || !item.frame_times.length) {
    return part("Response", item.response === null ? "none" : pretty(item.response));
  }
  const list = element("div", null, { id: "detail-frames" });
  item.response.forEach((frame, index) => {
    const line = element("div", null, { class: "frame" });
    line.append(element("span", `${(item.frame_times[index] * 1000).toFixed(1)} ms`, { class: "soft number" }));
    const text = typeof frame === "string" ? frame : JSON.stringify(frame);
    line.append(element("pre", text));
    list.append(line);
  });
  return [element("h3", `Response: ${item.response.length} frames`), list];
}

function headerList(headers) {
  const list = element("dl");
  for (const [name, value] of Object.entries(headers)) list.append(element("dt", name), element("dd", value));
  return list;
}

function copyButton(text) {
  const button = element("button", "Copy", { type: "button" });
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  });
  return button;
}

$("detail-close").addEventListener("click", () => $("detail").close());
$("detail").addEventListener("click", (event) => {
  if (event.target === $("detail")) $("detail").close();
});

function fillDeployments() {
  const list = $("deployment-list");
  list.replaceChildren(...deployments.map(deploymentCard));
  if (!deployments.length) list.append(element("p", "None: answers come from a recording or an upstream.", { class: "soft" }));
  const chats = deployments.filter((item) => item.task === "chat");
  $("chat-deployment").replaceChildren(...chats.map((item) => element("option", item.name, { value: item.name })));
  $("chat").hidden = !chats.length;
}

function deploymentCard(item) {
  const card = element("details");
  const quirks = element("ul");
  quirks.append(...item.quirks.map((quirk) => element("li", quirk)));
  const urls = element("dl");
  for (const [kind, url] of Object.entries(item.urls)) {
    const value = element("dd");
    value.append(element("code", url));
    urls.append(element("dt", kind), value);
  }
  card.append(element("summary", `${item.name} (${item.profile})`), quirks, urls);
  return card;
}

for (const [name, spec] of Object.entries(SWITCHES)) {
  const button = element("button", name, { type: "button", title: spec, "data-spec": spec });
  button.addEventListener("click", () => queueFault(spec));
  $("fault-switches").append(button);
}

function queueFault(spec) {
  const times = Math.max(1, Number($("fault-times").value) || 1);
  return showPending(call("/_emulator/faults", "POST", `${spec};times=${times}`));
}

async function showPending(answer) {
  try {
    const { pending } = await answer;
    const counts = new Map();
    for (const fault of pending) {
      const { times: _times, ...rest } = fault;
      const name = Object.entries(rest).map(([field, value]) => `${field} ${pretty(value)}`).join(", ") || "undisturbed";
      counts.set(name, (counts.get(name) || 0) + 1);
    }
    const texts = [...counts].map(([name, count]) => (count > 1 ? `${name} × ${count}` : name));
    $("fault-pending").textContent = texts.length ? `Next: ${texts.join("; ")}` : "None pending.";
    $("fault-error").textContent = "";
  } catch (error) {
    $("fault-error").textContent = error.message;
  }
}

$("fault-form").addEventListener("submit", (event) => {
  event.preventDefault();
  queueFault($("fault-spec").value);
});
$("fault-clear").addEventListener("click", () => showPending(call("/_emulator/faults", "DELETE")));

$("chat-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("chat-text").value;
  $("chat-text").value = "";
  $("chat-send").disabled = true;
  say("user", text);
  history.push({ role: "user", content: text });
  await answer();
  $("chat-send").disabled = false;
  await Promise.all([refresh(), showPending(call("/_emulator/faults"))]);
});

$("chat-new").addEventListener("click", newChat);
$("chat-deployment").addEventListener("change", newChat);

function newChat() {
  history = [];
  $("chat-log").replaceChildren();
  $("chat-text").focus();
}

function say(role, text) {
  const line = element("p", text, { class: role });
  $("chat-log").append(line);
  line.scrollIntoView({ block: "nearest" });
  return line;
}

async function answer() {
  const deployment = deployments.find((item) => item.name === $("chat-deployment").value);
  const kind = deployment.kinds[0];
  const version = VERSIONS[kind] ? `?api-version=${VERSIONS[kind]}` : "";
  const url = new URL(deployment.urls[kind]).pathname + "/chat/completions" + version;
  const line = say("assistant", "");
  try {
    const body = { model: deployment.name, messages: history, stream: true };
    if (kind === "serverless" || kind === "openai-deployment") delete body.model;
    const response = await fetch(url, { method: "POST", headers: keyHeaders(), body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    for await (const frame of events(response.body)) {
      if (frame.error) throw new Error(frame.error.message);
      for (const choice of frame.choices || []) line.textContent += choice.delta?.content || "";
      line.scrollIntoView({ block: "nearest" });
    }
    history.push({ role: "assistant", content: line.textContent });
  } catch (error) {
    history.pop();
    if (!line.textContent) line.remove();
    say("error", `Failed: ${error.message}`);
  }
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const lines = (rest + (value || "")).split(/\r?\n/);
    rest = done ? "" : lines.pop();
    for (const line of lines) {
      const data = line.startsWith("data:") ? line.slice(5).trim() : "";
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
    if (done) return;
  }
}

open();
