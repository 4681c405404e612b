// Runs, past and present; two of them can be picked and laid over each other.
import { h, pill, say, table } from './dom.js';
import { count, day, span } from './format.js';
import { poll } from './poll.js';
import { ending, STATES } from './words.js';

/** Shows the page. */
export function runsPage(place) {
  let picked = [];
  const problem = h('p', { class: 'trouble', role: 'alert', hidden: true });
  const chosen = h('span', { class: 'dim', id: 'picked' });
  const compare = h('button', {
    type: 'button', 'aria-describedby': 'picked', on: { click: () => { location.hash = `#/compare/${picked.map(encodeURIComponent).join('/')}`; } },
  }, 'Compare');
  const tell = () => {
    compare.disabled = picked.length !== 2;
    say(chosen, picked.length === 2 ? 'Two runs are picked.' : `Pick ${picked.length === 1 ? 'one more' : 'two'} to lay over each other.`);
  };
  const pick = (run, on) => {
    picked = picked.filter((one) => one !== run);
    // A third one takes the place of the first.
    if (on) picked = [...picked, run].slice(-2);
    tell();
    refresh();
  };
  const runs = table({
    caption: 'Runs',
    empty: 'No run yet.',
    columns: [
      { title: 'pick', paint: (cell, row) => paintPick(cell, row, picked, pick) },
      { title: 'run', head: true, paint: paintName },
      { title: 'state', paint: paintState },
      { title: 'begun', text: (row) => day(row.started_unix_ms) },
      { title: 'length', numeric: true, text: (row) => span(row.duration_ms) },
      { title: 'agents', numeric: true, text: (row) => count(row.agents) },
    ],
  });
  let known = [];
  const refresh = () => runs.update(known);
  tell();
  place.append(
    h('div', { class: 'headline' }, h('h1', {}, 'Runs'), h('a', { class: 'button main', href: '#/start' }, 'Start a run')),
    problem,
    h('section', { class: 'panel' }, h('div', { class: 'toolbar' }, chosen, compare), runs.element),
  );
  return poll('/api/runs', (rows) => {
    problem.hidden = true;
    known = rows;
    picked = picked.filter((run) => rows.some((row) => row.run === run));
    tell();
    refresh();
  }, (error) => {
    say(problem, error.message);
    problem.hidden = false;
  });
}

function paintPick(cell, row, picked, pick) {
  let box = cell.firstElementChild;
  if (!box || box.dataset.run !== row.run) {
    box = h('input', { type: 'checkbox', data: { run: row.run }, 'aria-label': `Pick ${row.name}, ${row.run}` });
    box.addEventListener('change', () => pick(row.run, box.checked));
    cell.replaceChildren(box);
  }
  box.checked = picked.includes(row.run);
}

function paintName(cell, row) {
  if (cell.firstElementChild?.dataset.run === row.run) return;
  cell.replaceChildren(
    h('a', { href: `#/runs/${encodeURIComponent(row.run)}`, data: { run: row.run } }, row.name || row.run),
    h('span', { class: 'below' }, row.run),
  );
}

function paintState(cell, row) {
  if (!cell.firstElementChild) cell.append(h('span'));
  const over = row.exit_code !== null && row.exit_code !== undefined;
  const { text, tone } = over ? ending(row.exit_code) : STATES[row.state] ?? { text: row.state, tone: 'busy' };
  pill(cell.firstElementChild, text, tone);
}
