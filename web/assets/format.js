// Figures for people. Pure.

const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const PERCENT = new Intl.NumberFormat('en', { maximumFractionDigits: 2 });
const PRECISE = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const THREE = new Intl.NumberFormat('en', { maximumSignificantDigits: 3, minimumSignificantDigits: 3 });

/** Stands where there is no figure. */
export const NONE = '–';

const known = (value) => typeof value === 'number' && Number.isFinite(value);

/** A count: 12,345. */
export function count(value) {
  return known(value) ? WHOLE.format(value) : NONE;
}

/** A figure with about three digits: 0.25, 27.5, 1,230. */
export function figure(value) {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 100) return WHOLE.format(value);
  return PRECISE.format(value);
}

/** Something per second. */
export function rate(value) {
  return known(value) ? `${figure(value)}/s` : NONE;
}

/** A share (0 to 1) in percent. */
export function percent(value) {
  if (!known(value)) return NONE;
  const hundredths = value * 100;
  if (hundredths === 0) return '0 %';
  return `${Math.abs(hundredths) >= 99.95 ? WHOLE.format(hundredths) : PERCENT.format(hundredths)} %`;
}

/** A measured time, given in milliseconds, to three digits: 420 µs, 12.0 ms, 1.37 s, 2m 05s. */
export function time(ms) {
  return timeWith(ms, THREE);
}

/** The same without zeros at its end, for an axis: 500 ms, 1 s, 1.5 s. */
export function timeTick(ms) {
  return timeWith(ms, PRECISE);
}

function timeWith(ms, digits) {
  if (!known(ms)) return NONE;
  const size = Math.abs(ms);
  if (size === 0) return '0 ms';
  if (size < 0.9995) return `${digits.format(ms * 1000)} µs`;
  if (size < 999.5) return `${digits.format(ms)} ms`;
  if (size < 59950) return `${digits.format(ms / 1000)} s`;
  return span(ms);
}

/** A length of time, given in milliseconds: 18 s, 2m 05s, 1h 02m. */
export function span(ms) {
  if (!known(ms)) return NONE;
  const seconds = Math.round(Math.abs(ms) / 1000);
  const sign = ms < 0 && seconds > 0 ? '−' : '';
  const two = (value) => String(value).padStart(2, '0');
  if (seconds < 60) return `${sign}${seconds} s`;
  if (seconds < 3600) return `${sign}${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  return `${sign}${Math.floor(seconds / 3600)}h ${two(Math.floor((seconds % 3600) / 60))}m`;
}

/** A run time, given in milliseconds since T0: 0:07, 12:30, 1:02:03. */
export function clock(ms) {
  if (!known(ms)) return NONE;
  const seconds = Math.floor(Math.abs(ms) / 1000 + 1e-6);
  const two = (value) => String(value).padStart(2, '0');
  const sign = ms < 0 && seconds > 0 ? '−' : '';
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${sign}${minutes}:${two(seconds % 60)}`;
  return `${sign}${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`;
}

/** How long ago something was, given in milliseconds: 0.2 s ago. */
export function ago(ms) {
  return known(ms) ? `${ms < 59_950 ? `${(ms / 1000).toFixed(1)} s` : span(ms)} ago` : NONE;
}

/** Bytes: 512 B, 2.05 MB. */
export function bytes(value) {
  if (!known(value)) return NONE;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let size = value;
  while (Math.abs(size) >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? WHOLE.format(size) : PRECISE.format(size)} ${units[unit]}`;
}

/** A wall time, given in milliseconds since 1970, in the reader's own zone: 2026-11-23 09:36. */
export function day(ms) {
  if (!known(ms) || ms <= 0) return NONE;
  const date = new Date(ms);
  const two = (value) => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** How much `b` is more than `a`, with its sign; empty when `a` is nothing. */
export function change(a, b) {
  if (!known(a) || !known(b) || (a === 0 && b !== 0)) return NONE;
  if (a === b) return '±0 %';
  const share = ((b - a) / Math.abs(a)) * 100;
  if (Math.abs(share) < 0.05) return '±0 %';
  return `${share > 0 ? '+' : '−'}${figure(Math.abs(Number(share.toFixed(1))))} %`;
}

/** A text of at most so many characters. */
export function short(text, most) {
  const characters = [...String(text)];
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : characters.join('');
}
