/**
 * The HAProxy process of an ingress: started once, taken over by the next process that finds it, told of changed servers
 * through its socket, and reloaded without dropping a connection when anything else changes.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { ifMissing } from '../../base/if-missing.ts';
import { CommandError, createCommandRunner, type RunCommand } from '../command.ts';
import { adminSocketName, configName, type HaproxyFiles } from './haproxy-config.ts';

export interface HaproxyOptions {
  folder: string;
  /** Of accesses and of HAProxy itself. */
  logFile: string;
  clock: Clock;
  /** Words before the command, to start it in another namespace. */
  enter?: readonly string[];
  /** A process that was started here and has lasted a while is gone. */
  onEnd?(): void;
}

export interface Haproxy {
  /** Brings the process to these files. @throws CommandError when HAProxy refuses them; then the former ones serve on. */
  apply(files: HaproxyFiles): Promise<'unchanged' | 'updated' | 'reloaded' | 'started'>;
  /** Whether HAProxy would take these files. */
  check(files: HaproxyFiles): Promise<boolean>;
  isRunning(): Promise<boolean>;
  /** Cuts the log when it has grown too long; what is lost is its old part. */
  trimLog(): Promise<void>;
  stop(): Promise<void>;
}

const program = 'haproxy';
const pidName = 'haproxy.pid';
const readyMs = 20_000;
/** Longer than a reload takes on a busy machine: each one costs a process. */
const tellAgainMs = 3_000;
const pollMs = 20;
/** One that ends sooner would end again: it is left to those who look now and then. */
const lastsMs = 1_000;
const answerBytesMax = 1 << 20;
const logBytesMax = 32 << 20;
const logBytesKept = 4 << 20;

export function createHaproxy(options: HaproxyOptions): Haproxy {
  const { folder, clock } = options;
  const run: RunCommand = createCommandRunner(options.enter ?? []);
  let applied: HaproxyFiles | undefined;
  return { apply, check, isRunning: async () => (await runningPid()) !== undefined, trimLog, stop };

  async function apply(files: HaproxyFiles): Promise<'unchanged' | 'updated' | 'reloaded' | 'started'> {
    const pid = await runningPid();
    const isKnown = applied !== undefined && withoutServers(applied) === withoutServers(files);
    if (pid !== undefined && applied && isKnown) {
      const changed = await updateServers(applied.slots, files.slots);
      await writeFiles(folder, files);
      applied = files;
      return changed ? 'updated' : 'unchanged';
    }
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // What has served before is not examined again: whoever waits for a process that died waits for that, too.
    if (!isKnown) await validate(files);
    await writeFiles(folder, files);
    if (pid === undefined) await start();
    await untilServing(marker(files), pid);
    applied = files;
    return pid === undefined ? 'started' : 'reloaded';
  }

  async function check(files: HaproxyFiles): Promise<boolean> {
    try {
      await validate(files);
      return true;
    } catch (error) {
      if (error instanceof CommandError && !error.isMissingProgram) return false;
      throw error;
    }
  }

  /** In a folder of its own, with its own socket: what serves is not touched. */
  async function validate(files: HaproxyFiles): Promise<void> {
    const trial = join(folder, 'trial');
    await rm(trial, { recursive: true, force: true });
    await mkdir(trial, { recursive: true, mode: 0o700 });
    await writeFiles(trial, moved(files, folder, trial));
    await run(program, ['-c', '-q', '-f', join(trial, configName)]);
    await rm(trial, { recursive: true, force: true });
  }

  async function start(): Promise<void> {
    const log = await open(options.logFile, 'a', 0o600);
    const [file, ...words] = [...(options.enter ?? []), program, '-W', '-f', join(folder, configName)];
    const child = spawn(file!, words, { detached: true, stdio: ['ignore', log.fd, log.fd] });
    await once(child, 'spawn');
    const startedMs = clock.monotonic();
    child.once('exit', () => {
      if (clock.monotonic() - startedMs >= lastsMs) options.onEnd?.();
    });
    child.unref();
    await log.close();
    await writeFile(join(folder, pidName), String(child.pid));
  }

  async function runningPid(): Promise<number | undefined> {
    const pid = Number(await readFile(join(folder, pidName), 'utf8').catch(ifMissing('')));
    if (!Number.isInteger(pid) || pid <= 1) return undefined;
    for (;;) {
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(ifMissing(undefined));
      if (words) return words.includes(join(folder, configName)) ? pid : undefined;
      // No words: it is gone, or just replaces itself, as it does with every configuration.
      const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(ifMissing(''));
      if (state === '' || /\) [ZX] /.test(state)) return undefined;
      await clock.sleep(pollMs);
    }
  }

  /**
   * The configuration carries a mark that the process that serves it shows. `pid`: who is to load it; told so again after
   * a while, for a process that just replaces itself loses signals.
   */
  async function untilServing(mark: string, pid: number | undefined): Promise<void> {
    const endMs = clock.monotonic() + readyMs;
    let toldMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      if (pid !== undefined && clock.monotonic() - toldMs > tellAgainMs) {
        tell(pid, 'SIGUSR2');
        toldMs = clock.monotonic();
      }
      const info = await command('show info').catch(() => '');
      if (info.includes(`description: ${mark}`)) return;
      if ((await runningPid()) === undefined) throw new Error(`haproxy has ended: see ${options.logFile}`);
      if (clock.monotonic() > endMs)
        throw new Error(`haproxy does not serve its new configuration after ${readyMs} ms`);
      await clock.sleep(pollMs);
    }
  }

  async function updateServers(
    before: HaproxyFiles['slots'],
    after: HaproxyFiles['slots'],
  ): Promise<boolean> {
    const commands: string[] = [];
    for (const [backend, servers] of after) {
      for (const [index, server] of servers.entries()) {
        const old = before.get(backend)![index]!;
        if (old === server) continue;
        const name = `${backend}/s${index + 1}`;
        if (server === '') {
          commands.push(`set server ${name} state maint`);
          continue;
        }
        const colon = server.lastIndexOf(':');
        commands.push(
          `set server ${name} addr ${server.slice(0, colon)} port ${server.slice(colon + 1)}`,
          `set server ${name} state ready`,
        );
      }
    }
    for (const each of commands) await command(each);
    return commands.length > 0;
  }

  function command(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path: join(folder, adminSocketName) });
      let answer = '';
      socket.setEncoding('utf8');
      socket.on('connect', () => socket.end(`${line}\n`));
      socket.on('data', (text) => {
        answer += text;
        if (answer.length > answerBytesMax) socket.destroy();
      });
      socket.on('close', () => resolve(answer));
      socket.on('error', reject);
    });
  }

  /** HAProxy appends, so the file can be shortened under it. */
  async function trimLog(): Promise<void> {
    const log = await open(options.logFile, 'r+');
    try {
      const { size } = await log.stat();
      if (size <= logBytesMax) return;
      const kept = Buffer.alloc(logBytesKept);
      await log.read(kept, 0, logBytesKept, size - logBytesKept);
      await log.truncate(0);
      await writeFile(options.logFile, kept.subarray(kept.indexOf('\n') + 1), { flag: 'a' });
    } finally {
      await log.close();
    }
  }

  async function stop(): Promise<void> {
    // Again and again: it loses the signal when it just replaces itself.
    for (let pid = await runningPid(); pid !== undefined; pid = await runningPid()) {
      tell(pid, 'SIGTERM');
      await clock.sleep(pollMs);
    }
    applied = undefined;
    await rm(folder, { recursive: true, force: true });
  }
}

function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It has just ended; whoever waits for it sees that.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** All that a running process cannot be told: everything but which servers have which addresses. */
function withoutServers(files: HaproxyFiles): string {
  const config = files.config.replaceAll(/^( {2}server s\d+) \S+( disabled)?/gm, '$1');
  return JSON.stringify([config, files.files]);
}

function marker(files: HaproxyFiles): string {
  return createHash('sha256')
    .update(withoutServers(files) + JSON.stringify([...files.slots]))
    .digest('hex')
    .slice(0, 16);
}

async function writeFiles(folder: string, files: HaproxyFiles): Promise<void> {
  const config = files.config.replace('global\n', `global\n  description ${marker(files)}\n`);
  await copyFile(new URL('./auth.lua', import.meta.url), join(folder, 'auth.lua'));
  for (const [name, text] of [...Object.entries(files.files), [configName, config] as const]) {
    const path = join(folder, name);
    await writeFile(`${path}.new`, text, { mode: 0o600 });
    await rename(`${path}.new`, path);
  }
}

function moved(files: HaproxyFiles, from: string, to: string): HaproxyFiles {
  const move = (text: string) => text.replaceAll(`${from}/`, `${to}/`);
  return {
    slots: files.slots,
    config: move(files.config),
    files: { ...files.files, 'certificates.list': move(files.files['certificates.list'] ?? '') },
  };
}
