import { fork } from 'node:child_process';
import { once } from 'node:events';
import { CommandError } from '../failure.ts';

/** Part of a bench in a process of its own, so that it does not wait for what else the bench does. */
export interface SideProcess<Ready> {
  /** What it said when it was ready. */
  readonly ready: Ready;
  /** Aborts when it ends without being asked. */
  readonly died: AbortSignal;
  stop(): Promise<void>;
}

type Word = { kind: 'ready'; ready: unknown } | { kind: 'told'; told: unknown };

/**
 * @param file   a module that calls `serveSide`; its `given` must survive JSON
 * @param onTold  hears all that it tells once it is ready
 */
export async function startSideProcess<Ready, Told = never>(
  file: URL,
  given: object,
  onTold: (told: Told) => void = () => undefined,
): Promise<SideProcess<Ready>> {
  // Ctrl-C is ours to hear; without us it ends.
  const child = fork(file, [], { execArgv: [], detached: true });
  const exited = once(child, 'exit').then(
    ([code, by]) => new CommandError(`A process of the bench ended (${by ?? code}).`),
  );
  const died = new AbortController();
  let isStopping = false;
  void exited.then((error) => isStopping || died.abort(error));
  const ready = new Promise<Ready>((resolve, reject) => {
    child.on('message', (word: Word) => {
      if (word.kind === 'ready') resolve(word.ready as Ready);
      else onTold(word.told as Told);
    });
    void exited.then(reject);
  });
  child.send(given);
  return {
    ready: await ready,
    died: died.signal,
    async stop() {
      isStopping = true;
      child.kill();
      await exited;
    },
  };
}

/** The other side, in the process itself. It ends when its bench does. */
export async function serveSide<Given, Ready, Told = never>(
  start: (given: Given, tell: (told: Told) => void) => Promise<Ready>,
): Promise<void> {
  process.once('disconnect', () => process.exit());
  const say = (word: Word) => void process.send?.(word);
  const [given] = (await once(process, 'message')) as [Given];
  say({ kind: 'ready', ready: await start(given, (told) => say({ kind: 'told', told })) });
}
