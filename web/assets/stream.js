// Follows a run's events. Reconnects with backoff until the run is over; says plainly when the connection is lost.
import { Refused, open, runPath } from './api.js';

/** First and longest wait before the next attempt, in milliseconds. */
const SOONEST = 500;
const LATEST = 15_000;
/** The controller says something at least every 15 s; a connection that is silent for longer than this is dead. */
const SILENCE = 40_000;

/**
 * Takes pieces of a `text/event-stream` and gives whole events: `{event, data}`. Pure but for what it keeps of an unfinished line.
 */
export function parser() {
  let rest = '';
  let event = '';
  let data = [];
  return (piece) => {
    const found = [];
    rest += piece;
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) found.push({ event: event || 'message', data: data.join('\n') });
        event = '';
        data = [];
      } else if (!line.startsWith(':')) {
        const colon = line.indexOf(':');
        const name = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (name === 'event') event = value;
        if (name === 'data') data.push(value);
      }
    }
    return found;
  };
}

/** How long to wait before attempt `attempt` (from 0), with `random` from 0 to 1 so that not all pages come back at once. */
export function backoff(attempt, random) {
  return Math.min(LATEST, SOONEST * 2 ** Math.min(attempt, 10)) * (0.5 + random / 2);
}

/**
 * Follows a run until it is over or the returned function is called.
 * `heard(event, data)` is told each event; `link(state, text)` is told how the connection is: `open`, `lost`, `refused`, `closed`.
 */
export function follow(run, heard, link) {
  let stopped = false;
  let attempt = 0;
  let timer = 0;
  let abort = null;

  const later = (why) => {
    if (stopped) return;
    const wait = backoff(attempt, Math.random());
    attempt += 1;
    link('lost', `${why} Trying again in ${Math.max(1, Math.round(wait / 1000))} s.`);
    timer = setTimeout(connect, wait);
  };

  async function connect() {
    abort = new AbortController();
    const { signal } = abort;
    let watchdog = 0;
    const alive = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), SILENCE);
    };
    try {
      alive();
      const body = await open(runPath(run, '/events'), signal);
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      const parse = parser();
      link('open', '');
      for (;;) {
        const { done, value } = await reader.read();
        if (done || stopped) break;
        alive();
        attempt = 0;
        for (const { event, data } of parse(value)) {
          heard(event, JSON.parse(data));
          if (event === 'over') {
            stopped = true;
            link('closed', '');
          }
        }
      }
      if (!stopped) later('The connection ended.');
    } catch (error) {
      if (stopped) return;
      // 401 and 404 do not get better by themselves.
      if (error instanceof Refused && error.status >= 400 && error.status < 500 && error.status !== 429) {
        stopped = true;
        link('refused', error.message);
      } else {
        later(error instanceof Refused && error.status !== 0 ? error.message : 'The connection to the controller is lost.');
      }
    } finally {
      clearTimeout(watchdog);
    }
  }

  connect();
  return () => {
    stopped = true;
    clearTimeout(timer);
    abort?.abort();
  };
}
