"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const times = JSON.parse(document.getElementById("times").textContent);
const classes = data.classes, count = classes.size.length;
const byId = id => document.getElementById(id);
const state = { now: 0, order: [], sheet: data.sheets.length - 1, zoom: 112, marks: new Array(count).fill("") };
const MARK = { "": "·", keep: "✓", junk: "✗" };
const STORE = `refine2d ${data.run} ${data.iteration}`;

// ---- Small helpers -------------------------------------------------------------------------------------------------

function make(name, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(name), attributes);
  element.append(...children);
  return element;
}

function table(rows, head) {
  const numeric = value => typeof value === "number" || /^(≥ )?[\d.,]+( [%sÅ]| MB| min| h)?$|^–$/.test(value);
  const row = (values, kind) => make("tr", {}, ...values.map(value =>
    make(kind, { className: head && numeric(value) ? "number" : "" }, value instanceof Node ? value : String(value))));
  const body = rows.map(values => row(values, "td"));
  if (head) {
    const first = row(head, "th");
    [...first.children].forEach((cell, i) => { if (rows.length && numeric(rows[0][i])) cell.className = "number"; });
    body.unshift(first);
  }
  return make("table", {}, ...body);
}

const percent = (part, whole = 1) => `${(Math.floor((2000 * part + whole) / (2 * whole)) / 10).toFixed(1)} %`; // as in percent.py
const score = value => value.toLocaleString("en", { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
const angstrom = value => `${value.toFixed(1)} Å`;
const thousands = value => value.toLocaleString("en");
const duration = s => s < 60 ? `${s.toFixed(1)} s` : s < 3600 ? `${(s / 60).toFixed(1)} min` : `${(s / 3600).toFixed(1)} h`;

function picture(uri) {
  const image = new Image();
  image.src = uri;
  return image.decode().then(() => image);
}

/** A canvas with a square piece of a picture, `side` CSS pixels wide. */
function piece(canvas, image, x, y, tile, side) {
  const pixels = Math.round(side * devicePixelRatio);
  canvas.width = canvas.height = pixels;
  canvas.style.width = canvas.style.height = `${side}px`;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, x, y, tile, tile, 0, 0, pixels, pixels);
  return canvas;
}

// ---- Plots ---------------------------------------------------------------------------------------------------------

const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#7a5195", "#b8a800"]; // mostly Okabe & Ito
const dark = matchMedia("(prefers-color-scheme: dark)");
const SIMILAR = [[0, "#6a5acd"], [0.33, "#2b8cbe"], [0.66, "#2ca25f"], [1, "#c8b400"]]; // seen on light and dark, and by the colour-blind

function plot(target, traces, layout = {}) {
  const style = getComputedStyle(document.documentElement), colour = name => style.getPropertyValue(name).trim();
  const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), linecolor: colour("--line"), automargin: true };
  const base = {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", colorway: dark.matches ? ["#56b4e9", ...COLOURS.slice(1)] : COLOURS,
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--line"), activecolor: colour("--faint") },
    font: { color: colour("--ink"), family: "system-ui, sans-serif", size: 12 },
    margin: { l: 48, r: 12, t: 30, b: 40 }, showlegend: false, hovermode: "closest", ...layout,
    title: { text: layout.title ?? "", font: { size: 13 }, x: 0, xref: "paper", xanchor: "left" },
    xaxis: { ...axis, ...layout.xaxis, title: { text: layout.xaxis?.title ?? "" } },
    yaxis: { ...axis, ...layout.yaxis, title: { text: layout.yaxis?.title ?? "" } },
  };
  const options = { displaylogo: false, responsive: true, displayModeBar: layout.height > 300 ? "hover" : false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    toImageButtonOptions: { format: "svg", filename: layout.title || "plot" } };
  target.plotted = () => plot(target, traces, layout);
  return Plotly.react(target, traces, base, options);
}

const numbers = data.iterations.map(each => each.number);
const whole = { dtick: Math.max(1, Math.ceil(numbers.length / 10)), title: "iteration" };

function drawCurves() {
  const line = (name, key) => ({ x: numbers, y: data.iterations.map(each => each[key]), name, mode: "lines+markers" });
  const share = { tickformat: ".0%", rangemode: "tozero" };
  const shown = [
    ["Particles that changed their class", [line("changed", "changed")], { yaxis: share }],
    ["Mean score", [line("score", "score")], {}],
    ["Entropy of class sizes (1: all alike)", [line("entropy", "entropy")], {}],
    ["Largest class", [line("largest", "largest")], { yaxis: share }],
    ["Resolution (FRC 0.143)", [line("median class", "resolution"), line("best tenth", "best")],
      { yaxis: { title: "Å", autorange: "reversed" }, showlegend: true, legend: { orientation: "h", y: 1.02, yanchor: "bottom" }, margin: { l: 48, r: 12, t: 52, b: 40 } }],
  ];
  const targets = shown.map(() => make("div", { className: "plot" }));
  byId("curve-plots").append(...targets);
  shown.forEach(([title, traces, layout], i) => plot(targets[i], traces, { title, height: 260, xaxis: whole, ...layout }));
}

function drawFlows() {
  const target = byId("flow-plot");
  if (!data.flows.length) { target.replaceChildren("There is one iteration only."); return; }
  const shown = flowClasses(), place = new Map(shown.map((number, i) => [number, i])), rest = shown.length;
  const width = rest + 1, last = data.iterations.length - 1;
  const link = { source: [], target: [], value: [], color: [] };
  const add = (i, from, to, value) => {
    if (value <= 0 || (from === rest && to === rest)) return;
    link.source.push(i * width + from); link.target.push((i + 1) * width + to); link.value.push(value);
    link.color.push(COLOURS[(from === rest ? to : from) % 8] + (from === to ? "99" : "55"));
  };
  data.flows.forEach((flow, i) => {
    const out = shown.map(number => data.iterations[i].sizes[number]);
    const into = shown.map(number => data.iterations[i + 1].sizes[number]);
    for (const [from, to, value] of flow) {
      const a = place.get(from), b = place.get(to);
      if (a === undefined || b === undefined) continue;
      add(i, a, b, value); out[a] -= value; into[b] -= value;
    }
    out.forEach((value, a) => add(i, a, rest, value));
    into.forEach((value, b) => add(i, rest, b, value));
  });
  const out = new Array((last + 1) * width).fill(0), into = [...out];
  link.value.forEach((value, i) => { out[link.source[i]] += value; into[link.target[i]] += value; });
  const high = out.map((value, i) => Math.max(value, into[i]));
  const column = i => high.slice(i * width, (i + 1) * width), sum = values => values.reduce((a, b) => a + b, 0);
  const scale = 0.8 / Math.max(...data.iterations.map((_, i) => sum(column(i)))), gap = 0.2 / width;
  const node = { label: [], color: [], x: [], y: [], pad: 4, thickness: 10, line: { width: 0 } };
  for (let i = 0; i <= last; i++) for (let a = 0; a < width; a++) {
    node.label.push(i === 0 || i === last ? (a === rest ? "others" : `#${shown[a]}`) : "");
    node.color.push(a === rest ? "#8c8c8c" : COLOURS[a % 8]);
    node.x.push(0.001 + 0.998 * i / last);
    node.y.push(0.001 + gap * a + scale * (sum(column(i).slice(0, a)) + column(i)[a] / 2));
  }
  const used = new Set([...link.source, ...link.target]), keep = [...used].sort((a, b) => a - b);
  const index = new Map(keep.map((old, i) => [old, i]));
  for (const name of ["label", "color", "x", "y"]) node[name] = keep.map(old => node[name][old]);
  link.source = link.source.map(old => index.get(old)); link.target = link.target.map(old => index.get(old));
  plot(target, [{ type: "sankey", arrangement: "snap", node, link, valuesuffix: " particles", valueformat: "," }], {
    title: `Iterations ${numbers[0]} to ${numbers[last]}, from left to right`, height: 520,
    xaxis: { visible: false }, yaxis: { visible: false } });
}

/** The classes of the flow plot: the largest, or one and those it exchanged most particles with. */
function flowClasses() {
  const bySize = [...classes.size.keys()].sort((a, b) => classes.size[b] - classes.size[a]);
  if (byId("flow-of").value === "largest") return bySize.slice(0, 8).sort((a, b) => a - b);
  const partners = new Map();
  for (const flow of data.flows) for (const [from, to, value] of flow) {
    if (from === to || (from !== state.now && to !== state.now)) continue;
    const other = from === state.now ? to : from;
    partners.set(other, (partners.get(other) ?? 0) + value);
  }
  return [state.now, ...[...partners].sort((a, b) => b[1] - a[1]).slice(0, 6).map(([other]) => other)];
}

function drawScatter() {
  const x = +byId("msa-x").value, y = +byId("msa-y").value, { points, labels } = data.msa;
  const axis = i => ({ title: `component ${i + 1}`, range: central(points[i]) });
  const axes = { title: `${thousands(labels.length)} particles; a double click shows outliers too`, height: 520, xaxis: axis(x), yaxis: axis(y) };
  const trace = (rows, marker) => ({ mode: "markers", x: rows.map(i => points[x][i]), y: rows.map(i => points[y][i]), customdata: rows.map(i => labels[i]),
    hovertemplate: "class #%{customdata}<extra></extra>", marker });
  const all = labels.map((_, i) => i);
  if (byId("msa-colour").value === "all") {
    const bar = { title: { text: "class" }, thickness: 12 };
    plot(byId("msa-plot"), [trace(all, { size: 5, opacity: .8, color: labels, colorscale: SIMILAR, colorbar: bar })], axes);
  } else {
    plot(byId("msa-plot"), [trace(all.filter(i => labels[i] !== state.now), { size: 4, opacity: .35, color: "#8c8c8c" }),
      trace(all.filter(i => labels[i] === state.now), { size: 7, color: "#d55e00" })], { ...axes, title: `Particles of class #${state.now} among others` });
  }
}

/** A range with all but the outermost values. */
function central(values) {
  const sorted = [...values].sort((a, b) => a - b), at = share => sorted[Math.round(share * (sorted.length - 1))];
  const low = at(0.005), high = at(0.995), margin = 0.08 * (high - low) || 1;
  return [low - margin, high + margin];
}

// ---- Gallery -------------------------------------------------------------------------------------------------------

let tiles = [], images = [];

function buildGallery() {
  tiles = classes.size.map((size, number) => {
    const mark = make("button", { title: "keep, junk or no mark", tabIndex: -1 });
    mark.addEventListener("click", event => {
      event.stopPropagation();
      setMark(number, { "": "keep", keep: "junk", junk: "" }[state.marks[number]]);
    });
    const tile = make("div", { className: "tile", role: "option" }, make("canvas"), mark, make("p"));
    tile.setAttribute("aria-label", `class ${number}`);
    tile.dataset.number = number;
    tile.addEventListener("click", () => goTo(number));
    sight.observe(tile);
    return tile;
  });
}

const SORTS = {
  size: (a, b) => classes.size[b] - classes.size[a],
  number: () => 0,
  resolution: (a, b) => classes.resolution[a] - classes.resolution[b],
  quality: (a, b) => classes.quality[b] - classes.quality[a],
  score: (a, b) => classes.score[b] - classes.score[a],
};

function arrange() {
  const show = byId("show").value;
  state.order = [...classes.size.keys()].sort((a, b) => SORTS[byId("sort").value](a, b) || a - b)
    .filter(number => show === "all" || (state.marks[number] || "none") === show);
  byId("gallery").replaceChildren(...state.order.map(number => tiles[number]));
}

/** Tiles are drawn when they come into sight, so that a slider stays quick with thousands of classes. */
const inSight = new Set();
const sight = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) inSight.delete(target);
    else { inSight.add(target); drawTile(target); }
  }
}, { rootMargin: "200px" });

function drawTile(tile) {
  const number = +tile.dataset.number, sheet = data.sheets[state.sheet], side = sheet.tile, [canvas, , text] = tile.children;
  const iteration = data.iterations.find(each => each.number === sheet.iteration);
  piece(canvas, images[state.sheet], number % sheet.columns * side, Math.floor(number / sheet.columns) * side, side, state.zoom);
  canvas.removeAttribute("style");
  const size = iteration.sizes[number], words = text => make("span", {}, text);
  text.replaceChildren(make("b", {}, thousands(size)), words(`#${number}`), words(percent(size, data.particles)),
    words(angstrom(iteration.resolutions[number])), make("span", { title: data.score }, `score ${score(iteration.scores[number])}`));
}

function drawTiles() {
  byId("gallery").style.setProperty("--tile", `${state.zoom}px`);
  inSight.forEach(drawTile);
  const sheet = data.sheets[state.sheet];
  byId("iteration-shown").textContent = sheet.iteration;
  byId("earlier").textContent = sheet.iteration === data.iteration ? ""
    : `Marks hold for the classes of iteration ${data.iteration} in the same places.`;
  const lengths = [1, 2, 5, 10, 20, 50, 100], perNm = state.zoom / (data.box * data.apix) * 10;
  const length = lengths.reduce((best, nm) => Math.abs(Math.log(nm * perNm / 60)) < Math.abs(Math.log(best * perNm / 60)) ? nm : best);
  const [line, label] = byId("bar").children;
  line.style.width = `${length * perNm}px`;
  label.textContent = `${length} nm`;
}

function paintMark(number) {
  const tile = tiles[number], mark = state.marks[number];
  tile.classList.toggle("keep", mark === "keep");
  tile.classList.toggle("junk", mark === "junk");
  tile.children[1].textContent = MARK[mark];
  tile.children[1].setAttribute("aria-label", mark || "unmarked");
}

function showMarks() {
  const of = mark => [...classes.size.keys()].filter(number => state.marks[number] === mark);
  const particles = list => list.reduce((sum, number) => sum + classes.size[number], 0);
  const kept = of("keep"), junk = of("junk");
  byId("marked").textContent = kept.length + junk.length
    ? `${MARK.keep} ${kept.length} ${kept.length === 1 ? "class" : "classes"} to keep with ${thousands(particles(kept))} particles (${percent(particles(kept), data.particles)}), ` +
      `${MARK.junk} ${junk.length} junk with ${thousands(particles(junk))}, ${count - kept.length - junk.length} unmarked.`
    : "No class is marked yet.";
  byId("export").disabled = !kept.length;
  try { localStorage.setItem(STORE, JSON.stringify(state.marks)); } catch { /* the browser keeps nothing for files */ }
}

function setMark(number, mark) {
  state.marks[number] = mark;
  paintMark(number);
  showMarks();
  if (number === state.now) showPressed();
}

function setMarks(marks) {
  state.marks = marks;
  marks.forEach((_, number) => paintMark(number));
  showMarks();
  showPressed();
  arrange();
}

function selectionText() {
  const of = mark => [...classes.size.keys()].filter(number => state.marks[number] === mark).join(", ");
  return "# Classes marked, numbered from 0 as in the classes_YY.hdf of this iteration.\n" +
    `run: "${data.run}"\niteration: ${data.iteration}\nkeep: [${of("keep")}]\njunk: [${of("junk")}]\n`;
}

function exportSelection() {
  const link = make("a", { href: URL.createObjectURL(new Blob([selectionText()], { type: "text/plain" })), download: "selection.yaml" });
  document.body.append(link);
  link.click();
  link.remove();
}

// ---- One class -----------------------------------------------------------------------------------------------------

function goTo(number, scroll = false) {
  tiles[state.now].classList.remove("now");
  tiles[state.now].removeAttribute("aria-selected");
  state.now = number;
  tiles[number].classList.add("now");
  tiles[number].setAttribute("aria-selected", "true");
  if (scroll) tiles[number].scrollIntoView({ block: "nearest" });
  showDetails();
  if (byId("flow-of").value === "class") drawFlows();
  if (byId("msa-colour").value === "class") drawScatter();
}

function showPressed() {
  for (const button of document.querySelectorAll("#details .marks button"))
    button.setAttribute("aria-pressed", String((state.marks[state.now] || "") === button.value));
}

async function showDetails() {
  const number = state.now, details = byId("details"), last = data.sheets.length - 1, sheet = data.sheets[last];
  const size = classes.size[number];
  const average = piece(make("canvas"), images[last], number % sheet.columns * sheet.tile,
    Math.floor(number / sheet.columns) * sheet.tile, sheet.tile, 200);
  const marks = make("div", { className: "marks" }, ...[["keep", "✓ keep"], ["junk", "✗ junk"], ["", "no mark"]].map(([value, text]) => {
    const button = make("button", { value }, text);
    button.addEventListener("click", () => setMark(number, value));
    return button;
  }));
  const frc = make("div", { className: "plot small" }), scores = make("div", { className: "plot small" });
  const defocus = make("div", { className: "plot small" }), history = make("div", { className: "plot small" });
  const members = make("div", { className: "members" }), past = make("div", { className: "past" });
  details.replaceChildren(
    make("h2", {}, `Class #${number}, iteration ${data.iteration}`), average, marks,
    table([["particles", `${thousands(size)} (${percent(size, data.particles)}), the best ${thousands(classes.kept[number])} of them in the average`],
      ["resolution", `${angstrom(classes.resolution[number])}, where the halves' FRC falls below 0.143`],
      ["mean score", make("span", { title: data.score }, score(classes.score[number]))],
      ["quality", `${classes.quality[number].toFixed(2)}, suggested: ${classes.keep[number] ? "keep" : "junk"}`]]),
    make("h3", {}, "Why this quality"), qualityTable(number),
    make("h3", {}, "Members, the best first: aligned, and as they came"), members,
    make("h3", {}, "Its two halves, its members"), frc, scores, ...(classes.defocus ? [defocus] : []),
    make("h3", {}, "Through the iterations"), past, history);
  showPressed();
  showMembers(number, members);
  data.sheets.forEach((each, i) => past.append(make("figure", {},
    piece(make("canvas"), images[i], number % each.columns * each.tile, Math.floor(number / each.columns) * each.tile, each.tile, 64),
    make("figcaption", {}, String(each.iteration)))));
  const frequency = classes.frc[number].map((_, ring) => ring / (data.box * data.apix));
  const small = { height: 190, margin: { l: 48, r: 12, t: 26, b: 36 } };
  plot(frc, [{ x: frequency, y: classes.frc[number], mode: "lines" }], { ...small, title: "Fourier ring correlation of halves", yaxis: { range: [-0.2, 1.05] },
    xaxis: { title: "1/Å" }, shapes: [{ type: "line", xref: "paper", x0: 0, x1: 1, y0: .143, y1: .143, line: { dash: "dot", width: 1, color: "#8c8c8c" } }] });
  histogram(scores, classes.scores, number, { ...small, title: "Score of the members (bars; line: all classes)", xaxis: { title: "score" } });
  if (classes.defocus) histogram(defocus, classes.defocus, number, { ...small, title: "Defocus of the members (bars; line: all classes)", xaxis: { title: "µm" } });
  const through = key => data.iterations.map(each => each[key][number]);
  plot(history, [{ x: numbers, y: through("sizes"), name: "particles", mode: "lines+markers" },
    { x: numbers, y: through("resolutions"), name: "resolution, Å", mode: "lines+markers", yaxis: "y2", line: { dash: "dash" } }],
  { ...small, height: 230, margin: { l: 48, r: 48, t: 26, b: 36 }, title: "Size and resolution", xaxis: whole, yaxis: { title: "particles", rangemode: "tozero" },
    yaxis2: { title: { text: "Å", standoff: 4 }, overlaying: "y", side: "right", autorange: "reversed", showgrid: false, tickformat: ".3~g", nticks: 4, automargin: true }, showlegend: true, legend: { orientation: "h", y: -0.4 } });
}

function qualityTable(number) {
  const rows = Object.entries(data.features).map(([name, feature]) => {
    const part = classes.parts[name][number];
    const row = [name, classes.features[name][number].toFixed(2),
      make("meter", { min: 0, max: 1, value: part, low: 0.3, high: 0.6, optimum: 1 }),
      `${feature.meaning}; counts 0 at ${feature.ramp[0]}, all at ${feature.ramp[1]}`];
    return row;
  });
  return Object.assign(table(rows), { className: "features" });
}

async function showMembers(number, target) {
  const uri = data.samples.pictures[number];
  if (!uri) { target.replaceChildren("No members are shown."); return; }
  const image = await picture(uri);
  if (state.now !== number) return;
  const tile = image.height / 2, side = Math.max(48, Math.min(tile, 64)), shown = data.samples.numbers[number];
  const pairs = shown.map((imageNumber, i) => {
    const pair = make("canvas", { width: tile, height: 2 * tile, title: `image ${imageNumber}, score ${score(data.samples.qualities[number][i])}` });
    pair.style.width = `${side}px`;
    pair.getContext("2d").drawImage(image, i * tile, 0, tile, 2 * tile, 0, 0, tile, 2 * tile);
    return pair;
  });
  target.replaceChildren(...pairs, make("div", { className: "hint" }, `Images ${shown.join(", ")} of the input, from 0`));
}

function histogram(target, table, number, layout) {
  const middle = table.edges.slice(1).map((edge, i) => (edge + table.edges[i]) / 2);
  table.total ??= middle.map((_, i) => table.counts.reduce((sum, row) => sum + row[i], 0));
  const own = table.counts[number], sum = Math.max(1, own.reduce((a, b) => a + b, 0)), all = table.total.reduce((a, b) => a + b, 0);
  plot(target, [{ type: "bar", x: middle, y: own, name: "this class" },
    { x: middle, y: table.total.map(value => value * sum / all), mode: "lines", name: "all", line: { shape: "hvh", color: "#8c8c8c" } }], { ...layout, bargap: .05 });
}

// ---- The rest of the page ------------------------------------------------------------------------------------------

async function drawEigenimages() {
  const { tile, explained, images: uri } = data.msa, image = await picture(uri), shown = image.width / tile;
  byId("eigenimages").replaceChildren(...[...Array(shown).keys()].map(i => make("figure", {},
    piece(make("canvas"), image, i * tile, 0, tile, 72), make("figcaption", {}, i ? `${i}: ${percent(explained[i - 1])}` : "mean"))));
  for (const axis of ["msa-x", "msa-y"])
    byId(axis).replaceChildren(...data.msa.points.map((_, i) => make("option", { value: i }, `component ${i + 1} (${percent(explained[i])})`)));
  byId("msa-y").value = Math.min(1, data.msa.points.length - 1);
  drawScatter();
}

function fillTables() {
  byId("left-out-table").replaceChildren(data.left_out.length
    ? table(data.left_out.map(each => [each.reason, each.count, make("span", {}, each.numbers.join(", ") + (each.count > each.numbers.length ? ", …" : ""))]),
      ["why", "particles", "images of the input, from 0"])
    : "None: every image of the input took part as it is.");
  const block = (title, content) => make("div", {}, make("h3", {}, title), content);
  const steps = times.map(each => [each.step, each.jobs, duration(each.seconds), duration(each.cpu), `${Math.round(each.memory)} MB`]);
  byId("facts").replaceChildren(block("Particles", table(Object.entries(data.facts.particles))),
    block("Options", table(Object.entries(data.facts.options))), block("Versions", table(Object.entries(data.facts.versions))),
    block("Time and memory", steps.length ? make("div", {}, table(steps, ["step", "jobs", "time of all", "CPU time", "most memory"]),
      make("p", { className: "hint" }, "Steps that had ended when this page was written, by the jobs' logs.")) : "No job's log tells."));
}

function onKey(event) {
  const own = event.target.matches("[type=range]") ? event.key.startsWith("Arrow") : event.target.matches("input, select, textarea");
  if (own || event.ctrlKey || event.metaKey || event.altKey) return;
  const place = state.order.indexOf(state.now), across = Math.max(1, Math.floor((byId("gallery").clientWidth + 8) / (state.zoom + 8)));
  const move = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[event.key];
  const mark = { k: "keep", j: "junk", u: "" }[event.key];
  if (move && state.order.length) goTo(state.order[Math.max(0, Math.min(state.order.length - 1, place + move))], true);
  else if (mark !== undefined) {
    setMark(state.now, mark);
    if (place >= 0 && place + 1 < state.order.length) goTo(state.order[place + 1], true);
  } else if (event.key === "[" || event.key === "]") slide(state.sheet + (event.key === "]" ? 1 : -1));
  else if (event.key === "+" || event.key === "-") zoom(state.zoom + (event.key === "+" ? 16 : -16));
  else return;
  event.preventDefault();
}

function slide(sheet) {
  state.sheet = Math.max(0, Math.min(data.sheets.length - 1, sheet));
  byId("iteration").value = state.sheet;
  drawTiles();
}

function zoom(side) {
  state.zoom = Math.max(48, Math.min(320, side));
  byId("zoom").value = state.zoom;
  drawTiles();
}

function listen() {
  new ResizeObserver(() => document.documentElement.style.setProperty("--tools", `${byId("tools").offsetHeight}px`)).observe(byId("tools"));
  byId("sort").addEventListener("change", event => { arrange(); event.target.blur(); });
  byId("show").addEventListener("change", arrange);
  byId("zoom").addEventListener("input", event => zoom(+event.target.value));
  byId("iteration").addEventListener("input", event => slide(+event.target.value));
  for (const name of ["contrast", "brightness"])
    byId(name).addEventListener("input", event => document.documentElement.style.setProperty(`--${name}`, event.target.value));
  byId("suggest").addEventListener("click", () => setMarks(classes.keep.map(keep => keep ? "keep" : "junk")));
  byId("clear").addEventListener("click", () => setMarks(new Array(count).fill("")));
  byId("export").addEventListener("click", exportSelection);
  byId("flow-of").addEventListener("change", drawFlows);
  for (const name of ["msa-x", "msa-y", "msa-colour"]) byId(name).addEventListener("change", drawScatter);
  addEventListener("keydown", onKey);
  dark.addEventListener("change", () => {
    for (const target of document.querySelectorAll(".plot")) target.plotted?.();
  });
}

function remembered() {
  try {
    const marks = JSON.parse(localStorage.getItem(STORE));
    return Array.isArray(marks) && marks.length === count ? marks : null;
  } catch { return null; }
}

async function start() {
  for (const name of ["contrast", "brightness"]) document.documentElement.style.setProperty(`--${name}`, 1);
  images = await Promise.all(data.sheets.map(sheet => picture(sheet.picture)));
  Object.assign(byId("iteration"), { max: data.sheets.length - 1, value: state.sheet });
  buildGallery();
  setMarks(remembered() ?? state.marks);
  drawTiles();
  goTo(state.order[0]);
  listen();
  byId("score").textContent = data.score;
  fillTables();
  drawCurves();
  drawFlows();
  await drawEigenimages();
  byId("msa-plot").on("plotly_click", event => goTo(event.points[0].customdata, true));
  document.body.dataset.ready = "yes";
}

start();
