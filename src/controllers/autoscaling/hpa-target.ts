/** What an autoscaler scales: where the scale of its target is found, and how it is written. */
import { apiVersionOf, parseApiVersion } from '../../api/meta.ts';
import { StatusError } from '../../api/status.ts';
import type { Scale } from '../../api/types/autoscaling-v1.gen.ts';
import type { CrossVersionObjectReference } from '../../api/types/autoscaling-v2.gen.ts';
import type { APIGroup, APIResourceList } from '../../api/types/meta-v1.gen.ts';
import type { Client } from '../../client/client.ts';
import { SpecProblem } from './hpa-monitor.ts';

/** Retries of a resize that lost to another client's write. */
const rescaleTriesMax = 5;

export interface Requests {
  client: Client;
  signal: AbortSignal;
}

/** @throws SpecProblem for a reference that makes no sense */
export async function scalePathOf(
  requests: Requests,
  namespace: string | undefined,
  { apiVersion = 'v1', kind, name }: CrossVersionObjectReference,
): Promise<string> {
  // Those that were stored before validation looked at it.
  if (apiVersion.split('/').length > 2)
    throw new SpecProblem(`unexpected GroupVersion string: ${apiVersion}`);
  const { root, plural } = await findResource(requests, apiVersion, kind);
  return `${root}/namespaces/${namespace}/${plural}/${name}/scale`;
}

/** The version that is named is only the first to be tried: a kind is found in whichever its group serves. */
export async function findResource(
  requests: Requests,
  apiVersion: string,
  kind: string,
): Promise<{ root: string; plural: string }> {
  const { group, version: named } = parseApiVersion(apiVersion);
  const lookIn = async (version: string) => {
    const root = rootOf({ group, version });
    const list = await discover<APIResourceList>(requests, root);
    const plural = list && pluralOf(list, kind);
    return plural === undefined ? undefined : { root, plural };
  };
  const found = await lookIn(named);
  if (found) return found;
  const served = group === '' ? undefined : await discover<APIGroup>(requests, `/apis/${group}`);
  for (const { version } of served?.versions ?? []) {
    const other = version === named ? undefined : await lookIn(version);
    if (other) return other;
  }
  throw new Error(`no matches for kind "${kind}" in group "${group}"`);
}

/** Undefined: it is not served. */
async function discover<Answer>({ client, signal }: Requests, path: string): Promise<Answer | undefined> {
  try {
    return await client.raw<Answer>('GET', path, undefined, signal);
  } catch (error) {
    if (error instanceof StatusError && error.code === 404) return undefined;
    throw error;
  }
}

export async function writeScale(
  { client, signal }: Requests,
  path: string,
  scale: Scale,
  replicas: number,
): Promise<void> {
  let newest = scale;
  for (let tries = 1; ; tries++) {
    try {
      await client.raw('PUT', path, { ...newest, spec: { ...newest.spec, replicas } }, signal);
      return;
    } catch (error) {
      if (!(error instanceof StatusError) || error.code !== 409 || tries === rescaleTriesMax) throw error;
      newest = await client.raw<Scale>('GET', path, undefined, signal);
    }
  }
}

function rootOf({ group, version }: { group: string; version: string }): string {
  return group === '' ? `/api/${version}` : `/apis/${apiVersionOf({ group, version })}`;
}

/** Of several resources of one kind, the one that can be scaled. */
function pluralOf({ resources }: APIResourceList, kind: string): string | undefined {
  const names = new Set(resources.map(({ name }) => name));
  const ofKind = resources.filter(({ kind: served, name }) => served === kind && !name.includes('/'));
  return (ofKind.find(({ name }) => names.has(`${name}/scale`)) ?? ofKind[0])?.name;
}
