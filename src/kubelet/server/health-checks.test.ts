import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HealthChecks } from './health-checks.ts';

test('a check that was asked for alone counts alone, and all of them when all are', () => {
  const checks = new HealthChecks();
  checks.observe(undefined);
  checks.observe('ping');
  const text = checks.expose();
  assert.match(text, /^kubernetes_healthcheck\{name="syncloop",type="healthz"\} 1$/m);
  assert.match(text, /^kubernetes_healthchecks_total\{name="log",status="success",type="healthz"\} 1$/m);
  assert.match(text, /^kubernetes_healthchecks_total\{name="ping",status="success",type="healthz"\} 2$/m);
});
