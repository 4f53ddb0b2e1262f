import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { LinuxSandboxTraces } from './sandbox-traces.ts';

const known = 'a'.repeat(64);
const lost = 'b'.repeat(64);
const byHand = 'c'.repeat(64);
const tasks = 'io.containerd.runtime.v2.task/k8s.io';

function shim(id: string, namespace = 'k8s.io', address = 'STATE/containerd.sock'): string {
  const words = ['/usr/bin/containerd-shim-runc-v2', '-namespace', namespace, '-id', id, '-address', address];
  return `${words.join('\0')}\0`;
}

function result(id: string, namespace: string): string {
  return JSON.stringify({
    containerId: id,
    result: { interfaces: [{ sandbox: `/var/run/netns/${namespace}` }] },
  });
}

/** A machine's folders, each file by its path. */
async function withMachine(
  files: Record<string, string>,
  use: (traces: LinuxSandboxTraces, home: string) => Promise<void>,
): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), 'wherry-traces-'));
  try {
    mkdirSync(join(home, 'proc'));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(home, path)), { recursive: true });
      writeFileSync(join(home, path), text.replace('STATE', join(home, 'state')));
    }
    const names = ['root', 'state', 'results', 'leases', 'namespaces', 'proc'];
    await use(
      new LinuxSandboxTraces(Object.fromEntries(names.map((name) => [name, join(home, name)]))),
      home,
    );
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

const tracesOf = async (traces: LinuxSandboxTraces, home: string) =>
  (await traces.unknown(new Set([known])))
    .map(({ kind, at }) => `${kind} ${at.replace(`${home}/`, '')}`)
    .toSorted();

test('everything that is left of sandboxes unknown to the runtime is found', async () => {
  const files = {
    'proc/10/cmdline': shim(known),
    'proc/11/cmdline': shim(lost),
    [`state/${tasks}/${known}/address`]: '',
    [`state/${tasks}/${lost}/config.json`]: '{"annotations":{"io.kubernetes.cri.container-type":"sandbox"}}',
    [`root/${tasks}/${lost}/work`]: '',
    [`state/runc/k8s.io/${lost}/state.json`]: '',
    'state/s/open': '',
    'state/s/silent': '',
    'proc/net/unix': '0: 2 0 1 1 1 99 /run/containerd/s/open\n',
    [`results/wherry-${known}-eth0`]: result(known, 'cni-1'),
    [`results/wherry-${lost}-eth0`]: result(lost, 'cni-2'),
    [`results/cni-loopback-${lost}-lo`]: result(lost, 'cni-2'),
    'leases/10.244.0.2': `${known}\r\neth0`,
    'leases/10.244.0.3': `${lost}\r\neth0`,
    'leases/10.244.0.4': '',
    'leases/last_reserved_ip.0': '10.244.0.4',
    'namespaces/cni-1': '',
    'namespaces/cni-2': '',
    'namespaces/cni-3': '',
  };
  await withMachine(files, async (traces, home) => {
    const left = [
      'file leases/10.244.0.3',
      'file leases/10.244.0.4',
      `file results/cni-loopback-${lost}-lo`,
      `file results/wherry-${lost}-eth0`,
      'file state/s/silent',
      `folder root/${tasks}/${lost}`,
      `folder state/${tasks}/${lost}`,
      `folder state/runc/k8s.io/${lost}`,
      'namespace namespaces/cni-2',
      'namespace namespaces/cni-3',
      'process 11',
    ];
    assert.deepEqual(await tracesOf(traces, home), left);
    for (const trace of await traces.unknown(new Set([known])))
      if (trace.kind !== 'process') await traces.remove(trace);
    assert.deepEqual(await tracesOf(traces, home), ['process 11']);
    assert.ok(existsSync(join(home, 'leases/10.244.0.2')));
  });
});

test('processes and files of other programs and of users are not touched', async () => {
  const files = {
    'proc/10/cmdline': shim(byHand),
    'proc/11/cmdline': shim(lost, 'moby'),
    'proc/12/cmdline': shim(lost, 'k8s.io', '/run/other/containerd.sock'),
    'proc/13/cmdline': 'sleep\x00100\0',
    [`state/${tasks}/${byHand}/config.json`]: '{"annotations":{}}',
    [`root/${tasks}/${byHand}/work`]: '',
    [`state/runc/k8s.io/${byHand}/state.json`]: '',
    [`results/podman-${lost}-eth0`]: result(lost, 'netns-1'),
    'namespaces/netns-1': '',
    'namespaces/mine': '',
  };
  await withMachine(files, async (traces, home) => assert.deepEqual(await tracesOf(traces, home), []));
});

test('a container that runs in a known sandbox, though the runtime has forgotten it, is ended before its folders go', async () => {
  const stat = (start: number) => `11 (a) b) S ${Array(18).fill(0).join(' ')} ${start} 0\n`;
  const runc = (id: string) => `state/runc/k8s.io/${id}/state.json`;
  const ofPod = '{"annotations":{"io.kubernetes.cri.container-type":"container"}}';
  const another = 'd'.repeat(64);
  const files = {
    'proc/10/cmdline': shim(known),
    'proc/11/stat': stat(500),
    'proc/12/stat': stat(501),
    [runc(known)]: '{"init_process_pid":10,"init_process_start":1}',
    [runc(lost)]: '{"init_process_pid":11,"init_process_start":500}',
    // Its number has been given out again.
    [runc(another)]: '{"init_process_pid":12,"init_process_start":500}',
    // The state of one that is just being made.
    [runc('e'.repeat(64))]: '',
    [`state/${tasks}/${lost}/config.json`]: ofPod,
    [`state/${tasks}/${byHand}/config.json`]: '{"annotations":{}}',
    [runc(byHand)]: '{"init_process_pid":12,"init_process_start":501}',
  };
  await withMachine(files, async (traces) => {
    const left = await traces.unknown(new Set([known]));
    assert.deepEqual(
      left.slice(0, 2).map(({ kind, id, at }) => [kind, id, at.split('/').at(-1)]),
      [
        ['process', lost, '11'],
        ['folder', lost, lost],
      ],
    );
    assert.equal(left.filter(({ kind }) => kind === 'process').length, 1);
  });
});

test('the specifications of containers that the runtime knows are not read', async () => {
  const files = {
    'proc/10/cmdline': shim(known),
    // A folder, which cannot be read like a file.
    [`state/${tasks}/${known}/config.json/file`]: '',
    [`state/runc/k8s.io/${known}/state.json`]: '',
  };
  await withMachine(files, async (traces, home) => assert.deepEqual(await tracesOf(traces, home), []));
});
