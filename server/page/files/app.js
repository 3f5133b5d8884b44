// The status page: it asks the server every two seconds, and shows what has come of it. It keeps the last reading and the one before, and
// of plots as many points as they show.

import { Table, definitions } from './dom.js';
import { ago, bytes, count, seconds, span, time } from './format.js';
import { Images } from './images.js';
import { Plot } from './plot.js';
import * as rates from './rates.js';

const every = 2000; // ms
const patience = 8000; // ms

const place = (id) => document.getElementById(id);

const plots = {
  calls: new Plot(place('plot-calls'), ['calls', 'errors'], count),
  latency: new Plot(place('plot-latency'), ['half', '99 of 100'], seconds),
  bytes: new Plot(place('plot-bytes'), ['from clients', 'to clients'], bytes),
  fences: new Plot(place('plot-fences'), ['fences a second', 'changes a second'], count),
};
const images = new Images(place('images'));
const text = (field) => (r) => r[field] ?? '';
const figure = (name, field, write = count) => ({ name, number: true, text: (r) => (r[field] === null || r[field] === undefined ? '–' : write(r[field])), value: (r) => r[field] ?? -1 });

const tables = {
  exports: new Table(place('exports'), 'Exports and the quotas of their directory trees', [
    { name: 'Export', text: text('name') },
    { name: 'Image', text: text('image') },
    { name: 'Directory', text: text('subtree') },
    { name: 'Access', text: (e) => (e.read_only ? 'read-only' : 'read-write') },
    { name: 'Squash', text: text('squash') },
    { name: 'For', text: (e) => e.clients.join(' ') || 'all' },
    { name: 'Used', number: true, text: (e) => (e.used_bytes ? bytes(e.used_bytes) : '–'), value: (e) => e.used_bytes ?? 0 },
    { name: 'Limit', number: true, text: (e) => (e.limit_bytes ? bytes(e.limit_bytes) : '–'), value: (e) => e.limit_bytes ?? 0 },
    { name: 'State', text: (e) => (e.missing ? `cannot be mounted: ${e.missing}` : 'ok'), class: (e) => (e.missing ? 'error' : '') },
  ], 'There are no exports.'),
  procedures: new Table(place('procedures'), 'What is called: latencies are those of the last seconds, the rest is since the start', [
    { name: 'Protocol', text: text('protocol') },
    { name: 'Procedure', text: text('procedure') },
    { name: 'Export', text: text('export') },
    figure('A second', 'rate'), figure('Calls', 'calls'), figure('Errors', 'errors'),
    figure('Half', 'p50', seconds), figure('99 of 100', 'p99', seconds), figure('In', 'bytes_in', bytes), figure('Out', 'bytes_out', bytes),
    { name: 'Errors by status', text: (r) => (r.statuses ?? []).map((s) => `${s.status} ${count(s.calls)}`).join(', ') },
  ], 'Nothing has been called yet.', 3, true),
  clients: new Table(place('clients'), 'Clients, since they came', [
    { name: 'Client', text: text('client') },
    { name: 'Protocols', text: (c) => (c.protocols ?? []).join(' ') },
    figure('Connections', 'connections'), figure('A second', 'rate'), figure('Calls', 'calls'), figure('Errors', 'errors'),
    figure('In', 'bytes_in', bytes), figure('Out', 'bytes_out', bytes),
    { name: 'Mean', number: true, text: (c) => (c.calls ? seconds(c.seconds / c.calls) : '–'), value: (c) => (c.calls ? c.seconds / c.calls : 0) },
    { name: 'Last call', text: (c) => ago(c.last_ns), value: (c) => -c.last_ns },
  ], 'Nobody is connected, or was.', 3, true),
  locks: new Table(place('locks'), 'Locks of files, and who waits for whom', [
    { name: 'File', number: true, text: text('file') },
    { name: 'Image', text: text('image') },
    { name: 'Bytes', text: (l) => range(l), value: (l) => l.start },
    { name: 'Kind', text: (l) => (l.exclusive ? 'exclusive' : 'shared') },
    { name: 'Owner', text: (l) => holder(l.owner) },
    { name: 'State', text: (l) => (l.waiting ? `waits for ${holder(l.for)}` : 'held'), class: (l) => (l.waiting ? 'warn' : '') },
  ], 'No file is locked.'),
  jobs: new Table(place('jobs'), 'What the server does that takes long, and the last of what it did', [
    { name: 'Number', number: true, text: (j) => j.id || '–', value: (j) => j.id || Infinity },
    { name: 'Kind', text: text('kind') },
    { name: 'Image', text: text('image') },
    { name: 'Of', text: text('subject') },
    { name: 'State', text: text('state'), class: (j) => (j.state === 'failed' ? 'error' : '') },
    { name: 'Done', number: true, text: (j) => (j.total ? `${Math.floor((100 * j.done) / j.total)} % of ${bytes(j.total)}` : '–'), value: (j) => j.done },
    { name: 'Began', text: (j) => (j.began_ns ? ago(j.began_ns) : '–'), value: (j) => -j.began_ns },
    { name: 'Message', text: text('message'), wide: true },
  ], 'Nothing is under way.', 0, true),
  events: new Table(place('events'), 'The last warnings and errors of the server’s log', [
    { name: 'Last (UTC)', text: (e) => time(e.last_ns), value: (e) => e.last_ns },
    { name: 'Level', text: text('level'), class: (e) => (e.level === 'error' ? 'error' : 'warn') },
    figure('Times', 'count'),
    { name: 'What', text: (e) => [e.message, ...(e.details ?? []).map((d) => `${d.key}=${d.value}`)].join(' '), wide: true },
  ], 'There was none since the start.', 0, true),
  config: new Table(place('config'), 'What is in force, and where it comes from', [
    { name: 'Key', text: (v) => [v.table === 'server' ? '' : [v.table, v.of].filter(Boolean).join(' '), v.key].filter(Boolean).join(': ') },
    { name: 'Value', text: text('value'), wide: true },
    { name: 'From', text: text('from') },
    { name: 'Image', text: text('image') },
    { name: 'Counts', text: (v) => (v.live ? 'after a reload' : 'after a restart') },
  ], 'The server does not tell.'),
};

function range(l) {
  return l.end >= 2 ** 63 ? `${l.start} to the end` : `${l.start}–${l.end}`;
}

function holder(h) {
  return h.protocol ? `${h.protocol} ${h.client} ${h.name}/${h.process}` : 'others';
}

// get asks for one thing. What an older server does not have is null.
async function get(path, signal) {
  const answer = await fetch(`v1/${path}`, { signal, cache: 'no-store' });
  if (answer.status === 401 || answer.status === 404) return null;
  if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
  return answer.json();
}

async function read() {
  const signal = AbortSignal.timeout(patience);
  const at = performance.now();
  const names = ['status', 'traffic', 'clients', 'locks', 'jobs', 'events', 'config'];
  const replies = await Promise.all(names.map((name) => get(name, signal)));
  return { at, ...Object.fromEntries(names.map((name, i) => [name, replies[i]])) };
}

function say(words, bad) {
  const state = place('state');
  if (state.textContent !== words) state.textContent = words;
  state.className = bad ? 'bad' : '';
}

function show(now, before) {
  const s = now.status;
  const failed = s.images.filter((i) => i.state === 'failed');
  say([s.state, s.grace ? 'clients are claiming their locks' : '', ...failed.map((i) => `${i.path} has failed`)].filter(Boolean).join(', '), failed.length > 0);
  place('version').textContent = s.version;
  place('addresses').textContent = [`NFS ${s.nfs}`, ...s.nine_p.map((a) => `9P ${a}`)].join(' · ');
  const r = rates.restarted(now, before) ? null : rates.traffic(now, before);
  showCards(s, r, now);
  if (r) {
    const at = Date.now() / 1000;
    plots.calls.add(at, [r.calls, r.errors]);
    plots.latency.add(at, [r.p50, r.p99]);
    plots.bytes.add(at, [r.bytesIn, r.bytesOut]);
    plots.fences.add(at, [r.fences, r.changes]);
  }
  images.show(s.images);
  tables.exports.show(s.images.flatMap((i) => i.exports.map((e) => ({ ...e, image: i.path }))));
  tables.procedures.show(r ? r.rows : now.traffic.rows);
  tables.clients.show(rates.clients(now, rates.restarted(now, before) ? null : before));
  tables.locks.show(now.locks.locks);
  tables.jobs.show(now.jobs.jobs);
  tables.events.show(now.events.events);
  tables.config.show(now.config?.values ?? []);
}

function showCards(s, r, now) {
  const rate = (v, write) => (r && v !== null ? write(v) : '–');
  definitions(place('cards'), [
    ['Up for', span(Date.now() / 1000 - s.started_ns / 1e9)],
    ['Calls a second', rate(r?.calls, count)],
    ['Errors a second', rate(r?.errors, count)],
    ['99 of 100 within', rate(r?.p99 ?? null, seconds)],
    ['From clients a second', rate(r?.bytesIn, bytes)],
    ['To clients a second', rate(r?.bytesOut, bytes)],
    ['Fences for a change', r && r.changes > 0 ? (r.fences / r.changes).toFixed(2) : '–'],
    ['Calls that waited', r && r.calls > 0 ? `${((100 * r.offloaded) / r.calls).toFixed(1)} %` : '–'],
    ['Clients, connections', `${count(now.clients.clients.filter((c) => c.connections > 0).length)}, ${count(s.requests.connections)}`],
    ['Locks, and waited for', `${count(s.images.reduce((n, i) => n + i.locks.held, 0))}, ${count(s.images.reduce((n, i) => n + i.locks.waiting, 0))}`],
    ['Connections at work, calls waiting', `${count(s.requests.working)}, ${count(s.requests.waiting)}`],
    ['Memory for requests', `${bytes(s.memory.used_bytes)} of ${bytes(s.memory.limit_bytes)}`],
    ['Repeated calls answered', count(s.images.reduce((n, i) => n + i.duplicates.hits, 0))],
  ]);
}

let before = null;
let paused = false;

async function turn() {
  if (!paused && !document.hidden) {
    try {
      const now = await read();
      show(now, before);
      before = now;
    } catch (err) {
      say(`the server does not answer: ${err.message}`, true);
    }
  }
  setTimeout(turn, every);
}

place('pause').addEventListener('click', (e) => {
  paused = !paused;
  e.currentTarget.setAttribute('aria-pressed', String(paused));
});

function redraw() {
  for (const p of Object.values(plots)) p.draw();
}

const theme = place('theme');
theme.value = document.documentElement.dataset.theme ?? 'auto';
theme.addEventListener('change', () => {
  if (theme.value === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
  try {
    localStorage.setItem('theme', theme.value);
  } catch {
    // It counts until the page is left.
  }
  redraw();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);

turn();
