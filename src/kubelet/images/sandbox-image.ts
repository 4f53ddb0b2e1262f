/** The image of sandboxes, from the runtime's configuration. */
import type { ContainerRuntime } from '../cri/runtime.ts';

/** Undefined: the runtime does not tell. */
export async function sandboxImageOf(runtime: Pick<ContainerRuntime, 'status'>): Promise<string | undefined> {
  const { config } = (await runtime.status({ verbose: true })).info;
  return config ? (JSON.parse(config) as { sandboxImage?: string }).sandboxImage : undefined;
}
