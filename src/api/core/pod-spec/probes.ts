/** Validation of probes and of lifecycle hooks. */

import type { Container, LifecycleHandler, Probe } from '../../types/core-v1.gen.ts';
import { type FieldErrors, forbiddenField, invalidValue, required } from '../../validation/field-error.ts';
import {
  invalidFor,
  nonNegative,
  oneOf,
  portNumber,
  portNumberOrName,
  positive,
} from '../../validation/fields.ts';
import { headerNameProblems } from '../../validation/names.ts';

type Handler = Probe & LifecycleHandler;
const schemes = ['HTTP', 'HTTPS'];

/** In upstream's order: the second one that is set is reported as superfluous. */
const handlerTypes = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const;

function* validateHandler(handler: Handler, graceSeconds: number | undefined, field: string): FieldErrors {
  let count = 0;
  for (const type of handlerTypes) {
    if (!handler[type]) continue;
    if (count++ > 0) {
      yield forbiddenField(`${field}.${type}`, 'may not specify more than 1 handler type');
      continue;
    }
    const path = `${field}.${type}`;
    if (type === 'exec' && !handler.exec?.command?.length) yield required(`${path}.command`);
    if (type === 'httpGet') yield* validateHttpGet(handler.httpGet!, path);
    if (type === 'tcpSocket') yield* portNumberOrName(handler.tcpSocket!.port, `${path}.port`);
    if (type === 'grpc') yield* portNumber(handler.grpc!.port, `${path}.port`);
    if (type === 'sleep') {
      const { seconds } = handler.sleep!;
      if (seconds < 0 || seconds > (graceSeconds ?? 30))
        yield invalidValue(
          path,
          seconds,
          `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds ?? 30})`,
        );
    }
  }
  if (count === 0) yield required(field, 'must specify a handler type');
}

function* validateHttpGet(action: NonNullable<Probe['httpGet']>, field: string): FieldErrors {
  if (!action.path) yield required(`${field}.path`);
  yield* portNumberOrName(action.port, `${field}.port`);
  yield* oneOf(action.scheme, schemes, `${field}.scheme`);
  for (const header of action.httpHeaders ?? [])
    yield* invalidFor(`${field}.httpHeaders`, header.name, headerNameProblems(header.name));
}

const probeNumbers = [
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
] as const;

function* validateProbe(probe: Probe | undefined, field: string): FieldErrors {
  if (!probe) return;
  yield* validateHandler(probe, undefined, field);
  for (const name of probeNumbers) yield* nonNegative(probe[name], `${field}.${name}`);
  if (probe.terminationGracePeriodSeconds !== undefined)
    yield* positive(probe.terminationGracePeriodSeconds, `${field}.terminationGracePeriodSeconds`);
}

/** The probes and hooks of a container that runs as long as its pod. */
export function* validateProbesAndHooks(
  container: Pick<Container, 'livenessProbe' | 'readinessProbe' | 'startupProbe' | 'lifecycle'>,
  graceSeconds: number | undefined,
  field: string,
): FieldErrors {
  const { lifecycle, livenessProbe, readinessProbe, startupProbe } = container;
  if (lifecycle?.postStart)
    yield* validateHandler(lifecycle.postStart, graceSeconds, `${field}.lifecycle.postStart`);
  if (lifecycle?.preStop)
    yield* validateHandler(lifecycle.preStop, graceSeconds, `${field}.lifecycle.preStop`);
  yield* validateProbe(livenessProbe, `${field}.livenessProbe`);
  yield* mustSucceedOnce(livenessProbe, `${field}.livenessProbe`);
  yield* validateProbe(readinessProbe, `${field}.readinessProbe`);
  if (readinessProbe?.terminationGracePeriodSeconds !== undefined)
    yield invalidValue(
      `${field}.readinessProbe.terminationGracePeriodSeconds`,
      readinessProbe.terminationGracePeriodSeconds,
      'must not be set for readinessProbes',
    );
  yield* validateProbe(startupProbe, `${field}.startupProbe`);
  yield* mustSucceedOnce(startupProbe, `${field}.startupProbe`);
}

function* mustSucceedOnce(probe: Probe | undefined, field: string): FieldErrors {
  if (probe?.successThreshold !== undefined && probe.successThreshold !== 1)
    yield invalidValue(`${field}.successThreshold`, probe.successThreshold, 'must be 1');
}
