import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkAddresses } from './address-check.ts';

describe('checkAddresses', () => {
  for (const origin of [
    'http://api.push.apple.com',
    'https://localhost',
    'https://LOCALHOST.:8443',
    'https://x.localhost',
    'https://redis',
    'https://printer.local',
    'https://metadata.google.internal',
    'https://127.0.0.1',
    'https://127.1',
    'https://2130706433',
    'https://0x7f.1',
    'https://0.0.0.0',
    'https://10.9.8.7',
    'https://172.31.255.255',
    'https://192.168.1.1:443',
    'https://169.254.169.254',
    'https://100.64.0.1',
    'https://[::1]',
    'https://[::]',
    'https://[::ffff:10.0.0.1]',
    'https://[fd00::1]',
    'https://[fe80::1]',
    'https://user:pass@example.com',
    'ftp://example.com',
    'https://',
    'not an address',
  ]) {
    it(`refuses ${origin}`, () => {
      const [problem] = checkAddresses({ origin });
      assert.equal(problem?.pointer, '/settings/origin');
      assert.deepEqual(checkAddresses({ origin, emulator: true }), []);
    });
  }

  for (const origin of [
    'https://api.push.apple.com',
    'https://proxy.example.com:8443',
    'https://17.0.0.1',
    'https://172.32.0.1',
    'https://[2a01:b740::1]',
    'mpaas.aliyuncs.com',
  ]) {
    it(`takes ${origin}`, () => assert.deepEqual(checkAddresses({ origin }), []));
  }

  it('finds addresses under any name, and leaves other texts alone', () => {
    assert.equal(checkAddresses({ somewhere: 'https://10.0.0.1' }).length, 1);
    assert.equal(checkAddresses({ tokenUrl: '10.0.0.1' }).length, 1);
    assert.deepEqual(checkAddresses({ topic: 'localhost', pathPrefix: '10.0.0.1', ca: 'PEM' }), []);
  });
});
