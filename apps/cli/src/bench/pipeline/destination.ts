import { type PlannedPush, planPushes } from '../send/load.ts';

/** Where all contenders send. */
export interface Destination {
  /** `https://localhost:port` */
  origin: string;
  /** PEM; the only authority to be trusted. */
  ca: string;
  topic: string;
}

/** What all contenders send. */
const { notification, data } = (planPushes(1)[0] as PlannedPush).message;
export const sample = { notification, data };
