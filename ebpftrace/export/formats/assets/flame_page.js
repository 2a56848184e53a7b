/* The page: what is looked at, and what keys, clicks and fields do with it. Names become text, never markup. */

const MOST_GONE = 100;
const MOST_MODULES = 10;
const MOST_OF_PATH = 8;

const part = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const canvas = /** @type {HTMLCanvasElement} */ (part('canvas'));
const schemes = matchMedia('(prefers-color-scheme: dark)');

/** An element with text in it. */
function element(/** @type {string} */ tag, /** @type {string} */ text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

class Page {
  constructor(/** @type {Tree} */ tree) {
    this.tree = tree;
    this.focus = 0;
    this.chosen = 0;
    /** @type {?number} */
    this.pointed = null;
    /** @type {number[]} */
    this.visited = [];
    this.measure = tree.tables.measure;
    this.flame = false;
    this.printing = false;
    this.drawing = false;
    /** @type {?Uint8Array} */
    this.matched = null;
    /** @type {Box[][]} */
    this.rows = [];
    this.width = 0;
    part('measure').value = String(this.measure);
    part('sideLabel').hidden = !tree.tables.diff;
    part('main').hidden = false;
    this.listen();
    this.arrange();
    this.showGone();
  }

  /** What widths stand for. */
  get sums() {
    const side = /** @type {'now'|'before'|'change'} */ (this.tree.tables.diff ? part('side').value : 'now');
    return this.tree[side][this.measure];
  }

  /** Lay out anew, and say what is looked at. */
  arrange() {
    this.width = part('graph').clientWidth;
    this.rows = layout(this.tree, this.sums, this.focus, this.width);
    part('graph').style.height = `${this.rows.length * ROW}px`;
    this.showPath();
    this.showFound();
    this.showLegend();
    this.redraw();
  }

  /** Once a frame. */
  redraw() {
    this.showDetail();
    if (!this.drawing) requestAnimationFrame(() => this.paint());
    this.drawing = true;
  }

  paint() {
    this.drawing = false;
    const all = this.rows.length * ROW;
    const height = Math.min(all, this.printing ? MOST_PRINTED : window.innerHeight);
    const top = this.printing ? 0 : part('graph').getBoundingClientRect().top;
    const offset = Math.min(Math.max(0, -top), all - height);
    const { tree, rows, focus, matched, measure, flame } = this;
    const chosen = this.pointed ?? (document.activeElement === canvas ? this.chosen : -1);
    const dark = schemes.matches && !this.printing;
    draw(canvas, { tree, rows, focus, chosen, matched, measure, flame, dark }, this.width, height, offset);
  }

  /** Look at one node alone. */
  zoom(/** @type {number} */ node, remember = true) {
    if (node !== this.focus && remember) this.visited.push(this.focus);
    this.focus = this.chosen = node;
    this.pointed = null;
    this.arrange();
  }

  back() {
    const last = this.visited.pop();
    if (last !== undefined) this.zoom(last, false);
  }

  flip() {
    this.flame = !this.flame;
    part('flip').textContent = this.flame ? 'Icicle (downwards)' : 'Flame (upside down)';
    this.keepInSight(this.tree.depth[this.chosen]);
    this.redraw();
  }

  setMeasure(/** @type {number} */ measure) {
    this.measure = measure;
    part('measure').value = String(measure);
    this.arrange();
    this.showGone();
  }

  search() {
    const field = part('search');
    try {
      this.matched = search(this.tree, field.value, part('regex').checked);
      field.setCustomValidity('');
      this.showFound();
    } catch (error) {
      this.matched = null;
      field.setCustomValidity(String(error));
      part('found').textContent = 'This is no regular expression yet.';
    }
    this.redraw();
  }

  escape() {
    if (part('search').value) {
      part('search').value = '';
      this.search();
      canvas.focus();
    } else if (this.focus) {
      this.zoom(0);
    }
  }

  /** `matches 12.3 %, 4.5 MiB in 210 blocks`. */
  showFound() {
    if (!this.matched) {
      part('found').textContent = '';
      return;
    }
    const { tree, measure } = this;
    const found = outermost(tree, this.matched, this.focus);
    const column = (/** @type {Float64Array} */ sums) =>
      Float64Array.of(found.reduce((total, node) => total + sums[node], 0));
    const now = tree.now.map(column);
    const share = percent(now[measure][0], tree.now[measure][this.focus]);
    const within = this.focus ? ' of what is shown' : '';
    const before = tree.tables.diff ? `; it was ${held(tree.before.map(column), 0, measure)}` : '';
    const words = `matches ${share}${within}, ${held(now, 0, measure)}${before}`;
    part('found').textContent = found.length ? words : 'nothing matches';
  }

  /** The way to the focus, as buttons; its middle is left out where it is long. */
  showPath() {
    const nodes = [];
    for (let node = this.focus; node; node = this.tree.parent[node]) nodes.unshift(node);
    nodes.unshift(0);
    const hidden = Math.max(0, nodes.length - MOST_OF_PATH);
    const shown = hidden ? [nodes[0], ...nodes.slice(hidden + 1)] : nodes;
    const back = this.button('← Back', () => this.back());
    back.id = 'back';
    back.disabled = !this.visited.length;
    /** @type {HTMLElement[]} */
    const items = [back];
    shown.forEach((node, index) => {
      if (index) items.push(element('span', index === 1 && hidden ? '› … ›' : '›'));
      const step = this.button(label(this.tree, node).slice(0, 200), () => this.zoom(node));
      if (node === this.focus) step.setAttribute('aria-current', 'true');
      items.push(step);
    });
    part('path').replaceChildren(...items);
  }

  button(/** @type {string} */ text, /** @type {() => void} */ action) {
    const made = document.createElement('button');
    made.textContent = text;
    made.type = 'button';
    made.addEventListener('click', action);
    return made;
  }

  /** All that is known of the box that is pointed at. */
  showDetail() {
    const { tree, measure } = this;
    const node = this.pointed ?? this.chosen;
    const name = node ? tree.tables.names[tree.name[node]] : tree.tables.root;
    const places = [sourceOf(tree, node), moduleOf(tree, node)].filter(Boolean).join('  ');
    const [now, before] = [tree.now[measure], tree.before[measure]];
    let own = now[node];
    for (let child = node + 1; child < tree.end[node]; child = tree.end[child]) own -= now[child];
    const words = [held(tree.now, node, measure), `${percent(now[node], now[0])} of all`];
    if (this.focus) words.push(`${percent(now[node], now[this.focus])} of what is shown`);
    const say = measure & 1 ? count : bytes;
    if (own && own !== now[node]) words.push(`${say(own)} by itself`);
    if (tree.growth && !(measure & 2) && tree.growth[node]) {
      words.push(`${signed(60 * tree.growth[node], bytes)}/min lately`);
    }
    if (before) {
      const by = signed(now[node] - before[node], say);
      words.push(`was ${held(tree.before, node, measure)}: ${sign(changed(now[node], before[node]))}${by}`);
    }
    const lines = [element('b', name), element('div', places), element('div', words.join(', '))];
    part('detail').replaceChildren(...lines);
  }

  /** In a diff what colours mean, else whose they are: the modules with most of the drawn area. */
  showLegend() {
    const dark = schemes.matches && !this.printing;
    /** @type {[string, string][]} */
    let items = [[1, 'new'], [0.3, 'grew'], [0, 'same'], [-0.3, 'shrank'], [-1, 'gone']].map(
      ([by, word]) => [diffColour(Number(by), dark), sign(Number(by)) + word]);
    if (!this.tree.tables.diff) {
      /** @type {Map<string, number>} */
      const area = new Map();
      for (const box of this.rows.flat()) {
        const module = moduleOf(this.tree, box.node);
        if (module) area.set(module, (area.get(module) ?? 0) + box.width);
      }
      const most = [...area].sort((a, b) => b[1] - a[1]).slice(0, MOST_MODULES);
      items = most.map(([module]) => [moduleColour(module, '', dark), basename(module)]);
    }
    part('legend').replaceChildren(...items.map(([colour, text]) => {
      const swatch = document.createElement('canvas');
      [swatch.width, swatch.height] = [14, 14];
      const context = /** @type {CanvasRenderingContext2D} */ (swatch.getContext('2d'));
      context.fillStyle = colour;
      context.fillRect(0, 0, 14, 14);
      const item = element('span', '');
      item.append(swatch, text.slice(0, 80));
      return item;
    }));
  }

  showGone() {
    if (!this.tree.tables.diff) return;
    const { tree, measure } = this;
    const found = gone(tree, measure);
    part('goneSection').hidden = !found.length;
    part('gone').replaceChildren(...found.slice(0, MOST_GONE).map((node) => {
      const row = document.createElement('tr');
      const cells = ['', held(tree.before, node, measure), label(tree, tree.parent[node]).slice(0, 200)];
      row.append(...cells.map((text) => element('td', text)));
      row.children[0].append(this.button(label(tree, node).slice(0, 200), () => {
        part('side').value = 'before';
        this.zoom(node);
        part('graph').scrollIntoView();
      }));
      return row;
    }));
    const more = found.length - MOST_GONE;
    part('goneMore').textContent = more > 0 ? `and ${more} more` : '';
  }

  /** The box below the pointer. */
  under(/** @type {MouseEvent} */ event) {
    const area = part('graph').getBoundingClientRect();
    const row = Math.floor((event.clientY - area.top) / ROW);
    const boxes = this.rows[this.flame ? this.rows.length - 1 - row : row];
    return boxes ? boxAt(boxes, event.clientX - area.left) : null;
  }

  /** To the box next to the chosen one: `inward` rows away from the first, or `aside` in its row. */
  move(/** @type {number} */ inward, /** @type {number} */ aside) {
    const { tree } = this;
    const depth = tree.depth[this.chosen];
    const row = this.rows[depth] ?? [];
    const index = row.findIndex((box) => box.node === this.chosen);
    let next = null;
    if (index < 0) {
      next = this.focus;
    } else if (aside) {
      next = row[index + aside]?.node;
    } else if (inward < 0 && depth) {
      next = tree.parent[this.chosen];
    } else if (inward > 0) {
      const below = (this.rows[depth + 1] ?? []).filter((box) => tree.parent[box.node] === this.chosen);
      next = below.reduce((most, box) => (most && most.width >= box.width ? most : box), below[0])?.node;
    }
    if (next === null || next === undefined) return;
    this.chosen = next;
    this.pointed = null;
    this.keepInSight(tree.depth[next]);
    this.redraw();
  }

  /** Scroll to a row, past the detail line that covers the end of the window. */
  keepInSight(/** @type {number} */ depth) {
    const row = this.flame ? this.rows.length - 1 - depth : depth;
    const y = part('graph').getBoundingClientRect().top + row * ROW;
    const bottom = window.innerHeight - part('detail').offsetHeight - ROW;
    if (y < 0) window.scrollBy(0, Math.floor(y));
    if (y > bottom) window.scrollBy(0, Math.ceil(y - bottom));
  }

  key(/** @type {KeyboardEvent} */ event) {
    const down = this.flame ? -1 : 1;
    /** @type {Object<string, () => void>} */
    const anywhere = { Escape: () => this.escape() };
    /** @type {Object<string, () => void>} */
    const outside = {
      ArrowDown: () => this.move(down, 0), ArrowUp: () => this.move(-down, 0),
      ArrowLeft: () => this.move(0, -1), ArrowRight: () => this.move(0, 1),
      Enter: () => this.zoom(this.chosen), Backspace: () => this.back(),
      '/': () => part('search').focus(), f: () => this.flip(),
      m: () => this.setMeasure((this.measure + 1) % 4),
    };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const typed = ['INPUT', 'SELECT'].includes(target.tagName);
    const pressed = event.key === 'Enter' && ['BUTTON', 'SUMMARY'].includes(target.tagName);
    const action = anywhere[event.key] ?? (typed || pressed ? undefined : outside[event.key]);
    if (!action) return;
    event.preventDefault();
    action();
  }

  listen() {
    canvas.addEventListener('click', (event) => {
      const box = this.under(event);
      if (box) this.zoom(box.node);
    });
    canvas.addEventListener('pointermove', (event) => this.point(this.under(event)?.node ?? null));
    canvas.addEventListener('pointerleave', () => this.point(null));
    document.addEventListener('keydown', (event) => this.key(event));
    part('measure').addEventListener('change', () => this.setMeasure(Number(part('measure').value)));
    part('side').addEventListener('change', () => this.arrange());
    part('search').addEventListener('input', () => this.search());
    part('regex').addEventListener('change', () => this.search());
    part('flip').addEventListener('click', () => this.flip());
    for (const kind of ['focus', 'blur']) canvas.addEventListener(kind, () => this.redraw());
    addEventListener('scroll', () => this.redraw(), { passive: true });
    addEventListener('resize', () => this.redraw());
    new ResizeObserver(() => {
      if (part('graph').clientWidth !== this.width) this.arrange();
    }).observe(part('graph'));
    schemes.addEventListener('change', () => this.arrange());
    const print = (/** @type {boolean} */ on) => {
      this.printing = on;
      this.arrange();
      this.paint();
    };
    addEventListener('beforeprint', () => print(true));
    addEventListener('afterprint', () => print(false));
  }

  point(/** @type {?number} */ node) {
    if (node === this.pointed) return;
    this.pointed = node;
    this.redraw();
  }
}

readTree(part('data').textContent).then((tree) => new Page(tree)).catch((error) => {
  part('failure').textContent = `The flame graph cannot be shown. ${error.message}`;
  part('failure').hidden = false;
});
