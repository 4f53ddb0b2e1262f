/**
 * What an interrupted creation of a sandbox leaves on the machine when containerd or the agent is killed: processes,
 * folders, network namespaces and addresses that the runtime no longer knows.
 */
import { readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { basename, join } from 'node:path';
import { run } from '../../base/system/command.ts';
import { ifMissing } from '../../base/system/if-missing.ts';
import type { SandboxTrace, SandboxTraces } from '../machine.ts';
import { readText } from './kernel-files.ts';
import { mountsBelow, unmountBelow } from './mounts.ts';

/** The containerd namespace used by its CRI plugin. */
const containerdNamespace = 'k8s.io';
const taskFolder = `io.containerd.runtime.v2.task/${containerdNamespace}`;
/** The pod network's, and containerd's own loopback; other programs use CNI too. */
const resultNames = /^(wherry|cni-loopback)-([0-9a-f]{64})-/;
const namespacePrefix = 'cni-';

const folders = {
  /** containerd's persistent files. */
  root: '/var/lib/containerd',
  /** containerd's state. */
  state: '/run/containerd',
  /** Where CNI records attachments. */
  results: '/var/lib/cni/results',
  /** The pod network's addresses in use, one file each. */
  leases: '/run/cni-addresses/wherry',
  namespaces: '/run/netns',
  proc: '/proc',
};

export class LinuxSandboxTraces implements SandboxTraces {
  readonly #folders: typeof folders;

  constructor(others: Partial<typeof folders> = {}) {
    this.#folders = { ...folders, ...others };
  }

  async unknown(known: ReadonlySet<string>): Promise<SandboxTrace[]> {
    const results = await this.#results();
    const all = await Promise.all([
      this.#shims(known),
      // Before the folders that tell of them.
      this.#containers(known),
      this.#bundles(known),
      this.#sockets(),
      results.map(({ id, path }): SandboxTrace => ({ kind: 'file', id, at: path })),
      this.#leases(),
    ]);
    const traces = all.flat().filter(({ id }) => !known.has(id));
    const claimed = new Set(results.filter(({ id }) => known.has(id)).map(({ namespace }) => namespace));
    for (const name of await namesIn(this.#folders.namespaces))
      if (name.startsWith(namespacePrefix) && !claimed.has(name))
        traces.push({ kind: 'namespace', id: '', at: join(this.#folders.namespaces, name) });
    return traces;
  }

  async remove({ kind, at }: SandboxTrace): Promise<void> {
    switch (kind) {
      case 'process':
        return this.#kill(at);
      case 'namespace':
        return this.#removeNamespace(at);
      case 'folder':
        await unmountBelow(at);
        break;
    }
    await rm(at, { recursive: true, force: true });
  }

  /** Together with its children: the first process of a sandbox would survive. */
  async #kill(pid: string): Promise<void> {
    const file = join(this.#folders.proc, pid, 'task', pid, 'children');
    const children = (await readFile(file, 'utf8').catch(ifMissing(''))).trim().split(' ');
    for (const one of [pid, ...children.filter((child) => child !== '')]) killIfThere(Number(one));
  }

  /** A namespace with processes stays: other programs use similar names. */
  async #removeNamespace(path: string): Promise<void> {
    if (await this.#isInhabited(path)) return;
    if ((await mountsBelow(path)).length > 0) await run('ip', ['netns', 'delete', basename(path)]);
    else await rm(path, { force: true });
  }

  async #isInhabited(path: string): Promise<boolean> {
    const { ino } = await stat(path);
    for (const pid of await this.#processes()) {
      const link = await readlink(join(this.#folders.proc, pid, 'ns/net')).catch(ifMissing(''));
      if (link === `net:[${ino}]`) return true;
    }
    return false;
  }

  /** The shims between containerd and its containers. */
  async #shims(known: ReadonlySet<string>): Promise<SandboxTrace[]> {
    const { proc, state } = this.#folders;
    const found: SandboxTrace[] = [];
    for (const pid of await this.#processes()) {
      const text = readText(join(proc, pid, 'cmdline'));
      const [command = '', ...words] = text.split('\0');
      if (!basename(command).startsWith('containerd-shim-')) continue;
      const option = (name: string) => words[words.indexOf(name) + 1] ?? '';
      const id = option('-id');
      if (option('-namespace') !== containerdNamespace || !option('-address').startsWith(`${state}/`))
        continue;
      if (!known.has(id) && !(await this.#isByHand(id))) found.push({ kind: 'process', id, at: pid });
    }
    return found;
  }

  /**
   * The first processes of containers that run in a sandbox which the runtime knows: where it could not write down their
   * status when it started, it forgets them, and others would stand beside them for good.
   */
  async #containers(known: ReadonlySet<string>): Promise<SandboxTrace[]> {
    const { proc, state } = this.#folders;
    const folder = join(state, 'runc', containerdNamespace);
    const found: SandboxTrace[] = [];
    for (const id of await namesIn(folder)) {
      if (known.has(id) || (await this.#isByHand(id))) continue;
      const text = await readFile(join(folder, id, 'state.json'), 'utf8').catch(ifMissing(''));
      const at = /"init_process_pid":(\d+)/.exec(text)?.[1];
      const start = /"init_process_start":(\d+)/.exec(text)?.[1];
      if (at !== undefined && start !== undefined && start === startOf(readText(join(proc, at, 'stat'))))
        found.push({ kind: 'process', id, at });
    }
    return found;
  }

  /** Folders of containerd and runc. */
  async #bundles(known: ReadonlySet<string>): Promise<SandboxTrace[]> {
    const { root, state } = this.#folders;
    const parents = [
      join(state, taskFolder),
      join(root, taskFolder),
      join(state, 'runc', containerdNamespace),
    ];
    const found: SandboxTrace[] = [];
    for (const parent of parents)
      for (const id of await namesIn(parent))
        if (!known.has(id) && !(await this.#isByHand(id)))
          found.push({ kind: 'folder', id, at: join(parent, id) });
    return found;
  }

  /** Containers of pods have the runtime's annotations in their specification; containers started by hand have none. */
  async #isByHand(id: string): Promise<boolean> {
    const file = join(this.#folders.state, taskFolder, id, 'config.json');
    const text = await readFile(file, 'utf8').catch(ifMissing(undefined));
    return text !== undefined && !text.includes('"io.kubernetes.cri.container-type"');
  }

  /** Sockets of shims on which no process listens. */
  async #sockets(): Promise<SandboxTrace[]> {
    const { proc, state } = this.#folders;
    const folder = join(state, 's');
    const names = await namesIn(folder);
    const open = await readFile(join(proc, 'net/unix'), 'utf8').catch(ifMissing(''));
    return names
      .filter((name) => !open.includes(`/${name}`))
      .map((name): SandboxTrace => ({ kind: 'file', id: '', at: join(folder, name) }));
  }

  async #results(): Promise<{ id: string; namespace: string; path: string }[]> {
    const found = [];
    for (const name of await namesIn(this.#folders.results)) {
      const id = resultNames.exec(name)?.[2];
      if (id === undefined) continue;
      const path = join(this.#folders.results, name);
      const text = await readFile(path, 'utf8').catch(ifMissing(''));
      found.push({ id, namespace: /"sandbox":"[^"]*\/([^"/]+)"/.exec(text)?.[1] ?? '', path });
    }
    return found;
  }

  /** Each file is named after its address, and contains the sandbox's id and the interface: nothing while it is being made. */
  async #leases(): Promise<SandboxTrace[]> {
    const found: SandboxTrace[] = [];
    for (const name of await namesIn(this.#folders.leases)) {
      const at = join(this.#folders.leases, name);
      // In memory, like what the kernel shows.
      const text = readText(at);
      const id = text === '' && isIPv4(name) ? '' : /^([0-9a-f]{64})\s/.exec(text)?.[1];
      if (id !== undefined) found.push({ kind: 'file', id, at });
    }
    return found;
  }

  async #processes(): Promise<string[]> {
    return (await readdir(this.#folders.proc)).filter((name) => /^\d+$/.test(name));
  }
}

/** In ticks since the machine started: what follows the name, which is in brackets and may hold anything. */
const startOf = (stat: string) => stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(ifMissing([]));

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
