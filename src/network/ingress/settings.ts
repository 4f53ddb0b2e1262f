/**
 * What an Ingress' `nginx.ingress.kubernetes.io/*` annotations ask for, in plain values; unreadable ones are reported.
 */

import { isIP } from 'node:net';
import { parseRange } from '../../api/validation/addresses.ts';

export interface IngressSettings {
  rewriteTarget?: string;
  useRegex: boolean;
  appRoot?: string;
  /** Redirect to HTTPS when the host has a certificate. */
  sslRedirect: boolean;
  /** Redirect to HTTPS everywhere. */
  forceSslRedirect: boolean;
  permanentRedirect?: { target: string; code: number };
  temporaryRedirect?: string;
  protocol: 'http' | 'https' | 'grpc' | 'grpcs';
  affinityCookie?: { name: string; maxAgeSeconds?: number; path?: string };
  bodyBytesMax?: number;
  allowedSources: string[];
  /** Name of a secret in the Ingress' namespace, or `namespace/name`, in htpasswd format. */
  basicAuth?: { secret: string; realm: string; isMap: boolean };
  canary?: { weight: number; weightTotal: number; header?: string; headerValue?: string; cookie?: string };
  connectTimeoutSeconds: number;
  readTimeoutSeconds: number;
  sendTimeoutSeconds: number;
  upstreamHost?: string;
  cors?: { origins: string[]; methods: string; headers: string; credentials: boolean; maxAgeSeconds: number };
  loadBalance: 'roundrobin' | 'leastconn' | 'source' | 'uri';
}

const prefix = 'nginx.ingress.kubernetes.io/';
const defaultCookieName = 'INGRESSCOOKIE';
const corsDefaults = {
  methods: 'GET, PUT, POST, DELETE, PATCH, OPTIONS',
  headers:
    'DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization',
  maxAgeSeconds: 1_728_000,
};

/** All annotations that are read below; any other is reported as having no effect. */
const knownNames = new Set([
  'affinity',
  'allowlist-source-range',
  'app-root',
  'auth-realm',
  'auth-secret',
  'auth-secret-type',
  'auth-type',
  'backend-protocol',
  'canary',
  'canary-by-cookie',
  'canary-by-header',
  'canary-by-header-value',
  'canary-weight',
  'canary-weight-total',
  'cors-allow-credentials',
  'cors-allow-headers',
  'cors-allow-methods',
  'cors-allow-origin',
  'cors-max-age',
  'enable-cors',
  'force-ssl-redirect',
  'load-balance',
  'permanent-redirect',
  'permanent-redirect-code',
  'proxy-body-size',
  'proxy-connect-timeout',
  'proxy-read-timeout',
  'proxy-send-timeout',
  'rewrite-target',
  'session-cookie-expires',
  'session-cookie-max-age',
  'session-cookie-name',
  'session-cookie-path',
  'ssl-redirect',
  'temporal-redirect',
  'upstream-hash-by',
  'upstream-vhost',
  'use-regex',
  'whitelist-source-range',
]);

/** `problems`: one sentence for every annotation that is ignored because of its value. */
export function parseSettings(annotations: Record<string, string>): {
  settings: IngressSettings;
  problems: string[];
} {
  const problems = Object.keys(annotations)
    .filter((name) => name.startsWith(prefix) && !knownNames.has(name.slice(prefix.length)))
    .map((name) => `annotation ${name} is not supported`);
  const reader = new AnnotationReader(annotations, problems);
  const settings: IngressSettings = {
    useRegex: reader.flag('use-regex', false),
    sslRedirect: reader.flag('ssl-redirect', true),
    forceSslRedirect: reader.flag('force-ssl-redirect', false),
    protocol: readProtocol(reader),
    allowedSources: reader
      .list('whitelist-source-range', isRange)
      .concat(reader.list('allowlist-source-range', isRange)),
    connectTimeoutSeconds: reader.timeout('proxy-connect-timeout') ?? 5,
    readTimeoutSeconds: reader.timeout('proxy-read-timeout') ?? 60,
    sendTimeoutSeconds: reader.timeout('proxy-send-timeout') ?? 60,
    loadBalance: readLoadBalance(reader),
    ...defined({
      rewriteTarget: reader.path('rewrite-target'),
      appRoot: reader.path('app-root'),
      permanentRedirect: readRedirect(reader),
      temporaryRedirect: reader.text('temporal-redirect'),
      affinityCookie: readAffinity(reader),
      bodyBytesMax: reader.size('proxy-body-size'),
      basicAuth: readBasicAuth(reader),
      canary: readCanary(reader),
      upstreamHost: reader.text('upstream-vhost'),
      cors: readCors(reader),
    }),
  };
  return { settings, problems };
}

function readProtocol(reader: AnnotationReader): IngressSettings['protocol'] {
  const text = reader.text('backend-protocol')?.toLowerCase() ?? 'http';
  if (text === 'http' || text === 'https' || text === 'grpc' || text === 'grpcs') return text;
  reader.refuse('backend-protocol', 'is not one of HTTP, HTTPS, GRPC, GRPCS');
  return 'http';
}

function readLoadBalance(reader: AnnotationReader): IngressSettings['loadBalance'] {
  const hash = reader.text('upstream-hash-by');
  if (hash === '$remote_addr' || hash === '$binary_remote_addr') return 'source';
  if (hash === '$request_uri' || hash === '$uri') return 'uri';
  if (hash) reader.refuse('upstream-hash-by', 'is supported for $remote_addr and $request_uri only');
  return reader.text('load-balance') === 'least_conn' ? 'leastconn' : 'roundrobin';
}

function readRedirect(reader: AnnotationReader): IngressSettings['permanentRedirect'] {
  const target = reader.text('permanent-redirect');
  return target ? { target, code: reader.count('permanent-redirect-code') ?? 301 } : undefined;
}

function readAffinity(reader: AnnotationReader): IngressSettings['affinityCookie'] {
  const kind = reader.text('affinity');
  if (!kind) return undefined;
  if (kind !== 'cookie') {
    reader.refuse('affinity', 'is not cookie');
    return undefined;
  }
  return {
    name: reader.token('session-cookie-name') ?? defaultCookieName,
    ...defined({
      maxAgeSeconds: reader.count('session-cookie-max-age') ?? reader.count('session-cookie-expires'),
      path: reader.cookiePath('session-cookie-path'),
    }),
  };
}

function readBasicAuth(reader: AnnotationReader): IngressSettings['basicAuth'] {
  const type = reader.text('auth-type');
  if (!type) return undefined;
  const secret = reader.text('auth-secret');
  if (type !== 'basic') reader.refuse('auth-type', 'is not basic');
  else if (!secret) reader.refuse('auth-secret', 'is missing');
  // Even when it cannot be satisfied: an Ingress that asks for passwords must not be open without them.
  const realm = (reader.text('auth-realm') ?? 'Authentication Required').replaceAll(/["\\\n]/g, '');
  return { secret: secret ?? '', realm, isMap: reader.text('auth-secret-type') === 'auth-map' };
}

function readCanary(reader: AnnotationReader): IngressSettings['canary'] {
  if (!reader.flag('canary', false)) return undefined;
  return {
    weight: reader.count('canary-weight') ?? 0,
    weightTotal: Math.max(1, reader.count('canary-weight-total') ?? 100),
    ...defined({
      header: reader.token('canary-by-header'),
      headerValue: reader.text('canary-by-header-value'),
      cookie: reader.token('canary-by-cookie'),
    }),
  };
}

function readCors(reader: AnnotationReader): IngressSettings['cors'] {
  if (!reader.flag('enable-cors', false)) return undefined;
  return {
    origins: (reader.text('cors-allow-origin') ?? '*').split(',').map((origin) => origin.trim()),
    methods: reader.text('cors-allow-methods') ?? corsDefaults.methods,
    headers: reader.text('cors-allow-headers') ?? corsDefaults.headers,
    credentials: reader.flag('cors-allow-credentials', true),
    maxAgeSeconds: reader.count('cors-max-age') ?? corsDefaults.maxAgeSeconds,
  };
}

/** The proxy counts milliseconds in 31 bits. */
const timeoutSecondsMax = 2_147_483;

const sizeFactors: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

class AnnotationReader {
  readonly #annotations: Record<string, string>;
  readonly #problems: string[];

  constructor(annotations: Record<string, string>, problems: string[]) {
    this.#annotations = annotations;
    this.#problems = problems;
  }

  refuse(name: string, why: string): void {
    this.#problems.push(`annotation ${prefix}${name} ${why}`);
  }

  text(name: string): string | undefined {
    const value = this.#annotations[prefix + name]?.trim();
    if (!value) return undefined;
    if (!/[\n\r\0]/.test(value)) return value;
    this.refuse(name, 'has a line break');
    return undefined;
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.text(name)?.toLowerCase();
    if (value === undefined) return otherwise;
    if (value === 'true' || value === 'false') return value === 'true';
    this.refuse(name, 'is neither true nor false');
    return otherwise;
  }

  count(name: string): number | undefined {
    return this.#matched(name, /^\d{1,9}$/, 'is no whole number', Number);
  }

  /** No longer than the proxy can wait: one greater would make it refuse its whole configuration. */
  timeout(name: string): number | undefined {
    const seconds = this.count(name);
    return seconds === undefined ? undefined : Math.min(seconds, timeoutSecondsMax);
  }

  path(name: string): string | undefined {
    return this.#matched(name, /^\/\S*$/, 'is no path', String);
  }

  /** Without characters that would end the attribute, or that mean something to the proxy within quotes. */
  cookiePath(name: string): string | undefined {
    return this.#matched(name, /^\/[^\s;"\\$]*$/, 'is no path', String);
  }

  /** A cookie's or header's name. */
  token(name: string): string | undefined {
    return this.#matched(name, /^[\w.-]+$/, 'is no name', String);
  }

  /** nginx' sizes; 0 means no limit. */
  size(name: string): number | undefined {
    const bytes = this.#matched(name, /^\d{1,12}[kmg]?$/i, 'is no size', (text) => {
      const unit = text.slice(-1).toLowerCase();
      return unit in sizeFactors ? Number(text.slice(0, -1)) * sizeFactors[unit]! : Number(text);
    });
    // The proxy reads digits only; greater numbers would be written as powers of ten.
    return bytes ? Math.min(bytes, Number.MAX_SAFE_INTEGER) : undefined;
  }

  list(name: string, isGood: (item: string) => boolean): string[] {
    const items = (this.text(name) ?? '')
      .split(',')
      .map((item) => item.trim())
      .filter(Boolean);
    const good = items.filter(isGood);
    if (good.length < items.length)
      this.refuse(
        name,
        `has entries that are no address ranges: ${items.filter((item) => !isGood(item)).join(', ')}`,
      );
    // None is valid: no client is allowed, rather than all of them.
    return items.length > 0 && good.length === 0 ? ['255.255.255.255/32'] : good;
  }

  #matched<T>(name: string, pattern: RegExp, why: string, convert: (text: string) => T): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    if (pattern.test(text)) return convert(text);
    this.refuse(name, why);
    return undefined;
  }
}

function isRange(text: string): boolean {
  return !text.includes('%') && (isIP(text) !== 0 || parseRange(text) !== undefined);
}

function defined<T extends object>(object: T): { [K in keyof T]: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never;
}
