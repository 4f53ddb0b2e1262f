/** `wherry image`: images in the nodes of a cluster, without a registry. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CommandError } from '../../base/system/command.ts';
import type { ClusterRecord } from '../../host/cluster/cluster-record.ts';
import { Failure } from '../../host/failure.ts';
import { fullImageName, writeImageArchive } from '../../host/images/archive.ts';
import {
  imageDigests,
  listImageNames,
  loadImageArchive,
  pullImage,
  removeImage,
} from '../../host/images/load.ts';
import { forgetLoadedImage, noteLoadedImages } from '../../host/images/mirror.ts';
import { busyboxEntries, folderEntries } from '../../host/images/rootfs.ts';
import { findNodeNamespace, type NodeNamespace } from '../../host/node/node-namespace.ts';
import { registriesOf } from '../../host/node/registries.ts';
import { type CliContext, type Command, UsageError } from '../context.ts';
import { existingCluster, nameOption, parseOptions, parseVerb } from '../options/parse-options.ts';

const imageOptions = {
  ...nameOption,
  node: { type: 'string' },
  cmd: { type: 'string' },
  entrypoint: { type: 'string' },
  env: { type: 'string', multiple: true },
  output: { type: 'string', short: 'o' },
} as const;

/** Of one command. */
const filesMax = 1_000;

/** What each subcommand needs, in this order; `load` takes more of the same. */
const argumentsOf = {
  load: ['FILE.tar'],
  list: [],
  pull: ['IMAGE'],
  remove: ['IMAGE'],
  'build-from-rootfs': ['DIR', 'IMAGE'],
} as const satisfies Record<string, readonly string[]>;
const verbs = Object.keys(argumentsOf) as (keyof typeof argumentsOf)[];

export const image: Command = {
  summary: 'load, list, pull, remove and build images of the nodes',
  usage:
    'load FILE.tar… | list | pull IMAGE | remove IMAGE | build-from-rootfs DIR IMAGE   [--name NAME] [--node NODE]',
  details: [
    'load FILE.tar…                archives as docker save or podman save writes them, to every node',
    'list                          what the nodes have',
    'pull IMAGE                    from its registry, to every node',
    'remove IMAGE                  from every node',
    'build-from-rootfs DIR IMAGE   makes an image of one layer from a folder, and loads it',
    '    --cmd "WORDS"             what runs in it, by its shell',
    '    --env NAME=VALUE          may be given several times',
    '    --output FILE.tar         writes the archive instead of loading it',
    'build-from-rootfs busybox IMAGE   the same, from the busybox of this machine',
  ],
  async run(context, args) {
    const { values, positionals } = parseOptions(args, imageOptions, filesMax + 1);
    const verb = parseVerb(positionals[0], verbs);
    const given = positionals.slice(1);
    const [first = '', second = ''] = given;
    const missing = argumentsOf[verb][given.length];
    if (missing) throw new UsageError(`image ${verb} needs ${missing}`);
    const surplus = verb === 'load' ? undefined : given[argumentsOf[verb].length];
    if (surplus !== undefined) throw new UsageError(`unexpected argument ${JSON.stringify(surplus)}`);
    switch (verb) {
      case 'list':
        return await list(context, values);
      case 'load':
        return await load(context, values, given);
      case 'pull':
        return await pull(context, values, fullImageName(first));
      case 'remove':
        return await remove(context, values, fullImageName(first));
      case 'build-from-rootfs':
        return await build(context, values, first, second);
    }
  },
};

type Values = ReturnType<typeof parseOptions<typeof imageOptions>>['values'];

async function list(context: CliContext, values: Values): Promise<number> {
  const names = await Promise.all(
    runningNodes(context, values).map(({ namespace }) => listImageNames(namespace)),
  );
  // Every image is also kept under its digest, and under the digest of its configuration.
  const readable = names.flat().filter((name) => !name.startsWith('sha256:') && !name.includes('@'));
  for (const name of [...new Set(readable)].sort()) context.print(name);
  return 0;
}

async function pull(context: CliContext, values: Values, name: string): Promise<number> {
  const nodes = runningNodes(context, values);
  try {
    await Promise.all(nodes.map(({ namespace, registries }) => pullImage(namespace, name, registries)));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new Failure(`${name} could not be pulled`, {
      advice:
        'check its name and that this machine reaches the registry; a file needs none: wherry image load',
      cause: error,
    });
  }
  context.print(`pulled ${name}`);
  return 0;
}

async function remove(context: CliContext, values: Values, name: string): Promise<number> {
  const removed = await Promise.all(
    runningNodes(context, values).map(async ({ namespace }) => {
      const isThere = (await listImageNames(namespace)).includes(name);
      if (isThere) await removeImage(namespace, name);
      return isThere;
    }),
  );
  if (!removed.includes(true))
    throw new Failure(`no node has the image ${name}`, { advice: 'see what they have: wherry image list' });
  await forgetLoadedImage(context.data.cluster(existingCluster(context, values).name).loadedImages, name);
  context.print(`removed ${name}`);
  return 0;
}

async function load(context: CliContext, values: Values, files: readonly string[]): Promise<number> {
  const absent = files.find((file) => !existsSync(file));
  if (absent !== undefined) throw new Failure(`there is no file ${absent}`);
  const names = await loadEverywhere(
    context,
    existingCluster(context, values),
    runningNodes(context, values),
    files,
  );
  for (const name of names) context.print(`loaded ${name}`);
  return 0;
}

/**
 * Loads the archives' images on the nodes, one archive after the other, and records them for nodes added later.
 * @returns their names
 * @throws Failure at the first archive that cannot be loaded or has no image for this machine; those before it are loaded
 */
export async function loadEverywhere(
  context: CliContext,
  cluster: ClusterRecord,
  nodes: readonly { namespace: NodeNamespace }[],
  files: readonly string[],
): Promise<Set<string>> {
  const names = new Set<string>();
  try {
    for (const file of files)
      for (const name of await loadOnAll(
        nodes.map((node) => node.namespace),
        file,
      ))
        names.add(name);
  } finally {
    if (names.size > 0) await noteLoaded(context, cluster, nodes[0]!.namespace, names);
  }
  return names;
}

async function loadOnAll(nodes: readonly NodeNamespace[], file: string): Promise<string[]> {
  let loaded: string[][];
  try {
    loaded = await Promise.all(nodes.map((node) => loadImageArchive(node, file)));
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new Failure(`${file} could not be loaded as an image`, {
      advice: error.isTimeout
        ? 'this machine is very busy: load it again later'
        : 'it must be a tar archive as docker save, podman save or skopeo write it',
      cause: error,
    });
  }
  const names = loaded.flat();
  if (names.length === 0)
    throw new Failure(`${file} holds no image for this machine`, {
      advice: 'save it by name: docker save -o FILE.tar NAME:TAG',
    });
  return names;
}

async function noteLoaded(
  context: CliContext,
  cluster: ClusterRecord,
  node: NodeNamespace,
  names: ReadonlySet<string>,
): Promise<void> {
  const { loadedImages, nodes: nodesFolder } = context.data.cluster(cluster.name);
  const digests = await imageDigests(node);
  await noteLoadedImages(
    loadedImages,
    nodesFolder,
    new Map([...digests].filter(([name]) => names.has(name))),
  );
}

async function build(context: CliContext, values: Values, source: string, name: string): Promise<number> {
  const fullName = fullImageName(name);
  const file = values.output ?? join(context.data.images, `build-${process.pid}.tar`);
  const isFolder = existsSync(source);
  if (!isFolder && source !== 'busybox') throw new Failure(`there is no folder ${source}`);
  try {
    writeImageArchive(file, {
      names: [fullName],
      config: {
        Cmd: values.cmd ? ['/bin/sh', '-c', values.cmd] : ['/bin/sh'],
        ...(values.entrypoint && { Entrypoint: values.entrypoint.split(' ') }),
        Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...(values.env ?? [])],
      },
      files: isFolder ? folderEntries(source) : await busyboxEntries(),
    });
    if (values.output) context.print(`written ${fullName} to ${file}`);
    else await load(context, values, [file]);
  } finally {
    if (!values.output) rmSync(file, { force: true });
  }
  return 0;
}

interface RunningNode {
  name: string;
  namespace: NodeNamespace;
  /** The folder that says how it reaches registries. */
  registries: string;
}

/** @throws Failure when none runs */
export function runningNodes(
  context: CliContext,
  values: { name?: string | undefined; node?: string | undefined },
): RunningNode[] {
  const record = existingCluster(context, values);
  if (record.simulatedNodes > 0)
    throw new Failure(`the nodes of cluster ${record.name} are simulated: they take any image, and run none`);
  const folder = context.data.cluster(record.name);
  const nodes = record.nodes
    .filter((node) => values.node === undefined || node.name === values.node)
    .flatMap(({ name }): RunningNode[] => {
      const own = folder.node(name);
      const namespace = findNodeNamespace(own);
      return namespace ? [{ name, namespace, registries: registriesOf(own) }] : [];
    });
  if (nodes.length === 0)
    throw new Failure(
      values.node ? `node ${values.node} does not run` : `no node of cluster ${record.name} runs`,
      { advice: 'see what does: wherry status; start the rest: wherry up' },
    );
  return nodes;
}
