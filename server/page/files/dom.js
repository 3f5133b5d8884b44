// Elements and tables. Texts of the server are only ever set as text.

export function element(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== '') e.setAttribute(key, value);
  }
  e.append(...children);
  return e;
}

// Table shows rows under headings by which they can be sorted. Rows are updated in place, so that focus and scrolling stay.
export class Table {
  // columns have a name, a function text(row), perhaps value(row) to sort by, number for figures to the right, and class(row).
  constructor(place, caption, columns, empty, sort = 0, descending = false) {
    Object.assign(this, { columns, sort, descending, rows: [] });
    this.empty = element('p', { class: 'empty' }, empty);
    this.body = element('tbody');
    this.heads = columns.map((c, i) => {
      const button = element('button', { type: 'button' }, c.name);
      button.addEventListener('click', () => this.sortBy(i));
      return element('th', { scope: 'col', class: c.number ? 'number' : '' }, button);
    });
    const table = element('table', {}, element('caption', {}, caption), element('thead', {}, element('tr', {}, ...this.heads)), this.body);
    this.scroll = element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption }, table);
    place.replaceChildren(this.empty, this.scroll);
    this.show([]);
  }

  sortBy(i) {
    this.descending = i === this.sort ? !this.descending : Boolean(this.columns[i].number);
    this.sort = i;
    this.show(this.rows);
  }

  show(rows) {
    this.rows = rows;
    this.empty.hidden = rows.length > 0;
    this.scroll.hidden = rows.length === 0;
    this.heads.forEach((h, i) => h.setAttribute('aria-sort', i !== this.sort ? 'none' : this.descending ? 'descending' : 'ascending'));
    const column = this.columns[this.sort];
    const key = (r) => (column.value ?? column.text)(r);
    const way = this.descending ? -1 : 1;
    const sorted = [...rows].sort((a, b) => way * compare(key(a), key(b)));
    while (this.body.rows.length > sorted.length) this.body.deleteRow(-1);
    sorted.forEach((row, n) => this.fill(this.body.rows[n] ?? this.add(), row));
  }

  add() {
    const tr = this.body.insertRow();
    for (const _ of this.columns) tr.insertCell();
    return tr;
  }

  fill(tr, row) {
    this.columns.forEach((c, i) => {
      const cell = tr.cells[i];
      const text = String(c.text(row));
      if (cell.textContent !== text) cell.textContent = text;
      const style = [c.number ? 'number' : '', c.wide ? 'text' : '', c.class ? c.class(row) : ''].join(' ').trim();
      if (cell.className !== style) cell.className = style;
    });
  }
}

function compare(a, b) {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b));
}

// definitions fills a list of terms and what they are, in place.
export function definitions(list, entries) {
  while (list.children.length > entries.length) list.lastElementChild.remove();
  entries.forEach(([term, text, style = ''], n) => {
    let pair = list.children[n];
    if (!pair) {
      pair = element('div', {}, element('dt'), element('dd'));
      list.append(pair);
    }
    const [dt, dd] = pair.children;
    if (dt.textContent !== term) dt.textContent = term;
    if (dd.textContent !== text) dd.textContent = text;
    if (dd.className !== style) dd.className = style;
  });
}
