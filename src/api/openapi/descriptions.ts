/**
 * Descriptions of definitions and their fields, for `kubectl explain`. Read for every document: they are large and
 * rarely needed.
 */
import { readFileSync } from 'node:fs';
import { brotliDecompressSync } from 'node:zlib';

export interface Descriptions {
  definition(name: string): string | undefined;
  field(definition: string, field: string): string | undefined;
}

export function loadDescriptions(): Descriptions {
  const bytes = readFileSync(new URL('../data/descriptions.json.br', import.meta.url));
  const { texts, definitions } = JSON.parse(brotliDecompressSync(bytes).toString('utf8')) as {
    texts: string[];
    definitions: Record<string, [self: number, fields: Record<string, number>]>;
  };
  const textAt = (index: number | undefined) => (index === undefined ? undefined : texts[index] || undefined);
  return {
    definition: (name) => textAt(definitions[name]?.[0]),
    field: (definition, field) => textAt(definitions[definition]?.[1][field]),
  };
}
