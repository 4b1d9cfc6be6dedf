// From what the api says to what the page shows. Text only ever goes in as text, never as markup.

/** @typedef {'good' | 'bad' | 'wait'} Mood */

/** @type {Readonly<Record<string, Mood>>} */
const moods = {
  queued: 'wait',
  scheduled: 'wait',
  unknown: 'wait',
  paused: 'bad',
  failed: 'bad',
  expired: 'bad',
  dropped: 'bad',
  suppressed: 'bad',
  cancelled: 'bad',
  on: 'good',
  accepted: 'good',
  delivered: 'good',
  displayed: 'good',
  clicked: 'good',
  settled: 'good',
};

/**
 * An element with attributes and children; strings become text, what is not there is left out.
 * @param {string} name
 * @param {Record<string, string>} attributes
 * @param {...(Node | string | undefined | null | false)} children
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child || child === ''));
  return made;
}

/** A word in a box, in the colour of its mood; the word itself says what the colour says. */
export function tag(word, mood = moods[word]) {
  return element('span', { class: `tag ${mood ?? 'quiet'}` }, word);
}

/** A moment as the reader's clock has it. */
export function moment(iso) {
  const time = new Date(iso);
  const today = time.toDateString() === new Date().toDateString();
  const text = today ? time.toLocaleTimeString() : time.toLocaleString();
  return element('time', { datetime: iso, title: iso }, text);
}

const DAY_MS = 86_400_000;
/** From when on people should be told of a credential's end. */
const EXPIRY_DAYS = 30;

/**
 * That a credential has ended, or soon does; nothing while its end is far away or there is none.
 * @param {string | undefined} expiresAt
 * @returns {string | undefined}
 */
export function expiryWords(expiresAt, now = Date.now()) {
  const leftMs = Date.parse(expiresAt ?? '') - now;
  if (!(leftMs <= EXPIRY_DAYS * DAY_MS)) return undefined;
  const date = expiresAt.slice(0, 10);
  if (leftMs <= 0) return `Its credential expired on ${date}`;
  const days = Math.floor(leftMs / DAY_MS);
  const left = days === 0 ? 'within a day' : days === 1 ? 'in 1 day' : `in ${days} days`;
  return `Its credential expires ${left}, on ${date}`;
}

export function channelItem(channel) {
  const reason = channel.pausedReason;
  const expiry = expiryWords(channel.credential.expiresAt);
  return element(
    'li',
    { class: 'channel' },
    element('strong', {}, channel.name),
    ' ',
    element('span', { class: 'quiet' }, channel.vendor),
    ' ',
    tag(channel.state),
    ' ',
    channel.emulator && tag('emulator', 'wait'),
    reason && element('div', { class: 'bad' }, `${reason.detail} (${reason.code}, by ${reason.by})`),
    expiry && element('div', { class: 'bad' }, expiry),
  );
}

/** What a message's row says; `titleOf` falls back on what a silent message has. */
export function messageSummary(message) {
  const title = message.notification?.title ?? message.notification?.body ?? 'Data only';
  const counts = Object.entries(message.counts).map(([state, count]) =>
    tag(`${count.toLocaleString()} ${state}`, moods[state]),
  );
  return [
    moment(message.createdAt),
    element('span', { class: 'title' }, title),
    element('span', { class: 'quiet' }, message.class),
    message.state === 'cancelled' && tag('cancelled'),
    message.state === 'scheduled' && tag('scheduled'),
    ...counts,
  ];
}

export function pushSummary(push) {
  return [
    tag(push.state),
    element('code', {}, push.token),
    element('span', { class: 'quiet' }, push.channel),
    push.code && element('span', {}, push.code),
    push.attempts > 1 && element('span', { class: 'quiet' }, `${push.attempts} attempts`),
  ];
}

export function timelineItem(step) {
  return element('li', {}, moment(step.at), ' ', ...stepWords(step));
}

function stepWords(step) {
  const words = [step.code, step.detail].filter(Boolean).join(': ');
  const rest = words ? [' ', element('span', {}, words)] : [];
  switch (step.type) {
    case 'queued':
      return ['queued'];
    case 'attempt': {
      const next = step.action === 'finish' ? '' : `, then ${step.action}`;
      const after = typeof step.delayMs === 'number' ? ` in ${step.delayMs} ms` : '';
      return [`attempt: ${step.kind} in ${step.durationMs} ms${next}${after}`, ...rest];
    }
    case 'receipt': {
      const proof = step.verified ? tag('verified', 'good') : tag('unverified', 'wait');
      return ['receipt ', proof, ' ', step.state ? tag(step.state) : 'says nothing final', ...rest];
    }
    default:
      return [tag(step.state ?? step.type), ...rest];
  }
}
