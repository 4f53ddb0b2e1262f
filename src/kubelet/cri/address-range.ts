/** The pod addresses of a simulated node. */

export class AddressRange {
  cidr: string;
  #given = 1;

  constructor(cidr: string) {
    this.cidr = cidr;
  }

  /** One after the other, from the start again at the end; as on a real node, the first is the bridge's. */
  next(): string {
    const [base = '', bits] = this.cidr.split('/');
    const size = 2 ** (32 - Number(bits));
    this.#given = (this.#given % (size - 2)) + 1;
    const number = base.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) + this.#given;
    return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
  }
}
