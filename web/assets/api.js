// The controller's HTTP API: requests, and what becomes of those that fail. The rest of the page never calls fetch.

/** A request that was refused, or that nobody answered (status 0). The message says what, and what to try. */
export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Who we are to the controller: `signed_in`, `who`, `login`, `csrf`, `version`. */
export let session = { signed_in: false, login: false, csrf: '', who: '', version: '' };

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { credentials: 'same-origin', cache: 'no-store', ...options });
  } catch {
    throw new Refused('The controller does not answer. Is it still running?', 0);
  }
  if (answer.ok) return answer;
  let message = `The controller answered ${answer.status}.`;
  try {
    message = (await answer.json()).error || message;
  } catch {
    // Not one of the controller's own answers: its status has to do.
  }
  if (answer.status === 401 && path !== '/api/login') dispatchEvent(new Event('throng-signed-out'));
  throw new Refused(message, answer.status);
}

/** A JSON document. */
export async function get(path, signal) {
  return (await ask(path, { signal })).json();
}

/** The body of an event stream, to be read piece by piece. */
export async function open(path, signal) {
  return (await ask(path, { signal, headers: { Accept: 'text/event-stream' } })).body;
}

/** Sends JSON, with the proof that it comes from this page; answers with JSON. */
export async function post(path, body) {
  const proof = session.csrf;
  const send = () => ask(path, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Throng-CSRF': session.csrf },
    body: JSON.stringify(body ?? {}),
  });
  const answer = await send().catch(async (error) => {
    // A controller that was started again has another proof.
    if (error.status !== 403 || (await refresh()).csrf === proof) throw error;
    return send();
  });
  const text = await answer.text();
  return text ? JSON.parse(text) : {};
}

/** Asks who we are. */
export async function refresh() {
  session = await get('/api/session');
  return session;
}

/** Signs in with an operator token, under a name if one is given. */
export async function login(token, name) {
  session = await post('/api/login', name ? { token, name } : { token });
  return session;
}

/** Signs out. */
export async function logout() {
  await post('/api/logout');
  return refresh();
}

/** The path of a run, or of something below it. */
export function runPath(run, rest = '') {
  return `/api/runs/${encodeURIComponent(run)}${rest}`;
}
