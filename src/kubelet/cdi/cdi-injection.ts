/**
 * Gives containers their CDI devices where the runtime does not: reads the node's specs and creates the device nodes.
 */
import { chown, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Logger } from '../../base/logger.ts';
import { run } from '../../base/system/command.ts';
import { ifMissing } from '../../base/system/if-missing.ts';
import { messageOf } from '../../base/text/error-message.ts';
import type { ContainerConfig, RuntimeStatus, RuntimeVersion } from '../cri/messages.ts';
import { type WantedNode, wantedNodes, withCdiEdits } from './cdi-config.ts';
import { asCdiSpec, editsFor, type LocatedSpec } from './cdi-spec.ts';

export interface CdiInjectionOptions {
  logger: Logger;
  /** In ascending priority. */
  specFolders?: readonly string[];
}

/** Where vendors put their specs: permanent ones, and those generated at run time. */
const defaultFolders = ['/etc/cdi', '/var/run/cdi'];

export class CdiInjection {
  readonly #logger: Logger;
  readonly #folders: readonly string[];

  constructor({ logger, specFolders = defaultFolders }: CdiInjectionOptions) {
    this.#logger = logger;
    this.#folders = specFolders;
  }

  /** `nodeFolder`: the container's folder for its device nodes. @throws Error in the words of runtimes that know CDI */
  async inject(config: ContainerConfig, nodeFolder: string): Promise<ContainerConfig> {
    const names = (config.CDIDevices ?? []).map(({ name }) => name);
    if (names.length === 0) return config;
    try {
      const edits = editsFor(names, await this.#specs());
      const wanted = wantedNodes(edits, config);
      await rm(nodeFolder, { recursive: true, force: true });
      if (wanted.length > 0) await mkdir(nodeFolder, { recursive: true, mode: 0o700 });
      const nodes: { node: WantedNode; madeAt: string }[] = [];
      for (const [index, node] of wanted.entries()) {
        const madeAt = join(nodeFolder, String(index));
        await makeNode(node, madeAt);
        nodes.push({ node, madeAt });
      }
      return withCdiEdits(config, edits, nodes);
    } catch (error) {
      throw new Error(`CDI device injection failed: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Read for every container: drivers write specs just before a container needs them. */
  async #specs(): Promise<LocatedSpec[]> {
    const specs: LocatedSpec[] = [];
    for (const [priority, folder] of this.#folders.entries())
      for (const name of (await readdir(folder).catch(ifMissing([]))).sort()) {
        if (!['.json', '.yaml'].includes(extname(name))) continue;
        const path = join(folder, name);
        try {
          // Few nodes have such a file: the others save the memory that the parser takes.
          const { parse } = await import('yaml');
          specs.push({ path, priority, spec: asCdiSpec(parse(await readFile(path, 'utf8'))) });
        } catch (error) {
          // The devices of other specs can still be used.
          this.#logger.warn('a CDI spec cannot be used', { file: path, error });
        }
      }
    return specs;
  }
}

/** Whether the runtime is given CDI devices by name. Containerd before 1.7 ignores them. */
export function knowsCdi(
  { runtimeName, runtimeVersion }: Pick<RuntimeVersion, 'runtimeName' | 'runtimeVersion'>,
  { info }: Pick<RuntimeStatus, 'info'>,
): boolean {
  if (runtimeName !== 'containerd') return true;
  const { enableCDI } = JSON.parse(info.config ?? '{}') as { enableCDI?: boolean };
  // Newer versions always support it, and have no setting for it.
  return enableCDI ?? Number(/^v?(\d+)\./.exec(runtimeVersion)?.[1]) >= 2;
}

async function makeNode(node: WantedNode, madeAt: string): Promise<void> {
  const { type, major, minor } = await kindOf(node);
  const numbers = type === 'p' ? [] : [String(major), String(minor)];
  await run('mknod', ['-m', node.mode.toString(8), madeAt, type, ...numbers]);
  await chown(madeAt, node.uid, node.gid);
}

async function kindOf({ given, hostPath, containerPath }: WantedNode) {
  const { type, major = 0, minor = 0 } = given;
  if (type !== undefined && (major !== 0 || type === 'p')) return { type, major, minor };
  const found = await stat(hostPath).catch((error: unknown) => {
    throw new Error(`failed to stat CDI host device "${hostPath}": ${messageOf(error)}`, { cause: error });
  });
  const foundType = found.isCharacterDevice() ? 'c' : found.isBlockDevice() ? 'b' : found.isFIFO() ? 'p' : '';
  if (foundType === '') throw new Error(`"${hostPath}" is not a device node`);
  if (type !== undefined && (type === 'u' ? 'c' : type) !== foundType)
    throw new Error(`CDI device (${containerPath}, ${hostPath}), host type mismatch (${type}, ${foundType})`);
  return { type: foundType, ...deviceNumber(found.rdev) };
}

/** As Linux packs both halves into one number. */
function deviceNumber(rdev: number): { major: number; minor: number } {
  const bits = BigInt(rdev);
  const major = ((bits >> 8n) & 0xfffn) | ((bits >> 32n) & 0xfffff000n);
  const minor = (bits & 0xffn) | ((bits >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}
