import { statfs } from 'node:fs/promises';

/**
 * What the server is told on its command line, where anybody on the machine may read it.
 * @param o.durable  false for tests: a power cut loses data
 */
export async function postgresSettings(o: {
  port: number;
  durable: boolean;
}): Promise<Record<string, string>> {
  const disk = o.durable ? 'on' : 'off';
  return {
    listen_addresses: '127.0.0.1',
    port: String(o.port),
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    max_connections: '200',
    shared_buffers: '128MB',
    max_wal_size: '2GB',
    checkpoint_timeout: '15min',
    // Every disk this runs on today is as fast at random reads.
    random_page_cost: '1.1',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // A 202 is a promise: it is on the disk before it is given.
    fsync: disk,
    synchronous_commit: disk,
    full_page_writes: disk,
    // Containers give /dev/shm 64 MB, and a parallel query that runs out of it fails.
    ...((await hasLittleSharedMemory()) ? { dynamic_shared_memory_type: 'mmap' } : {}),
  };
}

async function hasLittleSharedMemory(): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const shm = await statfs('/dev/shm').catch(() => undefined);
  return shm === undefined || shm.bavail * shm.bsize < 256 * 1024 * 1024;
}
