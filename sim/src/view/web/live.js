'use strict';
// Shows the snapshots that come on /events. Whatever they hold becomes text, never markup.
const SVG = 'http://www.w3.org/2000/svg';
const at = (id) => document.getElementById(id);
// The token is in the part of the address that is sent to nobody.
const token = new URLSearchParams(location.hash.slice(1)).get('token');
const headers = token ? { authorization: `Bearer ${token}` } : {};
let chosen = null;
let latest = null;

const make = (name, text, kind) => {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (kind) element.className = kind;
  return element;
};
const drawn = (name, attributes) => {
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
  const figure = make('figure');
  const from = times[0] ?? 0;
  const last = times[times.length - 1] ?? 0;
  const span = Math.max(1, last - from);
  const most = Math.max(1e-9, ...of.lines.flatMap((line) => line.points.map((value) => value ?? 0)));
  const now = (line) => line.points[line.points.length - 1] ?? null;
  const said = of.lines.map((line) => `${line.name} ${number(now(line))}`).join(', ');
  figure.append(make('figcaption', of.title));
  const svg = drawn('svg', { viewBox: '0 0 600 120', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${of.title}: ${said || 'nothing is known'}` });
  const legend = make('p', undefined, 'legend');
  of.lines.forEach((line, index) => {
    svg.append(drawn('path', { class: `c${index % 6}`, d: path(line.points, times, from, span, most) }));
    const entry = make('span', undefined, 'entry');
    entry.append(make('span', undefined, `swatch c${index % 6}`), `${line.name} ${number(now(line))}`);
    legend.append(entry, ' ');
  });
  const ends = make('p', undefined, 'ends');
  ends.append(make('span', minutes(span)), make('span', `0 to ${number(most)}`), make('span', 'now'));
  figure.append(svg, ends, legend);
  return figure;
};

const lane = (of, from, span, now) => {
  const row = make('tr');
  const name = make('th', of.alert);
  name.scope = 'row';
  const svg = drawn('svg', { viewBox: '0 0 600 20', preserveAspectRatio: 'none', class: 'lane', role: 'img', 'aria-label': `${of.alert}: ${of.state}, on ${of.spans.length} times` });
  const x = (ms) => Math.min(600, Math.max(0, ((ms - from) / span) * 600));
  for (const { state, from_ms, to_ms } of of.spans) {
    const left = x(from_ms);
    svg.append(drawn('rect', { class: state, x: left, y: 2, width: Math.max(2, x(to_ms ?? now) - left), height: 16 }));
  }
  for (const ms of of.delivered_ms) svg.append(drawn('rect', { class: 'told', x: x(ms), y: 0, width: 4, height: 20 }));
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
  at('tiles').replaceChildren(...snapshot.tiles.map(({ name, value, level }) => {
    const tile = make('div');
    tile.append(make('dt', name), make('dd', value, level));
    return tile;
  }));
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

at('act').hidden = !token;
at('act').addEventListener('submit', async (event) => {
  event.preventDefault();
  const act = event.submitter ? event.submitter.value : 'note';
  if (act === 'abort' && !confirm('Stop all of it now?')) return;
  const wants = ['note', 'cause', 'remedy'].includes(act);
  const body = wants ? { act, text: at('text').value } : { act };
  try {
    const answer = await fetch('/act', { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body: JSON.stringify(body) });
    set('answer', answer.ok ? 'noted' : (await answer.text()).trim() || `refused: ${answer.status}`);
    if (answer.ok && wants) at('text').value = '';
  } catch {
    set('answer', 'no connection');
  }
});

keep();
