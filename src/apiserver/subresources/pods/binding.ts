/** `pods/binding` and the old `bindings` resource: a pod gets its node, once. */

import type { KubeObject } from '../../../api/meta.ts';
import { Binding, Pod } from '../../../api/resources.gen.ts';
import { formatTime } from '../../../api/schema/time.ts';
import { badRequest, conflict, methodNotAllowed, StatusError } from '../../../api/status.ts';
import { decodeAs, readParsedBody } from '../../registry/conversion/codec.ts';
import { resourceOf } from '../../registry/ensure.ts';
import type { Registry } from '../../registry/registry.ts';
import { fieldValidationOf, writeRequest } from '../../registry/request-options.ts';
import { changeObject } from '../../registry/verbs/update.ts';
import type { ApiResponse, RequestContext } from '../../request.ts';

export const bindingType = { group: '', version: 'v1', kind: 'Binding' };

type BoundPod = KubeObject & {
  spec: { nodeName?: string; schedulingGates?: { name: string }[] };
  status?: { conditions?: Record<string, unknown>[]; nominatedNodeName?: string };
};

export async function serveBinding(registry: Registry, context: RequestContext): Promise<ApiResponse> {
  if (context.info.verb !== 'create') throw methodNotAllowed();
  const bindings = resourceOf(registry, Binding);
  const parsed = await readParsedBody(context.request, bindings);
  context.requestObject = parsed.value;
  const asked = decodeAs(bindings, parsed, fieldValidationOf(context), context.warnings) as Binding;
  const { name } = asked.metadata;
  if (context.info.subresource) {
    if (name !== context.info.name) throw badRequest('name in URL does not match name in Binding object');
  } else if (!name) throw badRequest('Name parameter required.');
  asked.metadata.namespace ||= context.info.namespace;
  const pods = resourceOf(registry, Pod);
  const binding = await registry.admission.admitPart({
    operation: 'CREATE',
    request: writeRequest(context, context.info.subresource ? pods : bindings),
    object: asked,
    objectKind: bindingType,
    old: undefined,
    name,
  });
  const target = checkTarget(binding);
  await changeObject(
    registry,
    { ...writeRequest(context, pods), name, subresource: 'binding' },
    {
      preconditions: {
        ...(binding.metadata.uid && { uid: binding.metadata.uid }),
        ...(binding.metadata.resourceVersion && { resourceVersion: binding.metadata.resourceVersion }),
      },
      checks: 'none',
      // Upstream records no owner of what a binding sets.
      fieldsTracked: true,
      next: (current) => assign(registry, current.object as BoundPod, binding, target),
    },
  );
  const object = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 };
  return { type: 'plain', status: 201, object };
}

/** @throws StatusError 500: to upstream a wrong target is no fault of the object's */
function checkTarget({ target }: Binding): string {
  const { kind = '', name = '' } = target ?? {};
  const problems = [];
  if (kind !== '' && kind !== 'Node' && kind !== 'Minion')
    problems.push(
      `target.kind: Unsupported value: ${JSON.stringify(kind)}: supported values: "Node", "<empty>"`,
    );
  if (name === '') problems.push('target.name: Required value');
  if (problems.length > 0)
    throw new StatusError(500, '', problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`);
  return name;
}

/** The pod with its node. What a binding leaves alone is shared with `pod`. */
function assign(registry: Registry, pod: BoundPod, binding: Binding, node: string): BoundPod {
  const { name } = pod.metadata;
  const refuse = (why: string) => conflict({ group: '', plural: 'pods/binding' }, name, why);
  if (pod.metadata.deletionTimestamp)
    throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  if (pod.spec.nodeName)
    throw refuse(`pod ${name} is already assigned to node ${JSON.stringify(pod.spec.nodeName)}`);
  if (pod.spec.schedulingGates?.length) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  const { resourceVersion: _, ...metadata } = pod.metadata;
  const { annotations, labels } = binding.metadata;
  if (annotations) metadata.annotations = { ...metadata.annotations, ...annotations };
  if (labels) metadata.labels = { ...metadata.labels, ...labels };
  // Where the pod was expected is of no more interest.
  const { nominatedNodeName: _promised, ...status } = pod.status ?? {};
  return {
    ...pod,
    metadata: metadata as KubeObject['metadata'],
    spec: { ...pod.spec, nodeName: node },
    status: { ...status, conditions: scheduledConditions(pod, formatTime(registry.clock.now())) },
  };
}

function scheduledConditions({ status }: BoundPod, now: string): Record<string, unknown>[] {
  const isScheduled = ({ type }: Record<string, unknown>) => type === 'PodScheduled';
  const before = status?.conditions ?? [];
  const old = before.find(isScheduled);
  const condition = {
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: old?.status === 'True' ? old.lastTransitionTime : now,
  };
  return [...before.filter((other) => !isScheduled(other)), condition];
}
