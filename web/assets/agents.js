// The fleet: every agent that is connected, and how it fares.
import { h, say, table } from './dom.js';
import { ago, bytes, count, percent, time } from './format.js';
import { poll } from './poll.js';

/** CPU used of what there is; null where it was not measured. */
export function cpuShare(health) {
  return health?.cpu_available > 0 && typeof health.cpu === 'number' ? health.cpu / health.cpu_available : null;
}

/** The columns that tell how an agent fares; `of(row)` finds its health. */
export function healthColumns(of) {
  return [
    { title: 'CPU', numeric: true, hint: 'CPU used of what the agent may use', text: (row) => percent(cpuShare(of(row))) },
    { title: 'loop lag p99', numeric: true, hint: 'How late its event loop woke up', text: (row) => time(of(row)?.lag_p99_ms) },
    { title: 'lateness p99', numeric: true, hint: 'How late iterations began: throng’s own fault', text: (row) => time(of(row)?.lateness_p99_ms) },
    { title: 'memory', numeric: true, text: (row) => bytes(of(row)?.memory_bytes) },
  ];
}

/** Shows the page. */
export function agentsPage(place) {
  const problem = h('p', { class: 'trouble', role: 'alert', hidden: true });
  const agents = table({
    caption: 'Agents',
    empty: 'No agent is connected. Start one on each host that is to make load: throng agent --controller … --join-file token',
    columns: [
      { title: 'name', head: true, text: (row) => row.name },
      { title: 'host', text: (row) => row.host },
      { title: 'version', text: (row) => row.version },
      { title: 'cores', numeric: true, text: (row) => count(row.cores) },
      { title: 'workers', numeric: true, hint: 'Threads that make load', text: (row) => count(row.workers) },
      { title: 'in run', paint: paintRun },
      { title: 'heard', numeric: true, text: (row) => ago(row.heard_ms_ago) },
      { title: 'round trip', numeric: true, text: (row) => time(row.rtt_ms || null) },
      { title: 'clock offset', numeric: true, hint: 'Controller time less agent time', text: (row) => time(row.offset_ms) },
      ...healthColumns((row) => row.health),
      { title: 'labels', wide: true, text: (row) => Object.entries(row.labels ?? {}).map(([key, value]) => `${key}=${value}`).join(' ') },
    ],
  });
  const summary = h('p', { class: 'dim' });
  place.append(h('h1', {}, 'Agents'), problem, h('section', { class: 'panel' }, summary, agents.element));
  return poll('/api/agents', (rows) => {
    problem.hidden = true;
    const cores = rows.reduce((sum, row) => sum + (row.cores ?? 0), 0);
    say(summary, rows.length === 0 ? '' : `${count(rows.length)} ${rows.length === 1 ? 'agent' : 'agents'}, ${count(cores)} ${cores === 1 ? 'core' : 'cores'}`);
    agents.update(rows);
  }, (error) => {
    say(problem, error.message);
    problem.hidden = false;
  });
}

function paintRun(cell, row) {
  const link = cell.firstElementChild;
  if (!row.run) {
    if (cell.textContent !== 'idle') cell.replaceChildren('idle');
  } else if (link?.textContent !== row.run) {
    cell.replaceChildren(h('a', { href: `#/runs/${encodeURIComponent(row.run)}` }, row.run));
  }
}
