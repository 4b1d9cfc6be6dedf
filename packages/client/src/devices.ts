/** What an app says of a device; null and absent are the same. */
export interface DeviceRegistration {
  channel: string;
  token: string;
  /** Who uses it, as the app calls them. */
  user?: string | null;
  tags?: readonly string[] | null;
  /** BCP 47. */
  locale?: string | null;
  /** Of the IANA database. */
  timeZone?: string | null;
  /** Where the token was made, e.g. `sandbox`; null for where the channel says. */
  environment?: string | null;
}

export type DeviceState = 'active' | 'dead' | 'misfiled';

export interface Device {
  id: string;
  channel: string;
  token: string;
  user: string | null;
  tags: string[];
  locale: string | null;
  timeZone: string | null;
  environment: string | null;
  /** Only active ones are sent to; registered again, a device is active again. */
  state: DeviceState;
  /** The vendor's word for why it is not. */
  code: string | null;
  createdAt: string;
  registeredAt: string;
}

export interface DeviceFilter {
  user?: string;
  tag?: string;
  channel?: string;
  state?: DeviceState;
  token?: string;
  /** Of one page. */
  limit?: number;
}

export interface Devices {
  /**
   * Registers a device, or registers it again: at each start of the app, and when its token changes. What is not
   * given is forgotten. A token that was another device's is taken over, and that device is gone.
   * @param id  the app's own name for it: printable ASCII, at most 256
   */
  put(id: string, device: DeviceRegistration): Promise<Device>;
  get(id: string): Promise<Device>;
  delete(id: string): Promise<void>;
  /** In the order of their ids, page by page as they are read. */
  list(filter?: DeviceFilter): AsyncIterable<Device>;
}

/** The calls about devices, over the calls that all parts of the client share. */
export function createDevices(api: {
  json<T>(method: 'GET' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T>;
  pages<T>(path: string, query?: object): AsyncIterable<T>;
}): Devices {
  const pathOf = (id: string) => `/v1/devices/${encodeURIComponent(id)}`;
  return {
    put: (id, device) => api.json('PUT', pathOf(id), device),
    get: (id) => api.json('GET', pathOf(id)),
    delete: (id) => api.json('DELETE', pathOf(id)),
    list: (filter) => api.pages('/v1/devices', filter),
  };
}
