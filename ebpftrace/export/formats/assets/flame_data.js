'use strict';
/* The data of the page: decoded, summed up, searched, and said in words. Draws nothing. */

/**
 * @typedef {object} Tables what `flame_html.py` writes as JSON
 * @property {number} nodes without the root
 * @property {number} ends
 * @property {string[]} names of functions
 * @property {Object<string, string>} short by index of `names`, where that is another
 * @property {string[]} modules
 * @property {number[]} module of each name
 * @property {string[]} files
 * @property {[number, number][]} sources file and line; line 0: several or none
 * @property {string} root what the first box is called
 * @property {number} measure the one to begin with
 * @property {boolean} diff
 * @property {boolean} growth is it known?
 */

/**
 * @typedef {object} Tree nodes in preorder; 0 is the root
 * @property {Tables} tables
 * @property {number} size
 * @property {Uint32Array} name
 * @property {Uint32Array} source
 * @property {Uint32Array} depth
 * @property {Uint32Array} parent
 * @property {Uint32Array} end the first node that is not below it
 * @property {Float64Array[]} now by measure: bytes, blocks, allocated bytes, allocated blocks
 * @property {Float64Array[]} before the same of the older snapshot; empty without one
 * @property {Float64Array[]} change sums of what changed, either way, by measure
 * @property {?Float64Array} growth bytes per second
 */

/** @returns {Promise<Tree>} */
async function readTree(/** @type {string} */ text) {
  if (typeof DecompressionStream === 'undefined') {
    throw new Error('This page needs a browser of 2023 or later.');
  }
  const packed = Uint8Array.from(atob(text.trim()), (one) => one.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate'));
  const buffer = await new Response(stream).arrayBuffer();
  const [length] = new Uint32Array(buffer, 0, 1);
  /** @type {Tables} */
  const tables = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  let at = 8 + Math.ceil(length / 8) * 8;
  const floats = () => {
    const column = new Float64Array(buffer, at, tables.ends);
    at += column.byteLength;
    return column;
  };
  const several = (/** @type {number} */ count) => Array.from({ length: count }, floats);
  const now = several(4);
  const before = several(tables.diff ? 4 : 0);
  const growth = several(tables.growth ? 1 : 0);
  const whole = (/** @type {number} */ count) => {
    const column = new Uint32Array(buffer, at, count);
    at += column.byteLength;
    return column;
  };
  const [name, source, depth] = [1, 2, 3].map(() => withRoot(whole(tables.nodes)));
  const ends = whole(tables.ends);
  const size = tables.nodes + 1;
  const parent = new Uint32Array(size);
  const end = new Uint32Array(size);
  const path = [0];
  for (let node = 1; node < size; node++) {
    depth[node] += 1;
    for (let up = depth[node]; up < path.length; up++) end[path[up]] = node;
    path.length = depth[node];
    parent[node] = path[path.length - 1];
    path.push(node);
  }
  for (const node of path) end[node] = size;
  const summed = (/** @type {Float64Array} */ values) => {
    const sums = new Float64Array(size);
    for (let index = 0; index < ends.length; index++) sums[ends[index] + 1] = values[index];
    for (let node = size - 1; node > 0; node--) sums[parent[node]] += sums[node];
    return sums;
  };
  return {
    tables, size, name, source, depth, parent, end,
    now: now.map(summed),
    before: before.map(summed),
    change: before.map((old, measure) => summed(old.map((v, i) => Math.abs(now[measure][i] - v)))),
    growth: growth.length ? summed(growth[0]) : null,
  };
}

function withRoot(/** @type {Uint32Array} */ column) {
  const longer = new Uint32Array(column.length + 1);
  longer.set(column, 1);
  return longer;
}

/** The short name, for a box. */
function label(/** @type {Tree} */ tree, /** @type {number} */ node) {
  if (!node) return tree.tables.root;
  const name = tree.name[node];
  return tree.tables.short[name] ?? tree.tables.names[name];
}

/** The module's path; empty for what has none. */
function moduleOf(/** @type {Tree} */ tree, /** @type {number} */ node) {
  return node ? tree.tables.modules[tree.tables.module[tree.name[node]]] : '';
}

/** `dir/cache.cpp:42`, without the line where that is not one. */
function sourceOf(/** @type {Tree} */ tree, /** @type {number} */ node) {
  if (!node) return '';
  const [file, line] = tree.tables.sources[tree.source[node]];
  return tree.tables.files[file] + (line ? `:${line}` : '');
}

/**
 * Which nodes match; null where nothing is asked for.
 * @param {Tree} tree
 * @param {string} text
 * @param {boolean} regex
 * @returns {?Uint8Array}
 */
function search(tree, text, regex) {
  if (!text) return null;
  const pattern = regex ? new RegExp(text, 'i') : null;
  const low = text.toLowerCase();
  const fits = (/** @type {string} */ one) => pattern ? pattern.test(one) : one.toLowerCase().includes(low);
  const { names, short, modules, module, sources, files } = tree.tables;
  const inModule = modules.map((one) => one !== '' && fits(one));
  const inName = names.map((one, index) => fits(one) || inModule[module[index]] ||
    (short[index] !== undefined && fits(short[index])));
  const inFile = files.map((one) => one !== '' && fits(one));
  const matched = new Uint8Array(tree.size);
  for (let node = 1; node < tree.size; node++) {
    matched[node] = inName[tree.name[node]] || inFile[sources[tree.source[node]][0]] ? 1 : 0;
  }
  return matched;
}

/**
 * The matching nodes from `root` on that are not below another one, so that nothing counts twice.
 * @param {Tree} tree
 * @param {Uint8Array} matched
 * @param {number} root
 */
function outermost(tree, matched, root) {
  const found = [];
  for (let node = root; node < tree.end[root];) {
    if (matched[node]) {
      found.push(node);
      node = tree.end[node];
    } else {
      node++;
    }
  }
  return found;
}

/** The outermost nodes that held something and hold nothing now, the largest first. */
function gone(/** @type {Tree} */ tree, /** @type {number} */ measure) {
  const [now, before] = [tree.now[measure], tree.before[measure]];
  const flags = new Uint8Array(tree.size);
  for (let node = 1; node < tree.size; node++) flags[node] = now[node] <= 0 && before[node] > 0 ? 1 : 0;
  return outermost(tree, flags, 0).sort((a, b) => before[b] - before[a]);
}

function bytes(/** @type {number} */ size) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, unit] = [Math.abs(size), 0];
  while (value >= 999.5 && unit < 4) {
    value /= 1024;
    unit++;
  }
  return `${size < 0 ? '−' : ''}${value.toFixed(unit && value < 99.95 ? 1 : 0)} ${units[unit]}`;
}

function count(/** @type {number} */ blocks) {
  const digits = String(Math.abs(blocks)).replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return `${blocks < 0 ? '−' : ''}${digits} block${blocks === 1 ? '' : 's'}`;
}

/** `4.5 MiB in 210 blocks`, of those in use or of those allocated: as `measure` is. */
function held(/** @type {Float64Array[]} */ sums, /** @type {number} */ node, /** @type {number} */ measure) {
  const first = measure & 2;
  return `${bytes(sums[first][node])} in ${count(sums[first + 1][node])}`;
}

/** Never all of it where some is missing, nor nothing where there is some. */
function percent(/** @type {number} */ part, /** @type {number} */ whole) {
  if (whole <= 0 || part <= 0) return '0 %';
  const said = (100 * part / whole).toFixed(1);
  if (said === '0.0') return '< 0.1 %';
  return said === '100.0' && part < whole ? '> 99.9 %' : `${said} %`;
}

/** With the sign, so that no colour is needed to tell. */
function signed(/** @type {number} */ value, /** @type {(value: number) => string} */ said) {
  return `${value > 0 ? '+' : ''}${said(value)}`;
}
