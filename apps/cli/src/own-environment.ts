/** What a run on servers of its own inherits: never servers or keys of a real installation, whatever the shell is set up for. */
export function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) =>
      name !== 'REDIS_URL' && name !== 'DATABASE_URL' && !/^PUSHMILL_(?!TEST_|LOG_LEVEL$)/.test(name),
  );
  return Object.fromEntries(kept);
}

/** For a bench: a log line a push would be most of what it measures. */
export function benchEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { PUSHMILL_LOG_LEVEL: 'warn', ...withoutOurs(env) };
}
