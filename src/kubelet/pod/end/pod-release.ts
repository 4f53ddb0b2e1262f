/** Releases what an ended pod held of the node, and later removes its last traces. */
import { Pod } from '../../../api/resources.gen.ts';
import { StatusError } from '../../../api/status.ts';
import type { KubeletContext } from '../../context.ts';
import type { ObservedPod } from '../pod-observation.ts';

export async function releasePod(context: KubeletContext, uid: string): Promise<void> {
  await context.volumes.tearDown(uid);
  await context.machine.cgroups.remove(uid);
  await context.userNamespaces.release(uid);
  context.devices.release(uid);
  context.objects.use(uid, []);
  context.crashBackoff.forget(`${uid}/`);
  context.images.forgetPod(uid);
}

/**
 * Completes the deletion of an ended pod at the API. A pod that is gone, or replaced by another of that name, is left
 * alone.
 */
export async function deletePodObject({ client }: KubeletContext, { metadata }: Pod): Promise<void> {
  const { namespace = '', name, uid } = metadata;
  try {
    await client.delete(Pod, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } });
  } catch (error) {
    if (!(error instanceof StatusError) || (error.code !== 404 && error.code !== 409)) throw error;
  }
}

/** Its containers and logs: until then they can be inspected. */
export async function removeTraces(
  context: KubeletContext,
  uid: string,
  observed: ObservedPod,
): Promise<void> {
  const { runtime, machine, logger } = context;
  try {
    await Promise.all(observed.sandboxes.map(({ id }) => runtime.removePodSandbox(id)));
    await machine.files.removePod(uid);
  } catch (error) {
    // Housekeeping finds what remains.
    logger.warn('the traces of a pod could not be removed', { pod: uid, error });
  }
}
