// Begins here: who we are, which page is wanted, and what is the same on all of them.
import * as api from './api.js';
import { h, say } from './dom.js';
import { openHelp, shortcuts } from './help.js';
import { forget, notice } from './notice.js';
import { agentsPage } from './agents.js';
import { comparePage } from './compare.js';
import { runPage } from './run.js';
import { runsPage } from './runs.js';
import { signInPage } from './signin.js';
import { startPage } from './start.js';

const main = document.getElementById('main');
let close = () => {};

/** The page that a hash names: `#/runs`, `#/runs/ID`, `#/compare/A/B`, `#/agents`, `#/start`. */
function route(hash) {
  const parts = hash.replace(/^#\/?/, '').split('/').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  const [page, one, two] = parts;
  if (page === 'runs' && one) return { page: 'runs', title: one, open: (place) => runPage(place, one) };
  if (page === 'compare' && one && two) return { page: 'runs', title: 'Two runs', open: (place) => comparePage(place, one, two) };
  if (page === 'agents') return { page, title: 'Agents', open: agentsPage };
  if (page === 'start') return { page, title: 'Start a run', open: startPage };
  return { page: 'runs', title: 'Runs', open: runsPage };
}

function show(focus) {
  close();
  main.replaceChildren();
  forget();
  const { signed_in: known, login } = api.session;
  document.getElementById('logout').hidden = !(login && known);
  const wanted = login && !known
    ? { page: '', title: 'Sign in', open: (place) => signInPage(place, () => show(true)) }
    : route(location.hash);
  for (const link of document.querySelectorAll('nav [data-page]')) {
    if (link.dataset.page === wanted.page) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${wanted.title} · throng`;
  close = wanted.open(main) ?? (() => {});
  scrollTo(0, 0);
  // A person who cannot see the page is told where they are.
  if (focus) main.focus({ preventScroll: true });
}

function theme() {
  const button = document.getElementById('theme');
  const name = () => say(button, `Theme: ${document.documentElement.dataset.themeChoice}`);
  button.addEventListener('click', () => {
    const order = ['auto', 'light', 'dark'];
    const next = order[(order.indexOf(document.documentElement.dataset.themeChoice) + 1) % order.length];
    dispatchEvent(new CustomEvent('throng-theme-choice', { detail: next }));
  });
  addEventListener('throng-theme', name);
  name();
}

async function begin() {
  theme();
  document.getElementById('help').addEventListener('click', openHelp);
  // A link to #main would leave the hash route.
  document.getElementById('skip').addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });
  document.getElementById('logout').addEventListener('click', async () => {
    try {
      await api.logout();
    } catch (error) {
      notice(error.message, 'bad');
    }
    show(true);
  });
  shortcuts();
  try {
    await api.refresh();
  } catch (error) {
    main.replaceChildren(h('section', { class: 'panel' }, h('h1', {}, 'throng'), h('p', { role: 'alert' }, error.message),
      h('button', { type: 'button', on: { click: () => location.reload() } }, 'Try again')));
    return;
  }
  addEventListener('hashchange', () => show(true));
  addEventListener('throng-signed-out', async () => {
    await api.refresh().catch(() => {});
    if (api.session.login && !api.session.signed_in) show(true);
  });
  show(false);
}

begin();
