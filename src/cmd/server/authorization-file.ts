/** The file of --authorization-config, and the webhooks that it names. */
import { statSync } from 'node:fs';
import { parseYamlStrictly } from '../../api/schema/body/yaml.ts';
import {
  type AuthorizerEntry,
  readAuthorizationConfiguration,
} from '../../apiserver/authorization/configuration.ts';
import {
  AuthorizationChain,
  type ChainEntry,
} from '../../apiserver/authorization/configured-authorization.ts';
import { webhookAuthorizer } from '../../apiserver/authorization/webhook-authorizer.ts';
import type { AuthorizationMetrics } from '../../apiserver/metrics/authorization-metrics.ts';
import { postJson } from '../../apiserver/outgoing/post-json.ts';
import { VerifiedAgent } from '../../apiserver/outgoing/verified-tls.ts';
import type { Random } from '../../base/random.ts';
import { http } from '../../base/system/node-http.ts';
import { loadKubeconfig } from '../../client/kubeconfig.ts';
import { credentialsOf } from '../../client/transport/http-transport.ts';
import { type FollowedFileOptions, followFile } from './followed-file.ts';

export interface AuthorizationFileOptions extends FollowedFileOptions {
  random: Random;
  authorizationMetrics: AuthorizationMetrics;
}

/** A connection that nothing is asked on closes: those of a former configuration, too. */
const idleTimeoutMs = 60_000;

/** @throws Error when the file is wrong at the start */
export async function followAuthorizationFile(
  options: AuthorizationFileOptions,
  signal: AbortSignal,
): Promise<AuthorizationChain> {
  const chain = new AuthorizationChain();
  const load = async (text: string) => {
    const entries = readAuthorizationConfiguration(parseYamlStrictly(text), fileProblem);
    chain.current = await Promise.all(entries.map((entry) => chainEntry(entry, options)));
  };
  await followFile('authorization', options, load, signal);
  return chain;
}

function fileProblem(path: string): string | undefined {
  try {
    return statSync(path).isFile() ? undefined : 'must be a regular file';
  } catch (error) {
    return `error loading file: ${error instanceof Error ? error.message : error}`;
  }
}

async function chainEntry(entry: AuthorizerEntry, options: AuthorizationFileOptions): Promise<ChainEntry> {
  if (entry.type !== 'Webhook') return entry;
  const { name, type, webhook } = entry;
  const { clock, random, logger, authorizationMetrics: metrics } = options;
  const { connection } = await loadKubeconfig(webhook.kubeconfigFile);
  const url = new URL(connection.server);
  url.searchParams.set('timeout', `${webhook.timeoutMs / 1000}s`);
  const agent = new (url.protocol === 'http:' ? http.Agent : VerifiedAgent)({
    keepAlive: true,
    timeout: idleTimeoutMs,
  });
  const credentials = credentialsOf(connection, clock);
  const post = async (body: string, timeoutMs: number) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const authorization = await credentials();
    const headers = { accept: 'application/json', ...(authorization && { authorization }) };
    try {
      const answer = await postJson(url, { body, headers, signal, tls: connection, agent });
      return answer.text;
    } catch (error) {
      if (error instanceof Error) error.message = `Post ${JSON.stringify(url.href)}: ${error.message}`;
      throw error;
    }
  };
  const ask = webhookAuthorizer({ name, settings: webhook, post, clock, random, logger, metrics });
  return { type, name, ask };
}
