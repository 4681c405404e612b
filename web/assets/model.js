// What is known of a run: its events put together. Pure, and bounded however long the run is.

/** Most points, log lines. The controller thins points out to 600 by itself. */
const POINTS = 5000;
const LINES = 300;

/** A run of which nothing is known yet. */
export function empty() {
  return { state: null, view: null, points: [], log: [], over: null };
}

const from = (point) => spanOf(point).from_ms;

/** What was measured in a point; the report's timeline may hold it in the point itself. */
export function spanOf(point) {
  return point.span ?? point;
}

/** VUs that closed scenarios held: a point of the wire counts those of open ones, too; the report's keeps them apart. */
export function held(point) {
  return point.span && typeof point.vus === 'number' ? Math.max(0, point.vus - (point.vus_open ?? 0)) : point.vus ?? null;
}

/** Points by time; a new one replaces the known one that begins where it does. */
export function mergePoints(known, all, news) {
  const byTime = new Map((all ? [] : known).map((point) => [from(point), point]));
  for (const point of news ?? []) byTime.set(from(point), point);
  const sorted = [...byTime.values()].sort((a, b) => from(a) - from(b));
  return sorted.length > POINTS ? sorted.slice(sorted.length - POINTS) : sorted;
}

/** The run after an event. */
export function take(run, event, data) {
  switch (event) {
    case 'state':
      return { ...run, state: data };
    case 'view':
      return { ...run, view: data };
    case 'seconds':
      return { ...run, points: mergePoints(run.points, data.all, data.points) };
    case 'log':
      // Failed requests stand in the table of errors.
      return data.error ? run : { ...run, log: logged(run.log, data) };
    case 'over':
      return { ...run, over: data, points: run.points.length > 0 ? run.points : mergePoints([], true, timeline(data.report)) };
    default:
      // A newer controller may say more than this page knows.
      return run;
  }
}

/** The log with a line more; one that is told again is counted, and the newest. */
function logged(log, line) {
  const same = log.find((one) => one.text === line.text && one.level === line.level);
  const count = (same?.count ?? 0) + (line.count || 1);
  return [...log.filter((one) => one !== same), { ...line, count }].slice(-LINES);
}

/** After the connection was lost everything is told again; the log would double. */
export function again(run) {
  return { ...run, log: [] };
}

/** The points of a report that hold measurements. */
function timeline(report) {
  return (report?.timeline ?? []).filter((point) => typeof spanOf(point).from_ms === 'number');
}

const value = (report, metric, name) => report?.metrics?.[metric]?.values?.[name] ?? null;

/** The figures over the whole run, from its report or else from its newest view. Times in milliseconds. */
export function whole(run) {
  const report = run.over?.report;
  const span = run.view?.whole ?? {};
  if (!report?.metrics) return { ...span, length_ms: run.view?.run_ms ?? null };
  const trend = (name) => value(report, 'http_req_duration', name);
  const requests = value(report, 'http_reqs', 'count') ?? 0;
  const failed = value(report, 'http_req_failed', 'passes') ?? 0;
  return {
    requests,
    failed,
    rate: value(report, 'http_reqs', 'rate'),
    avg_ms: trend('avg'),
    p50_ms: trend('med') ?? span.p50_ms,
    p90_ms: trend('p(90)') ?? span.p90_ms,
    p95_ms: trend('p(95)') ?? span.p95_ms,
    p99_ms: trend('p(99)') ?? span.p99_ms,
    max_ms: trend('max'),
    iterations: value(report, 'iterations', 'count') ?? report.conservation?.iterations?.completed ?? null,
    dropped: value(report, 'dropped_iterations', 'count') ?? 0,
    received_bytes: value(report, 'data_received', 'count') ?? span.received_bytes,
    sent_bytes: value(report, 'data_sent', 'count') ?? span.sent_bytes,
    length_ms: report.run?.load_ms ?? report.state?.testRunDurationMs ?? null,
  };
}

/** True for a scenario whose arrivals do not wait for answers. */
export function isOpen(scenario) {
  return /arrival-rate$/.test(scenario?.executor ?? '');
}

/** The share of requests that failed; null when there were none. */
export function failedShare(span) {
  return span && span.requests > 0 ? span.failed / span.requests : null;
}

/** The thresholds of a report: `{metric, expression, ok, actual}`. */
export function thresholds(report) {
  return Object.entries(report?.metrics ?? {}).flatMap(([metric, { thresholds: all }]) =>
    Object.entries(all ?? {}).map(([expression, { ok, actual }]) => ({ metric, expression, ok, actual })));
}
