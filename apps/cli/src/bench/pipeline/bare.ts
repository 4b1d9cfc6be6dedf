import { CommandError } from '../../failure.ts';
import type { Figures } from '../rounds.ts';
import { ScriptProcess } from '../script-process.ts';
import type { ContenderQuestion, OwnFigures } from '../send/contender-process.ts';
import { type LoadFigure, noFigures, startBusy } from './load.ts';
import type { Stage } from './stage.ts';

const IN_FLIGHT = 400;

export interface BareClient {
  /** @param round  negative to warm up */
  send(pushes: number, round: number): Promise<Figures<LoadFigure>>;
  close(): Promise<void>;
}

/** The bare `node:http2` client of `bench send` in a process of its own, on one session for all rounds. */
export function openBare({ sink, target }: Stage, signal: AbortSignal): BareClient {
  const child = new ScriptProcess(new URL('../send/contender-process.ts', import.meta.url));
  return {
    async send(pushes, round) {
      const common = { pushes, inFlight: IN_FLIGHT };
      const question: ContenderQuestion =
        round < 0
          ? { kind: 'warm-up', vendor: 'apns', name: 'node:http2', target, ...common }
          : { kind: 'measure', ...common };
      const sinkBefore = await sink.cpuUs();
      const busy = startBusy();
      const { taken, cpuUs, wallUs } = await child.ask<OwnFigures>(question, signal);
      if (taken !== pushes) throw new CommandError(`${pushes - taken} bare requests were not answered 200.`);
      const busyCores = busy();
      const sinkAfter = await sink.cpuUs();
      return {
        ...noFigures(),
        perSecond: (pushes * 1_000_000) / wallUs,
        workerCpu: cpuUs / pushes,
        totalCpu: cpuUs / pushes,
        sinkCpu: ((sinkAfter ?? Number.NaN) - (sinkBefore ?? Number.NaN)) / pushes,
        busyCores,
      };
    },
    close: () => child.end(),
  };
}
