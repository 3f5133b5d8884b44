// What happened between two readings of the server's counters.

// keyed makes a map of rows.
function keyed(rows, key) {
  return new Map(rows.map((r) => [key(r), r]));
}

const rowKey = (r) => [r.protocol, r.procedure, r.image, r.export].join('\0');

// difference is by how much buckets have grown; a server that was restarted begins anew.
function difference(now, before) {
  const old = new Map((before ?? []).map((b) => [b.most, b.calls]));
  return now.map((b) => ({ most: b.most, calls: b.calls - (old.get(b.most) ?? 0) })).filter((b) => b.calls > 0);
}

// quantile is the latency that a part of the calls did not exceed; null if there are none.
export function quantile(buckets, part) {
  const sorted = [...buckets].sort((a, b) => (a.most || Infinity) - (b.most || Infinity));
  const all = sorted.reduce((n, b) => n + b.calls, 0);
  let seen = 0;
  for (const b of sorted) {
    seen += b.calls;
    if (seen >= part * all) return b.most || Infinity;
  }
  return null;
}

function merge(lists) {
  const sum = new Map();
  for (const b of lists.flat()) sum.set(b.most, (sum.get(b.most) ?? 0) + b.calls);
  return [...sum].map(([most, calls]) => ({ most, calls }));
}

export function restarted(now, before) {
  return !before || before.status.started_ns !== now.status.started_ns;
}

// traffic is what was called between two readings, by rows and in sum, per second.
export function traffic(now, before) {
  const seconds = (now.at - before.at) / 1000;
  const old = keyed(before.traffic.rows, rowKey);
  const rows = now.traffic.rows.map((r) => {
    const o = old.get(rowKey(r));
    const calls = r.calls - (o?.calls ?? 0);
    const buckets = difference(r.latency.buckets, o?.latency.buckets);
    return { ...r, rate: calls / seconds, buckets, p50: quantile(buckets, 0.5), p99: quantile(buckets, 0.99) };
  });
  const all = merge(rows.map((r) => r.buckets));
  const per = (field) => (now.traffic[field] - before.traffic[field]) / seconds;
  const sum = (s, field) => s.images.reduce((n, i) => n + i.engine[field], 0);
  const engine = (field) => (sum(now.status, field) - sum(before.status, field)) / seconds;
  return {
    rows, calls: per('calls'), errors: per('errors'), offloaded: per('offloaded'), bytesIn: per('bytes_in'), bytesOut: per('bytes_out'),
    p50: quantile(all, 0.5), p99: quantile(all, 0.99), changes: engine('changes'), fences: engine('fences'),
  };
}

// clients adds to each client what it asked in a second.
export function clients(now, before) {
  const seconds = before ? (now.at - before.at) / 1000 : 1;
  const old = keyed(before?.clients.clients ?? [], (c) => c.client);
  return now.clients.clients.map((c) => {
    const o = old.get(c.client);
    return { ...c, rate: before ? Math.max(0, c.calls - (o?.calls ?? 0)) / seconds : null };
  });
}
