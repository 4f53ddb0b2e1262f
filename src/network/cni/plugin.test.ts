import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before as beforeAll, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ask, canMakeNetworks, type TestMachine, TestNetwork } from '../network.fixture.ts';
import { cniConfig } from './plan.ts';

const folder = fileURLToPath(new URL('plugins', import.meta.url));

interface Result {
  cniVersion: string;
  interfaces: { name: string; sandbox?: string }[];
  ips: { version: string; address: string; gateway: string; interface: number }[];
}

describe('the plugin of the pod network', { skip: !canMakeNetworks }, () => {
  let network: TestNetwork;
  let node: TestMachine;
  let leasesFolder: string;

  beforeAll(async () => {
    network = new TestNetwork();
    node = await network.node(2);
  });
  after(async () => await network[Symbol.asyncDispose]());
  beforeEach(() => {
    leasesFolder = mkdtempSync(join(tmpdir(), 'whnet-leases-'));
  });
  afterEach(() => rmSync(leasesFolder, { recursive: true }));
  const leases = () => {
    const names = readdirSync(join(leasesFolder, 'wherry'));
    return names.filter((name) => name !== 'last_reserved_ip.0').sort();
  };

  /** What the runtime hands to the plugin for one network. */
  function configuration(podCidr: string, result?: object): string {
    const { cniVersion, name, plugins } = cniConfig({ podCidr, mtuBytes: 1450, leasesFolder });
    return JSON.stringify({ cniVersion, name, ...plugins[0], ...(result && { prevResult: result }) });
  }

  interface Attachment {
    id: string;
    machine: TestMachine;
  }

  const newAttachment = async (): Promise<Attachment> => ({
    id: randomBytes(32).toString('hex'),
    machine: await network.machine(`p${randomBytes(3).toString('hex')}`),
  });

  async function call(
    operation: string,
    { id, machine }: Attachment,
    input: string,
    plugin = 'wherry',
  ): Promise<string> {
    const env = {
      PATH: process.env.PATH,
      CNI_COMMAND: operation,
      CNI_CONTAINERID: id,
      CNI_NETNS: machine.enter[1]!.replace('--net=', ''),
      CNI_IFNAME: 'eth0',
    };
    return await execute([...node.enter, join(folder, plugin)], input, env);
  }

  const add = async (attachment: Attachment, podCidr = '10.244.7.0/24') =>
    JSON.parse(await call('ADD', attachment, configuration(podCidr))) as Result;
  const addressOf = (result: Result) => result.ips[0]!.address.split('/')[0]!;

  it('connects pods with their node and with each other, each by an address of its own', async () => {
    const attachments = await Promise.all(Array.from({ length: 6 }, newAttachment));
    const results = await Promise.all(attachments.map((attachment) => add(attachment)));
    const addresses = results.map(addressOf);
    assert.deepEqual(
      addresses.toSorted(),
      [2, 3, 4, 5, 6, 7].map((last) => `10.244.7.${last}`),
    );
    assert.deepEqual(leases(), addresses.toSorted());
    const [first, second] = attachments.map(({ machine }, index) => ({
      ...machine,
      address: addresses[index]!,
    }));
    await network.answer(second!, [8080]);
    const seen = { from: second!.name, client: first!.address };
    assert.deepEqual(await ask(first!, second!.address, 8080), seen);
    assert.deepEqual(await ask(node, second!.address, 8080), { from: second!.name, client: '10.244.7.1' });
    assert.match(await first!.run('ip', ['link', 'show', 'dev', 'lo']), /LOOPBACK,UP/);
    assert.match(await first!.run('ip', ['link', 'show', 'dev', 'eth0']), /mtu 1450/);
    for (const [index, attachment] of attachments.entries())
      await call('DEL', attachment, configuration('10.244.7.0/24', results[index]));
    assert.deepEqual(leases(), []);
    assert.doesNotMatch(await node.run('ip', ['route']), /10\.244\.7\./);
  });

  it('gives an address out again only when all others had their turn', async () => {
    const seen = [];
    for (let turn = 0; turn < 6; turn++) {
      const attachment = await newAttachment();
      const result = await add(attachment, '10.244.8.0/29');
      seen.push(addressOf(result));
      await call('DEL', attachment, configuration('10.244.8.0/29', result));
    }
    assert.deepEqual(
      seen,
      [2, 3, 4, 5, 6, 2].map((last) => `10.244.8.${last}`),
    );
  });

  it('says that the range is used up, and keeps nothing', async () => {
    const attachments = await Promise.all(Array.from({ length: 6 }, newAttachment));
    const outcomes = await Promise.allSettled(
      attachments.map((attachment) => add(attachment, '10.244.9.0/29')),
    );
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.deepEqual(
      failed.map(({ reason }) => JSON.parse((reason as Error).message)),
      [
        {
          cniVersion: '0.4.0',
          code: 100,
          msg: 'no IP addresses available in range set: 10.244.9.1-10.244.9.6',
        },
      ],
    );
    assert.equal(leases().length, 5);
    for (const attachment of attachments) await call('DEL', attachment, configuration('10.244.9.0/29'));
    assert.deepEqual(leases(), []);
  });

  it('gives an address back when the pod cannot be connected', async () => {
    const attachment = await newAttachment();
    await attachment.machine.run('ip', ['link', 'add', 'eth0', 'type', 'bridge']);
    await assert.rejects(add(attachment), /cannot be set up: .*File exists/);
    assert.deepEqual(leases(), []);
  });

  it('holds no address that it cannot write down', async () => {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', leasesFolder]);
    try {
      mkdirSync(join(leasesFolder, 'wherry'));
      const filling = join(leasesFolder, 'filling');
      writeFileSync(filling, Buffer.alloc(8192));
      const attachment = await newAttachment();
      await assert.rejects(add(attachment), /10\.244\.7\.2 cannot be written/);
      assert.deepEqual(leases(), []);
      rmSync(filling);
      const result = await add(attachment);
      assert.equal(addressOf(result), '10.244.7.2');
      await call('DEL', attachment, configuration('10.244.7.0/24', result));
    } finally {
      execFileSync('umount', [leasesFolder]);
    }
  });

  it('takes away, again and again, what an interrupted or repeated call left', async () => {
    const attachment = await newAttachment();
    await add(attachment);
    // Without a result: the runtime died before it could record one.
    await call('DEL', attachment, configuration('10.244.7.0/24'));
    await call('DEL', attachment, configuration('10.244.7.0/24'));
    assert.deepEqual(leases(), []);
    assert.doesNotMatch(await node.run('ip', ['link']), new RegExp(attachment.id.slice(0, 8)));
    const gone = await newAttachment();
    const result = await add(gone);
    await node.run('ip', ['link', 'delete', result.interfaces[0]!.name]);
    await assert.rejects(call('CHECK', gone, configuration('10.244.7.0/24', result)), /there is no veth/);
    await call('DEL', gone, configuration('10.244.7.0/24', result));
    assert.deepEqual(leases(), []);
  });

  it("leaves another pod's address alone, whatever the result says", async () => {
    const [one, other] = [await newAttachment(), await newAttachment()];
    await add(one);
    const result = await add(other);
    const stale = { ...result, interfaces: [{ name: 'vethnone' }] };
    await call('DEL', one, configuration('10.244.7.0/24', stale));
    assert.deepEqual(leases(), [addressOf(result)]);
    await call('DEL', other, configuration('10.244.7.0/24', result));
  });

  it('takes over pods that the plugins of earlier versions connected', async () => {
    const attachment = await newAttachment();
    const result = await add(attachment);
    const lease = join(leasesFolder, 'wherry', addressOf(result));
    writeFileSync(lease, readFileSync(lease, 'utf8').replace('\n', '\r\n'));
    const [link, ...others] = result.interfaces;
    await node.run('ip', ['link', 'set', link!.name, 'down', 'name', 'vethold']);
    // Indented, as they write it, is how the runtime reads it, but it hands it on in one line.
    const old = { ...result, interfaces: [{ mac: 'fa:a6:bc:2f:98:be', name: 'vethold' }, ...others] };
    await call('DEL', attachment, configuration('10.244.7.0/24', old));
    assert.deepEqual(leases(), []);
    assert.doesNotMatch(await node.run('ip', ['link']), /vethold/);
  });

  it('refuses what it cannot use by an error of CNI', async () => {
    const attachment = await newAttachment();
    const messageOf = async (operation: string, input: string) => {
      const failure = await call(operation, attachment, input).catch((error: Error) => error);
      assert.ok(failure instanceof Error, `${operation} ${input}`);
      return (JSON.parse(failure.message) as { msg: string }).msg;
    };
    assert.equal(await messageOf('GC', ''), "CNI_COMMAND is 'GC'");
    assert.equal(await messageOf('ADD', ''), 'there is no configuration on standard input');
    for (const subnet of ['fd00::/64', '10.244.0/24', '10.244.0.0.0/24', '10..0.0/24', '$(reboot)/24'])
      assert.equal(
        await messageOf('ADD', configuration(subnet)),
        `the subnet ${subnet} is not an IPv4 range`,
        subnet,
      );
    assert.deepEqual(readdirSync(leasesFolder), []);
  });

  it('names its versions, and so does the one for loopback, whose result names the namespace', async () => {
    const attachment = await newAttachment();
    for (const plugin of ['wherry', 'loopback']) {
      const { supportedVersions } = JSON.parse(await call('VERSION', attachment, '', plugin)) as {
        supportedVersions: string[];
      };
      assert.ok(supportedVersions.includes('0.4.0'), plugin);
    }
    const result = JSON.parse(await call('ADD', attachment, '{}', 'loopback')) as Result;
    assert.deepEqual(
      result.interfaces.map(({ sandbox }) => sandbox),
      [attachment.machine.enter[1]!.replace('--net=', '')],
    );
    assert.equal(await call('DEL', attachment, '{}', 'loopback'), '');
  });
});

/** @throws Error whose message is what the plugin printed */
async function execute(
  [program, ...args]: readonly string[],
  input: string,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  return await new Promise((resolve, reject) => {
    const child = execFile(program!, args, { env }, (error, stdout, stderr) => {
      if (error) reject(new Error(stdout || stderr || error.message));
      else resolve(stdout);
    });
    // One that reads nothing has ended already.
    child.stdin!.on('error', () => undefined);
    child.stdin!.end(input);
  });
}
