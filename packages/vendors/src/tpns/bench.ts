import type { Outcome } from '@pushmill/core';
import type { EmulatorChannel } from '../emulator.ts';
import { openSender, type SenderChoice, type Warning } from '../fixtures.ts';
import type { Sender } from '../vendor.ts';
import { createSender } from './client.ts';
import { prepareCredential } from './credential.ts';
import type { TpnsEmulator } from './emulator.ts';
import type { TpnsSettings } from './settings.ts';

/*
 * For tests only: a sender at an emulator.
 */

export interface Bench {
  of: TpnsEmulator;
  sender: Sender;
  warnings: Warning[];
  /** That the emulator read since the bench was opened. */
  requests: () => number;
}

export interface BenchOptions extends SenderChoice<TpnsSettings> {
  /** Of the emulator; default the Android one. */
  channelName?: string;
}

export function openBench(of: TpnsEmulator, about: BenchOptions = {}): Bench {
  const { channelName = 'tpns', ...choice } = about;
  const offered = of.channels.find((channel) => channel.name === channelName) as EmulatorChannel;
  const warnings: Warning[] = [];
  const sender = openSender({ prepareCredential, createSender }, offered, { ...choice, warnings });
  const start = of.account().requests;
  return { of, sender, warnings, requests: () => of.account().requests - start };
}

export const kindsOf = (outcomes: readonly Outcome[]) => outcomes.map((outcome) => outcome.kind);
