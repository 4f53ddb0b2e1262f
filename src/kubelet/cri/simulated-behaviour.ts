/** What a simulated container does, derived from its command. */
import type { ContainerConfig } from './messages.ts';

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
  const match = /^(?:(trap "" TERM;).*|\s*(?:sleep (\d+)s?)?\s*;?\s*(?:exit (\d+))?\s*)$/.exec(script);
  if (match?.[1]) return { ignoresTerm: true };
  if (!match || (match[2] === undefined && match[3] === undefined)) return {};
  return { exit: { afterMs: Number(match[2] ?? 0) * 1000, code: Number(match[3] ?? 0) } };
}
