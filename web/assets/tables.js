// The parts of a run's page that are lists: scenarios, steps, agents, what happened, errors, the log.
import { healthColumns } from './agents.js';
import { kindOf } from './chart.js';
import { fill, h, mark, pill, say, section, table } from './dom.js';
import { ago, clock, count, percent, rate, time } from './format.js';
import { isOpen } from './model.js';
import { STANDINGS } from './words.js';

/** How far a scenario is, 0 to 1. */
export function done(scenario, runMs) {
  if (scenario.of > 0) return Math.min(1, scenario.completed / scenario.of);
  const length = scenario.ends_ms - scenario.begins_ms;
  return length > 0 ? Math.min(1, Math.max(0, (runMs - scenario.begins_ms) / length)) : 0;
}

/** Where a scenario is, in words. */
export function where(scenario, runMs) {
  if (scenario.stage === 0) return `begins at ${clock(scenario.begins_ms)}`;
  if (scenario.stage > scenario.stages) return 'its stages are over';
  if (scenario.of > 0) return `${count(scenario.completed)} of ${count(scenario.of)} iterations`;
  return scenario.stages > 1 ? `stage ${scenario.stage} of ${scenario.stages}` : `${clock(runMs - scenario.begins_ms)} of ${clock(scenario.ends_ms - scenario.begins_ms)}`;
}

/** What a scenario carries now, in words. */
function carries(scenario) {
  if (isOpen(scenario)) return `${rate(scenario.rate)} begun, ${rate(scenario.rate_planned)} due; ${count(scenario.vus)} VUs busy`;
  return scenario.vus_planned > 0 ? `${count(scenario.vus)} VUs busy, ${count(scenario.vus_planned)} planned` : `${count(scenario.vus)} VUs busy`;
}

/** Scenarios and their stages. */
export function scenariosPart() {
  const list = h('ul', { class: 'scenarios' });
  const make = () => h('li', {},
    h('div', { class: 'headline' }, h('h3'), h('span', { class: 'dim' }), h('span', { class: 'where' })),
    h('progress', { max: '1', value: '0' }), h('p', { class: 'dim' }), h('p', { class: 'dim' }));
  const element = section('Scenarios', list);
  return {
    element,
    update({ view, over }) {
      const scenarios = view?.scenarios ?? [];
      element.hidden = scenarios.length === 0;
      fill(list, scenarios, make, (item, one) => {
        const [head, bar, now, sums] = item.children;
        say(head.children[0], one.name);
        say(head.children[1], one.exec && one.exec !== 'default' ? `${one.executor}, flow ${one.exec}` : one.executor);
        say(head.children[2], over ? '' : where(one, view.run_ms));
        mark(bar, 'value', over ? 1 : done(one, view.run_ms).toFixed(4));
        mark(bar, 'aria-label', `Progress of ${one.name}`);
        say(now, over ? '' : carries(one));
        const rest = ['interrupted', 'dropped', 'expired'].filter((name) => one[name] > 0).map((name) => `, ${count(one[name])} ${name}`).join('');
        say(sums, `${count(one.begun)} iterations begun, ${count(one.completed)} completed${rest}`);
      });
    },
  };
}

/** Steps, by their name. */
export function stepsPart() {
  const steps = table({
    caption: 'Steps',
    empty: 'No request yet.',
    columns: [
      { title: 'step', head: true, text: (row) => row.name },
      { title: 'requests', numeric: true, text: (row) => count(row.requests) },
      { title: 'failed', numeric: true, text: (row) => (row.failed > 0 ? `${count(row.failed)} (${percent(row.failed / row.requests)})` : '0') },
      ...['avg', 'p50', 'p90', 'p95', 'p99', 'max'].map((name) => ({ title: name, numeric: true, text: (row) => time(row[`${name}_ms`]) })),
    ],
  });
  const element = section('Steps', steps.element);
  return {
    element,
    update({ view }) {
      element.hidden = !view;
      steps.update(view?.steps ?? []);
    },
  };
}

/** The agents of a run as its report tells them, where no view was heard. */
function reported(report) {
  return (report?.agents ?? []).map((one) => ({
    ...one, standing: one.fate, vus: null, rate: report.run?.load_ms > 0 ? (one.requests * 1000) / report.run.load_ms : null, p95_ms: null,
  }));
}

/** The run's agents. */
export function agentsPart() {
  const agents = table({
    caption: 'Agents of this run',
    empty: 'No agent yet.',
    columns: [
      { title: 'agent', head: true, text: (row) => row.name },
      {
        title: 'standing',
        paint: (cell, row) => {
          if (!cell.firstElementChild) cell.append(h('span'));
          pill(cell.firstElementChild, row.standing ?? '', STANDINGS[row.standing] ?? 'quiet');
        },
      },
      { title: 'share', numeric: true, text: (row) => percent(row.share) },
      { title: 'VUs', numeric: true, text: (row) => count(row.vus) },
      { title: 'requests', numeric: true, text: (row) => count(row.requests) },
      { title: 'rate', numeric: true, text: (row) => rate(row.rate) },
      { title: 'p95', numeric: true, hint: 'Over the run', text: (row) => time(row.p95_ms || null) },
      ...healthColumns((row) => row.health),
      { title: 'round trip', numeric: true, text: (row) => time(row.rtt_ms || null) },
      { title: 'heard', numeric: true, text: (row) => ago(row.heard_ms_ago) },
    ],
  });
  return {
    element: section('Agents', agents.element),
    update({ view, over }) {
      agents.update(view?.agents ?? reported(over?.report));
    },
  };
}

/** Marks, newest last: stages, changes, losses, notes. */
export function happened() {
  const list = h('ol', { class: 'happened' });
  const nothing = h('p', { class: 'nothing' }, 'Nothing so far.');
  const make = () => h('li', {}, h('span', { class: 'clock' }), h('span', { class: 'kind' }), h('span', { class: 'what' }));
  return {
    element: section('What happened', list, nothing),
    update({ view }) {
      const marks = view?.marks ?? [];
      nothing.hidden = marks.length > 0;
      fill(list, marks, make, (item, one) => {
        say(item.children[0], clock(one.run_ms));
        say(item.children[1], one.kind);
        mark(item.children[1], 'class', `kind ${kindOf(one).colour}`);
        say(item.children[2], one.who ? `${one.text} (${one.who})` : one.text);
      });
    },
  };
}

/** Errors by kind. */
export function problemsPart() {
  const problems = table({
    caption: 'Errors by kind',
    empty: 'None.',
    columns: [
      { title: 'kind', head: true, text: (row) => row.kind },
      { title: 'count', numeric: true, text: (row) => count(row.count) },
      { title: 'for example', wide: true, text: (row) => row.sample ?? (row.samples ?? []).join(' · ') },
    ],
  });
  return {
    element: section('Errors', problems.element),
    update({ view, over }) {
      problems.update(view?.problems ?? over?.report?.errors ?? []);
    },
  };
}

/** Messages of agents and scenarios. */
export function logPart() {
  const list = h('ol', { class: 'log' });
  const make = () => h('li', {}, h('span', { class: 'level' }), h('span', { class: 'what' }), h('span', { class: 'dim' }));
  const element = section('Log', h('div', { class: 'scroller', role: 'region', 'aria-label': 'Log', tabindex: '0' }, list));
  return {
    element,
    update({ log }) {
      element.hidden = log.length === 0;
      fill(list, log, make, (item, one) => {
        say(item.children[0], one.level);
        mark(item.children[0], 'class', `level ${one.level}`);
        say(item.children[1], one.text);
        say(item.children[2], one.count > 1 ? `× ${count(one.count)}` : '');
      });
    },
  };
}
