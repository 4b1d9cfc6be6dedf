import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { metricIn } from './role-sample.ts';

describe('metricIn', () => {
  const text = [
    '# HELP process_resident_memory_bytes Resident memory size in bytes.',
    'process_resident_memory_bytes{role="api"} 123456789',
    'nodejs_eventloop_lag_p99_seconds{role="api"} 0.0101',
    'plain 1.5e3',
  ].join('\n');

  it('finds a value with and without labels', () => {
    assert.equal(metricIn(text, 'process_resident_memory_bytes'), 123_456_789);
    assert.equal(metricIn(text, 'nodejs_eventloop_lag_p99_seconds'), 0.0101);
    assert.equal(metricIn(text, 'plain'), 1_500);
  });

  it('makes nothing up', () => assert.equal(metricIn(text, 'process_resident'), Number.NaN));
});
