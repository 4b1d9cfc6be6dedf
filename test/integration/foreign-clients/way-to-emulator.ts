import { isIP } from 'node:net';
import { after } from 'node:test';
import tls from 'node:tls';

/*
 * Some clients have no option for an authority, or their host or port is a constant. They are led to an emulator
 * below their own code: they dial, verify and sign for the address that they believe in, and only the TCP connection
 * goes elsewhere. Each test file is a process of its own, so nobody else is led along.
 */

/** Trusts one authority and no other until the end of the file, for clients that take no `ca`. PEM. */
export function trustOnly(certificate: string): void {
  const before = tls.getCACertificates('default');
  tls.setDefaultCACertificates([certificate]);
  after(() => tls.setDefaultCACertificates(before));
}

/**
 * Leads TLS connections until the end of the file. An address that is not listed is an error, so that no mistake
 * here ends at a real vendor.
 * @param ways  origin of an emulator by `host:port` as the client dials it
 */
export function lead(ways: Readonly<Record<string, string>>): void {
  const { connect } = tls;
  const connectElsewhere = (
    first: tls.ConnectionOptions | string,
    name?: string,
    more?: tls.ConnectionOptions,
  ): tls.TLSSocket => {
    // Node's HTTP/2 dials with port, as a text, and host before its options.
    const options =
      typeof first === 'object' ? first : { ...more, host: name as string, port: Number(first) };
    const { host = '', port } = options;
    const origin = ways[`${host}:${port}`];
    if (origin === undefined) throw new Error(`${host}:${port} was dialled and leads nowhere`);
    const emulator = new URL(origin);
    return connect({
      ...options,
      // The name that is asked for and verified stays the client's own; an address of digits is never asked for.
      ...(isIP(host) === 0 ? { servername: options.servername || host } : {}),
      host: emulator.hostname,
      port: Number(emulator.port),
    });
  };
  tls.connect = connectElsewhere as typeof tls.connect;
  after(() => {
    tls.connect = connect;
  });
}
