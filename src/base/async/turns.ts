/**
 * Long work in steps that take turns: in each round of the event loop one step runs, whosever it is, and everything else
 * runs in between.
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];

  /** Resolves when the next step may run. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) setImmediate(this.#admit);
    });
  }

  /** What is scheduled within a round runs in the next one. */
  readonly #admit = () => {
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) setImmediate(this.#admit);
  };
}

/** For whom work is done. */
export interface TurnTaker {
  /** Resolves when the next step may run; absent where all steps are short, and none has to wait. */
  nextStep?: (() => Promise<void>) | undefined;
  /** With whom the steps take turns, should they turn out to be long. */
  turns?: Turns | undefined;
}

/** From now on, its work is done in steps. */
export function startSteps(taker: TurnTaker): void {
  const { turns } = taker;
  if (turns) taker.nextStep ??= () => turns.next();
}

/** Does one step of work: a promise only where it waits for its turn, or for something else. */
export function inStep<T>({ nextStep }: TurnTaker, step: () => T | Promise<T>): T | Promise<T> {
  return nextStep ? nextStep().then(step) : step();
}

/** Does work that yields between its steps. */
export function inSteps<T>({ nextStep }: TurnTaker, steps: Iterator<void, T>): T | Promise<T> {
  return nextStep ? takeTurns(nextStep, steps) : inOneGo(steps);
}

/** Does work that yields between its steps, and lets nothing run there. */
export function inOneGo<T>(steps: Iterator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

async function takeTurns<T>(nextStep: () => Promise<void>, steps: Iterator<void, T>): Promise<T> {
  for (;;) {
    await nextStep();
    const step = steps.next();
    if (step.done) return step.value;
  }
}
