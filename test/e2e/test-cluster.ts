/** A cluster of its own for one test file: own data folder, own kubeconfig, made by the real command line, removed always. */
import { spawn } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type BackoffOptions, backoffDelayMs } from '../../src/base/async/backoff.ts';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  input?: string;
  env?: NodeJS.ProcessEnv;
  timeoutMs?: number;
}

const commandTimeoutMs = 90_000;

/** Runs a program to its end; a code other than 0 is for the caller to judge. */
export function execute(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      env: options.env ?? process.env,
      timeout: options.timeoutMs ?? commandTimeoutMs,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (signal) stderr += `\nended by ${signal}`;
      resolve({ code: code ?? -1, stdout, stderr });
    });
    // A program may end before it has read all.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
  });
}

/** @throws with what the program said */
export async function expectSuccess(outcome: Promise<Outcome>, what: string): Promise<string> {
  const { code, stdout, stderr } = await outcome;
  if (code !== 0) throw new Error(`${what} ended with ${code}\n${stdout}\n${stderr}`);
  return stdout;
}

export class TestCluster {
  readonly home: string;
  readonly kubeconfig: string;
  readonly name: string;

  /** `base`: a cluster of the same data folder, to stand beside. */
  constructor(name = 'wherry', base?: TestCluster) {
    this.name = name;
    this.home = base?.home ?? mkdtempSync(join(tmpdir(), 'wherry-e2e-'));
    this.kubeconfig = base?.kubeconfig ?? join(this.home, 'kubeconfig');
  }

  get env(): NodeJS.ProcessEnv {
    return { ...process.env, WHERRY_HOME: this.home, KUBECONFIG: this.kubeconfig };
  }

  get folder(): string {
    return join(this.home, 'clusters', this.name);
  }

  tryWherry(...args: string[]): Promise<Outcome> {
    return execute(join(root, 'wherry'), args, { env: this.env });
  }

  wherry(...args: string[]): Promise<string> {
    return expectSuccess(this.tryWherry(...args), `wherry ${args.join(' ')}`);
  }

  async up(...args: string[]): Promise<void> {
    await this.wherry('up', '--offline', '--name', this.name, ...args);
  }

  tryKubectl(args: readonly string[], options: RunOptions & { kubectl?: string } = {}): Promise<Outcome> {
    const context = this.name === 'wherry' ? 'wherry' : `wherry-${this.name}`;
    return execute(options.kubectl ?? 'kubectl', ['--context', context, ...args], {
      ...options,
      env: this.env,
    });
  }

  kubectl(...args: string[]): Promise<string> {
    return expectSuccess(this.tryKubectl(args), `kubectl ${args.join(' ')}`);
  }

  apply(manifest: string): Promise<string> {
    return expectSuccess(this.tryKubectl(['apply', '-f', '-'], { input: manifest }), 'kubectl apply');
  }

  /** The pids of recorded processes: `server`, `supervisor`, or `NODE/agent`, `NODE/containerd`, `NODE/holder`. */
  pidOf(process: string): number {
    const [node, part] = process.split('/');
    const file = part
      ? join(this.folder, 'nodes', node!, 'run', `${part}.json`)
      : join(this.folder, 'run', `${node}.json`);
    return (JSON.parse(readFileSync(file, 'utf8')) as { pid: number }).pid;
  }

  get id(): string {
    return (JSON.parse(readFileSync(join(this.folder, 'cluster.json'), 'utf8')) as { id: string }).id;
  }

  /** Ends and removes the cluster, whatever state it is in. */
  async delete(): Promise<void> {
    if (existsSync(this.folder)) await this.wherry('delete', '--name', this.name);
    if (this.name === 'wherry') rmSync(this.home, { recursive: true, force: true });
  }
}

/** What a cluster of this id has left on the machine: each line names one thing. */
export function leftovers(id: string, home: string): string[] {
  const bridges = readdirSync('/sys/class/net').filter((name) => name.startsWith(`wh-${id}`));
  const cgroups = globSync(`/sys/fs/cgroup/**/wherry/*-${id}`);
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(home));
  const processes = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => `${pid} ${commandLine(pid)}`)
    .filter((line) => line.includes(home));
  return [
    ...bridges.map((name) => `interface ${name}`),
    ...cgroups.map((path) => `cgroup ${path}`),
    ...mounts.map((line) => `mount ${line}`),
    ...processes.map((line) => `process ${line}`),
  ];
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ');
  } catch {
    return '';
  }
}

/**
 * A kubectl takes a fifth of a second of processor time, which the cluster that is waited for could use: it is asked soon,
 * and then more and more seldom.
 */
const polling: BackoffOptions = { firstMs: 250, maxMs: 1_000, factor: 1.5 };

/**
 * Asks until `condition` gives something, and returns that.
 * @throws the last error, or that it took too long
 */
export async function eventually<Result>(
  what: string,
  condition: () => Promise<Result | undefined | false>,
  limitMs = 60_000,
): Promise<Result> {
  const deadline = Date.now() + limitMs;
  for (let attempt = 0; ; attempt++) {
    let failure: unknown;
    try {
      const result = await condition();
      if (result !== undefined && result !== false) return result;
    } catch (error) {
      failure = error;
    }
    const leftMs = deadline - Date.now();
    if (leftMs <= 0) throw new Error(`${what}: not within ${limitMs / 1000} s`, { cause: failure });
    await sleep(Math.min(backoffDelayMs(polling, attempt), leftMs));
  }
}
