/** ConfigMaps. */
import { ageColumn, column, nameColumn } from '../kinds/columns.ts';
import { defineKind } from '../kinds/define-kind.ts';
import { ConfigMap } from '../resources.gen.ts';
import { semanticEqual } from '../validation/equality.ts';
import { forbiddenField, invalidValue, tooLong } from '../validation/field-error.ts';
import { invalidFor } from '../validation/fields.ts';
import { configKeyProblems } from '../validation/names.ts';

/** All values of a ConfigMap or Secret together. */
export const dataSizeMaxBytes = 1024 * 1024;
export const immutableMessage = 'field is immutable when `immutable` is set';

export const configMapKind = defineKind(ConfigMap, {
  columns: [
    nameColumn,
    column('Data', (map) => Object.keys(map.data ?? {}).length + Object.keys(map.binaryData ?? {}).length),
    ageColumn,
  ],
  *validate(map) {
    let sizeBytes = 0;
    for (const key in map.data) {
      yield* invalidFor(`data[${key}]`, key, configKeyProblems(key));
      if (map.binaryData && key in map.binaryData)
        yield invalidValue(`data[${key}]`, key, 'duplicate of key present in binaryData');
      sizeBytes += Buffer.byteLength(map.data[key]!);
    }
    for (const key in map.binaryData) {
      yield* invalidFor(`binaryData[${key}]`, key, configKeyProblems(key));
      sizeBytes += base64Bytes(map.binaryData[key]!);
    }
    // Upstream's error has no field.
    if (sizeBytes > dataSizeMaxBytes) yield tooLong('[]', dataSizeMaxBytes);
  },
  updateRulesFirst: true,
  *validateUpdate(map, old) {
    if (!old.immutable) return;
    if (!map.immutable) yield forbiddenField('immutable', immutableMessage);
    for (const field of ['data', 'binaryData'] as const)
      if (!semanticEqual(map[field], old[field])) yield forbiddenField(field, immutableMessage);
  },
});

/** How many bytes a base64 text encodes. */
export function base64Bytes(text: string): number {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return (text.length / 4) * 3 - padding;
}
