/** Compares what a command prints with what a tutorial prints: alike but for ages, random names and addresses. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { eventually, expectSuccess, type TestCluster } from '../test-cluster.ts';

/** Lines with single spaces; what differs from run to run stands as a word of its own. */
export function normalized(text: string): string[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) =>
      line
        .trim()
        .replace(/\s+/g, ' ')
        .replace(/\b\d+\.\d+\.\d+\.\d+\b/g, 'IP')
        .replace(/(?<= )\d+(s|m|h|d)(\d+(s|m|h))?(?= |$)/g, 'AGE')
        .replace(/-[0-9a-z]{8,10}-[a-z0-9]{5}\b/g, '-HASH-ID')
        .replace(/-(?=[0-9a-z]*\d)[0-9a-z]{8,10}(?= |$)/g, '-HASH'),
    );
}

/** Asserts that the normalized output is exactly these lines. */
export function assertPrints(output: string, lines: readonly string[]): void {
  assert.deepEqual(normalized(output), lines);
}

export class Learner {
  readonly #cluster: TestCluster;
  readonly #namespace: string;

  constructor(cluster: TestCluster, namespace = 'default') {
    this.#cluster = cluster;
    this.#namespace = namespace;
  }

  /** A command as the tutorial gives it, without the word kubectl. Words in single quotes stay together. */
  run(command: string, input?: string): Promise<string> {
    return expectSuccess(this.attempt(command, input), `kubectl ${command}`);
  }

  attempt(command: string, input?: string) {
    const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!);
    return this.#cluster.tryKubectl(['-n', this.#namespace, ...words], { ...(input && { input }) });
  }

  apply(manifest: string): Promise<string> {
    return this.run('apply -f -', manifest);
  }

  create(manifest: string): Promise<string> {
    return this.run('create -f -', manifest);
  }

  /** Repeats a command until it prints what the tutorial shows. */
  async until(command: string, lines: readonly string[]): Promise<void> {
    let last: string[] = [];
    try {
      await eventually(
        `kubectl ${command}`,
        async () => {
          last = normalized(await this.run(command));
          return last.join('\n') === lines.join('\n');
        },
        30_000,
      );
    } catch (error) {
      assert.deepEqual(last, lines, `kubectl ${command}`);
      throw error;
    }
  }

  /** Repeats a command until its output matches. */
  untilMatch(command: string, pattern: RegExp): Promise<string> {
    return eventually(
      `kubectl ${command} matching ${pattern}`,
      async () => {
        const output = await this.run(command);
        return pattern.test(output) ? output : undefined;
      },
      30_000,
    );
  }

  /** What a command that follows something prints (`get … -w`, `rollout status`) while `act` goes on, until `isEnough`. */
  async watching(
    command: string,
    act: () => Promise<unknown>,
    isEnough: (lines: string[]) => boolean,
  ): Promise<string[]> {
    const child = this.#spawn(command);
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    try {
      await eventually(`the first lines of ${command}`, async () => text !== '', 10_000);
      await act();
      await eventually(`the end of ${command}`, async () => isEnough(normalized(text)), 30_000);
    } finally {
      child.kill();
    }
    return normalized(text);
  }

  /** `kubectl proxy` at a port of its choice. */
  async proxy(): Promise<{ url: string } & Disposable> {
    const child = this.#spawn('proxy --port=0');
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    const end = () => void child.kill();
    try {
      const serving = await eventually(
        'kubectl proxy serves',
        async () => /^Starting to serve on (127\.0\.0\.1:\d+)\n/.exec(text) ?? undefined,
        10_000,
      );
      return { url: `http://${serving[1]}`, [Symbol.dispose]: end };
    } catch (error) {
      end();
      throw error;
    }
  }

  /** A command that does not end by itself. */
  #spawn(command: string) {
    const context = this.#cluster.name === 'wherry' ? 'wherry' : `wherry-${this.#cluster.name}`;
    return spawn('kubectl', ['--context', context, '-n', this.#namespace, ...command.split(' ')], {
      env: this.#cluster.env,
    });
  }

  async podNames(selector: string): Promise<string[]> {
    const output = await this.run(`get pods -l ${selector} -o jsonpath={.items[*].metadata.name}`);
    return output.split(' ').filter((name) => name !== '');
  }
}
