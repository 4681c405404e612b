// The headline figures: now, and over the run.
import { fill, h, mark, say } from './dom.js';
import { bytes, count, figure, percent, rate, span, time } from './format.js';
import { failedShare, isOpen, whole } from './model.js';

/**
 * What the tiles say: `{title, big, small, tone}`. Pure. While load is made the big figure is the newest seconds'; once it is over there is
 * only the run.
 */
export function facts(run) {
  const all = whole(run);
  const live = run.over ? null : run.view?.now ?? null;
  const two = (title, of, tone, beside = '') => (live
    ? { title, big: of(live), small: `${of(all)} overall`, tone }
    : { title, big: of(all), small: run.over ? beside : 'overall', tone });
  const scenarios = run.view?.scenarios ?? [];
  const sum = (name) => scenarios.reduce((total, one) => total + (one[name] ?? 0), 0);
  const share = failedShare(live ?? all);
  const tiles = [
    two('request rate', (one) => rate(one.rate)),
    two('p50', (one) => time(one.requests > 0 ? one.p50_ms : null), '', `average ${time(all.avg_ms)}`),
    two('p95', (one) => time(one.requests > 0 ? one.p95_ms : null), '', `p90 ${time(all.p90_ms)}`),
    two('p99', (one) => time(one.requests > 0 ? one.p99_ms : null), '', `slowest ${time(all.max_ms)}`),
    two('failed', (one) => percent(failedShare(one)), share > 0 ? 'bad' : '', `${count(all.failed)} requests`),
  ];
  if (run.over) {
    tiles.push({ title: 'length', big: span(all.length_ms), small: 'of making load' });
  } else {
    // Open scenarios take VUs as they need them; only where all are closed is there a plan for the sum.
    const planned = scenarios.some((one) => isOpen(one)) ? 0 : sum('vus_planned');
    tiles.push({ title: 'virtual users', big: figure(sum('vus')), small: planned > 0 ? `busy, of ${figure(planned)}` : 'busy' });
  }
  tiles.push(
    { title: 'requests', big: count(all.requests), small: all.received_bytes ? `${bytes(all.received_bytes)} received` : '' },
    { title: 'iterations', big: count(all.iterations), small: all.dropped > 0 ? `${count(all.dropped)} dropped` : 'completed', tone: all.dropped > 0 ? 'warn' : '' },
  );
  return tiles;
}

/** The tiles: `{element, update(run)}`. */
export function tiles() {
  const element = h('dl', { class: 'tiles', 'aria-label': 'Headline figures' });
  const make = () => h('div', { class: 'tile' }, h('dt'), h('dd', { class: 'big' }), h('dd', { class: 'small' }));
  return {
    element,
    update(run) {
      fill(element, facts(run), make, (tile, one) => {
        mark(tile, 'class', `tile ${one.tone ?? ''}`.trim());
        [one.title, one.big, one.small].forEach((text, index) => say(tile.children[index], text));
      });
    },
  };
}
