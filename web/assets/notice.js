// Short notices at the edge of the page, read aloud by screen readers and gone after a while.
import { h } from './dom.js';

/** How long one stays, in milliseconds; what went wrong stays until it is closed. */
const STAYS = 7000;
const MOST = 3;

/** Shows a notice; `tone`: good or bad. */
export function notice(text, tone = 'good') {
  const place = document.getElementById('notices');
  const element = h('div', { class: `notice ${tone}` }, h('span', {}, text),
    h('button', { type: 'button', class: 'plain', 'aria-label': 'Close this notice', on: { click: () => element.remove() } }, '✕'));
  place.append(element);
  while (place.childElementCount > MOST) place.firstElementChild.remove();
  if (tone !== 'bad') setTimeout(() => element.remove(), STAYS);
}

/** Takes away what belongs to the page before. */
export function forget() {
  document.getElementById('notices').replaceChildren();
}
