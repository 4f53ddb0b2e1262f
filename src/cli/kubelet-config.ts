/** The file that `--kubelet-config` names. */
import { readFileSync } from 'node:fs';
import { parse, YAMLParseError } from 'yaml';
import { Failure } from '../host/failure.ts';
import { type KubeletConfiguration, parseKubeletConfiguration } from '../kubelet/configuration.ts';

/** @throws Failure that says what is wrong with it */
export function readKubeletConfig(file: string): KubeletConfiguration {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`, { cause: error as Error });
  }
  try {
    return parseKubeletConfiguration(parse(text));
  } catch (error) {
    const what = error instanceof YAMLParseError ? 'is no YAML' : 'cannot be used';
    throw new Failure(`${file} ${what}: ${(error as Error).message}`, { cause: error as Error });
  }
}
