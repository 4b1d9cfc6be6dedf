/** What was started, to be closed in reverse. Each step closes whatever became of the others. */
export interface Closing {
  add(name: string, close: () => Promise<void> | void): void;
  /** Closes everything once; later calls wait for the first. */
  close(): Promise<void>;
}

export function createClosing(say: (line: string) => void): Closing {
  const steps: { name: string; close: () => Promise<void> | void }[] = [];
  let closed: Promise<void> | undefined;

  async function closeAll(): Promise<void> {
    for (let step = steps.pop(); step; step = steps.pop()) {
      try {
        await step.close();
      } catch (error) {
        say(`Closing ${step.name} failed: ${(error as Error).message}`);
      }
    }
  }

  return {
    add: (name, close) => void steps.push({ name, close }),
    close() {
      closed ??= closeAll();
      return closed;
    },
  };
}
