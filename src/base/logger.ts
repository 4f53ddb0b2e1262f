/** Log lines of the form `time level component message key=value …`, written to a sink that is passed in. */
import type { Clock } from './clock.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Logger {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
  /** A logger whose lines carry `component`. */
  for(component: string): Logger;
}

const ranks: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

export function createLogger(options: {
  clock: Pick<Clock, 'now'>;
  write: (line: string) => void;
  level?: LogLevel;
  component?: string;
}): Logger {
  const { clock, write, level = 'info', component = '-' } = options;
  const log = (at: LogLevel) => (message: string, fields?: Record<string, unknown>) => {
    if (ranks[at] < ranks[level]) return;
    write(`${new Date(clock.now()).toISOString()} ${at} ${component} ${message}${formatFields(fields)}\n`);
  };
  return {
    debug: log('debug'),
    info: log('info'),
    warn: log('warn'),
    error: log('error'),
    for: (name) => createLogger({ ...options, component: name }),
  };
}

/** For tests, and for code without anything to log. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  for: () => silentLogger,
};

function formatFields(fields: Record<string, unknown> | undefined): string {
  if (!fields) return '';
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}=${formatValue(value)}`)
    .join('');
}

function formatValue(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(describeError(value));
  if (typeof value === 'string') return /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value) ?? String(value);
}

/** The messages of an error and of its causes; the stack of errors that no code of ours expects. */
function describeError(error: Error): string {
  const isDefect =
    error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  const text = isDefect ? (error.stack ?? error.message) : error.message;
  if (!(error.cause instanceof Error)) return text;
  const cause = describeError(error.cause);
  // Many a message ends with that of its cause already.
  return text.endsWith(cause) ? text : `${text}: ${cause}`;
}
