/** The file that `--kubelet-config` names. */
import { parse, YAMLParseError } from 'yaml';
import { Failure } from '../../host/failure.ts';
import {
  type KubeletConfiguration,
  parseKubeletConfiguration,
} from '../../kubelet/configuration/configuration.ts';
import { readNamedFile } from './named-files.ts';

/** @throws Failure that says what is wrong with it */
export function readKubeletConfig(file: string): KubeletConfiguration {
  const text = readNamedFile('--kubelet-config', file);
  try {
    return parseKubeletConfiguration(parse(text));
  } catch (error) {
    const what = error instanceof YAMLParseError ? 'is no YAML' : 'cannot be used';
    throw new Failure(`${file} ${what}: ${(error as Error).message}`, { cause: error as Error });
  }
}
