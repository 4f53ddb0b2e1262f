/** The namespace `jsonpatch` of mutating policies: keys as they stand in the paths of JSON patches. */
import type { Environment } from '@marcbachmann/cel-js';

/** The library knows methods only, so the function is a method of a constant. */
class JsonPatch {}

export function registerJsonPatch(environment: Environment): void {
  environment
    .registerType('kubernetes.JSONPatch', JsonPatch)
    .registerConstant('jsonpatch', 'kubernetes.JSONPatch', new JsonPatch())
    .registerFunction('kubernetes.JSONPatch.escapeKey(string): string', (_: JsonPatch, key: string) =>
      key.replaceAll('~', '~0').replaceAll('/', '~1'),
    );
}
