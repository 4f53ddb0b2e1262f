/**
 * A CSI driver for tests, and its registrar, in one process on the node: a volume is a folder below `csi-test` in the
 * kubelet's, mounted where it is asked for. Each call is a line of JSON on standard output.
 *
 * usage: csi-driver.ts DRIVER NODE
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServiceDefinition, status } from '@grpc/grpc-js';
import { codec } from '../../src/kubelet/csi/messages.ts';

interface Request {
  volumeId: string;
  stagingTargetPath: string;
  targetPath: string;
  volumePath: string;
  readonly: boolean;
  secrets: Record<string, string>;
  volumeContext: Record<string, string>;
}

const [driver = '', node = ''] = process.argv.slice(2);
const kubelet = '/var/lib/kubelet';
const volumes = join(kubelet, 'csi-test');
const endpoint = join(kubelet, 'plugins', driver, 'csi.sock');
const registrar = join(kubelet, 'plugins_registry', `${driver}-reg.sock`);

const isMountPoint = (path: string) => {
  try {
    execFileSync('mountpoint', ['-q', path]);
    return true;
  } catch {
    return false;
  }
};

function mount(source: string, target: string, readOnly = false): void {
  mkdirSync(target, { recursive: true });
  if (isMountPoint(target)) return;
  execFileSync('mount', ['--bind', source, target]);
  if (readOnly) execFileSync('mount', ['-o', 'remount,bind,ro', target]);
}

function unmount(target: string): void {
  if (isMountPoint(target)) execFileSync('umount', [target]);
  if (existsSync(target)) rmdirSync(target);
}

/** Of a volume of a pod's own, and of one that others made. */
function contentsOf({ volumeId, volumeContext }: Request): string {
  const folder = join(volumes, volumeId);
  mkdirSync(folder, { recursive: true });
  if (volumeContext['csi.storage.k8s.io/ephemeral'] === 'true')
    writeFileSync(join(folder, 'context.json'), JSON.stringify(volumeContext));
  return folder;
}

const capabilities = ['STAGE_UNSTAGE_VOLUME', 'GET_VOLUME_STATS', 'EXPAND_VOLUME'];

const nodeMethods: Record<string, (request: Request) => object> = {
  NodeGetInfo: () => ({
    nodeId: `id-of-${node}`,
    maxVolumesPerNode: 7,
    accessibleTopology: { segments: { 'topology.csi.test/rack': 'r1' } },
  }),
  NodeGetCapabilities: () => ({ capabilities: capabilities.map((type) => ({ rpc: { type } })) }),
  NodeStageVolume(request) {
    if (request.secrets.key !== 'to the volume') throw new Error('the secret is wrong');
    mount(contentsOf(request), request.stagingTargetPath);
    return {};
  },
  NodeUnstageVolume({ stagingTargetPath }) {
    if (isMountPoint(stagingTargetPath)) execFileSync('umount', [stagingTargetPath]);
    return {};
  },
  NodePublishVolume(request) {
    mount(request.stagingTargetPath || contentsOf(request), request.targetPath, request.readonly);
    return {};
  },
  NodeUnpublishVolume({ volumeId, targetPath }) {
    unmount(targetPath);
    // Such names have volumes that end with their pods.
    if (/^csi-[0-9a-f]{64}$/.test(volumeId))
      rmSync(join(volumes, volumeId), { recursive: true, force: true });
    return {};
  },
  NodeGetVolumeStats({ volumePath }) {
    const { bavail, blocks, bsize, bfree, files, ffree } = statfsSync(volumePath);
    const bytes = { available: bavail * bsize, total: blocks * bsize, used: (blocks - bfree) * bsize };
    const inodes = { available: ffree, total: files, used: files - ffree };
    return {
      usage: [
        { ...bytes, unit: 'BYTES' },
        { ...inodes, unit: 'INODES' },
      ],
    };
  },
  NodeExpandVolume: () => ({}),
};

const plugin = { type: 'CSIPlugin', name: driver, endpoint, supportedVersions: ['1.0.0'] };
const registration: typeof nodeMethods = {
  GetInfo: () => plugin,
  NotifyRegistrationStatus: () => ({}),
};
const registrationTypes: Record<string, [string, string]> = {
  GetInfo: ['InfoRequest', 'PluginInfo'],
  NotifyRegistrationStatus: ['RegistrationStatus', 'RegistrationStatusResponse'],
};

function serviceOf(
  prefix: string,
  methods: typeof nodeMethods,
  typesOf: (name: string) => readonly [string, string],
): [ServiceDefinition, Record<string, never>] {
  const definition: Record<string, object> = {};
  const handlers: Record<string, unknown> = {};
  for (const [name, handle] of Object.entries(methods)) {
    const [request, answer] = typesOf(name).map((type) => codec<object>(type));
    definition[name] = {
      path: `/${prefix}/${name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: request!.serialize,
      requestDeserialize: request!.deserialize,
      responseSerialize: answer!.serialize,
      responseDeserialize: answer!.deserialize,
    };
    handlers[name] = (call: { request: Request }, reply: (error: object | null, answer?: object) => void) => {
      try {
        const result = handle(call.request);
        process.stdout.write(`${JSON.stringify({ method: name, ...call.request })}\n`);
        reply(null, result);
      } catch (error) {
        const details = (error as Error).message;
        process.stdout.write(`${JSON.stringify({ method: name, failed: details })}\n`);
        reply({ code: status.INTERNAL, details });
      }
    };
  }
  return [definition as ServiceDefinition, handlers as Record<string, never>];
}

async function serve(socket: string, service: [ServiceDefinition, Record<string, never>]): Promise<Server> {
  mkdirSync(join(socket, '..'), { recursive: true });
  rmSync(socket, { force: true });
  const server = new Server();
  server.addService(...service);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix://${socket}`, ServerCredentials.createInsecure(), (error) =>
      error ? reject(error) : resolve(),
    );
  });
  return server;
}

const servers = [
  await serve(
    endpoint,
    serviceOf('csi.v1.Node', nodeMethods, (name) => [`${name}Request`, `${name}Response`]),
  ),
  await serve(
    registrar,
    serviceOf('pluginregistration.Registration', registration, (name) => registrationTypes[name]!),
  ),
];
process.once('SIGTERM', () => {
  for (const server of servers) server.forceShutdown();
  rmSync(registrar, { force: true });
  process.exit(0);
});
