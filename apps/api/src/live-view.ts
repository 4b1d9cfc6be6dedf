import type { ServerResponse } from 'node:http';
import type { Logger } from '@pushmill/log';

export interface LiveView {
  /** Streams an app's view to a response until either side ends it. The headers are written here. */
  attach(appId: string, response: ServerResponse): void;
  /** Ends all streams. */
  close(): void;
}

export interface LiveViewOptions {
  /** What an app's listeners see: event name to data, as JSON text. Only what changed is sent. */
  read: (appId: string) => Promise<Readonly<Record<string, string>>>;
  log: Logger;
  intervalMs?: number;
  heartbeatMs?: number;
}

interface Room {
  listeners: Set<ServerResponse>;
  last: Readonly<Record<string, string>>;
  timer: NodeJS.Timeout | undefined;
}

/** A listener that does not read is let go, so that its backlog does not grow here. */
const MAX_BACKLOG_BYTES = 1_000_000;

/**
 * Server-sent events from a view that is read again and again: one reader an app, however many listen, and none
 * when nobody does. A slow read is not repeated at once: the pause is at least four times what the read took.
 */
export function createLiveView(options: LiveViewOptions): LiveView {
  const { read, log, intervalMs = 1_000, heartbeatMs = 15_000 } = options;
  const rooms = new Map<string, Room>();
  const heartbeat = setInterval(() => {
    for (const room of rooms.values()) for (const response of room.listeners) send(response, ': alive\n\n');
  }, heartbeatMs).unref();

  async function turn(appId: string, room: Room): Promise<void> {
    const startedAt = performance.now();
    try {
      const view = await read(appId);
      const changes = Object.entries(view).filter(([event, data]) => room.last[event] !== data);
      room.last = view;
      for (const response of room.listeners) sendAll(response, changes);
    } catch (error) {
      log.warn({ err: error }, 'api.live-view-failed');
    }
    if (room.listeners.size === 0) return;
    const pauseMs = Math.max(intervalMs, 4 * (performance.now() - startedAt));
    room.timer = setTimeout(() => turn(appId, room), pauseMs);
  }

  function roomOf(appId: string): Room {
    const known = rooms.get(appId);
    if (known) return known;
    const room: Room = { listeners: new Set(), last: {}, timer: undefined };
    rooms.set(appId, room);
    return room;
  }

  function leave(appId: string, room: Room, response: ServerResponse): void {
    room.listeners.delete(response);
    if (room.listeners.size > 0) return;
    clearTimeout(room.timer);
    if (rooms.get(appId) === room) rooms.delete(appId);
  }

  return {
    attach(appId, response) {
      response.writeHead(200, {
        'content-type': 'text/event-stream',
        'cache-control': 'no-store',
        // Some proxies hold a stream back to compress or buffer it.
        'x-accel-buffering': 'no',
      });
      const room = roomOf(appId);
      room.listeners.add(response);
      response.on('close', () => leave(appId, room, response));
      send(response, 'retry: 2000\n\n');
      if (room.listeners.size === 1) void turn(appId, room);
      else sendAll(response, Object.entries(room.last));
    },
    close() {
      clearInterval(heartbeat);
      for (const room of rooms.values()) {
        clearTimeout(room.timer);
        for (const response of room.listeners) response.end();
      }
      rooms.clear();
    },
  };
}

function sendAll(response: ServerResponse, events: readonly (readonly [string, string])[]): void {
  for (const [event, data] of events) send(response, `event: ${event}\ndata: ${data}\n\n`);
}

function send(response: ServerResponse, text: string): void {
  if (response.writableLength > MAX_BACKLOG_BYTES) response.destroy();
  else if (!response.writableEnded) response.write(text);
}
