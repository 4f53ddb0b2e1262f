/**
 * The HAProxy of an ingress: started once, adopted by later processes, given changed servers through its socket, and
 * reloaded without dropping a connection when anything else changes.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError } from '../../../base/system/command.ts';
import { replaceIfOther } from '../../../base/system/replace-file.ts';
import { createCommandRunner, type RunCommand } from '../../command.ts';
import { configName, type HaproxyFiles } from './haproxy-config.ts';
import { type HaproxyOptions, HaproxyProcess, program } from './haproxy-process.ts';

/** The outcome of giving HAProxy new files. */
export type HaproxyOutcome = 'unchanged' | 'updated' | 'reloaded' | 'started';

const logBytesMax = 32 << 20;
const logBytesKept = 4 << 20;

export class Haproxy {
  readonly #options: HaproxyOptions;
  readonly #process: HaproxyProcess;
  readonly #run: RunCommand;
  #applied: HaproxyFiles | undefined;

  constructor(options: HaproxyOptions) {
    this.#options = options;
    this.#process = new HaproxyProcess(options);
    this.#run = createCommandRunner(options.enter ?? []);
  }

  /**
   * Brings the process to these files. @throws CommandError when HAProxy refuses them; the previous ones stay active
   * then.
   */
  async apply(files: HaproxyFiles): Promise<HaproxyOutcome> {
    const { folder } = this.#options;
    const pid = await this.#process.pid();
    const applied = this.#applied;
    const isKnown = applied !== undefined && withoutServers(applied) === withoutServers(files);
    if (pid !== undefined && isKnown) {
      const commands = serverCommands(applied.slots, files.slots);
      for (const command of commands) await this.#process.command(command);
      await writeFiles(folder, files, replace);
      this.#applied = files;
      return commands.length > 0 ? 'updated' : 'unchanged';
    }
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // A configuration that was active before is not checked again: that would delay the recovery of a process that
    // died.
    if (!isKnown) await this.#validate(files);
    await writeFiles(folder, files, replace);
    if (pid === undefined) await this.#process.start();
    await this.#process.untilServing(marker(files), pid);
    this.#applied = files;
    return pid === undefined ? 'started' : 'reloaded';
  }

  /** Whether HAProxy would accept these files. */
  async check(files: HaproxyFiles): Promise<boolean> {
    try {
      await this.#validate(files);
      return true;
    } catch (error) {
      if (error instanceof CommandError && !error.isMissingProgram) return false;
      throw error;
    }
  }

  async isRunning(): Promise<boolean> {
    return (await this.#process.pid()) !== undefined;
  }

  /**
   * Truncates the log when it has grown too long; the old part is lost. HAProxy appends, so the file can be truncated
   * while in use.
   */
  async trimLog(): Promise<void> {
    const { logFile } = this.#options;
    const log = await open(logFile, 'r+');
    try {
      const { size } = await log.stat();
      if (size <= logBytesMax) return;
      const kept = Buffer.alloc(logBytesKept);
      await log.read(kept, 0, logBytesKept, size - logBytesKept);
      await log.truncate(0);
      await writeFile(logFile, kept.subarray(kept.indexOf('\n') + 1), { flag: 'a' });
    } finally {
      await log.close();
    }
  }

  async stop(): Promise<void> {
    await this.#process.stop();
    this.#applied = undefined;
    await rm(this.#options.folder, { recursive: true, force: true });
  }

  /** In a separate folder, with a separate socket: the active files are not touched. */
  async #validate(files: HaproxyFiles): Promise<void> {
    const { folder } = this.#options;
    const trial = join(folder, 'trial');
    await rm(trial, { recursive: true, force: true });
    await mkdir(trial, { recursive: true, mode: 0o700 });
    try {
      await writeFiles(trial, moved(files, folder, trial), write);
      await this.#run(program, ['-c', '-q', '-f', join(trial, configName)]);
    } finally {
      await rm(trial, { recursive: true, force: true });
    }
  }
}

/** The commands that give a running process the changed addresses of its servers. */
function serverCommands(before: HaproxyFiles['slots'], after: HaproxyFiles['slots']): string[] {
  const commands: string[] = [];
  for (const [backend, servers] of after) {
    for (const [index, server] of servers.entries()) {
      if (before.get(backend)![index] === server) continue;
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
  return commands;
}

/** What a running process cannot change without a reload: everything but the addresses of servers. */
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

type PutFile = (path: string, text: string) => void | Promise<void>;

const ownerOnly = 0o600;
const write: PutFile = (path, text) => writeFile(path, text, { mode: ownerOnly });
/** Of many certificates few change at a time. */
const replace: PutFile = (path, text) => replaceIfOther(path, text, ownerOnly);

/** The configuration comes last: until then the files of the present one are there. */
async function writeFiles(folder: string, files: HaproxyFiles, put: PutFile): Promise<void> {
  const config = files.config.replace('global\n', `global\n  description ${marker(files)}\n`);
  const lua = await readFile(new URL('./auth.lua', import.meta.url), 'utf8');
  const wanted = { 'auth.lua': lua, ...files.files, [configName]: config };
  for (const [name, text] of Object.entries(wanted)) await put(join(folder, name), text);
  // Of Ingresses that are gone, no private keys stay.
  for (const name of await readdir(folder))
    if (name.endsWith('.pem') && !Object.hasOwn(wanted, name)) await rm(join(folder, name));
}

function moved(files: HaproxyFiles, from: string, to: string): HaproxyFiles {
  const move = (text: string) => text.replaceAll(`${from}/`, `${to}/`);
  return {
    slots: files.slots,
    config: move(files.config),
    files: { ...files.files, 'certificates.list': move(files.files['certificates.list'] ?? '') },
  };
}
