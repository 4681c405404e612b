// Keyboard shortcuts, and the dialog that lists them. Single keys can be switched off: they get in the way of speech input.
import { h } from './dom.js';

const KEYS = [
  ['?', 'This help'],
  ['r', 'Runs'],
  ['a', 'Agents'],
  ['n', 'Start a new run'],
  ['p', 'In a run: pause, or resume'],
  ['x', 'In a run: scale'],
  ['m', 'In a run: make a note (mark this moment)'],
  ['s', 'In a run: stop (asks once more)'],
  ['t', 'Theme: auto, light, dark'],
];

function enabled() {
  try {
    return localStorage.getItem('throng-keys') !== 'off';
  } catch {
    return true;
  }
}

/** Shows the help. */
export function openHelp() {
  const box = h('input', { type: 'checkbox', id: 'keys-on' });
  box.checked = enabled();
  box.addEventListener('change', () => {
    try {
      localStorage.setItem('throng-keys', box.checked ? 'on' : 'off');
    } catch {
      // Then they are on again the next time.
    }
  });
  const dialog = h('dialog', { 'aria-labelledby': 'help-title' },
    h('h2', { id: 'help-title' }, 'Keyboard'),
    h('dl', { class: 'keys' }, KEYS.map(([key, meaning]) => [h('dt', {}, h('kbd', {}, key)), h('dd', {}, meaning)]).flat()),
    h('label', { class: 'check' }, box, ' Use these single keys'),
    h('p', { class: 'hint' }, 'Tab reaches everything on this page; Escape closes what is open. Drag over a chart to see a part larger, double-click to see all of it again.'),
    h('form', { method: 'dialog', class: 'actions' }, h('button', { autofocus: true }, 'Close')));
  dialog.addEventListener('close', () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** Listens. What a run's page offers is found by its `data-key`. */
export function shortcuts() {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.repeat || !enabled()) return;
    if (event.target.closest?.('input, textarea, select, [contenteditable], dialog') || document.querySelector('dialog[open]')) return;
    const places = { r: '#/runs', a: '#/agents', n: '#/start' };
    if (event.key === '?') openHelp();
    else if (event.key === 't') document.getElementById('theme').click();
    else if (places[event.key]) location.hash = places[event.key];
    else {
      const button = /^[a-z]$/.test(event.key) ? document.querySelector(`[data-key="${event.key}"]`) : null;
      if (!button || button.disabled || button.hidden) return;
      button.click();
    }
    event.preventDefault();
  });
}
