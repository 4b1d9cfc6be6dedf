/*
 * A program of its own, run by redis-binary.ts: downloads and compiles Redis as redis-memory-server does on
 * install, and prints `binary <path>`. Settings come in the environment (REDISMS_DOWNLOAD_DIR, REDISMS_VERSION,
 * REDISMS_DOWNLOAD_URL, REDISMS_DOWNLOAD_MIRROR). Its other output is progress.
 */
import { RedisBinary } from 'redis-memory-server';

try {
  console.log(`binary ${await RedisBinary.getPath()}`);
} catch (error) {
  const lines = String(error instanceof Error ? error.message : error).trim();
  // A compiler's output ends with what make says; the cause is the first line that speaks of an error.
  const cause =
    lines.split('\n').find((line) => /error|not found|ENOENT/i.test(line)) ?? lines.split('\n')[0];
  console.error(cause);
  process.exitCode = 1;
}
