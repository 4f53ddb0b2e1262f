/** Writes a document's JSON form as protobuf messages, by tables that say which field of a message a key becomes. */
import { bytesType, fixed64Type, varintType, WireWriter } from '../protobuf/wire.ts';
import type { JsonSchema } from './source.ts';

/** How a field is written; a name stands for one of the messages of the same table. */
export type FieldType =
  | 'string'
  | 'strings'
  | 'boolean'
  | 'double'
  | 'integer'
  | 'any'
  | 'anys'
  /** Everything that starts with `x-`. */
  | 'extensions'
  | { message: string; repeated?: boolean }
  /** An object as a list of names and messages. */
  | { named: string };

/** A layout with the single key '' is a wrapper: its only field is the value itself. */
export type MessageLayout = Record<string, [id: number, type: FieldType]>;

/** For a message with one of several fields set, the value decides which. */
export type MessageLayouts = Readonly<Record<string, MessageLayout | ((value: unknown) => MessageLayout)>>;

const initialCapacityBytes = 1024 * 1024;

export function encodeMessage(layouts: MessageLayouts, name: string, document: JsonSchema): Uint8Array {
  const writer = new MessageWriter(layouts);
  writer.message(name, document);
  return writer.finish();
}

class MessageWriter {
  readonly #layouts: MessageLayouts;
  readonly #wire = new WireWriter(initialCapacityBytes);

  constructor(layouts: MessageLayouts) {
    this.#layouts = layouts;
  }

  finish(): Uint8Array {
    return this.#wire.finish();
  }

  message(name: string, value: unknown): void {
    const found = this.#layouts[name]!;
    const layout = typeof found === 'function' ? found(value) : found;
    const wrapped = layout[''];
    if (wrapped) {
      this.#field(wrapped[0], wrapped[1], value);
      return;
    }
    for (const [key, [id, type]] of Object.entries(layout)) {
      if (type === 'extensions') this.#extensions(id, value as JsonSchema);
      else this.#field(id, type, (value as JsonSchema)[key]);
    }
  }

  #field(id: number, type: FieldType, value: unknown): void {
    if (value === undefined || value === null) return;
    if (typeof type === 'object') {
      this.#messages(id, type, value);
      return;
    }
    switch (type) {
      case 'string':
        this.#string(id, String(value));
        return;
      case 'strings':
        for (const text of value as string[]) this.#string(id, text);
        return;
      case 'boolean':
      case 'integer':
        this.#wire.tag(id * 8 + varintType);
        this.#wire.integer(Number(value));
        return;
      case 'double':
        this.#wire.tag(id * 8 + fixed64Type);
        this.#wire.double(Number(value));
        return;
      case 'any':
        this.#nested(id, () => this.#any(value));
        return;
      case 'anys':
        for (const item of value as unknown[]) this.#nested(id, () => this.#any(item));
        return;
    }
  }

  #messages(id: number, type: FieldType & object, value: unknown): void {
    if ('named' in type) {
      for (const [name, item] of Object.entries(value as JsonSchema)) {
        this.#nested(id, () => {
          this.#string(1, name);
          this.#nested(2, () => this.message(type.named, item));
        });
      }
      return;
    }
    for (const item of type.repeated ? (value as unknown[]) : [value])
      this.#nested(id, () => this.message(type.message, item));
  }

  #extensions(id: number, object: JsonSchema): void {
    for (const [name, value] of Object.entries(object)) {
      if (!name.startsWith('x-')) continue;
      this.#nested(id, () => {
        this.#string(1, name);
        this.#nested(2, () => this.#any(value));
      });
    }
  }

  /** Any value as YAML, of which JSON is a subset. */
  #any(value: unknown): void {
    this.#string(2, `${JSON.stringify(value)}\n`);
  }

  #string(id: number, text: string): void {
    this.#wire.tag(id * 8 + bytesType);
    this.#wire.string(text);
  }

  #nested(id: number, write: () => void): void {
    this.#wire.tag(id * 8 + bytesType);
    const start = this.#wire.begin();
    write();
    this.#wire.end(start);
  }
}
