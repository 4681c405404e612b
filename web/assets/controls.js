// What can be done to a run that goes on: pause, resume, scale, note, stop.
import { post, runPath } from './api.js';
import { field, h, mark, say } from './dom.js';
import { clock } from './format.js';
import { isOpen } from './model.js';
import { notice } from './notice.js';
import { CHANGEABLE } from './words.js';

/** A pause ends the run when it takes longer than this, in milliseconds. */
const PAUSE_MS = 3_600_000;

/** A dialog around a form. `send()` gives a promise; it closes when that is kept, and says what went wrong when it is not. */
function dialog(title, verb, fields, send, tone) {
  const wrong = h('p', { class: 'wrong', role: 'alert', hidden: true });
  const yes = h('button', { class: tone ?? 'main' }, verb);
  const no = h('button', { type: 'button', on: { click: () => element.close() } }, 'Cancel');
  const form = h('form', { novalidate: true }, h('h2', { id: 'dialog-title' }, title), fields, wrong, h('div', { class: 'actions' }, no, yes));
  const element = h('dialog', { 'aria-labelledby': 'dialog-title' }, form);
  element.addEventListener('close', () => element.remove());
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const wanted = send();
    if (!wanted) return;
    yes.disabled = true;
    try {
      const { text } = await wanted;
      element.close();
      notice(text || 'Done.');
    } catch (error) {
      say(wrong, error.message);
      wrong.hidden = false;
      yes.disabled = false;
    }
  });
  document.body.append(element);
  element.showModal();
}

/** A choice of one among several. */
function choice(name, legend, options) {
  const radios = options.map(([value, text], index) => {
    const input = h('input', { type: 'radio', name, value });
    input.checked = index === 0;
    return h('label', { class: 'check' }, input, ` ${text}`);
  });
  const element = h('fieldset', {}, h('legend', {}, legend), radios);
  return { element, value: () => element.querySelector('input:checked').value };
}

function stopDialog(id) {
  const how = choice('mode', 'How?', [
    ['graceful', 'Gracefully: begin nothing new, let iterations finish'],
    ['interrupt', 'At once: cut iterations now'],
  ]);
  dialog('Stop this run?', 'Stop the run', how.element, () => post(runPath(id, '/stop'), { mode: how.value() }).then((answer) => ({ text: answer.text || 'The run is told to stop.' })), 'danger');
}

function noteDialog(id, at) {
  const text = field('Note', h('input', { type: 'text', maxlength: '200', autocomplete: 'off' }), 'It stands in every chart, in the report and with everybody who watches.');
  dialog(at === null ? 'Note this moment' : `Note this moment (${clock(at)})`, 'Note', text.element, () => {
    const value = text.control.value.trim();
    text.complain(value ? '' : 'Write what there is to note.');
    if (!value) text.control.focus();
    return value ? post(runPath(id, '/annotate'), { text: value }) : null;
  });
}

/** What a scale request says, or what is wrong with the figure. Pure. */
export function scaleBody(scenario, how, text) {
  const value = Number(text.trim().replace(',', '.'));
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) return { wrong: 'A number, 0 or more.' };
  if (how !== 'factor' && !Number.isInteger(value)) return { wrong: 'A whole number.' };
  return { body: { scenario, [how]: value } };
}

function scaleDialog(id, scenarios) {
  const which = h('select', {}, scenarios.length > 1 ? h('option', { value: '' }, 'all scenarios') : null,
    scenarios.map((one) => h('option', { value: one.name }, `${one.name} (${one.executor})`)));
  const how = h('select', {});
  const amount = field('To', h('input', { type: 'text', inputmode: 'decimal', value: '1', autocomplete: 'off' }));
  const hint = h('p', { class: 'hint' });
  const offer = () => {
    const one = scenarios.find(({ name }) => name === which.value);
    // VUs are what a closed executor is given, a rate what an open one is; all at once can only be multiplied.
    const kinds = [['factor', 'factor of the plan'], ...(one ? [isOpen(one) ? ['rate', 'arrivals per time unit'] : ['vus', 'virtual users']] : [])];
    const before = how.value;
    how.replaceChildren(...kinds.map(([value, text]) => h('option', { value }, text)));
    if (kinds.some(([value]) => value === before)) how.value = before;
    explain();
  };
  const explain = () => say(hint, how.value === 'factor' ? '1 is the plan, 1.5 half as much again, 0.5 half of it.' : 'From then on to the end, whatever the plan says.');
  which.addEventListener('change', offer);
  how.addEventListener('change', () => {
    const one = scenarios.find(({ name }) => name === which.value);
    amount.control.value = { factor: '1', vus: String(one?.vus_planned ?? ''), rate: String(Math.round(one?.rate_planned ?? 0)) }[how.value];
    explain();
  });
  offer();
  const fields = [field('Which', which).element, field('By', how).element, amount.element, hint];
  dialog('Scale the load', 'Scale', fields, () => {
    const { body, wrong } = scaleBody(which.value, how.value, amount.control.value);
    amount.complain(wrong ?? '');
    if (wrong) amount.control.focus();
    return body ? post(runPath(id, '/scale'), body) : null;
  });
  amount.control.focus();
  amount.control.select();
}

/** The buttons of a run: `{element, update(run), connected(bool), close()}`. */
export function controls(id) {
  let run = null;
  let online = false;
  const act = async (button, path, body) => {
    button.disabled = true;
    try {
      const { text } = await post(runPath(id, path), body);
      notice(text || 'Done.');
    } catch (error) {
      notice(error.message, 'bad');
    }
    button.disabled = false;
  };
  const button = (key, text, click, tone) => h('button', { type: 'button', class: tone, data: { key }, 'aria-keyshortcuts': key, on: { click } }, text);
  const pause = button('p', 'Pause', () => (run?.view?.paused ? act(pause, '/resume', {}) : act(pause, '/pause', { max_ms: PAUSE_MS })));
  const scale = button('x', 'Scale…', () => scaleDialog(id, run?.view?.scenarios ?? []));
  const note = button('m', 'Note…', () => noteDialog(id, run?.view?.run_ms ?? null));
  const stop = button('s', 'Stop…', () => stopDialog(id), 'danger');
  const element = h('div', { class: 'controls', role: 'group', 'aria-label': 'Change this run' }, pause, scale, note, stop);
  const update = () => {
    const over = !run || run.over !== null;
    const load = !over && online && run.state?.state === CHANGEABLE;
    element.hidden = over;
    say(pause, run?.view?.paused ? 'Resume' : 'Pause');
    for (const one of [pause, scale, note]) mark(one, 'disabled', !load || (one === scale && !run.view));
    mark(stop, 'disabled', !online);
  };
  update();
  return {
    element,
    update(newest) {
      run = newest;
      update();
    },
    connected(is) {
      online = is;
      update();
    },
    close() {
      for (const open of document.querySelectorAll('dialog[open]')) open.close();
    },
  };
}
