// Fills the page from the server's events, with the functions of charts.js.  Everything received is inserted as text.
const MAX_LOG = { kept: 2000, shown: 250 }; // lines
const root = document.documentElement;
const byId = id => document.getElementById(id);
const parts = {}; // the latest content, by the part's name
let logLines = [];

const element = (name, properties = {}, ...children) => {
  const created = Object.assign(document.createElement(name), properties);
  created.append(...children);
  return created;
};

// texts and state

function showTexts(texts) {
  for (const place of document.querySelectorAll("[data-text]")) {
    const text = texts[place.dataset.text] ?? "";
    if (place.textContent !== text) place.textContent = text;
  }
  if (texts.name) document.title = `LEARNAE: ${texts.name}`;
  for (const plot of plots) {
    const title = plot.closest("figure").querySelector("h3").textContent;
    const text = texts[plot.dataset.chart];
    if (text) plot.ariaLabel = `${title}. This run: ${text}.`;
  }
}

function showState() {
  const badge = byId("state");
  const state = parts.verdict?.verdict ?? parts.session?.state ?? "waiting";
  const labels = { valid: "✓ passed", invalid: "✗ failed", unknown: "? unknown" };
  badge.className = `badge ${state}`;
  badge.textContent = labels[state] ?? state;
  root.dataset.state = parts.session?.state ?? "waiting";
  root.classList.toggle("of-the-paper", parts.session?.of_the_paper ?? false);
}

function showVerdict(verdict) {
  byId("outcome").hidden = !verdict;
  if (!verdict) return;
  byId("outcome-text").textContent = verdict.text;
  byId("outcome-problems").replaceChildren(
    ...verdict.problems.map(([name, reason]) => element("li", {}, element("code", { textContent: name }), ` ${reason}`)),
  );
  byId("outcome-report").hidden = !verdict.has_report;
}

function showPhases(counts) {
  for (const [phase, count] of counts) {
    byId(`bar-${phase}`).style.flexGrow = count;
    byId(`count-${phase}`).textContent = count;
    byId(`entry-${phase}`).classList.toggle("none", !count);
  }
  const present = counts.filter(([, count]) => count);
  byId("phases").classList.toggle("empty", !present.length);
  byId("phases").ariaLabel = present.map(([phase, count]) => `${count} ${phase}`).join(", ");
}

// tables

const tables = [...document.querySelectorAll("[data-table]")].map(table => table.dataset.table);

const fillCell = (place, content) => {
  const { text, href, title, dot } = typeof content === "object" ? content : { text: content };
  const inner = href ? [element("a", { href, textContent: text })] : [text];
  place.replaceChildren(...(dot ? [element("span", { className: `dot is-${dot}` }, ...inner)] : inner));
  place.title = title ?? "";
};

const createRow = (key, classes) => {
  const cells = classes.map((className, column) =>
    element(column ? "td" : "th", column ? { className } : { className, scope: "row" }));
  return Object.assign(element("tr", {}, ...cells), { key, shown: [] });
};

// A row keeps its element as long as its key exists; a cell changes only if its content does.
function fillTable(name, rows) {
  const table = document.querySelector(`[data-table=${name}]`), body = table.querySelector("tbody");
  const classes = [...table.querySelectorAll("thead th")].map(head => head.className);
  const known = new Map([...body.rows].map(line => [line.key, line]));
  let next = body.firstElementChild;
  for (const row of rows) {
    const line = known.get(row.key) ?? createRow(row.key, classes);
    if (line === next) next = next.nextElementSibling;
    else body.insertBefore(line, next);
    row.cells.forEach((content, column) => {
      const text = JSON.stringify(content);
      if (line.shown[column] === text) return;
      line.shown[column] = text;
      fillCell(line.cells[column], content);
    });
    line.csv = row.csv;
  }
  while (next) {
    const gone = next;
    next = next.nextElementSibling;
    gone.remove();
  }
  table.classList.toggle("empty", !rows.length);
}

// the log

const peerChoice = byId("log-peer");
const isChosen = line => !peerChoice.value || line.peer === peerChoice.value;
const logEntry = ({ t, peer, text }) =>
  element("li", {}, element("time", { textContent: t }), element("span", {}, element("b", { textContent: peer }), ` ${text}`));

function addLog({ fresh, lines }) {
  if (fresh) {
    logLines = [];
    byId("log").replaceChildren();
  }
  logLines = logLines.concat(lines).slice(-MAX_LOG.kept);
  showLog(lines);
}

function showLog(lines) {
  const log = byId("log");
  log.prepend(...lines.filter(isChosen).slice(-MAX_LOG.shown).reverse().map(logEntry));
  while (log.childElementCount > MAX_LOG.shown) log.lastElementChild.remove();
  log.classList.toggle("empty", !log.childElementCount);
}

function addPeerChoices(rows) {
  for (const { key } of rows.slice(peerChoice.length - 1)) peerChoice.append(new Option(key, key));
}

// receipts: the filter and the download

const receipts = () => [...document.querySelectorAll("[data-table=receipts] tbody tr")];

function filterReceipts() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of receipts()) {
    const text = row.csv.slice(0, -1).join(" ").toLowerCase(); // without the CID, which matches almost any short word
    row.hidden = !words.every(word => text.includes(word));
  }
  const total = receipts().length, shown = receipts().filter(row => !row.hidden).length;
  const count = shown < total ? `the ${shown} of ${total} receipts shown` : `${total} receipts`;
  byId("download").textContent = `Download ${count} as CSV`;
  byId("download").disabled = !shown;
}

function download() {
  // the apostrophe keeps a spreadsheet from reading a name as a formula
  const field = text => `"${(/^[=+@\-]/.test(text) ? "'" : "") + text.replaceAll('"', '""')}"`;
  const rows = [data.columns, ...receipts().filter(row => !row.hidden).map(row => row.csv)];
  const href = URL.createObjectURL(new Blob(rows.map(row => `${row.map(field)}\r\n`), { type: "text/csv" }));
  element("a", { href, download: "receipts.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

// charts: only visible ones are drawn

const stale = new Set(plots), visible = new Set();
const library = new Promise(loaded => (window.Plotly ? loaded() : byId("plotly").addEventListener("load", loaded)));
let drawing = false;

async function drawVisible() {
  if (drawing) return;
  drawing = true;
  try {
    await library;
    let plot;
    while ((plot = [...visible].find(candidate => stale.has(candidate)))) {
      stale.delete(plot);
      const chart = parts[`chart:${chartName(plot)}`];
      if (chart) await draw(plot, chart);
      else Plotly.purge(plot);
    }
  } finally {
    drawing = false;
  }
  root.dataset.drawn = mode();
}

function markStale(plot) {
  stale.add(plot);
  plot.classList.toggle("empty", !parts[`chart:${chartName(plot)}`]);
}

function redraw() {
  delete root.dataset.drawn;
  labelAxes();
  plots.forEach(markStale);
  drawVisible();
}

const observer = new IntersectionObserver(
  entries => {
    for (const entry of entries) visible[entry.isIntersecting ? "add" : "delete"](entry.target);
    if (parts.session) drawVisible();
  },
  { rootMargin: "200px" },
);

// the stream of events

async function update(changed) {
  const start = performance.now();
  const session = parts.session?.id;
  Object.assign(parts, changed);
  if (session && parts.session.id !== session) return location.reload(); // another session at the same address
  if (changed.texts) showTexts(changed.texts);
  if (changed.phases) showPhases(changed.phases);
  if ("verdict" in changed) showVerdict(changed.verdict);
  showState();
  for (const name of tables) if (changed[`table:${name}`]) fillTable(name, changed[`table:${name}`]);
  if (changed["table:peers"]) addPeerChoices(changed["table:peers"]);
  if (changed["table:receipts"]) filterReceipts();
  for (const plot of plots) if (`chart:${chartName(plot)}` in changed) markStale(plot);
  await drawVisible();
  performance.clearMeasures("update"); // bench/page.py reads the last one
  performance.measure("update", { start });
}

function showConnection(connected) {
  const lost = root.dataset.state === "ended"
    ? "The server has stopped. The page keeps the final state of the session."
    : "Connection lost. The page keeps its data and resumes when the server is back.";
  byId("connection").textContent = connected ? "" : lost;
}

// The browser reconnects with Last-Event-ID; when it gives up, a new stream is opened.
function connect() {
  const source = new EventSource("v1/page");
  source.onopen = () => showConnection(true);
  source.onerror = () => {
    showConnection(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 2000);
  };
  source.addEventListener("log", event => addLog(JSON.parse(event.data)));
  source.addEventListener("parts", event => update(JSON.parse(event.data)));
}

peerChoice.addEventListener("change", () => {
  byId("log").replaceChildren();
  showLog(logLines);
});
byId("filter").addEventListener("input", filterReceipts);
byId("download").addEventListener("click", download);
onDisplayChange(redraw);
for (const plot of plots) observer.observe(plot);
connect();
