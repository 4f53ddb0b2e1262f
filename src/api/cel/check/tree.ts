/** The syntax tree of an expression. `at`: where upstream's errors point to. */
export type Tree =
  | {
      op: 'literal';
      at: number;
      type: 'int' | 'uint' | 'double' | 'string' | 'bytes' | 'bool' | 'null';
      text: string;
    }
  | { op: 'name'; at: number; name: string }
  | { op: 'field'; at: number; of: Tree; name: string; optional: boolean }
  | { op: 'has'; at: number; of: Tree; name: string }
  | { op: 'call'; at: number; name: string; of: Tree | undefined; args: Tree[] }
  | { op: 'list'; at: number; items: Item[] }
  | { op: 'map'; at: number; entries: Entry[] }
  | { op: 'object'; at: number; name: string; fields: Field[] }
  | Loop
  | { op: 'bind'; at: number; variable: string; value: Tree; body: Tree; optional: 'value' | 'whole' };

export interface Item {
  tree: Tree;
  optional: boolean;
}

export interface Entry {
  key: Tree;
  value: Tree;
  optional: boolean;
}

export interface Field {
  name: string;
  at: number;
  value: Tree;
  optional: boolean;
}

/** A macro that goes through a list or a map. */
export interface Loop {
  op: 'loop';
  at: number;
  name: string;
  range: Tree;
  variables: string[];
  bodies: Tree[];
}
