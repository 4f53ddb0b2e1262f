/** The file of --authentication-config. */
import { parseYamlStrictly } from '../../api/schema/body/yaml.ts';
import { readAuthenticationConfiguration } from '../../apiserver/authentication/configuration.ts';
import { ConfiguredAuthentication } from '../../apiserver/authentication/configured-authentication.ts';
import { type FollowedFileOptions, followFile } from './followed-file.ts';

export interface AuthenticationFileOptions extends FollowedFileOptions {
  /** Issuers of the server's own tokens. */
  ownIssuers: readonly string[];
}

/** @throws Error when the file is wrong at the start */
export async function followAuthenticationFile(
  options: AuthenticationFileOptions,
  signal: AbortSignal,
): Promise<ConfiguredAuthentication> {
  const configured = new ConfiguredAuthentication(options);
  await followFile(
    'authentication',
    options,
    (text) => configured.set(readAuthenticationConfiguration(parseYamlStrictly(text), options.ownIssuers)),
    signal,
  );
  return configured;
}
