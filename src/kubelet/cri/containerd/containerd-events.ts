/**
 * containerd's own event stream (containerd.services.events.v1), on the socket that also serves CRI. It reports a
 * container's end at once, in every version of containerd; CRI's GetContainerEvents came only with 1.7.
 */
import type { Client, ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import type { RuntimeEvent } from '../runtime.ts';
import { asRuntimeError } from '../runtime-error.ts';

const field = (type: string, id: number, rule?: string) => ({ type, id, ...(rule && { rule }) });

const root = protobuf.Root.fromJSON({
  nested: {
    SubscribeRequest: { fields: { filters: field('string', 1, 'repeated') } },
    Any: { fields: { typeUrl: field('string', 1), value: field('bytes', 2) } },
    Envelope: {
      fields: { namespace: field('string', 2), topic: field('string', 3), event: field('Any', 4) },
    },
    TaskStart: { fields: { containerId: field('string', 1) } },
    TaskOom: { fields: { containerId: field('string', 1) } },
    TaskExit: {
      fields: { containerId: field('string', 1), id: field('string', 2), exitStatus: field('uint32', 4) },
    },
    TaskDelete: {
      fields: { containerId: field('string', 1), exitStatus: field('uint32', 3), id: field('string', 5) },
    },
  },
});

const subscribeRequest = root.lookupType('SubscribeRequest');
const envelope = root.lookupType('Envelope');

/** Only events of CRI's containers, and only those that the kubelet acts on. */
const filters = ['/tasks/start', '/tasks/exit', '/tasks/oom', '/tasks/delete'].map(
  (topic) => `namespace==k8s.io,topic=="${topic}"`,
);

const path = '/containerd.services.events.v1.Events/Subscribe';

export async function* subscribeContainerdEvents(
  client: Client,
  signal: AbortSignal,
  ready: () => void,
): AsyncGenerator<RuntimeEvent> {
  const stream = client.makeServerStreamRequest(
    path,
    (message: object) => Buffer.from(subscribeRequest.encode(message).finish()),
    (bytes: Buffer) => envelope.toObject(envelope.decode(bytes), { defaults: true }) as Envelope,
    { filters },
  );
  const cancel = () => stream.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  // containerd sends headers only with the first event, so a subscription counts as accepted once the channel is
  // connected; the caller's next listing uses the same connection, behind it.
  client.waitForReady(Number.POSITIVE_INFINITY, (error) => error === undefined && ready());
  try {
    for await (const message of stream) {
      const event = parseEvent(message as Envelope);
      if (event) yield event;
    }
  } catch (error) {
    if (!signal.aborted) throw asRuntimeError(error as ServiceError);
  } finally {
    signal.removeEventListener('abort', cancel);
    stream.cancel();
  }
}

interface Envelope {
  topic: string;
  event: { value: Uint8Array };
}

/** The events of tasks, as far as each message has the fields. */
interface TaskEvent {
  containerId: string;
  id: string;
  exitStatus: number;
}

function parseEvent({ topic, event }: Envelope): RuntimeEvent | undefined {
  const decode = (name: string) => {
    const type = root.lookupType(name);
    return type.toObject(type.decode(event.value), { defaults: true }) as TaskEvent;
  };
  switch (topic) {
    case '/tasks/start':
      return { type: 'started', id: decode('TaskStart').containerId };
    case '/tasks/oom':
      return { type: 'oom', id: decode('TaskOom').containerId };
    case '/tasks/exit': {
      const { containerId, id, exitStatus } = decode('TaskExit');
      // Other ids are those of exec processes.
      return id === containerId ? { type: 'exited', id, exitCode: exitStatus } : undefined;
    }
    case '/tasks/delete': {
      const { containerId, id } = decode('TaskDelete');
      return id === '' || id === containerId ? { type: 'deleted', id: containerId } : undefined;
    }
    default:
      return undefined;
  }
}
