// Fills the page from the server's events; what charts.js defines is at hand.  Everything received is shown as text.
const MOST = { kept: 2000, shown: 250 }; // lines of the log
const root = document.documentElement;
const at = id => document.getElementById(id);
const parts = {};
let lines = [];

const make = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

// words and state

function words(said) {
  for (const place of document.querySelectorAll("[data-said]")) {
    const text = said[place.dataset.said] ?? "";
    if (place.textContent !== text) place.textContent = text;
  }
  if (said.name) document.title = `LEARNAE: ${said.name}`;
  for (const plot of plots) {
    const title = plot.closest("figure").querySelector("h3").textContent;
    if (said[plot.dataset.chart]) plot.ariaLabel = `${title}. This run: ${said[plot.dataset.chart]}.`;
  }
}

function state() {
  const badge = at("state"), now = parts.verdict?.verdict ?? parts.session?.state ?? "waiting";
  const signs = { valid: "✓ ", invalid: "✗ ", unknown: "? " };
  badge.className = `badge ${now}`;
  badge.textContent = (signs[now] ?? "") + now;
  root.dataset.state = parts.session?.state ?? "waiting";
}

function verdict(found) {
  at("outcome").hidden = !found;
  if (!found) return;
  at("outcome-said").textContent = found.said;
  at("outcome-wrong").replaceChildren(
    ...found.wrong.map(([name, reason]) => make("li", {}, make("code", { textContent: name }), ` ${reason}`)),
  );
  at("outcome-report").hidden = !found.reported;
}

function phases(counts) {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  for (const [phase, count] of counts) {
    at(`bar-${phase}`).style.flexGrow = count;
    at(`count-${phase}`).textContent = count;
    at(`entry-${phase}`).classList.toggle("none", !count);
  }
  at("phases").classList.toggle("empty", !total);
  at("phases").ariaLabel = counts.filter(each => each[1]).map(([phase, count]) => `${count} ${phase}`).join(", ");
}

// tables

const tables = [...document.querySelectorAll("[data-table]")].map(each => each.dataset.table);

const cell = (told, place) => {
  const { text, href, title, dot } = typeof told === "object" ? told : { text: told };
  const inner = href ? [make("a", { href, textContent: text })] : [text];
  place.replaceChildren(...(dot ? [make("span", { className: `dot is-${dot}` }, ...inner)] : inner));
  place.title = title ?? "";
};

const row = (wanted, words) => {
  const made = make("tr");
  wanted.cells.forEach((_, column) => {
    const name = column ? "td" : "th";
    const place = make(name, { className: words[column] });
    if (!column) place.scope = "row";
    made.append(place);
  });
  return made;
};

function fill(name, rows) {
  // a row keeps its element as long as its key stands; a cell is touched only when it changes
  const table = document.querySelector(`[data-table=${name}]`), body = table.querySelector("tbody");
  const words = [...table.querySelectorAll("thead th")].map(head => head.className);
  const known = new Map([...body.rows].map(each => [each.key, each]));
  let next = body.firstElementChild;
  for (const wanted of rows) {
    const line = known.get(wanted.key) ?? Object.assign(row(wanted, words), { key: wanted.key, shown: [] });
    if (line === next) next = next.nextElementSibling;
    else body.insertBefore(line, next);
    wanted.cells.forEach((told, column) => {
      const text = JSON.stringify(told);
      if (line.shown[column] === text) return;
      line.shown[column] = text;
      cell(told, line.cells[column]);
    });
    line.csv = wanted.csv;
  }
  while (next) {
    const gone = next;
    next = next.nextElementSibling;
    gone.remove();
  }
  table.classList.toggle("empty", !rows.length);
}

// the log, and whom it is about

const choice = at("who"), who = () => choice.value;
const entry = ({ t, peer, said }) =>
  make("li", {}, make("time", { textContent: t }), make("span", {}, make("b", { textContent: peer }), ` ${said}`));
const wanted = line => !who() || line.peer === who();

function log({ fresh, lines: news }) {
  if (fresh) {
    lines = [];
    at("log").replaceChildren();
  }
  lines = lines.concat(news).slice(-MOST.kept);
  tell(news);
}

function tell(news) {
  at("log").prepend(...news.filter(wanted).slice(-MOST.shown).reverse().map(entry));
  while (at("log").childElementCount > MOST.shown) at("log").lastElementChild.remove();
  at("log").classList.toggle("empty", !at("log").childElementCount);
}

function names(rows) {
  for (const { key } of rows.slice(choice.length - 1)) choice.append(new Option(key, key));
}

// receipts: those with every word of the filter, as a table and as a file

const receipts = () => [...document.querySelectorAll("[data-table=receipts] tbody tr")];

function sift() {
  const words = at("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const each of receipts()) {
    const text = each.csv.slice(0, -1).join(" ").toLowerCase(); // all but the CID, in which any letters may occur
    each.hidden = !words.every(word => text.includes(word));
  }
  const all = receipts().length, seen = receipts().filter(each => !each.hidden).length;
  at("download").textContent = `Download the ${seen < all ? `${seen} of ${all} receipts that are seen` : `${all} receipts`} as CSV`;
  at("download").disabled = !seen;
}

function download() {
  // a spreadsheet takes what begins like a formula for one
  const field = text => `"${(/^[=+@\-]/.test(text) ? "'" : "") + text.replaceAll('"', '""')}"`;
  const rows = [data.columns, ...receipts().filter(each => !each.hidden).map(each => each.csv)];
  const href = URL.createObjectURL(new Blob(rows.map(row => `${row.map(field)}\r\n`), { type: "text/csv" }));
  make("a", { href, download: "receipts.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

// charts: only those in sight are drawn

const stale = new Set(plots), seen = new Set();
const library = new Promise(loaded => (window.Plotly ? loaded() : at("plotly").addEventListener("load", loaded)));
let drawing = false;

async function drawSeen() {
  if (drawing) return;
  drawing = true;
  try {
    await library;
    let plot;
    while ((plot = [...seen].find(each => stale.has(each)))) {
      stale.delete(plot);
      const chart = parts[`chart:${chosen(plot)}`];
      if (chart) await draw(plot, chart);
      else Plotly.purge(plot);
    }
  } finally {
    drawing = false;
  }
  root.dataset.drawn = hour();
}

function spoil(plot) {
  stale.add(plot);
  plot.classList.toggle("empty", !parts[`chart:${chosen(plot)}`]);
}

function redraw() {
  delete root.dataset.drawn;
  label();
  for (const plot of plots) spoil(plot);
  drawSeen();
}

const sight = new IntersectionObserver(
  entries => {
    for (const each of entries) seen[each.isIntersecting ? "add" : "delete"](each.target);
    if (parts.session) drawSeen();
  },
  { rootMargin: "200px" },
);

// the stream

async function show(changed) {
  const start = performance.now();
  const before = parts.session?.id;
  Object.assign(parts, changed);
  if (before && parts.session.id !== before) return location.reload(); // another session at the same address
  if (changed.words) words(changed.words);
  if (changed.phases) phases(changed.phases);
  if ("verdict" in changed) verdict(changed.verdict);
  state();
  for (const name of tables) if (changed[`table:${name}`]) fill(name, changed[`table:${name}`]);
  if (changed["table:peers"]) names(changed["table:peers"]);
  if (changed["table:receipts"]) sift();
  for (const plot of plots) if (`chart:${chosen(plot)}` in changed) spoil(plot);
  await drawSeen();
  performance.clearMeasures("update"); // bench/page.py reads the last one
  performance.measure("update", { start });
}

function connected(yes) {
  const ended = root.dataset.state === "ended";
  at("link").textContent = yes ? "" : ended
    ? "The server of this session has stopped. The page shows how it ended."
    : "Connection lost. The page shows what was last heard, and goes on by itself.";
}

function follow() {
  // the browser comes back with Last-Event-ID; what it gives up on, is begun anew
  const source = new EventSource("v1/page");
  source.onopen = () => connected(true);
  source.onerror = () => {
    connected(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 2000);
  };
  source.addEventListener("log", event => log(JSON.parse(event.data)));
  source.addEventListener("parts", event => show(JSON.parse(event.data)));
}

choice.addEventListener("change", () => {
  at("log").replaceChildren();
  tell(lines);
});
at("filter").addEventListener("input", sift);
at("download").addEventListener("click", download);
whenever(redraw);
for (const plot of plots) sight.observe(plot);
follow();
