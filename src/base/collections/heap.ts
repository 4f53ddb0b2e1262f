/** A binary heap: the smallest element by a given order comes out first. */

export class Heap<Element> {
  readonly #elements: Element[] = [];
  readonly #isBefore: (left: Element, right: Element) => boolean;

  constructor(isBefore: (left: Element, right: Element) => boolean) {
    this.#isBefore = isBefore;
  }

  get size(): number {
    return this.#elements.length;
  }

  peek(): Element | undefined {
    return this.#elements[0];
  }

  push(element: Element): void {
    const elements = this.#elements;
    let index = elements.length;
    elements.push(element);
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (!this.#isBefore(element, elements[parent]!)) break;
      elements[index] = elements[parent]!;
      index = parent;
    }
    elements[index] = element;
  }

  pop(): Element | undefined {
    const elements = this.#elements;
    const first = elements[0];
    const last = elements.pop();
    if (elements.length === 0 || last === undefined) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= elements.length) break;
      if (child + 1 < elements.length && this.#isBefore(elements[child + 1]!, elements[child]!)) child++;
      if (!this.#isBefore(elements[child]!, last)) break;
      elements[index] = elements[child]!;
      index = child;
    }
    elements[index] = last;
    return first;
  }
}
