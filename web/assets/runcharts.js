// The charts of one run: which figures of its points they show.
import { chart, grid } from './chart.js';
import { count, figure, percent, rate, time, timeTick } from './format.js';
import { failedShare, held, spanOf } from './model.js';

/** The colours and dashes of the percentiles, the same everywhere: told apart by lightness and dash, not by hue alone. */
const P50 = { label: 'p50', colour: 'c2', width: 1.5 };
const P90 = { label: 'p90', colour: 'c1', width: 1.5, dash: [6, 3] };
const P95 = { label: 'p95', colour: 'c3', width: 2.5 };
const P99 = { label: 'p99', colour: 'c4', width: 1.5, dash: [2, 2] };

/** VUs of open scenarios: as many as their arrivals take, so there is no plan to hold them against. */
const OPEN = { label: 'of open scenarios', colour: 'c5', width: 1.5, dash: [2, 2], maybe: true };

/** There is no half of an agent. */
function whole(value) {
  return Number.isInteger(value) ? count(value) : '';
}

/** The middle of each point, in seconds of run time. */
export function times(points) {
  return points.map((point) => (spanOf(point).from_ms + spanOf(point).to_ms) / 2000);
}

/** A figure of each point; a time without requests has no percentile. */
export function figures(points, name) {
  return points.map((point) => {
    const span = spanOf(point);
    return name.endsWith('_ms') && !(span.requests > 0) ? null : span[name] ?? null;
  });
}

/** Makes the charts: `{element, update(run), close()}`. */
export function runCharts() {
  const sync = 'run';
  const requests = chart({ title: 'Requests', series: [{ label: 'requests', colour: 'c1', fill: true }], text: rate, sync });
  const failed = chart({ title: 'Failed requests', series: [{ label: 'failed', colour: 'c4', fill: true }], text: percent, sync });
  const durations = chart({ title: 'Response time', series: [P50, P90, P95, P99], text: time, tick: timeTick, sync });
  const users = chart({
    title: 'Virtual users, planned and held',
    series: [{ label: 'planned', colour: 'c0', dash: [6, 3], width: 1.5 }, { label: 'held', colour: 'c1' }, OPEN],
    text: figure, gap: [1, 2], sync,
  });
  const arrivals = chart({
    title: 'Arrivals, due and begun',
    series: [{ label: 'due', colour: 'c0', dash: [6, 3], width: 1.5 }, { label: 'begun', colour: 'c1' }],
    text: rate, gap: [1, 2], sync,
  });
  const agents = chart({ title: 'Agents that make load', series: [{ label: 'agents', colour: 'c5', fill: true }], text: count, tick: whole, sync });
  const all = [requests, durations, failed, users, arrivals, agents];
  users.element.hidden = true;
  arrivals.element.hidden = true;
  return {
    element: grid(all),
    update({ points, view }) {
      const at = times(points);
      requests.update(at, figures(points, 'rate'));
      failed.update(at, points.map((point) => failedShare(spanOf(point))));
      durations.update(at, ...['p50_ms', 'p90_ms', 'p95_ms', 'p99_ms'].map((name) => figures(points, name)));
      const of = (name) => points.map((point) => point[name] ?? null);
      const open = of('vus_open');
      users.update(at, of('vus_planned'), points.map(held), open.some((vus) => vus > 0) ? open : open.map(() => null));
      arrivals.update(at, of('due'), of('begun'));
      agents.update(at, of('agents'));
      // A closed scenario has VUs, an open one arrivals; a chart of nothing would only take room.
      users.element.hidden = !points.some((point) => point.vus_planned > 0 || point.vus > 0);
      arrivals.element.hidden = !points.some((point) => point.due > 0 || point.begun > 0);
      const marks = view?.marks ?? [];
      for (const one of all) one.marks(marks);
    },
    close() {
      for (const one of all) one.close();
    },
  };
}
