/** Several machines for one test file: network namespaces on one link, in which Wherry's commands run as on hosts. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, execute, expectSuccess, root } from './test-cluster.ts';

export class Machines {
  readonly prefix = `wm${process.pid}`;
  readonly home = mkdtempSync(join(tmpdir(), 'wherry-e2e-machines-'));
  readonly running = new Map<string, ChildProcess>();
  /** Of the link itself. */
  readonly linkAddress = '172.31.251.254';

  async create(names: readonly string[]): Promise<void> {
    const ip = (...args: string[]) => expectSuccess(execute('ip', args), `ip ${args.join(' ')}`);
    const link = this.namespace('link');
    await ip('netns', 'add', link);
    await ip('-n', link, 'link', 'add', 'br0', 'type', 'bridge');
    await ip('-n', link, 'link', 'set', 'lo', 'up');
    await ip('-n', link, 'link', 'set', 'br0', 'up');
    await ip('-n', link, 'address', 'add', `${this.linkAddress}/24`, 'dev', 'br0');
    for (const [index, name] of names.entries()) {
      const own = this.namespace(name);
      await ip('netns', 'add', own);
      await ip('link', 'add', 'eth0', 'netns', own, 'type', 'veth', 'peer', 'name', name, 'netns', link);
      await ip('-n', link, 'link', 'set', name, 'master', 'br0', 'up');
      await ip('-n', own, 'address', 'add', `${this.address(index)}/24`, 'dev', 'eth0');
      await ip('-n', own, 'link', 'set', 'eth0', 'up');
      await ip('-n', own, 'link', 'set', 'lo', 'up');
    }
  }

  namespace(name: string): string {
    return `${this.prefix}-${name}`;
  }

  address(index: number): string {
    return `172.31.251.${index + 1}`;
  }

  run(machine: string, command: string, args: readonly string[], input?: string) {
    const words = [`--net=/run/netns/${this.namespace(machine)}`, '--', command, ...args];
    return execute('nsenter', words, { env: this.env(machine), ...(input !== undefined && { input }) });
  }

  /** Starts a foreground command of Wherry, and gives all that it prints. */
  start(machine: string, args: readonly string[]): { said(): string } {
    return this.startProgram(machine, join(root, 'wherry'), args);
  }

  startProgram(machine: string, command: string, args: readonly string[]): { said(): string } {
    const words = [`--net=/run/netns/${this.namespace(machine)}`, '--', command, ...args];
    // A group of its own, so that the command and what it runs can be killed at once.
    const child = spawn('nsenter', words, { env: this.env(machine), detached: true });
    this.running.set(machine, child);
    let said = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    return { said: () => said };
  }

  async stop(machine: string): Promise<void> {
    const child = this.running.get(machine);
    this.running.delete(machine);
    if (!child || child.exitCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }

  /** The command and the process that it runs in the foreground end at once, as in a crash. */
  async kill(machine: string): Promise<void> {
    const child = this.running.get(machine)!;
    this.running.delete(machine);
    process.kill(-child.pid!, 'SIGKILL');
    await once(child, 'close');
  }

  /** The pid of the process that holds the node of a machine; undefined when it does not run. */
  holderOf(machine: string): Promise<string | undefined> {
    return this.pidOf(machine, 'holder');
  }

  async pidOf(machine: string, part: 'holder' | 'containerd' | 'agent'): Promise<string | undefined> {
    const file = join(this.home, machine, 'agent', machine, 'run', `${part}.json`);
    const { code, stdout } = await execute('cat', [file]);
    if (code !== 0) return undefined;
    return String((JSON.parse(stdout) as { pid: number }).pid);
  }

  /** Into the containerd of the node. */
  async loadImage(machine: string, archive: string): Promise<void> {
    const holder = await eventually('the containerd of the node', () => this.holderOf(machine));
    const words = ['--mount', '--target', holder, '--', 'ctr', '--namespace', 'k8s.io', 'images', 'import'];
    await expectSuccess(execute('nsenter', [...words, archive]), 'ctr images import');
  }

  async delete(): Promise<void> {
    for (const machine of [...this.running.keys()].reverse()) await this.stop(machine);
    const { stdout } = await execute('ip', ['netns', 'list']);
    for (const name of stdout.split(/\s+/).filter((word) => word.startsWith(`${this.prefix}-`)))
      await execute('ip', ['netns', 'delete', name]);
    rmSync(this.home, { recursive: true, force: true });
  }

  env(machine: string): NodeJS.ProcessEnv {
    return {
      ...process.env,
      WHERRY_HOME: join(this.home, machine),
      // There when the machine is a server.
      KUBECONFIG: join(this.home, machine, 'server/admin.kubeconfig'),
    };
  }
}
