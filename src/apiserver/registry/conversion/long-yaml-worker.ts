/** The thread on which long YAML is read. */
import { parentPort } from 'node:worker_threads';
import type { ParsedText } from '../../../api/schema/body/json.ts';
import { parseYaml, YamlError } from '../../../api/schema/body/yaml.ts';

export type ReadYaml = { parsed: ParsedText } | { mistake: string };

// Outside of a worker it is only loaded.
parentPort?.on('message', (text: string) => parentPort!.postMessage(read(text)));

function read(text: string): ReadYaml {
  try {
    return { parsed: parseYaml(text) };
  } catch (error) {
    if (error instanceof YamlError) return { mistake: error.message };
    throw error;
  }
}
