/** Prometheus' text format, for figures that are determined on request. */
import { escapeLabel, helpWithStability } from '../../../base/metrics.ts';

export interface Sample {
  labels: Record<string, string>;
  value: number;
  timeMs?: number;
}

export interface Family {
  name: string;
  help: string;
  type: 'counter' | 'gauge';
  samples: Sample[];
}

/** `stabilityOf`: precedes the help of a metric; left out when absent, as by cAdvisor. */
export function expose(
  families: readonly Family[],
  stabilityOf: (name: string) => string | undefined = () => undefined,
): string {
  const lines: string[] = [];
  for (const { name, help, type, samples } of families) {
    lines.push(`# HELP ${name} ${helpWithStability(help, stabilityOf(name))}`, `# TYPE ${name} ${type}`);
    for (const { labels, value, timeMs } of samples) {
      const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
      const suffix = timeMs === undefined ? '' : ` ${timeMs}`;
      lines.push(`${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}${suffix}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
