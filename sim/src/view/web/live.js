'use strict';
// Shows the snapshots that come on /events. Whatever they hold becomes text, never markup.
const SVG = 'http://www.w3.org/2000/svg';
const at = (id) => document.getElementById(id);
// The token is in the part of the address that is sent to nobody.
const token = new URLSearchParams(location.hash.slice(1)).get('token');
const headers = token ? { authorization: `Bearer ${token}` } : {};
let chosen = null;
let latest = null;
// What was drawn last of what people may have their hands on: it is drawn anew when it changes, and no oftener.
const drawn = {};

const make = (name, text, kind) => {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
};
const shape = (name, attributes) => {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
};
const set = (id, text) => {
  const element = at(id);
  if (element.textContent !== text) element.textContent = text;
};
const number = (value) => (value === null ? 'not known' : String(Math.round(value * 10) / 10));
const minutes = (ms) => `${Math.max(0, Math.round(ms / 6000) / 10)} min ago`;

// A line of a chart; where nothing is known, it is broken.
const path = (points, times, from, span, most) => {
  let text = '';
  let pen = false;
  points.forEach((value, index) => {
    if (value === null) {
      pen = false;
      return;
    }
    const x = ((times[index] - from) / span) * 600;
    const y = 118 - (value / most) * 112;
    text += `${pen ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    // A point by itself is a dot.
    if (!pen && (points[index + 1] ?? null) === null) text += 'h3';
    pen = true;
  });
  return text;
};

const chart = (of, times) => {
  const element = make('figure');
  const from = times[0] ?? 0;
  const last = times[times.length - 1] ?? 0;
  const span = Math.max(1, last - from);
  const most = Math.max(1e-9, ...of.lines.flatMap((line) => line.points.map((value) => value ?? 0)));
  const now = (line) => line.points[line.points.length - 1] ?? null;
  const said = of.lines.map((line) => `${line.name} ${number(now(line))}`).join(', ');
  element.append(make('figcaption', of.title));
  const svg = shape('svg', { viewBox: '0 0 600 120', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${of.title}: ${said || 'nothing is known'}` });
  const legend = make('p', undefined, 'legend');
  of.lines.forEach((line, index) => {
    svg.append(shape('path', { class: `c${index % 6}`, d: path(line.points, times, from, span, most) }));
    const entry = make('span', undefined, 'entry');
    entry.append(make('span', undefined, `swatch c${index % 6}`), `${line.name} ${number(now(line))}`);
    legend.append(entry, ' ');
  });
  const ends = make('p', undefined, 'ends');
  ends.append(make('span', minutes(span)), make('span', `0 to ${number(most)}`), make('span', 'now'));
  element.append(svg, ends, legend);
  return element;
};

const lane = (of, from, span, now) => {
  const row = make('tr');
  const name = make('th', of.alert);
  name.scope = 'row';
  const svg = shape('svg', { viewBox: '0 0 600 20', preserveAspectRatio: 'none', class: 'lane', role: 'img', 'aria-label': `${of.alert}: ${of.state}, on ${of.spans.length} times` });
  const x = (ms) => Math.min(600, Math.max(0, ((ms - from) / span) * 600));
  for (const { state, from_ms, to_ms } of of.spans) {
    const left = x(from_ms);
    svg.append(shape('rect', { class: state, x: left, y: 2, width: Math.max(2, x(to_ms ?? now) - left), height: 16 }));
  }
  for (const ms of of.delivered_ms) svg.append(shape('rect', { class: 'told', x: x(ms), y: 0, width: 4, height: 20 }));
  const strip = make('td');
  strip.append(svg);
  row.append(name, make('td', of.state, of.state), strip);
  return row;
};

const lines = (id, entries) => at(id).replaceChildren(...entries.map(({ at: when, text }) => {
  const line = make('li');
  line.append(make('span', when), make('div', text));
  return line;
}));

const changed = (what, of) => {
  const now = JSON.stringify(of);
  const is = drawn[what] !== now;
  drawn[what] = now;
  return is;
};

// A link leads out of the page, which stays as it is.
const link = (text, url) => {
  const element = make('a', text);
  element.href = url;
  element.target = '_blank';
  element.rel = 'noreferrer noopener';
  return element;
};

const spans = (all) => all.map(({ text, style, link: url }) => {
  const names = { plain: 'span', emphasis: 'em', strong: 'strong', code: 'code', struck: 's' };
  const element = make(names[style], text);
  if (!url) return element;
  const around = link('', url);
  around.append(element);
  return around;
});

// A runbook's block; what it holds was made into text where it was read.
const block = (of) => {
  const element = {
    heading: () => {
      const heading = make(`h${Math.min(6, of.level + 2)}`);
      heading.id = `line-${of.line}`;
      heading.tabIndex = -1;
      heading.append(...spans(of.text));
      return heading;
    },
    text: () => {
      const text = make('p');
      text.append(...spans(of.text));
      return text;
    },
    code: () => {
      const code = make('pre', undefined, 'wide');
      code.tabIndex = 0;
      code.append(make('code', of.code));
      return code;
    },
    list: () => {
      const list = make(of.first === null ? 'ul' : 'ol');
      if (of.first !== null) list.start = of.first;
      list.append(...of.items.map(({ tick, blocks }) => {
        const item = make('li');
        if (tick) {
          item.className = 'box';
          item.dataset.tick = tick;
        }
        item.append(...blocks.map(block));
        return item;
      }));
      return list;
    },
    quote: () => {
      const quote = make('blockquote');
      quote.append(...of.blocks.map(block));
      return quote;
    },
    table: () => {
      const around = make('div', undefined, 'wide');
      const table = make('table');
      const row = (cells, name) => {
        const line = make('tr');
        line.append(...cells.map((cell) => {
          const element = make(name);
          if (name === 'th') element.scope = 'col';
          element.append(...spans(cell));
          return element;
        }));
        return line;
      };
      const head = table.createTHead();
      head.append(row(of.head, 'th'));
      table.createTBody().append(...of.rows.map((cells) => row(cells, 'td')));
      around.tabIndex = 0;
      around.append(table);
      return around;
    },
    rule: () => make('hr'),
  }[of.is]();
  return element;
};

// To a section of the runbook. Its address stays that of the page, for it has the token.
const lead = (text, line) => {
  const button = make('button', text, 'lead');
  button.type = 'button';
  button.addEventListener('click', () => {
    at('whole').open = true;
    const heading = at(`line-${line}`) ?? at('says');
    heading.scrollIntoView({ block: 'start' });
    heading.focus({ preventScroll: true });
  });
  return button;
};

const page = (of) => {
  const item = make('li', undefined, of.is_on ? 'on' : 'over');
  const head = make('p');
  const told = [`at ${of.at}`, of.severity && `severity ${of.severity}`, `told by ${of.source}`, of.is_on ? 'fires' : 'resolved'];
  head.append(make('strong', of.alert), ` ${told.filter(Boolean).join(', ')}`);
  item.append(head);
  if (of.summary) item.append(make('p', of.summary));
  const leads = make('p');
  if (of.runbook_url) {
    const isWeb = /^https?:/.test(of.runbook_url);
    leads.append('What to do: ', isWeb ? link(of.runbook_url, of.runbook_url) : of.runbook_url, ' ');
  }
  if (of.section) leads.append('In the runbook: ', lead(of.section, of.section_line));
  if (leads.childNodes.length) item.append(leads);
  return item;
};

const tick = ({ number: entry, text, done_at: when }) => {
  const label = make('label');
  const box = make('input');
  box.type = 'checkbox';
  box.checked = when !== null;
  box.disabled = when !== null || !token;
  box.addEventListener('change', async () => {
    box.disabled = true;
    const refused = await act({ act: 'done', entry });
    set('ticked', refused ?? '');
    if (refused !== null) {
      box.checked = false;
      box.disabled = false;
    }
  });
  label.append(box, ` ${entry}. ${text}`);
  if (when !== null) label.append(make('span', ` at ${when}`, 'note'));
  return label;
};

const runbook = async () => {
  try {
    const answer = await fetch('/runbook', { headers, cache: 'no-store' });
    if (!answer.ok) throw new Error();
    at('says').replaceChildren(...(await answer.json()).map(block));
    // Where there is no room beside the figures, it is opened by whoever wants to read it.
    at('whole').open = matchMedia('(min-width: 1100px)').matches;
    delete drawn.steps;
  } catch {
    delete drawn.runbook;
  }
};

// What those who rehearse see, and nobody else.
const room = (of) => {
  at('room').hidden = !of;
  at('escalate').hidden = !of;
  at('runbook').hidden = !of?.runbook;
  if (!of) return;
  // What is to be done about a page stands right below it.
  if (at('room').nextElementSibling !== at('act')) at('room').after(at('act'));
  at('no-page').hidden = of.since_page !== null;
  const hands = of.since_page === null ? [] : [{ name: 'Since the page', value: of.since_page, level: 'plain' }, ...of.clock];
  at('hands').replaceChildren(...hands.map(figure));
  at('hands').hidden = hands.length === 0;
  if (changed('pages', of.pages)) at('pages').replaceChildren(...of.pages.map(page));
  at('more-pages').hidden = of.pages_left_out === 0;
  set('more-pages', `${of.pages_left_out} pages came before.`);
  if (!of.runbook) return;
  set('runbook-path', of.runbook);
  if (changed('runbook', of.runbook)) runbook();
  if (!changed('steps', of.checklist)) return;
  const steps = of.checklist;
  const done = steps.filter((step) => step.done_at !== null);
  set('done', `Checklist: ${done.length} of ${steps.length} done`);
  at('checklist').hidden = steps.length === 0;
  at('checklist').replaceChildren(at('done'), ...steps.map(tick));
  for (const { number: entry } of done) at('says').querySelector(`[data-tick="${entry}"]`)?.classList.add('ticked');
};

const figure = ({ name, value, level }) => {
  const tile = make('div');
  tile.append(make('dt', name), make('dd', value, level));
  return tile;
};

const show = (snapshot) => {
  if (!snapshot) return;
  document.title = `${snapshot.title} – firedrill`;
  set('title', snapshot.title);
  set('at', snapshot.at);
  const pace = snapshot.speed === 1 ? '' : `, ${snapshot.speed} times as fast`;
  const stage = { waiting: ', not begun', running: '', over: ', over' }[snapshot.stage];
  set('lasts', (snapshot.lasts ? `of ${snapshot.lasts}` : '') + pace + stage);
  const { incident } = snapshot;
  at('incident').hidden = !incident;
  if (incident) {
    const over = incident.until_ms !== null;
    at('incident').className = over ? 'over' : '';
    set('incident', `${incident.what}: ${over ? 'over, after' : 'for'} ${incident.lasted}`);
  }
  room(snapshot.room);
  at('tiles').replaceChildren(...snapshot.tiles.map(figure));
  const from = snapshot.times_ms[0] ?? 0;
  const span = Math.max(1, snapshot.at_ms - from);
  const lanes = snapshot.lanes.map((of) => lane(of, from, span, snapshot.at_ms));
  at('lanes').tBodies[0].replaceChildren(...lanes);
  at('lanes').hidden = lanes.length === 0;
  at('no-lanes').hidden = lanes.length > 0 && snapshot.lanes_left_out === 0;
  set('no-lanes', snapshot.lanes_left_out ? `${snapshot.lanes_left_out} more alerts were on.` : 'No alert was pending or firing.');
  at('charts').replaceChildren(...snapshot.charts.filter((of) => of.lines.length).map((of) => chart(of, snapshot.times_ms)));
  at('queues').hidden = snapshot.queues.length === 0;
  at('queues').querySelector('tbody').replaceChildren(...snapshot.queues.map((queue) => {
    const row = make('tr');
    const name = make('th', queue.paused ? `${queue.name} (paused)` : queue.name);
    name.scope = 'row';
    row.append(name, ...queue.tasks.map((count) => make('td', count === null ? '–' : String(count))), make('td', queue.oldest || '–'));
    return row;
  }));
  lines('events', snapshot.events);
  lines('notes', snapshot.notes);
  at('noted').hidden = snapshot.notes.length === 0;
  // Read aloud when something new has happened, not whenever a number moves.
  const newest = snapshot.events[0];
  const said = newest ? `${newest.at} ${newest.text}` : '';
  if (latest !== null && said !== latest) set('latest', said);
  latest = said;
  picked(snapshot);
};

const picked = ({ drills, shown }) => {
  const select = at('drill');
  at('pick').hidden = drills.length === 0;
  const names = drills.map(({ name, stage }) => `${name} (${stage})`);
  if (names.join('\n') === [...select.options].map((option) => option.text).join('\n')) return;
  select.replaceChildren(...names.map((name, index) => {
    const option = make('option', name);
    option.value = String(index);
    return option;
  }));
  select.value = String(shown);
};

// Server-sent events by hand: an EventSource could not say who asks.
const follow = async (control) => {
  const query = chosen === null ? '' : `?drill=${chosen}`;
  const answer = await fetch(`/events${query}`, { headers, cache: 'no-store', signal: control.signal });
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.status);
  set('connection', 'live');
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error('no connection: it is over, or out of reach');
    text += value;
    const events = text.split('\n\n');
    text = events.pop();
    const last = events.pop();
    if (last) show(JSON.parse(last.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5)).join('\n')));
  }
};

let control = new AbortController();
const keep = async () => {
  for (;;) {
    control = new AbortController();
    try {
      await follow(control);
    } catch (error) {
      if (control.signal.aborted) continue;
      set('connection', error instanceof TypeError ? 'no connection: it is over, or out of reach' : error.message);
      await new Promise((resume) => setTimeout(resume, 2000));
    }
  }
};

at('drill').addEventListener('change', (event) => {
  chosen = Number(event.target.value);
  control.abort();
});

// Does something; answers why it was refused, if it was.
const act = async (what) => {
  try {
    const answer = await fetch('/act', { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(what) });
    return answer.ok ? null : (await answer.text()).trim() || `refused: ${answer.status}`;
  } catch {
    return 'no connection';
  }
};

at('act').hidden = !token;
at('act').addEventListener('submit', async (event) => {
  event.preventDefault();
  const what = event.submitter ? event.submitter.value : 'note';
  if (what === 'abort' && !confirm('Stop all of it now?')) return;
  const wants = ['note', 'cause', 'remedy', 'escalate'].includes(what);
  const refused = await act(wants ? { act: what, text: at('text').value } : { act: what });
  set('answer', refused ?? 'noted');
  if (refused === null && wants) at('text').value = '';
});

keep();
