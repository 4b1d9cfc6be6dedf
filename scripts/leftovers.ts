import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface TestRun {
  /** In every process's environment, as PUSHMILL_TEST_RUN. */
  id: string;
  /** The temporary folder of every process of the run. */
  folder: string;
}

/** An ended server needs a moment to be gone. */
const PATIENCE_MS = 5_000;

/**
 * Ends and deletes what a test run left behind.
 * @returns  one line for each thing found: empty after a clean run
 */
export async function removeLeftovers(run: TestRun): Promise<string[]> {
  const deadline = Date.now() + PATIENCE_MS;
  let processes = await findProcesses(run);
  while (processes.length > 0 && Date.now() < deadline) {
    await delay(100);
    processes = await findProcesses(run);
  }
  for (const { pid } of processes) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // ended by itself meanwhile
    }
  }
  const files = await readdir(run.folder, { recursive: true });
  await rm(run.folder, { recursive: true, force: true });
  return [
    ...processes.map(({ pid, command }) => `process ${pid} was left running: ${command}`),
    ...files.slice(0, 20).map((name) => `temporary file left: ${name}`),
    ...(files.length > 20 ? [`and ${files.length - 20} more`] : []),
  ];
}

/**
 * Processes that carry the run's mark or live in its folder. Servers that rewrite their own title lose their
 * environment with it, so the working folder is looked at too. Linux only; elsewhere nothing is found.
 */
async function findProcesses(run: TestRun): Promise<{ pid: number; command: string }[]> {
  const found: { pid: number; command: string }[] = [];
  for (const name of await readdir('/proc').catch(() => [])) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const [environment, commandLine, folder] = await Promise.all([
      readFile(join('/proc', name, 'environ'), 'latin1').catch(() => ''),
      readFile(join('/proc', name, 'cmdline'), 'latin1').catch(() => ''),
      readlink(join('/proc', name, 'cwd')).catch(() => ''),
    ]);
    const ours =
      environment.includes(`PUSHMILL_TEST_RUN=${run.id}`) ||
      commandLine.includes(run.folder) ||
      folder.startsWith(run.folder);
    if (ours) found.push({ pid, command: commandLine.replaceAll('\0', ' ').trim().slice(0, 200) });
  }
  return found;
}
