/* Which boxes are seen, where, and in what colour. Knows the canvas, not the page. */

const ROW = 19;
const LEAST_WIDTH = 1;
const FONT = '12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace';
const CHARACTER = 7.3;
// Of a canvas that is printed: browsers give up on taller ones.
const MOST_PRINTED = 400 * ROW;

/**
 * @typedef {object} Box
 * @property {number} node
 * @property {number} x
 * @property {number} width
 */

/**
 * Boxes by row, from left to right: those above `focus` over the whole width, then what is below it.
 * @param {Tree} tree
 * @param {Float64Array} sums what a width stands for
 * @param {number} focus
 * @param {number} width
 * @returns {Box[][]}
 */
function layout(tree, sums, focus, width) {
  /** @type {Box[][]} */
  const rows = [];
  for (let node = focus; ; node = tree.parent[node]) {
    rows.unshift([{ node, x: 0, width }]);
    if (!node) break;
  }
  for (let row = rows[rows.length - 1]; row.length;) {
    const below = [];
    for (const box of row) {
      // Figures may be below zero where frees were counted and their allocations were not.
      const scale = sums[box.node] > 0 ? box.width / sums[box.node] : 0;
      const limit = box.x + box.width;
      let x = box.x;
      for (let node = box.node + 1; node < tree.end[box.node]; node = tree.end[node]) {
        const wide = Math.min(Math.max(0, sums[node] * scale), limit - x);
        if (wide >= LEAST_WIDTH) below.push({ node, x, width: wide });
        x += wide;
      }
    }
    if (below.length) rows.push(below);
    row = below;
  }
  return rows;
}

/** The box of a row at `x`. */
function boxAt(/** @type {Box[]} */ row, /** @type {number} */ x) {
  let [low, high] = [0, row.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (row[middle].x <= x) low = middle + 1; else high = middle;
  }
  const box = row[low - 1];
  return box && x < box.x + box.width ? box : null;
}

/** The same for the same text on every page (FNV-1a). */
function hash(/** @type {string} */ text) {
  let value = 0x811c9dc5;
  for (let index = 0; index < Math.min(text.length, 200); index++) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  }
  return value >>> 0;
}

/** The last part of a path; what is no path is whole. */
function basename(/** @type {string} */ path) {
  return path.slice(path.lastIndexOf('/') + 1) || path;
}

/** Hue by module, lightness by function; grey for what is no function. */
function moduleColour(/** @type {string} */ module, /** @type {string} */ name, /** @type {boolean} */ dark) {
  const step = hash(name) % 4;
  const light = dark ? 24 + 4 * step : 86 - 4 * step;
  if (!module) return `hsl(0 0% ${light}%)`;
  // 137.5 degrees apart, neighbours among hashes are no neighbours among hues.
  return `hsl(${hash(basename(module)) % 360 * 137.5 % 360} ${dark ? 40 : 62}% ${light}%)`;
}

/** From -1, gone, to 1, new. */
function changed(/** @type {number} */ now, /** @type {number} */ before) {
  const most = Math.max(now, before);
  return most > 0 ? Math.max(-1, Math.min(1, (now - before) / most)) : 0;
}

/** Red grew, blue shrank, grey is the same; the stronger, the more of it is a change. */
function diffColour(/** @type {number} */ part, /** @type {boolean} */ dark) {
  const size = Math.sqrt(Math.abs(part));
  if (size < 0.05) return dark ? 'hsl(0 0% 30%)' : 'hsl(0 0% 85%)';
  const light = dark ? 24 + 12 * size : 92 - 24 * size;
  return `hsl(${part > 0 ? 4 : 215} ${dark ? 60 : 88}% ${light}%)`;
}

/** The sign that says the same as the colour. */
function sign(/** @type {number} */ part) {
  return Math.abs(part) < 0.0025 ? '' : part > 0 ? '▲ ' : '▼ ';
}

/**
 * @typedef {object} View
 * @property {Tree} tree
 * @property {Box[][]} rows
 * @property {number} focus
 * @property {number} chosen
 * @property {?Uint8Array} matched
 * @property {number} measure
 * @property {boolean} flame the first box at the bottom?
 * @property {boolean} dark
 */

/**
 * Draw the part of the rows that the canvas shows.
 * @param {HTMLCanvasElement} canvas
 * @param {View} view
 * @param {number} width of CSS pixels, as `height`
 * @param {number} height
 * @param {number} offset what lies above the canvas
 */
function draw(canvas, view, width, height, offset) {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
    canvas.style.height = `${height}px`;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  context.setTransform(ratio, 0, 0, ratio, 0, -offset * ratio);
  context.clearRect(0, offset, width, height);
  context.font = FONT;
  context.textBaseline = 'middle';
  const { rows, flame } = view;
  for (let depth = 0; depth < rows.length; depth++) {
    const y = (flame ? rows.length - 1 - depth : depth) * ROW;
    if (y + ROW > offset && y < offset + height) {
      for (const box of rows[depth]) drawBox(context, view, box, y);
    }
  }
  context.globalAlpha = 1;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {View} view
 * @param {Box} box
 * @param {number} y
 */
function drawBox(context, view, box, y) {
  const { tree, measure, dark, matched } = view;
  const { node, x, width } = box;
  const before = tree.before[measure];
  const part = before ? changed(tree.now[measure][node], before[node]) : 0;
  const name = label(tree, node);
  const found = matched !== null && matched[node] === 1;
  const above = node !== view.focus && view.focus > node && view.focus < tree.end[node];
  context.globalAlpha = (matched && !found) ? 0.3 : above ? 0.55 : 1;
  context.fillStyle = before ? diffColour(part, dark) : moduleColour(moduleOf(tree, node), name, dark);
  const inner = Math.max(width - 1, 0.7);
  context.fillRect(x, y, inner, ROW - 1);
  if (found || node === view.chosen) {
    const thick = node === view.chosen ? 2.5 : 1.5;
    context.globalAlpha = 1;
    context.strokeStyle = dark ? '#fff' : '#000';
    context.lineWidth = Math.min(thick, inner / 2);
    const half = context.lineWidth / 2;
    context.strokeRect(x + half, y + half, inner - 2 * half, ROW - 1 - 2 * half);
  }
  const room = Math.floor((width - 7) / CHARACTER);
  if (room < 2) return;
  const said = (before ? sign(part) : '') + name.slice(0, room + 2);
  context.fillStyle = dark ? '#f2f2f2' : '#151515';
  context.fillText(said.length > room ? `${said.slice(0, room - 1)}…` : said, x + 4, y + ROW / 2, width - 6);
}
