/** Where a webhook is reached: a URL or a Service, for admission and for conversion alike. */
import { type FieldErrors, invalidValue, required } from './field-error.ts';
import { inRangeText } from './fields.ts';
import { subdomainProblems } from './names.ts';

export interface WebhookClient {
  url?: string | undefined;
  service?: { name?: string; namespace?: string; path?: string; port?: number } | undefined;
}

export function* validateWebhookClient(client: WebhookClient, field: string): FieldErrors {
  const { url, service } = client;
  if ((url === undefined) === (service === undefined))
    yield required(field, 'exactly one of url or service is required');
  else if (url !== undefined) yield* validateUrl(url, `${field}.url`);
  else yield* validateService(service!, `${field}.service`);
}

const urlForm = '; desired format: https://host[/path]';

/** The parts that Go finds: it takes nearly any text for a URL, if only for its path. */
const urlParts = /^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s;

function* validateUrl(text: string, field: string): FieldErrors {
  const [, scheme = '', authority = '', , query = '', fragment = ''] = urlParts.exec(text)!;
  const at = authority.lastIndexOf('@');
  const host = authority.slice(at + 1);
  if (!scheme && text.startsWith(':')) {
    yield required(
      field,
      `url must be a valid URL: parse ${JSON.stringify(text)}: missing protocol scheme${urlForm}`,
    );
    return;
  }
  if (scheme.toLowerCase() !== 'https')
    yield invalidValue(field, scheme, `'https' is the only allowed URL scheme${urlForm}`);
  if (!host) yield invalidValue(field, host, `host must be specified${urlForm}`);
  if (at >= 0)
    yield invalidValue(field, authority.slice(0, at), 'user information is not permitted in the URL');
  if (fragment) yield invalidValue(field, fragment, 'fragments are not permitted in the URL');
  if (query) yield invalidValue(field, query, 'query parameters are not permitted in the URL');
}

function* validateService(service: NonNullable<WebhookClient['service']>, field: string): FieldErrors {
  const { name, namespace, port = 443, path = '' } = service;
  // Upstream confuses the two, in all its versions.
  if (!namespace) yield required(`${field}.name`);
  if (!name) yield required(`${field}.namespace`);
  if (port < 1 || port > 65_535)
    yield invalidValue(`${field}.port`, port, `port is not valid: ${inRangeText(1, 65_535)}`);
  yield* validatePath(path, `${field}.path`);
}

function* validatePath(path: string, field: string): FieldErrors {
  if (path === '' || path === '/') return;
  if (path === '//') {
    yield invalidValue(field, path, 'segment[0] may not be empty');
    return;
  }
  if (!path.startsWith('/')) yield invalidValue(field, path, "must start with a '/'");
  for (const [index, segment] of path.slice(1).replace(/\/$/, '').split('/').entries()) {
    if (segment === '') yield invalidValue(field, path, `segment[${index}] may not be empty`);
    else
      for (const problem of subdomainProblems(segment))
        yield invalidValue(field, path, `segment[${index}]: ${problem}`);
  }
}
