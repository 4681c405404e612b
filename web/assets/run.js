// One run: live while it goes on, and its end. The same page serves both, for a run is a run.
import { get } from './api.js';
import { h, mark, pill, say } from './dom.js';
import { clock, day, span } from './format.js';
import { again, empty, take } from './model.js';
import { controls } from './controls.js';
import { ended } from './over.js';
import { runCharts } from './runcharts.js';
import { follow } from './stream.js';
import { agentsPart, happened, logPart, problemsPart, scenariosPart, stepsPart } from './tables.js';
import { tiles } from './tiles.js';
import { CHANGEABLE, STATES, ending } from './words.js';

/** Shows the page of a run. */
export function runPage(place, id) {
  let run = empty();
  let drawn = 0;
  let lost = false;
  const head = header(id);
  const line = connection();
  const buttons = controls(id);
  const end = h('div', { class: 'end' });
  const [figures, charts] = [tiles(), runCharts()];
  const parts = [scenariosPart(), stepsPart(), agentsPart(), happened(), problemsPart(), logPart()];
  const live = h('div', { class: 'during' }, figures.element, charts.element, h('div', { class: 'tables' }, parts.map(({ element }) => element)));
  const waiting = h('p', { class: 'nothing' }, 'Nothing was measured yet.');
  place.append(head.element, line.element, buttons.element, end, waiting, live);
  live.hidden = true;

  // Several events come at once; the page is drawn once for all of them.
  const draw = () => {
    drawn = 0;
    head.update(run);
    buttons.update(run);
    const something = run.view !== null || run.points.length > 0 || run.over !== null || run.log.length > 0;
    live.hidden = !something;
    waiting.hidden = something;
    figures.update(run);
    charts.element.hidden = run.points.length === 0;
    charts.update(run);
    for (const part of parts) part.update(run);
    if (run.over && !end.firstElementChild) end.append(ended(id, run.over));
  };
  const soon = () => {
    // A hidden page draws nothing, but must not forget to draw what came meanwhile.
    if (!drawn) drawn = document.hidden ? setTimeout(draw, 1000) : requestAnimationFrame(draw);
  };
  // What it is called stands in the list of runs alone, until its report is there.
  const abort = new AbortController();
  get('/api/runs', abort.signal).then((runs) => head.name(runs.find((one) => one.run === id)?.name), () => {});
  const stop = follow(id, (event, data) => {
    if (lost) {
      run = again(run);
      lost = false;
    }
    run = take(run, event, data);
    soon();
  }, (state, text) => {
    if (state === 'lost') lost = true;
    line.update(state, text);
    buttons.connected(state === 'open');
  });
  return () => {
    stop();
    abort.abort();
    cancelAnimationFrame(drawn);
    clearTimeout(drawn);
    charts.close();
    buttons.close();
  };
}

/** The name, the state, and how far it is. */
function header(id) {
  const name = h('h1', {}, id);
  const state = h('span', { class: 'pill quiet', role: 'status' }, '…');
  const text = h('span', { class: 'dim' });
  const bar = h('progress', { max: '1', value: '0', 'aria-label': 'Progress of the run' });
  const at = h('span', { class: 'clock' });
  const progress = h('div', { class: 'progress' }, bar, at);
  const element = h('div', { class: 'runhead' }, h('div', { class: 'headline' }, name, state, text), h('p', { class: 'below' }, id), progress);
  const call = (text) => {
    if (!text) return;
    say(name, text);
    document.title = `${text} · throng`;
  };
  return {
    element,
    name: call,
    update({ state: told, view, over }) {
      const facts = over?.report?.run;
      call(facts?.name);
      if (over) {
        const { text: words, tone } = ending(over.exit_code);
        pill(state, words, tone);
        say(text, facts ? `${day(facts.started_unix_ms)}, ${span(facts.load_ms)}` : '');
        progress.hidden = true;
        return;
      }
      const known = STATES[told?.state] ?? { text: told?.state ?? 'connecting', tone: 'busy' };
      const paused = view?.paused && told?.state === CHANGEABLE;
      pill(state, paused ? 'paused' : known.text, paused ? 'warn' : known.tone);
      // The state's own sentence, unless it only repeats its name.
      say(text, told?.state === CHANGEABLE ? '' : told?.text);
      progress.hidden = !view || !(view.length_ms > 0);
      if (view) {
        mark(bar, 'value', Math.min(1, Math.max(0, view.run_ms / view.length_ms || 0)).toFixed(4));
        say(at, `${clock(view.run_ms)} of ${clock(view.length_ms)}`);
      }
    },
  };
}

/** How the connection is; silent while it is well. */
function connection() {
  const element = h('p', { class: 'trouble', role: 'alert', hidden: true });
  return {
    element,
    update(state, text) {
      const trouble = state === 'lost' || state === 'refused';
      element.hidden = !trouble;
      say(element, !trouble ? '' : state === 'lost' ? `Connection lost: what you see stands still. ${text}` : text);
    },
  };
}
