// The form that starts a scenario. What is wrong is said at the field it belongs to, and the diagnostics below the scenario itself.
import { get, post } from './api.js';
import { field, fill, h, say } from './dom.js';
import { count } from './format.js';

/** Longest scenario that can be given here, in bytes. */
const LARGEST = 1 << 20;

/** What an empty field shows. */
const EXAMPLE = `scenarios:
  shop:
    executor: ramping-vus
    stages: [{ duration: 10s, target: 50 }, { duration: 1m, target: 50 }, { duration: 10s, target: 0 }]
thresholds:
  http_req_duration: ["p(95)<800"]
flows:
  default:
    - get: /products
      checks: { Products listed: { status: 200 } }
    - sleep: [1s, 3s]`;

/** Variables, one `NAME=value` a line; `{env}` or `{wrong}`. Pure. */
export function variables(text) {
  const env = {};
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const at = line.indexOf('=');
    const name = line.slice(0, at).trim();
    if (at < 0 || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return { wrong: `Line ${index + 1}: write NAME=value, as in VUS=50.` };
    env[name] = line.slice(at + 1).trim();
  }
  return { env };
}

/** What is wrong with a base URL; empty if nothing. Pure. */
export function urlTrouble(text) {
  if (text === '') return '';
  try {
    const url = new URL(text);
    if (url.protocol === 'http:' || url.protocol === 'https:') return '';
  } catch {
    // Said below.
  }
  return 'A URL with its scheme, such as http://shop.test:8080.';
}

/** The places that diagnostics name: `{line, column, text}`. Pure. */
export function places(diagnostics) {
  const lines = diagnostics.split('\n');
  return lines.flatMap((line, index) => {
    const found = /-->\s.*?:(\d+):(\d+)\s*$/.exec(line);
    return found ? [{ line: Number(found[1]), column: Number(found[2]), text: (lines[index - 1] ?? '').replace(/^(error|warning): /, '') }] : [];
  });
}

/** Puts the cursor where a line and column are. */
function goTo(area, line, column) {
  const before = area.value.split('\n').slice(0, line - 1);
  const from = before.reduce((sum, one) => sum + one.length + 1, 0);
  const end = area.value.indexOf('\n', from);
  area.focus();
  area.setSelectionRange(Math.min(from + column - 1, area.value.length), end < 0 ? area.value.length : end);
  area.scrollTop = Math.max(0, (line - 4) * (area.scrollHeight / Math.max(1, area.value.split('\n').length)));
}

/** Shows the page. */
export function startPage(place) {
  let open = true;
  const built = field('Begin with', h('select', {}, h('option', { value: '' }, 'an empty scenario')), 'A built-in scenario to start from; change it below as you like.');
  const upload = field('or a file', h('input', { type: 'file', accept: '.yaml,.yml,text/yaml' }));
  const name = field('Name', h('input', { type: 'text', required: true, value: 'scenario.yaml', autocomplete: 'off', spellcheck: 'false' }));
  const source = field('Scenario (YAML)', h('textarea', { rows: '22', spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', wrap: 'off', class: 'code', placeholder: EXAMPLE }));
  const where = h('p', { class: 'hint', 'aria-hidden': 'true' });
  const jumps = h('ul', { class: 'jumps' });
  const diagnostics = h('pre', { class: 'diagnostics', tabindex: '0', 'aria-label': 'What is wrong with the scenario' });
  const refused = h('div', { class: 'refused', role: 'alert', hidden: true }, h('h3', {}, 'It was not started'), jumps, diagnostics);
  const base = field('Base URL', h('input', { type: 'url', inputmode: 'url', autocomplete: 'url', spellcheck: 'false', placeholder: 'http://localhost:8080' }), 'In place of the scenario’s own; empty: as it says.');
  const agents = field('Agents', h('input', { type: 'number', min: '1', step: '1', value: '1', inputmode: 'numeric' }));
  const there = h('p', { class: 'hint' });
  agents.control.after(there);
  const env = field('Variables', h('textarea', { rows: '3', spellcheck: 'false', class: 'code', autocapitalize: 'off', placeholder: 'VUS=50' }), 'One NAME=value a line, for what the scenario writes as ${NAME}.');
  const button = h('button', { class: 'main' }, 'Start the run');
  const form = h('form', { class: 'panel start', novalidate: true },
    h('div', { class: 'columns' }, built.element, upload.element, name.element),
    source.element, where, refused,
    h('div', { class: 'columns' }, base.element, agents.element, env.element),
    h('div', { class: 'actions' }, button));
  place.append(h('h1', {}, 'Start a run'), form);

  const clear = () => {
    refused.hidden = true;
    for (const one of [upload, name, source, base, agents, env]) one.complain('');
  };
  const put = (title, text) => {
    name.control.value = title;
    source.control.value = text;
    clear();
  };
  let known = [];
  get('/api/scenarios').then((scenarios) => {
    if (!open) return;
    known = scenarios;
    built.control.append(...scenarios.map((one) => h('option', { value: one.name }, one.name)));
  }, (error) => built.complain(error.message));
  get('/api/agents').then((all) => {
    const idle = all.filter((one) => !one.run).length;
    say(there, `${count(all.length)} connected, ${count(idle)} idle`);
    if (idle > 0) agents.control.value = String(idle);
  }, (error) => agents.complain(error.message));
  built.control.addEventListener('change', () => {
    const one = known.find((scenario) => scenario.name === built.control.value);
    put(one?.name ?? 'scenario.yaml', one?.source ?? '');
  });
  upload.control.addEventListener('change', async () => {
    const file = upload.control.files[0];
    if (!file) return;
    if (file.size > LARGEST) upload.complain('This file is larger than 1 MiB. Start it with: throng run FILE --controller …');
    else put(file.name, await file.text());
  });
  const tellPlace = () => {
    const before = source.control.value.slice(0, source.control.selectionStart).split('\n');
    say(where, `line ${before.length}, column ${before.at(-1).length + 1}`);
  };
  for (const event of ['keyup', 'click', 'focus']) source.control.addEventListener(event, tellPlace);

  /** Complains about every field at once; gives what to send, or null. */
  const check = () => {
    clear();
    const { env: values, wrong } = variables(env.control.value);
    const number = Number(agents.control.value);
    const faults = [
      [name, name.control.value.trim() ? '' : 'Give it a name; it is listed by it.'],
      [source, source.control.value.trim() ? '' : 'Pick a built-in scenario, choose a file, or write one here.'],
      [base, urlTrouble(base.control.value.trim())],
      [agents, Number.isInteger(number) && number >= 1 ? '' : 'A whole number, at least 1.'],
      [env, wrong ?? ''],
    ].filter(([, text]) => text);
    for (const [one, text] of faults) one.complain(text);
    faults[0]?.[0].control.focus();
    return faults.length > 0 ? null
      : { name: name.control.value.trim(), source: source.control.value, base_url: base.control.value.trim() || null, env: values, expect_agents: number };
  };
  const refuse = (error) => {
    const found = error.status === 422 ? places(error.message) : [];
    fill(jumps, found, () => h('li', {}, h('button', { type: 'button', class: 'link' })), (item, one) => {
      say(item.firstElementChild, `Line ${one.line}: ${one.text}`);
      item.firstElementChild.onclick = () => goTo(source.control, one.line, one.column);
    });
    say(diagnostics, error.message);
    refused.hidden = false;
    if (error.status === 422) source.control.setAttribute('aria-invalid', 'true');
    refused.scrollIntoView({ block: 'nearest' });
  };
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const body = check();
    if (!body) return;
    button.disabled = true;
    try {
      const { run } = await post('/api/runs', body);
      if (open) location.hash = `#/runs/${encodeURIComponent(run)}`;
    } catch (error) {
      if (open) refuse(error);
    } finally {
      button.disabled = false;
    }
  });
  return () => {
    open = false;
  };
}
