import { channelItem, element, messageSummary, pushSummary, timelineItem } from './view.js';

const byId = (id) => document.getElementById(id);
const connection = byId('connection');
let app = new URLSearchParams(location.search).get('app') ?? undefined;
let events;

/** The address of something of the chosen app. */
function address(path, query = {}) {
  const search = new URLSearchParams(app === undefined ? query : { ...query, app });
  return search.size === 0 ? path : `${path}?${search}`;
}

async function get(path, query) {
  const response = await fetch(address(path, query));
  const body = await response.json();
  if (!response.ok) throw new Error(body.detail ?? response.statusText);
  return body;
}

// Rows are kept by id, so that an open row, the focus and the place on the page survive an update.
function updateList(list, items, idOf, create, update) {
  const known = new Map([...list.children].map((child) => [child.dataset.id, child]));
  const wanted = items.map((item) => {
    const id = idOf(item);
    const row = known.get(id) ?? create(item);
    row.dataset.id = id;
    update(row, item);
    known.delete(id);
    return row;
  });
  for (const gone of known.values()) gone.remove();
  wanted.forEach((row, place) => {
    if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
  });
}

let lastRow = 0;

/** A list item that opens; `load` fills it each time it is opened. */
function openingRow(load) {
  const details = element('div', { class: 'details', id: `details-${++lastRow}` });
  details.hidden = true;
  const button = element('button', {
    type: 'button',
    class: 'row',
    'aria-expanded': 'false',
    'aria-controls': details.id,
  });
  const item = element('li', {}, button, details);
  const refresh = async () => {
    try {
      await load(details);
    } catch (error) {
      details.replaceChildren(element('p', { class: 'bad' }, error.message));
    }
  };
  button.addEventListener('click', () => {
    details.hidden = !details.hidden;
    button.setAttribute('aria-expanded', String(!details.hidden));
    if (!details.hidden) refresh();
  });
  item.say = (children) => button.replaceChildren(...children.filter(Boolean));
  item.refresh = () => {
    if (!details.hidden) refresh();
  };
  return item;
}

function pushRow(push) {
  const row = openingRow(async (details) => {
    const full = await get(`/v1/pushes/${push.id}`);
    details.replaceChildren(element('ol', { class: 'timeline' }, ...full.timeline.map(timelineItem)));
  });
  return row;
}

/** The first pushes of a message, and a button for the next ones. Open timelines stay open. */
function pushLoader(id) {
  let pages = 1;
  return async function load(details) {
    const pushes = [];
    let cursor = null;
    for (let page = 0; page < pages && (page === 0 || cursor); page += 1) {
      const found = await get(`/v1/messages/${id}/pushes`, { limit: '50', ...(cursor ? { cursor } : {}) });
      pushes.push(...found.items);
      cursor = found.nextCursor;
    }
    const list = details.querySelector('ol') ?? element('ol');
    updateList(
      list,
      pushes,
      (push) => push.id,
      pushRow,
      (row, push) => {
        row.say(pushSummary(push));
        row.refresh();
      },
    );
    const more = element('button', { type: 'button', class: 'more' }, 'More pushes');
    more.addEventListener('click', () => {
      pages += 1;
      load(details);
    });
    details.replaceChildren(
      element('p', { class: 'quiet' }, 'Message ', element('code', {}, id)),
      list,
      ...(cursor ? [more] : []),
    );
  };
}

function showMessages(messages) {
  const list = byId('messages');
  updateList(
    list,
    messages,
    (message) => message.id,
    (message) => openingRow(pushLoader(message.id)),
    (row, message) => {
      const text = JSON.stringify([message.counts, message.state]);
      if (row.dataset.shown === text) return;
      row.dataset.shown = text;
      row.say(messageSummary(message));
      row.refresh();
    },
  );
}

function listen() {
  events?.close();
  events = new EventSource(address('/v1/events'));
  events.addEventListener('open', () => {
    connection.textContent = 'Live';
    connection.className = '';
  });
  events.addEventListener('error', () => {
    connection.textContent = 'The connection is lost; trying again…';
    connection.className = 'bad';
    // After an answer that is no stream (the app is not there, the ledger is away) browsers give up.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 3_000);
  });
  events.addEventListener('messages', (event) => showMessages(JSON.parse(event.data)));
  events.addEventListener('channels', (event) => {
    byId('channels').replaceChildren(...JSON.parse(event.data).map(channelItem));
  });
}

async function chooseApp() {
  const { items } = await (await fetch('/dashboard/apps')).json();
  const select = byId('app');
  select.replaceChildren(...items.map(({ name }) => element('option', { value: name }, name)));
  if (app !== undefined) select.value = app;
  byId('app-choice').hidden = items.length < 2;
  select.addEventListener('change', () => {
    app = select.value;
    history.replaceState(null, '', address('/'));
    byId('messages').replaceChildren();
    listen();
  });
}

listen();
chooseApp().catch(() => undefined);
