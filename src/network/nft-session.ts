/**
 * One `nft -i` that stays for small changes: to start a process for each costs many times what the kernel needs for them,
 * and when it ends the kernel waits for everything that it ever deleted.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';

export interface NftSessionOptions {
  clock: Clock;
  logger: Logger;
  /** Words before the command, to work in another namespace. */
  enter: readonly string[];
}

export interface NftSession {
  /**
   * Lines of one command each, as one transaction. `not known`: it failed, or nobody can say: whoever gives it to a process
   * of its own learns from the exit code.
   */
  run(commands: string): Promise<'done' | 'not known'>;
  /** What is under way is carried out. */
  close(): void;
}

/** Longer ones are read faster from a file: `nft -i` reads its terminal byte by byte. */
export const sessionBytesMax = 8_192;
/** `nft -i` remembers every line, as a shell does: then another one takes over. */
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
      // A process that could not be started, for want of file descriptors perhaps, fails this change and none after it.
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
      // An nft that cannot be used so (it is missing, or words its errors another way) is not tried again.
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
    // It would keep its lines in a file of its user's home.
    const env = { ...process.env, HOME: '/nonexistent', TERM: 'dumb' };
    this.#child = spawn(file!, words, { stdio: ['pipe', 'ignore', 'pipe'], env });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#output += text;
      this.#listener?.();
    });
    const ended = () => {
      this.#hasEnded = true;
      this.end();
      this.#listener?.();
    };
    // `close`, not `exit`: what it said last comes before.
    this.#child.on('error', ended).on('close', ended);
    this.#child.stdin!.on('error', ended);
  }

  get takesMore(): boolean {
    return this.#takesMore && this.#transactions < transactionsPerProcessMax;
  }

  end(): void {
    this.#takesMore = false;
    this.#idleTimer?.cancel();
    this.#child.stdin!.end();
  }

  /** True only when nft has carried out the commands and nothing of theirs was an error. Otherwise the process is ended. */
  async run(commands: string): Promise<boolean> {
    this.#idleTimer?.cancel();
    // No command, so nft answers it with an error, which is the one thing that it says at once and in order.
    const mark = `end-${++this.#transactions}`;
    this.#output = '';
    const answered = this.#answer(mark);
    this.#child.stdin!.write(`${commands.trim().replaceAll('\n', '; ')}\n${mark}\n`);
    const answer = await answered;
    if (answer?.match(/\bError: /g)?.length === 1) {
      if (this.#takesMore) this.#idleTimer = this.#clock.after(idleMs, () => this.end());
      return true;
    }
    this.end();
    this.#child.kill('SIGKILL');
    return false;
  }

  /** What nft said up to the mark; undefined when it ended, says too much or nothing for too long. */
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
