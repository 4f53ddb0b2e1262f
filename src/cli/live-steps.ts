/** Shows steps as they run: on a terminal with a line for each that is under way, elsewhere with a line when it is done. */
import type { Steps } from '../host/steps.ts';
import type { CliContext } from './context.ts';

interface Running {
  title: string;
  startMs: number;
}

export interface LiveStepsOptions {
  write(text: string): void;
  isTerminal: boolean;
  nowMs?: () => number;
}

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const frameMs = 100;
/** Times stand in one column up to titles of this length. */
const titleWidth = 52;

/** The steps of a command, on its output. */
export function stepsOf({ isTerminal }: Pick<CliContext, 'isTerminal'>): Steps {
  return liveSteps({ write: (text) => process.stdout.write(text), isTerminal });
}

export function liveSteps(options: LiveStepsOptions): Steps {
  const { write, isTerminal, nowMs = () => performance.now() } = options;
  const running = new Set<Running>();
  let shownLines = 0;
  let frame = 0;
  let ticker: NodeJS.Timeout | undefined;

  const seconds = (step: Running) => `${((nowMs() - step.startMs) / 1000).toFixed(1)} s`;
  const line = (mark: string, step: Running) =>
    ` ${mark} ${step.title.padEnd(titleWidth)} ${seconds(step).padStart(7)}`;
  const erase = () => {
    if (shownLines > 0) write(`\x1b[${shownLines}A\x1b[J`);
    shownLines = 0;
  };
  const redraw = () => {
    if (!isTerminal) return;
    erase();
    for (const step of running) write(`${line(frames[frame % frames.length]!, step)}\n`);
    shownLines = running.size;
  };
  const finish = (step: Running, mark: string) => {
    running.delete(step);
    erase();
    write(`${line(mark, step)}\n`);
    if (running.size === 0) clearInterval(ticker);
    redraw();
  };

  return {
    async run(title, work) {
      const step = { title, startMs: nowMs() };
      running.add(step);
      if (isTerminal && running.size === 1) {
        ticker = setInterval(() => {
          frame++;
          redraw();
        }, frameMs);
      }
      redraw();
      try {
        const result = await work();
        finish(step, '✓');
        return result;
      } catch (error) {
        finish(step, '✗');
        throw error;
      }
    },
  };
}
