/** `/statusz` and `/flagz`: what runs here, since when, and with which settings, as text or as an object of `config.k8s.io`. */

import { versionInfo } from '../../api/component-base/version-info.ts';
import { formatYaml } from '../../api/schema/body/yaml-writer.ts';
import { formatTime } from '../../api/schema/time.ts';
import { notAcceptable } from '../../api/status.ts';
import type { Clock } from '../../base/clock.ts';
import type { RequestHandler } from '../handler.ts';
import { parseAccept } from '../http/response/negotiate.ts';
import { wantsPretty } from '../http/response/pretty.ts';
import type { ApiResponse, RequestContext } from '../request.ts';

export interface StatusPagesOptions {
  clock: Clock;
  /** The server's settings, under the names of upstream's flags. */
  flags: Readonly<Record<string, string>>;
}

const component = 'apiserver';
const warning =
  'Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.';

interface Page {
  kind: 'Statusz' | 'Flagz';
  /** Lines below the heading. */
  text(): string[];
  object(): object;
}

export function registerStatusPages(handler: RequestHandler, { clock, flags }: StatusPagesOptions): void {
  const startMs = clock.now();
  const status = () => statusOf({ startMs, nowMs: clock.now(), paths: describedPaths(handler.paths) });
  handler.addPath('/statusz', (context) =>
    answer(context, { kind: 'Statusz', object: status, text: () => statusLines(status()) }),
  );
  const sorted = Object.fromEntries(Object.entries(flags).sort(([a], [b]) => (a < b ? -1 : 1)));
  handler.addPath('/flagz', (context) =>
    answer(context, {
      kind: 'Flagz',
      object: () => ({ flags: sorted }),
      text: () => Object.entries(sorted).map(([name, value]) => `${name}=${value}`),
    }),
  );
}

interface Status {
  startTime: string;
  uptimeSeconds: number;
  goVersion: string;
  binaryVersion: string;
  emulationVersion: string;
  paths: readonly string[];
}

function statusOf(times: { startMs: number; nowMs: number; paths: readonly string[] }): Status {
  const { startMs, nowMs, paths } = times;
  const { gitVersion, goVersion, emulationMajor, emulationMinor } = versionInfo();
  return {
    startTime: formatTime(startMs),
    uptimeSeconds: Math.floor((nowMs - startMs) / 1000),
    goVersion,
    binaryVersion: gitVersion.replace(/^v/, '').replace(/\+.*$/, ''),
    emulationVersion: `${emulationMajor}.${emulationMinor}`,
    paths,
  };
}

/** Paths of the server itself: no API paths, and none below another path. */
function describedPaths(paths: Iterable<string>): string[] {
  return [...paths].filter((path) => /^\/[a-z]+$/.test(path) && path !== '/api' && path !== '/apis').sort();
}

function statusLines(status: Status): string[] {
  const { uptimeSeconds, paths } = status;
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(uptimeSeconds / 3600), Math.floor(uptimeSeconds / 60) % 60];
  return [
    '',
    `Started: ${unixDate(status.startTime)}`,
    `Up: ${hours} hr ${two(minutes)} min ${two(uptimeSeconds % 60)} sec`,
    `Go version: ${status.goVersion}`,
    `Binary version: ${status.binaryVersion}`,
    `Emulation version: ${status.emulationVersion}`,
    `Paths: ${paths.join(' ')}`,
  ];
}

/** `Sat Nov 28 22:14:46 UTC 2026` */
function unixDate(time: string): string {
  const [day, date, month, year, clock] = new Date(time).toUTCString().replace(',', '').split(' ');
  return `${day} ${month} ${date!.replace(/^0/, ' ')} ${clock} UTC ${year}`;
}

function answer({ request, warnings }: RequestContext, page: Page): ApiResponse {
  const form = formFor(request.header('accept'), page.kind);
  if (form.type === 'text/plain')
    return {
      type: 'raw',
      status: 200,
      contentType: 'text/plain; charset=utf-8',
      body: `\n${component} ${page.kind.toLowerCase()}\n${warning}\n${page.text().join('\n')}\n`,
    };
  const { type, version } = form;
  if (version === 'v1alpha1')
    warnings.push(
      `This version of the ${page.kind.toLowerCase()} endpoint is deprecated. Please use a newer version.`,
    );
  const metadata = { name: component };
  const object = { kind: page.kind, apiVersion: `config.k8s.io/${version}`, metadata, ...page.object() };
  return {
    type: 'raw',
    status: 200,
    contentType: `${type};g=config.k8s.io;v=${version};as=${page.kind}`,
    body: type === 'application/json' ? jsonFor(request, object) : formatYaml(object),
  };
}

function jsonFor(request: RequestContext['request'], object: object): string {
  return wantsPretty(request) ? JSON.stringify(object, null, 2) : `${JSON.stringify(object)}\n`;
}

type Form = { type: 'text/plain' } | { type: 'application/json' | 'application/yaml'; version: string };

/** The objects have no meaning but by their version, which a client has to name. @throws StatusError 406 */
function formFor(accept: string | undefined, kind: Page['kind']): Form {
  for (const { type, parameters } of parseAccept(accept || '*/*')) {
    if (type === 'text/plain' || type === '*/*') return { type: 'text/plain' };
    if (type !== 'application/json' && type !== 'application/yaml') continue;
    const { g, v, as } = parameters;
    if (g === 'config.k8s.io' && as === kind && (v === 'v1beta1' || v === 'v1alpha1'))
      return { type, version: v };
  }
  throw notAcceptable(
    'only the following media types are accepted: application/json, application/yaml, text/plain',
  );
}
