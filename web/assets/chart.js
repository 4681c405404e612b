// One chart over run time: uPlot, with a legend that keyboards reach, and marks as vertical lines.
import { h, say } from './dom.js';
import { clock, short } from './format.js';

/* global uPlot */

/** Steps of the time axis, in seconds. */
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];

/** Height of a row of labels of marks, in pixels, and how many rows there are. */
const LABELS = 14;
const ROWS = 2;

/** A colour of style.css, as it is in the theme now. */
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || '#888';
}

/** The colour of a kind of mark, and which of two that meet is told first. */
const KINDS = {
  lost: { colour: 'bad', rank: 0 },
  change: { colour: 'note', rank: 1 },
  note: { colour: 'note', rank: 2 },
  left: { colour: 'warn', rank: 3 },
  joined: { colour: 'good', rank: 4 },
  stage: { colour: 'faint', rank: 5 },
};

/** What a kind of mark looks like. */
export function kindOf(mark) {
  return KINDS[mark.kind] ?? KINDS.note;
}

/**
 * Which marks get their label, and in which of `rows` rows: labels must not cover each other. Pure. `places`: `{x, width, rank}`.
 */
export function seat(places, rows, right) {
  const taken = Array.from({ length: rows }, () => []);
  const seats = places.map(() => null);
  const order = places.map((_, index) => index).sort((a, b) => places[a].rank - places[b].rank || places[a].x - places[b].x);
  for (const index of order) {
    const { x, width } = places[index];
    // A label that would leave the chart stands to the left of its line.
    const left = x + width > right ? x - width : x;
    const row = taken.findIndex((spans) => left >= 0 && spans.every(([a, b]) => left >= b || left + width <= a));
    if (row < 0) continue;
    taken[row].push([left, left + width]);
    seats[index] = { left, row };
  }
  return seats;
}

/** Draws the marks. */
function draw(plot, marks) {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio || 1;
  const { min, max } = plot.scales.x;
  const seen = marks.filter((one) => one.run_ms / 1000 >= min && one.run_ms / 1000 <= max);
  ctx.save();
  ctx.font = `${11 * ratio}px system-ui, sans-serif`;
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  const pad = 4 * ratio;
  const high = LABELS * ratio;
  const places = seen.map((one) => {
    const text = short(one.text || one.kind, 36);
    const x = Math.round(plot.valToPos(one.run_ms / 1000, 'x', true));
    return { x, text, width: ctx.measureText(text).width + 2 * pad, rank: kindOf(one).rank };
  });
  const seats = seat(places, ROWS, bbox.left + bbox.width);
  seen.forEach((one, index) => {
    const { x } = places[index];
    ctx.strokeStyle = colour(kindOf(one).colour);
    ctx.lineWidth = ratio;
    ctx.setLineDash(one.kind === 'stage' ? [2 * ratio, 3 * ratio] : [5 * ratio, 3 * ratio]);
    ctx.beginPath();
    ctx.moveTo(x + 0.5, bbox.top - 3 * ratio);
    ctx.lineTo(x + 0.5, bbox.top + bbox.height);
    ctx.stroke();
  });
  seats.forEach((place, index) => {
    if (!place) return;
    ctx.fillStyle = seen[index].kind === 'stage' ? colour('dim') : colour(kindOf(seen[index]).colour);
    ctx.fillText(places[index].text, place.left, bbox.top - 3 * ratio - high * (place.row + 0.5));
  });
  ctx.restore();
}

/** A legend: a button per series, that hides and shows it, with its colour, dash and figure. */
function legend(series, toggle) {
  const items = series.map((one, index) => {
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    const stroke = document.createElementNS('http://www.w3.org/2000/svg', 'line');
    for (const [name, value] of Object.entries({ width: 22, height: 8, 'aria-hidden': 'true', class: `swatch ${one.colour}` })) line.setAttribute(name, value);
    for (const [name, value] of Object.entries({ x1: 0, x2: 22, y1: 4, y2: 4, 'stroke-width': one.width ?? 2, 'stroke-dasharray': (one.dash ?? []).join(' ') })) {
      stroke.setAttribute(name, value);
    }
    line.append(stroke);
    const figure = h('output', { class: 'figure' });
    const button = h('button', { type: 'button', class: 'key', 'aria-pressed': 'true', title: one.hint ?? `Show or hide ${one.label}` }, line, h('span', {}, one.label), figure);
    button.addEventListener('click', () => {
      const on = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', String(on));
      toggle(index + 1, on);
    });
    return { button, figure };
  });
  return items;
}

/**
 * A chart.
 * `series`: `{label, colour, dash, width, fill, hint, maybe}` (`maybe`: its key is shown only when it holds something); `text(value)` words a figure, `tick(value)` one on the axis; `gap`: [upper, lower] indexes (from 1) of series
 * between which a gap is shaded; `sync`: charts of one name share their cursor.
 */
export function chart({ title, series, text, tick = text, gap, sync, high = 195 }) {
  let marks = [];
  let plot = null;
  const place = h('div', { class: 'plot', 'aria-hidden': 'true' });
  const time = h('span', { class: 'at' });
  const keys = legend(series, (index, on) => plot?.setSeries(index, { show: on }));
  const element = h('figure', { class: 'chart', 'aria-label': title },
    h('figcaption', {}, h('span', { class: 'title' }, title), time), place, h('div', { class: 'legend' }, keys.map(({ button }) => button)));
  let data = [[], ...series.map(() => [])];

  // The figures under the cursor, or else the newest.
  const tell = () => {
    const at = plot?.cursor.idx ?? null;
    say(time, at === null || data[0][at] === undefined ? '' : `at ${clock(data[0][at] * 1000)}`);
    keys.forEach(({ figure }, one) => say(figure, text(at === null ? newest(data[one + 1]) : data[one + 1][at])));
  };
  const axis = { stroke: () => colour('dim'), grid: { stroke: () => colour('grid'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' };
  const options = () => ({
    width: Math.max(200, place.clientWidth),
    height: high,
    // Room for the labels of marks above what they mark.
    padding: [LABELS * ROWS + 4, 10, 0, 0],
    legend: { show: false },
    cursor: { sync: sync ? { key: sync, setSeries: false } : undefined, drag: { x: true, y: false }, points: { size: 6 } },
    scales: { x: { time: false }, y: { range: (_, low, top) => [Math.min(0, low ?? 0), top > 0 ? top * 1.08 : 1] } },
    axes: [
      { ...axis, incrs: STEPS, space: 56, size: 26, gap: 4, values: (_, splits) => splits.map((split) => clock(split * 1000)) },
      { ...axis, size: 58, gap: 4, space: 34, values: (_, splits) => splits.map((split) => tick(split)) },
    ],
    series: [{}, ...series.map((one) => ({
      label: one.label,
      stroke: () => colour(one.colour),
      width: one.width ?? 2,
      dash: one.dash,
      fill: one.fill ? () => `${colour(one.colour)}22` : undefined,
      points: { show: (self, _, from, to) => to - from < 2 },
    }))],
    bands: gap ? [{ series: gap, fill: () => `${colour('bad')}44` }] : undefined,
    hooks: { draw: [(self) => draw(self, marks)], setCursor: [tell] },
  });
  const build = () => {
    plot?.destroy();
    plot = new uPlot(options(), data, place);
    keys.forEach(({ button }, index) => {
      if (button.getAttribute('aria-pressed') !== 'true') plot.setSeries(index + 1, { show: false });
    });
    tell();
  };
  const size = new ResizeObserver(() => {
    if (place.clientWidth === 0) return;
    if (!plot) build();
    else if (plot.width !== place.clientWidth) plot.setSize({ width: Math.max(200, place.clientWidth), height: high });
  });
  size.observe(place);
  const theme = () => plot?.redraw(false);
  addEventListener('throng-theme', theme);
  return {
    element,
    /** Sets what is shown: run times in seconds, and a list of figures per series (null where there is none). */
    update(times, ...figures) {
      data = [times, ...figures];
      // A series that holds nothing needs no key, as long as another one does.
      const held = figures.map((one) => one.some((value) => value > 0));
      keys.forEach(({ button }, index) => {
        button.hidden = series[index].maybe === true && !held[index];
      });
      // A person who looks at a part keeps it; the newest figures stay in reach by a double click.
      plot?.setData(data, !zoomed(plot));
      tell();
    },
    /** Sets the vertical lines. */
    marks(all) {
      marks = all;
      plot?.redraw(false);
    },
    close() {
      size.disconnect();
      removeEventListener('throng-theme', theme);
      plot?.destroy();
      plot = null;
    },
  };
}

/** True if a person dragged over a part of the chart to see it larger. */
function zoomed(plot) {
  const times = plot.data[0];
  if (times.length === 0) return false;
  const { min, max } = plot.scales.x;
  return min !== null && max !== null && (min > times[0] + 1e-9 || max < times[times.length - 1] - 1e-9);
}

/** The newest figure there is. */
function newest(figures) {
  return figures.findLast((one) => one !== null && one !== undefined);
}

/** Charts beside each other. */
export function grid(charts) {
  return h('div', { class: 'charts' }, charts.map(({ element }) => element));
}

