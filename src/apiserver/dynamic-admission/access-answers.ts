/** Expressions are evaluated without a wait: what only another server knows of rights is asked for between two tries. */
import { CelError } from '../../api/cel/environment.ts';
import type { Attributes, Authorizer, Decision } from '../authorization/authorizer.ts';

/** How often an evaluation may be repeated because its expressions ask further access questions. */
const roundsMax = 64;

export class AccessAnswers {
  readonly #authorize: Authorizer;
  readonly #known = new Map<string, Decision>();
  readonly #open = new Map<string, Promise<Decision>>();

  constructor(authorize: Authorizer) {
    this.#authorize = authorize;
  }

  /** For an expression. @throws CelError when the answer is to come: {@link settled} evaluates again then. */
  to(question: Attributes): Decision {
    const key = this.#known.size + this.#open.size > 0 ? JSON.stringify(question) : undefined;
    const known = key === undefined ? undefined : this.#known.get(key);
    if (known) return known;
    // Two expressions may ask the same: nobody would wait for an answer in whose place another one is.
    if (key === undefined || !this.#open.has(key)) {
      const decision = this.#authorize(question);
      if (!(decision instanceof Promise)) return decision;
      this.#open.set(key ?? JSON.stringify(question), decision);
    }
    throw new CelError('the answer about access is to come');
  }

  /** `evaluate` is pure but for its questions, and may run several times. */
  async settled<T>(evaluate: () => T): Promise<T> {
    for (let round = 1; ; round++) {
      try {
        const result = evaluate();
        if (this.#open.size === 0) return result;
      } catch (error) {
        if (this.#open.size === 0) throw error;
      }
      const open = [...this.#open];
      this.#open.clear();
      // All together: a rejection while another is awaited would go unhandled.
      const decisions = await Promise.all(open.map(([, answer]) => answer));
      for (const [index, [key]] of open.entries()) this.#known.set(key, decisions[index]!);
      if (round === roundsMax) throw new CelError(`more than ${roundsMax} rounds of questions about access`);
    }
  }
}
