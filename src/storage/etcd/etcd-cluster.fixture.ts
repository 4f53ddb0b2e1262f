/** Real etcd members on loopback, for tests: started, killed and started again one by one. */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../../base/system/free-ports.fixture.ts';

export interface EtcdCluster {
  readonly clientUrls: string[];
  /** Index of the member that leads. */
  leader(): Promise<number>;
  /** Indices of the members that run. */
  alive(): number[];
  kill(member: number): Promise<void>;
  restart(member: number): Promise<void>;
  /** Ends all members and removes their data. */
  stop(): Promise<void>;
}

const readyTimeoutMs = 30_000;
const pollMs = 50;

export function etcdInstalled(): boolean {
  return spawnSync('etcd', ['--version']).status === 0;
}

export async function startEtcdCluster(size: number): Promise<EtcdCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-etcd-'));
  const ports = await freePorts(size * 2);
  const clientUrls = Array.from({ length: size }, (_, index) => `http://127.0.0.1:${ports[index * 2]}`);
  const peerUrls = Array.from({ length: size }, (_, index) => `http://127.0.0.1:${ports[index * 2 + 1]}`);
  const initial = peerUrls.map((url, index) => `m${index}=${url}`).join(',');
  const members: (ChildProcess | undefined)[] = [];

  const start = (index: number) => {
    const client = clientUrls[index]!;
    const peer = peerUrls[index]!;
    const child = spawn(
      'etcd',
      [
        ['--name', `m${index}`],
        ['--data-dir', join(folder, String(index))],
        ['--listen-client-urls', client],
        ['--advertise-client-urls', client],
        ['--listen-peer-urls', peer],
        ['--initial-advertise-peer-urls', peer],
        ['--initial-cluster', initial],
        ['--heartbeat-interval', '50'],
        ['--election-timeout', '500'],
      ].flat(),
      { stdio: 'ignore' },
    );
    members[index] = child;
  };
  const end = async (index: number) => {
    const child = members[index];
    members[index] = undefined;
    if (!child || child.exitCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  const cluster: EtcdCluster = {
    clientUrls,
    leader: async () => {
      for (const index of cluster.alive()) {
        const answer = await statusOf(clientUrls[index]!);
        if (answer && answer.leader === answer.header.member_id) return index;
      }
      throw new Error('no etcd member leads');
    },
    alive: () => members.flatMap((child, index) => (child ? [index] : [])),
    kill: end,
    restart: async (index) => {
      start(index);
      await ready(clientUrls[index]!);
    },
    stop: async () => {
      for (let index = 0; index < size; index++) await end(index);
      await rm(folder, { recursive: true, force: true });
    },
  };
  for (let index = 0; index < size; index++) start(index);
  await Promise.all(clientUrls.map(ready));
  return cluster;
}

interface MemberStatus {
  header: { member_id: string };
  leader?: string;
}

async function statusOf(clientUrl: string): Promise<MemberStatus | undefined> {
  try {
    const answer = await fetch(`${clientUrl}/v3/maintenance/status`, { method: 'POST', body: '{}' });
    return (await answer.json()) as MemberStatus;
  } catch {
    // It does not listen yet: that is the answer.
    return undefined;
  }
}

/** Resolves when the member knows a leader. */
async function ready(clientUrl: string): Promise<void> {
  const deadline = Date.now() + readyTimeoutMs;
  for (;;) {
    const status = await statusOf(clientUrl);
    if (status?.leader && status.leader !== '0') return;
    if (Date.now() > deadline)
      throw new Error(`etcd at ${clientUrl} is not ready after ${readyTimeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
