/** The thread on which long YAML is read and written. */
import { parentPort } from 'node:worker_threads';
import type { ParsedText } from '../../../api/schema/body/json.ts';
import { parseYaml, YamlError } from '../../../api/schema/body/yaml.ts';
import { formatYaml } from '../../../api/schema/body/yaml-writer.ts';
import { parseExactJson } from '../../../base/text/exact-json.ts';

/** `json`: of a value to be written. */
export type YamlTask = { yaml: string } | { json: string };
export type ReadYaml = { parsed: ParsedText } | { mistake: string };

// Outside of a worker it is only loaded.
parentPort?.on('message', (task: YamlTask) =>
  parentPort!.postMessage('yaml' in task ? read(task.yaml) : formatYaml(parseExactJson(task.json))),
);

function read(text: string): ReadYaml {
  try {
    return { parsed: parseYaml(text) };
  } catch (error) {
    if (error instanceof YamlError) return { mistake: error.message };
    throw error;
  }
}
