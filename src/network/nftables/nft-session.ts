/**
 * A long-running `nft -i` for small changes: starting a process for each costs many times what the kernel needs for
 * them, and at its end the kernel waits for everything that it ever deleted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';

export interface NftSessionOptions {
  clock: Clock;
  logger: Logger;
  /** Words before the command, to work in another namespace. */
  enter: readonly string[];
}

export interface NftSession {
  /**
   * Runs lines of one command each as one transaction. `not known`: it failed, or the outcome is unclear: running it in
   * a separate process gives an exit code.
   */
  run(commands: string): Promise<'done' | 'not known'>;
  /** Lets the present command finish. */
  close(): void;
}

/** Longer scripts are read faster from a file: `nft -i` reads its terminal byte by byte. */
export const sessionBytesMax = 8_192;
/** `nft -i` remembers every line, as a shell does: after this many transactions another one takes over. */
const transactionsPerProcessMax = 10_000;
const idleMs = 60_000;
const answerMs = 10_000;
const answerCharsMax = 4 * sessionBytesMax;

export function createNftSession(options: NftSessionOptions): NftSession {
  let running: NftProcess | undefined;
  let isUsable = true;
  let last: Promise<unknown> = Promise.resolve();
  return {
    run(commands) {
      const outcome = last.then(() => runNext(commands));
      // A process that could not be started, perhaps for want of file descriptors, fails this change and no later one.
      last = outcome.catch(() => undefined);
      return outcome;
    },
    close() {
      isUsable = false;
      running?.end();
    },
  };

  async function runNext(commands: string): Promise<'done' | 'not known'> {
    if (!isUsable) return 'not known';
    if (!running?.takesMore) {
      running?.end();
      running = new NftProcess(options);
      // An nft that cannot be used this way (it is missing, or words its errors differently) is not tried again.
      if (!(await running.run(''))) {
        options.logger.warn('nft -i does not answer as expected: every change takes a process of its own');
        isUsable = false;
        return 'not known';
      }
    }
    return (await running.run(commands)) ? 'done' : 'not known';
  }
}

class NftProcess {
  readonly #child: ChildProcess;
  readonly #clock: Clock;
  #transactions = 0;
  #output = '';
  #takesMore = true;
  #hasEnded = false;
  #idleTimer: Timer | undefined;
  #listener: (() => void) | undefined;

  constructor({ clock, enter }: NftSessionOptions) {
    this.#clock = clock;
    const [file, ...words] = [...enter, 'nft', '-i'];
    // It would keep its history in a file of its user's home.
    const env = { ...process.env, HOME: '/nonexistent', TERM: 'dumb' };
    this.#child = spawn(file!, words, { stdio: ['pipe', 'ignore', 'pipe'], env });
    const ended = () => {
      this.#hasEnded = true;
      this.end();
      this.#listener?.();
    };
    // `close`, not `exit`: its last output comes before.
    this.#child.on('error', ended).on('close', ended);
    // One that could not be started for want of descriptors has none of these.
    this.#child.stdin?.on('error', ended);
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      this.#listener?.();
    });
  }

  get takesMore(): boolean {
    return this.#takesMore && this.#transactions < transactionsPerProcessMax;
  }

  end(): void {
    this.#takesMore = false;
    this.#idleTimer?.cancel();
    this.#child.stdin?.end();
  }

  /** True only when nft has carried out all the commands without an error. Otherwise the process is ended. */
  async run(commands: string): Promise<boolean> {
    this.#idleTimer?.cancel();
    // Not a command, so nft answers it with an error, the one kind of output that it writes at once and in order.
    const mark = `end-${++this.#transactions}`;
    this.#output = '';
    const answered = this.#answer(mark);
    this.#child.stdin?.write(`${commands.trim().replaceAll('\n', '; ')}\n${mark}\n`);
    const answer = await answered;
    if (answer?.match(/\bError: /g)?.length === 1) {
      if (this.#takesMore) this.#idleTimer = this.#clock.after(idleMs, () => this.end());
      return true;
    }
    this.end();
    this.#child.kill('SIGKILL');
    return false;
  }

  /** nft's output up to the mark; undefined when it ends, writes too much, or is silent for too long. */
  #answer(mark: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      const finish = (answer: string | undefined) => {
        timer.cancel();
        this.#listener = undefined;
        resolve(answer);
      };
      const timer = this.#clock.after(answerMs, () => finish(undefined));
      this.#listener = () => {
        const echo = this.#output.search(new RegExp(`^${mark}$`, 'm'));
        if (echo >= 0) finish(this.#output.slice(0, echo));
        else if (this.#hasEnded || this.#output.length > answerCharsMax) finish(undefined);
      };
    });
  }
}
