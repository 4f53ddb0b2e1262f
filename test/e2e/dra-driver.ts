/**
 * A driver of claimed devices for tests, and its registrar, in one process on the node: it offers devices in a
 * ResourceSlice, describes what was claimed in CDI specs, and writes each call as a line of JSON to its standard output.
 * Files in its folder tell it what to do: `hold` has it wait before it makes anything ready, `health` is what it tells of
 * its first device (`Unhealthy too hot`).
 *
 * usage: dra-driver.ts DRIVER NODE INSTANCE SERVICE TOKENFILE
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { serveRegistrar } from '../../src/kubelet/csi/registrar.fixture.ts';
import { serveDriver } from '../../src/kubelet/dynamic-resources/driver.fake.ts';
import type {
  ClaimMessage,
  DeviceHealthMessage,
} from '../../src/kubelet/dynamic-resources/driver-messages.ts';

const [driver = '', node = '', instance = '', service = '', tokenFolder = ''] = process.argv.slice(2);
const kubelet = '/var/lib/kubelet';
const cdiFolder = '/var/run/cdi';
const folder = join(kubelet, 'plugins', driver);
const endpoint = join(folder, `${instance}.sock`);
const sliceName = `${node}-${driver}`;
const lookMs = 100;

const say = (line: object) => process.stdout.write(`${JSON.stringify({ instance, ...line })}\n`);

interface Result {
  request: string;
  driver: string;
  pool: string;
  device: string;
}

/** The account's own right, as any driver's. */
function api(method: string, path: string, body?: object): Promise<{ code: number; answer: unknown }> {
  const token = readFileSync(join(tokenFolder, 'token'), 'utf8');
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: process.env.KUBERNETES_SERVICE_HOST,
        port: process.env.KUBERNETES_SERVICE_PORT,
        ca: readFileSync(join(tokenFolder, 'ca.crt')),
        method,
        path,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        answer.on('end', () =>
          resolve({ code: answer.statusCode ?? 0, answer: JSON.parse(text) as unknown }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body && JSON.stringify(body));
  });
}

/** Like the helper library of real drivers: missing slices are published again. */
async function publish(): Promise<void> {
  const slices = '/apis/resource.k8s.io/v1/resourceslices';
  const { code } = await api('GET', `${slices}/${sliceName}`);
  if (code !== 404) return;
  const made = await api('POST', slices, {
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    metadata: { name: sliceName },
    spec: {
      driver,
      nodeName: node,
      pool: { name: node, generation: 1, resourceSliceCount: 1 },
      devices: [{ name: 'd0' }, { name: 'd1' }, { name: 'd2' }],
    },
  });
  say({ published: made.code });
}

/** What the scheduler chose for the claim. */
async function resultsOf({ namespace, name }: ClaimMessage): Promise<Result[]> {
  const path = `/apis/resource.k8s.io/v1/namespaces/${namespace}/resourceclaims/${name}`;
  const { answer } = await api('GET', path);
  const { status } = answer as { status?: { allocation?: { devices: { results: Result[] } } } };
  return (status?.allocation?.devices.results ?? []).filter((result) => result.driver === driver);
}

const specFile = (uid: string) => join(cdiFolder, `${driver}-${uid}.json`);

async function prepareClaim(claim: ClaimMessage) {
  while (existsSync(join(folder, 'hold'))) await sleep(lookMs);
  const results = await resultsOf(claim);
  const kind = `${driver}/claim`;
  const file = join(folder, `${claim.uid}.txt`);
  writeFileSync(file, `made for ${claim.name}\n`);
  const spec = {
    cdiVersion: '0.6.0',
    kind,
    devices: results.map(({ request: name, device }) => ({
      name: `${claim.uid}-${name}`,
      containerEdits: {
        env: [`DEVICE_${name.toUpperCase()}=${device}`],
        deviceNodes: [{ path: `/dev/dra/${device}`, type: 'c', major: 1, minor: 5, permissions: 'rw' }],
      },
    })),
    containerEdits: {
      env: [`CLAIM=${claim.name}`],
      mounts: [{ hostPath: file, containerPath: `/claims/${claim.name}`, options: ['ro', 'bind'] }],
    },
  };
  mkdirSync(cdiFolder, { recursive: true });
  writeFileSync(specFile(claim.uid), JSON.stringify(spec));
  const devices = results.map(({ request: name, pool, device }) => ({
    requestNames: [name],
    poolName: pool,
    deviceName: device,
    cdiDeviceIds: [`${kind}=${claim.uid}-${name}`],
  }));
  return { devices, error: '' };
}

function unprepareClaim({ uid }: ClaimMessage) {
  rmSync(specFile(uid), { force: true });
  rmSync(join(folder, `${uid}.txt`), { force: true });
  return { error: '' };
}

async function each<T>(
  method: string,
  claims: ClaimMessage[],
  work: (claim: ClaimMessage) => T | Promise<T>,
) {
  const answers: Record<string, T> = {};
  for (const claim of claims) {
    say({ method, begins: true, claim: claim.name });
    answers[claim.uid] = await work(claim);
    say({ method, claim: claim.name });
  }
  return answers;
}

async function tellHealth(tell: (devices: DeviceHealthMessage[]) => void): Promise<void> {
  let before: string | undefined;
  for (;;) {
    const file = join(folder, 'health');
    const now = existsSync(file) ? readFileSync(file, 'utf8').trim() : 'Healthy';
    if (now !== before) {
      const [word, ...rest] = now.split(' ');
      const health = word === 'Healthy' ? 1 : 2;
      tell([
        {
          device: { poolName: node, deviceName: 'd0' },
          health,
          healthCheckTimeoutSeconds: 600,
          message: rest.join(' '),
        },
      ]);
    }
    before = now;
    await sleep(lookMs);
  }
}

const served = await serveDriver(endpoint, {
  service,
  prepare: (claims) => each('NodePrepareResources', claims, prepareClaim),
  unprepare: (claims) => each('NodeUnprepareResources', claims, unprepareClaim),
  watched: (tell) => void tellHealth(tell),
});
const registrar = await serveRegistrar(
  join(kubelet, 'plugins_registry', `${driver}-${instance}-reg.sock`),
  { type: 'DRAPlugin', name: driver, endpoint, supportedVersions: [service] },
  (status) => say({ registered: status.pluginRegistered, error: status.error }),
);
process.once('SIGTERM', () => {
  registrar.stop();
  served.stop();
  process.exit(0);
});
for (;;) {
  await publish().catch((error: unknown) => say({ failed: (error as Error).message }));
  await sleep(5 * lookMs);
}
