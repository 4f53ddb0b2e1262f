/** Turns the API server settings of a server process into the options of the API server; files are read here. */
import { closeSync, fstatSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { parseYamlStrictly } from '../../api/schema/body/yaml.ts';
import { parseAuditPolicy } from '../../apiserver/audit/policy.ts';
import type { OpenIdConnectOptions } from '../../apiserver/authentication/openid-connect.ts';
import type { ApiServerOptions } from '../../apiserver/server-options.ts';
import type { ApiServerSettings } from '../../host/processes/process-config.ts';

/** An audit log of this size is rotated, and the previous one is removed. */
const auditLogBytesMax = 100 * 1024 * 1024;

/** @throws Error when a file cannot be read or an audit policy cannot be */
export function limitsAndAudit({
  audit,
  requestSeats,
  requestTimeoutMs,
}: ApiServerSettings): Pick<ApiServerOptions, 'audit' | 'requestSeats' | 'requestTimeoutMs'> {
  return {
    ...(audit && {
      audit: {
        policy: parseAuditPolicy(parseYamlStrictly(readFileSync(audit.policyFile, 'utf8'))),
        write: auditWriter(audit.logFile),
      },
    }),
    ...(requestSeats && { requestSeats }),
    ...(requestTimeoutMs && { requestTimeoutMs }),
  };
}

export function openIdConnectProviders({ oidc }: ApiServerSettings): OpenIdConnectOptions[] {
  if (!oidc) return [];
  const { caFile, ...options } = oidc;
  return [{ ...options, ...(caFile && { ca: readFileSync(caFile, 'utf8') }) }];
}

/** Written before the answer is sent: an audit log that lags behind would miss what happened last. */
export function auditWriter(file: string, bytesMax = auditLogBytesMax): (line: string) => void {
  if (file === '-') return (line) => void process.stdout.write(line);
  let log = openLog(file);
  let sizeBytes = fstatSync(log).size;
  return (line) => {
    if (sizeBytes >= bytesMax) {
      // Closed last: if a close fails, nothing must be written to a descriptor that may be another's by then.
      renameSync(file, `${file}.1`);
      const next = openLog(file);
      closeSync(log);
      log = next;
      sizeBytes = 0;
    }
    sizeBytes += writeSync(log, line);
  };
}

function openLog(file: string): number {
  return openSync(file, 'a', 0o600);
}
