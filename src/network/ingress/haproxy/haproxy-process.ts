/** The process of HAProxy: started once, found by its pid file, and controlled by signals and through its socket. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Clock } from '../../../base/clock.ts';
import { ifMissing } from '../../../base/system/if-missing.ts';
import { adminSocketName, configName } from './haproxy-config.ts';

export interface HaproxyOptions {
  folder: string;
  /** The log of accesses and of HAProxy's own messages. */
  logFile: string;
  clock: Clock;
  /** Words before the command, to start it in another namespace. */
  enter?: readonly string[];
  /** A process that was started here and ran for a while has ended. */
  onEnd?(): void;
}

export const program = 'haproxy';
const pidName = 'haproxy.pid';
const readyMs = 20_000;
/** When the signal is repeated: longer than a reload takes on a busy machine, as each reload costs a process. */
const signalAgainMs = 3_000;
const pollMs = 20;
/** A process that ends sooner would end again at once: it is left to the periodic check. */
const lastsMs = 1_000;
const answerBytesMax = 1 << 20;
/** A process that takes a command and says nothing hangs: the controller must not hang with it. */
const answerMs = 5_000;

export class HaproxyProcess {
  readonly #options: HaproxyOptions;

  constructor(options: HaproxyOptions) {
    this.#options = options;
  }

  /** With the configuration in the folder. */
  async start(): Promise<void> {
    const { folder, logFile, clock, enter = [], onEnd } = this.#options;
    await using log = await open(logFile, 'a', 0o600);
    const [file, ...words] = [...enter, program, '-W', '-f', join(folder, configName)];
    const child = spawn(file!, words, { detached: true, stdio: ['ignore', log.fd, log.fd] });
    await once(child, 'spawn');
    const startedMs = clock.monotonic();
    child.once('exit', () => {
      if (clock.monotonic() - startedMs >= lastsMs) onEnd?.();
    });
    child.unref();
    await writeFile(join(folder, pidName), String(child.pid));
  }

  /** Of the running process, including one that another process started. */
  async pid(): Promise<number | undefined> {
    const { folder, clock } = this.#options;
    const pid = Number(await readFile(join(folder, pidName), 'utf8').catch(ifMissing('')));
    if (!Number.isInteger(pid) || pid <= 1) return undefined;
    for (;;) {
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(ifMissing(undefined));
      if (words) return words.includes(join(folder, configName)) ? pid : undefined;
      // No output: the process is gone, or is replacing itself, as it does with every configuration.
      const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(ifMissing(''));
      if (state === '' || /\) [ZX] /.test(state)) return undefined;
      await clock.sleep(pollMs);
    }
  }

  /**
   * Resolves when the process serves the configuration with this mark. `reload`: the process to signal; the signal is
   * repeated, since a process that is replacing itself loses signals.
   */
  async untilServing(mark: string, reload: number | undefined): Promise<void> {
    const { clock, logFile } = this.#options;
    const endMs = clock.monotonic() + readyMs;
    let signalledMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      if (reload !== undefined && clock.monotonic() - signalledMs > signalAgainMs) {
        signal(reload, 'SIGUSR2');
        signalledMs = clock.monotonic();
      }
      // Until it listens on its socket it shows no mark: it is queried again below.
      const info = await this.command('show info').catch(() => '');
      if (info.includes(`description: ${mark}`)) return;
      if ((await this.pid()) === undefined) throw new Error(`haproxy has ended: see ${logFile}`);
      if (clock.monotonic() > endMs)
        throw new Error(`haproxy does not serve its new configuration after ${readyMs} ms`);
      await clock.sleep(pollMs);
    }
  }

  /** Sends a command to its administration socket; returns the answer. */
  command(line: string): Promise<string> {
    const { clock, folder } = this.#options;
    return new Promise((resolve, reject) => {
      const socket = connect({ path: join(folder, adminSocketName) });
      let answer = '';
      socket.setEncoding('utf8');
      socket.on('connect', () => socket.end(`${line}\n`));
      socket.on('data', (text) => {
        answer += text;
        if (answer.length > answerBytesMax) socket.destroy();
      });
      const timer = clock.after(answerMs, () =>
        socket.destroy(new Error(`haproxy does not answer within ${answerMs} ms`)),
      );
      socket.on('close', () => {
        timer.cancel();
        resolve(answer);
      });
      socket.on('error', reject);
    });
  }

  async stop(): Promise<void> {
    // Repeatedly, since the process loses the signal while it is replacing itself.
    for (let pid = await this.pid(); pid !== undefined; pid = await this.pid()) {
      signal(pid, 'SIGTERM');
      await this.#options.clock.sleep(pollMs);
    }
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It has just ended, as callers that wait for it will see.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
