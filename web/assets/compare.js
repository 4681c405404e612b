// Two runs laid over each other, aligned at T0, and how they differ.
import { chart, grid } from './chart.js';
import { h, say, section, table } from './dom.js';
import { bytes, change, count, percent, rate, span, time, timeTick } from './format.js';
import { empty, failedShare, spanOf, take, whole } from './model.js';
import { figures, times } from './runcharts.js';
import { follow } from './stream.js';
import { GRADES, ending } from './words.js';

/** Two lists of (times, figures) on one common list of times. Pure. */
export function overlay(a, b) {
  const at = [...new Set([...a.times, ...b.times])].sort((one, two) => one - two);
  const place = ({ times: known, values }) => {
    const byTime = new Map(known.map((one, index) => [one, values[index]]));
    // undefined: not measured at this instant, the line goes on; null: a gap.
    return at.map((one) => byTime.get(one));
  };
  return [at, place(a), place(b)];
}

/** The rows of the table of differences: what, its figure in each, how to word it, and which way is worse (1: more, -1: less). */
function differences(a, b) {
  const [one, two] = [whole(a), whole(b)];
  const row = (name, read, text, worse = 0) => ({ name, a: read(one, a), b: read(two, b), text, worse });
  const has = (read) => (figure) => (figure.requests > 0 ? read(figure) : null);
  const judged = [['verdict of the data', (run) => GRADES[run.over?.report?.verdict?.grade]?.text ?? '–'], ['end', (run) => (run.over ? ending(run.over.exit_code).text : 'goes on')]];
  return [
    row('requests', (f) => f.requests, count),
    row('requests per second', (f) => f.rate, rate, -1),
    row('failed', (f) => failedShare(f), percent, 1),
    ...['avg', 'p50', 'p90', 'p95', 'p99', 'max'].map((name) => row(name, has((f) => f[`${name}_ms`]), time, 1)),
    row('iterations', (f) => f.iterations, count),
    row('dropped', (f) => f.dropped, count, 1),
    row('received', (f) => f.received_bytes, bytes),
    row('length', (f) => f.length_ms, span),
    row('agents', (_, run) => run.view?.agents?.length ?? run.over?.report?.agents?.length, count),
    ...judged.map(([name, read]) => ({ name, a: read(a), b: read(b), text: String, worse: 0 })),
  ];
}

/** How much B differs from A. */
function difference({ a, b }) {
  if (typeof a === 'string') return a === b ? 'alike' : 'differs';
  return change(a, b);
}

/** Says whether B is better or worse than A in a figure; in words, not by colour alone. Differences below 1 % are none. Pure. */
export function judge({ a, b, worse }) {
  if (!worse || typeof a !== 'number' || typeof b !== 'number') return '';
  if (Math.abs(b - a) <= 0.01 * Math.max(Math.abs(a), Math.abs(b))) return 'alike';
  return (b - a) * worse > 0 ? 'worse' : 'better';
}

/** Shows the page. */
export function comparePage(place, a, b) {
  const runs = { a: empty(), b: empty() };
  const troubles = { a: '', b: '' };
  const problem = h('p', { class: 'trouble', role: 'alert', hidden: true });
  const name = (letter) => h('a', { href: `#/runs/${encodeURIComponent(letter === 'a' ? a : b)}` }, letter === 'a' ? a : b);
  const names = { a: name('a'), b: name('b') };
  const pair = [{ label: 'A', colour: 'c1' }, { label: 'B', colour: 'c3', dash: [6, 3] }];
  const kinds = [
    ['p95', 'p95_ms', time, timeTick], ['Requests', 'rate', rate], ['p50', 'p50_ms', time, timeTick], ['Failed requests', null, percent],
  ].map(([title, figure, text, tick]) => ({ figure, chart: chart({ title, series: pair, text, tick, sync: 'compare', high: 200 }) }));
  const rows = table({
    caption: 'Differences',
    empty: 'Nothing yet.',
    columns: [
      { title: '', head: true, text: (row) => row.name },
      { title: 'A', numeric: true, text: (row) => (row.a === null || row.a === undefined ? '–' : row.text(row.a)) },
      { title: 'B', numeric: true, text: (row) => (row.b === null || row.b === undefined ? '–' : row.text(row.b)) },
      { title: 'B against A', numeric: true, text: difference },
      { title: 'B is', paint: (cell, row) => { say(cell, judge(row)); cell.className = `judged ${judge(row)}`; } },
    ],
  });
  place.append(
    h('div', { class: 'headline' }, h('h1', {}, 'Two runs'), h('a', { class: 'button', href: `#/compare/${encodeURIComponent(b)}/${encodeURIComponent(a)}` }, 'Swap')),
    h('p', { class: 'pair' }, h('span', { class: 'letter one' }, 'A'), names.a, h('span', { class: 'letter two' }, 'B'), names.b),
    problem, grid(kinds.map((kind) => kind.chart)), section('Differences', rows.element));

  let drawn = 0;
  const draw = () => {
    drawn = 0;
    const of = (run, figure) => ({ times: times(run.points), values: figure ? figures(run.points, figure) : run.points.map((point) => failedShare(spanOf(point))) });
    for (const kind of kinds) kind.chart.update(...overlay(of(runs.a, kind.figure), of(runs.b, kind.figure)));
    rows.update(differences(runs.a, runs.b));
    for (const letter of ['a', 'b']) {
      const id = letter === 'a' ? a : b;
      const known = runs[letter].over?.report?.run?.name;
      say(names[letter], known ? `${known} (${id})` : id);
    }
    const trouble = [troubles.a && `A: ${troubles.a}`, troubles.b && `B: ${troubles.b}`].filter(Boolean).join(' ');
    say(problem, trouble);
    problem.hidden = !trouble;
  };
  const soon = () => {
    if (!drawn) drawn = requestAnimationFrame(draw);
  };
  const watch = (letter, id) => follow(id, (event, data) => {
    runs[letter] = take(runs[letter], event, data);
    soon();
  }, (_, text) => {
    troubles[letter] = text;
    soon();
  });
  const stops = [watch('a', a), watch('b', b)];
  soon();
  return () => {
    for (const stop of stops) stop();
    cancelAnimationFrame(drawn);
    for (const kind of kinds) kind.chart.close();
  };
}
