/** What pods have left on the node that are not wanted there: containers, devices, volumes, groups and files. */
import type { Logger } from '../../base/logger.ts';
import type { KubeletContext } from '../context.ts';
import { labels } from './pod-observation.ts';

/** Does its work, or says in the log why what it names stays for now. False: it stays. */
type Attempt = (what: string, work: () => Promise<void>) => Promise<boolean>;

/**
 * Ends and removes all that belongs to no wanted pod. What cannot be removed yet, because a driver is absent for example,
 * does not hold up the rest; the next call tries again.
 * @throws if the runtime, or the machine, cannot say what there is
 */
export async function clearOrphans(
  context: KubeletContext,
  isWanted: (podUid: string) => boolean,
): Promise<void> {
  const { machine, volumes, claims, devices, userNamespaces, logger, timings } = context;
  const attempt = attempting(logger);
  const stuck = await removeSandboxes(context, isWanted, attempt);
  const mayGo = (uid: string) => !isWanted(uid) && !stuck.has(uid);
  await attempt('claimed devices', () => claims.tidy((uid) => !mayGo(uid)));
  await attempt('devices of plugins', () => devices.tidy((uid) => !mayGo(uid)));
  const torn = [];
  for (const uid of await volumes.list())
    if (mayGo(uid)) torn.push(await attempt(`volumes of ${uid}`, () => volumes.tearDown(uid)));
  const cleaned = torn.filter(Boolean).length;
  timings.orphanVolumes(cleaned, torn.length - cleaned);
  await attempt('staged volumes', () => volumes.clearUnused());
  for (const uid of await machine.cgroups.list())
    if (mayGo(uid)) await attempt(`control group of ${uid}`, () => machine.cgroups.remove(uid));
  for (const uid of await userNamespaces.list())
    if (mayGo(uid)) await attempt(`user namespace of ${uid}`, () => userNamespaces.release(uid));
  for (const uid of await machine.files.listPods())
    if (mayGo(uid)) await attempt(`files of ${uid}`, () => machine.files.removePod(uid));
}

function attempting(logger: Logger): Attempt {
  return async (what, work) => {
    try {
      await work();
      return true;
    } catch (error) {
      logger.info('what a pod left stays for now', { what, error });
      return false;
    }
  };
}

/** Returns the uids of pods of which something may still run, and which must keep their volumes. */
async function removeSandboxes(
  { runtime, logger, timings }: KubeletContext,
  isWanted: (podUid: string) => boolean,
  attempt: Attempt,
): Promise<ReadonlySet<string>> {
  const stuck = new Set<string>();
  const remove = async (id: string) => {
    await runtime.stopPodSandbox(id);
    await runtime.removePodSandbox(id);
  };
  await Promise.all(
    (await runtime.listPodSandboxes()).map(async ({ id, metadata, labels: own }) => {
      const uid = own[labels.podUid];
      if (uid === undefined || isWanted(uid)) return;
      const pod = `${metadata.namespace}/${metadata.name}`;
      logger.info('a pod that is not wanted here is removed', { pod });
      timings.orphanFound();
      if (!(await attempt(`sandbox of ${pod}`, () => remove(id)))) stuck.add(uid);
    }),
  );
  return stuck;
}
