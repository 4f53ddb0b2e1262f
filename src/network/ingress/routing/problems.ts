/** What cannot be served of Ingresses, each problem once. */

import { keyOf } from '../../../api/meta.ts';
import type { Ingress } from '../../../api/resources.gen.ts';

export interface Problem {
  /** Its key. */
  ingress: string;
  reason: string;
  message: string;
}

export class Problems {
  readonly #found: Problem[] = [];

  add(of: Ingress, reason: string, message: string): void {
    const ingress = keyOf(of);
    if (!this.#found.some((each) => each.ingress === ingress && each.message === message))
      this.#found.push({ ingress, reason, message });
  }

  /** In the order in which they were found. */
  list(): Problem[] {
    return [...this.#found];
  }
}
