// Makes and changes elements. Text is only ever set as text: nothing that a run, a target or an agent says is read as HTML.

/**
 * An element. Properties: `class`, `on` (event → listener), `data` (data-*), and attributes; true sets an attribute, false, null and
 * undefined leave it away. Children: nodes, and text.
 */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === 'data') {
      Object.assign(element.dataset, value);
    } else {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets a text that changed: a text that is set again would lose a person's selection. */
export function say(element, text) {
  const wanted = text ?? '';
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Sets an attribute that changed; null takes it away. */
export function mark(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value === true ? '' : String(value));
  }
}

/** Makes the children of `parent` those of `items`, in order. `make()` gives a child, `fill(child, item, index)` what stands in it. */
export function fill(parent, items, make, fillOne) {
  while (parent.childElementCount > items.length) parent.lastElementChild.remove();
  while (parent.childElementCount < items.length) parent.append(make());
  items.forEach((item, index) => fillOne(parent.children[index], item, index));
}

/**
 * A table that is filled again and again.
 * Columns: `title`; `text(row)`; `numeric`; `paint(cell, row)` instead of `text`; `hint`, in more words; `head` for the cell that names the row; `wide` for one of long texts.
 */
export function table({ caption, columns, empty }) {
  const body = h('tbody');
  const nothing = h('p', { class: 'nothing' }, empty);
  const head = h('tr', {}, columns.map((column) =>
    h('th', { scope: 'col', class: column.numeric ? 'number' : null, title: column.hint }, column.title)));
  const grid = h('table', {}, h('caption', { class: 'unseen' }, caption), h('thead', {}, head), body);
  // Reachable by keyboard, so that what is cut off at the side can be scrolled to.
  const scroller = h('div', { class: 'scroller', role: 'region', 'aria-label': caption, tabindex: '0' }, grid);
  const makeRow = () => h('tr', {}, columns.map((column) =>
    (column.head ? h('th', { scope: 'row' }) : h('td', { class: column.numeric ? 'number' : column.wide ? 'wide' : null }))));
  const fillRow = (line, row) => columns.forEach((column, index) => {
    const cell = line.children[index];
    if (column.paint) column.paint(cell, row);
    else say(cell, column.text(row));
  });
  const element = h('div', { class: 'table' }, scroller, nothing);
  return {
    element,
    update(rows) {
      fill(body, rows, makeRow, fillRow);
      scroller.hidden = rows.length === 0;
      nothing.hidden = rows.length > 0;
    },
  };
}

/** A titled part of a page. */
export function section(title, ...children) {
  return h('section', { class: 'panel' }, h('h2', {}, title), ...children);
}

/** A small labelled state: `tone` is one of good, busy, warn, bad, quiet. */
export function pill(element, text, tone) {
  say(element, text);
  mark(element, 'class', `pill ${tone}`);
  return element;
}

let names = 0;

/** A form's field: a label, the control, a hint, and room for what is wrong with it. */
export function field(label, control, hint) {
  names += 1;
  const id = `field-${names}`;
  control.id = id;
  const wrong = h('p', { class: 'wrong', id: `${id}-wrong`, hidden: true });
  const help = hint ? h('p', { class: 'hint', id: `${id}-hint` }, hint) : null;
  control.setAttribute('aria-describedby', [help && `${id}-hint`, `${id}-wrong`].filter(Boolean).join(' '));
  const element = h('div', { class: 'field' }, h('label', { for: id }, label), control, help, wrong);
  return {
    element,
    control,
    /** Says what is wrong; an empty text says that nothing is. */
    complain(text) {
      say(wrong, text);
      wrong.hidden = !text;
      mark(control, 'aria-invalid', text ? 'true' : null);
    },
  };
}
