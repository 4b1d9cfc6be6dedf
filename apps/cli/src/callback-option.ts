import { CommandError } from './failure.ts';

/** `mpaas=http://127.0.0.1:8081/callbacks/…` → the address by channel name. */
export function callbacksFrom(values: readonly string[]): Map<string, string> {
  return new Map(
    values.map((value) => {
      const at = value.indexOf('=');
      const url = value.slice(at + 1);
      if (at < 1 || !/^https?:\/\//.test(url)) {
        throw new CommandError(
          `--callback needs channel=url, e.g. mpaas=http://127.0.0.1:8081/callbacks/mpaas/KEY.`,
        );
      }
      return [value.slice(0, at), url];
    }),
  );
}
