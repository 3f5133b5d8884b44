// How each image is: its space as a picture, and in words what is the matter with it.

import { definitions, element } from './dom.js';
import { ago, bytes, count, seconds } from './format.js';

const svg = 'http://www.w3.org/2000/svg';
const parts = [['live', 'live_bytes', 'live data'], ['snap', 'snapshot_bytes', 'snapshots'], ['bad', 'bad_bytes', 'bad memory'], ['free', 'free_bytes', 'free']];

// Images shows images, and updates in place what it has shown.
export class Images {
  constructor(place) {
    this.place = place;
    this.shown = new Map();
  }

  show(images) {
    const paths = new Set(images.map((i) => i.path));
    for (const [path, one] of this.shown) {
      if (!paths.has(path)) {
        one.root.remove();
        this.shown.delete(path);
      }
    }
    for (const image of images) {
      if (!this.shown.has(image.path)) this.shown.set(image.path, this.add(image.path));
      this.fill(this.shown.get(image.path), image);
    }
  }

  add(path) {
    const picture = document.createElementNS(svg, 'svg');
    picture.setAttribute('class', 'space');
    picture.setAttribute('role', 'img');
    picture.setAttribute('viewBox', '0 0 1000 26');
    picture.setAttribute('preserveAspectRatio', 'none');
    const bars = parts.slice(0, 3).map(([name]) => {
      const rect = document.createElementNS(svg, 'rect');
      rect.setAttribute('class', name);
      rect.setAttribute('height', '26');
      picture.append(rect);
      return rect;
    });
    const keys = parts.map(([name]) => element('li', { class: name }));
    const facts = element('dl', { class: 'facts' });
    const root = element('div', {}, element('h3', {}, path), picture, element('ul', { class: 'key' }, ...keys), facts);
    this.place.append(root);
    return { root, picture, bars, keys, facts };
  }

  fill(one, image) {
    const size = image.space.size_bytes || 1;
    let at = 0;
    one.bars.forEach((bar, n) => {
      const width = (1000 * image.space[parts[n][1]]) / size;
      bar.setAttribute('x', at.toFixed(2));
      bar.setAttribute('width', width.toFixed(2));
      at += width;
    });
    const words = parts.map(([, field, what]) => `${bytes(image.space[field])} ${what}`);
    one.keys.forEach((key, n) => {
      if (key.textContent !== words[n]) key.textContent = words[n];
    });
    one.picture.setAttribute('aria-label', `${bytes(size)}: ${words.join(', ')}`);
    definitions(one.facts, facts(image));
  }
}

function facts(i) {
  const bad = i.damage.bad_blocks + i.damage.lost_blocks > 0 || i.scrub.findings > 0;
  return [
    ['State', i.reason ? `${i.state}: ${i.reason}` : i.state, i.state === 'failed' ? 'error' : ''],
    ['Size', `${bytes(i.space.size_bytes)}, ${bytes(i.space.avail_bytes)} available`],
    ['Persistence domain', i.domain],
    ['Snapshots', snapshots(i.snapshots)],
    ['Damage', damage(i), bad ? 'error' : ''],
    ['Scrub', scrub(i.scrub)],
    ['Engine', `${count(i.engine.fences)} fences, ${count(i.engine.lines)} lines flushed, ${count(i.engine.nt_lines)} past the cache, ${count(i.engine.checkpoints)} checkpoints`],
    ['Locks', `${count(i.locks.held)} held by ${count(i.locks.clients)} clients, ${count(i.locks.waiting)} waited for`],
    ['Journal', `${bytes(i.journal.used_bytes)} of ${bytes(i.journal.size_bytes)} in use`],
    ['Repeated calls', `${count(i.duplicates.hits)} answered again, ${count(i.duplicates.remembered)} remembered`],
    ['Start', `${count(i.recovery.records)} records replayed, open in ${seconds(i.recovery.seconds)}`],
  ];
}

function snapshots(s) {
  const words = [count(s.count)];
  if (s.newest_ns) words.push(`the last one ${ago(s.newest_ns)}`);
  if (s.deleting) words.push(`${count(s.deleting)} being deleted`);
  return words.join(', ');
}

function damage(i) {
  if (i.damage.bad_blocks + i.damage.lost_blocks === 0) return 'none is known';
  return `${count(i.damage.bad_blocks)} blocks out of use, ${count(i.damage.lost_blocks)} in use and refused`;
}

function scrub(s) {
  if (s.running) return `under way: ${bytes(s.bytes)} read, ${count(s.findings)} findings`;
  if (!s.passes) return 'no pass is complete yet';
  return `complete ${ago(s.ended_ns)}, ${count(s.findings)} findings`;
}
