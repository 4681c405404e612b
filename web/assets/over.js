// How a run ended: in words, threshold by threshold, and what to take home.
import { runPath } from './api.js';
import { h, pill, section, table } from './dom.js';
import { bytes, count, figure, percent, span, time } from './format.js';
import { thresholds } from './model.js';
import { GRADES, ending, why } from './words.js';

/** A metric's figure in its own unit. */
function worded(report, metric, expression, value) {
  if (typeof value !== 'number') return 'no sample';
  const base = report.metrics?.[metric];
  if (/^\s*count/.test(expression)) return base?.contains === 'data' ? bytes(value) : count(value);
  if (base?.contains === 'time' && base.type === 'trend') return time(value);
  if (base?.type === 'rate') return percent(value);
  return figure(value);
}

/** A facet's figure in its own unit. */
function measured(facet, value) {
  if (typeof value !== 'number') return '–';
  if (facet.measure === 'milliseconds') return time(value);
  return facet.measure === 'share' ? percent(value) : count(value);
}

/** Says in a sentence or three how it went. Pure. */
export function sentences(over) {
  const { report } = over;
  if (!report?.run) return [over.text || 'The run is over; there is no report of it.'];
  const judged = thresholds(report);
  const failed = judged.filter(({ ok }) => !ok).length;
  const grade = GRADES[report.verdict?.grade] ?? GRADES.NOT_JUDGED;
  const first = `${why(report.run.ended)}${report.run.began ? ` after ${span(report.run.load_ms)}` : ''}.`;
  const second = judged.length === 0 ? 'No thresholds were set.'
    : failed === 0 ? `${judged.length === 1 ? 'Its threshold' : `All ${judged.length} thresholds`} passed.`
      : `${failed} of ${judged.length} thresholds failed.`;
  return [first, report.run.reason ? `Reason: ${report.run.reason}.` : '', second, `The data are ${grade.text}: ${grade.meaning}`].filter(Boolean);
}

function thresholdsTable(report) {
  const rows = table({
    caption: 'Thresholds',
    empty: 'None were set.',
    columns: [
      { title: '', paint: (cell, row) => pill(cell.firstElementChild ?? cell.appendChild(h('span')), row.ok ? '✓ passed' : '✗ failed', row.ok ? 'good' : 'bad') },
      { title: 'metric', head: true, text: (row) => row.metric },
      { title: 'threshold', text: (row) => row.expression },
      { title: 'was', numeric: true, text: (row) => worded(report, row.metric, row.expression, row.actual) },
    ],
  });
  rows.update(thresholds(report));
  return rows.element;
}

function facetsTable(report) {
  const rows = table({
    caption: 'The verdict, facet by facet',
    empty: 'Nothing was judged.',
    columns: [
      { title: 'facet', head: true, text: (row) => row.name },
      { title: 'was', numeric: true, text: (row) => measured(row, row.value) },
      { title: 'degraded above', numeric: true, text: (row) => measured(row, row.degraded_above) },
      { title: 'invalid above', numeric: true, text: (row) => measured(row, row.invalid_above) },
      { title: 'is', paint: (cell, row) => pill(cell.firstElementChild ?? cell.appendChild(h('span')), GRADES[row.grade]?.text ?? row.grade, GRADES[row.grade]?.tone ?? 'quiet') },
      { title: 'agent', text: (row) => row.agent ?? '' },
    ],
  });
  rows.update(report.verdict?.facets ?? []);
  return rows.element;
}

/** Every check of a group and of the groups in it. */
function checks(group) {
  return [...(group?.checks ?? []), ...(group?.groups ?? []).flatMap(checks)];
}

function checksTable(report) {
  const rows = table({
    caption: 'Checks',
    empty: 'There were none.',
    columns: [
      { title: 'check', head: true, text: (row) => row.name },
      { title: 'passed', numeric: true, text: (row) => count(row.passes) },
      { title: 'failed', numeric: true, text: (row) => count(row.fails) },
      { title: '', numeric: true, text: (row) => percent(row.passes / (row.passes + row.fails)) },
    ],
  });
  const all = checks(report.root_group);
  rows.update(all);
  return all.length > 0 ? h('details', {}, h('summary', {}, `Checks (${all.length})`), rows.element) : null;
}

/** What was planned and what became of it, line by line. Pure. */
export function books(conservation) {
  const lines = (conservation?.scenarios ?? []).map((one) => {
    const parts = ['made', 'dropped', 'expired', 'short', 'lost', 'unaccounted'].filter((name) => name === 'made' || one[name] !== 0);
    return `${one.scenario}: ${figure(one.planned)} ${one.unit} planned = ${parts.map((name) => `${figure(one[name])} ${name}`).join(' + ')}`;
  });
  const { completeness, requests } = conservation ?? {};
  if (requests) lines.push(`requests: ${count(requests.counted)} counted by agents, ${count(requests.merged)} merged`);
  if (completeness) lines.push(`completeness: ${percent(completeness.share)} of ${count(completeness.intervals)} intervals from ${count(completeness.agents)} agents`);
  return lines;
}

/** The end of a run. */
export function ended(id, over) {
  const { report } = over;
  const { text, tone } = ending(over.exit_code);
  const grade = GRADES[report?.verdict?.grade];
  // The controller names the file.
  const download = (path, name) => h('a', { class: 'button', href: runPath(id, path), download: true }, name);
  const element = section('How it ended',
    h('div', { class: 'verdict' },
      pill(h('span'), text, tone), grade && pill(h('span'), `data ${grade.text}`, grade.tone), h('span', { class: 'pill quiet exit' }, `exit code ${over.exit_code}`)),
    h('p', { class: 'sentences' }, sentences(over).join(' ')));
  if (!report?.run) return element;
  const notes = report.run.notes ?? [];
  element.append(
    thresholdsTable(report),
    ...(notes.length > 0 ? [h('ul', { class: 'notes' }, notes.map((note) => h('li', {}, typeof note === 'string' ? note : note.text ?? JSON.stringify(note))))] : []),
    h('details', {}, h('summary', {}, 'The verdict, facet by facet'), facetsTable(report)),
    h('details', {}, h('summary', {}, 'What was planned, and what became of it'), h('ul', { class: 'books' }, books(report.conservation).map((line) => h('li', {}, line)))),
    ...[checksTable(report)].filter(Boolean),
    h('div', { class: 'downloads' }, download('/report.json', 'Download report.json'), download('/report.txt', 'Download report.txt')));
  return element;
}
