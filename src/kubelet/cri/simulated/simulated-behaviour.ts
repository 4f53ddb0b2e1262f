/** What a simulated container does, derived from its command, and from its place in the pod. */
import { isSidecar } from '../../../api/core/pod/sidecars.ts';
import { controllerOf } from '../../../api/meta.ts';
import type { Pod } from '../../../api/resources.gen.ts';
import type { ContainerConfig } from '../messages.ts';

/** How long work takes of which nothing is known but that it comes to an end. */
const workMs = 1_000;

/** What a simulated container does once it is started. */
export interface SimulatedBehaviour {
  /** Ends by itself after this time; when absent, it runs until it is stopped. */
  exit?: { afterMs: number; code: number };
  /** Ignores the stop signal for the whole grace period. */
  ignoresTerm?: boolean;
  /** The time that it takes to end when it is killed. */
  killMs?: number;
  /** Fails to start, with this description. */
  startError?: string;
  /** Whether probes succeed while it runs; true by default. */
  healthy?: boolean;
}

/** Understands `exit N`, `sleep N` and `sleep N; exit M` as a shell script, `false`, `true` and programs called nosuch. */
export function behaviourOf(config: Pick<ContainerConfig, 'command' | 'args'>): SimulatedBehaviour {
  const words = [...(config.command ?? []), ...(config.args ?? [])];
  const program = words[0] ?? '';
  if (/(^|\/)nosuch/.test(program))
    return { startError: `exec: "${program}": executable file not found in $PATH` };
  if (/(^|\/)false$/.test(program)) return { exit: { afterMs: 0, code: 1 } };
  if (/(^|\/)true$/.test(program)) return { exit: { afterMs: 0, code: 0 } };
  const script = /(^|\/)(ba)?sh$/.test(program) && words[1] === '-c' ? (words[2] ?? '') : words.join(' ');
  return script.startsWith('trap "" TERM;') ? { ignoresTerm: true } : endOf(script);
}

/** Like {@link behaviourOf}; but an unknown command ends where all wait for its end: before the pod's containers, or in a Job. */
export function behaviourIn(
  pod: Pod | undefined,
  config: Pick<ContainerConfig, 'command' | 'args' | 'metadata'>,
): SimulatedBehaviour {
  const behaviour = behaviourOf(config);
  if (!pod || Object.keys(behaviour).length > 0) return behaviour;
  const init = pod.spec.initContainers?.find(({ name }) => name === config.metadata.name);
  const ends = init ? !isSidecar(init) : controllerOf(pod)?.kind === 'Job';
  return ends ? { exit: { afterMs: workMs, code: 0 } } : behaviour;
}

/** The script is taken apart before any pattern sees it: one pattern for all of it would try many ways to divide its blanks. */
function endOf(script: string): SimulatedBehaviour {
  const statements = script
    .split(';')
    .map((statement) => statement.trim())
    .filter(Boolean);
  const [, seconds] = /^sleep (\d+)s?$/.exec(statements[0] ?? '') ?? [];
  if (seconds !== undefined) statements.shift();
  const [, code] = /^exit (\d+)$/.exec(statements[0] ?? '') ?? [];
  if (code !== undefined) statements.shift();
  if (statements.length > 0 || (seconds === undefined && code === undefined)) return {};
  return { exit: { afterMs: Number(seconds ?? 0) * 1000, code: Number(code ?? 0) } };
}
