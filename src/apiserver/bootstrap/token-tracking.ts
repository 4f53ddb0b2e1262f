/** Tells from which day on it is noted that tokens in Secrets are used: before, nothing follows from there being no note. */
import { dayOf, startOfDay, trackedSinceKey, trackingConfigMap } from '../../api/core/legacy-token.ts';
import { ConfigMap } from '../../api/resources.gen.ts';
import { changeOwn, ensureObject, resourceOf } from '../registry/ensure.ts';
import { cacheOf, type Registry } from '../registry/registry.ts';

const namespace = 'kube-system';

export async function ensureTokenTracking(registry: Registry): Promise<void> {
  const since = dayOf(registry.clock.now());
  const isNew = await ensureObject(registry, ConfigMap, {
    metadata: { namespace, name: trackingConfigMap },
    data: { [trackedSinceKey]: since },
  });
  const found = cacheOf(resourceOf(registry, ConfigMap)).get(`${namespace}/${trackingConfigMap}`);
  if (isNew || !found || isReadable(found.object as ConfigMap)) return;
  await changeOwn(
    registry,
    ConfigMap,
    { namespace, name: trackingConfigMap },
    {
      next(current) {
        const { data, ...rest } = structuredClone(current.object) as ConfigMap;
        return { ...rest, data: { ...data, [trackedSinceKey]: since } } as ConfigMap;
      },
    },
  );
}

function isReadable({ data }: ConfigMap): boolean {
  return startOfDay(data?.[trackedSinceKey]) !== undefined;
}
