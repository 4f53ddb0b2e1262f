import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StartProblem } from './container-start.ts';
import { WaitingReasons } from './waiting-reasons.ts';

const problem = (reason: string, retryInMs: number) => new StartProblem({ reason, message: 'no' }, retryInMs);
const shownReason = (reasons: WaitingReasons) => reasons.shown.get('c')?.reason;

test('a configuration that is not possible shows once it has failed twice', () => {
  const reasons = new WaitingReasons();
  assert.equal(reasons.failed('c', problem('CreateContainerConfigError', 10_000)), 1_000);
  reasons.showHeldBack();
  assert.equal(shownReason(reasons), undefined);
  assert.equal(reasons.failed('c', problem('CreateContainerConfigError', 10_000)), 10_000);
  assert.equal(shownReason(reasons), 'CreateContainerConfigError');
});

test('a container whose reason to wait is gone by then never shows it', () => {
  const reasons = new WaitingReasons();
  reasons.failed('c', problem('CreateContainerConfigError', 10_000));
  reasons.started('c');
  reasons.failed('c', problem('CreateContainerConfigError', 10_000));
  assert.equal(shownReason(reasons), undefined);
});

test('a pull that fails again shows a moment after the wait before it', () => {
  const reasons = new WaitingReasons();
  assert.equal(reasons.failed('c', problem('ErrImagePull', 10_000)), 10_000);
  assert.equal(shownReason(reasons), 'ErrImagePull');
  reasons.show('c', { reason: 'ImagePullBackOff', message: 'waits' });
  assert.equal(reasons.failed('c', problem('ErrImagePull', 20_000)), 1_000);
  assert.equal(shownReason(reasons), 'ImagePullBackOff');
  reasons.showHeldBack();
  assert.equal(shownReason(reasons), 'ErrImagePull');
});

test('the problem of an image is forgotten with the image, once it has been reported', () => {
  const reasons = new WaitingReasons();
  reasons.failed('c', problem('ErrImagePull', 10_000));
  reasons.imageChanged('c');
  assert.equal(shownReason(reasons), 'ErrImagePull');
  reasons.dropOutdated();
  assert.equal(shownReason(reasons), undefined);
});
