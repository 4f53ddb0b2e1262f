/** Finds the pod, its node and the container that log, exec, attach and portforward are about. */
import { Pod } from '../../../api/resources.gen.ts';
import { badRequest } from '../../../api/status.ts';
import { resourceOf } from '../../registry/ensure.ts';
import { type Registry, readCurrent } from '../../registry/registry.ts';
import type { RequestContext } from '../../request.ts';

const defaultContainerAnnotation = 'kubectl.kubernetes.io/default-container';

/** @throws StatusError 404 */
export async function readPod(registry: Registry, { info }: RequestContext): Promise<Pod> {
  const found = await readCurrent(registry, resourceOf(registry, Pod), info.namespace, info.name);
  return found.object as Pod;
}

/** @throws StatusError 400 when the pod has no node yet */
export function nodeOf(pod: Pod): string {
  const name = pod.spec?.nodeName;
  if (!name) throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
  return name;
}

/** The requested container, or the default one. @throws StatusError 400 */
export function containerOf(pod: Pod, asked: string | null): string {
  const spec = pod.spec;
  const main = (spec?.containers ?? []).map(({ name }) => name);
  const init = (spec?.initContainers ?? []).map(({ name }) => name);
  const ephemeral = (spec?.ephemeralContainers ?? []).map(({ name }) => name);
  if (asked) {
    if ([...main, ...init, ...ephemeral].includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${pod.metadata.name}`);
  }
  const preferred = pod.metadata.annotations?.[defaultContainerAnnotation];
  if (preferred && main.includes(preferred)) return preferred;
  if (main.length === 1 && init.length === 0 && ephemeral.length === 0) return main[0]!;
  if (main.length === 1) return main[0]!;
  let message = `a container name must be specified for pod ${pod.metadata.name}, choose one of: [${main.join(' ')}]`;
  if (init.length > 0) message += ` or one of the init containers: [${init.join(' ')}]`;
  throw badRequest(message);
}
