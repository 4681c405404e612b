// Asks for something every two seconds, and not while nobody looks.
import { get } from './api.js';

const EVERY = 2000;

/** Calls `heard` with each answer, `failed` with each error; gives a function that ends it. */
export function poll(path, heard, failed) {
  const abort = new AbortController();
  let timer = 0;
  const turn = async () => {
    clearTimeout(timer);
    if (!document.hidden) {
      try {
        const answer = await get(path, abort.signal);
        if (!abort.signal.aborted) heard(answer);
      } catch (error) {
        if (!abort.signal.aborted) failed(error);
      }
    }
    clearTimeout(timer);
    if (!abort.signal.aborted) timer = setTimeout(turn, EVERY);
  };
  const seen = () => {
    if (!document.hidden) turn();
  };
  document.addEventListener('visibilitychange', seen);
  turn();
  return () => {
    abort.abort();
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', seen);
  };
}
