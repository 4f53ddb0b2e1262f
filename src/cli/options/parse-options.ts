/** Options of commands. */
import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { ClusterRecord } from '../../host/cluster/cluster-record.ts';
import {
  checkName,
  defaultClusterName,
  loadClusterRecord,
  noSuchCluster,
} from '../../host/cluster/cluster-record.ts';
import { type CliContext, UsageError } from '../context.ts';

/** Parses strictly: a misspelt option is an error, never ignored. @throws UsageError */
export function parseOptions<Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
  positionalsMax = 0,
) {
  let parsed: ReturnType<typeof parseArgs<{ options: Options; allowPositionals: true; strict: true }>>;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    // Node's error explains how to pass arguments that begin with a dash; none of our commands takes such.
    throw new UsageError((error as Error).message.split('. To specify a positional')[0]!);
  }
  if (parsed.positionals.length > positionalsMax)
    throw new UsageError(`unexpected argument ${JSON.stringify(parsed.positionals[positionalsMax])}`);
  return parsed;
}

export const nameOption = { name: { type: 'string', short: 'n' } } as const;

export function clusterNameOf(values: { name?: string | undefined }): string {
  const name = values.name ?? defaultClusterName;
  checkName('cluster', name);
  return name;
}

/** @throws Failure when there is no such cluster */
export function existingCluster(context: CliContext, values: { name?: string | undefined }): ClusterRecord {
  const name = clusterNameOf(values);
  const record = loadClusterRecord(context.data.cluster(name));
  if (record) return record;
  throw noSuchCluster(context.data, name);
}

/** The subcommand, such as `list`. @throws UsageError that names the known ones */
export function parseVerb<Verb extends string>(word: string | undefined, verbs: readonly Verb[]): Verb {
  const verb = verbs.find((each) => each === word);
  if (verb !== undefined) return verb;
  const problem =
    word === undefined ? 'a subcommand is missing' : `unknown subcommand ${JSON.stringify(word)}`;
  throw new UsageError(`${problem}; known are ${verbs.join(', ')}`);
}

export function parseCount(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`${option} takes a whole number from 1 up, not ${JSON.stringify(text)}`);
  return value;
}
