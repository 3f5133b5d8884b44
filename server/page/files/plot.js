// Live plots: as many points as are shown are kept, and no more.

import { element } from './dom.js';

const points = 300;

// clock is a time of today, where the browser is.
function clock(s) {
  return new Date(s * 1000).toTimeString().slice(0, 8);
}

// Plot shows series over time. format writes a value.
export class Plot {
  constructor(place, names, format) {
    Object.assign(this, { place, names, format });
    this.data = [[], ...names.map(() => [])];
    this.canvas = element('div', { 'aria-hidden': 'true' });
    // The key has the last values, for who does not see the plot too.
    this.words = names.map((name, i) => element('li', { class: `s${i + 1}` }, name));
    place.replaceChildren(this.canvas, element('ul', { class: 'series' }, ...this.words));
    new ResizeObserver(() => this.resize()).observe(place);
    this.draw();
  }

  // draw makes the plot anew, as it must be when the colours change.
  draw() {
    this.plot?.destroy();
    const css = getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue(name).trim();
    const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--grid'), width: 1 }, ticks: { stroke: colour('--grid'), width: 1 } };
    const series = this.names.map((label, i) => ({ label, stroke: colour(`--s${i + 1}`), width: 2, dash: i === 1 ? [6, 3] : i === 2 ? [2, 3] : undefined }));
    this.plot = new uPlot({
      width: this.width(), height: 190, legend: { show: false }, cursor: { show: false },
      scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [{ ...axis, values: (_, list) => list.map(clock) }, { ...axis, size: 76, values: (_, list) => list.map(this.format) }],
      series: [{}, ...series],
    }, this.data, this.canvas);
  }

  width() {
    return Math.max(200, Math.floor(this.place.clientWidth));
  }

  resize() {
    if (this.plot.width !== this.width()) this.plot.setSize({ width: this.width(), height: 190 });
  }

  add(at, values) {
    [at, ...values].forEach((v, i) => {
      this.data[i].push(v);
      if (this.data[i].length > points) this.data[i].shift();
    });
    this.plot.setData(this.data);
    this.words.forEach((word, i) => {
      word.textContent = `${this.names[i]} ${values[i] === null ? '–' : this.format(values[i])}`;
    });
  }
}
